//! Bulk load through `accept`, beside the raw engine that writes the same rows in the same batches. Each in a process of
//! its own, one after the other, so that each has the machine, and its memory, for itself.

use std::{path::Path, sync::Arc, time::Instant};

use entitygraph_store::{
    Store, StoreOptions,
    keyed::{
        engine::{Durability, EngineKind},
        options::KeyedOptions,
    },
};

use crate::{
    Result,
    meter::Meter,
    process::{self, finished, tell},
    spool, support,
    world::World,
};

/// Runs and prints it.
pub fn run(engine: EngineKind, entities: u64) -> Result {
    let folder = tempfile::tempdir()?;
    let place = |name: &str| folder.path().join(name);
    let ours = process::run("load-store", engine, &place("ours"), entities)?;
    let recorded = process::run("record", engine, &place("recorded"), entities)?;
    std::fs::remove_dir_all(place("ours"))?;
    std::fs::rename(place("recorded.spool"), place("raw.spool"))?;
    std::fs::remove_dir_all(place("recorded"))?;
    let raw = process::run("load-raw", engine, &place("raw"), entities)?;

    let loaded = ours.get("entities")?;
    println!("\n# Bulk load, {engine}: {loaded} entities in {} batches of the engine", raw.get("batches")?);
    println!("{:<34} {:>12} {:>12} {:>8}", "", "store", "raw engine", "ratio");
    let (rate, raw_rate) = (loaded / ours.get("seconds")?, loaded / raw.get("seconds")?);
    println!("{:<34} {rate:>12.0} {raw_rate:>12.0} {:>8.2}", "entities/s (target: half)", rate / raw_rate);
    println!("{:<34} {:>12.1} {:>12.1}", "seconds", ours.get("seconds")?, raw.get("seconds")?);
    let (settled, raw_settled) = (ours.get("settled")?, raw.get("settled")?);
    println!(
        "{:<34} {settled:>12.1} {raw_settled:>12.1} {:>8.2}",
        "seconds until compacted",
        raw_settled / settled
    );
    println!("{:<34} {:>12}", "peak memory, MiB (target: 1,536)", ours.get("memory")?);
    println!("{:<34} {:>12} {:>12}", "disk, MiB", ours.get("disk")?, raw.get("disk")?);
    println!("{:<34} {:>12.0}", "bytes of rows per entity", recorded.get("bytes")? / loaded);
    Ok(())
}

/// The task `load-store`.
pub async fn load_store(engine: EngineKind, path: &Path, entities: u64) -> Result {
    let store =
        entitygraph_store::open(&format!("{engine}:{}", path.display()), StoreOptions::default()).await?;
    let start = Instant::now();
    tell("entities", World::of(entities).load(&store).await? as f64);
    tell("seconds", start.elapsed().as_secs_f64());
    store.compact().await?;
    tell("settled", start.elapsed().as_secs_f64());
    tell("memory", support::memory_mib("VmHWM") as f64);
    tell("disk", (store.disk_bytes().await? >> 20) as f64);
    finished()
}

/// The task `record`: writes the batches to `PATH.spool`. Not timed.
pub async fn record(engine: EngineKind, path: &Path, entities: u64) -> Result {
    let (store, meter) = Meter::open(engine, path)?;
    let spool = Arc::new(std::sync::Mutex::new(spool::Writer::create(&path.with_extension("spool"))?));
    let sink = spool.clone();
    meter.listen(Some(Box::new(move |batch, _| {
        sink.lock().expect("spooling panicked").push(batch).expect("the spool takes what is written");
    })));
    let store: Arc<dyn Store> = Arc::new(store);
    World::of(entities).load(&store).await?;
    drop(store);
    meter.listen(None);
    let spool = Arc::into_inner(spool).ok_or("the store still writes")?.into_inner()?;
    spool.finish()?;
    tell("bytes", meter.counts().1 as f64);
    finished()
}

/// The task `load-raw`: writes the batches of `PATH.spool`, and syncs where the store did, at the least: at the end.
/// The spool is read before the clock starts.
pub fn load_raw(engine: EngineKind, path: &Path) -> Result {
    let batches = spool::Reader::open(&path.with_extension("spool"))?.all()?;
    let engine = engine.open(path, &KeyedOptions::default().engine)?;
    tell("batches", batches.len() as f64);
    let start = Instant::now();
    for batch in batches {
        engine.write(batch, Durability::Buffered)?;
    }
    engine.sync()?;
    tell("seconds", start.elapsed().as_secs_f64());
    engine.compact()?;
    tell("settled", start.elapsed().as_secs_f64());
    tell("disk", (engine.disk_bytes() >> 20) as f64);
    finished()
}
