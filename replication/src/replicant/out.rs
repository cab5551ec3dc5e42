//! What a moment makes: frames, each once, and who gets which.

use std::sync::Arc;

use bytes::Bytes;
use entitygraph_schema::wire::control::message::Code;

use crate::message::{Connection, Parcel, Parcels};

/// Bytes after which a message is closed and another begun.
const MESSAGE_BYTES: usize = 64 << 10;

/// The output of the replicant: one set of parcels for each core of the gateway.
#[derive(Debug)]
pub struct Out {
    /// Made at this moment.
    pub(super) frames: Vec<Bytes>,
    cores: Vec<Parcels>,
    /// The message that is being filled, for whom.
    open: Option<Connection>,
    length: usize,
}

impl Out {
    /// Empty, for a gateway of this many cores.
    pub fn new(cores: u16) -> Self {
        let cores = (0..cores.max(1)).map(|_| Parcels::default()).collect();
        Self { frames: Vec::new(), cores, open: None, length: 0 }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.cores.iter().all(Parcels::is_empty)
    }

    /// Begins a message.
    pub(super) fn begin(&mut self, connection: Connection) {
        self.open = Some(connection);
        self.length = 0;
    }

    /// Puts a frame into the message that is open; a full message is closed before.
    pub(super) fn put(&mut self, frame: u32) {
        let Some(connection) = self.open else { return };
        let Some(length) = self.frames.get(frame as usize).map(Bytes::len) else { return };
        if self.length > 0 && self.length + length > MESSAGE_BYTES {
            self.end();
            self.begin(connection);
        }
        if let Some(core) = self.cores.get_mut(usize::from(connection.core)) {
            core.picks.push(frame);
            self.length += length;
        }
    }

    /// Puts a frame of its own into the message that is open.
    pub(super) fn put_own(&mut self, frame: Bytes) {
        self.frames.push(frame);
        self.put(self.frames.len() as u32 - 1);
    }

    /// Bytes of the message that is open.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Closes the message that is open; says whether there is one.
    pub(super) fn end(&mut self) -> bool {
        let (Some(connection), length) = (self.open.take(), std::mem::take(&mut self.length)) else {
            return false;
        };
        let Some(core) = self.cores.get_mut(usize::from(connection.core)).filter(|_| length > 0) else {
            return false;
        };
        core.messages.push(Parcel { connection, picks_end: core.picks.len() as u32, length: length as u32 });
        true
    }

    /// Has a connection closed after its messages.
    pub(super) fn close(&mut self, connection: Connection, code: Code, reason: String) {
        if let Some(core) = self.cores.get_mut(usize::from(connection.core)) {
            core.closes.push((connection, code, reason));
        }
    }

    /// Takes what each core is to do; nothing is left.
    pub fn take(&mut self) -> impl Iterator<Item = (usize, Parcels)> + '_ {
        let frames = Arc::new(std::mem::take(&mut self.frames));
        self.cores.iter_mut().enumerate().filter(|(_, parcels)| !parcels.is_empty()).map(
            move |(core, parcels)| {
                let room = parcels.picks.len();
                let full = std::mem::take(parcels);
                // What the last moment took, the next one will most likely take too.
                parcels.picks.reserve(room);
                parcels.messages.reserve(full.messages.len());
                (core, Parcels { frames: frames.clone(), ..full })
            },
        )
    }
}
