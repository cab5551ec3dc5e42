//! Every HTTP route on one page.

use std::any::Any;

use axum::{
    Router,
    http::{Method, Uri},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::catch_panic::CatchPanicLayer;

use super::{Api, callers, endpoint, error::Rejection, freshness, health, web};

/// Everything that is served on one address.
pub fn router(api: Api) -> Router {
    router_with(api, Router::new())
}

/// The same with what the program around it adds.
pub fn router_with(api: Api, more: Router<Api>) -> Router {
    Router::new()
        // Queries and mutations, and any operation over a WebSocket.
        .route("/graphql", get(endpoint::get_or_upgrade).post(endpoint::post))
        // The same and subscriptions, as server-sent events.
        .route("/graphql/stream", get(endpoint::get_stream).post(endpoint::post_stream))
        // Those two wait until this instance has come as far as they ask.
        .route_layer(middleware::from_fn_with_state(api.clone(), freshness::wait))
        .route("/schema.graphql", get(health::schema))
        // For operators.
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        // `/`, `/playground` and `/assets`.
        .merge(web::routes())
        .merge(more)
        .fallback(not_found)
        .method_not_allowed_fallback(bad_method)
        // Around all of it, what is not found included.
        .layer(middleware::from_fn_with_state(api.clone(), callers::check))
        .layer(CatchPanicLayer::custom(panicked(api.clone())))
        .with_state(api)
}

async fn not_found(uri: Uri) -> Rejection {
    Rejection::NotFound { path: uri.path().chars().take(100).collect() }
}

async fn bad_method(method: Method) -> Rejection {
    Rejection::Method { method: method.to_string() }
}

/// One request failed; the others and the server go on.
fn panicked(api: Api) -> impl Fn(Box<dyn Any + Send>) -> Response + Clone {
    move |panic| {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        tracing::error!(panic = text.unwrap_or("no text"), "a request panicked");
        api.graph().metrics().panicked();
        Rejection::Panic.into_response()
    }
}
