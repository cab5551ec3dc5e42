//! Atlas with a small replicant, servers and a store around it, from one seed in one thread: docs/authority.md.

#![allow(clippy::unwrap_used)] // all of it is a test

mod checker;
mod crash_points;
mod hub;
mod scenes;
mod seeds;
mod server;
mod sim;
mod store;
