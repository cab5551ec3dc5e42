//! The read cache: entities and subtrees in memory, bounded by bytes.
//!
//! It is told of every commit in order ([`Cache::apply`], by the change follower) and changes or forgets what the commit
//! touched, so what it holds is true for the newest commit it was told of. What a store read brings is put in only if no commit in
//! between touched it; `fill_*` checks that. A subtree is kept whole, as it was read from one moment. A commit forgets it
//! or replaces it once with all that changed in it: no reader ever sees half of a transaction in it.

mod told;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use entitygraph_schema::{Change, Commit, Cursor, Delta, Entity, EntityId, query::Extent};
use moka::{notification::RemovalCause, sync::Cache as Moka};
use parking_lot::RwLock;
use prometheus::IntCounter;

use crate::Metrics;
use told::Told;

/// Entities below a root in load order, from one moment.
pub type Subtree = Arc<[Arc<Entity>]>;

/// Which subtree: its root and how far down it goes.
pub type SubtreeKey = (EntityId, Extent);

/// The cache. See the module.
#[derive(Debug)]
pub struct Cache {
    entities: Moka<EntityId, Arc<Entity>>,
    subtrees: Moka<SubtreeKey, Subtree>,
    /// Held for reading while entries are combined or put in, for writing while a commit is applied. Short sections only.
    told: RwLock<Told>,
    hits: IntCounter,
    misses: IntCounter,
    metrics: Metrics,
}

/// A commit of at most this many changes puts what it created into the cache.
const SMALL_COMMIT: usize = 64;

/// Larger subtrees are read again after a change instead of being copied.
const PATCHED_SUBTREE_MAX: usize = 512;

/// Entities with a note of the subtrees they are in; at the bound the subtrees start again.
const MEMBERS_MAX: usize = 1_000_000;

impl Cache {
    /// An empty cache of at most `max_bytes`, split evenly between entities and subtrees.
    pub fn new(max_bytes: u64, metrics: Metrics) -> Self {
        let evicted = |metrics: &Metrics| {
            let counter = metrics.cache_evictions.clone();
            move |cause| {
                if cause == RemovalCause::Size {
                    counter.inc();
                }
            }
        };
        let (entity_evicted, subtree_evicted) = (evicted(&metrics), evicted(&metrics));
        let entities = Moka::builder()
            .max_capacity(max_bytes / 2)
            .eviction_listener(move |_, _, cause| entity_evicted(cause))
            .weigher(|_, entity: &Arc<Entity>| u32::try_from(entity.size_bytes()).unwrap_or(u32::MAX))
            .build();
        let subtrees = Moka::builder()
            .max_capacity(max_bytes / 2)
            .eviction_listener(move |_, _, cause| subtree_evicted(cause))
            .weigher(|_, subtree: &Subtree| {
                let bytes: usize = subtree.iter().map(|entity| entity.size_bytes() + 32).sum();
                u32::try_from(bytes).unwrap_or(u32::MAX)
            })
            .build();
        let [hits, misses] = ["hit", "miss"].map(|result| metrics.cache_lookups.with_label_values(&[result]));
        Self { entities, subtrees, told: RwLock::default(), hits, misses, metrics }
    }

    /// The newest commit that the cache was told of.
    pub fn cursor(&self) -> Cursor {
        self.told.read().cursor
    }

    /// The entity, if it is here.
    pub fn entity(&self, id: EntityId) -> Option<Arc<Entity>> {
        self.count(self.entities.get(&id))
    }

    /// The entity, if it is here, without counting the look-up: for the process's own needs.
    pub fn peek(&self, id: EntityId) -> Option<Arc<Entity>> {
        self.entities.get(&id)
    }

    /// The subtree, if it is here.
    pub fn subtree(&self, key: SubtreeKey) -> Option<Subtree> {
        self.count(self.subtrees.get(&key))
    }

    /// The entity's ancestors, nearest first, if all of them are here, as they are at one moment.
    pub fn ancestors(&self, id: EntityId) -> Option<Vec<Arc<Entity>>> {
        let _one_moment = self.told.read();
        let mut ancestors = Vec::new();
        let mut parent = self.entities.get(&id)?.placement.parent;
        while let Some(id) = parent {
            let entity = self.entities.get(&id)?;
            parent = entity.placement.parent;
            ancestors.push(entity);
        }
        Some(ancestors)
    }

    /// The entity, if it is here; counted only then, for callers that will ask [`Self::entity`] otherwise.
    pub fn entity_or_later(&self, id: EntityId) -> Option<Arc<Entity>> {
        self.entities.get(&id).inspect(|_| self.hits.inc())
    }

    /// The subtree, if it is here; counted only then, for callers that will ask [`Self::subtree`] otherwise.
    pub fn subtree_or_later(&self, key: SubtreeKey) -> Option<Subtree> {
        self.subtrees.get(&key).inspect(|_| self.hits.inc())
    }

    fn count<T>(&self, found: Option<T>) -> Option<T> {
        if found.is_some() {
            self.hits.inc()
        } else {
            self.misses.inc()
        }
        found
    }

    /// Puts in entities that were read from the store at `cursor`, which the cache has been told of.
    pub fn fill_entities(&self, cursor: Cursor, entities: impl IntoIterator<Item = Arc<Entity>>) {
        let told = self.told.read();
        for entity in entities {
            if told.untouched_since(entity.id, cursor) {
                self.entities.insert(entity.id, entity);
            }
        }
        self.metrics.cache_bytes.set(self.weight());
    }

