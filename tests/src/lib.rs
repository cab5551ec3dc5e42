//! What tests and benchmarks across crates share: a real server process, and clients for it.

pub mod crash;
pub mod graphql;
pub mod process;
pub mod socket;
