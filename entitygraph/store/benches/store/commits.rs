//! Durable commits of one variable each, beside the raw engine that writes what they wrote.
//!
//! What a commit writes is recorded from single commits. The raw engine, on a copy of the same store, writes one such batch
//! for each sync beside a single writer. Beside 64 writers it has 64 writers too, each waiting for its own batch, and the
//! plainest group commit there is: a thread that merges what waits and writes it. What the engine could do at best is the
//! third figure: 64 batches that were merged before, for each sync, from one thread, with nobody to wake. They take turns, so
//! that all meet the same moods of the disk.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use entitygraph_store::{
    Store, StoreOptions,
    keyed::{
        engine::{Durability, Engine, EngineKind, WriteBatch},
        options::KeyedOptions,
    },
};
use tokio::task::JoinSet;

use crate::{Result, meter::Meter, world::World};

mod group;

const WRITERS: u64 = 64;
const RECORDED: usize = 64 * 32;
const TURN: Duration = Duration::from_millis(1_500);
const TURNS: usize = 5;

/// Runs and prints it.
pub async fn run(engine: EngineKind, entities: u64) -> Result {
    let folder = tempfile::tempdir()?;
    let (path, copy) = (folder.path().join("store"), folder.path().join("raw"));
    let world = World::of(entities);
    {
        let url = format!("{engine}:{}", path.display());
        world.load(&entitygraph_store::open(&url, StoreOptions::default()).await?).await?;
    }
    copy_folder(&path, &copy)?;
    let (store, meter) = Meter::open(engine, &path)?;
    let store: Arc<dyn Store> = Arc::new(store);
    let raw = engine.open(&copy, &KeyedOptions::default().engine)?;
    let single = Arc::new(record(&store, &meter, world).await?);
    let merged: Vec<WriteBatch> = single.chunks(WRITERS as usize).map(merge).collect();

    let mut turns = Turns::default();
    let (before, mut together) = (meter.counts(), 0);
    for _ in 0..TURNS {
        let calls = commits(&store, world, WRITERS).await?;
        together += calls.took.len();
        let grouped = group::commits(&raw, &single, WRITERS, TURN).await?;
        turns.many.push((calls, grouped));
        turns.best.push(raw_writes(&*raw, &merged)?);
    }
    let after = meter.counts();
    for _ in 0..TURNS {
        turns.one.push((commits(&store, world, 1).await?, raw_writes(&*raw, &single)?));
    }
    let bytes: usize = single.iter().map(WriteBatch::byte_len).sum();
    println!("\n# Durable commits of one variable, {engine}, {entities} entities, medians of {TURNS} turns");
    println!("a commit alone writes {} bytes of keys and values; ", bytes / single.len());
    let (batches, written) = (after.0 - before.0, after.1 - before.1);
    let (group, bytes) = (together as f64 / batches as f64, written as f64 / together as f64);
    println!("of {WRITERS} writers {group:.1} commits share a batch, {bytes:.0} bytes each");
    turns.print();
    Ok(())
}

/// Calls of one turn.
struct Calls {
    took: Vec<Duration>,
    seconds: f64,
}

impl Calls {
    fn new(mut took: Vec<Duration>, start: Instant) -> Self {
        let seconds = start.elapsed().as_secs_f64();
        took.sort_unstable();
        Self { took, seconds }
    }

    fn per_second(&self) -> f64 {
        self.took.len() as f64 / self.seconds
    }

