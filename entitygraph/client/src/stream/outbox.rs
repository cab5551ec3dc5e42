//! What waits to be written to the socket: whole frames in messages within the limit. Bounded.

use std::collections::VecDeque;

use bytes::Bytes;
use entitygraph_schema::wire::{Kind, Role, frame::Head, limits::Limits};

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The role has no such frame.
    #[error("a {role:?} may not send {kind}: the hub would close the connection")]
    Role {
        /// What.
        kind: Kind,
        /// Who.
        role: Role,
    },
    /// There is no session now.
    #[error("no session is open: send when `Begun` has come")]
    NotOpen,
    /// More would wait than may.
    #[error("{waiting} bytes wait for the socket, the limit is {max}: call `next` so that they are written")]
    Full {
        /// Bytes that wait.
        waiting: usize,
        /// The limit.
        max: usize,
    },
    /// The frame is over the limit of the hub.
    #[error("the {kind} has {bytes} bytes, the hub takes {max}: send less in one frame")]
    TooLarge {
        /// Of what.
        kind: Kind,
        /// Its bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}

const ANY: Limits = Limits { message_bytes: usize::MAX, body_bytes: usize::MAX, carry_bytes: usize::MAX };

/// Messages that wait: at most two of the largest.
#[derive(Debug)]
pub struct Outbox {
    limits: Limits,
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Outbox {
    /// An empty one, for messages within these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, messages: VecDeque::new(), bytes: 0 }
    }

    /// Other limits from now on.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes one frame, whole as it is written.
    ///
    /// # Errors
    /// It is over a limit, or there is no room. Nothing of it is taken then.
    pub fn push(&mut self, kind: Kind, frame: &[u8]) -> Result<(), SendError> {
        self.judge(kind, frame)?;
        if frame.len() > self.room() {
            return Err(self.full());
        }
        match self.messages.back_mut() {
            Some(last) if last.len() + frame.len() <= self.limits.message_bytes => {
                last.extend_from_slice(frame)
            }
            _ => self.messages.push_back(frame.to_vec()),
        }
        self.bytes += frame.len();
        Ok(())
    }

    /// Bytes that may still be pushed.
    pub fn room(&self) -> usize {
        self.max().saturating_sub(self.bytes)
    }

    /// What is said when there is no room.
    pub fn full(&self) -> SendError {
        SendError::Full { waiting: self.bytes, max: self.max() }
    }

    fn max(&self) -> usize {
        self.limits.message_bytes.saturating_mul(2)
    }

    fn judge(&self, kind: Kind, frame: &[u8]) -> Result<(), SendError> {
        // What is written here is a frame; how long its head is, only it knows.
        let head = Head::read(frame, 0, &ANY).ok().flatten().map_or(0, |head| head.bytes);
        let bytes = frame.len();
        let max = self.limits.body(kind).saturating_add(head).min(self.limits.message_bytes);
        if bytes > max { Err(SendError::TooLarge { kind, bytes, max }) } else { Ok(()) }
    }

    /// The message that is to be written next.
    pub fn pop(&mut self) -> Option<Bytes> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message.into())
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The socket is gone: what waited for it as well.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use entitygraph_schema::wire::frame::put;

    use super::*;

    fn limits() -> Limits {
        Limits { message_bytes: 100, body_bytes: 50, carry_bytes: 60 }
    }

    fn frame(kind: Kind, body: usize) -> Vec<u8> {
        let mut frame = Vec::new();
        put(kind, &vec![0; body], &mut frame);
        frame
    }

    #[test]
    fn frames_share_messages_up_to_the_limit_and_two_messages_wait_at_most() {
        let mut outbox = Outbox::new(limits());
        let action = frame(Kind::Action, 38);
        for _ in 0..5 {
            outbox.push(Kind::Action, &action).unwrap();
        }
        assert_eq!(outbox.push(Kind::Action, &action), Err(SendError::Full { waiting: 200, max: 200 }));
        let lengths: Vec<_> = std::iter::from_fn(|| outbox.pop()).map(|message| message.len()).collect();
        assert_eq!((lengths, outbox.bytes()), (vec![80, 80, 40], 0));
    }

    #[test]
    fn a_frame_over_its_limit_is_refused_and_nothing_of_it_is_kept() {
        let mut outbox = Outbox::new(limits());
        let refused = |outbox: &mut Outbox, kind, body| outbox.push(kind, &frame(kind, body));
        assert_eq!(refused(&mut outbox, Kind::Action, 50), Ok(()));
        assert_eq!(
            refused(&mut outbox, Kind::Action, 51),
            Err(SendError::TooLarge { kind: Kind::Action, bytes: 53, max: 52 })
        );
        assert_eq!(refused(&mut outbox, Kind::Report, 98), Ok(()));
        assert_eq!(
            refused(&mut outbox, Kind::Report, 99),
            Err(SendError::TooLarge { kind: Kind::Report, bytes: 101, max: 100 })
        );
        assert_eq!(outbox.bytes(), 152);
    }
}
