//! The web pages: the landing page at `/` and the playground at `/playground`.
//!
//! Everything they need is in this binary (folder `entitygraph/web`): scripts, styles, fonts, examples. They
//! work with no internet, and the browser is told to refuse any other address (see `SECURITY`).
//! The pages ask only `/graphql`, `/healthz` and `/assets/*` of the address that served them; what is behind
//! those is not known here, so [`routes`] fits into a router of any state.

mod assets;
mod examples;
#[cfg(test)]
mod tests;

use axum::{
    Json, Router,
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::{compression::CompressionLayer, set_header::SetResponseHeaderLayer};

pub use examples::{Example, ExampleError, examples};

/// What a browser may do on our pages: scripts, styles, requests and WebSockets of this origin only, nothing
/// inline. Two exceptions, both for GraphiQL: its fonts are data inside its style sheet, and an open dialog adds
/// one style element that keeps the page behind from scrolling, allowed by the hash of its text (which stays the
/// same as long as the body has no margin and no scroll bar). The browser test sees it when this is not enough.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; \
             style-src 'self' 'sha256-nzTgYzXYDNe6BAHiiI7NNlfK8n/auuOAhh2t92YvuXo='; font-src data:; \
             img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

/// Mounts `/`, `/playground` and `/assets/*`, compressed, cached and with a strict content security policy.
///
/// Pages and own assets are revalidated by `ETag` on each load; third-party files have their version in the
/// path and are kept for a year. `/assets/examples.json` lists the [`examples()`].
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let pages = Router::new()
        .route("/", get(landing))
        .route("/playground", get(playground))
        .route("/assets/examples.json", get(example_list))
        .route("/assets/{*path}", get(asset))
        .layer(CompressionLayer::new().gzip(true));
    SECURITY
        .into_iter()
        .fold(pages, |pages, (name, value)| pages.layer(SetResponseHeaderLayer::overriding(name, value)))
}

async fn landing(request: HeaderMap) -> Response {
    assets::page("index.html", &request)
}

async fn playground(request: HeaderMap) -> Response {
    assets::page("playground.html", &request)
}

async fn asset(Path(path): Path<String>, request: HeaderMap) -> Response {
    assets::asset(&path, &request)
}

async fn example_list() -> Response {
    match examples() {
        Ok(examples) => ([(header::CACHE_CONTROL, assets::REVALIDATE)], Json(examples)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the playground has no examples");
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
        }
    }
}
