//! A small export, written by hand, goes in whole: `tests/eve` has two regions, three systems, four gates, three stations.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use entitygraph_migrations::{
    eve::{Export, IngestError, ingest},
    load::{LoadOptions, Report, Silent, Tally},
};
use entitygraph_schema::{
    Entity, EntityId, LinkKind, OwnerId, Value,
    query::{ChildOrder, Extent, Near, PageRequest},
};
use entitygraph_store::{MemoryStore, Store};
use glam::DVec3;

const AY: u64 = 30_000_001;
const BEE: u64 = 30_000_002;
const CEE: u64 = 30_000_003;
const PLANET: u64 = 40_000_002;
const MOON: u64 = 40_000_003;
const STATION: u64 = 60_000_001;

/// A copy of the export, to be changed.
struct Source(tempfile::TempDir);

impl Source {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/eve"), dir.path());
        Self(dir)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join("sde").join(file)
    }

    /// Replaces `from`, which must be there, in a file.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(self.path(file), text.replace(from, to)).unwrap();
    }

    async fn ingest(&self, store: &Arc<dyn Store>) -> Report {
        self.try_ingest(store, LoadOptions::default()).await.unwrap()
    }

    async fn try_ingest(&self, store: &Arc<dyn Store>, options: LoadOptions) -> Result<Report, IngestError> {
        let export = Export::open(self.0.path()).unwrap();
        ingest(Arc::clone(store), export, options, Arc::new(Silent)).await
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// The export in a new store.
async fn loaded() -> (Source, Arc<dyn Store>, Report) {
    let (source, store) = (Source::new(), memory());
    let report = source.ingest(&store).await;
    (source, store, report)
}

fn id(number: u64) -> EntityId {
    EntityId::new(number).unwrap()
}

async fn entity(store: &Arc<dyn Store>, number: u64) -> Arc<Entity> {
    find(store, number).await.unwrap_or_else(|| panic!("{number} is not there"))
}

async fn find(store: &Arc<dyn Store>, number: u64) -> Option<Arc<Entity>> {
    store.entities(&[id(number)]).await.unwrap().value.pop().unwrap()
}

/// A value in effect: the entity's own, or that of its container.
fn value(store: &Arc<dyn Store>, entity: &Entity, component: &str, variable: &str) -> Option<Value> {
    let catalog = store.catalog();
    let component = catalog.registry.by_name(component).unwrap();
    let variable = component.variable(variable).unwrap();
    catalog.effective(entity).get(component.id, variable.id).cloned()
}

fn translation(entity: &Entity) -> DVec3 {
    entity.placement.pose.unwrap().translation()
}

fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.into()))
}

fn created(count: u64) -> Tally {
    Tally { created: count, ..Tally::default() }
}

#[tokio::test]
async fn everything_goes_in_and_is_counted_by_kind() {
    let (_source, _store, report) = loaded().await;
    assert_eq!(report.problem_count, 0, "{report}");
    let kinds: Vec<_> = report.entities.iter().map(|(kind, tally)| (kind.as_str(), *tally)).collect();
    let expected = [
        ("belt", 1),
        ("constellation", 2),
        ("landmark", 1),
        ("moon", 1),
        ("planet", 3),
        ("region", 2),
        ("space", 4),
        ("star", 3),
        ("stargate", 4),
        ("station", 3),
        ("system", 3),
        ("universe", 1),
    ];
    assert_eq!(kinds, expected.map(|(kind, count)| (kind, created(count))));
    assert_eq!(report.links["jump"], created(2));
    assert_eq!(report.containers, created(8));
}

#[tokio::test]
async fn a_station_stands_under_its_moon_planet_system_constellation_region_and_space() {
    let (_source, store, _) = loaded().await;
    let above = store.ancestors(id(STATION)).await.unwrap().value;
    let names: Vec<_> = above.iter().map(|entity| entity.name.as_str()).collect();
    assert_eq!(names, ["Ay I - Moon 1", "Ay I", "Ay", "Near Group", "Hither", "Known space", "New Eden"]);
    let kinds: Vec<_> = above.iter().map(|entity| entity.kind.as_str()).collect();
    assert_eq!(kinds, ["moon", "planet", "system", "constellation", "region", "space", "universe"]);
    let zones: Vec<_> = above.iter().map(|entity| entity.zone.is_some()).collect();
    assert_eq!(zones, [false, true, true, true, true, true, true]);
}

#[tokio::test]
async fn children_of_a_system_come_star_first_then_planets_by_index_then_gates() {
    let (_source, store, _) = loaded().await;
    let page = store.children(Some(id(AY)), ChildOrder::Ordinal, PageRequest::first(10)).await.unwrap();
    let children: Vec<_> = page.value.rows.iter().map(|(id, _)| id.get()).collect();
    assert_eq!(children, [40_000_001, PLANET, 40_000_005, 50_000_001]);
}

