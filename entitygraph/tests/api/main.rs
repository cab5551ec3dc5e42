//! The API over the memory store, from HTTP bytes to HTTP bytes, one file a noun.

mod world;

mod catalog;
mod entity;
mod examples;
mod limits;
mod place;
mod retry;
mod sdl;
mod server;
mod space;
mod store_reads;
mod straight;
mod transaction;
