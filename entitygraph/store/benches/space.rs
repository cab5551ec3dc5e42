//! How fast questions about space are, over the real engine, in worlds of growing size.
//!
//! `cargo bench -p entitygraph-store --bench space [-- ENTITIES...]` prints one line per question and world size. The number of hits
//! stays the same while the world grows a hundredfold, so the times of a question should stay the same too.

#![allow(clippy::unwrap_used)] // a benchmark stops at the first fault

use std::{
    collections::HashMap,
    f64::consts::PI,
    hint::black_box,
    time::{Duration, Instant},
};

use entitygraph_schema::{Aabb, EntityId, Layer, Pose, query::Near};
use entitygraph_store::{
    Error, Outcome, Result,
    keyed::{
        engine::{Durability, Engine, EngineError, EngineKind, EngineOptions, View, WriteBatch},
        route::{Passage, route},
        space::{Host, Outer, Placed, Reach, Rows, Visitor, near, zones_at},
    },
};
use glam::{DQuat, DVec3};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng},
};

const QUESTIONS: usize = 200;
const HITS: f64 = 2_000.0;
/// Edge of the zone in metres.
const EDGE: f64 = 1e9;

struct Reader<'a>(Box<dyn View + 'a>);

impl Rows for Reader<'_> {
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<()> {
        self.0.scan(from, to, visit).map_err(fault)
    }

    fn outer(&self, _: EntityId) -> Result<Option<Outer>> {
        Ok(None)
    }

    fn corrupt(&self, what: String) -> Error {
        Error::Corrupt { location: "benchmark".to_owned(), what, outcome: Outcome::NotApplied }
    }
}

fn fault(source: EngineError) -> Error {
    Error::Backend {
        operation: "reading",
        location: "benchmark".to_owned(),
        outcome: Outcome::NotApplied,
        source: Box::new(source),
    }
}

fn id(number: u64) -> EntityId {
    EntityId::new(number).unwrap()
}

fn point(random: &mut TestRng, edge: f64) -> DVec3 {
    DVec3::from_array(std::array::from_fn(|_| random.random_range(-edge / 2.0..edge / 2.0)))
}

/// Opens a new store and writes the rows in batches.
fn load(
    kind: EngineKind,
    folder: &tempfile::TempDir,
    rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
) -> std::sync::Arc<dyn Engine> {
    let options = EngineOptions { cache_bytes: 256 << 20, ..EngineOptions::default() };
    let engine = kind.open(folder.path(), &options).unwrap();
    let mut batch = WriteBatch::new();
    for (key, value) in rows {
        batch.put(&key, &value);
        if batch.len() == 1_000 {
            engine.write(std::mem::take(&mut batch), Durability::Buffered).unwrap();
        }
    }
    engine.write(batch, Durability::Buffered).unwrap();
    engine.sync().unwrap();
    engine.compact().unwrap(); // as it is some time after a load; until then reads take about twice as long
    engine
}

