//! What a peer needs to understand the stream. It moves to `entitygraph/client` together with connection, callbacks and resume;
//! until then tests and benchmarks use it from here.

pub mod view;
