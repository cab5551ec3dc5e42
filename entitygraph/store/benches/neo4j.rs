//! The Neo4j store beside a bare loop of the driver, on one real server, in one run.
//!
//!     cargo bench -p entitygraph-store --bench neo4j
//!
//! - **load**: a world of 60,000 entities in transactions of 1,000; then the same nodes, properties, labels and relationships are read
//!   out, the database is emptied, and a bare loop writes them with plain `UNWIND` of 1,000 rows.
//! - **updates**: 64 writers, each waiting for its own durable change of one entity; then a bare loop in which 64 writers hand their rows
//!   to one task that writes all that wait in one transaction: once four properties that no index has, and once those that the store
//!   writes of an entity that moves, a place in the space index among them.
//!
//! The bare loops run in a process of their own: the store mends the sockets of the driver in its process. Beside the figures it says
//! where the store's time went, statement by statement.

#![allow(missing_docs)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use entitygraph_schema::{
    Aabb, Components, EntityId, NewEntity, Operation, Patch, Placement, Pose, Transaction, query::PageRequest,
};
use entitygraph_store::{Store, StoreOptions};
use entitygraph_test_neo4j::{Options, Server};
use futures_util::{StreamExt, TryStreamExt};
use glam::DVec3;
use neo4rs::{BoltList, BoltType, Graph, Query};
use tokio::sync::{mpsc, oneshot};

/// As the command has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SYSTEMS: u64 = 20;
const SHIPS: u64 = 50;
const CRATES: u64 = 59;
const ROWS: usize = 1_000;
/// As the ingest commands have it.
const IN_FLIGHT: usize = 8;
const WRITERS: u64 = 64;
const LASTING: Duration = Duration::from_secs(8);
const ROUNDS: usize = 3;
/// Rows of a moved entity that fit into one write of the driver, about 180 bytes each; with more it waits for an acknowledgement, see
/// `message.rs`.
const ROWS_AT_ONCE: usize = 40;
/// Entities that are changed in turn.
const CHANGED: usize = 6_400;

fn main() -> Result<()> {
    // Called by `cargo test` as well, which is no time to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match std::env::var(BARE) {
        Ok(address) => runtime.block_on(bare(&address)),
        Err(_) => runtime.block_on(run()),
    }
}

/// Where the process that runs the bare loops finds the server.
const BARE: &str = "BENCH_BARE_NEO4RS";

/// The bare loops, with what the store left; the database is empty afterwards. Says their rates.
async fn bare(address: &str) -> Result<()> {
    let graph = Graph::new(address, "neo4j", "")?;
    let rows = read_out(&graph).await?;
    empty(&graph).await?;
    let (count, began) = (rows.len() as f64, Instant::now());
    bare_load(&graph, rows).await?;
    let load = count / began.elapsed().as_secs_f64();
    let four = bare_update(&graph, FOUR, four_properties, usize::MAX).await?;
    let same = bare_update(&graph, SAME, same_properties, ROWS_AT_ONCE).await?;
    empty(&graph).await?;
    println!("{load} {four} {same}");
    Ok(())
}

async fn in_a_process(address: &str) -> Result<[f64; 3]> {
    let mut process = tokio::process::Command::new(std::env::current_exe()?);
    let said =
        process.arg("--bench").env(BARE, address).stderr(std::process::Stdio::inherit()).output().await?;
    let said = String::from_utf8(said.stdout)?;
    let rates: Vec<f64> = said.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    <[f64; 3]>::try_from(rates).map_err(|rates| anyhow::anyhow!("three rates are wanted, not {rates:?}"))
}

