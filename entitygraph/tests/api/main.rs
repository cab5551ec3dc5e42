//! The API over the memory store, from HTTP bytes to HTTP bytes, one file a noun.

#![allow(clippy::unwrap_used)] // what helps a test may fail it

#[path = "../support/mod.rs"]
mod support;
mod world;

mod callers;
mod catalog;
mod converting;
mod entity;
mod examples;
mod followers;
mod limits;
mod outcome;
mod place;
mod publishing;
mod retry;
mod sdl;
mod server;
mod space;
mod spans;
mod store_reads;
mod straight;
mod transaction;
