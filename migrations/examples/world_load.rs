//! How fast a world of our own format goes into a store and out again.
//!
//! `cargo run --release -p entitygraph-migrations --example world_load -- fjall:PATH [BOXES]`; each box holds two items.

use std::{fs::File, io::BufWriter, sync::Arc, time::Instant};

use anyhow::{Context, Result};
use entitygraph_migrations::{
    export::{ExportOptions, export},
    load::{LoadOptions, Loader, Origin, Silent, Sourced},
    world::{WorldFiles, ingest},
};
use entitygraph_schema::{
    Aabb, ComponentDraft, Components, EntityId, EntityName, Kind, NewEntity, Placement, Pose, Value,
    VariableDraft,
};
use entitygraph_store::{Store, StoreOptions, open};
use glam::DVec3;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().context("give the store: fjall:PATH, sled:PATH or memory:")?;
    let boxes: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let store = open(&url, StoreOptions::default()).await?;

    let made = load(store.clone(), boxes).await?;
    println!("load, entities already built:  {made}");
    let again = load(store.clone(), boxes).await?;
    println!("the same again:                {again}");

    let file = tempfile::NamedTempFile::with_suffix(".yaml")?;
    let began = Instant::now();
    let written = BufWriter::new(File::create(file.path())?);
    let exported = export(store.clone(), written, ExportOptions::default(), Arc::new(Silent)).await?;
    let (seconds, bytes) = (began.elapsed().as_secs_f64(), file.path().metadata()?.len());
    println!(
        "export:                        {} entities, {:.1} MB; {seconds:.1} s, {:.0} entities/s",
        exported.entities,
        bytes as f64 / 1e6,
        exported.entities as f64 / seconds
    );
    let copy = tempfile::tempdir()?;
    let copy =
        open(&format!("fjall:{}", copy.path().join("copy").display()), StoreOptions::default()).await?;
    let report =
        ingest(copy, WorldFiles::open(file.path())?, LoadOptions::default(), Arc::new(Silent)).await?;
    println!("ingest of the export in fjall: {}", last_line(&report));
    let report =
        ingest(store, WorldFiles::open(file.path())?, LoadOptions::default(), Arc::new(Silent)).await?;
    println!("the same where it is already:  {}", last_line(&report));
    Ok(())
}

fn last_line(report: &impl ToString) -> String {
    report.to_string().lines().last().unwrap_or_default().to_owned()
}

async fn load(store: Arc<dyn Store>, boxes: u64) -> Result<String> {
    let mut loader = Loader::open(store, LoadOptions::default(), Arc::new(Silent)).await?;
    let origin = Origin::file("generated");
    let draft =
        ComponentDraft::new("item".parse()?, vec![VariableDraft::new("count".parse()?, Value::Int(1))]);
    let catalog = loader.components(vec![Sourced::new(origin.clone(), draft)]).await?;
    let item = catalog.registry.by_name("item").context("the component was refused")?;
    let count = item.variable("count").context("the variable is missing")?.id;
    let id = |number: u64| EntityId::new(number).context("no id");
    let root = id(1)?;
    let bounds = Some(Aabb::cube(1e9)?);
    let new = |id, kind: &Kind, placement| NewEntity {
        id,
        name: EntityName::default(),
        kind: kind.clone(),
        source: None,
        placement,
        radius: 1.0,
        zone: None,
        root: false,
        labels: Default::default(),
        owner: None,
        layer: Default::default(),
        ordinal: 0,
        components: Components::default(),
    };
    let kinds: [Kind; 3] = ["world".parse()?, "box".parse()?, "item".parse()?];
    let world = NewEntity { zone: bounds, ..new(root, &kinds[0], Placement::default()) };
    loader.entity(Sourced::new(origin.clone(), world)).await?;
    for number in 0..boxes {
        let at = Some(Pose::at(DVec3::new(number as f64, (number % 1_000) as f64, 0.0))?);
        let outer = id(2 + number * 3)?;
        let place = Placement { parent: Some(root), port: None, pose: at };
        loader.entity(Sourced::new(origin.clone(), new(outer, &kinds[1], place))).await?;
        for inner in 1..3 {
            let place = Placement { parent: Some(outer), port: None, pose: None };
            let mut entity = new(id(2 + number * 3 + inner)?, &kinds[2], place);
            entity.components.0.entry(item.id).or_default().insert(count, Value::Int(number as i64));
            loader.entity(Sourced::new(origin.clone(), entity)).await?;
        }
    }
    Ok(last_line(&loader.finish().await?))
}
