//! `entitygraph` processes over a real Neo4j: several at once, killed, with a database that is killed, behind a network that
//! fails, and started with what cannot work.
//!
//! ```text
//! cargo test -p entitygraph-tests --test over-neo4j
//! ```
//!
//! `NEO4J_KILLS=N` kills the database N times, `NEO4J_RETRIES=N` an instance, `NEO4J_FAULTS=N` breaks the network N times in each
//! way, instead of a few times; `NEO4J_READS=N` compares N reads and writes through two instances. `NEO4J_SEED=N` repeats the random
//! choices of an earlier run, as its output names them; what many do at once comes in another order all the same.

mod demo;
mod followed;
mod full;
mod killed;
mod moved;
mod network;
mod pair;
mod reads;
mod resumed;
mod retried;
mod routed;
mod slow;
mod started;
mod told;
mod worlds;

/// How often something is done, unless a variable says otherwise.
fn times(variable: &str, default: u64) -> u64 {
    number(variable).unwrap_or(default)
}

/// Random choices of a seed that is printed, so that a failure can be repeated.
fn random() -> fastrand::Rng {
    let seed = number("NEO4J_SEED").unwrap_or_else(|| fastrand::u64(1..1 << 32));
    println!("repeat with NEO4J_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is `{text}`, which is no number")))
}
