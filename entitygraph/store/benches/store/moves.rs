//! Position updates: asteroids of the belt move a step at a time, in durable transactions of a thousand (AC 2.11.3). The
//! index is compared with the entities afterwards.

use std::time::{Duration, Instant};

use entitygraph_store::{
    Store, StoreOptions,
    keyed::{KeyedStore, engine::EngineKind, options::KeyedOptions},
};

use crate::{Result, world::World};

const TIME: Duration = Duration::from_secs(10);
/// Moves of one transaction, as a replication layer collects them.
const TOGETHER: u64 = 1_000;

/// Runs and prints it.
pub async fn run(engine: EngineKind, entities: u64) -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store");
    let world = World::of(entities);
    world
        .load(
            &entitygraph_store::open(&format!("{engine}:{}", path.display()), StoreOptions::default())
                .await?,
        )
        .await?;
    let store = KeyedStore::open(engine, &path, KeyedOptions::default())?;
    let mut random = fastrand::Rng::with_seed(1);
    let (start, mut moves) = (Instant::now(), 0);
    while start.elapsed() < TIME {
        store.commit(world.moves(&mut random, TOGETHER)).await?;
        moves += TOGETHER;
    }
    let rate = moves as f64 / start.elapsed().as_secs_f64();
    println!("\n# Position updates, {engine}, {entities} entities, {TOGETHER} in each durable transaction");
    println!("{rate:.0} a second (target: 100,000)");
    let faults = store.check().await?;
    println!("index and entities agree after {moves} of them: {}", faults.is_empty());
    match faults.first() {
        Some(fault) => Err(format!("{} faults, the first: {fault}", faults.len()).into()),
        None => Ok(()),
    }
}
