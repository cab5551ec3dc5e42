//! Compares a store with the EVE export that was ingested into it, item by item: kinds and their counts, parents, names,
//! positions and radii to the last bit, destinations of gates both ways, types. Ends with an error when something differs.
//!
//! `cargo run --release -p entitygraph-migrations --example eve_verify DIR STORE`

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, ensure};
use entitygraph_migrations::eve::{
    Constellation, Entry, Export, Folders, Keyed, Landmark, Names, NpcStation, Planet, Position, Region,
    Report, SolarSystem, Station, Type, universe,
};
use entitygraph_schema::{
    Catalog, Entity, EntityId, LinkKind, Value,
    query::{Facet, PageRequest},
};
use entitygraph_store::{Store, StoreOptions, open};
use glam::DVec3;

/// Differences printed with their text.
const SHOWN: u64 = 50;
/// The spaces by folder, and the first id of landmarks: what the export does not say.
const SPACES: [(&str, u64); 4] =
    [("eve", 9_000_000), ("wormhole", 9_000_001), ("abyssal", 9_000_002), ("void", 9_000_003)];
const FIRST_LANDMARK: u64 = 90_000_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let usage = "usage: eve_verify DIR STORE";
    let mut arguments = std::env::args().skip(1);
    let (dir, url) = (arguments.next().context(usage)?, arguments.next().context(usage)?);
    let export = Export::open(dir.as_ref())?;
    let store = open(&url, StoreOptions::default()).await?;
    let mut report = Report::new(&export);
    let names = export.names(&mut report)?;
    let mut check =
        Check { catalog: store.catalog(), store, names, counts: BTreeMap::new(), compared: 0, wrong: 0 };
    check.types(&export, &mut report)?;
    check.map(&export, &mut report).await?;
    check.counts().await?;
    println!("{} items and types compared, {} differences", check.compared, check.wrong);
    for (kind, count) in &check.counts {
        println!("{count:>9} {kind}");
    }
    ensure!(report.problem_count() == 0, "the export itself has problems:\n{report}");
    ensure!(check.wrong == 0, "the store differs from the export");
    Ok(())
}

/// What an item must be.
struct Expected {
    id: u64,
    kind: &'static str,
    parent: u64,
    /// In the frame of the source.
    position: Position,
    /// The origin of the zone around it, in the frame of the source.
    origin: Position,
    /// Where the source's position is kept as a value, if it is.
    value: Option<(&'static str, &'static str)>,
    radius: Option<f64>,
    type_id: Option<u64>,
}

struct Check {
    store: Arc<dyn Store>,
    catalog: Arc<Catalog>,
    names: Names,
    counts: BTreeMap<String, u64>,
    compared: u64,
    wrong: u64,
}

impl Check {
    fn wrong(&mut self, what: String) {
        self.wrong += 1;
        if self.wrong <= SHOWN {
            println!("{what}");
        }
    }

    fn types(&mut self, export: &Export, report: &mut Report) -> anyhow::Result<()> {
        let containers: BTreeMap<u64, _> = self
            .catalog
            .containers()
            .filter(|container| container.draft.name.as_str().starts_with("eve/"))
            .filter_map(|container| {
                let (_, id) = container.draft.name.as_str().rsplit_once('/')?;
                Some((id.parse().ok()?, container.clone()))
            })
            .collect();
        let component =
            self.catalog.registry.by_name("eve.type").context("there is no component `eve.type`")?.clone();
        let of = |name: &str| {
            component.variable(name).map(|variable| variable.id).context("a variable is missing")
        };
        let (name, mass, group) = (of("name")?, of("mass")?, of("group_id")?);
        let mut types = 0;
        for entry in export.read::<Type>()?.flat_map(|batch| batch.accept(report)) {
            types += 1;
            self.compared += 1;
            let (id, record) = (entry.id, entry.record);
            let Some(container) = containers.get(&id) else {
                self.wrong(format!("type {id}: no container"));
                continue;
            };
            let values = &container.draft.components;
            let same = values.get(component.id, name) == Some(&Value::Text(record.name.en().into()))
                && values.get(component.id, group) == Some(&Value::Int(record.group_id.cast_signed()))
                && values.get(component.id, mass).cloned()
                    == record.mass.map(|mass| Value::Float(mass.get()))
                && container.draft.radius.to_bits() == record.radius.map_or(0.0, f64::from).to_bits();
            if !same {
                self.wrong(format!("type {id}: name, group, mass or radius differ: {:?}", container.draft));
            }
        }
        if types != containers.len() {
            self.wrong(format!("{types} types in the export, {} containers in the store", containers.len()));
        }
        Ok(())
    }