async fn run() -> Result<()> {
    let server =
        Server::start(Options { heap_mib: 1_536, page_cache_mib: 512, ..Options::default() }).await?;
    let count = world().len() as f64;
    let mut figures: [[Vec<f64>; 2]; 3] = Default::default();
    // The first round is the server's: its compiler has to see the statements some thousand times.
    for round in 0..=ROUNDS {
        let store = entitygraph_store::open(&server.bolt(), StoreOptions::default()).await?;
        let mut spent = Spent::default();
        let began = Instant::now();
        load(&store, world()).await?;
        let loads = count / began.elapsed().as_secs_f64();
        spent.say("load", &store);
        let updates = update(&store).await?;
        spent.say("updates", &store);
        drop(store);
        let [bare_loads, four, same] = in_a_process(&server.bolt()).await?;

        eprintln!(
            "round {round}: load {loads:.0} beside {bare_loads:.0}, updates {updates:.0} beside {four:.0} of four properties and \
             {same:.0} of the same"
        );
        if round > 0 {
            let pairs = [[loads, bare_loads], [updates, four], [updates, same]];
            for (place, [ours, bare]) in pairs.into_iter().enumerate() {
                figures[place][0].push(ours);
                figures[place][1].push(bare);
            }
        }
    }
    println!(
        "| what, in the median of {ROUNDS} rounds | store | bare neo4rs | ratio |\n| --- | --- | --- | --- |"
    );
    let updates = format!("durable updates of {WRITERS} writers/s");
    let four = format!("{updates}, bare: four properties");
    let same = format!("{updates}, bare: the same properties");
    for (what, [ours, bare]) in ["load, entities/s", &four, &same].into_iter().zip(figures) {
        let (ours, bare) = (median(ours), median(bare));
        println!("| {what} | {ours:.0} | {bare:.0} | {:.2} |", ours / bare);
    }
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What the store said of its statements when it was last asked.
#[derive(Default)]
struct Spent(BTreeMap<String, (f64, f64)>);

impl Spent {
    /// Says what came since.
    fn say(&mut self, doing: &str, store: &Arc<dyn Store>) {
        let mut now = BTreeMap::<String, (f64, f64)>::new();
        for family in store.collectors().iter().flat_map(|collector| collector.collect()) {
            for series in family.get_metric() {
                let Some(label) = series.get_label().first() else { continue };
                let entry = now.entry(label.value().to_owned()).or_default();
                let value = series.get_counter().get_value();
                if family.name().ends_with("_seconds_total") {
                    entry.1 = value;
                } else {
                    entry.0 = value;
                }
            }
        }
        let parts: Vec<_> = now
            .iter()
            .map(|(name, (count, seconds))| {
                let (count_before, seconds_before) = self.0.get(name).copied().unwrap_or_default();
                (name, count - count_before, seconds - seconds_before)
            })
            .filter(|(_, count, _)| *count > 0.0)
            .map(|(name, count, seconds)| format!("{name} {count:.0} x {:.1} ms", seconds / count * 1e3))
            .collect();
        eprintln!("{doing}: {}", parts.join(", "));
        self.0 = now;
    }
}

fn id(number: u64) -> EntityId {
    EntityId::new(number).expect("not zero")
}

fn entity(number: u64, parent: Option<u64>, kind: &str, at: f64, zone: bool) -> NewEntity {
    let pose = parent.map(|_| Pose::at(DVec3::new(at * 1e3, at, -at)).expect("a place"));
    NewEntity {
        id: id(number),
        name: format!("{kind} {number}").parse().expect("a name"),
        kind: kind.parse().expect("a kind"),
        source: None,
        placement: Placement { parent: parent.map(id), port: None, pose },
        radius: 1.0 + at % 7.0,
        zone: zone.then(|| Aabb::cube(1e6).expect("bounds")),
        root: kind == "ship",
        labels: [format!("group-{}", number % 5).parse().expect("a label")].into(),
        owner: (kind == "ship").then(|| format!("player:{}", number % 100).parse().expect("an owner")),
        layer: Default::default(),
        ordinal: 0,
        components: Components::default(),
    }
}

fn world() -> Vec<NewEntity> {
    let mut entities = vec![entity(1, None, "universe", 0.0, true)];
    let mut next = 2;
    let mut add = |parent: u64, kind: &str, at: u64, zone: bool| {
        entities.push(entity(next, Some(parent), kind, at as f64, zone));
        next += 1;
        next - 1
    };
    for system in 0..SYSTEMS {
        let star = add(1, "system", system, true);
        for ship in 0..SHIPS {
            let ship = add(star, "ship", ship, true);
            for item in 0..CRATES {
                add(ship, "crate", item, false);
            }
        }
    }
    entities
}

async fn load(store: &Arc<dyn Store>, entities: Vec<NewEntity>) -> Result<()> {
    let parts: Vec<_> =
        entities.chunks(ROWS).map(|rows| rows.iter().cloned().map(Operation::Create).collect()).collect();
    let accepted = parts.into_iter().map(|operations: Vec<_>| store.accept(Transaction::of(operations)));
    let mut accepted = futures_util::stream::iter(accepted).buffered(IN_FLIGHT);
    while accepted.try_next().await?.is_some() {}
    store.sync().await?;
    Ok(())
}

/// Durable changes of one entity each, a second.
async fn update(store: &Arc<dyn Store>) -> Result<f64> {
    let crates: Vec<EntityId> = {
        let facet = entitygraph_schema::query::Facet::Kind("crate".parse()?);
        let found = store.find(None, &[facet], PageRequest::first(CHANGED)).await?;
        found.value.rows.into_iter().map(|(id, _)| id).collect()
    };
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let (store, done, crates) = (store.clone(), done.clone(), crates.clone());
        tokio::spawn(async move {
            let mut number = writer;
            while began.elapsed() < LASTING {
                let entity = crates[(number % crates.len() as u64) as usize];
                let place = Pose::at(DVec3::new(number as f64, writer as f64, 1.0)).expect("a place");
                let patch = Patch { pose: Some(Some(place)), ..Patch::default() };
                store.commit(Transaction::of([Operation::Change(entity, patch)])).await?;
                done.fetch_add(1, Ordering::Relaxed);
                number += WRITERS;
            }
            Ok::<_, entitygraph_store::Error>(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

/// Everything that the store wrote for entities, as rows.
async fn read_out(graph: &Graph) -> Result<Vec<BoltType>> {
    let text = "MATCH (e:Entity) OPTIONAL MATCH (e)-[:OWNED_BY]->(o) \
                WITH e, o ORDER BY e.rank RETURN {properties: properties(e), labels: labels(e), parent: e.parent, owner: o.id} AS row";
    let mut stream = graph.execute(Query::new(text.to_owned())).await?;
    let mut rows = Vec::new();
    while let Some(row) = stream.next().await? {
        rows.push(row.get::<BoltType>("row")?);
    }
    Ok(rows)
}

async fn empty(graph: &Graph) -> Result<()> {
    let text = "MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS";
    graph.run(Query::new(text.to_owned())).await?;
    Ok(())
}

async fn bare_load(graph: &Graph, rows: Vec<BoltType>) -> Result<()> {
    let text = "UNWIND $rows AS row CREATE (e:Entity) SET e += row.properties SET e:$(row.labels) WITH e, row \
                CALL (e, row) { WITH e, row WHERE row.parent <> 0 MATCH (p:Entity {id: row.parent}) CREATE (e)-[:IN]->(p) } \
                CALL (e, row) { WITH e, row WHERE row.owner IS NOT NULL MERGE (o:Owner {id: row.owner}) CREATE (e)-[:OWNED_BY]->(o) }";
    for rows in rows.chunks(ROWS) {
        let list = BoltType::List(BoltList { value: rows.to_vec() });
        graph.run(Query::new(text.to_owned()).param("rows", list)).await?;
    }
    Ok(())
}

/// Of which no index has one.
const FOUR: &str = "UNWIND $rows AS row MATCH (e:Entity {id: row.id}) \
                    SET e.x = row.x, e.y = row.y, e.revision = row.revision, e.record = row.record";

fn four_properties(id: i64, number: f64) -> BoltType {
    row([
        ("id", id.into()),
        ("x", number.into()),
        ("y", number.into()),
        ("revision", (number as i64).into()),
        ("record", vec![1_u8; 60].into()),
    ])
}

/// As the store has it.
const SAME: &str = "UNWIND $rows AS row MATCH (e:Entity {id: row.id}) SET e += row.properties";

fn same_properties(id: i64, number: f64) -> BoltType {
    let place = number as u64;
    let properties = row([
        ("x", number.into()),
        ("y", (number % 64.0).into()),
        ("z", 1.0.into()),
        ("revision", (number as i64).into()),
        ("record", vec![1_u8; 60].into()),
        ("zone", (id - id % 60).into()),
        ("cell", format!("0-{:02}-{:016x}", place % 7, place.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into()),
    ]);
    row([("id", id.into()), ("properties", properties)])
}

fn row<const N: usize>(entries: [(&str, BoltType); N]) -> BoltType {
    BoltType::Map(entries.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

/// The same number of writers, whose rows one task writes together, in the same way.
async fn bare_update(
    graph: &Graph,
    text: &'static str,
    row: fn(i64, f64) -> BoltType,
    at_once: usize,
) -> Result<f64> {
    type Waiting = (i64, f64, oneshot::Sender<()>);
    let (rows, mut waiting) = mpsc::channel::<Waiting>(1_024);
    let graph = graph.clone();
    let task = tokio::spawn(async move {
        while let Some(first) = waiting.recv().await {
            tokio::task::yield_now().await;
            let mut batch = vec![first];
            while let Ok(next) = waiting.try_recv() {
                batch.push(next);
            }
            let rows: Vec<_> = batch.iter().map(|(id, number, _)| row(*id, *number)).collect();
            let mut transaction = graph.start_txn().await?;
            for rows in rows.chunks(at_once) {
                let list = BoltType::List(BoltList { value: rows.to_vec() });
                transaction.run(Query::new(text.to_owned()).param("rows", list)).await?;
            }
            transaction.commit().await?;
            for (_, _, told) in batch {
                // A writer that gave up is not missed.
                let _ = told.send(());
            }
        }
        Ok::<_, neo4rs::Error>(())
    });
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let (rows, done) = (rows.clone(), done.clone());
        tokio::spawn(async move {
            let mut number = writer;
            while began.elapsed() < LASTING {
                let entity = 2 + (number % CHANGED as u64) as i64;
                let (told, tells) = oneshot::channel();
                rows.send((entity, number as f64, told)).await.ok().context("the task ended")?;
                tells.await?;
                done.fetch_add(1, Ordering::Relaxed);
                number += WRITERS;
            }
            Ok::<_, anyhow::Error>(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    let rate = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    drop(rows);
    task.await??;
    Ok(rate)
}