    /// Puts in a whole subtree that was read from the store at `cursor`, which the cache has been told of.
    pub fn fill_subtree(&self, cursor: Cursor, key: SubtreeKey, subtree: Subtree) {
        let mut told = self.told.write();
        if key.1 == Extent::Aggregate && cursor < told.marked {
            return;
        }
        if !subtree.iter().all(|entity| told.untouched_since(entity.id, cursor)) {
            return;
        }
        if told.members.len() > MEMBERS_MAX {
            self.subtrees.invalidate_all();
            told.members.clear();
        }
        for entity in subtree.iter() {
            let keys = told.members.entry(entity.id).or_default();
            if !keys.contains(&key) {
                keys.push(key);
            }
            self.entities.insert(entity.id, entity.clone());
        }
        self.subtrees.insert(key, subtree);
        self.metrics.cache_bytes.set(self.weight());
    }

    /// Follows a commit: what it changed is changed here too or forgotten. Commits come in order, none is left out.
    pub fn apply(&self, commit: &Commit) {
        let mut told = self.told.write();
        let mut patched = HashMap::new();
        let mut marked_somewhere = false;
        for change in &commit.changes {
            match change {
                Change::Created(entity) => {
                    self.forget_around(&mut told, entity.placement.parent, commit.cursor);
                    told.touch(entity.id, commit.cursor);
                    // A bulk load must not push out what is in use.
                    if commit.changes.len() <= SMALL_COMMIT {
                        self.entities.insert(entity.id, entity.clone());
                    }
                }
                Change::Changed { entity: id, left, delta } => {
                    let patch = &delta.patch;
                    let changed = self.change(*id, delta);
                    if let (None, Some(_)) = (&patch.parent, patch.root) {
                        // An aggregate that it was not in may have it now: the one that its parent is in.
                        match &changed {
                            Some(entity) => {
                                self.forget_around(&mut told, entity.placement.parent, commit.cursor);
                            }
                            None => marked_somewhere = true,
                        }
                    }
                    match changed {
                        Some(entity)
                            if patch.parent.is_none() && patch.ordinal.is_none() && patch.root.is_none() =>
                        {
                            patched.insert(*id, entity);
                        }
                        _ => self.forget_subtrees(&mut told, *id),
                    }
                    self.forget_around(&mut told, *left, commit.cursor);
                    let entered = patch.parent.as_ref().map(|(parent, _)| *parent);
                    self.forget_around(&mut told, entered, commit.cursor);
                    told.touch(*id, commit.cursor);
                }
                Change::Buried(entity) => {
                    self.entities.invalidate(&entity.id);
                    self.forget_subtrees(&mut told, entity.id);
                    self.forget_around(&mut told, entity.placement.parent, commit.cursor);
                    told.touch(entity.id, commit.cursor);
                }
                Change::Component(_)
                | Change::Container(_)
                | Change::Linked(_)
                | Change::Unlinked { .. }
                | Change::Entombed(_) => {}
            }
        }
        if marked_somewhere {
            self.forget_aggregates(&mut told, commit.cursor);
        }
        self.patch_subtrees(&told, &patched);
        told.cursor = commit.cursor;
    }

    /// Applies a delta to the cached entity; `None` if it is not here.
    fn change(&self, id: EntityId, delta: &Delta) -> Option<Arc<Entity>> {
        let changed = self.entities.get(&id).and_then(|old| {
            let mut entity = Entity::clone(&old);
            let next = old.revision.next() == delta.revision && delta.apply(&mut entity);
            next.then(|| Arc::new(entity))
        });
        match &changed {
            Some(entity) => self.entities.insert(id, entity.clone()),
            None => self.entities.invalidate(&id),
        }
        changed
    }

    /// Puts all that a commit changed into the subtrees that it is in, each of them at once.
    fn patch_subtrees(&self, told: &Told, patched: &HashMap<EntityId, Arc<Entity>>) {
        let keys: HashSet<_> = patched.keys().filter_map(|id| told.members.get(id)).flatten().collect();
        for key in keys {
            let Some(old) = self.subtrees.get(key) else { continue };
            if old.len() > PATCHED_SUBTREE_MAX {
                self.subtrees.invalidate(key);
                continue;
            }
            let now = old.iter().map(|entity| patched.get(&entity.id).unwrap_or(entity).clone());
            self.subtrees.insert(*key, now.collect());
        }
    }

    /// Forgets everything: the change sequence was not followed up to `cursor`.
    pub fn reset(&self, cursor: Cursor) {
        let mut told = self.told.write();
        self.entities.invalidate_all();
        self.subtrees.invalidate_all();
        *told = Told::from(cursor);
    }

    /// An entity whose children changed stays, the subtrees that it is in leave.
    fn forget_around(&self, told: &mut Told, id: Option<EntityId>, cursor: Cursor) {
        if let Some(id) = id {
            self.forget_subtrees(told, id);
            told.touch(id, cursor);
        }
    }

    /// What became part of an aggregate, or ceased to be, is not here, nor what is above it.
    fn forget_aggregates(&self, told: &mut Told, cursor: Cursor) {
        for (key, _) in self.subtrees.iter().filter(|(key, _)| key.1 == Extent::Aggregate) {
            self.subtrees.invalidate(&*key);
        }
        told.marked = cursor;
    }

    fn forget_subtrees(&self, told: &mut Told, id: EntityId) {
        for key in told.members.remove(&id).unwrap_or_default() {
            self.subtrees.invalidate(&key);
        }
    }

    fn weight(&self) -> i64 {
        i64::try_from(self.entities.weighted_size() + self.subtrees.weighted_size()).unwrap_or(i64::MAX)
    }
}