#[tokio::test]
async fn positions_are_those_of_the_source_to_the_last_bit() {
    let (_source, store, _) = loaded().await;
    let planet = [-100_000_000_000.3, 0.7, 12.25];
    assert_eq!(translation(&*entity(&store, PLANET).await), DVec3::from(planet));
    assert_eq!(translation(&*entity(&store, 50_000_002).await), DVec3::new(-4.0e11, 1.0, 1.0));
    let moon = [-100_000_000_200.1, 0.3, 50_000.75];
    let stored = entity(&store, MOON).await;
    assert_eq!(translation(&stored), DVec3::from(moon) - DVec3::from(planet));
    assert_eq!(value(&store, &stored, "eve.celestial", "position"), Some(Value::Vector(moon)));
    let station = entity(&store, STATION).await;
    let position = [-100_000_000_300.7, 0.1, 50_003.25];
    assert_eq!(translation(&station), DVec3::from(position) - DVec3::from(planet));
    assert_eq!(value(&store, &station, "eve.station", "position"), Some(Value::Vector(position)));
    let center = [-9.250_012_5e16, 6.125e16, 1.125_000_5e17];
    let system = entity(&store, AY).await;
    assert_eq!(translation(&system), DVec3::from(center) - DVec3::new(-9.25e16, 6.125e16, 1.125e17));
    assert_eq!(value(&store, &system, "eve.area", "center"), Some(Value::Vector(center)));
    assert_eq!(translation(&*entity(&store, 10_000_001).await), DVec3::new(-9.5e16, 6.25e16, 1.125e17));
}

#[tokio::test]
async fn what_is_around_is_found_through_nested_zones() {
    let (_source, store, _) = loaded().await;
    let near = Near {
        zone: id(AY),
        point: DVec3::new(-100_000_000_000.3, 0.7, 12.25),
        radius: Some(1e8),
        min_angular_size: None,
        layer: Default::default(),
    };
    let hits = store.near(&near).await.unwrap().value;
    let found: Vec<_> = hits.iter().map(|hit| hit.entity.get()).collect();
    // The planet itself, then by distance; its station is 25 km wide and above the moon.
    assert_eq!(found, [PLANET, MOON, STATION, 40_000_004]);
    let zones = store.zones_at(id(9), DVec3::new(-9.250_012_5e16, 6.125e16, 1.125_000_5e17)).await.unwrap();
    let zones: Vec<_> = zones.value.iter().map(|zone| zone.get()).collect();
    assert_eq!(zones, [9, 9_000_000, 10_000_001, 20_000_001, AY]);
}

#[tokio::test]
async fn gates_know_their_destinations_and_routes_run_over_them() {
    let (_source, store, _) = loaded().await;
    for (gate, other) in [(50_000_001, 50_000_002), (50_000_002, 50_000_001), (50_000_004, 50_000_003)] {
        let stored = entity(&store, gate).await;
        assert_eq!(value(&store, &stored, "eve.stargate", "destination"), Some(Value::Entity(id(other))));
        let links = store.links(id(gate), PageRequest::first(10)).await.unwrap().value.rows;
        assert_eq!(links.iter().map(|(link, _)| link.other(id(gate))).collect::<Vec<_>>(), [id(other)]);
    }
    let route = store.route(id(AY), id(CEE), &LinkKind::new("jump").unwrap()).await.unwrap().value.unwrap();
    assert_eq!(route.hops.iter().map(|hop| hop.zone.get()).collect::<Vec<_>>(), [BEE, CEE]);
    assert_eq!(route.cost, 2.0);
}

#[tokio::test]
async fn a_system_is_an_aggregate_with_its_statistics() {
    let (_source, store, _) = loaded().await;
    let system = entity(&store, AY).await;
    assert!(system.root);
    assert_eq!(value(&store, &system, "eve.system", "security"), Some(Value::Float(0.9)));
    let page = store.subtree(id(AY), Extent::Aggregate, PageRequest::first(100)).await.unwrap();
    assert_eq!(page.value.rows.len(), 8);
    let planet = entity(&store, PLANET).await;
    assert_eq!(planet.radius, 2_060_000.0);
    assert_eq!(value(&store, &planet, "eve.orbit", "eccentricity"), Some(Value::Float(0.103307)));
    assert_eq!(value(&store, &planet, "eve.body", "mass_dust"), Some(Value::Float(1.95e23)));
    assert_eq!(value(&store, &planet, "eve.body", "population"), Some(Value::Bool(true)));
    assert_eq!(value(&store, &planet, "eve.resources", "workforce"), Some(Value::Int(3490)));
    assert_eq!(value(&store, &planet, "eve.type", "name"), text("Planet (Barren)"));
    let star = entity(&store, 40_000_001).await;
    assert_eq!(value(&store, &star, "eve.star", "spectral_class"), text("G5 V"));
}

