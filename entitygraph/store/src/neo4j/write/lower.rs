//! Turns a planned batch into rows of statements: what differs between the scene as it was and as it is.

use std::collections::{BTreeMap, HashMap, HashSet};

use entitygraph_schema::{Entity, EntityId};
use neo4rs::{BoltMap, BoltString, BoltType};

use super::{
    create::{Hangs, NewNode},
    scene::{Scene, StoredLink},
    spatial::Spaces,
    tally::Tally,
};
use crate::{
    keyed::space::Reach,
    neo4j::{
        census::Census,
        facets::{FacetSets, Numbering, SetNumber},
        number::{parent, rank, shown},
        row::{INNER, Properties, ROOT, Surroundings, ZONE, floats, kind_label},
        space::Place,
        statement::{bytes, list, map, null},
    },
};

/// Rows by statement, in the order in which they are written.
#[derive(Debug, Default)]
pub struct Rows {
    /// New nodes.
    pub create: Vec<NewNode>,
    /// Changed properties by entity.
    pub update: BTreeMap<EntityId, BoltMap>,
    /// Labels that come and go.
    pub relabel: Vec<BoltType>,
    /// New parents and ports.
    pub moves: Vec<BoltType>,
    /// New owners.
    pub own: Vec<BoltType>,
    /// Links that are gone.
    pub unlink: Vec<BoltType>,
    /// Links that are new or differ.
    pub link: Vec<BoltType>,
    /// Nodes that go.
    pub bury: Vec<BoltType>,
    /// Ids that never come back.
    pub entomb: Vec<BoltType>,
    /// The census of the world, if it differs.
    pub census: Option<Census>,
    /// Sets of facets that are new.
    pub sets: FacetSets,
    /// Nodes as they are now, for the cache.
    pub after: HashMap<EntityId, super::scene::Node>,
}

/// Works out the rows of everything that was touched.
pub fn lower(scene: &Scene, touched: &HashSet<EntityId>, facets: &FacetSets) -> Rows {
    let touched = &touched.union(&carried(scene, touched)).copied().collect();
    let mut facets = Numbering::new(facets);
    let tally = Tally::of(scene, touched, &mut facets);
    let spaces = Spaces::of(scene, touched);
    let mut lowering = Lowering { scene, tally, spaces, facets, rows: Rows::default() };
    for id in parents_first(scene, touched) {
        lowering.entity(id);
    }
    lowering.censuses();
    lowering.hosts(touched);
    lowering.links();
    lowering.nodes(touched);
    Rows { sets: lowering.facets.new, ..lowering.rows }
}

/// In an order in which each entity is made after the one that it is put into: their rows may come in several messages.
fn parents_first(scene: &Scene, touched: &HashSet<EntityId>) -> Vec<EntityId> {
    let mut ordered = Vec::with_capacity(touched.len());
    let mut done = HashSet::with_capacity(touched.len());
    for id in touched {
        let mut way = Vec::new();
        let mut next = Some(*id);
        while let Some(id) = next.filter(|id| touched.contains(id) && done.insert(*id)) {
            way.push(id);
            next = scene.world.get(id).and_then(|entity| entity.placement.parent);
        }
        ordered.extend(way.into_iter().rev());
    }
    ordered
}

/// What stands below something that came into another zone, and is in that zone now without a change of its own.
fn carried(scene: &Scene, touched: &HashSet<EntityId>) -> HashSet<EntityId> {
    let mut carried = HashSet::new();
    for id in touched {
        let (Some(before), Some(now)) = (scene.nodes.get(id), scene.world.get(*id)) else { continue };
        let before = &before.entity;
        let hosts = (before.zone.is_some(), now.zone.is_some());
        if hosts != (true, true) && (before.placement.parent != now.placement.parent || hosts.0 != hosts.1) {
            carried.extend(
                scene.world.below(Some(*id), |below| below.zone.is_none()).iter().map(|below| below.id),
            );
        }
    }
    carried
}

