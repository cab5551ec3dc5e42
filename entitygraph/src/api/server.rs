//! Serving on a socket, and stopping without losing an answer.

use std::{future::Future, io, time::Duration};

use tokio::net::TcpListener;

use super::{Api, accept, router::router_with};

/// How a server stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every request that had come in was answered.
    Drained,
    /// Some were still under way at the deadline and are cut off.
    CutOff,
}

/// Serves everything of [`super::router`], and `more` that the program around it adds, until `shutdown` is there, then: readiness goes down, after `server.notice_ms` no more connections are
/// accepted, requests under way are finished for at most `server.drain_ms`, streams are asked to end.
///
/// Dropping the future stops accepting at once.
///
/// # Errors
/// Those of the listener, when it can accept no more at all.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    more: axum::Router<Api>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<Stopped> {
    let config = api.graph().config().server.clone();
    let mut server =
        std::pin::pin!(accept::serve(listener, router_with(api.clone(), more), &config, api.drain()));
    tokio::select! {
        () = &mut server => return Ok(Stopped::Drained),
        () = shutdown => {}
    }
    tracing::info!(
        notice_ms = config.notice_ms,
        drain_ms = config.drain_ms,
        "stopping: finishing what is under way"
    );
    api.refuse_readiness();
    if tokio::time::timeout(Duration::from_millis(config.notice_ms), &mut server).await.is_ok() {
        return Ok(Stopped::Drained);
    }
    api.drain().cancel();
    let ended = async {
        server.await;
        // WebSockets have left the server; each says goodbye.
        api.live().ended().await;
    };
    match tokio::time::timeout(Duration::from_millis(config.drain_ms), ended).await {
        Ok(()) => Ok(Stopped::Drained),
        Err(_) => {
            tracing::warn!(
                drain_ms = config.drain_ms,
                "requests were still under way at the deadline and are cut off"
            );
            Ok(Stopped::CutOff)
        }
    }
}
