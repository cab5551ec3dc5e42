//! A game client: takes a character, sees what is around it, acts.

use std::ops::{Deref, DerefMut};

use entitygraph_schema::{
    EntityId,
    wire::{
        Handle, Kind, Role,
        control::message,
        input::{self, PlayerInput},
    },
};

use super::{
    event::{Event, Loads},
    outbox::SendError,
    peer::{Machine, Peer},
    session::Options,
};

/// A player, without I/O.
#[derive(Debug)]
pub struct Player {
    peer: Peer,
    wanted: Option<EntityId>,
    character: Option<Handle>,
    input: u64,
}

/// Why an input was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The character is not there.
    #[error("there is no character yet: send inputs after `Entered`")]
    NoCharacter,
    /// The content.
    #[error("the content has {0} bytes, the limit is {max}", max = input::CONTENT_BYTES_MAX)]
    TooLarge(usize),
    /// It cannot be sent now. A newer one replaces it anyway.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Player {
    /// One that connects to this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self::with(Options::new(url, Role::Player), Loads::AtOnce)
    }

    /// The same with all options; its role is taken as said.
    pub fn with(options: Options, loads: Loads) -> Self {
        let options = Options { role: Role::Player, ..options };
        Self { peer: Peer::new(options, loads), wanted: None, character: None, input: 0 }
    }

    /// Takes this character, which the subject owns: now, or as soon as a session begins, and again where it has to. Then
    /// [`Event::Entered`] comes; a character of somebody else ends the session (`FORBIDDEN`). A player has one character, so this
    /// is said once.
    ///
    /// # Errors
    /// There is no room for the message now.
    pub fn enter(&mut self, character: EntityId) -> Result<(), SendError> {
        self.wanted = Some(character);
        match self.peer.send(&message::Enter { character: character.get() }) {
            Err(SendError::NotOpen) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The character, once it is there.
    pub fn character(&self) -> Option<Handle> {
        self.character
    }

    /// Says what the hands do now; a newer one replaces it. Returns its number, which [`Event::Applied`] names.
    ///
    /// # Errors
    /// Why it was not sent.
    pub fn input(&mut self, content: &[u8]) -> Result<u64, InputError> {
        let character = self.character.ok_or(InputError::NoCharacter)?;
        if content.len() > input::CONTENT_BYTES_MAX {
            return Err(InputError::TooLarge(content.len()));
        }
        let number = self.input + 1;
        let mut frame = Vec::new();
        PlayerInput { character, number, content }.put_frame(&mut frame);
        self.peer.send_frame(Kind::Input, &frame)?;
        self.input = number;
        Ok(number)
    }
}

impl Machine for Player {
    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn peer_mut(&mut self) -> &mut Peer {
        &mut self.peer
    }

    fn next_event(&mut self) -> Option<Event> {
        let event = self.peer.next_event()?;
        match &event {
            Event::Entered(handle) => self.character = Some(*handle),
            Event::Begun(begun) if !begun.resumed => {
                self.character = None;
                if let Some(character) = self.wanted {
                    self.peer.say(&message::Enter { character: character.get() });
                }
            }
            Event::Unbound { entities, .. } => {
                self.character =
                    self.character.filter(|own| entities.iter().all(|(handle, _)| handle != own));
            }
            _ => {}
        }
        Some(event)
    }
}

impl Deref for Player {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

impl DerefMut for Player {
    fn deref_mut(&mut self) -> &mut Peer {
        &mut self.peer
    }
}
