//! `entitygraph` processes over a real Neo4j: several at once, killed, with a database that is killed, behind a network that
//! fails, and started with what cannot work.
//!
//! ```text
//! cargo test -p entitygraph-tests --test over-neo4j
//! ```
//!
//! `NEO4J_KILLS=N` kills the database N times, `NEO4J_RETRIES=N` an instance, instead of a few times; `NEO4J_READS=N` compares N
//! reads and writes through two instances.

mod followed;
mod killed;
mod moved;
mod network;
mod pair;
mod reads;
mod retried;
mod started;

/// How often something is done, unless a variable says otherwise.
fn times(variable: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(variable) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{variable} is `{text}`, which is no number"))
}
