//! Rows of the space index: where placed entities and zone hosts are, and how far the inside of each zone reaches.
//!
//! Worked out once for a whole batch, from the tree before and the tree after it. An entity that stays where it is can
//! still need new rows: a zone host that rides with something moves when its carrier does, and a zone whose inside
//! reaches farther is told to the zones around it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use entitygraph_schema::{Entity, EntityId, Pose};

use super::{
    draft::{Draft, Touched},
    graph::{After, Base},
    tally::{TallyCache, stored},
};
use crate::{
    error::Result,
    keyed::{
        engine::WriteBatch,
        keys,
        space::{Host, Placed, Reach},
        tree::Tree,
    },
};

/// Writes the rows of the batch.
pub fn lower(base: &Base<'_>, batch: &Draft, tallies: &mut TallyCache, out: &mut WriteBatch) -> Result<()> {
    let after = After { base, batch };
    let mut work = Work { base, after, batch, reaches: HashMap::new(), hosts: HashSet::new(), out };
    let seats_differ = batch.entities.values().any(moves_others);
    for (id, touched) in &batch.entities {
        if seats_differ || differs(touched) {
            work.entity(*id, touched, tallies)?;
        }
    }
    work.nested_reaches()?;
    work.write_hosts()
}

/// How far the inside of a zone reaches, before the batch and after it.
#[derive(Clone, Copy)]
struct Reached {
    before: Reach,
    now: Reach,
}

struct Work<'a, 'b> {
    base: &'a Base<'a>,
    after: After<'a>,
    batch: &'a Draft,
    reaches: HashMap<EntityId, Reached>,
    /// Zone hosts whose rows may change.
    hosts: HashSet<EntityId>,
    out: &'b mut WriteBatch,
}

impl Work<'_, '_> {
    fn entity(&mut self, id: EntityId, touched: &Touched, tallies: &mut TallyCache) -> Result<()> {
        let (before, now) = (touched.before.as_deref(), touched.now.as_deref());
        let old_seat = before.map(|entity| self.base.seat(entity)).transpose()?.flatten();
        let new_seat = now.map(|entity| self.after.seat(entity)).transpose()?.flatten();

        let old = before.and_then(|entity| placed(entity, old_seat));
        let new = now.and_then(|entity| placed(entity, new_seat));
        let (old_key, new_key) = (old.map(|row| row.key()), new.map(|row| row.key()));
        if let Some(key) = old_key.as_ref().filter(|key| Some(*key) != new_key.as_ref()) {
            self.out.delete(key);
        }
        if let (Some(key), Some(row)) = (&new_key, &new)
            && (old_key.as_ref() != Some(key) || old.map(|old| old.value()) != Some(row.value()))
        {
            self.out.put(key, &row.value());
        }
        if let (Some(row), Some((_, pose))) = (&new, new_seat) {
            self.grow(row.zone, Reach::of_entity(&pose, row.radius))?;
        }

        let is_host = |entity: Option<&Entity>| entity.is_some_and(|entity| entity.zone.is_some());
        if is_host(before) || is_host(now) {
            self.hosts.insert(id);
        } else if before.is_some() && !same_seat(old_seat, new_seat) {
            self.riding_hosts(id, tallies)?;
        }
        Ok(())
    }

    /// Finds the zone hosts that ride with an entity which moved. Children that the batch touched are looked at for their
    /// own sake; all others are where they were before it.
    fn riding_hosts(&mut self, carrier: EntityId, tallies: &mut TallyCache) -> Result<()> {
        let mut open = vec![carrier];
        while let Some(parent) = open.pop() {
            if stored(self.base, tallies, parent.get(), &keys::RIDING_ZONE)? == 0 {
                continue;
            }
            let mut children = Vec::new();
            let snapshot = &self.base.snapshot;
            snapshot.scan_prefix(&keys::branches(parent.get(), &keys::RIDING_ZONE), |key, _| {
                children.push(snapshot.last_id(key)?);
                Ok(true)
            })?;
            for child in children.into_iter().filter(|child| !self.batch.entities.contains_key(child)) {
                let Some(entity) = self.base.entity(child)? else { continue };
                match (&entity.zone, &entity.placement.pose) {
                    (Some(_), None) => drop(self.hosts.insert(child)),
                    (None, None) => open.push(child),
                    // What has a pose stays where it is.
                    (_, Some(_)) => {}
                }
            }
        }
        Ok(())
    }

    /// Lets the zones around each moved host reach as far as what is inside it.
    fn nested_reaches(&mut self) -> Result<()> {
        for host in self.hosts.clone() {
            let Some(entity) = self.after.entity(host)? else { continue };
            if entity.zone.is_some()
                && let Some((zone, pose)) = self.after.seat(&entity)?
            {
                let nested = self.reach(host)?.now;
                self.grow(zone, Reach::of_zone(&pose, nested))?;
            }
        }
        Ok(())
    }

