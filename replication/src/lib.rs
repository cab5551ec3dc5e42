//! Between players, game servers and the graph: relays what changes and never simulates.
//!
//! What travels is specified in docs/protocol.md, the inside in docs/replication.md; what of it is built is said there under
//! "Slices".

pub mod atlas;
pub mod catalog;
pub mod clock;
pub mod config;
pub mod gateway;
pub mod hub;
pub mod line;
pub mod machine;
pub mod message;
pub mod metrics;
pub mod replicant;
pub mod scribe;
pub mod socket;
