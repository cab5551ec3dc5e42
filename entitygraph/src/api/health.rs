//! What operators and their tools ask: alive, ready, figures.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus::TextEncoder;
use serde_json::json;

use super::Api;
use crate::service::Error;

/// How long the store may take to say how many entities it has: a probe for life must not wait for a database.
const COUNT_TIME: Duration = Duration::from_millis(500);

/// Whether the process is alive: it is also when its store cannot be reached, since it goes on by itself and a new process would lose
/// its cache and reach no more. Not when a part ended that it cannot do without. The landing page shows these figures.
pub(super) async fn alive(State(api): State<Api>) -> Response {
    let graph = api.graph();
    if let Some(failure) = graph.failure() {
        let body = json!({ "status": "failed", "reason": failure.to_string() });
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    }
    let mut body = json!({
        "status": "up",
        "version": env!("CARGO_PKG_VERSION"),
        "store": graph.store_info().engine,
        "cursor": graph.applied().borrow().to_string(),
    });
    match tokio::time::timeout(COUNT_TIME, graph.total(None)).await {
        Ok(Ok(entities)) => body["entities"] = json!(entities.to_string()),
        Ok(Err(error)) => {
            body["status"] = json!("without store");
            body["code"] = json!(error.code());
            body["reason"] = json!(error.to_string());
        }
        Err(_) => {
            body["status"] = json!("without store");
            body["reason"] = json!(format!("the store did not answer within {COUNT_TIME:?}"));
        }
    }
    Json(body).into_response()
}

/// New requests are welcome: not any more once the server was told to stop, or a part that it cannot do without ended.
/// While the disk is full they are, because reads go on; the answer says that writes do not. A store that writes no more until it
/// is opened again is a failure.
pub(super) async fn ready(State(api): State<Api>) -> Response {
    let (status, reason) = match api.graph().failure() {
        Some(failure) => ("failed", failure.to_string()),
        None if api.is_ready() => {
            let (code, status, error) = match api.graph().room().await {
                Ok(()) => return Json(json!({ "status": "ready" })).into_response(),
                Err(error @ Error::Full { .. }) => (StatusCode::OK, "read-only", error),
                Err(error) => (StatusCode::SERVICE_UNAVAILABLE, "failed", error),
            };
            let body = json!({ "status": status, "code": error.code(), "reason": error.to_string() });
            return (code, Json(body)).into_response();
        }
        None => ("stopping", "the server was told to stop: send requests elsewhere".to_owned()),
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": status, "reason": reason }))).into_response()
}

/// Every figure, for Prometheus.
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    match TextEncoder::new().encode_to_string(&api.registry().gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
        }
    }
}

/// The schema in the schema language.
pub(super) async fn schema(State(api): State<Api>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], api.sdl()).into_response()
}
