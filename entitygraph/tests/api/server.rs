//! A server on a socket: health, figures, and stopping.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::http::StatusCode;
use entitygraph::{
    Config, Graph, Metrics,
    api::{
        Api,
        router::router,
        server::{Stopped, serve},
    },
};
use entitygraph_store::MemoryStore;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::JoinHandle,
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_util::sync::CancellationToken;

use crate::{support::GatedStore, world::World};

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

/// A world served on a socket.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<io::Result<Stopped>>,
}

impl Running {
    async fn start(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let server = tokio::spawn(serve(
            listener,
            world.api.clone(),
            axum::Router::new(),
            stop.clone().cancelled_owned(),
        ));
        Self { address, stop, server }
    }

    /// Tells it to stop.
    fn stop(&self) {
        self.stop.cancel();
    }

    /// How it ended.
    async fn ended(self) -> Stopped {
        self.server.await.unwrap().unwrap()
    }
}

/// Sends the head of a request and its body up to `sent` bytes of it.
async fn begin(address: SocketAddr, body: &str, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
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
    let server = Running::start(&world).await;

    let body = json!({ "query": "mutation { leaseIds }" }).to_string();
    let mut waiting = begin(server.address, &body, 10).await;
    server.stop();
    world.api.drain().cancelled().await;
    assert_eq!(world.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    waiting.write_all(&body.as_bytes()[10..]).await.unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#"{"data":{"leaseIds":""#), "{answer}");
    let address = server.address;
    assert_eq!(server.ended().await, Stopped::Drained);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_at_the_deadline() {
    let mut config = Config::default();
    config.server.drain_ms = 50;
    let world = World::with(config);
    let server = Running::start(&world).await;
    let _waiting = begin(server.address, "{\"query\": \"\"}", 3).await;
    // Known to the server once it answers on another connection that came later.
    let mut other = begin(server.address, "{}", 2).await;
    other.read_u8().await.unwrap();
    server.stop();
    let outcome = tokio::time::timeout(Duration::from_secs(10), server.ended()).await;
    assert_eq!(outcome.unwrap(), Stopped::CutOff);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_in_time() {
    let mut config = Config::default();
    config.limits.request_ms = 50;
    let world = World::with(config);
    let server = Running::start(&world).await;
    let mut waiting = begin(server.address, "{\"query\": \"\"}", 3).await;
    let mut answer = vec![0; 4096];
    let read = waiting.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("TIMEOUT"), "{answer}");
}

#[tokio::test]
async fn a_stop_ends_event_streams_and_does_not_call_them_complete() {
    let mut config = Config::default();
    config.server.drain_ms = 5_000;
    let world = World::with(config);
    let server = Running::start(&world).await;
    let body =
        json!({ "query": "subscription { changes(scope: { label: \"x\" }) { __typename } }" }).to_string();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /graphql/stream HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    while !text.contains("Snapshot") {
        let mut bytes = vec![0; 4096];
        let read = stream.read(&mut bytes).await.unwrap();
        assert!(read > 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    server.stop();
    assert_eq!(server.ended().await, Stopped::Drained);
    stream.read_to_string(&mut text).await.unwrap();
    assert!(!text.contains("event: complete"), "a client would not come back: {text}");
}

#[tokio::test]
async fn a_stop_waits_until_every_websocket_was_told_of_it() {
    let streams = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let world = World::on(Arc::new(MemoryStore::new()), Config::default(), streams.handle().clone());
    let running = Running::start(&world).await;
    let mut request = format!("ws://{}/graphql", running.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (mut client, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    client.send(Message::text(r#"{"type":"connection_init"}"#)).await.unwrap();
    assert!(client.next().await.unwrap().unwrap().is_text());
    // The only thread that can tell it has something else to do.
    let (release, busy) = std::sync::mpsc::channel::<()>();
    streams.spawn(async move { busy.recv() });
    running.stop();
    let mut ended = std::pin::pin!(running.ended());
    let early = tokio::time::timeout(Duration::from_millis(300), &mut ended).await;
    assert!(early.is_err(), "it stopped before the client was told");
    release.send(()).unwrap();
    assert_eq!(ended.await, Stopped::Drained);
    let goodbye = client.next().await.unwrap().unwrap();
    assert!(matches!(&goodbye, Message::Close(Some(frame)) if u16::from(frame.code) == 1001), "{goodbye:?}");
    streams.shutdown_background();
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_its_connection() {
    let mut config = Config::default();
    config.server.header_ms = 100;
    let running = Running::start(&World::with(config)).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"POST /graphql HTTP/1.1\r\nhost: loc").await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place_and_a_websocket_keeps_its_own() {
    let mut config = Config::default();
    config.server.connections = 1;
    let running = Running::start(&World::with(config)).await;
    let mut request = format!("ws://{}/graphql", running.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let mut waiting = TcpStream::connect(running.address).await.unwrap();
    waiting
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    let early = tokio::time::timeout(Duration::from_millis(300), waiting.read_to_string(&mut answer)).await;
    assert!(early.is_err(), "{answer}");
    drop(socket);
    waiting.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_server_that_nobody_tells_of_commits_is_not_ready() {
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    let stop = CancellationToken::new();
    let (graph, follower) =
        Graph::start(Arc::new(MemoryStore::new()), Config::default(), metrics, stop.clone());
    let api = Api::new(graph, registry, Handle::current());
    let world = World { router: router(api.clone()), api };
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);
    stop.cancel();
    follower.await.unwrap();
    let reply = world.get("/readyz").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.json()["status"], "failed", "{}", reply.text);
}

#[tokio::test]
async fn a_server_whose_store_writes_no_more_is_not_ready() {
    let store = GatedStore::closed();
    store.open();
    let world = World::over(store.clone(), Config::default());
    world.data("mutation { leaseIds }").await;
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);
    store.stop();
    // More than are leased ahead.
    assert_eq!(world.error("mutation { leaseIds(count: 5000) }", json!({})).await.0, "STORE_STOPPED");
    for path in ["/readyz", "/healthz"] {
        let reply = world.get(path).await;
        let told = (reply.status, &reply.json()["status"]);
        assert_eq!(told, (StatusCode::SERVICE_UNAVAILABLE, &json!("failed")), "{path}");
    }
}

#[tokio::test]
async fn every_series_is_there_before_its_first_event() {
    let metrics = World::empty().get("/metrics").await;
    for line in [
        r#"entitygraph_requests_total{operation="mutation",outcome="fault"} 0"#,
        r#"entitygraph_requests_total{operation="unknown",outcome="refused"} 0"#,
        r#"entitygraph_subscription_messages_total{kind="lag"} 0"#,
        r#"entitygraph_cache_lookups_total{result="miss"} 0"#,
    ] {
        assert!(metrics.text.lines().any(|found| found == line), "{line} is not in\n{}", metrics.text);
    }
}
