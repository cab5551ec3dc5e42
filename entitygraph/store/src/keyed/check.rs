//! Compares all rows with each other: works out from the records, in the simplest way, which rows there have to be, and
//! names each one that is missing, superfluous or different.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use entitygraph_schema::{Container, Cursor, Entity, EntityId, LinkKind, PortName};

use super::{
    keys::{self, Row},
    log::{self, Extent, Stored},
    snapshot::Snapshot,
    space::{Host, Placed, Reach},
    tree::Tree,
};
use crate::error::Result;

/// What disagrees; empty for a sound store.
pub fn check(snapshot: &Snapshot<'_>) -> Result<Vec<String>> {
    let mut check = Check {
        snapshot,
        entities: HashMap::new(),
        links: BTreeMap::new(),
        expected: BTreeMap::new(),
        faults: Vec::new(),
    };
    check.load_entities()?;
    check.load_links()?;
    if check.faults.is_empty() {
        check.lists();
        check.tallies();
        check.places()?;
        check.zone_links()?;
        check.compare()?;
    }
    check.log()?;
    check.catalog()?;
    Ok(check.faults)
}

struct Check<'a> {
    snapshot: &'a Snapshot<'a>,
    entities: HashMap<EntityId, Arc<Entity>>,
    links: BTreeMap<(LinkKind, EntityId, EntityId), f64>,
    /// Rows that have to be there, and only those.
    expected: BTreeMap<Vec<u8>, Vec<u8>>,
    faults: Vec<String>,
}

impl Tree for Check<'_> {
    fn entity(&self, id: EntityId) -> Result<Option<Arc<Entity>>> {
        Ok(self.entities.get(&id).cloned())
    }
}

