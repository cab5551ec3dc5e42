//! A real Neo4j for tests: each [`Server`] is a process of its own, on loopback, in a folder of its own.
//!
//! Nothing of this workspace is used here, so that every crate of it can test against Neo4j.

mod cypher;
mod folder;
mod install;
mod keeper;
mod options;
mod server;
mod wipe;

pub use options::Options;
pub use server::Server;
