//! What happens to the gateway, and what it wants done. Printed without contents: they may be somebody's token.

use std::{fmt, net::IpAddr};

use bytes::Bytes;

use super::Refusal;
use crate::message::{Connection, Up};

/// What happens to the gateway.
pub enum Event {
    /// A socket was accepted.
    Connected(Connection, IpAddr),
    /// A binary message came.
    Message(Connection, Bytes),
    /// A Ping of the WebSocket came, with this body.
    Ping(Connection, Bytes),
    /// A Pong of the WebSocket came.
    Pong(Connection),
    /// The socket is gone.
    Ended(Connection),
    /// Something else than the gateway has a reason to close the connection.
    Closing(Connection, Refusal),
    /// A quarter of a second has passed.
    Beat,
    /// A second has passed.
    Second,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(connection, address) => write!(f, "Connected({connection:?}, {address})"),
            Self::Message(connection, bytes) => write!(f, "Message({connection:?}, {} bytes)", bytes.len()),
            Self::Ping(connection, bytes) => write!(f, "Ping({connection:?}, {} bytes)", bytes.len()),
            Self::Pong(connection) => write!(f, "Pong({connection:?})"),
            Self::Ended(connection) => write!(f, "Ended({connection:?})"),
            Self::Closing(connection, refusal) => write!(f, "Closing({connection:?}, {refusal:?})"),
            Self::Beat => write!(f, "Beat"),
            Self::Second => write!(f, "Second"),
        }
    }
}

/// What the gateway wants done, in this order.
#[derive(PartialEq)]
pub enum Effect {
    /// Whole frames, to be sent as one message.
    Send(Connection, Bytes),
    /// Bytes that have their WebSocket header already.
    Raw(Connection, Bytes),
    /// To the replicant.
    Up(Up),
    /// No reading for this many microseconds.
    Wait(Connection, u64),
    /// It is sent at most so many bytes a second from now on.
    Budget(Connection, u32),
    /// `Refused`, then the close. The connection may be one of another core, which is told so as [`Event::Closing`].
    Close(Connection, Refusal),
    /// A close as the peer asked for, 1000.
    Goodbye(Connection),
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(connection, bytes) => write!(f, "Send({connection:?}, {} bytes)", bytes.len()),
            Self::Raw(connection, bytes) => write!(f, "Raw({connection:?}, {} bytes)", bytes.len()),
            Self::Up(up) => write!(f, "Up({up:?})"),
            Self::Wait(connection, us) => write!(f, "Wait({connection:?}, {us} us)"),
            Self::Budget(connection, bytes) => write!(f, "Budget({connection:?}, {bytes} bytes/s)"),
            Self::Close(connection, refusal) => write!(f, "Close({connection:?}, {refusal:?})"),
            Self::Goodbye(connection) => write!(f, "Goodbye({connection:?})"),
        }
    }
}

/// The effects of events.
pub type Out = Vec<Effect>;
