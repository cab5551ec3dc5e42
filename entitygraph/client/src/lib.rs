//! What game servers, players and tools need to live in the world: the stream of docs/protocol.md; and what the hub asks of the
//! graph.

pub mod graph;
pub mod stream;
