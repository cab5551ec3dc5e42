//! A server on a socket: health, figures, and stopping.

use std::time::Duration;

use axum::http::StatusCode;
use entitygraph::{
    Config,
    api::server::{Stopped, serve},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::world::World;

#[tokio::test]
async fn health_readiness_and_status_tell_what_is_there() {
    let world = World::small().await;
    let health = world.get("/healthz").await.json();
    assert_eq!(
        (&health["status"], &health["store"], &health["entities"]),
        (&json!("up"), &json!("memory"), &json!("13"))
    );
    assert_eq!(world.get("/readyz").await.json(), json!({ "status": "ready" }));
    let status = world
        .data("{ status { version store caveat entities cursor cacheHitRate cacheBytes diskBytes } }")
        .await;
    assert_eq!(
        (&status["status"]["cursor"], &status["status"]["entities"]),
        (&health["cursor"], &json!("13"))
    );
    assert!(status["status"]["cacheHitRate"].is_f64() && status["status"]["caveat"].is_string());
}

#[tokio::test]
async fn metrics_count_requests_by_operation_and_outcome() {
    let world = World::empty();
    world.data("{ status { cursor } }").await;
    world.data("mutation { leaseIds }").await;
    world.post("oops").await;
    let metrics = world.get("/metrics").await;
    assert!(metrics.content_type.starts_with("text/plain"));
    for line in [
        r#"entitygraph_requests_total{operation="query",outcome="ok"} 1"#,
        r#"entitygraph_requests_total{operation="mutation",outcome="ok"} 1"#,
        r#"entitygraph_requests_total{operation="unknown",outcome="refused"} 1"#,
        r#"entitygraph_request_seconds_count{operation="query"} 1"#,
    ] {
        assert!(metrics.text.lines().any(|found| found == line), "{line} is not in\n{}", metrics.text);
    }
}

#[tokio::test]
async fn the_pages_and_the_api_share_one_address() {
    let world = World::empty();
    for (path, part) in [("/", "<html"), ("/playground", "<html"), ("/schema.graphql", "type Query")] {
        let reply = world.get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert!(reply.text.contains(part), "{path}");
    }
}

/// Sends the head of a request and its body up to `sent` bytes of it.
async fn begin(address: std::net::SocketAddr, body: &str, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        body.len(),
        &body[..sent]
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_stop_answers_what_had_come_in_and_takes_nothing_new() {
    let mut config = Config::default();
    config.server.notice_ms = 20;
    let world = World::with(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server =
        tokio::spawn(serve(listener, world.api.clone(), async { stopped.await.unwrap_or_default() }));

    let body = json!({ "query": "mutation { leaseIds }" }).to_string();
    let mut waiting = begin(address, &body, 10).await;
    stop.send(()).unwrap();
    world.api.drain().cancelled().await;
    assert_eq!(world.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    waiting.write_all(&body.as_bytes()[10..]).await.unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#"{"data":{"leaseIds":""#), "{answer}");
    assert_eq!(server.await.unwrap().unwrap(), Stopped::Drained);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_at_the_deadline() {
    let mut config = Config::default();
    config.server.drain_ms = 50;
    let world = World::with(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server =
        tokio::spawn(serve(listener, world.api.clone(), async { stopped.await.unwrap_or_default() }));
    let _waiting = begin(address, "{\"query\": \"\"}", 3).await;
    // Known to the server once it answers on another connection that came later.
    let mut other = begin(address, "{}", 2).await;
    other.read_u8().await.unwrap();
    stop.send(()).unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(10), server).await.unwrap();
    assert_eq!(outcome.unwrap().unwrap(), Stopped::CutOff);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_in_time() {
    let mut config = Config::default();
    config.limits.request_ms = 50;
    let world = World::with(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _server = tokio::spawn(serve(listener, world.api.clone(), std::future::pending()));
    let mut waiting = begin(address, "{\"query\": \"\"}", 3).await;
    let mut answer = vec![0; 4096];
    let read = waiting.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("TIMEOUT"), "{answer}");
}
