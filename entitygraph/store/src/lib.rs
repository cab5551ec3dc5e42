//! The store: the contract that every backend keeps, and the backends.
//!
//! Nothing outside this crate knows which store it talks to: [`open()`] chooses once, from a URL, and hands out
//! `Arc<dyn Store>`.
//!
//! Reading order: [`contract`] says what is promised, [`error`] what can go wrong, `memory` is the simplest store that
//! keeps the promises (the reference model of the tests), `keyed` keeps them durably over an ordered key-value engine, `neo4j` in
//! a Neo4j database that several instances share.
//! `conformance` is the suite that each backend passes, [`migrate`] brings stores of older programs up to date.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod contract;
pub mod error;
pub mod keyed;
pub mod memory;
pub mod migrate;
pub mod neo4j;
mod open;
mod remedy;

pub use contract::{Accepted, Durable, Feed, MOVED, Store, StoreInfo, is_move};
pub use error::{Error, Outcome, Result};
pub use memory::{MemoryConfig, MemoryStore};
pub use open::{StoreOptions, check_url, exists, open, shown_url};
