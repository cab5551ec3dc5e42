//! The machines of the SDK without a socket: a hub that says what a test wants.

#![allow(clippy::unwrap_used)] // helpers of tests stand outside of tests

mod garbage;
mod golden;
mod hub;
mod peers;
mod server;
