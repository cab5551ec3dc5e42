//! What operators and their tools ask: alive, ready, figures.

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

/// The process runs and its store answers. The landing page shows these figures.
pub(super) async fn alive(State(api): State<Api>) -> Response {
    let graph = api.graph();
    match graph.total(None).await {
        Ok(entities) => Json(json!({
            "status": "up",
            "version": env!("CARGO_PKG_VERSION"),
            "store": graph.store_info().engine,
            "cursor": graph.applied().borrow().to_string(),
            "entities": entities.to_string(),
        }))
        .into_response(),
        Err(error) => {
            tracing::error!(%error, "the store did not answer the health check");
            let body = json!({ "status": "down", "code": error.code(), "reason": error.to_string() });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
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
