//! Commits as they were: who was where at a commit that lies a little back.
//!
//! A change is told to the scopes that its entity was in **at that commit**, while the cache and the store already know
//! later ones. A [`Window`] holds the commits in between and undoes their moves and burials.

use std::{collections::HashMap, sync::Arc};

use entitygraph_schema::{Change, Commit, Cursor, Entity, EntityId};
use entitygraph_store::{Result, Store};

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
    /// The entity. Labels and the root mark are those of the moment, values may be newer.
    pub entity: Arc<Entity>,
    /// Nearest first.
    pub above: Arc<[Arc<Entity>]>,
}

/// Consecutive commits that are looked at together.
pub struct Window<'a> {
    cache: &'a Cache,
    store: &'a dyn Store,
    buried: HashMap<EntityId, Arc<Entity>>,
    /// Parent edges that commits of the window took away, in order.
    moved: HashMap<EntityId, Vec<(Cursor, Option<EntityId>)>>,
    /// What was read from the store, as of the end of the window or later.
    read: HashMap<EntityId, Option<Arc<Entity>>>,
}

impl<'a> Window<'a> {
    /// Prepares to look back at the commits.
    pub fn new(cache: &'a Cache, store: &'a dyn Store, commits: &[Arc<Commit>]) -> Self {
        let mut window =
            Self { cache, store, buried: HashMap::new(), moved: HashMap::new(), read: HashMap::new() };
        for commit in commits {
            for change in &commit.changes {
                match change {
                    Change::Changed { entity, left, delta } if delta.patch.parent.is_some() => {
                        window.moved.entry(*entity).or_default().push((commit.cursor, *left));
                    }
                    Change::Buried(entity) => drop(window.buried.insert(entity.id, entity.clone())),
                    _ => {}
                }
            }
        }
        window
    }

    /// The change with its surroundings; `None` for a change of no entity.
    pub async fn step<'c>(&mut self, cursor: Cursor, change: &'c Change) -> Result<Option<Step<'c>>> {
        let (before, after) = match change {
            Change::Created(entity) => {
                (None, Some(self.place(cursor, entity.clone(), entity.placement.parent).await?))
            }
            Change::Buried(entity) => {
                (Some(self.place(cursor, entity.clone(), entity.placement.parent).await?), None)
            }
            Change::Changed { entity: id, left, delta } => {
                let Some(entity) = self.entity(*id).await? else { return Ok(None) };
                let parent = self.parent_at(cursor, &entity);
                let after = self.place(cursor, entity, parent).await?;
                let patch = &delta.patch;
                let before = if patch.parent.is_none() && patch.root.is_none() && patch.labels.is_empty() {
                    after.clone()
                } else {
                    let mut old = Entity::clone(&after.entity);
                    old.root = patch.root.map_or(old.root, |root| !root);
                    for (label, set) in &patch.labels {
                        if *set {
                            old.labels.remove(label);
                        } else {
                            old.labels.insert(label.clone());
                        }
                    }
                    let parent = if patch.parent.is_some() { *left } else { parent };
                    self.place(cursor, Arc::new(old), parent).await?
                };
                (Some(before), Some(after))
            }
            Change::Component(_) | Change::Container(_) | Change::Linked(_) | Change::Unlinked { .. } => {
                return Ok(None);
            }
        };
        Ok(Some(Step { change, before, after }))
    }

    async fn place(
        &mut self,
        cursor: Cursor,
        entity: Arc<Entity>,
        parent: Option<EntityId>,
    ) -> Result<Place> {
        let mut above = Vec::new();
        let mut next = parent;
        while let Some(id) = next {
            let Some(entity) = self.entity(id).await? else { break };
            next = self.parent_at(cursor, &entity);
            above.push(entity);
        }
        Ok(Place { entity, above: above.into() })
    }

    /// The parent right after the commit at `cursor`: what the first later move took it from, else its present one.
    fn parent_at(&self, cursor: Cursor, entity: &Entity) -> Option<EntityId> {
        let moves = self.moved.get(&entity.id).map(Vec::as_slice).unwrap_or_default();
        let later = moves.iter().find(|(moved, _)| *moved > cursor);
        later.map_or(entity.placement.parent, |(_, left)| *left)
    }

    async fn entity(&mut self, id: EntityId) -> Result<Option<Arc<Entity>>> {
        if let Some(entity) = self.cache.peek(id).or_else(|| self.buried.get(&id).cloned()) {
            return Ok(Some(entity));
        }
        if !self.read.contains_key(&id) {
            let found = self.store.entities(&[id]).await?.value.pop().flatten();
            if found.is_some() {
                for above in self.store.ancestors(id).await?.value {
                    self.read.insert(above.id, Some(above));
                }
            }
            self.read.insert(id, found);
        }
        Ok(self.read.get(&id).cloned().flatten())
    }
}
