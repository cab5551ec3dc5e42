//! The embedded store: a world kept as keys and values in an ordered key-value engine.

pub mod engine;
pub mod route;
pub mod space;
