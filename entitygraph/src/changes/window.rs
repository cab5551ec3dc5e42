//! Commits as they were: who was where at a commit that lies a little back.
//!
//! A change is told to the scopes that its entity was in **at that commit**, while the cache and the store already know
//! later ones. A [`Window`] holds what consecutive commits touched, with all that is above it, as it is at their end or
//! later, and undoes moves and marks to look back.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use entitygraph_schema::{
    Change, Commit, Cursor, Delta, Entity, EntityId, Link, Revision,
    query::{Extent, PageRequest},
};
use entitygraph_store::{Error, Result, Store};

use crate::cache::Cache;

/// A change with the state and the ancestors of its entity before and after.
#[derive(Debug)]
pub struct Step<'a> {
    /// The change itself.
    pub change: &'a Change,
    /// Its entity before, unless it was created.
    pub before: Option<Place>,
    /// Its entity after, unless it was buried.
    pub after: Option<Place>,
}

/// An entity and what was above it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The entity with the parent, the root mark and the labels of the moment. Its other values may be newer; its revision
    /// is no newer than what is of the moment, so that the changes told later are applied to it.
    pub entity: Arc<Entity>,
    /// What was above it at the moment, nearest first.
    pub above: Arc<[Arc<Entity>]>,
}

/// Consecutive commits that are looked at together.
#[derive(Debug, Default)]
pub struct Window {
    /// What the commits touched and all above it, at the end of the window or later; what was buried, as it was last.
    known: HashMap<EntityId, Arc<Entity>>,
    /// What the commits did that alters who is in which scope, in order.
    turns: HashMap<EntityId, Vec<Turn>>,
    /// What turned or was buried when, in order.
    order: Vec<(Cursor, EntityId)>,
    /// What the commits created and buried.
    born: HashMap<EntityId, Cursor>,
    died: HashMap<EntityId, Cursor>,
}

/// A change that alters who is in which scope, and how to undo it.
#[derive(Debug)]
struct Turn {
    at: Cursor,
    left: Option<EntityId>,
    delta: Arc<Delta>,
}

impl Turn {
    fn undo(&self, entity: &mut Entity) {
        let patch = &self.delta.patch;
        if patch.parent.is_some() {
            entity.placement.parent = self.left;
        }
        // A delta holds what differs and nothing else.
        if let Some(root) = patch.root {
            entity.root = !root;
        }
        for (label, set) in &patch.labels {
            if *set {
                entity.labels.remove(label);
            } else {
                entity.labels.insert(label.clone());
            }
        }
    }
}

impl Window {
    /// Prepares to look back at the commits, which the cache was told of. What is not in the cache is read from the store,
    /// a level of the tree at a time: as many reads as the tree is deep, however much the commits changed.
    pub async fn load(cache: &Cache, store: &dyn Store, commits: &[Arc<Commit>]) -> Result<Self> {
        let mut window = Self::default();
        let mut made: HashMap<EntityId, Arc<Entity>> = HashMap::new();
        let mut wanted = Vec::new();
        for (cursor, change) in commits.iter().flat_map(|c| c.changes.iter().map(|change| (c.cursor, change)))
        {
            match change {
                Change::Created(entity) => {
                    wanted.extend(entity.placement.parent);
                    made.insert(entity.id, entity.clone());
                    window.born.insert(entity.id, cursor);
                }
                Change::Changed { entity, left, delta } => {
                    // What a later commit of the window changed is not as it was made.
                    made.remove(entity);
                    wanted.push(*entity);
                    wanted.extend(*left);
                    let patch = &delta.patch;
                    if patch.parent.is_some() || patch.root.is_some() || !patch.labels.is_empty() {
                        let turn = Turn { at: cursor, left: *left, delta: delta.clone() };
                        window.turns.entry(*entity).or_default().push(turn);
                        window.order.push((cursor, *entity));
                    }
                }
                Change::Buried(entity) => {
                    wanted.extend(entity.placement.parent);
                    window.known.insert(entity.id, entity.clone());
                    window.died.insert(entity.id, cursor);
                    window.order.push((cursor, entity.id));
                }
                Change::Linked(Link { a, b, .. }) | Change::Unlinked { a, b, .. } => wanted.extend([*a, *b]),
                Change::Component(_) | Change::Container(_) | Change::Entombed(_) => {}
            }
        }
        loop {
            let mut missing = BTreeSet::new();
            while let Some(id) = wanted.pop() {
                if window.known.contains_key(&id) {
                    continue;
                }
                if let Some(entity) = cache.peek(id).or_else(|| made.get(&id).cloned()) {
                    wanted.extend(entity.placement.parent);
                    window.known.insert(id, entity);
                } else {
                    missing.insert(id);
                }
            }
            if missing.is_empty() {
                return Ok(window);
            }
            let missing: Vec<_> = missing.into_iter().collect();
            for ids in missing.chunks(PageRequest::MAX_FIRST) {
                // One that is not there was buried after the window.
                for entity in store.entities(ids).await?.value.into_iter().flatten() {
                    wanted.extend(entity.placement.parent);
                    window.known.insert(entity.id, entity);
                }
            }
        }
    }

