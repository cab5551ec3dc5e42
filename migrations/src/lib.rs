//! How data gets into an EntityGraph store and out of it.
//!
//! - [`load`] is the way in for every source: it compares what a source says with what the store has and writes the
//!   difference, many transactions in flight, safe to repeat and to kill;
//! - [`world`] reads our own world format and brings the sample world;
//! - [`eve`] reads the EVE Online static data export and ingests it;
//! - [`export`] writes our own world format;
//! - [`backup`] puts a whole store into a file while it is written to, [`restore`] brings it back, [`copy`](mod@copy) takes it
//!   from store to store, [`verify`](mod@verify) compares two; all of them read a [`source`]. [`moving`] says what can go wrong
//!   there, [`patience`] what is tried again.

pub mod load;

pub mod moving;

pub mod patience;

pub mod source;

pub mod backup;

pub mod restore;

pub mod copy;

pub mod verify;

pub mod world;

pub mod eve;

pub mod export;