impl Check<'_> {
    fn load_entities(&mut self) -> Result<()> {
        let (from, to) = keys::all(Row::Entity);
        self.snapshot.scan(&from, &to, |key, value| {
            let id = self.snapshot.last_id(key)?;
            match self.snapshot.place.decode::<Entity>(format_args!("entity {id}"), value) {
                Ok(entity) if entity.id == id => drop(self.entities.insert(id, Arc::new(entity))),
                Ok(entity) => {
                    self.faults.push(format!("the record of entity {id} is that of entity {}", entity.id))
                }
                Err(error) => self.faults.push(error.to_string()),
            }
            Ok(true)
        })?;
        let (from, to) = keys::all(Row::Buried);
        self.snapshot.scan(&from, &to, |key, _| {
            let id = self.snapshot.last_id(key)?;
            if self.entities.contains_key(&id) {
                self.faults.push(format!("entity {id} is alive and buried"));
            }
            Ok(true)
        })?;
        for entity in self.entities.values() {
            let mut steps = 0;
            let mut next = entity.placement.parent;
            while let Some(parent) = next {
                steps += 1;
                let Some(above) = self.entities.get(&parent) else {
                    self.faults.push(format!("entity {} is below {parent}, which does not exist", entity.id));
                    break;
                };
                if steps > self.entities.len() {
                    self.faults.push(format!("entity {} is below itself", entity.id));
                    break;
                }
                next = above.placement.parent;
            }
            let bare_zone =
                entity.zone.is_some() && entity.placement.pose.is_none() && entity.placement.port.is_none();
            if entity.placement.parent.is_none() && !bare_zone {
                self.faults.push(format!("world root {} is no bare zone", entity.id));
            }
        }
        Ok(())
    }

    fn load_links(&mut self) -> Result<()> {
        let (from, to) = keys::all(Row::Link);
        self.snapshot.scan(&from, &to, |key, value| {
            let read = || {
                let (one, suffix) = keys::take_number(&key[1..])?;
                let (kind, other) = keys::read_link(suffix)?;
                Some((EntityId::new(one)?, kind, other))
            };
            let Some((one, kind, other)) = read() else {
                self.faults.push(format!("the link row {key:02x?} does not read"));
                return Ok(true);
            };
            let cost = f64::from_bits(self.snapshot.place.number("the cost of a link", value)?);
            let twin = self.snapshot.get(&keys::link(other, &kind, one))?;
            if twin.as_deref() != Some(value) {
                self.faults.push(format!("the `{kind}` link of {one} and {other} differs at its ends"));
            }
            for end in [one, other] {
                if !self.entities.contains_key(&end) {
                    self.faults.push(format!("a `{kind}` link ends at entity {end}, which does not exist"));
                }
            }
            self.links.insert((kind, one.min(other), one.max(other)), cost);
            Ok(true)
        })
    }

    fn lists(&mut self) {
        let parents: HashSet<_> =
            self.entities.values().filter_map(|entity| entity.placement.parent).collect();
        let mut occupied: HashMap<(EntityId, &PortName), EntityId> = HashMap::new();
        for (id, entity) in &self.entities {
            let parent = keys::parent_number(entity.placement.parent);
            let folded = entity.name.as_str().to_lowercase();
            let has_children = u8::from(parents.contains(id));
            self.expected.insert(keys::child(parent, entity.ordinal, *id), vec![has_children]);
            self.expected.insert(keys::child_name(parent, &folded, *id), Vec::new());
            self.expected.insert(keys::name(&folded, *id), Vec::new());
            if let Some(owner) = &entity.owner {
                self.expected.insert(keys::owner(owner, *id), Vec::new());
            }
            if let (Some(parent), Some(port)) = (entity.placement.parent, &entity.placement.port) {
                if let Some(other) = occupied.insert((parent, port), *id) {
                    self.faults
                        .push(format!("entities {id} and {other} are both at port `{port}` of {parent}"));
                }
                self.expected.insert(keys::port(parent, port), id.get().to_be_bytes().to_vec());
            }
        }
    }

    fn tallies(&mut self) {
        let mut tallies: BTreeMap<(u64, Vec<u8>), u64> = BTreeMap::new();
        let mut branches: BTreeMap<(u64, Vec<u8>, EntityId), u8> = BTreeMap::new();
        let mut buffer = Vec::new();
        for entity in self.entities.values() {
            let mut facets = Vec::new();
            keys::facets_of(entity, &mut buffer, |facet| facets.push(facet.to_vec()));
            for facet in facets {
                let (mut child, mut flag) = (entity, keys::SELF);
                loop {
                    let parent = keys::parent_number(child.placement.parent);
                    *tallies.entry((parent, facet.clone())).or_default() += 1;
                    *branches.entry((parent, facet.clone(), child.id)).or_default() |= flag;
                    flag = keys::BELOW;
                    match child.placement.parent.and_then(|parent| self.entities.get(&parent)) {
                        Some(parent) => child = parent,
                        None => break,
                    }
                }
            }
        }
        for ((node, facet), count) in tallies {
            self.expected.insert(keys::tally(node, &facet), count.to_be_bytes().to_vec());
        }
        for ((parent, facet, child), flags) in
            branches.into_iter().filter(|((_, facet, _), _)| *facet != keys::EVERYTHING)
        {
            self.expected.insert(keys::branch(parent, &facet, child), vec![flags]);
        }
    }

    fn places(&mut self) -> Result<()> {
        let mut reaches: HashMap<EntityId, Reach> = HashMap::new();
        let (from, to) = keys::all(Row::Reach);
        self.snapshot.scan(&from, &to, |key, value| {
            let zone = self.snapshot.last_id(key)?;
            if self.entities.get(&zone).is_none_or(|entity| entity.zone.is_none()) {
                self.faults.push(format!("{zone} has a reach and is no zone"));
            }
            match value.try_into().ok().and_then(Reach::from_be_bytes) {
                Some(reach) => drop(reaches.insert(zone, reach)),
                None => self.faults.push(format!("the reach of zone {zone} is no length")),
            }
            Ok(true)
        })?;
        let reach = |zone: EntityId| reaches.get(&zone).copied().unwrap_or(Reach::NOTHING);
        for entity in self.entities.values() {
            let Some((zone, seat)) = self.seat(entity)? else { continue };
            let mut needed = Reach::NOTHING;
            if let Some(pose) = entity.placement.pose {
                let (entity, layer, radius) = (entity.id, entity.layer, entity.radius);
                let row = Placed { zone, layer, entity, position: pose.translation(), radius };
                self.expected.insert(row.key(), row.value().to_vec());
                needed = Reach::of_entity(&pose, radius);
            }
            if let Some(bounds) = entity.zone {
                let row = Host { zone, entity: entity.id, pose: seat, reach: reach(entity.id), bounds };
                self.expected.insert(row.key(), row.value().to_vec());
                needed = needed.max(Reach::of_zone(&seat, reach(entity.id)));
            }
            if !reach(zone).holds(needed) {
                let (has, entity) = (reach(zone), entity.id);
                self.faults
                    .push(format!("the reach of zone {zone} is {has:?}, entity {entity} needs {needed:?}"));
            }
        }
        Ok(())
    }

    fn zone_links(&mut self) -> Result<()> {
        for ((kind, a, b), cost) in &self.links {
            let zone = |end: &EntityId| match self.entities.get(end) {
                Some(entity) => self.zone_of(entity),
                None => Ok(None),
            };
            if let (Some(zone_a), Some(zone_b)) = (zone(a)?, zone(b)?) {
                for zone in [zone_a, zone_b] {
                    let value = keys::zone_link_value(*cost, [zone_a, zone_b]);
                    self.expected.insert(keys::zone_link(zone, kind, *a, *b), value);
                }
            }
        }
        Ok(())
    }

    /// Compares what has to be there with what is.
    fn compare(&mut self) -> Result<()> {
        let derived = [
            Row::Child,
            Row::ChildName,
            Row::Name,
            Row::Owner,
            Row::Port,
            Row::Branch,
            Row::Tally,
            Row::ZoneLink,
            Row::Placed,
            Row::Host,
        ];
        for row in derived {
            let (from, to) = keys::all(row);
            self.snapshot.scan(&from, &to, |key, value| {
                match self.expected.remove(key) {
                    None => self.faults.push(format!("a {row:?} row is superfluous: {key:02x?}")),
                    Some(expected) if expected != value => {
                        self.faults
                            .push(format!("a {row:?} row is {value:02x?}, not {expected:02x?}: {key:02x?}"));
                    }
                    Some(_) => {}
                }
                Ok(true)
            })?;
        }
        self.faults.extend(self.expected.keys().map(|key| format!("a row is missing: {key:02x?}")));
        Ok(())
    }

    /// The change log has no gap, ends at the newest cursor, and knows its size and its operations.
    fn log(&mut self) -> Result<()> {
        let extent = Extent::load(self.snapshot)?;
        let (mut next, mut start) = (extent.first, extent.start);
        let mut operations: HashMap<Vec<u8>, Cursor> = HashMap::new();
        let (from, to) = keys::all(Row::Commit);
        self.snapshot.scan(&from, &to, |key, value| {
            let stored = Stored::read(self.snapshot.place, value)?;
            let commit = stored.commit(self.snapshot.place)?;
            let at = log::cursor(self.snapshot, key)?;
            if at != next || commit.cursor != at || stored.start != start {
                self.faults
                    .push(format!("commit {at} stands where {next} should, after {start} bytes of log"));
            }
            if let Some(id) = &stored.operation_id {
                operations.insert(keys::operation(id), at);
            }
            (next, start) = (at.next(), stored.start + value.len() as u64);
            Ok(true)
        })?;
        if next != extent.newest.next() {
            self.faults.push(format!("the newest commit is {}, the log ends before {next}", extent.newest));
        }
        let (from, to) = keys::all(Row::IdleOperation);
        self.snapshot.scan(&from, &to, |key, _| {
            let operation = [&[Row::Operation as u8], key.get(9..).unwrap_or_default()].concat();
            operations.insert(operation, log::cursor(self.snapshot, key)?);
            Ok(true)
        })?;
        let (from, to) = keys::all(Row::Operation);
        self.snapshot.scan(&from, &to, |key, value| {
            let cursor =
                value.last_chunk::<8>().map(|cursor| Cursor::from_number(u64::from_be_bytes(*cursor)));
            if operations.remove(key) != cursor {
                self.faults.push(format!("the operation {key:02x?} is of no commit on record"));
            }
            Ok(true)
        })?;
        self.faults
            .extend(operations.keys().map(|key| format!("the outcome of operation {key:02x?} is missing")));
        Ok(())
    }

    fn catalog(&mut self) -> Result<()> {
        let (from, to) = keys::all(Row::Container);
        self.snapshot.scan(&from, &to, |key, value| {
            let container: Container = self.snapshot.place.decode("a container", value)?;
            if key != keys::container(container.id) {
                self.faults.push(format!("container `{}` is under another id", container.draft.name));
            }
            Ok(true)
        })
    }
}
