//! What WebSockets can do at best here: a server that hands each text it is sent to everybody, with no store, no GraphQL and no
//! scope behind it.

use std::net::Ipv4Addr;

use anyhow::Result;
use axum::{
    Router,
    extract::{
        State,
        ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    routing::{get, post},
};
use futures_util::SinkExt;
use tokio::{net::TcpListener, sync::broadcast};

/// Texts kept for a subscriber that is behind, as many as in the server proper.
const RING: usize = 16;

/// Serves until it is killed. Speaks as much of `graphql-transport-ws` as one subscription needs.
pub async fn serve() -> Result<()> {
    let texts = broadcast::Sender::<Utf8Bytes>::new(RING);
    let subscribe = async |State(texts): State<broadcast::Sender<Utf8Bytes>>, upgrade: WebSocketUpgrade| {
        let upgrade = upgrade.protocols(["graphql-transport-ws"]).read_buffer_size(1024);
        // A client that has gone away ends its task.
        upgrade.on_upgrade(async move |socket| drop(follow(socket, texts.subscribe()).await))
    };
    let say = async |State(texts): State<broadcast::Sender<Utf8Bytes>>, text: String| {
        drop(texts.send(text.into()));
    };
    let router = Router::new().route("/graphql", get(subscribe)).route("/say", post(say)).with_state(texts);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(tcp(listener), router).await?)
}

/// Sends at once, as the server proper does.
fn tcp(listener: TcpListener) -> impl axum::serve::Listener<Addr = std::net::SocketAddr> {
    axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)))
}

async fn follow(mut socket: WebSocket, mut texts: broadcast::Receiver<Utf8Bytes>) -> Result<()> {
    for answer in [r#"{"type":"connection_ack"}"#, "subscribed"] {
        socket.recv().await;
        socket.send(Message::Text(answer.into())).await?;
    }
    loop {
        socket.feed(Message::Text(texts.recv().await?)).await?;
        while let Ok(text) = texts.try_recv() {
            socket.feed(Message::Text(text)).await?;
        }
        socket.flush().await?;
    }
}