    async fn map(&mut self, export: &Export, report: &mut Report) -> anyhow::Result<()> {
        let mut folders = Folders::default();
        let mut centers = BTreeMap::new();
        let area = Some(("eve.area", "center"));
        for entry in export.read::<Region>()?.flat_map(|batch| batch.accept(report)) {
            folders.insert(&entry);
            centers.insert(entry.id, entry.record.center);
            let space =
                universe(&entry.at.file).and_then(|folder| SPACES.iter().find(|(name, _)| *name == folder));
            let parent = space.map_or(9, |(_, id)| *id);
            self.one(place(&entry, "region", parent, entry.record.center, Position::default(), area)).await?;
        }
        for entry in export.read::<Constellation>()?.flat_map(|batch| batch.accept(report)) {
            folders.insert(&entry);
            centers.insert(entry.id, entry.record.center);
            let parent = folders.around(&entry).context("a constellation has no region")?;
            let origin = centers.get(&parent).copied().unwrap_or_default();
            self.one(place(&entry, "constellation", parent, entry.record.center, origin, area)).await?;
        }
        for entry in export.read::<Landmark>()?.flat_map(|batch| batch.accept(report)) {
            let position = entry.record.position;
            let mut landmark = place(&entry, "landmark", SPACES[0].1, position, Position::default(), None);
            landmark.id += FIRST_LANDMARK;
            self.all(&[landmark], |_| Some(format!("Landmark {}", entry.id))).await?;
        }
        let mut stations: BTreeMap<u64, Station> = BTreeMap::new();
        for entry in export.read::<Station>()?.flat_map(|batch| batch.accept(report)) {
            stations.insert(entry.id, entry.record);
        }
        for entry in export.read::<SolarSystem>()?.flat_map(|batch| batch.accept(report)) {
            let parent = folders.around(&entry).context("a system has no constellation")?;
            let origin = centers.get(&parent).copied().unwrap_or_default();
            let mut expected = vec![place(&entry, "system", parent, entry.record.center, origin, area)];
            content(&entry, &mut expected);
            expected.iter().for_each(|item| drop(stations.remove(&item.id)));
            self.named(&expected).await?;
            for (id, gate) in entry.record.stargates.iter() {
                self.gate(*id, gate.destination).await?;
            }
        }
        for (id, station) in stations {
            let (position, parent) = (station.position(), station.solar_system_id);
            let value = Some(("eve.station", "position"));
            self.one(item(id, "station", parent, position, Position::default(), value, station.type_id))
                .await?;
        }
        Ok(())
    }

    async fn one(&mut self, expected: Expected) -> anyhow::Result<()> {
        self.named(&[expected]).await
    }

    async fn named(&mut self, expected: &[Expected]) -> anyhow::Result<()> {
        let names = std::mem::take(&mut self.names);
        let outcome = self.all(expected, |id| names.get(id).map(str::to_owned)).await;
        self.names = names;
        outcome
    }

    async fn all(
        &mut self,
        expected: &[Expected],
        name: impl Fn(u64) -> Option<String>,
    ) -> anyhow::Result<()> {
        for expected in expected.chunks(PageRequest::MAX_FIRST) {
            let ids: Vec<_> = expected
                .iter()
                .map(|item| EntityId::new(item.id).context("0 is no id"))
                .collect::<Result<_, _>>()?;
            let found = self.store.entities(&ids).await?.value;
            for (expected, found) in expected.iter().zip(found) {
                self.compared += 1;
                *self.counts.entry(expected.kind.to_owned()).or_default() += 1;
                match found {
                    None => self.wrong(format!("{} {}: not there", expected.kind, expected.id)),
                    Some(found) => self.compare(expected, &found, name(expected.id)),
                }
            }
        }
        Ok(())
    }

    fn compare(&mut self, expected: &Expected, found: &Entity, name: Option<String>) {
        let what = format!("{} {}", expected.kind, expected.id);
        if found.kind.as_str() != expected.kind {
            self.wrong(format!("{what}: is a {}", found.kind));
        }
        if Some(found.name.as_str()) != name.as_deref() {
            self.wrong(format!("{what}: is called {:?}, not {name:?}", found.name));
        }
        if found.placement.parent != EntityId::new(expected.parent) {
            self.wrong(format!("{what}: is under {:?}, not {}", found.placement.parent, expected.parent));
        }
        let pose = DVec3::from(expected.position.0) - DVec3::from(expected.origin.0);
        let stands = found.placement.pose.map(|pose| pose.translation().to_array().map(f64::to_bits));
        if stands != Some(pose.to_array().map(f64::to_bits)) {
            self.wrong(format!("{what}: stands at {:?}, not {pose:?}", found.placement.pose));
        }
        if let Some((component, variable)) = expected.value {
            let value = self.value(found, component, variable);
            if value != Some(Value::Vector(expected.position.0)) {
                self.wrong(format!(
                    "{what}: {component}.{variable} is {value:?}, not {:?}",
                    expected.position
                ));
            }
        }
        if let Some(radius) = expected.radius.filter(|radius| radius.to_bits() != found.radius.to_bits()) {
            self.wrong(format!("{what}: its radius is {}, not {radius}", found.radius));
        }
        if let Some(type_id) = expected.type_id {
            let container = found.source.as_ref().and_then(|source| self.catalog.container(source.container));
            let name = container.map(|container| container.draft.name.to_string());
            if !name.as_ref().is_some_and(|name| name.ends_with(&format!("/{type_id}"))) {
                self.wrong(format!("{what}: is made from {name:?}, not type {type_id}"));
            }
        }
    }

