//! Connections as a client's bytes see them.

use std::sync::Arc;

use axum::{Router, routing::get};
use entitygraph_store::MemoryStore;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::mpsc,
};

use super::*;
use crate::{Config, Graph, Metrics, api::Api};

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";

/// A text frame of a client; a mask of zeros leaves the text as it is.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0xff];
    frame.extend((text.len() as u64).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text.bytes());
    frame
}

/// Serves connections that give their clients so long; the receiver hears of each one's end.
async fn serve(write_time: Duration) -> (TcpStream, mpsc::Receiver<()>) {
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    let store = Arc::new(MemoryStore::new());
    let (graph, _follower) = Graph::start(store, Config::default(), metrics, CancellationToken::new());
    let live = Api::new(graph, registry, Handle::current()).live().clone();
    let (ended, over) = mpsc::channel(1);
    let accept = get(async move |upgrade: WebSocketUpgrade| {
        upgrade.protocols([PROTOCOL]).on_upgrade(async move |socket| {
            Connection::new(live, socket, true, write_time).serve(CancellationToken::new()).await;
            ended.send(()).await.unwrap();
        })
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    tokio::spawn(axum::serve(listener, Router::new().route("/", accept)).into_future());
    client.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(client.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    (client, over)
}

#[tokio::test]
async fn a_message_over_the_limit_is_answered_with_its_own_code() {
    let (mut client, _over) = serve(Duration::from_secs(5)).await;
    let mut header = vec![0x81, 0xff];
    header.extend((1u64 << 40).to_be_bytes());
    header.extend([0; 4]);
    client.write_all(&header).await.unwrap();
    let mut farewell = [0; 4];
    client.read_exact(&mut farewell).await.unwrap();
    assert_eq!((farewell[0], u16::from_be_bytes([farewell[2], farewell[3]])), (0x88, 1009));
}

#[tokio::test]
async fn a_client_that_asks_for_pongs_and_takes_none_is_sent_away() {
    let (mut client, mut over) = serve(Duration::from_millis(200)).await;
    client.write_all(&frame(r#"{"type":"connection_init"}"#)).await.unwrap();
    let ping = frame(&format!(r#"{{"type":"ping","payload":"{}"}}"#, "x".repeat(64 * 1024)));
    let flood = async {
        // Blocks when the server reads no more, fails when it is gone.
        while client.write_all(&ping).await.is_ok() {}
        std::future::pending::<()>().await
    };
    let ended = async {
        tokio::select! {
            () = flood => None,
            ended = over.recv() => ended,
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
    assert_eq!(ended.expect("the connection ends"), Some(()));
}
