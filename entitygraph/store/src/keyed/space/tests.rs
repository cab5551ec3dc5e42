//! The index against a scan of everything.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    f64::consts::PI,
};

use entitygraph_schema::{
    Aabb, Layer, Refusal,
    query::{Hit, Near},
    space::{COORDINATE_MAX, RADIUS_MAX, angular_size},
};
use glam::{DQuat, DVec3};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng},
};

use super::*;
use crate::error::Outcome;

/// A world with its index in a sorted map, kept like a writer would.
#[derive(Default)]
struct World {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Rows that questions looked at.
    read: Cell<usize>,
    zones: HashMap<EntityId, Option<Outer>>,
    placed: HashMap<EntityId, Placed>,
    hosts: HashMap<EntityId, Host>,
}

impl Rows for World {
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<()> {
        for (key, value) in self.rows.range(from.to_vec()..to.to_vec()) {
            self.read.set(self.read.get() + 1);
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn outer(&self, zone: EntityId) -> Result<Option<Outer>> {
        match self.zones.get(&zone) {
            Some(outer) => Ok(*outer),
            None if self.placed.contains_key(&zone) => Err(Refusal::NotAZone { entity: zone }.into()),
            None => Err(Refusal::UnknownEntity { entity: zone }.into()),
        }
    }

    fn corrupt(&self, what: String) -> Error {
        Error::Corrupt { location: "memory".to_owned(), what, outcome: Outcome::NotApplied }
    }
}

impl World {
    fn with_root(root: u64) -> Self {
        Self { zones: HashMap::from([(id(root), None)]), ..Self::default() }
    }

    /// Puts or moves an entity.
    fn place(&mut self, zone: u64, entity: u64, position: DVec3, radius: f64) {
        let placed = Placed { zone: id(zone), layer: Layer::ZERO, entity: id(entity), position, radius };
        self.write_placed(placed);
        self.grow(placed.zone, Reach::of_entity(&Pose::at(position).unwrap(), radius));
    }

    /// Puts a zone host, or moves one with all that is inside.
    fn host(&mut self, zone: u64, entity: u64, pose: Pose, radius: f64, bounds: Aabb) {
        self.place(zone, entity, pose.translation(), radius);
        let reach = self.hosts.get(&id(entity)).map_or(Reach::NOTHING, |host| host.reach);
        self.write_host(Host { zone: id(zone), entity: id(entity), pose, reach, bounds });
        self.zones.insert(id(entity), Some(Outer { zone: id(zone), pose }));
        self.grow(id(zone), Reach::of_zone(&pose, reach));
    }

    fn grow(&mut self, zone: EntityId, needed: Reach) {
        let Some(host) = self.hosts.get(&zone).copied() else { return };
        let Some(reach) = host.reach.grown_to(needed) else { return };
        self.write_host(Host { reach, ..host });
        self.grow(host.zone, Reach::of_zone(&host.pose, reach));
    }

    fn write_placed(&mut self, placed: Placed) {
        if let Some(old) = self.placed.insert(placed.entity, placed) {
            self.rows.remove(&old.key());
        }
        self.rows.insert(placed.key(), placed.value().to_vec());
    }

    fn write_host(&mut self, host: Host) {
        if let Some(old) = self.hosts.insert(host.entity, host) {
            self.rows.remove(&old.key());
        }
        self.rows.insert(host.key(), host.value().to_vec());
    }

    /// What is at `point` in `zone`, in the frame of the world root.
    fn in_world(&self, zone: EntityId, point: DVec3) -> DVec3 {
        match self.zones[&zone] {
            Some(outer) => self.in_world(outer.zone, outer.pose.transform_point(point)),
            None => point,
        }
    }

    /// Everything with its distance from the point, measured in the world's frame.
    fn measured(&self, zone: EntityId, point: DVec3) -> Vec<Hit> {
        let here = self.in_world(zone, point);
        let hit = |placed: &Placed| Hit {
            entity: placed.entity,
            distance: here.distance(self.in_world(placed.zone, placed.position)),
            radius: placed.radius,
        };
        self.placed.values().map(hit).collect()
    }

    /// Checks an answer against everything measured. Entities so near to a limit that rounding decides may be in or out.
    /// Returns how many hits there are; none when there are rightly too many.
    fn check(&self, question: &Near, everything: &[Hit]) -> usize {
        let met = |hit: &Hit, slack: f64| {
            let distance = (hit.distance - slack * (1e-6 + hit.distance * 1e-9)).max(0.0);
            question.radius.is_none_or(|radius| distance <= radius + hit.radius)
                && question.min_angular_size.is_none_or(|angle| angular_size(hit.radius, distance) >= angle)
        };
        let hits = match near(self, question) {
            Ok(hits) => hits,
            Err(Error::Refused(Refusal::TooMany { .. })) => {
                assert!(
                    everything.iter().filter(|hit| met(hit, 1.0)).count() > Near::MAX_HITS,
                    "{question:?}"
                );
                return 0;
            }
            Err(error) => panic!("{question:?}: {error}"),
        };
        assert!(
            hits.windows(2)
                .all(|pair| (pair[0].distance, pair[0].entity) < (pair[1].distance, pair[1].entity))
        );
        let found: HashMap<_, _> = hits.iter().map(|hit| (hit.entity, hit)).collect();
        assert_eq!(found.len(), hits.len());
        for hit in everything {
            match found.get(&hit.entity) {
                Some(found) => {
                    assert!(met(hit, 1.0), "{hit:?} is no answer to {question:?}");
                    let difference = (found.distance - hit.distance).abs();
                    assert!(difference <= 1e-6 + hit.distance * 1e-9, "{found:?} is {hit:?}");
                }
                None => assert!(!met(hit, -1.0), "{hit:?} is missing in the answer to {question:?}"),
            }
        }
        hits.len()
    }
}

fn id(number: u64) -> EntityId {
    EntityId::new(number).unwrap()
}

fn ask(zone: u64, point: DVec3) -> Near {
    Near { zone: id(zone), point, radius: None, min_angular_size: None, layer: Layer::ZERO }
}

fn random_from(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

fn vector(random: &mut TestRng, extent: f64) -> DVec3 {
    DVec3::from_array(std::array::from_fn(|_| random.random_range(-extent..=extent)))
}

/// Near to the origin as often as far from it.
fn scattered(random: &mut TestRng, exponents: std::ops::Range<f64>) -> DVec3 {
    let extent = 10f64.powf(random.random_range(exponents));
    vector(random, extent)
}

fn rotation(random: &mut TestRng) -> DQuat {
    let axis = vector(random, 1.0).try_normalize().unwrap_or(DVec3::X);
    DQuat::from_axis_angle(axis, random.random_range(-PI..PI))
}

/// Sizes over many orders of magnitude, and points.
fn size(random: &mut TestRng) -> f64 {
    if random.random_bool(0.1) { 0.0 } else { 10f64.powf(random.random_range(-2.0..5.0)) }
}

/// A world of nested, rotated zones: uniform, clustered, on the borders of cells, and all over each other.
fn nested_world(random: &mut TestRng, entities: u64) -> (World, Vec<u64>) {
    let mut world = World::with_root(1);
    let mut zones = vec![(1, 1e9)];
    for entity in 2..=1 + entities {
        let (zone, extent) = zones[random.random_range(0..zones.len())];
        let position = match random.random_range(0..4) {
            0 => vector(random, extent),
            1 => vector(random, extent) * 1e-3 + DVec3::new(extent * 0.5, 0.0, 0.0),
            2 => (vector(random, 4.0).round()) * 2f64.powi(random.random_range(-4..24)),
            _ => scattered(random, -3.0..extent.log10()),
        };
        if zones.len() < 60 && random.random_bool(0.2) {
            let pose = Pose::new(position, rotation(random)).unwrap();
            let extent = (extent * 10f64.powf(random.random_range(-3.0..0.0))).max(1.0);
            world.host(
                zone,
                entity,
                pose,
                extent * random.random_range(0.0..1.0),
                Aabb::cube(extent).unwrap(),
            );
            zones.push((entity, extent));
        } else {
            world.place(zone, entity, position, size(random));
        }
    }
    (world, zones.into_iter().map(|(zone, _)| zone).collect())
}

/// Questions with each limit alone and with both, from all zones; returns the number of hits.
fn ask_around(world: &World, zones: &[u64], random: &mut TestRng, questions: usize) -> usize {
    let mut hits = 0;
    for _ in 0..questions {
        let zone = zones[random.random_range(0..zones.len())];
        let point = scattered(random, -2.0..9.0);
        let everything = world.measured(id(zone), point);
        let radius = Some(10f64.powf(random.random_range(-1.0..9.0)));
        let min_angular_size = Some(10f64.powf(random.random_range(-6.0..0.4)));
        for limited in [
            Near { radius, ..ask(zone, point) },
            Near { min_angular_size, ..ask(zone, point) },
            Near { radius, min_angular_size, ..ask(zone, point) },
        ] {
            hits += world.check(&limited, &everything);
        }
    }
    hits
}

#[test]
fn answers_are_those_of_a_scan_of_everything() {
    for seed in 0..4 {
        let random = &mut random_from(seed);
        let (mut world, zones) = nested_world(random, 5_000);
        let mut hits = ask_around(&world, &zones, random, 20);
        // The same again after every third zone moved and turned, and many entities moved.
        for zone in zones.iter().skip(1).step_by(3) {
            let host = world.hosts[&id(*zone)];
            let pose =
                Pose::new(host.pose.translation() * 1.5 + vector(random, 10.0), rotation(random)).unwrap();
            let radius = world.placed[&id(*zone)].radius;
            world.host(host.zone.get(), *zone, pose, radius, host.bounds);
        }
        let movable: Vec<_> = world
            .placed
            .values()
            .filter(|placed| !world.hosts.contains_key(&placed.entity))
            .copied()
            .collect();
        for placed in movable.iter().step_by(5) {
            let position = placed.position * 1.1 + vector(random, 100.0);
            world.place(placed.zone.get(), placed.entity.get(), position, placed.radius);
        }
        hits += ask_around(&world, &zones, random, 20);
        assert!(hits > 10_000, "the questions found next to nothing: {hits}");
    }
}

/// AC 2.11.1 at full size.
#[test]
#[ignore = "a minute of brute force; ./tests/run --long runs it"]
fn answers_are_those_of_a_scan_of_a_million_entities() {
    let random = &mut random_from(2_111);
    let (world, zones) = nested_world(random, 1_000_000);
    let mut hits = 0;
    for _ in 0..60 {
        let zone = zones[random.random_range(0..zones.len())];
        let point = scattered(random, -2.0..9.0);
        let everything = world.measured(id(zone), point);
        let radius = Some(10f64.powf(random.random_range(-1.0..6.0)));
        let min_angular_size = Some(10f64.powf(random.random_range(-3.0..0.4)));
        hits += world.check(&Near { radius, ..ask(zone, point) }, &everything);
        hits += world.check(&Near { min_angular_size, ..ask(zone, point) }, &everything);
    }
    assert!(hits > 10_000, "the questions found next to nothing: {hits}");
}

/// AC 2.11.4.
#[test]
fn a_moon_far_away_is_seen_and_a_mug_beside_it_is_not() {
    let mut world = World::with_root(1);
    let (moon, mug, station, window) = (2, 3, 4, 5);
    world.place(1, moon, DVec3::new(50_000e3, 0.0, 0.0), 300e3);
    world.place(1, mug, DVec3::new(50_000e3, 300_001.0, 0.0), 0.05);
    // Seen from a turned zone inside another one as well.
    let turned = Pose::new(DVec3::new(0.0, 10.0, 0.0), DQuat::from_rotation_z(1.0)).unwrap();
    world.host(1, station, turned, 100.0, Aabb::cube(100.0).unwrap());
    world.host(station, window, turned, 1.0, Aabb::cube(1.0).unwrap());
    for zone in [1, station, window] {
        let question = Near { min_angular_size: Some(0.01), ..ask(zone, DVec3::ZERO) };
        let seen: Vec<_> = near(&world, &question).unwrap().iter().map(|hit| hit.entity.get()).collect();
        assert!(seen.contains(&moon) && !seen.contains(&mug), "from {zone}: {seen:?}");
    }
}

#[test]
fn zones_whose_largest_thing_is_too_small_to_be_seen_are_not_entered() {
    // Each reaches far enough to be seen itself, and there are more of them than a question may enter.
    let mut world = World::with_root(1);
    let random = &mut random_from(7);
    let (giant, zones) = (2, MAX_ZONES as u64 + 100);
    for zone in 10..10 + zones {
        let pose = Pose::at(vector(random, 1.0).normalize() * 1e9).unwrap();
        world.host(1, zone, pose, 1.0, Aabb::cube(1e8).unwrap());
        world.place(zone, zone + zones, DVec3::new(1e8, 0.0, 0.0), 1.0);
    }
    world.place(15, giant, DVec3::new(0.0, 1e7, 0.0), 1e7);
    let seen = near(&world, &Near { min_angular_size: Some(1e-3), ..ask(1, DVec3::ZERO) }).unwrap();
    assert_eq!(seen.iter().map(|hit| hit.entity.get()).collect::<Vec<_>>(), [giant]);
}

#[test]
fn the_zones_own_host_and_those_around_it_are_found_and_siblings_are_entered() {
    let mut world = World::with_root(1);
    let cube = Aabb::cube(50.0).unwrap();
    let at = |x: f64| Pose::new(DVec3::new(x, 0.0, 0.0), DQuat::from_rotation_y(x)).unwrap();
    world.host(1, 2, at(1000.0), 60.0, cube);
    world.host(2, 3, at(10.0), 5.0, cube);
    world.place(3, 4, DVec3::ZERO, 1.0);
    world.host(1, 5, at(1100.0), 60.0, cube);
    world.place(5, 6, DVec3::ZERO, 1.0);
    let found = |radius| {
        let hits = near(&world, &Near { radius: Some(radius), ..ask(3, DVec3::ZERO) }).unwrap();
        hits.iter().map(|hit| hit.entity.get()).collect::<Vec<_>>()
    };
    assert_eq!(found(0.5), [3, 4, 2]);
    assert_eq!(found(120.0), [3, 4, 2, 5, 6]);
}

#[test]
fn what_is_at_the_outermost_edge_of_nested_zones_is_found_with_the_smallest_reach() {
    let mut world = World::with_root(1);
    let turned = Pose::new(DVec3::new(300.0, 0.0, 0.0), DQuat::from_rotation_x(1.0)).unwrap();
    let bounds = Aabb::cube(1.0).unwrap(); // things may be outside of them
    let edge = Pose::at(DVec3::new(50.0, 0.0, 0.0)).unwrap();
    world.place(3, 4, edge.translation(), 2.0);
    let inner = Reach::of_entity(&edge, 2.0);
    let outer = Reach::of_zone(&turned, inner);
    world.write_host(Host { zone: id(2), entity: id(3), pose: turned, reach: inner, bounds });
    world.write_host(Host { zone: id(1), entity: id(2), pose: turned, reach: outer, bounds });
    let [inner, outer] = [3, 2].map(|zone| Outer { zone: id(zone - 1), pose: world.hosts[&id(zone)].pose });
    world.zones.extend([(id(3), Some(inner)), (id(2), Some(outer))]);
    let place = world.in_world(id(3), edge.translation());
    let away = place.normalize() * 1e4;
    for (radius, expected) in [(1e4 - 2.0 + 1e-3, 1), (1e4 - 2.0 - 1e-3, 0)] {
        let hits = near(&world, &Near { radius: Some(radius), ..ask(1, place + away) }).unwrap();
        assert_eq!(hits.len(), expected, "{radius}");
    }
    let seen = angular_size(2.0, 1e4);
    for (angle, expected) in [(seen * 0.999, 1), (seen * 1.001, 0)] {
        let hits = near(&world, &Near { min_angular_size: Some(angle), ..ask(1, place + away) }).unwrap();
        assert_eq!(hits.len(), expected, "{angle}");
    }
}

#[test]
fn another_layer_is_another_world() {
    let mut world = World::with_root(1);
    world.place(1, 2, DVec3::ZERO, 1.0);
    let copy = Placed { layer: Layer::from_number(7), entity: id(3), ..world.placed[&id(2)] };
    world.write_placed(copy);
    for (layer, expected) in [(Layer::ZERO, vec![2]), (copy.layer, vec![3]), (Layer::from_number(8), vec![])]
    {
        let hits = near(&world, &Near { radius: Some(1.0), layer, ..ask(1, DVec3::ZERO) }).unwrap();
        assert_eq!(hits.iter().map(|hit| hit.entity.get()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let mut world = World::with_root(1);
    world.place(1, 2, DVec3::ZERO, 1.0);
    let good = Near { radius: Some(1.0), ..ask(1, DVec3::ZERO) };
    let bad = [
        (Near { radius: None, ..good.clone() }, "INVALID"),
        (Near { radius: Some(f64::NAN), ..good.clone() }, "BAD_COORDINATE"),
        (Near { radius: Some(-1.0), ..good.clone() }, "BAD_COORDINATE"),
        (Near { radius: Some(f64::INFINITY), ..good.clone() }, "BAD_COORDINATE"),
        (Near { point: DVec3::new(0.0, f64::NAN, 0.0), ..good.clone() }, "BAD_COORDINATE"),
        (Near { min_angular_size: Some(0.0), ..good.clone() }, "INVALID"),
        (Near { min_angular_size: Some(f64::NAN), ..good.clone() }, "INVALID"),
        (Near { min_angular_size: Some(3.2), ..good.clone() }, "INVALID"),
        (Near { zone: id(2), ..good.clone() }, "NOT_A_ZONE"),
        (Near { zone: id(3), ..good.clone() }, "UNKNOWN_ENTITY"),
    ];
    for (question, code) in bad {
        assert_eq!(near(&world, &question).unwrap_err().code(), code, "{question:?}");
    }
    assert_eq!(zones_at(&world, id(1), DVec3::NAN).unwrap_err().code(), "BAD_COORDINATE");
    assert_eq!(zones_at(&world, id(2), DVec3::ZERO).unwrap_err().code(), "NOT_A_ZONE");
}

#[test]
fn zones_that_are_too_many_are_not_even_listed() {
    let mut world = World::with_root(1);
    for number in 0..2 * MAX_ZONES as u64 {
        world.host(1, 2 + number, Pose::at(DVec3::X).unwrap(), 1.0, Aabb::cube(1.0).unwrap());
        world.place(2 + number, 1_000_000 + number, DVec3::ZERO, 1.0);
    }
    // Nothing is in this layer, so only the zones count.
    let layer = Layer::from_number(7);
    let question =
        Near { zone: id(1), point: DVec3::ZERO, radius: Some(10.0), min_angular_size: None, layer };
    let Err(Error::Refused(Refusal::TooMany { what, .. })) = near(&world, &question) else {
        panic!("there are too many zones")
    };
    assert_eq!(what, "zones around the point");
    assert!(world.read.get() < MAX_ZONES + 100, "{} rows were read", world.read.get());
}

#[test]
fn a_question_reads_little_more_than_what_it_finds() {
    let mut world = World::with_root(1);
    let random = &mut random_from(3);
    for entity in 2..100_000 {
        world.place(1, entity, vector(random, 1e6), 1.0);
    }
    let mut found = 0;
    for _ in 0..20 {
        // A ball of a fiftieth of the zone, inside it.
        let question = Near { radius: Some(3.4e5), ..ask(1, vector(random, 6.6e5)) };
        found += near(&world, &question).unwrap().len();
    }
    // The box around a ball holds 1.9 times as much, and was read with gaps of its own.
    let read = world.read.get();
    assert!(2 * read < 5 * found, "{read} rows were read for {found}");
}

#[test]
fn a_question_with_too_many_hits_is_refused() {
    let mut world = World::with_root(1);
    for n in 0..Near::MAX_HITS as u64 {
        world.place(1, 2 + n, DVec3::splat(n as f64 * 1e-3), 0.0);
    }
    let question = Near { radius: Some(1e3), ..ask(1, DVec3::ZERO) };
    assert_eq!(near(&world, &question).unwrap().len(), Near::MAX_HITS);
    world.place(1, 1_000_000, DVec3::ZERO, 0.0);
    assert_eq!(near(&world, &question).unwrap_err().code(), "TOO_MANY");
}

#[test]
fn damaged_rows_are_reported_and_not_skipped() {
    let mut world = World::with_root(1);
    world.place(1, 2, DVec3::ZERO, 1.0);
    let question = Near { radius: Some(1.0), ..ask(1, DVec3::ZERO) };
    let key = world.placed[&id(2)].key();
    world.rows.insert(key.clone(), vec![0; 7]);
    assert_eq!(near(&world, &question).unwrap_err().code(), "STORE_CORRUPT");
    world.rows.clear();
    world.rows.insert(key[..20].to_vec(), vec![0; 32]);
    assert_eq!(near(&world, &question).unwrap_err().code(), "STORE_CORRUPT");
}

#[test]
fn moving_a_zone_rewrites_its_two_rows_and_a_step_inside_one() {
    let random = &mut random_from(251);
    let (mut world, zones) = nested_world(random, 2_000);
    let zone = *zones.iter().skip(1).find(|zone| world.hosts[&id(**zone)].zone == id(1)).unwrap();
    let differing = |world: &World, before: &BTreeMap<Vec<u8>, Vec<u8>>| {
        world.rows.iter().filter(|(key, value)| before.get(*key) != Some(*value)).count()
    };
    let before = world.rows.clone();
    let host = world.hosts[&id(zone)];
    let pose = Pose::new(host.pose.translation() + 1234.5, rotation(random)).unwrap();
    let radius = world.placed[&id(zone)].radius;
    world.host(1, zone, pose, radius, host.bounds);
    assert_eq!((world.rows.len(), differing(&world, &before)), (before.len(), 2));

    let before = world.rows.clone();
    let placed = *world
        .placed
        .values()
        .find(|placed| placed.zone == id(1) && !world.hosts.contains_key(&placed.entity))
        .unwrap();
    world.place(1, placed.entity.get(), placed.position + 0.5, placed.radius);
    assert_eq!((world.rows.len(), differing(&world, &before)), (before.len(), 1));
}

#[test]
fn a_point_is_in_the_smallest_of_the_turned_zones_that_hold_it() {
    let mut world = World::with_root(1);
    let flat = Aabb::new(DVec3::new(-100.0, -1.0, -1.0), DVec3::new(100.0, 1.0, 1.0)).unwrap();
    let quarter = Pose::new(DVec3::ZERO, DQuat::from_rotation_z(PI / 2.0)).unwrap();
    world.host(1, 2, quarter, 100.0, flat);
    world.host(1, 3, Pose::IDENTITY, 100.0, Aabb::cube(90.0).unwrap());
    world.host(3, 4, Pose::at(DVec3::new(0.0, 50.0, 0.0)).unwrap(), 100.0, Aabb::cube(10.0).unwrap());
    world.host(1, 6, quarter, 100.0, Aabb::cube(90.0).unwrap());
    let at = |zone: u64, x: f64, y: f64| {
        let zones = zones_at(&world, id(zone), DVec3::new(x, y, 0.0)).unwrap();
        zones.iter().map(|zone| zone.get()).collect::<Vec<_>>()
    };
    assert_eq!(at(1, 0.0, 95.0), [1, 2]);
    assert_eq!(at(1, 95.0, 0.0), [1]);
    assert_eq!(at(1, 0.0, 50.0), [1, 2]); // smaller than the cubes
    assert_eq!(at(1, 5.0, 50.0), [1, 3, 4]); // 3 and 6 are the same size
    assert_eq!(at(3, 5.0, 50.0), [3, 4]);
    assert_eq!(at(3, 500.0, 0.0), [3]);
}

proptest! {
    #[test]
    fn zones_at_a_point_are_those_of_a_scan_of_all(seed in any::<u64>()) {
        let random = &mut random_from(seed);
        let (world, zones) = nested_world(random, 300);
        for _ in 0..20 {
            let (start, point) = (zones[random.random_range(0..zones.len())], scattered(random, -2.0..9.0));
            let (mut expected, mut here) = (vec![id(start)], point);
            while let Some(host) = world
                .hosts
                .values()
                .filter(|host| Some(&host.zone) == expected.last())
                .filter(|host| host.bounds.contains(host.pose.inverse_transform_point(here)))
                .min_by_key(|host| (((host.bounds.max() - host.bounds.min()).element_product()).to_bits(), host.entity))
            {
                expected.push(host.entity);
                here = host.pose.inverse_transform_point(here);
            }
            prop_assert_eq!(zones_at(&world, id(start), point).unwrap(), expected);
        }
    }

    #[test]
    fn odd_coordinates_are_found_like_all_others(
        points in proptest::collection::vec([odd(), odd(), odd()], 1..30),
        center in [odd(), odd(), odd()],
        radius in prop_oneof![Just(0.0), 0.0..20.0f64, 0.0..RADIUS_MAX],
    ) {
        let mut world = World::with_root(1);
        let center = DVec3::from_array(center);
        for (n, point) in (2..).zip(&points) {
            world.place(1, n, DVec3::from_array(*point), 0.0);
        }
        let mut expected: Vec<_> = world.placed.values().filter(|placed| center.distance(placed.position) <= radius).map(|placed| placed.entity).collect();
        let mut found: Vec<_> = near(&world, &Near { radius: Some(radius), ..ask(1, center) }).unwrap().iter().map(|hit| hit.entity).collect();
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }
}

/// Coordinates at which something might go wrong.
fn odd() -> impl Strategy<Value = f64> {
    let special = [
        0.0,
        -0.0,
        5e-324,
        -5e-324,
        1e-200,
        0.0625,
        -0.0625,
        1.0,
        -1.0,
        4096.0,
        1e13,
        -1e13,
        1e18,
        COORDINATE_MAX,
        -COORDINATE_MAX,
    ];
    prop_oneof![proptest::sample::select(special.to_vec()), -10.0..10.0f64, (-8..8i32).prop_map(f64::from)]
}