#[tokio::test]
async fn stations_know_owner_operation_and_services_also_when_no_system_has_them() {
    let (_source, store, _) = loaded().await;
    let lone = entity(&store, 60_000_003).await;
    assert_eq!(lone.placement.parent, Some(id(BEE)));
    assert_eq!(lone.radius, 25_000.0);
    for number in [STATION, 60_000_002, 60_000_003] {
        let station = entity(&store, number).await;
        assert_eq!(value(&store, &station, "eve.station", "corporation"), text("Eastern Navy"));
        assert_eq!(value(&store, &station, "eve.station", "operation"), text("Assembly Plant"));
        assert_eq!(value(&store, &station, "eve.station", "activity"), text("Military"));
        let services = Value::TextList(["Repair Shop".into(), "Market".into()].into());
        assert_eq!(value(&store, &station, "eve.station", "services"), Some(services));
        assert_eq!(
            value(&store, &station, "eve.station", "office_rental_cost"),
            Some(Value::Float(10_000.0))
        );
    }
    let owner = OwnerId::new("corporation:1000035").unwrap();
    let owned = store.owned(&owner, PageRequest::first(10)).await.unwrap().value.rows;
    assert_eq!(owned.len(), 3);
}

#[tokio::test]
async fn types_are_containers_with_labels_names_and_attributes() {
    let (_source, store, _) = loaded().await;
    let catalog = store.catalog();
    let ship = &catalog.container_by_name("eve/ship/587").unwrap().draft;
    assert_eq!((ship.kind.as_str(), ship.radius), ("ship", 31.0));
    let labels: Vec<_> = ship.labels.iter().map(|label| label.as_str()).collect();
    assert_eq!(labels, ["category/ship", "group/light-frigate"]);
    let value = |component: &str, variable: &str| {
        let component = catalog.registry.by_name(component).unwrap();
        ship.components.get(component.id, component.variable(variable).unwrap().id).cloned()
    };
    let texts = |texts: [&str; 2]| Some(Value::TextList(texts.map(Arc::from).into()));
    assert_eq!(value("eve.type", "name"), text("Splitter"));
    assert_eq!(value("eve.type", "description"), text("Small and fast.\nWith two guns."));
    assert_eq!(value("eve.type", "market_path"), texts(["Ships", "Frigates"]));
    assert_eq!(value("eve.type", "mass"), Some(Value::Float(1_067_000.0)));
    assert_eq!(value("eve.type_name", "de"), text("Spalter"));
    assert_eq!(value("eve.dogma", "attributes"), texts(["hp", "maxVelocity"]));
    assert_eq!(value("eve.dogma", "values"), Some(Value::FloatList([350.0, 365.0].into())));
    assert_eq!(value("eve.dogma", "default_effect_ids"), Some(Value::IntList([511].into())));
    let moon = &catalog.container_by_name("eve/celestial/14").unwrap().draft;
    assert_eq!((moon.kind.as_str(), moon.labels.len()), ("moon", 0));
}

#[tokio::test]
async fn a_faction_may_be_a_corporation_and_a_number_without_a_name_is_counted() {
    let (source, store) = (Source::new(), memory());
    source.edit("fsd/types.yaml", "factionID: 500001", "factionID: 1000035");
    source.edit("fsd/types.yaml", "raceID: 2", "raceID: 15");
    let report = source.ingest(&store).await;
    assert_eq!(report.problem_count, 0, "{report}");
    assert_eq!(report.not_used["fsd/types.yaml: name for raceID (the number is kept)"], 1);
    let catalog = store.catalog();
    let component = catalog.registry.by_name("eve.type").unwrap();
    let values = &catalog.container_by_name("eve/ship/587").unwrap().draft.components.0[&component.id];
    let value = |name: &str| values.get(&component.variable(name).unwrap().id).cloned();
    assert_eq!((value("faction"), value("faction_id")), (text("Eastern Navy"), Some(Value::Int(1_000_035))));
    assert_eq!((value("race"), value("race_id")), (None, Some(Value::Int(15))));
}

#[tokio::test]
async fn what_the_world_has_no_place_for_is_counted() {
    let (_source, _store, report) = loaded().await;
    let unused = |start: &str| {
        let mut found = report.not_used.iter().filter(|(what, _)| what.starts_with(start));
        found.next().map(|(_, count)| *count)
    };
    assert_eq!(unused("fsd/types.yaml: traits"), Some(1));
    assert_eq!(unused("fsd/types.yaml: description in another language"), Some(1));
    assert_eq!(unused("fsd/blueprints.yaml: the whole file"), Some(6));
    assert_eq!(unused("fsd/stationOperations.yaml: ratio"), Some(1));
    assert_eq!(unused("bsd/invNames.yaml: of items that are not in the map"), Some(1), "the universe");
}

