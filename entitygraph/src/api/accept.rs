//! Accepting connections: so many at a time, each with a limit of time for what it says of a request before its body.

use std::{io, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::config::ServerConfig;

/// How long to wait when no connection can be accepted, mostly because the process has no file descriptor left.
const PAUSE: Duration = Duration::from_secs(1);

/// A connection's place among those that are open. A WebSocket takes it along.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Serves until `stop`, then ends each connection after the request that it is at. Those beyond the limit wait to be
/// accepted.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    config: &ServerConfig,
    stop: CancellationToken,
) {
    let seats = Arc::new(Semaphore::new(config.connections));
    let mut http = auto::Builder::new(TokioExecutor::new());
    let header_time = Duration::from_millis(config.header_ms);
    http.http1().timer(TokioTimer::new()).header_read_timeout(header_time);
    http.http2().timer(TokioTimer::new()).enable_connect_protocol();
    let open = GracefulShutdown::new();
    let accept = async {
        loop {
            // Never closed.
            let Ok(permit) = seats.clone().acquire_owned().await else { return };
            let stream = accepted(&listener).await;
            let (seat, router) = (Seat { _permit: Arc::new(permit) }, router.clone());
            let answer = service_fn(move |request: hyper::Request<Incoming>| {
                let (router, seat) = (router.clone(), seat.clone());
                async move {
                    let mut request: Request = request.map(Body::new);
                    request.extensions_mut().insert(seat);
                    router.oneshot(request).await
                }
            });
            let connection = http.serve_connection_with_upgrades(TokioIo::new(stream), answer);
            let connection = open.watch(connection.into_owned());
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error, "a connection broke");
                }
            });
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop.cancelled() => {}
    }
    drop(listener);
    open.shutdown().await;
}

/// The next connection.
async fn accepted(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are written whole: waiting for more to send only adds latency.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                return stream;
            }
            // The client was gone before it was accepted.
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted; trying again in a second");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