    /// The change of the commit at `cursor` with its surroundings: of its entity, or of both ends of a link; none for a
    /// change of no entity.
    pub fn steps<'c>(&self, cursor: Cursor, change: &'c Change) -> impl Iterator<Item = Step<'c>> + use<'c> {
        let step = |before, after| Some(Step { change, before, after });
        let steps = match change {
            Change::Created(entity) => [step(None, Some(self.place(entity.clone(), cursor.next()))), None],
            Change::Buried(entity) => [step(Some(self.place(entity.clone(), cursor)), None), None],
            Change::Changed { entity: id, .. } => {
                let entity = self.known.get(id);
                let place = |from| entity.map(|entity| self.place(self.before(entity, from), from));
                [step(place(cursor), place(cursor.next())).filter(|_| entity.is_some()), None]
            }
            Change::Linked(Link { a, b, .. }) | Change::Unlinked { a, b, .. } => [a, b]
                .map(|end| step(self.place_before(*end, cursor), self.place_before(*end, cursor.next()))),
            Change::Component(_) | Change::Container(_) | Change::Entombed(_) => [None, None],
        };
        steps.into_iter().flatten()
    }

    /// What was below the entity right after the commit at `cursor`, parents first: what is there now, as far as `extent`
    /// says for each of its parts, with what later commits of the window moved away and without what they brought. `None`
    /// when that is more than `max` entities.
    pub async fn below(
        &mut self,
        root: EntityId,
        cursor: Cursor,
        extent: impl Fn(&Entity) -> Option<Extent>,
        store: &dyn Store,
        max: usize,
    ) -> Result<Option<Vec<Place>>> {
        let from = cursor.next();
        let is_below = |place: &Place| place.above.iter().any(|above| above.id == root);
        let later = &self.order[self.order.partition_point(|(at, _)| *at < from)..];
        let mut candidates: HashSet<EntityId> = later.iter().map(|(_, id)| *id).collect();
        let moved = candidates.iter().filter(|id| !self.died.contains_key(id));
        let parts = moved.filter_map(|id| self.place_before(*id, from)).filter(is_below);
        let parts: Vec<_> = parts.chain(self.place_before(root, from)).collect();
        for part in parts {
            let Some(extent) = extent(&part.entity) else { continue };
            let page = match store.subtree(part.entity.id, extent, PageRequest::first(max)).await {
                Ok(answer) => answer.value,
                // It is buried by now, and so is what was below it: the burials are told later.
                Err(Error::Refused(_)) => continue,
                Err(error) => return Err(error),
            };
            if page.more {
                return Ok(None);
            }
            for (entity, _) in page.rows {
                candidates.insert(entity.id);
                self.known.entry(entity.id).or_insert(entity);
            }
        }
        let places = candidates.into_iter().filter_map(|id| self.place_before(id, from));
        let mut below: Vec<_> = places.filter(is_below).collect();
        below.sort_by_key(|place| (place.above.len(), place.entity.ordinal, place.entity.id));
        Ok((below.len() <= max).then_some(below))
    }

    /// Where the entity was before the commit at `from`, if it was there.
    fn place_before(&self, id: EntityId, from: Cursor) -> Option<Place> {
        let there = self.born.get(&id).is_none_or(|born| *born < from)
            && self.died.get(&id).is_none_or(|died| *died >= from);
        let entity = self.known.get(&id).filter(|_| there)?;
        Some(self.place(self.before(entity, from), from))
    }

    fn place(&self, entity: Arc<Entity>, from: Cursor) -> Place {
        let mut above = Vec::new();
        let mut parent = entity.placement.parent;
        while let Some(next) = parent.and_then(|id| self.known.get(&id)) {
            // Where states are newer than the window, the way up may lead in a circle.
            if above.len() == self.known.len() {
                break;
            }
            let next = self.before(next, from);
            parent = next.placement.parent;
            above.push(next);
        }
        Place { entity, above: above.into() }
    }

    /// The entity as it was before the commit at `from` and all later ones.
    fn before(&self, entity: &Arc<Entity>, from: Cursor) -> Arc<Entity> {
        let turns = self.turns.get(&entity.id).map(Vec::as_slice).unwrap_or_default();
        let undone = &turns[turns.partition_point(|turn| turn.at < from)..];
        let Some(first) = undone.first() else { return entity.clone() };
        let mut then = Entity::clone(entity);
        undone.iter().rev().for_each(|turn| turn.undo(&mut then));
        then.revision = Revision::from_number(first.delta.revision.number().saturating_sub(1));
        Arc::new(then)
    }
}
