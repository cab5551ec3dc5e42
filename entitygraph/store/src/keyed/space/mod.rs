//! StarHash: where things are, as rows of an ordered key-value engine.
//!
//! Each zone has an index of its own in its own frame, so that moving a zone changes no row of what is inside. Things are
//! kept by size level (`cell`), within a level in Morton order (`morton`); `row` is the table of bytes, [`Reach`] tells
//! which nested zones a question may skip.

mod cell;
mod morton;
mod reach;
mod row;

pub use self::{
    reach::Reach,
    row::{HOST, Host, PLACED, Placed},
};
