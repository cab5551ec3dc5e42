//! A transaction in progress: works on the world itself and remembers how everything was, so that a refusal leaves no
//! trace and a success knows what really changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entitygraph_schema::{
    Catalog, Change, ComponentType, Container, Delta, Entity, EntityId, Epoch, Link, NewEntity, Patch,
    Revision, children_first,
};

use super::world::{LinkKey, World};

pub(crate) struct Draft<'a> {
    pub world: &'a mut World,
    /// Epochs that the transaction's writer holds; what it writes is raised to them.
    pub epochs: BTreeMap<EntityId, Epoch>,
    catalog: Arc<Catalog>,
    /// Entities as they were, in order of the first touch.
    entities: Vec<(EntityId, Option<Arc<Entity>>)>,
    touched: BTreeSet<EntityId>,
    links: BTreeMap<LinkKey, Option<f64>>,
    published: Vec<Change>,
    /// In order of burial, as each was at the end.
    buried: Vec<Arc<Entity>>,
    /// Those that keep the revision they came with.
    adopted: BTreeSet<EntityId>,
    entombed: Vec<EntityId>,
}

impl<'a> Draft<'a> {
    pub fn new(world: &'a mut World) -> Self {
        Self {
            catalog: world.catalog.clone(),
            world,
            epochs: BTreeMap::new(),
            entities: Vec::new(),
            touched: BTreeSet::new(),
            links: BTreeMap::new(),
            published: Vec::new(),
            buried: Vec::new(),
            adopted: BTreeSet::new(),
            entombed: Vec::new(),
        }
    }

    pub fn component(&mut self, component: Arc<ComponentType>) {
        let known = self.world.catalog.registry.get(component.id);
        if known.is_none_or(|known| known.version != component.version) {
            Arc::make_mut(&mut self.world.catalog).registry.insert(component.clone());
            self.published.push(Change::Component(component));
        }
    }

    pub fn container(&mut self, container: Arc<Container>) {
        let known = self.world.catalog.container(container.id);
        if known.is_none_or(|known| known.version != container.version) {
            Arc::make_mut(&mut self.world.catalog).insert(container.clone());
            self.published.push(Change::Container(container));
        }
    }

    pub fn create(&mut self, new: NewEntity) {
        self.set(new.id, Some(Arc::new(Entity::created(new, Epoch::ZERO))));
    }

    pub fn adopt(&mut self, entity: Arc<Entity>) {
        self.adopted.insert(entity.id);
        self.set(entity.id, Some(entity));
    }

    pub fn entomb(&mut self, id: EntityId) {
        if self.world.buried.insert(id) {
            self.entombed.push(id);
        }
    }

    /// Changes a living entity in the name of the transaction's writer.
    pub fn change(&mut self, id: EntityId, change: impl FnOnce(&mut Entity)) {
        let Some(mut entity) = self.world.get(id).cloned() else { return };
        let after = Arc::make_mut(&mut entity);
        change(after);
        after.epoch = after.epoch.max(self.epochs.get(&id).copied().unwrap_or_default());
        self.set(id, Some(entity));
    }

    pub fn bury(&mut self, id: EntityId) {
        let ends_here = |link: &LinkKey| link.1 == id || link.2 == id;
        for link in self.world.links.keys().filter(|link| ends_here(link)).cloned().collect::<Vec<_>>() {
            self.link(link, None);
        }
        if let Some(last) = self.world.get(id).cloned() {
            self.set(id, None);
            self.world.buried.insert(id);
            self.buried.push(last);
        }
    }

    /// Makes, changes or takes away a link.
    pub fn link(&mut self, link: LinkKey, cost: Option<f64>) {
        let before = match cost {
            Some(cost) => self.world.links.insert(link.clone(), cost),
            None => self.world.links.remove(&link),
        };
        self.links.entry(link).or_insert(before);
    }

    fn set(&mut self, id: EntityId, entity: Option<Arc<Entity>>) {
        let before = self.world.set(id, entity);
        if self.touched.insert(id) {
            self.entities.push((id, before));
        }
    }

    /// Puts everything back as it was.
    pub fn undo(self) {
        for (id, before) in self.entities {
            self.world.set(id, before);
        }
        for (link, before) in self.links {
            match before {
                Some(cost) => self.world.links.insert(link, cost),
                None => self.world.links.remove(&link),
            };
        }
        for id in self.buried.iter().map(|entity| entity.id).chain(self.entombed) {
            self.world.buried.remove(&id);
        }
        self.world.catalog = self.catalog;
    }

    /// What the transaction did on the whole, in the order of [`entitygraph_schema::Commit::changes`]; gives changed
    /// entities their next revision.
    pub fn finish(self) -> Vec<Change> {
        let mut changes = self.published;
        let world = self.world;

        let mut to_tell: BTreeSet<_> =
            self.entities.iter().filter(|(_, before)| before.is_none()).map(|(id, _)| *id).collect();
        for (id, _) in &self.entities {
            // An entity can be moved under one that was created after it: parents are told first all the same.
            let Some(entity) = world.get(*id) else { continue };
            let above: Vec<_> =
                world.ancestors(entity).take_while(|above| to_tell.contains(&above.id)).collect();
            for entity in above.into_iter().rev().chain([entity]) {
                if to_tell.remove(&entity.id) {
                    changes.push(Change::Created(entity.clone()));
                }
            }
        }

        for (id, before) in &self.entities {
            if let (Some(before), Some(after)) = (before, world.get(*id).cloned()) {
                let revision =
                    if self.adopted.contains(id) { after.revision } else { before.revision.next() };
                changes.extend(changed(world, before, &after, revision));
            }
        }

        for ((kind, a, b), before) in self.links {
            let after = world.links.get(&(kind.clone(), a, b)).copied();
            match after {
                Some(cost) if before.map(f64::to_bits) != Some(cost.to_bits()) => {
                    changes.push(Change::Linked(Link { kind, a, b, cost }));
                }
                None if before.is_some() => changes.push(Change::Unlinked { kind, a, b }),
                _ => {}
            }
        }

        let before: BTreeMap<_, _> = self.entities.iter().map(|(id, before)| (*id, before)).collect();
        let seen = self.buried.into_iter().map(|last| {
            // Readers know it as it was before the transaction.
            before.get(&last.id).and_then(|before| (*before).clone()).unwrap_or(last)
        });
        changes.extend(children_first(seen.collect()).into_iter().map(Change::Buried));
        let mut entombed = self.entombed;
        entombed.sort();
        changes.extend(entombed.into_iter().map(Change::Entombed));
        changes
    }
}

/// Compares an entity with itself before the transaction. Without a difference it is put back, else it is at `revision`.
fn changed(
    world: &mut World,
    before: &Arc<Entity>,
    after: &Arc<Entity>,
    revision: Revision,
) -> Option<Change> {
    let mut patch = Patch::between(before, after);
    let newer = after.revision != before.revision;
    if patch.is_empty() && before.epoch == after.epoch && !newer {
        world.set(before.id, Some(before.clone()));
        return None;
    }
    patch.expand_groups(after, &world.catalog.registry);
    let left = patch.parent.as_ref().and(before.placement.parent);
    world.set(before.id, Some(Arc::new(Entity { revision, ..Entity::clone(after) })));
    Some(Change::Changed {
        entity: before.id,
        left,
        delta: Arc::new(Delta { revision, epoch: after.epoch, patch }),
    })
}
