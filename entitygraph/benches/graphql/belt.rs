//! A belt of half a million asteroids in a store on the disk, asked for 2,000 of them at a time.

use std::time::{Duration, Instant};

use entitygraph_schema::{
    Aabb, EntityId, EntityName, Kind, NewEntity, Operation, Placement, Pose, Transaction,
};
use entitygraph_store::{
    Store, StoreOptions,
    keyed::{KeyedStore, engine::EngineKind},
};
use glam::DVec3;
use serde_json::json;

use crate::{
    client::{Client, request},
    serve_store,
};

const ASTEROIDS: u64 = 500_000;
/// Half an edge of the belt, in metres.
const HALF_EDGE: f64 = 1e6;
/// Metres around a point in which about 2,100 asteroids are.
const RADIUS: f64 = 2.005e5;
/// Asteroids created in one transaction.
const TOGETHER: u64 = 1_000;
/// Points that are asked again and again.
const POINTS: usize = 8;
const REQUESTS: usize = 400;

/// Asks over HTTP, one request at a time: the first on a store just opened, and many once the entities are cached.
pub async fn near() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store");
    load(KeyedStore::open(EngineKind::Fjall, &path, StoreOptions::default().keyed)?).await?;

    let store =
        entitygraph_store::open(&format!("fjall:{}", path.display()), StoreOptions::default()).await?;
    let address = serve_store(store).await?;
    let mut random = fastrand::Rng::with_seed(7);
    let query = "query Near($zone: EntityId!, $at: NearInput!) {
        near(zone: $zone, at: $at, first: 2000) { nodes { distance entity { id name kind pose { position } } } } }";
    let questions: Vec<_> = (0..POINTS)
        .map(|_| {
            let point = place(&mut random, HALF_EDGE - RADIUS).to_array();
            let at = json!({ "point": point, "radius": RADIUS });
            request(&json!({ "query": query, "variables": { "zone": "1", "at": at } }).to_string())
        })
        .collect();
    let mut client = Client::connect(address).await?;
    let began = Instant::now();
    let answer = client.ask(&questions[0]).await?;
    let cold = began.elapsed();
    let hits = answer.matches("\"distance\"").count();
    anyhow::ensure!(hits == 2_000, "2,000 hits were expected, {hits} came: {answer:.200}");
    for question in &questions {
        client.exchange(question).await?;
    }
    let mut took = Vec::with_capacity(REQUESTS);
    for question in questions.iter().cycle().take(REQUESTS) {
        let began = Instant::now();
        client.exchange(question).await?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (median, p99) = (ms(took[REQUESTS / 2]), ms(took[REQUESTS * 99 / 100]));
    println!(
        "\nnear, {hits} of {ASTEROIDS} entities, {} bytes: first answer {:.1} ms (aim 50), then median {median:.1} ms \
         (aim 5), p99 {p99:.1} ms",
        answer.len(),
        ms(cold)
    );
    Ok(())
}

async fn load(store: KeyedStore) -> anyhow::Result<()> {
    let new = |number: u64, kind: &str, pose, zone| -> anyhow::Result<Operation> {
        Ok(Operation::Create(NewEntity {
            id: EntityId::new(number).expect("numbers here begin at 1"),
            name: EntityName::new(format!("Asteroid {number}"))?,
            kind: Kind::new(kind)?,
            source: None,
            placement: Placement {
                parent: (number > 1).then(|| EntityId::new(1)).flatten(),
                port: None,
                pose,
            },
            radius: 10.0,
            zone,
            root: false,
            labels: Default::default(),
            owner: None,
            layer: Default::default(),
            ordinal: 0,
            components: Default::default(),
        }))
    };
    let mut random = fastrand::Rng::with_seed(1);
    store.accept(Transaction::of([new(1, "belt", None, Some(Aabb::cube(2.0 * HALF_EDGE)?))?])).await?;
    for first in (2..ASTEROIDS + 2).step_by(TOGETHER as usize) {
        let asteroids = (first..first + TOGETHER)
            .map(|number| new(number, "asteroid", Some(Pose::at(place(&mut random, HALF_EDGE))?), None));
        store.accept(Transaction::of(asteroids.collect::<anyhow::Result<Vec<_>>>()?)).await?;
    }
    store.sync().await?;
    if std::env::var_os("COMPACT").is_some() {
        store.compact().await?;
    }
    Ok(())
}

fn place(random: &mut fastrand::Rng, half_edge: f64) -> DVec3 {
    DVec3::from_array([(); 3].map(|()| (random.f64() * 2.0 - 1.0) * half_edge))
}