    async fn gate(&mut self, id: u64, destination: u64) -> anyhow::Result<()> {
        let (gate, other) =
            (EntityId::new(id).context("0 is no id")?, EntityId::new(destination).context("0 is no id")?);
        let jump = LinkKind::new("jump")?;
        let links = self.store.links(gate, PageRequest::first(10)).await?.value.rows;
        let ends: Vec<_> =
            links.iter().filter(|(link, _)| link.kind == jump).map(|(link, _)| link.other(gate)).collect();
        if ends != [other] {
            self.wrong(format!("stargate {id}: is linked to {ends:?}, not {destination}"));
        }
        let found = self.store.entities(&[gate]).await?.value.pop().flatten();
        let said = found.and_then(|found| self.value(&found, "eve.stargate", "destination"));
        if said != Some(Value::Entity(other)) {
            self.wrong(format!("stargate {id}: says that it leads to {said:?}, not {destination}"));
        }
        Ok(())
    }

    fn value(&self, entity: &Entity, component: &str, variable: &str) -> Option<Value> {
        let component = self.catalog.registry.by_name(component)?;
        entity.components.get(component.id, component.variable(variable)?.id).cloned()
    }

    /// Whether the store has exactly as many of each kind as the export.
    async fn counts(&mut self) -> anyhow::Result<()> {
        self.counts.insert("universe".to_owned(), 1);
        self.counts.insert("space".to_owned(), SPACES.len() as u64);
        let counts = self.store.counts(None).await?.value;
        let kinds = counts.into_iter().filter_map(|(facet, count)| match facet {
            Facet::Kind(kind) => Some((kind.to_string(), count)),
            _ => None,
        });
        let found: BTreeMap<_, _> = kinds.filter(|(_, count)| *count > 0).collect();
        if found != self.counts {
            self.wrong(format!("kinds in the store: {found:?}; in the export: {:?}", self.counts));
        }
        Ok(())
    }
}

fn place<R>(
    entry: &Entry<R>,
    kind: &'static str,
    parent: u64,
    position: Position,
    origin: Position,
    value: Option<(&'static str, &'static str)>,
) -> Expected {
    Expected { id: entry.id, kind, parent, position, origin, value, radius: None, type_id: None }
}

fn item(
    id: u64,
    kind: &'static str,
    parent: u64,
    position: Position,
    origin: Position,
    value: Option<(&'static str, &'static str)>,
    type_id: u64,
) -> Expected {
    Expected { id, kind, parent, position, origin, value, radius: None, type_id: Some(type_id) }
}

/// Everything in a system.
fn content(entry: &Entry<SolarSystem>, out: &mut Vec<Expected>) {
    let (system, record, star) = (entry.id, &entry.record, Position::default());
    if let Some(sun) = &record.star {
        let item = item(sun.id, "star", system, star, star, None, sun.type_id);
        out.push(Expected { radius: Some(sun.radius.get()), ..item });
    }
    if let Some(sun) = &record.secondary_sun {
        out.push(item(sun.item_id, "second_sun", system, sun.position, star, None, sun.type_id));
    }
    for (id, gate) in record.stargates.iter() {
        out.push(item(*id, "stargate", system, gate.position, star, None, gate.type_id));
    }
    for (id, planet) in record.planets.iter() {
        at_planet(system, *id, planet, out);
    }
}

fn at_planet(system: u64, id: u64, planet: &Planet, out: &mut Vec<Expected>) {
    let celestial = Some(("eve.celestial", "position"));
    let (star, center) = (Position::default(), planet.position);
    let body = item(id, "planet", system, center, star, celestial, planet.type_id);
    out.push(Expected { radius: Some(planet.radius.get()), ..body });
    for (moon_id, moon) in planet.moons.iter() {
        let body = item(*moon_id, "moon", id, moon.position, center, celestial, moon.type_id);
        out.push(Expected { radius: Some(moon.radius.get()), ..body });
        stations(*moon_id, center, &moon.npc_stations, out);
    }
    for (belt_id, belt) in planet.asteroid_belts.iter() {
        out.push(item(*belt_id, "belt", id, belt.position, center, celestial, belt.type_id));
    }
    stations(id, center, &planet.npc_stations, out);
}

fn stations(parent: u64, center: Position, stations: &Keyed<NpcStation>, out: &mut Vec<Expected>) {
    let value = Some(("eve.station", "position"));
    for (id, station) in stations.iter() {
        out.push(item(*id, "station", parent, station.position, center, value, station.type_id));
    }
}
