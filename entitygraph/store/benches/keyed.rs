//! What the keyed store costs on top of its engine: `cargo bench -p entitygraph-store --bench keyed [-- ENTITIES [ENGINE]]`.
//!
//! Each figure stands beside what the raw engine takes for the same batches: those that the store wrote are recorded and
//! written again, those of the load to an empty engine.

#[allow(dead_code)] // of the yardsticks only the memory is measured here
mod support;

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use entitygraph_schema::query::{Extent, Facet, Near, PageRequest};
use entitygraph_schema::*;
use entitygraph_store::{
    Store,
    keyed::{
        KeyedStore,
        engine::{Durability, Engine, EngineError, EngineKind, EngineOptions, View, WriteBatch},
        options::KeyedOptions,
    },
};
use glam::DVec3;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Entities of one transaction of the load (whole systems, so that the order of transactions does not matter), and
/// transactions on their way at once.
const LOAD_BATCH: usize = 960;
const LOAD_PIPELINE: usize = 4;
const TIME: Duration = Duration::from_secs(4);

fn main() -> Result {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [child, kind, path, entities] = &args[..]
        && child == "child"
    {
        let runtime = tokio::runtime::Runtime::new()?;
        return runtime.block_on(measure(kind.parse()?, Path::new(path), entities.parse()?));
    }
    let entities = args.first().map_or("500000", |entities| entities);
    println!("{entities} entities, loaded {LOAD_BATCH} to a transaction");
    for kind in EngineKind::ALL.into_iter().filter(|kind| args.get(1).is_none_or(|name| *name == kind.name()))
    {
        println!("\n{kind}");
        let dir = tempfile::tempdir()?;
        let mut child = std::process::Command::new(std::env::current_exe()?);
        let done = child.args(["child", kind.name()]).arg(dir.path()).arg(entities).status()?;
        if !done.success() {
            return Err(format!("the process of {kind} failed").into());
        }
    }
    Ok(())
}

/// An engine that keeps a copy of what is written to it, while asked to.
struct Recorder {
    inner: Arc<dyn Engine>,
    copies: Mutex<Option<Vec<(WriteBatch, Durability)>>>,
    in_writes: AtomicU64,
    /// Processor time of the writer's thread, in nanoseconds: when it first wrote, now, and in writes alone.
    first_cpu: AtomicU64,
    last_cpu: AtomicU64,
    writes_cpu: AtomicU64,
    bytes: AtomicU64,
    rows: AtomicU64,
}

impl Recorder {
    fn over(inner: Arc<dyn Engine>) -> Arc<Self> {
        let (in_writes, first_cpu, last_cpu, writes_cpu) = Default::default();
        let (bytes, rows) = Default::default();
        let copies = Mutex::new(None);
        Arc::new(Self { inner, copies, in_writes, first_cpu, last_cpu, writes_cpu, bytes, rows })
    }

    fn start(&self) {
        *self.copies.lock().expect("no panic") = Some(Vec::new());
        self.reset();
    }

    fn reset(&self) {
        let cpu = [&self.first_cpu, &self.last_cpu, &self.writes_cpu];
        for number in cpu.into_iter().chain([&self.in_writes, &self.bytes, &self.rows]) {
            number.store(0, Ordering::Relaxed);
        }
    }

    fn stop(&self) -> Vec<(WriteBatch, Durability)> {
        self.copies.lock().expect("no panic").take().unwrap_or_default()
    }

    /// Processor time of the writer for each of `count`, in microseconds, and how much of it in the engine.
    fn cpu(&self, count: u64) -> String {
        let [first, last, writes] = [&self.first_cpu, &self.last_cpu, &self.writes_cpu]
            .map(|number| number.load(Ordering::Relaxed) as f64 / 1e3);
        let all = (last - first) / count as f64;
        format!("{all:.1} us in the writer's thread, {:.1} us of it in the engine", writes / count as f64)
    }

    fn in_writes(&self) -> f64 {
        self.in_writes.load(Ordering::Relaxed) as f64 / 1e9
    }
}

