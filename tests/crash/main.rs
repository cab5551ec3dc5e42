//! Stores that end badly: killed, without power, on a full disk, damaged, or not ours.
//!
//! ```text
//! cargo test -p entitygraph-tests --test crash
//! cargo test -p entitygraph-tests --test crash -- --ignored     as root, with loop devices: power cuts and full disks
//! ```
//!
//! `CRASH_CYCLES=N` kills N times (and cuts the power N times) instead of a few times, `CRASH_SEED=N` repeats the
//! transactions and moments of an earlier run, as its output names them. Only the moments within a millisecond differ.

mod damage;
mod faults;
mod judge;
mod kill;
mod power;
mod served;
mod victim;

/// The seed of a run: printed, so that a failure can be repeated.
fn seed() -> u64 {
    let seed = number("CRASH_SEED").unwrap_or_else(|| fastrand::u64(1..1 << 32));
    println!("repeat with CRASH_SEED={seed}");
    seed
}

/// How often something is done.
fn cycles(default: u64) -> u64 {
    number("CRASH_CYCLES").unwrap_or(default)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is `{text}`, which is no number")))
}
