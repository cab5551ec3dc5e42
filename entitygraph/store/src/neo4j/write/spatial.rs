//! The space index after a batch: where zone hosts are, and how far the inside of each reaches.
//!
//! As in the embedded stores, an entity that stays where it is can still need new properties: a host that rides with something moves
//! when its carrier does, and a zone whose inside reaches farther is told to the zones around it.

use std::collections::{HashMap, HashSet};

use entitygraph_schema::{Entity, EntityId, Pose};

use super::scene::Scene;
use crate::{
    keyed::space::{Host, Placed, Reach},
    neo4j::space::Place,
};

/// Zone hosts as the batch leaves them.
pub struct Spaces<'a> {
    scene: &'a Scene,
    /// Hosts whose properties may differ.
    pub hosts: HashSet<EntityId>,
    reaches: HashMap<EntityId, Reach>,
}

impl<'a> Spaces<'a> {
    /// Works out the hosts around what was touched.
    pub fn of(scene: &'a Scene, touched: &HashSet<EntityId>) -> Self {
        let mut spaces = Self { scene, hosts: HashSet::new(), reaches: HashMap::new() };
        for id in touched {
            spaces.entity(*id);
        }
        for host in spaces.hosts.clone() {
            if let Some((zone, pose)) = spaces.seat_of(host) {
                let nested = spaces.reach(host);
                spaces.grow(zone, Reach::of_zone(&pose, nested));
            }
        }
        spaces
    }

    /// Where a placed entity stands.
    pub fn place(&self, entity: &Entity) -> Option<Place> {
        let (pose, zone) = (entity.placement.pose?, self.scene.world.frame(entity)?.id);
        let position = pose.translation();
        Some(Place::of_entity(&Placed {
            zone,
            layer: entity.layer,
            entity: entity.id,
            position,
            radius: entity.radius,
        }))
    }

    /// A host inside another zone, as the index has it.
    pub fn host(&self, entity: &Entity) -> Option<Host> {
        let (bounds, (zone, pose)) = (entity.zone?, self.seat_of(entity.id)?);
        Some(Host { zone, entity: entity.id, pose, reach: self.reach(entity.id), bounds })
    }

    /// How far the inside of a zone reaches.
    pub fn reach(&self, zone: EntityId) -> Reach {
        self.reaches.get(&zone).copied().unwrap_or_else(|| self.reach_before(zone))
    }

    fn reach_before(&self, zone: EntityId) -> Reach {
        self.scene.nodes.get(&zone).map_or(Reach::NOTHING, |node| node.reach)
    }

    fn entity(&mut self, id: EntityId) {
        let before = self.scene.nodes.get(&id).map(|node| &*node.entity);
        let now = self.scene.world.get(id).map(|now| &**now);
        if let Some(now) = now
            && let (Some(pose), Some(zone)) =
                (now.placement.pose, self.scene.world.frame(now).map(|zone| zone.id))
        {
            self.grow(zone, Reach::of_entity(&pose, now.radius));
        }
        let is_host = |entity: Option<&Entity>| entity.is_some_and(|entity| entity.zone.is_some());
        if is_host(before) || is_host(now) {
            self.hosts.insert(id);
        } else if let (Some(before), Some(now)) = (before, now)
            && moved(before, now)
        {
            self.riding_hosts(id);
        }
    }

    /// The hosts that ride with an entity which moved: those that matter were read with it.
    fn riding_hosts(&mut self, carrier: EntityId) {
        let mut open = vec![carrier];
        while let Some(parent) = open.pop() {
            for child in self.scene.world.children(Some(parent)) {
                match (&child.zone, &child.placement.pose) {
                    (Some(_), None) => drop(self.hosts.insert(child.id)),
                    (None, None) => open.push(child.id),
                    (_, Some(_)) => {}
                }
            }
        }
    }

    fn seat_of(&self, host: EntityId) -> Option<(EntityId, Pose)> {
        let world = &self.scene.world;
        let entity = world.get(host).filter(|entity| entity.zone.is_some())?;
        Some((world.frame(entity)?.id, world.seat(entity)))
    }

    /// Lets a zone, and the zones around it, reach as far as is needed.
    fn grow(&mut self, zone: EntityId, needed: Reach) {
        let (mut zone, mut needed) = (zone, needed);
        while let Some(grown) = self.reach(zone).grown_to(needed) {
            self.reaches.insert(zone, grown);
            self.hosts.insert(zone);
            let Some((outer, pose)) = self.seat_of(zone) else { return };
            (zone, needed) = (outer, Reach::of_zone(&pose, grown));
        }
    }
}

fn moved(before: &Entity, now: &Entity) -> bool {
    let same_pose = match (before.placement.pose, now.placement.pose) {
        (Some(one), Some(other)) => one.same_bits(&other),
        (None, None) => true,
        _ => false,
    };
    !same_pose || before.placement.parent != now.placement.parent
}
