//! What tests and benchmarks across crates share: a real server process, its commands, clients for it, disks of their own.

pub mod command;
pub mod crash;
pub mod disk;
pub mod eve;
pub mod examples;
pub mod graphql;
pub mod process;
pub mod socket;
