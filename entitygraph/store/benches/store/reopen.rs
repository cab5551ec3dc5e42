//! How long after a `kill -9` a world answers again.

use std::{path::Path, time::Instant};

use entitygraph_store::{
    Store, StoreOptions,
    keyed::{KeyedStore, engine::EngineKind, options::KeyedOptions},
};

use crate::{
    Result,
    process::{self, finished, tell},
    support,
    world::World,
};

const COMMITS: usize = 2_000;
const ROUNDS: usize = 3;

/// Runs and prints it.
pub fn run(engine: EngineKind, entities: u64) -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store");
    process::run("write-until-killed", engine, &path, entities)?;
    println!("\n# First answer after kill -9, {engine}, {entities} entities (target: 3,000 ms)");
    println!("{:<8} {:>12} {:>16} {:>14}", "round", "open, ms", "first query, ms", "memory, MiB");
    for round in 1..=ROUNDS {
        // Killed again, without having written.
        let opened = process::run("open", engine, &path, entities)?;
        let (open, query) = (opened.get("open")?, opened.get("query")?);
        println!("{round:<8} {open:>12.0} {query:>16.1} {:>14}", opened.get("memory")?);
    }
    Ok(())
}

/// The task `write-until-killed`: loads the world, then commits, so that the journals are as full as they get.
pub async fn write(engine: EngineKind, path: &Path, entities: u64) -> Result {
    let store =
        entitygraph_store::open(&format!("{engine}:{}", path.display()), StoreOptions::default()).await?;
    let world = World::of(entities);
    world.load(&store).await?;
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..COMMITS {
        store.commit(world.set_variable(&mut random)).await?;
    }
    finished()
}

/// The task `open`: opens the store and asks for a station with all in it.
pub async fn open(engine: EngineKind, path: &Path) -> Result {
    let start = Instant::now();
    let store = KeyedStore::open(engine, path, KeyedOptions::default())?;
    tell("open", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    store.ancestors(World::item(0)).await?;
    tell("query", start.elapsed().as_secs_f64() * 1e3);
    tell("memory", support::memory_mib("VmRSS") as f64);
    finished()
}
