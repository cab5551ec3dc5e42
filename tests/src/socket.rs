//! `graphql-transport-ws`, the client's side, as small as it can be: for load and for misuse.

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, Utf8Bytes, client::IntoClientRequest, protocol::WebSocketConfig},
};

/// A connection that was acknowledged.
pub struct Socket {
    /// The raw WebSocket.
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    /// Connects to the server at `base`, with small buffers.
    pub async fn connect(base: &str) -> Result<Self> {
        Self::connect_with(base, json!({})).await
    }

    /// The same with a payload of `connection_init`.
    pub async fn connect_with(base: &str, payload: Value) -> Result<Self> {
        let url = format!("{}/graphql", base.replacen("http", "ws", 1));
        let mut request = url.into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        let (stream, _) = tokio_tungstenite::connect_async_with_config(request, Some(config), true).await?;
        let mut socket = Self { stream };
        socket.send(json!({ "type": "connection_init", "payload": payload })).await?;
        let answer = socket.text().await?;
        if !answer.contains("connection_ack") {
            bail!("not acknowledged: {answer}");
        }
        Ok(socket)
    }

    /// Starts an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) -> Result<()> {
        self.send(
            json!({ "type": "subscribe", "id": id, "payload": { "query": query, "variables": variables } }),
        )
        .await
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) -> Result<()> {
        Ok(self.stream.send(Message::text(message.to_string())).await?)
    }

    /// The next text message.
    pub async fn text(&mut self) -> Result<Utf8Bytes> {
        loop {
            match self.stream.next().await.context("the connection was closed")?? {
                Message::Text(text) => return Ok(text),
                Message::Close(frame) => bail!("closed: {frame:?}"),
                _ => {}
            }
        }
    }
}
