//! What a running server does for the operator of its machine: an embedded store has one owner, so whoever wants to move the
//! world asks that one. Each call of [`Source`] is a request here; [`crate::remote`] makes them.
//!
//! Records and commits go out as frames of a backup, each with its checksum.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Query, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use entitygraph::api::Api;
use entitygraph_migrations::{
    backup::{bytes::FrameWriter, frame::Frame, parts},
    moving::MoveError,
    source::{Cataloged, Opened, Source},
};
use entitygraph_schema::{
    Cursor,
    query::{PageCursor, PageRequest, RecordSort},
};
use entitygraph_store::{Feed, Store};
use serde::Deserialize;

/// Most commits of one answer.
const MOST_COMMITS: usize = 10_000;

/// The routes. A page of another site can ask for nothing by POST that is answered, and a proxy's callers are refused here.
pub fn routes(store: Arc<dyn Store>) -> Router<Api> {
    Router::new()
        .route("/admin/source", post(about))
        .route("/admin/source/total", post(total))
        .route("/admin/source/catalog", post(catalog))
        .route("/admin/source/records", post(records))
        .route("/admin/source/commits", post(commits))
        .route("/admin/source/lease", post(lease))
        .route_layer(middleware::from_fn(refuse_proxies))
        .with_state(Opened(store))
}

async fn refuse_proxies(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if ["forwarded", "x-forwarded-for", "via"].iter().any(|name| headers.contains_key(*name)) {
        let said = "the world is given to this machine only, not through a proxy\n";
        return (StatusCode::FORBIDDEN, said).into_response();
    }
    next.run(request).await
}

/// Why there is no answer.
struct Refused(MoveError);

impl From<MoveError> for Refused {
    fn from(error: MoveError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let status = match &error {
            error if error.retryable() => StatusCode::SERVICE_UNAVAILABLE,
            MoveError::Store { source, .. } if matches!(**source, entitygraph_store::Error::Refused(_)) => {
                StatusCode::BAD_REQUEST
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let error = anyhow::Error::from(error);
        tracing::warn!(error = %format!("{error:#}"), "a part of the world could not be sent");
        (status, format!("{error:#}\n")).into_response()
    }
}

#[derive(Deserialize)]
struct About {
    /// Waits a moment for a commit after this one.
    after: Option<u64>,
}

/// The newest commit and the store: `CURSOR LOCATION`.
async fn about(State(source): State<Opened>, Query(about): Query<About>) -> Result<String, Refused> {
    let newest = match about.after {
        Some(after) => source.newest_after(Cursor::from_number(after)).await?,
        None => source.newest().await?,
    };
    Ok(format!("{newest} {}", source.location()))
}

/// How many entities there are; nothing where that is not known.
async fn total(State(source): State<Opened>) -> Result<String, Refused> {
    Ok(source.total().await?.map(|total| total.to_string()).unwrap_or_default())
}

async fn catalog(State(source): State<Opened>) -> Result<Vec<u8>, Refused> {
    let Cataloged { components, containers } = source.catalog().await?;
    encoded(parts::catalog(components, containers)).await
}

#[derive(Deserialize)]
struct Page {
    sort: String,
    first: usize,
}

/// A page after the one whose cursor is the body; without a body the first.
async fn records(
    State(source): State<Opened>,
    Query(page): Query<Page>,
    after: Bytes,
) -> Result<Response, Refused> {
    let Some(sort) = RecordSort::ALL.into_iter().find(|sort| name(*sort) == page.sort) else {
        let said = format!("there are no records `{}`\n", page.sort);
        return Ok((StatusCode::BAD_REQUEST, said).into_response());
    };
    let after = (!after.is_empty()).then(|| PageCursor(after.to_vec()));
    let page = source.records(sort, PageRequest { first: page.first, after }).await?;
    Ok(encoded([parts::page(sort, page)].into_iter()).await?.into_response())
}

/// A sort of records in a request.
pub fn name(sort: RecordSort) -> &'static str {
    match sort {
        RecordSort::Entity => "entities",
        RecordSort::Buried => "buried",
        RecordSort::Link => "links",
    }
}

#[derive(Deserialize)]
struct Commits {
    after: u64,
    limit: usize,
}

/// Commits, or 410 and `OLDEST NEWEST` when they are not there.
async fn commits(State(source): State<Opened>, Query(asked): Query<Commits>) -> Result<Response, Refused> {
    Ok(match source.changes(Cursor::from_number(asked.after), asked.limit.min(MOST_COMMITS)).await? {
        Feed::Commits(commits) => encoded(parts::commits(commits)).await?.into_response(),
        Feed::Resync { oldest, newest } => (StatusCode::GONE, format!("{oldest} {newest}")).into_response(),
    })
}

async fn lease(State(source): State<Opened>) -> Result<String, Refused> {
    Ok(source.lease().await?.to_string())
}

/// Frames as bytes, made beside the threads that serve players.
async fn encoded(frames: impl Iterator<Item = Frame> + Send + 'static) -> Result<Vec<u8>, Refused> {
    let encode = tokio::task::spawn_blocking(move || {
        let mut writer = FrameWriter::resume(Vec::new());
        for frame in frames {
            writer.write(&frame)?;
        }
        Ok(writer.into_inner())
    });
    let encoded = encode.await.map_err(std::io::Error::other).flatten();
    Ok(encoded.map_err(MoveError::file("the answer".as_ref(), "written"))?)
}
