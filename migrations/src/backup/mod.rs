//! A world out of a store into a file while the store is written to, true at any moment from the end of the reading on.
//!
//! The records are read by pages in an order that does not follow the tree, and between pages the commits that came
//! meanwhile. Each page is of a moment of its own; the commits bring each record from there to any later moment,
//! because they say what an entity's revision is ([`exact`]). So the file needs no lock and no snapshot of the store, and
//! the change sequence is never more than a page behind, however small its retention and however long the reading takes.
//!
//! A backup that was interrupted goes on at its last intact frame. One that is whole is brought up to date by appending the
//! commits since.
//!
//! [`frame`] says what is in a file, [`bytes`](mod@bytes) how frames are bytes, [`file`](mod@file) reads one. [`take`](mod@take) makes
//! one of [`parts`]: [`state`] says how far it is, [`sink`] writes it. [`fold`] and [`exact`] make a world of it again.

pub mod bytes;
pub mod exact;
pub mod file;
pub mod fold;
pub mod frame;
pub mod parts;
mod sink;
pub mod state;
pub mod take;

pub use file::BackupFile;
pub use state::begun;
pub use take::{BackupOptions, Follow, Taken, backup, keep_existing};

#[cfg(test)]
mod tests;