    /// Lets a zone, and the zones around it, reach as far as is needed.
    fn grow(&mut self, zone: EntityId, needed: Reach) -> Result<()> {
        let (mut zone, mut needed) = (zone, needed);
        loop {
            let reached = self.reach(zone)?;
            let Some(grown) = reached.now.grown_to(needed) else { return Ok(()) };
            self.reaches.insert(zone, Reached { now: grown, ..reached });
            self.hosts.insert(zone);
            let Some(host) = self.after.entity(zone)? else { return Ok(()) };
            let Some((outer, pose)) = self.after.seat(&host)? else { return Ok(()) };
            (zone, needed) = (outer, Reach::of_zone(&pose, grown));
        }
    }

    fn reach(&mut self, zone: EntityId) -> Result<Reached> {
        if let Some(reached) = self.reaches.get(&zone) {
            return Ok(*reached);
        }
        let before =
            if zone.get() > self.base.highest { None } else { self.base.snapshot.get(&keys::reach(zone))? };
        let read = |value: &[u8]| Reach::from_be_bytes(value.try_into().ok()?);
        let before = match before {
            Some(value) => read(&value).ok_or_else(|| {
                self.base.snapshot.place.corrupt(format!("the reach of zone {zone} is no length"))
            })?,
            None => Reach::NOTHING,
        };
        let reached = Reached { before, now: before };
        self.reaches.insert(zone, reached);
        Ok(reached)
    }

    fn write_hosts(&mut self) -> Result<()> {
        for id in std::mem::take(&mut self.hosts) {
            let before = self.base.entity(id)?;
            let now = self.after.entity(id)?;
            let reach = self.reach(id)?;
            let old = host(self.base, before.as_ref(), reach.before)?;
            let new = host(&self.after, now.as_ref(), reach.now)?;
            let (old_key, new_key) = (old.map(|row| row.key()), new.map(|row| row.key()));
            if let Some(key) = old_key.as_ref().filter(|key| Some(*key) != new_key.as_ref()) {
                self.out.delete(key);
            }
            if let (Some(key), Some(row)) = (&new_key, &new)
                && (old_key.as_ref() != Some(key) || old.map(|old| old.value()) != Some(row.value()))
            {
                self.out.put(key, &row.value());
            }
            let is_zone = now.is_some_and(|now| now.zone.is_some());
            if !is_zone {
                if reach.before != Reach::NOTHING {
                    self.out.delete(&keys::reach(id));
                }
            } else if reach.now != reach.before {
                self.out.put(&keys::reach(id), &reach.now.to_be_bytes());
            }
        }
        Ok(())
    }
}

fn placed(entity: &Entity, seat: Option<(EntityId, Pose)>) -> Option<Placed> {
    let (zone, pose) = (seat?.0, entity.placement.pose?);
    Some(Placed {
        zone,
        layer: entity.layer,
        entity: entity.id,
        position: pose.translation(),
        radius: entity.radius,
    })
}

fn host(tree: &impl Tree, entity: Option<&Arc<Entity>>, reach: Reach) -> Result<Option<Host>> {
    let Some((entity, bounds)) = entity.and_then(|entity| Some((entity, entity.zone?))) else {
        return Ok(None);
    };
    let Some((zone, pose)) = tree.seat(entity)? else { return Ok(None) };
    Ok(Some(Host { zone, entity: entity.id, pose, reach, bounds }))
}

fn same_seat(one: Option<(EntityId, Pose)>, other: Option<(EntityId, Pose)>) -> bool {
    match (one, other) {
        (Some((zone, pose)), Some((other_zone, other_pose))) => {
            zone == other_zone && pose.same_bits(&other_pose)
        }
        (None, None) => true,
        _ => false,
    }
}

/// Whether seats of others may differ because of it.
fn moves_others(touched: &Touched) -> bool {
    let (Some(before), Some(now)) = (&touched.before, &touched.now) else { return false };
    let carries = now.zone.is_none() && !same_pose(before.placement.pose, now.placement.pose);
    carries || before.placement.parent != now.placement.parent || before.zone.is_some() != now.zone.is_some()
}

/// Whether its own rows may differ, as long as nobody moves it.
fn differs(touched: &Touched) -> bool {
    let (Some(before), Some(now)) = (&touched.before, &touched.now) else { return true };
    !same_pose(before.placement.pose, now.placement.pose)
        || before.radius.to_bits() != now.radius.to_bits()
        || before.layer != now.layer
        || before.zone != now.zone
}

fn same_pose(one: Option<Pose>, other: Option<Pose>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.same_bits(&other),
        (None, None) => true,
        _ => false,
    }
}
