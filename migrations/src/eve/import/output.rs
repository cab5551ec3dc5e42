//! Where the map's entities leave for the loader.

use std::sync::Arc;

use entitygraph_schema::{Link, NewEntity, Pose};
use glam::DVec3;
use tokio::sync::mpsc;

use crate::{
    eve::{At, Position},
    load::{Item, Origin, Problem, Sourced},
};

/// Items handed over at a time.
const CHUNK: usize = 512;

/// The way to the loader. Waits while the loader is behind; when it is gone, the rest is not sent any more.
pub(super) struct Output {
    outgoing: mpsc::Sender<Vec<Item>>,
    chunk: Vec<Item>,
    closed: bool,
}

impl Output {
    pub fn new(outgoing: mpsc::Sender<Vec<Item>>) -> Self {
        Self { outgoing, chunk: Vec::with_capacity(CHUNK), closed: false }
    }

    /// Whether nobody takes anything any more.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Sends an entity, or why there is none. What is below it is sent as well and reported by the loader.
    pub fn entity(&mut self, origin: Origin, entity: Result<NewEntity, String>) {
        self.push(match entity {
            Ok(entity) => Item::Entity(Box::new(Sourced::new(origin, entity))),
            Err(reason) => Item::Problem(Problem::new(origin, format!("{reason}; it is left out"))),
        });
    }

    pub fn link(&mut self, origin: Origin, link: Link) {
        self.push(Item::Link(Sourced::new(origin, link)));
    }

    pub fn problem(&mut self, origin: Origin, message: String) {
        self.push(Item::Problem(Problem::new(origin, message)));
    }

    /// Sends what is left.
    pub fn flush(&mut self) {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.closed = self.closed || self.outgoing.blocking_send(chunk).is_err();
    }

    fn push(&mut self, item: Item) {
        self.chunk.push(item);
        if self.chunk.len() >= CHUNK {
            self.flush();
        }
    }
}

/// The place of a record.
pub(super) fn origin(at: &At) -> Origin {
    Origin::file(Arc::clone(&at.file)).at(u32::try_from(at.line).unwrap_or(u32::MAX), 1)
}

/// The place of the item `id` somewhere in the file of a record.
pub(super) fn item(at: &At, id: u64) -> Origin {
    Origin::file(Arc::clone(&at.file)).part(id.to_string())
}

/// Unrotated at `position`, given in the frame whose origin is `frame` there.
pub(super) fn pose(position: Position, frame: Position) -> Result<Pose, String> {
    Pose::at(DVec3::from(position.0) - DVec3::from(frame.0)).map_err(|error| error.to_string())
}