    fn at(&self, part: f64) -> f64 {
        self.took[((self.took.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6
    }
}

/// Turns of the store, each with the turn of the raw engine after it.
#[derive(Default)]
struct Turns {
    many: Vec<(Calls, Calls)>,
    best: Vec<Calls>,
    one: Vec<(Calls, Calls)>,
}

impl Turns {
    fn print(&self) {
        let row = |what: &str, turns: &[(Calls, Calls)], figure: &dyn Fn(&Calls) -> f64| {
            let ours = median(turns.iter().map(|(ours, _)| figure(ours)));
            let raw = median(turns.iter().map(|(_, raw)| figure(raw)));
            let ratio = median(turns.iter().map(|(ours, raw)| figure(ours) / figure(raw)));
            println!("{what:<44} {ours:>12.0} {raw:>12.0} {ratio:>8.2}");
        };
        println!("{:<44} {:>12} {:>12} {:>8}", "", "store", "raw engine", "ratio");
        row("64 writers, commits/s (target: 0.70)", &self.many, &Calls::per_second);
        row("64 writers, p99 us", &self.many, &|calls| calls.at(0.99));
        row("1 writer, median us (target: at most 1.3)", &self.one, &|calls| calls.at(0.5));
        row("1 writer, p99 us", &self.one, &|calls| calls.at(0.99));
        let best = self.many.iter().zip(&self.best);
        let best: Vec<_> =
            best.map(|((ours, _), best)| (ours.per_second(), best.per_second() * WRITERS as f64)).collect();
        let of_best = median(best.iter().map(|(ours, best)| ours / best));
        let best = median(best.iter().map(|(_, best)| *best));
        println!(
            "64 commits merged beforehand, from one thread, nobody to wake: {best:.0} commits/s, we have {of_best:.2} of it"
        );
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What single commits write, one batch for each.
async fn record(store: &Arc<dyn Store>, meter: &Meter, world: World) -> Result<Vec<WriteBatch>> {
    let batches = Arc::new(Mutex::new(Vec::new()));
    let sink = batches.clone();
    meter.listen(Some(Box::new(move |batch, durability| {
        // The trimming of the change log is not part of a commit.
        if durability == Durability::Synced {
            sink.lock().expect("recording panicked").push(batch.clone());
        }
    })));
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..RECORDED {
        store.commit(world.set_variable(&mut random)).await?;
    }
    meter.listen(None);
    Ok(std::mem::take(&mut *batches.lock().expect("recording panicked")))
}

fn merge<'a>(batches: impl IntoIterator<Item = &'a WriteBatch>) -> WriteBatch {
    // As in the store, a row that several commits write is written once.
    let rows: BTreeMap<_, _> = batches.into_iter().flat_map(WriteBatch::changes).collect();
    let mut merged = WriteBatch::new();
    for (key, value) in rows {
        match value {
            Some(value) => merged.put(key, value),
            None => merged.delete(key),
        }
    }
    merged
}

/// Commits from so many writers at once for a turn, each waiting for its own.
async fn commits(store: &Arc<dyn Store>, world: World, writers: u64) -> Result<Calls> {
    let mut running = JoinSet::new();
    let start = Instant::now();
    for writer in 0..writers {
        let store = store.clone();
        running.spawn(async move {
            let mut random = fastrand::Rng::with_seed(writer);
            let mut took = Vec::new();
            while start.elapsed() < TURN {
                let transaction = world.set_variable(&mut random);
                let before = Instant::now();
                store.commit(transaction).await?;
                took.push(before.elapsed());
            }
            Ok::<_, entitygraph_store::Error>(took)
        });
    }
    let mut took = Vec::new();
    while let Some(calls) = running.join_next().await {
        took.extend(calls??);
    }
    Ok(Calls::new(took, start))
}

/// Durable writes of these batches in turn, from one thread.
fn raw_writes(engine: &dyn Engine, batches: &[WriteBatch]) -> Result<Calls> {
    let mut took = Vec::new();
    let start = Instant::now();
    for batch in batches.iter().cycle() {
        let batch = batch.clone();
        let before = Instant::now();
        engine.write(batch, Durability::Synced)?;
        took.push(before.elapsed());
        if start.elapsed() > TURN {
            break;
        }
    }
    Ok(Calls::new(took, start))
}

fn copy_folder(from: &Path, to: &Path) -> Result {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
