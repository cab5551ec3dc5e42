//! What there is, and the walks over it that every rule and question is made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entitygraph_schema::{Catalog, Entity, EntityId, Link, LinkKind, PortName, Pose, Refusal};

/// A link's identity: kind, lower end, higher end.
pub(crate) type LinkKey = (LinkKind, EntityId, EntityId);

#[derive(Default, Clone)]
pub(crate) struct World {
    pub catalog: Arc<Catalog>,
    /// Ids that were used and never come back.
    pub buried: BTreeSet<EntityId>,
    /// Costs of the links.
    pub links: BTreeMap<LinkKey, f64>,
    entities: BTreeMap<EntityId, Arc<Entity>>,
    /// The only index: children by ordinal and id, world roots under `None`. Kept by [`Self::set`] alone.
    children: BTreeMap<Option<EntityId>, BTreeSet<(i64, EntityId)>>,
    /// Entities with children that are not here: only a part of a world that is kept elsewhere has any.
    elsewhere: BTreeSet<EntityId>,
}

impl World {
    /// Puts in, replaces or takes away an entity; returns what was there.
    pub fn set(&mut self, id: EntityId, entity: Option<Arc<Entity>>) -> Option<Arc<Entity>> {
        let before = self.entities.remove(&id);
        if let Some(before) = &before {
            let parent = before.placement.parent;
            if let Some(siblings) = self.children.get_mut(&parent) {
                siblings.remove(&(before.ordinal, id));
                if siblings.is_empty() {
                    self.children.remove(&parent);
                }
            }
        }
        if let Some(entity) = entity {
            self.children.entry(entity.placement.parent).or_default().insert((entity.ordinal, id));
            self.entities.insert(id, entity);
        }
        before
    }

    pub fn get(&self, id: EntityId) -> Option<&Arc<Entity>> {
        self.entities.get(&id)
    }

    /// The entity, or the refusal that it does not exist.
    pub fn known(&self, id: EntityId) -> Result<&Arc<Entity>, Refusal> {
        self.get(id).ok_or(Refusal::UnknownEntity { entity: id })
    }

    /// The entity, or the refusal that it does not exist or is no zone host.
    pub fn known_zone(&self, id: EntityId) -> Result<&Arc<Entity>, Refusal> {
        let zone = self.known(id)?;
        if zone.zone.is_some() { Ok(zone) } else { Err(Refusal::NotAZone { entity: id }) }
    }

    /// All living entities by id.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Entity>> {
        self.entities.values()
    }

    /// The highest id from `first` to `last` that is or was an entity's.
    pub fn last_used_id(&self, first: EntityId, last: EntityId) -> Option<EntityId> {
        let living = self.entities.range(first..=last).next_back().map(|(id, _)| *id);
        let buried = self.buried.range(first..=last).next_back().copied();
        living.max(buried)
    }

    /// By ordinal, then id; the world roots for `None`.
    pub fn children(&self, parent: Option<EntityId>) -> impl DoubleEndedIterator<Item = &Arc<Entity>> {
        self.children.get(&parent).into_iter().flatten().filter_map(|(_, id)| self.get(*id))
    }

    /// Says that an entity has children that are not here.
    pub fn set_elsewhere(&mut self, parent: EntityId) {
        self.elsewhere.insert(parent);
    }

    pub fn has_children(&self, parent: EntityId) -> bool {
        self.children.contains_key(&Some(parent)) || self.elsewhere.contains(&parent)
    }

    pub fn occupant(&self, parent: EntityId, port: &PortName) -> Option<EntityId> {
        self.children(Some(parent))
            .find(|child| child.placement.port.as_ref() == Some(port))
            .map(|child| child.id)
    }

    /// The parent, its parent and so on up to the world root.
    pub fn ancestors<'a>(&'a self, entity: &'a Entity) -> impl Iterator<Item = &'a Arc<Entity>> {
        let above = |entity: &Entity| self.get(entity.placement.parent?);
        std::iter::successors(above(entity), move |entity| above(entity))
    }

    /// Parents first, depth first by ordinal and id, without `root`; below an entity for which `enter` is false nothing is
    /// visited.
    pub fn below(&self, root: Option<EntityId>, enter: impl Fn(&Entity) -> bool) -> Vec<&Arc<Entity>> {
        let mut found = Vec::new();
        let mut open: Vec<_> = self.children(root).rev().collect();
        while let Some(entity) = open.pop() {
            found.push(entity);
            if enter(entity) {
                open.extend(self.children(Some(entity.id)).rev());
            }
        }
        found
    }

    /// The innermost zone host above: the zone of the entity's pose. None for a world root.
    pub fn frame<'a>(&'a self, entity: &'a Entity) -> Option<&'a Arc<Entity>> {
        self.ancestors(entity).find(|above| above.zone.is_some())
    }

    /// The innermost zone host at or above: the zone that a link with this end is in.
    pub fn zone_of(&self, id: EntityId) -> Option<EntityId> {
        let entity = self.get(id)?;
        if entity.zone.is_some() { Some(id) } else { self.frame(entity).map(|zone| zone.id) }
    }

    /// Where the entity is in its frame: its own pose, else that of what it rides with, else the frame's origin.
    pub fn seat(&self, entity: &Entity) -> Pose {
        let carriers = self.ancestors(entity).take_while(|above| above.zone.is_none());
        let mut poses =
            std::iter::once(entity).chain(carriers.map(|above| &**above)).map(|entity| entity.placement.pose);
        poses.find_map(|pose| pose).unwrap_or(Pose::IDENTITY)
    }

    /// The zone and the zones around it, innermost first.
    fn zone_path(&self, zone: EntityId) -> Vec<&Arc<Entity>> {
        std::iter::successors(self.get(zone), |zone| self.frame(zone)).collect()
    }

    /// What [`entitygraph_schema::space::Conversion`] takes to get from one zone to another; none when they are in
    /// different worlds.
    pub fn way(&self, from: EntityId, to: EntityId) -> Option<(Vec<Pose>, Vec<Pose>)> {
        let (up, down) = (self.zone_path(from), self.zone_path(to));
        let common = up.iter().find(|zone| down.iter().any(|other| other.id == zone.id))?.id;
        let seats = |path: Vec<&Arc<Entity>>| {
            path.into_iter().take_while(|zone| zone.id != common).map(|zone| self.seat(zone)).collect()
        };
        Some((seats(up), seats(down)))
    }

    /// All links by kind and ends.
    pub fn links(&self) -> impl Iterator<Item = Link> {
        self.links.iter().map(|((kind, a, b), cost)| Link { kind: kind.clone(), a: *a, b: *b, cost: *cost })
    }
}
