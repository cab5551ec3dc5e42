//! Writes random transactions to a store until it is killed: the victim of the crash tests.
//!
//! `crash-writer ENGINE PATH SEED LOAD BEGIN...`: one writer for each BEGIN, the number of its first transaction. Prints
//! the lines of [`entitygraph_tests::crash::report`].

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use entitygraph_store::{Store, keyed::KeyedStore};
use entitygraph_tests::crash::{
    self,
    report::Line,
    script::{self, Load, Script},
};
use tokio::task::JoinSet;

const LEASE: u64 = 10;
/// Transactions that a loader writes between two syncs, at most.
const UNSYNCED: u64 = 50;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, path, seed, load, begins @ ..] = &arguments[..] else {
        anyhow::bail!("usage: crash-writer ENGINE PATH SEED LOAD BEGIN...");
    };
    let (seed, load) = (seed.parse()?, load.parse::<Load>()?);
    let store = Arc::new(crash::open(engine.parse()?, Path::new(path))?);
    store.commit(script::setup()).await?;
    say(Line::Ready);
    let lease = store.lease_ids(LEASE).await?;
    say(Line::Leased { first: lease.first.get(), count: lease.count });
    let burst = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for (writer, begin) in begins.iter().enumerate() {
        let mut script = Script::new(seed, u32::try_from(writer)?, load);
        while script.position() < begin.parse()? {
            script.advance();
        }
        // Of several small writers the last one loads in bulk, as an ingest beside the game does.
        let loads = load == Load::Small && writer > 0 && writer + 1 == begins.len();
        if loads {
            writers.spawn(load_in_bulk(store.clone(), script));
        } else {
            writers.spawn(commit_one_by_one(store.clone(), script, u32::try_from(writer)?, burst.clone()));
        }
    }
    if load == Load::Large {
        writers.spawn(alternate(store, burst));
    }
    // None of them ever ends well.
    writers.join_next().await.context("there are no writers")??
}

/// One transaction after the other, each told as soon as it is durable; in a burst without waiting for that.
async fn commit_one_by_one(
    store: Arc<KeyedStore>,
    mut script: Script,
    writer: u32,
    burst: Arc<AtomicBool>,
) -> Result<()> {
    loop {
        let number = script.position();
        let transaction = script.advance();
        if burst.load(Ordering::Relaxed) {
            store.accept(transaction).await?;
        } else {
            let cursor = store.commit(transaction).await?.0.cursor.number();
            say(Line::Acknowledged { writer, number, cursor });
        }
    }
}

/// Transactions that are made durable by the dozen.
async fn load_in_bulk(store: Arc<KeyedStore>, mut script: Script) -> Result<()> {
    loop {
        for _ in 0..fastrand::u64(1..UNSYNCED) {
            store.accept(script.advance()).await?;
        }
        say(Line::Synced { cursor: store.sync().await?.0.number() });
    }
}

/// Bursts and calm times in turn.
async fn alternate(store: Arc<KeyedStore>, burst: Arc<AtomicBool>) -> Result<()> {
    loop {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(50..200))).await;
        burst.store(true, Ordering::Relaxed);
        say(Line::Burst);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(100..500))).await;
        burst.store(false, Ordering::Relaxed);
        say(Line::Synced { cursor: store.sync().await?.0.number() });
    }
}

/// One line, whole and at once: standard output is flushed at its end.
fn say(line: Line) {
    println!("{line}");
}