impl Engine for Recorder {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn view(&self) -> Box<dyn View + '_> {
        self.inner.view()
    }
    fn write(&self, batch: WriteBatch, durability: Durability) -> std::result::Result<(), EngineError> {
        if let Some(copies) = &mut *self.copies.lock().expect("no panic") {
            copies.push((batch.clone(), durability));
        }
        self.bytes.fetch_add(batch.byte_len() as u64, Ordering::Relaxed);
        self.rows.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let (start, cpu) = (Instant::now(), thread_cpu());
        let _ = self.first_cpu.compare_exchange(0, cpu, Ordering::Relaxed, Ordering::Relaxed);
        let outcome = self.inner.write(batch, durability);
        let now = thread_cpu();
        self.last_cpu.store(now, Ordering::Relaxed);
        self.writes_cpu.fetch_add(now - cpu, Ordering::Relaxed);
        self.in_writes.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        outcome
    }
    fn sync(&self) -> std::result::Result<(), EngineError> {
        self.inner.sync()
    }
    fn compact(&self) -> std::result::Result<(), EngineError> {
        self.inner.compact()
    }
    fn disk_bytes(&self) -> u64 {
        self.inner.disk_bytes()
    }
    fn caveat(&self) -> Option<&'static str> {
        self.inner.caveat()
    }
}