#[tokio::test]
async fn a_second_run_changes_nothing_and_says_so() {
    let (source, store, first) = loaded().await;
    let before = *store.newest().borrow();
    let second = source.ingest(&store).await;
    assert!(second.changed_nothing(), "{second}");
    assert_eq!(second.total().unchanged, first.total().created);
    assert_eq!(*store.newest().borrow(), before);
}

#[tokio::test]
async fn a_changed_file_updates_that_entity_alone() {
    let (source, store, _) = loaded().await;
    let file = "universe/eve/Yon/FarGroup/Cee/solarsystem.yaml";
    source.edit(file, "security: -0.25", "security: -0.5");
    source.edit("fsd/types.yaml", "volume: 0.01", "volume: 0.02");
    let report = source.ingest(&store).await;
    let total = report.total();
    assert_eq!((total.created, total.updated, total.refused), (0, 2, 0), "{report}");
    assert_eq!((report.entities["system"].updated, report.containers.updated), (1, 1));
    let system = entity(&store, CEE).await;
    assert_eq!(value(&store, &system, "eve.system", "security"), Some(Value::Float(-0.5)));
    assert_eq!(system.revision.number(), 2);
}

#[tokio::test]
async fn a_bad_file_costs_its_system_alone_and_is_made_good_later() {
    let (source, store) = (Source::new(), memory());
    let file = "universe/eve/Hither/NearGroup/Bee/solarsystem.yaml";
    source.edit(file, "security: 0.5", "security: low");
    let report = source.ingest(&store).await;
    let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
    assert!(problems.iter().any(|problem| problem.starts_with(&format!("{file}:"))), "{report}");
    assert!(problems.iter().any(|problem| problem.contains("security")), "{report}");
    let gate = "gate 50000002, which is not in the export; they are not linked";
    assert!(problems.iter().any(|problem| problem.contains(gate)), "{report}");
    let station = "station 60000003 is in system 30000002, which is not in the map";
    assert!(problems.iter().any(|problem| problem.contains(station)), "{report}");
    assert!(find(&store, BEE).await.is_none());
    assert!(find(&store, STATION).await.is_some() && find(&store, CEE).await.is_some());

    source.edit(file, "security: low", "security: 0.5");
    let report = source.ingest(&store).await;
    assert_eq!(report.problem_count, 0, "{report}");
    assert_eq!(
        (report.entities["system"], report.links["jump"].created),
        (Tally { created: 1, unchanged: 2, ..Tally::default() }, 2)
    );
}

#[tokio::test]
async fn systems_of_a_lost_constellation_stand_in_the_region_until_it_is_found() {
    let (source, store) = (Source::new(), memory());
    let file = "universe/eve/Hither/NearGroup/constellation.yaml";
    source.edit(file, "constellationID: 20000001", "constellationID: twenty");
    let report = source.ingest(&store).await;
    assert_eq!(report.problem_count, 1, "{report}");
    assert_eq!(entity(&store, AY).await.placement.parent, Some(id(10_000_001)));
    source.edit(file, "constellationID: twenty", "constellationID: 20000001");
    let report = source.ingest(&store).await;
    assert_eq!(report.problem_count, 0, "{report}");
    let system = entity(&store, AY).await;
    assert_eq!(system.placement.parent, Some(id(20_000_001)));
    let center = DVec3::new(-9.250_012_5e16, 6.125e16, 1.125_000_5e17);
    assert_eq!(translation(&system), center - DVec3::new(-9.25e16, 6.125e16, 1.125e17));
}

#[tokio::test]
async fn a_type_that_is_lost_costs_its_instances_which_are_named() {
    let (source, store) = (Source::new(), memory());
    source.edit("fsd/types.yaml", "15: {groupID: 9", "15: {groupID: 99");
    let report = source.ingest(&store).await;
    let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
    assert_eq!(report.problem_count, 2, "{report}");
    assert!(problems.iter().any(|problem| problem.contains("there is no group 99")), "{report}");
    let belt = "Ay/solarsystem.yaml: 40000004: type 15 did not go in; it is left out";
    assert!(problems.iter().any(|problem| problem.contains(belt)), "{report}");
    assert!(find(&store, MOON).await.is_some());
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let (source, store) = (Source::new(), memory());
    let options = LoadOptions { dry_run: true, ..LoadOptions::default() };
    let report = source.try_ingest(&store, options).await.unwrap();
    assert_eq!(report.problem_count, 0, "{report}");
    assert_eq!((report.entities["moon"], report.links["jump"]), (created(1), created(2)));
    assert!(find(&store, AY).await.is_none());
    assert_eq!(store.catalog().containers().len(), 0);
}
