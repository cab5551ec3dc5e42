//! A real Neo4j for tests: each [`Server`] is a process of its own, on loopback, in a folder of its own; [`shared`] lends one to
//! many small tests, in turn. A [`Proxy`] is the network between a client and a server, and fails on demand.
//!
//! Nothing of this workspace is used here, so that every crate of it can test against Neo4j.

mod bolt;
mod certificate;
mod cypher;
mod folder;
mod install;
mod keeper;
mod options;
mod port;
mod proxy;
mod server;
mod shared;
mod wipe;

pub use options::Options;
pub use proxy::{Proxy, Side};
pub use server::Server;
pub use shared::{Lease, shared};
