//! The `entitygraph` program as a user runs it: commands to their end, signals, bytes on the wire.

mod examples;
mod frames;
mod ingest;
mod killed;
mod migrate;
mod moving;
mod readme;
mod served;
mod stop;
