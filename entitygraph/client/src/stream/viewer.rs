//! A map, a tool: sees what is public in the areas that it follows.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
};

use entitygraph_schema::wire::{
    Role,
    control::message::{self, follow::Area},
};

use super::{
    event::{Event, Loads},
    outbox::SendError,
    peer::{Machine, Peer},
    session::Options,
};

/// A viewer, without I/O.
#[derive(Debug)]
pub struct Viewer {
    peer: Peer,
    follows: Follows,
}

/// Areas that are followed, by their number: they are asked for again where all handles are void.
#[derive(Debug, Default)]
pub(super) struct Follows(BTreeMap<u64, message::Follow>);

impl Follows {
    /// Follows an area, or moves the one of this number.
    pub(super) fn follow(&mut self, peer: &mut Peer, follow: message::Follow) -> Result<(), SendError> {
        let sent = sent_or_later(peer.send(&follow));
        if sent.is_ok() {
            self.0.insert(follow.number, follow);
        }
        sent
    }

    /// Follows it no more.
    pub(super) fn unfollow(&mut self, peer: &mut Peer, number: u64) -> Result<(), SendError> {
        self.0.remove(&number);
        sent_or_later(peer.send(&message::Unfollow { number }))
    }

    /// Another session: it knows of none.
    pub(super) fn again(&self, peer: &mut Peer) {
        self.0.values().for_each(|follow| peer.say(follow));
    }
}

/// What is sent anyway when a session begins is no error before.
fn sent_or_later(sent: Result<(), SendError>) -> Result<(), SendError> {
    match sent {
        Err(SendError::NotOpen) => Ok(()),
        sent => sent,
    }
}

impl Viewer {
    /// One that connects to this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self::with(Options::new(url, Role::Viewer), Loads::AtOnce)
    }

    /// The same with all options; its role is taken as said.
    pub fn with(options: Options, loads: Loads) -> Self {
        let options = Options { role: Role::Viewer, ..options };
        Self { peer: Peer::new(options, loads), follows: Follows::default() }
    }

    /// Follows an area: now, or as soon as a session begins, and again where it has to. The same number again moves it.
    /// `Followed` comes as [`Event::Message`] when everything there is bound.
    ///
    /// # Errors
    /// There is no room for the message now.
    pub fn follow(&mut self, number: u64, area: Area) -> Result<(), SendError> {
        let follow = message::Follow { number, area: Some(area), ..Default::default() };
        self.follows.follow(&mut self.peer, follow)
    }

    /// Follows it no more.
    ///
    /// # Errors
    /// There is no room for the message now.
    pub fn unfollow(&mut self, number: u64) -> Result<(), SendError> {
        self.follows.unfollow(&mut self.peer, number)
    }
}

impl Machine for Viewer {
    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn peer_mut(&mut self) -> &mut Peer {
        &mut self.peer
    }

    fn next_event(&mut self) -> Option<Event> {
        let event = self.peer.next_event()?;
        if let Event::Begun(begun) = &event
            && !begun.resumed
        {
            self.follows.again(&mut self.peer);
        }
        Some(event)
    }
}

impl Deref for Viewer {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

impl DerefMut for Viewer {
    fn deref_mut(&mut self) -> &mut Peer {
        &mut self.peer
    }
}