struct Lowering<'a> {
    scene: &'a Scene,
    tally: Tally<'a>,
    spaces: Spaces<'a>,
    facets: Numbering<'a>,
    rows: Rows,
}

impl Lowering<'_> {
    fn entity(&mut self, id: EntityId) {
        let before = self.scene.nodes.get(&id).map(|node| node.entity.clone());
        let now = self.scene.world.get(id).cloned();
        match (before, now) {
            (None, Some(now)) => self.create(&now),
            (Some(before), Some(now)) => self.change(&before, &now),
            (before, None) => {
                if before.is_some() {
                    self.rows.bury.push(map([("id", shown(id).into())]));
                }
                self.rows.entomb.push(map([("id", shown(id).into()), ("rank", rank(id).into())]));
            }
        }
    }

    fn create(&mut self, now: &Entity) {
        let mut properties = self.properties(now).into_map();
        self.host_properties(now, &mut properties);
        let mut labels = vec![kind_label(&now.kind)];
        labels.extend(now.zone.map(|_| ZONE.to_owned()));
        labels.extend(now.root.then(|| ROOT.to_owned()));
        if let Some(census) = self.tally.census(now.id).filter(|census| !census.is_empty()) {
            properties.put(BoltString::from("census"), bytes(census.encode()));
            labels.push(INNER.to_owned());
        }
        self.rows.create.push(NewNode {
            labels,
            properties,
            on: Hangs {
                parent: now.placement.parent.map(shown),
                port: now.placement.port.as_ref().map(|port| port.as_str().to_owned()),
                container: now.source.as_ref().map(|source| i64::from(source.container.get())),
                owner: now.owner.as_ref().map(|owner| owner.as_str().to_owned()),
            },
        });
    }

    fn change(&mut self, before: &Entity, now: &Entity) {
        let id = now.id;
        let changes = self.properties(now).since(&self.properties_before(before));
        self.set(id, changes);
        if (before.placement.parent, &before.placement.port) != (now.placement.parent, &now.placement.port) {
            self.rows.moves.push(map([
                ("id", shown(id).into()),
                ("parent", parent(now.placement.parent).into()),
                ("port", now.placement.port.as_ref().map_or_else(null, |port| port.as_str().into())),
            ]));
        }
        if before.owner != now.owner {
            let owner = now.owner.as_ref().map_or_else(null, |owner| owner.as_str().into());
            self.rows.own.push(map([("id", shown(id).into()), ("owner", owner)]));
        }
        let toggles = [(ROOT, before.root, now.root), (ZONE, before.zone.is_some(), now.zone.is_some())];
        for (label, was, is) in toggles {
            if was != is {
                self.relabel(id, label, is);
            }
        }
    }

    fn properties(&mut self, entity: &Entity) -> Properties {
        let facets = self.set_of(entity);
        let around = Surroundings { facets, place: self.spaces.place(entity) };
        Properties::of(entity, &around, &self.scene.world.catalog.registry)
    }

    /// As it stands in the database: only what is compared has to be right, and places are written whenever they are there.
    fn properties_before(&mut self, entity: &Entity) -> Properties {
        let facets = self.set_of(entity);
        let mut properties =
            Properties::of(entity, &Surroundings { facets, place: None }, &self.scene.world.catalog.registry);
        if entity.placement.pose.is_some() {
            properties.0.push(("zone".to_owned(), null()));
            properties.0.push(("cell".to_owned(), null()));
        }
        properties
    }

    fn set_of(&mut self, entity: &Entity) -> SetNumber {
        self.facets.number(crate::neo4j::facets::FacetSet::of(entity))
    }

    fn set(&mut self, id: EntityId, properties: BoltMap) {
        let row = self.rows.update.entry(id).or_default();
        for (name, value) in properties.value {
            row.put(name, value);
        }
    }

    fn relabel(&mut self, id: EntityId, label: &str, comes: bool) {
        let one = || list([BoltType::from(label)]);
        let (add, remove) = if comes { (one(), list([])) } else { (list([]), one()) };
        self.rows.relabel.push(map([("id", shown(id).into()), ("add", add), ("remove", remove)]));
    }

    fn censuses(&mut self) {
        for (id, census) in std::mem::take(&mut self.tally.censuses) {
            let before = self.scene.nodes.get(&id);
            if let Some(before) =
                before.filter(|before| before.census != census && self.scene.world.get(id).is_some())
            {
                let was_inner = !before.census.is_empty();
                let value = if census.is_empty() { null() } else { bytes(census.encode()) };
                self.set(id, [(BoltString::from("census"), value)].into_iter().collect());
                if was_inner == census.is_empty() {
                    self.relabel(id, INNER, !census.is_empty());
                }
            }
            self.tally.censuses.insert(id, census);
        }
        self.rows.census = self.tally.world.take();
    }

    fn hosts(&mut self, touched: &HashSet<EntityId>) {
        for id in self.spaces.hosts.clone() {
            let Some(now) = self.scene.world.get(id).cloned() else { continue };
            let is_new = touched.contains(&id) && !self.scene.nodes.contains_key(&id);
            if !is_new {
                let mut properties = BoltMap::default();
                self.host_properties(&now, &mut properties);
                self.set(id, properties);
            }
        }
    }

    fn host_properties(&self, now: &Entity, properties: &mut BoltMap) {
        let mut put = |name: &str, value: BoltType| properties.put(BoltString::from(name), value);
        let host = self.spaces.host(now);
        let place = host.as_ref().map(Place::of_host);
        put("hostZone", place.as_ref().map_or_else(null, |place| shown(place.zone).into()));
        put("hostCell", place.as_ref().map_or_else(null, |place| place.cell.as_str().into()));
        put(
            "seat",
            host.map_or_else(null, |host| {
                floats(host.pose.translation().to_array().into_iter().chain(host.pose.rotation().to_array()))
            }),
        );
        let reach = if now.zone.is_some() { self.spaces.reach(now.id) } else { Reach::NOTHING };
        put(
            "reach",
            if reach == Reach::NOTHING { null() } else { floats([reach.metres(), reach.largest()]) },
        );
    }

    fn links(&mut self) {
        let world = &self.scene.world;
        for key in self.scene.links.keys() {
            let (kind, a, b) = key;
            let lives = world.get(*a).is_some() && world.get(*b).is_some();
            // What was read of a link's far end may be nothing but its id: it lives as long as the link does.
            if !world.links.contains_key(key) && (lives || !self.is_buried(*a) && !self.is_buried(*b)) {
                self.rows.unlink.push(map([
                    ("kind", kind.as_str().into()),
                    ("a", shown(*a).into()),
                    ("b", shown(*b).into()),
                ]));
            }
        }
        for (key, cost) in &world.links {
            let before = self.scene.links.get(key);
            let (kind, a, b) = key;
            let (Some(from), Some(to)) = (
                world.zone_of(*a).or(before.map(|link| link.from)),
                world.zone_of(*b).or(before.map(|link| link.to)),
            ) else {
                continue;
            };
            let now = StoredLink { cost: *cost, from, to };
            if before != Some(&now) {
                self.rows.link.push(map([
                    ("kind", kind.as_str().into()),
                    ("a", shown(*a).into()),
                    ("b", shown(*b).into()),
                    ("cost", now.cost.into()),
                    ("low", rank(*a).into()),
                    ("from", shown(now.from).into()),
                    ("to", shown(now.to).into()),
                ]));
            }
        }
    }

    fn is_buried(&self, id: EntityId) -> bool {
        self.scene.world.buried.contains(&id)
    }

    /// What the cache of the writer holds of everything that is known to be true after the batch.
    fn nodes(&mut self, touched: &HashSet<EntityId>) {
        let known = self.scene.nodes.keys().chain(touched).copied().collect::<HashSet<_>>();
        for id in known {
            let Some(entity) = self.scene.world.get(id) else { continue };
            let census = self.tally.census(id).cloned().unwrap_or_default();
            let node = super::scene::Node { entity: entity.clone(), census, reach: self.spaces.reach(id) };
            self.rows.after.insert(id, node);
        }
    }
}
