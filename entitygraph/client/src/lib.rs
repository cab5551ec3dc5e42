//! What game servers, players and tools need to live in the world: the stream of docs/protocol.md.

pub mod stream;
