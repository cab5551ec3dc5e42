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
    println!(
        "{:<8} {:>12} {:>16} {:>22} {:>14}",
        "round", "open, ms", "first query, ms", "first near, ms (hits)", "memory, MiB"
    );
    for round in 1..=ROUNDS {
        // Killed again, without having written.
        let opened = process::run("open", engine, &path, entities)?;
        let (open, query) = (opened.get("open")?, opened.get("query")?);
        let near = format!("{:.1} ({})", opened.get("near")?, opened.get("hits")?);
        println!("{round:<8} {open:>12.0} {query:>16.1} {near:>22} {:>14}", opened.get("memory")?);
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

/// The task `open`: opens the store, asks for what is above something deep inside, and then for all around a point, each
/// for the first time in this process.
pub async fn open(engine: EngineKind, path: &Path, entities: u64) -> Result {
    let start = Instant::now();
    let store = KeyedStore::open(engine, path, KeyedOptions::default())?;
    tell("open", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    store.ancestors(World::item(0)).await?;
    tell("query", start.elapsed().as_secs_f64() * 1e3);
    let near = World::of(entities).near(&mut fastrand::Rng::with_seed(3));
    let start = Instant::now();
    let hits = store.near(&near).await?.value.len();
    tell("near", start.elapsed().as_secs_f64() * 1e3);
    tell("hits", hits as f64);
    tell("memory", support::memory_mib("VmRSS") as f64);
    finished()
}
