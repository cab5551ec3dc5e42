//! StarHash: what is around a point, from rows of an ordered key-value engine.
//!
//! Each zone has an index of its own in its own frame, so that moving a zone changes no row of what is inside. Things are
//! kept by size level (`cell`), within a level in Morton order (`morton`); `row` is the table of bytes that the writer
//! puts and deletes with every change of an entity. A question reads the ball around its point level by level
//! (`scan`, `ball`), whose size follows from the size of what is kept there, goes up to the zones around and down into those nested zones
//! that can matter, which [`Reach`] tells.
//!
//! No entity is missed: everything between the ball and the exact test rounds outwards.

mod ball;
mod cell;
mod morton;
mod near;
mod reach;
mod row;
mod scan;
#[cfg(test)]
mod tests;
mod zones_at;

use std::ops::ControlFlow;

use entitygraph_schema::{EntityId, Pose};

pub use self::{
    near::near,
    reach::Reach,
    row::{HOST, Host, PLACED, Placed, read_placed},
    zones_at::zones_at,
};
use crate::error::{Error, Result};

/// Most zones that one question may look into; above it the question is refused and must be narrowed.
pub const MAX_ZONES: usize = 20_000;

/// What the index reads: one moment of the store around it.
pub trait Rows {
    /// Calls `visit(key, value)` for each pair with `from <= key < to`, ascending, until it breaks.
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<()>;

    /// Where a zone is; none for a world root. Refused when there is no such entity, or when it is no zone host.
    fn outer(&self, zone: EntityId) -> Result<Option<Outer>>;

    /// The error for stored bytes that cannot be.
    fn corrupt(&self, what: String) -> Error;
}

/// What a scan calls for each pair of key and value.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Where a zone host is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outer {
    /// The innermost zone host above it.
    pub zone: EntityId,
    /// In that zone; a host without a pose of its own is where that which it rides with is.
    pub pose: Pose,
}
