//! `graphql-transport-ws`: any number of operations over one WebSocket.
//! <https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>
//!
//! One task a connection. It polls its operations only while the socket takes bytes, so a slow client slows itself alone:
//! its subscriptions fall behind, catch up, or are told that they lag.

mod operations;
#[cfg(test)]
mod tests;

use std::{
    error::Error as _,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_graphql::Request;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use futures_util::{SinkExt, StreamExt, poll};
use serde::Deserialize;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite;
use tokio_util::sync::CancellationToken;

use self::operations::{Operations, Out};
use super::{Frame, Inner, Live};
use crate::api::freshness;

/// The sub-protocol's name.
pub const PROTOCOL: &str = "graphql-transport-ws";

/// Frames handed to the socket before it is flushed: bounds the memory of a burst, saves system calls.
const BURST: usize = 64;

/// Bytes read from the socket at once; idle connections hold this much.
const READ_BYTES: usize = 1024;

/// Bytes collected before they are written without a flush.
const WRITE_BYTES: usize = 16 * 1024;

/// A client that takes nothing for this long is gone.
const WRITE_TIME: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ClientMessage {
    ConnectionInit { payload: Option<serde_json::Value> },
    Ping { payload: Option<serde_json::Value> },
    Pong,
    Subscribe { id: String, payload: Box<Request> },
    Complete { id: String },
}

/// Accepts the WebSocket and serves it, keeping its `seat`, until it is closed or `stop` is cancelled.
pub fn upgrade(
    upgrade: WebSocketUpgrade,
    live: Live,
    seat: impl Send + 'static,
    stop: CancellationToken,
) -> axum::response::Response {
    let max = live.inner.limits.body_bytes;
    // While the request still counts: the server that stops waits for both.
    let announced = live.announce();
    upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .max_message_size(max)
        .max_frame_size(max)
        .on_upgrade(move |socket| async move {
            let spoken = socket.protocol().is_some_and(|protocol| protocol.as_bytes() == PROTOCOL.as_bytes());
            let connection = Connection::new(live.clone(), socket, spoken, WRITE_TIME);
            live.serve((announced, seat), connection.serve(stop));
        })
}

struct Connection {
    live: Live,
    socket: WebSocket,
    spoken: bool,
    /// A client that takes nothing for this long is gone.
    write_time: Duration,
    acknowledged: bool,
    operations: Operations,
    burst: Burst,
}

/// How the last burst of answers ended, if nothing was waited for since.
#[derive(Debug, PartialEq, Eq)]
enum Burst {
    None,
    /// No answer was left; the next one wakes the connection.
    Whole,
    /// There may be more.
    Full,
}

/// What a connection waits for.
enum Event {
    Stopped,
    Uninitialised,
    /// From the client; none when it is gone.
    Heard(Option<Result<Message, axum::Error>>),
    Answer(Arc<str>, Out),
}

/// Why a connection is closed by us; the codes are the protocol's.
struct Close(u16, String);

impl Connection {
    fn new(live: Live, socket: WebSocket, spoken: bool, write_time: Duration) -> Self {
        let operations = Operations::default();
        Self { live, socket, spoken, write_time, acknowledged: false, operations, burst: Burst::None }
    }

    async fn serve(mut self, stop: CancellationToken) {
        let close = self.talk(stop).await;
        let say = async {
            if let Some(Close(code, reason)) = close {
                let frame = CloseFrame { code, reason: reason.into() };
                self.socket.send(Message::Close(Some(frame))).await?;
            }
            // Sends that, or the answer to the client's own close frame.
            self.socket.close().await
        };
        // The client may be gone already.
        drop(tokio::time::timeout(self.write_time, say).await);
    }

    /// Serves until the client leaves (`None`) or must be sent away.
    async fn talk(&mut self, stop: CancellationToken) -> Option<Close> {
        if !self.spoken {
            let reason = format!("unknown sub-protocol: ask for `{PROTOCOL}` in Sec-WebSocket-Protocol");
            return Some(Close(4406, reason));
        }
        let init = Duration::from_millis(self.live.inner.limits.connection_init_ms);
        let mut init = Some(Box::pin(tokio::time::sleep(init)));
        // Kept: each new one enters a list that all connections share.
        let mut stopped = pin!(stop.cancelled());
        loop {
            match poll_fn(|context| self.poll_event(context, stopped.as_mut(), init.as_mut())).await {
                Event::Stopped => return Some(Close(1001, "the service stops: reconnect and resume".into())),
                Event::Uninitialised => return Some(Close(4408, "Connection initialisation timeout".into())),
                Event::Heard(Some(Ok(message))) => match Box::pin(self.hear(message)).await {
                    Ok(true) => {}
                    Ok(false) => return None,
                    Err(close) => return Some(close),
                },
                Event::Heard(Some(Err(error))) => {
                    tracing::debug!(%error, "a WebSocket broke");
                    return Some(broken(&error, self.live.inner.limits.body_bytes));
                }
                Event::Heard(None) => return None,
                Event::Answer(id, out) => {
                    if !self.send_burst(id, out).await {
                        return None;
                    }
                }
            }
            if self.acknowledged {
                init = None;
            }
        }
    }

    /// What happens next. Answers come first, as they mostly are what wakes a connection; after a burst of them the client and
    /// the service have their turn, and the answers are not asked again when they were just found to have nothing.
    fn poll_event(
        &mut self,
        context: &mut Context<'_>,
        stopped: Pin<&mut impl Future<Output = ()>>,
        init: Option<&mut Pin<Box<Sleep>>>,
    ) -> Poll<Event> {
        let after = std::mem::replace(&mut self.burst, Burst::None);
        if after == Burst::None
            && let Poll::Ready((id, out)) = self.operations.poll_next(context)
        {
            return Poll::Ready(Event::Answer(id, out));
        }
        if stopped.poll(context).is_ready() {
            return Poll::Ready(Event::Stopped);
        }
        if init.is_some_and(|init| init.as_mut().poll(context).is_ready()) {
            return Poll::Ready(Event::Uninitialised);
        }
        if let Poll::Ready(message) = self.socket.poll_next_unpin(context) {
            return Poll::Ready(Event::Heard(message));
        }
        if after == Burst::Full {
            return self.operations.poll_next(context).map(|(id, out)| Event::Answer(id, out));
        }
        Poll::Pending
    }

    /// Handles a message; false when the client closed.
    async fn hear(&mut self, message: Message) -> Result<bool, Close> {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => {
                return Err(Close(4400, "binary messages are not part of the protocol".into()));
            }
            Message::Close(_) => return Ok(false),
            Message::Ping(_) | Message::Pong(_) => return Ok(true),
        };
        let message: ClientMessage = serde_json::from_str(&text)
            .map_err(|error| Close(4400, short(&format!("not a message of {PROTOCOL}: {error}"))))?;
        match message {
            ClientMessage::ConnectionInit { .. } if self.acknowledged => {
                Err(Close(4429, "Too many initialisation requests".into()))
            }
            ClientMessage::ConnectionInit { payload } => {
                let live = self.live.clone();
                reach(&live.inner, payload.as_ref()).await?;
                self.acknowledged = true;
                Ok(self.send(r#"{"type":"connection_ack"}"#.into()).await)
            }
            ClientMessage::Ping { payload } => {
                let pong = match payload {
                    Some(payload) => serde_json::json!({ "type": "pong", "payload": payload }).to_string(),
                    None => r#"{"type":"pong"}"#.to_owned(),
                };
                Ok(self.send(pong).await)
            }
            ClientMessage::Pong => Ok(true),
            ClientMessage::Subscribe { .. } if !self.acknowledged => Err(Close(4401, "Unauthorized".into())),
            ClientMessage::Subscribe { id, payload } => self.subscribe(id, *payload).map(|()| true),
            ClientMessage::Complete { id } => {
                self.operations.end(&id);
                Ok(true)
            }
        }
    }

    fn subscribe(&mut self, id: String, request: Request) -> Result<(), Close> {
        if id.is_empty() {
            return Err(Close(4400, "an operation needs an id".into()));
        }
        if self.operations.has(&id) {
            return Err(Close(4409, short(&format!("Subscriber for {id} already exists"))));
        }
        let max = self.live.inner.limits.connection_operations;
        if self.operations.len() >= max {
            let reason = format!("more than {max} operations on one connection: open another");
            return Err(Close(4429, reason));
        }
        self.operations.begin(id.into(), self.live.run(request).boxed());
        Ok(())
    }

    /// Sends an answer and those that are ready with it; false when the client is gone or takes nothing.
    async fn send_burst(&mut self, id: Arc<str>, out: Out) -> bool {
        let write_time = self.write_time;
        let sent = {
            let mut sending = pin!(self.feed_burst(id, out));
            // A socket that takes it at once needs no clock.
            if let Poll::Ready(sent) = poll!(sending.as_mut()) {
                return sent.is_ok();
            }
            tokio::time::timeout(write_time, sending).await
        };
        // What woke this task meanwhile may have been an answer.
        self.burst = Burst::Full;
        matches!(sent, Ok(Ok(())))
    }

    /// Feeds an answer and those that are ready with it, then flushes once.
    async fn feed_burst(&mut self, id: Arc<str>, out: Out) -> Result<(), axum::Error> {
        let mut next = (id, out);
        let mut sent = 0;
        self.burst = loop {
            self.feed(next.0, next.1).await?;
            sent += 1;
            if sent == BURST {
                break Burst::Full;
            }
            match poll_fn(|context| Poll::Ready(self.operations.poll_next(context))).await {
                Poll::Ready(ready) => next = ready,
                Poll::Pending => break Burst::Whole,
            }
        };
        self.socket.flush().await
    }

    async fn feed(&mut self, id: Arc<str>, out: Out) -> Result<(), axum::Error> {
        let text = match &out {
            Out::Frame(Frame::Next(result)) => envelope("next", &id, Some(result)),
            Out::Frame(Frame::Error(errors)) => envelope("error", &id, Some(errors)),
            Out::Complete => envelope("complete", &id, None),
        };
        if let Out::Frame(Frame::Error(_)) = out {
            // Nothing may follow it.
            self.operations.end(&id);
        }
        self.socket.feed(Message::Text(text)).await
    }

    /// Sends a text at once; false when the client is gone or takes nothing.
    async fn send(&mut self, text: String) -> bool {
        let sent = tokio::time::timeout(self.write_time, self.socket.send(Message::Text(text.into()))).await;
        matches!(sent, Ok(Ok(())))
    }
}

/// Waits until this instance has come as far as the client asks.
async fn reach(live: &Inner, payload: Option<&serde_json::Value>) -> Result<(), Close> {
    let asked = match payload.and_then(|payload| payload.get(freshness::NAME)) {
        None | Some(serde_json::Value::Null) => return Ok(()),
        Some(serde_json::Value::String(text)) => freshness::read(text),
        Some(other) => freshness::read(&other.to_string()),
    };
    let asked = asked.map_err(|rejection| Close(4400, short(&rejection.to_string())))?;
    let reached = freshness::reach(&mut live.applied.clone(), asked, live.limits.behind_time()).await;
    // As HTTP says it: 503.
    reached.map_err(|rejection| Close(4503, short(&rejection.to_string())))
}

/// A protocol message around bytes that are JSON already.
fn envelope(kind: &str, id: &str, payload: Option<&str>) -> Utf8Bytes {
    let mut text = String::with_capacity(48 + id.len() + payload.map_or(0, str::len));
    text.push_str(r#"{"type":""#);
    text.push_str(kind);
    text.push_str(r#"","id":"#);
    if id.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte)) {
        text.push('"');
        text.push_str(id);
        text.push('"');
    } else {
        text.push_str(&serde_json::Value::from(id).to_string());
    }
    if let Some(payload) = payload {
        text.push_str(r#","payload":"#);
        text.push_str(payload);
    }
    text.push('}');
    text.into()
}

/// The farewell to a client whose messages cannot be read on.
fn broken(error: &axum::Error, max: usize) -> Close {
    match error.source().and_then(|cause| cause.downcast_ref()) {
        Some(tungstenite::Error::Capacity(_)) => Close(
            1009,
            format!("a message is larger than {max} bytes: send less, or raise service.limits.body_bytes"),
        ),
        _ => Close(1002, short(&error.to_string())),
    }
}

/// Close reasons are limited to 123 bytes.
fn short(reason: &str) -> String {
    let mut end = reason.len().min(120);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}
