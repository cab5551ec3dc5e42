//! Every question at a fixed size of the answer, in worlds of several sizes. Targets are taken from the whole world at
//! random, so that a larger world has colder ones.

use std::{
    fmt::Write as _,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use entitygraph_schema::query::{ChildOrder, Extent, Facet, PageRequest};
use entitygraph_store::{
    Error, Store,
    keyed::{KeyedStore, engine::EngineKind, options::KeyedOptions},
};

use crate::{Result, plot, world::World};

const ROUNDS: usize = 500;
const WARM_UP: usize = 50;
/// No question is asked for longer than this.
const TIME: Duration = Duration::from_secs(10);
/// Systems that a route leads on; 3 passages.
const ROUTE: u64 = 12;

/// One question at a random place; returns the size of its answer.
type Question = for<'a> fn(
    &'a dyn Store,
    World,
    &'a mut fastrand::Rng,
) -> Pin<Box<dyn Future<Output = Result<usize, Error>> + Send + 'a>>;

/// Names and questions.
const QUESTIONS: [(&str, Question); 12] = [
    ("entity", |store, world, random| {
        Box::pin(async move {
            let id = World::planet(random.u64(0..world.systems), random.u64(0..10));
            Ok(store.entities(&[id]).await?.value.iter().flatten().count())
        })
    }),
    ("children, page of 50", |store, _, _| {
        Box::pin(async move {
            Ok(store
                .children(Some(World::belt()), ChildOrder::Ordinal, PageRequest::first(50))
                .await?
                .value
                .rows
                .len())
        })
    }),
    ("ancestors", |store, world, random| {
        Box::pin(
            async move { Ok(store.ancestors(World::item(random.u64(0..world.systems))).await?.value.len()) },
        )
    }),
    ("subtree of 60", |store, world, random| {
        Box::pin(async move {
            let root = World::station(random.u64(0..world.systems));
            Ok(store.subtree(root, Extent::All, PageRequest::first(1_000)).await?.value.rows.len())
        })
    }),
    ("find by kind, page of 50", |store, _, _| {
        Box::pin(async move {
            let ships = [Facet::Kind("ship".parse().expect("a kind"))];
            Ok(store.find(Some(World::universe()), &ships, PageRequest::first(50)).await?.value.rows.len())
        })
    }),
    ("owned", |store, world, random| {
        Box::pin(async move {
            let owner = World::owner(random.u64(0..world.systems));
            Ok(store.owned(&owner, PageRequest::first(50)).await?.value.rows.len())
        })
    }),
    ("named, page of 20", |store, world, random| {
        Box::pin(async move {
            let prefix = World::prefix(random.u64(0..world.systems));
            Ok(store.named(&prefix, PageRequest::first(20)).await?.value.rows.len())
        })
    }),
    ("counts", |store, _, _| {
        Box::pin(async move { Ok(store.counts(Some(World::universe())).await?.value.len()) })
    }),
    ("links", |store, world, random| {
        Box::pin(async move {
            // Neither of the first nor of the last systems, which have fewer.
            let zone = World::system(random.u64(10..world.systems - 10));
            Ok(store.zone_links(zone, PageRequest::first(50)).await?.value.rows.len())
        })
    }),
    ("near, 2,000 hits", |store, world, random| {
        Box::pin(async move {
            let near = world.near(random);
            Ok(store.near(&near).await?.value.len())
        })
    }),
    ("zones at a point", |store, world, random| {
        Box::pin(async move {
            let point = World::point_in_system(random.u64(0..world.systems));
            Ok(store.zones_at(World::universe(), point).await?.value.len())
        })
    }),
    ("route of 3", |store, world, random| {
        Box::pin(async move {
            let from = random.u64(0..world.systems - ROUTE);
            let route = store.route(World::system(from), World::system(from + ROUTE), &World::jump()).await?;
            Ok(route.value.map_or(0, |route| route.hops.len()))
        })
    }),
];

/// How long a question took.
pub struct Timing {
    /// Which question.
    pub question: &'static str,
    /// Entities of the world.
    pub entities: u64,
    /// Smallest and largest answer.
    pub answers: (usize, usize),
    /// Median in microseconds.
    pub p50: f64,
    /// 99th percentile in microseconds.
    pub p99: f64,
}

/// Runs it, prints it, and writes and draws it where the environment says so.
pub async fn run(engine: EngineKind, sizes: &[u64]) -> Result {
    let mut timings = Vec::new();
    for entities in sizes {
        let folder = tempfile::tempdir()?;
        let keyed =
            Arc::new(KeyedStore::open(engine, &folder.path().join("store"), KeyedOptions::default())?);
        let store: Arc<dyn Store> = keyed.clone();
        let world = World::of(*entities);
        let loaded = world.load(&store).await?;
        // Settled: otherwise a small world is still all in the memory that the engine collects writes in.
        keyed.compact().await?;
        for (question, ask) in QUESTIONS {
            timings.push(measure(&store, world, loaded, question, ask).await?);
        }
    }
    println!("\n# Questions, {engine}, warm, one at a time, microseconds: median (p99)");
    let columns: Vec<_> = sizes.iter().map(|size| format!("{size:>20}")).collect();
    println!("{:<26} {:>12} {}", "", "answers", columns.join(""));
    for (question, _) in QUESTIONS {
        let row: Vec<_> = timings.iter().filter(|timing| timing.question == question).collect();
        let answers = (row.iter().map(|t| t.answers.0).min(), row.iter().map(|t| t.answers.1).max());
        let answers = format!("{}-{}", answers.0.unwrap_or(0), answers.1.unwrap_or(0));
        let cells: Vec<_> =
            row.iter().map(|t| format!("{:>20}", format!("{:.1} ({:.1})", t.p50, t.p99))).collect();
        println!("{question:<26} {answers:>12} {}", cells.join(""));
    }
    if let Some(file) = std::env::var_os("SCALE_CSV") {
        std::fs::write(file, csv(&timings)?)?;
    }
    if let Some(file) = std::env::var_os("SCALE_SVG") {
        std::fs::write(file, plot::svg(engine.name(), &timings)?)?;
    }
    Ok(())
}

async fn measure(
    store: &Arc<dyn Store>,
    world: World,
    entities: u64,
    question: &'static str,
    ask: Question,
) -> Result<Timing> {
    let mut random = fastrand::Rng::with_seed(entities);
    for _ in 0..WARM_UP {
        ask(&**store, world, &mut random).await?;
    }
    let (mut took, mut answers) = (Vec::new(), (usize::MAX, 0));
    let start = Instant::now();
    while took.len() < ROUNDS && start.elapsed() < TIME {
        let before = Instant::now();
        let answer = ask(&**store, world, &mut random).await?;
        took.push(before.elapsed());
        answers = (answers.0.min(answer), answers.1.max(answer));
    }
    if answers.0 == 0 {
        return Err(format!("`{question}` found nothing in a world of {entities}").into());
    }
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
    Ok(Timing { question, entities, answers, p50: at(0.5), p99: at(0.99) })
}

fn csv(timings: &[Timing]) -> Result<String> {
    let mut text = "question,entities,smallest answer,largest answer,median us,p99 us\n".to_owned();
    for Timing { question, entities, answers, p50, p99 } in timings {
        writeln!(text, "\"{question}\",{entities},{},{},{p50:.1},{p99:.1}", answers.0, answers.1)?;
    }
    Ok(text)
}
