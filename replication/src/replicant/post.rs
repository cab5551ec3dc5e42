//! The one post of a hub that has no atlas: the first server that registers gets the whole world, and the next one when that one
//! is gone. What it says is what atlas will say.

use entitygraph_schema::{EntityId, Epoch};

use crate::message::{Authority, Connection};

/// Epochs are `term x 2^32 + n` (docs/authority.md). The term is 1 until atlas makes it durable.
const FIRST: u64 = 1 << 32;

/// The post.
#[derive(Debug)]
pub struct Post {
    holder: Option<Connection>,
    epoch: Epoch,
}

/// Why a server does not get the post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken;

impl Post {
    /// Nobody's.
    pub fn new() -> Self {
        Self { holder: None, epoch: Epoch::from_number(FIRST) }
    }

    /// A server asks for the post of the world. Nothing is to be done when it has it already.
    pub fn register(&mut self, connection: Connection, world: EntityId) -> Result<Option<Authority>, Taken> {
        match self.holder {
            Some(holder) if holder == connection => Ok(None),
            Some(_) => Err(Taken),
            None => {
                self.holder = Some(connection);
                self.epoch = self.epoch.next();
                let (post, carry) = Default::default();
                let epoch = self.epoch;
                Ok(Some(Authority::Grant {
                    anchor: world,
                    connection,
                    epoch,
                    post,
                    carry,
                    carry_lost: false,
                }))
            }
        }
    }

    /// A server is gone, or its socket is.
    pub fn lost(&mut self, connection: Connection) {
        if self.holder == Some(connection) {
            self.holder = None;
        }
    }

    /// Its holder goes on in another connection.
    pub fn resumed(&mut self, old: Connection, new: Connection) {
        if self.holder == Some(old) {
            self.holder = Some(new);
        }
    }
}
