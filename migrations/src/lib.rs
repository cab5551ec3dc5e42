//! How data gets into an EntityGraph store and out of it.
//!
//! - [`load`] is the way in for every source: it compares what a source says with what the store has and writes the
//!   difference, many transactions in flight, safe to repeat and to kill;
//! - [`world`] reads our own world format and brings the sample world;
//! - [`eve`] reads the EVE Online static data export and ingests it;
//! - [`export`] writes our own world format.

pub mod load;

pub mod world;

pub mod eve;

pub mod export;
