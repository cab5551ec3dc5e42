//! Opening and closing a WebSocket that speaks the stream.

use std::time::Duration;

use bytes::Bytes;
use entitygraph_schema::wire::limits::Limits;
use futures_util::SinkExt;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::HeaderValue,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use crate::stream::refusal::{StreamError, Why};

/// The subprotocol; a server that answers without it speaks something else.
pub const SUBPROTOCOL: &str = "entitygraph.stream";

/// What is left and the close are written in this time, or not.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a socket that speaks the stream.
pub(super) async fn connect(url: String, limits: Limits) -> Result<Socket, StreamError> {
    let impossible = |error: String| StreamError::new(Why::Address, format!("{url}: {error}"));
    if url.starts_with("wss://") {
        return Err(impossible("TLS is not built in yet: use ws:// to a proxy that speaks it".into()));
    }
    let mut request = url.as_str().into_client_request().map_err(|error| impossible(error.to_string()))?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default()
        .max_message_size(Some(limits.message_bytes))
        .max_frame_size(Some(limits.message_bytes));
    // Frames of a tick are small, and are not to wait for one another.
    let no_delay = true;
    match connect_async_with_config(request, Some(config), no_delay).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Protocol(error)) => {
            Err(impossible(format!("no stream is served there: {error}")))
        }
        Err(tungstenite::Error::Http(response)) if response.status().is_client_error() => {
            Err(impossible(format!("no stream is served there: the answer was {}", response.status())))
        }
        Err(error @ tungstenite::Error::Url(_)) => Err(impossible(error.to_string())),
        Err(error) => Err(StreamError::new(Why::Lost, format!("{url}: {error}"))),
    }
}

/// Writes what is left, then the close.
pub(super) async fn close(mut socket: Socket, left: Vec<Bytes>, code: u16) {
    let all = async {
        for message in left {
            socket.send(Message::Binary(message)).await?;
        }
        socket.close(Some(CloseFrame { code: code.into(), reason: "".into() })).await
    };
    // Whether it was heard or not, it is over.
    drop(timeout(CLOSE_WITHIN, all).await);
}
