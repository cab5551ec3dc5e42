//! A variable of many entities gets another kind while others write: how long that takes, and what the others feel of it.
//!
//! ```sh
//! cargo run --release -p entitygraph --example convert -- 1000000
//! ```

use std::time::{Duration, Instant};

use entitygraph::{Config, Graph, Metrics};
use entitygraph_schema::{
    Aabb, ComponentDraft, Components, Conversion, ConversionDraft, EntityId, Layer, NewEntity, Operation,
    Patch, Placement, Pose, Rounding, Rule, Transaction, Value, VariableDraft,
};
use entitygraph_store::{Store, StoreOptions};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Entities of one shelf; so a world of a million has a thousand shelves.
const SHELF: u64 = 1_000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    let url = format!("fjall:{}", folder.path().join("world").display());
    let store = entitygraph_store::open(&url, StoreOptions::default()).await?;
    let started = Instant::now();
    fill(&*store, count).await?;
    println!("{count} entities with a value, loaded in {:.1?}", started.elapsed());

    let stop = CancellationToken::new();
    let metrics = Metrics::register(&prometheus::Registry::new())?;
    let (graph, follower) = Graph::start(store.clone(), Config::default(), metrics, stop.clone());
    report("alone", &write_for(&graph, Some(Duration::from_secs(5))).await?);
    let started = Instant::now();
    graph.commit(Transaction::of([Operation::PublishComponent(as_float()?)])).await?;
    println!("published in {:.1?}; every reader has floats from now on", started.elapsed());
    let writes = write_for(&graph, None).await?;
    let took = started.elapsed();
    println!("converted in {took:.1?}, {:.0} entities/s", count as f64 / took.as_secs_f64());
    report("meanwhile", &writes);
    println!("{} MiB on the disk", store.disk_bytes().await? >> 20);
    stop.cancel();
    follower.await?;
    Ok(())
}

/// One writer that moves one entity, again and again: for a time, or until nothing is to be converted.
async fn write_for(graph: &Graph, time: Option<Duration>) -> Result<Vec<Duration>, Failure> {
    let started = Instant::now();
    let mut took = Vec::new();
    let mover = id(2)?;
    loop {
        let over = match time {
            Some(time) => started.elapsed() >= time,
            None => graph.catalog().registry.converting().next().is_none(),
        };
        if over {
            return Ok(took);
        }
        let place = Pose::at(glam::DVec3::new(took.len() as f64, 0.0, 0.0))?;
        let patch = Patch { pose: Some(Some(place)), ..Patch::default() };
        let began = Instant::now();
        graph.commit(Transaction::of([Operation::Change(mover, patch)])).await?;
        took.push(began.elapsed());
    }
}

fn report(when: &str, took: &[Duration]) {
    let mut took = took.to_vec();
    took.sort();
    let at = |part: usize| took.get(took.len() * part / 1_000).copied().unwrap_or_default();
    println!("  one writer {when}: {} commits, median {:.1?}, p99 {:.1?}", took.len(), at(500), at(990));
}

async fn fill(store: &dyn Store, count: u64) -> Result<(), Failure> {
    let draft = ComponentDraft::new(
        "hull".parse()?,
        vec![
            VariableDraft::new("hp".parse()?, Value::Int(100)),
            VariableDraft::new("paint".parse()?, Value::Int(0)),
        ],
    );
    store.commit(Transaction::of([Operation::PublishComponent(draft)])).await?;
    let catalog = store.catalog();
    let hull = catalog.registry.by_name("hull").ok_or("no hull")?;
    let (hp, paint) = (hull.variables[0].id, hull.variables[1].id);
    let mut root = thing(id(1)?, None)?;
    root.zone = Some(Aabb::cube(1e9)?);
    store
        .commit(Transaction::of([Operation::Create(root), Operation::Create(thing(id(2)?, Some(id(1)?))?)]))
        .await?;
    for shelf in 0..count.div_ceil(SHELF) {
        let first = 10 + shelf * (SHELF + 1);
        let mut made = vec![Operation::Create(thing(id(first)?, Some(id(1)?))?)];
        for number in 0..SHELF.min(count - shelf * SHELF) {
            let mut one = thing(id(first + 1 + number)?, Some(id(first)?))?;
            let own = [(hp, Value::Int((number % 100) as i64)), (paint, Value::Int(7))].into();
            one.components = Components([(hull.id, own)].into());
            made.push(Operation::Create(one));
        }
        store.accept(Transaction::of(made)).await?;
    }
    store.sync().await?;
    Ok(())
}

fn id(number: u64) -> Result<EntityId, Failure> {
    EntityId::new(number).ok_or_else(|| "no id".into())
}

fn thing(id: EntityId, parent: Option<EntityId>) -> Result<NewEntity, Failure> {
    Ok(NewEntity {
        id,
        name: Default::default(),
        kind: "thing".parse()?,
        source: None,
        placement: Placement { parent, port: None, pose: None },
        radius: 1.0,
        zone: None,
        root: false,
        labels: Default::default(),
        owner: None,
        layer: Layer::ZERO,
        ordinal: 0,
        components: Components::default(),
    })
}

/// `hull.hp` as a float.
fn as_float() -> Result<ComponentDraft, Failure> {
    let rule = Rule::Number { factor: 1.0, offset: 0.0, rounding: Rounding::Nearest };
    let conversion = Conversion { rule, otherwise: None };
    let variables = vec![
        VariableDraft::new("hp".parse()?, Value::Float(100.0)),
        VariableDraft::new("paint".parse()?, Value::Int(0)),
    ];
    Ok(ComponentDraft {
        converts: [("hp".parse()?, ConversionDraft { from: "hp".parse()?, conversion })].into(),
        ..ComponentDraft::new("hull".parse()?, variables)
    })
}