async fn measure(kind: EngineKind, path: &Path, entities: u64) -> Result {
    let options = KeyedOptions::default();
    let engine_options = EngineOptions { split_at: vec![0x70], ..EngineOptions::default() };
    let recorder = Recorder::over(kind.open(&path.join("store"), &engine_options)?);
    let store = Arc::new(KeyedStore::over(recorder.clone(), format!("{kind}:bench"), options)?);

    // Planned beforehand: what is measured is the store.
    store.commit(ground()).await?;
    store.commit(regions()).await?;
    let load = world(entities);
    let before = support::memory_mib("VmRSS");
    recorder.start();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut under_way = std::collections::VecDeque::new();
    for transaction in load {
        if under_way.len() == LOAD_PIPELINE {
            let first: tokio::task::JoinHandle<_> = under_way.pop_front().ok_or("empty")?;
            first.await??;
        }
        let store = store.clone();
        under_way.push_back(tokio::spawn(async move { store.accept(transaction).await.map(drop) }));
    }
    for last in under_way {
        last.await??;
    }
    store.sync().await?;
    let took = start.elapsed().as_secs_f64();
    let bytes = recorder.bytes.load(Ordering::Relaxed) as f64 / entities as f64;
    let rows = recorder.rows.load(Ordering::Relaxed) as f64 / entities as f64;
    let batches = recorder.stop();
    println!(
        "load                     {:>9.1} K entities/s, {bytes:.0} bytes in {rows:.1} rows each",
        entities as f64 / took / 1e3
    );
    println!("  of it in the engine    {:>9.0} %", 100.0 * recorder.in_writes() / took);
    println!(
        "  processor              {:>9.1} us an entity: {}",
        (cpu_seconds() - cpu) * 1e6 / entities as f64,
        recorder.cpu(entities)
    );
    println!(
        "  peak memory            {:>9} MiB ({before} before, with the world to load; with a copy of all batches)",
        support::memory_mib("VmHWM")
    );
    let raw = kind.open(&path.join("raw-load"), &engine_options)?;
    let cpu = cpu_seconds();
    let raw_rate = entities as f64 / replay(&*raw, &batches, 1.0)?;
    let cpu = (cpu_seconds() - cpu) * 1e6 / entities as f64;
    println!(
        "  raw                    {:>9.1} K entities/s: {:.2} of it, processor {cpu:.1} us",
        raw_rate / 1e3,
        entities as f64 / took / raw_rate
    );
    drop((raw, batches));
    println!("  disk                   {:>9} MiB", store.disk_bytes().await? >> 20);

    for writers in [1, 64] {
        recorder.start();
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let counted: Arc<AtomicU64> = Arc::default();
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let (store, counted) = (store.clone(), counted.clone());
                tokio::spawn(async move {
                    let mut step = 0;
                    while start.elapsed() < TIME {
                        step += 1;
                        let id = 1_000 + (writer * 7_919 + step * 104_729) % (entities - 1_000);
                        store.commit(Transaction::of([set_variable(id, step as i64)])).await?;
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<(), entitygraph_store::Error>(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        let rate = counted.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
        let batches = recorder.stop();
        let per_batch = counted.load(Ordering::Relaxed) as f64 / batches.len() as f64;
        let cpu = (cpu_seconds() - cpu) * 1e6 / counted.load(Ordering::Relaxed) as f64;
        println!("durable, {writers:>2} writers      {rate:>9.0} /s, {per_batch:.1} to a batch");
        println!(
            "  of it in the engine    {:>9.0} %",
            100.0 * recorder.in_writes() / start.elapsed().as_secs_f64()
        );
        println!(
            "  processor              {cpu:>9.1} us a commit: {}",
            recorder.cpu(counted.load(Ordering::Relaxed))
        );
        // The same rows once more, to the same engine: that changes nothing in it. Then as the engine's own group commit
        // would take them at best, all writers together.
        for (what, group) in
            [("the same batches", 1.0), ("groups of all writers", writers as f64 / per_batch)]
        {
            let cpu = cpu_seconds();
            let raw_rate =
                counted.load(Ordering::Relaxed) as f64 / replay(&*recorder.inner, &batches, group)?;
            let cpu = (cpu_seconds() - cpu) * 1e6 / counted.load(Ordering::Relaxed) as f64;
            println!(
                "  raw, {what:<22} {raw_rate:>6.0} /s: {:.2} of it, processor {cpu:.1} us",
                rate / raw_rate
            );
        }
    }
    reads(&store, entities).await
}

/// Nanoseconds of processor time that this thread took.
fn thread_cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Seconds of processor time that this process took: unlike time on the wall it does not depend on what else runs.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Adds the entries of a batch behind those of another.
fn add(together: &mut WriteBatch, batch: &WriteBatch) {
    for (key, value) in batch.changes() {
        match value {
            Some(value) => together.put(key, value),
            None => together.delete(key),
        }
    }
}

/// Writes recorded batches to an engine, so many taken together; returns the seconds.
fn replay(engine: &dyn Engine, batches: &[(WriteBatch, Durability)], group: f64) -> Result<f64> {
    let start = Instant::now();
    let (mut together, mut due) = (WriteBatch::new(), 0.0);
    for (batch, durability) in batches {
        add(&mut together, batch);
        due += 1.0;
        if due >= group {
            due -= group;
            engine.write(std::mem::take(&mut together), *durability)?;
        }
    }
    if !together.is_empty() {
        engine.write(together, Durability::Synced)?;
    }
    Ok(start.elapsed().as_secs_f64())
}

async fn reads(store: &Arc<KeyedStore>, entities: u64) -> Result {
    let system = id(1_000);
    let near = Near {
        zone: system,
        point: DVec3::ZERO,
        radius: Some(1e12),
        min_angular_size: None,
        layer: Layer::ZERO,
    };
    time("entity by id", async |step| {
        store
            .entities(&[id(1_000 + step * 104_729 % (entities - 1_000))])
            .await
            .map(|found| found.value.len())
    })
    .await?;
    time("subtree of a system", async |_| {
        store
            .subtree(system, Extent::All, PageRequest::first(1_000))
            .await
            .map(|found| found.value.rows.len())
    })
    .await?;
    time("find 100 stations", async |_| {
        let facet = Facet::Kind("station".parse().expect("a kind"));
        store.find(Some(id(1)), &[facet], PageRequest::first(100)).await.map(|found| found.value.rows.len())
    })
    .await?;
    time("counts of the world", async |_| store.counts(None).await.map(|found| found.value.len())).await?;
    time("near, one system", async |_| store.near(&near).await.map(|found| found.value.len())).await?;
    Ok(())
}

async fn time(what: &str, ask: impl AsyncFn(u64) -> entitygraph_store::Result<usize>) -> Result {
    let (start, mut step, mut rows) = (Instant::now(), 0, 0);
    while start.elapsed() < TIME / 4 {
        step += 1;
        rows = ask(step).await?;
    }
    println!("{what:<24} {:>9.1} us, {rows} rows", start.elapsed().as_secs_f64() * 1e6 / step as f64);
    Ok(())
}

fn id(number: u64) -> EntityId {
    EntityId::new(number).expect("not zero")
}

fn ground() -> Transaction {
    let variable = |name: &str, value| VariableDraft::new(name.parse().expect("a name"), value);
    let component = |name: &str| {
        let variables = vec![
            variable("a", Value::Int(0)),
            variable("b", Value::Float(0.0)),
            variable("c", Value::Text("".into())),
        ];
        Operation::PublishComponent(ComponentDraft { name: name.parse().expect("a name"), variables })
    };
    let container = |name: &str, kind: &str| {
        Operation::PublishContainer(ContainerDraft {
            name: name.parse().expect("a name"),
            kind: kind.parse().expect("a kind"),
            radius: 1.0,
            zone: None,
            root: false,
            transient: false,
            labels: Default::default(),
            ports: Vec::new(),
            components: Components::default(),
            children: Vec::new(),
        })
    };
    let mut operations: Vec<_> = ["celestial", "orbit", "source"].map(component).into();
    operations.extend(["planet", "moon", "station"].map(|kind| container(&format!("eve/{kind}"), kind)));
    Transaction::of(operations)
}

const REGIONS: std::ops::Range<u64> = 2..102;

/// A universe in the shape of the EVE export: a root and regions.
fn regions() -> Transaction {
    let region = |number| Operation::Create(entity(number, Some(1), "region", number as f64 * 1e17));
    let mut made = vec![Operation::Create(entity(1, None, "universe", 0.0))];
    made.extend(REGIONS.map(region));
    Transaction::of(made)
}

/// Systems in the regions, 59 things in each.
fn world(entities: u64) -> Vec<Transaction> {
    let mut made = Vec::new();
    let mut number = 1_000;
    let mut system = number;
    while number < 1_000 + entities {
        let step = (number - 1_000) % 60;
        let new = match step {
            0 => {
                system = number;
                entity(number, Some(REGIONS.start + number / 60 % 100), "system", number as f64 * 1e12)
            }
            _ => {
                let kind = ["planet", "moon", "moon", "moon", "station", "belt"][step as usize % 6];
                entity(
                    number,
                    Some(if kind == "moon" { number - step % 6 } else { system }),
                    kind,
                    step as f64 * 1e9,
                )
            }
        };
        made.push(Operation::Create(new));
        number += 1;
    }
    made.chunks(LOAD_BATCH).map(|operations| Transaction::of(operations.to_vec())).collect()
}

fn entity(number: u64, parent: Option<u64>, kind: &str, x: f64) -> NewEntity {
    let is_zone = matches!(kind, "universe" | "region" | "system");
    let container = ["planet", "moon", "station"].iter().position(|name| *name == kind);
    let components = (1..4u32).map(|component| {
        let values =
            [(1, Value::Int(number as i64)), (2, Value::Float(x * 0.1)), (3, Value::Text("G5 V".into()))];
        let values = values.map(|(id, value)| (VariableId::new(id).expect("not zero"), value));
        (ComponentId::new(component).expect("not zero"), values.into())
    });
    NewEntity {
        id: id(number),
        name: format!("{kind} of the kind {number}").parse().expect("a name"),
        kind: kind.parse().expect("a kind"),
        source: container.map(|index| Source {
            container: ContainerId::new(index as u32 + 1).expect("not zero"),
            slot: None,
        }),
        placement: Placement {
            parent: parent.map(id),
            port: None,
            pose: parent.map(|_| Pose::at(DVec3::new(x, x * 0.5, 1.0)).expect("finite")),
        },
        radius: 6e6,
        zone: is_zone.then(|| Aabb::cube(1e13).expect("finite")),
        root: kind == "system",
        labels: if kind == "station" {
            ["dock".parse().expect("a label")].into()
        } else {
            Default::default()
        },
        owner: None,
        layer: Layer::ZERO,
        ordinal: number as i64,
        components: Components(components.collect()),
    }
}

fn set_variable(number: u64, value: i64) -> Operation {
    let variable = (VariableId::new(1).expect("not zero"), Value::Int(value));
    let component = ComponentId::new(1).expect("not zero");
    let patch =
        Patch { components: [(component, ComponentPatch::set([variable]))].into(), ..Patch::default() };
    Operation::Change(id(number), patch)
}
