//! What whoever drives a peer does with it, and what the peers of a role are made of.

use bytes::Bytes;
use entitygraph_schema::wire::control::{Message, message::Code};

use super::{Peer, Request};
use crate::stream::{
    event::Event,
    frame as framed,
    refusal::{StreamError, Why},
    session::{self, Login},
};

/// What whoever drives it does.
impl Peer {
    /// Tells the time: microseconds of a clock that does not go back.
    pub fn at(&mut self, now_us: u64) {
        self.now_us = self.now_us.max(now_us);
    }

    /// Begins.
    pub fn start(&mut self) {
        self.session(session::Event::Start);
    }

    /// Says Goodbye: the session ends.
    pub fn stop(&mut self) {
        self.session(session::Event::Stop);
    }

    /// What [`Request::Login`] asked for.
    pub fn logged_in(&mut self, login: Login) {
        self.session(session::Event::LoggedIn(login));
    }

    /// There is no login, and why.
    pub fn login_failed(&mut self, reason: String) {
        self.session(session::Event::LoginFailed(reason));
    }

    /// The socket is open.
    pub fn opened(&mut self) {
        self.session(session::Event::Opened);
    }

    /// A binary message came. It is read by [`super::Machine::next_event`].
    pub fn message(&mut self, message: Bytes) {
        self.session(session::Event::Heard);
        self.inbox.push_back(message);
    }

    /// The socket closed with this code, or never opened.
    pub fn closed(&mut self, code: u16, reason: &str) {
        self.session(session::Event::Closed(code, reason.into()));
    }

    /// What came cannot be; the session ends.
    pub fn broken(&mut self, error: StreamError, close: u16) {
        self.session(session::Event::Broken(error, close));
    }

    /// What is to be done next.
    pub fn next_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// The message that is to be written next.
    pub fn outgoing(&mut self) -> Option<Bytes> {
        self.outbox.pop()
    }

    /// Bytes that wait to be written.
    pub fn outgoing_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    /// Sends what a role has to say when a session begins.
    pub(in crate::stream) fn say<M: Message>(&mut self, message: &M) {
        self.put(&framed(message));
    }

    /// The next event that needs no role: of the session, of the local copy, or a message.
    pub(in crate::stream) fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let Some((kind, body)) = self.next_frame() else {
                return self.events.pop_front();
            };
            if let Err(reason) = self.frame(kind, &body) {
                self.broken(StreamError::new(Why::Code(Code::BadFrame), reason), 4400);
            }
        }
    }

    /// Gives the connection up; the session goes on in another one.
    pub(in crate::stream) fn give_up(&mut self, reason: &str) {
        self.requests.push_back(Request::Close(4504));
        self.session(session::Event::Closed(4504, reason.into()));
    }
}