/// Asks once per point to warm up and once to measure; prints the first, the median and the 99th percentile.
fn measure(what: &str, entities: u64, points: &[DVec3], mut ask: impl FnMut(DVec3) -> usize) {
    let start = Instant::now();
    let mut found = ask(points[0]);
    let first = start.elapsed();
    for point in &points[1..] {
        found += ask(*point);
    }
    let mut times: Vec<Duration> = points
        .iter()
        .map(|point| {
            let start = Instant::now();
            black_box(ask(*point));
            start.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "{what:<34} {entities:>9} rows  {:>6} found  first {:>7.3} ms  median {:>7.3} ms  p99 {:>7.3} ms",
        found / points.len(),
        first.as_secs_f64() * 1e3,
        times[times.len() / 2].as_secs_f64() * 1e3,
        times[times.len() * 99 / 100].as_secs_f64() * 1e3,
    );
}

fn entities(kind: EngineKind, count: u64, random: &mut TestRng) {
    let folder = tempfile::tempdir().unwrap();
    // Sizes from mugs to ships, evenly spread over the zone, so that the radius for a number of hits is known.
    let rows: Vec<_> = (2..2 + count)
        .map(|entity| Placed {
            zone: id(1),
            layer: Layer::ZERO,
            entity: id(entity),
            position: point(random, EDGE),
            radius: 10f64.powf(random.random_range(-1.5..3.0)),
        })
        .collect();
    let engine = load(kind, &folder, rows.iter().map(|row| (row.key(), row.value().to_vec())));
    let reader = Reader(engine.view());
    let radius = EDGE * (HITS / count as f64 * 3.0 / (4.0 * PI)).cbrt();
    let points: Vec<_> =
        (0..QUESTIONS).map(|_| point(random, (EDGE - 2.0 * radius).max(EDGE * 0.01))).collect();
    let question =
        |point| Near { zone: id(1), point, radius: None, min_angular_size: None, layer: Layer::ZERO };
    let ask = |question: Near| near(&reader, &question).unwrap().len();
    measure("near by radius", count, &points, |point| ask(Near { radius: Some(radius), ..question(point) }));
    let spacing = EDGE / (count as f64).cbrt();
    let angle = 100.0 / spacing;
    measure("near by angular size", count, &points, |point| {
        ask(Near { min_angular_size: Some(angle), ..question(point) })
    });
    measure("near by both", count, &points, |point| {
        ask(Near { radius: Some(radius), min_angular_size: Some(angle / 10.0), ..question(point) })
    });
    measure("nothing near", count, &points, |point| {
        ask(Near { radius: Some(spacing / 100.0), ..question(point) })
    });
}

fn zones(kind: EngineKind, count: u64, random: &mut TestRng) {
    let folder = tempfile::tempdir().unwrap();
    // Rotated boxes of many sizes that fill a tenth of the space.
    let spacing = EDGE / (count as f64).cbrt();
    let rows: Vec<_> = (2..2 + count)
        .map(|entity| {
            let turn = DQuat::from_rotation_z(random.random_range(-PI..PI));
            Host {
                zone: id(1),
                entity: id(entity),
                pose: Pose::new(point(random, EDGE), turn).unwrap(),
                reach: Reach::NOTHING,
                bounds: Aabb::cube(spacing * 10f64.powf(random.random_range(-3.0..-0.3))).unwrap(),
            }
        })
        .collect();
    let engine = load(kind, &folder, rows.iter().map(|row| (row.key(), row.value().to_vec())));
    let reader = Reader(engine.view());
    let points: Vec<_> = (0..QUESTIONS)
        .map(|n| {
            if n % 2 == 0 {
                point(random, EDGE)
            } else {
                rows[random.random_range(0..rows.len())].pose.translation()
            }
        })
        .collect();
    measure("zones at a point", count, &points, |point| zones_at(&reader, id(1), point).unwrap().len());
}

/// As many zones as EVE Online has systems, on a grid with a tenth of the links missing, links in memory.
fn routes(random: &mut TestRng) {
    const SIDE: u64 = 92;
    let mut links: HashMap<EntityId, Vec<Passage>> = HashMap::new();
    let mut link = |a: EntityId, b: EntityId| {
        for (here, there) in [(a, b), (b, a)] {
            links.entry(here).or_default().push(Passage { from: here, to: there, zone: there, cost: 1.0 });
        }
    };
    let at = |x: u64, y: u64| id(1 + x + SIDE * y);
    for (x, y) in (0..SIDE * SIDE).map(|n| (n % SIDE, n / SIDE)) {
        for (x2, y2) in [(x + 1, y), (x, y + 1)] {
            if x2 < SIDE && y2 < SIDE && random.random_bool(0.9) {
                link(at(x, y), at(x2, y2));
            }
        }
    }
    let mut reads = 0;
    let start = Instant::now();
    let found = route(at(0, 0), at(SIDE - 1, SIDE - 1), |zone, _| {
        reads += 1;
        Ok(links.get(&zone).cloned().unwrap_or_default())
    });
    let elapsed = start.elapsed();
    println!(
        "{:<34} {:>9} zones {:>6} hops   {reads} zones read in {:.3} ms",
        "route from corner to corner",
        SIDE * SIDE,
        found.unwrap().map_or(0, |route| route.hops.len()),
        elapsed.as_secs_f64() * 1e3
    );
}

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if numbers.is_empty() { vec![10_000, 100_000, 500_000, 1_000_000] } else { numbers };
    let random = &mut TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    for kind in EngineKind::ALL {
        println!("{kind}");
        for &count in &sizes {
            entities(kind, count, random);
        }
        for &count in &sizes {
            zones(kind, count, random);
        }
    }
    routes(random);
}
