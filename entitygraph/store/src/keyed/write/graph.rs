//! The world as the transaction being planned sees it: the store, under the batch's earlier transactions, under what the
//! transaction itself did so far.

use std::{cell::RefCell, collections::BTreeMap, ops::Bound, sync::Arc};

use entitygraph_schema::{Catalog, Change, Entity, EntityId, Epoch, LinkKind, Refusal};

use hashbrown::{HashMap, HashSet, hash_map::Entry};

use super::{
    cache::Cache,
    draft::{Draft, Touched},
};
use crate::{
    error::Result,
    keyed::{keys, options::WriterOptions, snapshot::Snapshot, tree::Tree},
};

/// Entities that the writer knows without asking the engine.
pub type EntityCache = Cache<EntityId, Arc<Entity>>;

/// A link's identity: kind, lower end, higher end.
pub type LinkKey = (LinkKind, EntityId, EntityId);

/// What all transactions of a batch are planned on.
pub struct Base<'a> {
    /// The store at the start of the batch.
    pub snapshot: Snapshot<'a>,
    /// In front of the snapshot.
    pub cache: &'a RefCell<EntityCache>,
    /// No id above this one was ever used, so creating above it needs no look into the store.
    pub highest: u64,
    /// Limits.
    pub options: &'a WriterOptions,
}

impl Tree for Base<'_> {
    /// The entity as it was at the start of the batch.
    fn entity(&self, id: EntityId) -> Result<Option<Arc<Entity>>> {
        if id.get() > self.highest {
            return Ok(None);
        }
        if let Some(entity) = self.cache.borrow_mut().get(&id) {
            return Ok(Some(entity));
        }
        let found = self.snapshot.entity(id)?;
        if let Some(entity) = &found {
            self.cache.borrow_mut().insert(id, entity.clone(), entity.size_bytes());
        }
        Ok(found)
    }
}

/// See the module.
pub struct Graph<'a> {
    /// The store.
    pub base: &'a Base<'a>,
    /// Earlier transactions of the batch.
    pub batch: &'a Draft,
    /// This transaction.
    pub draft: Draft,
    /// Entities it touched, in order of the first touch.
    pub order: Vec<EntityId>,
    /// Entities it buried, in order, each as it was at the end.
    pub buried: Vec<Arc<Entity>>,
    /// Entities it adopted: they keep the revision they came with.
    pub adopted: HashSet<EntityId>,
    /// What it published, in order.
    pub published: Vec<Change>,
    /// Costs that links it touched had before; none when there was no link.
    pub links: BTreeMap<LinkKey, Option<f64>>,
    /// Epochs that its writer holds; what it changes is raised to them.
    pub epochs: HashMap<EntityId, Epoch>,
    /// Component types and containers as it sees them.
    pub catalog: Arc<Catalog>,
    /// How many entities are above those under which it put something, as long as it moves nothing.
    ancestors: HashMap<EntityId, usize>,
    /// Entities and links that it may still touch beyond those it names.
    allowance: usize,
}

impl<'a> Graph<'a> {
    /// The world before the transaction; `published` is the catalog of the store.
    pub fn new(base: &'a Base<'a>, batch: &'a Draft, published: &Arc<Catalog>) -> Self {
        let catalog = batch.catalog.as_ref().unwrap_or(published).clone();
        Self {
            base,
            batch,
            draft: Draft::default(),
            order: Vec::new(),
            buried: Vec::new(),
            adopted: HashSet::new(),
            published: Vec::new(),
            links: BTreeMap::new(),
            epochs: HashMap::new(),
            catalog,
            ancestors: HashMap::new(),
            allowance: base.options.touched,
        }
    }

    /// The entity; an unknown one is refused.
    pub fn expect(&self, id: EntityId) -> Result<Arc<Entity>> {
        self.entity(id)?.ok_or_else(|| Refusal::UnknownEntity { entity: id }.into())
    }

    /// Whether the id was used by an entity that is gone.
    pub fn is_buried(&self, id: EntityId) -> Result<bool> {
        match self.draft.entity(id).or_else(|| self.batch.entity(id)) {
            Some(now) => Ok(now.is_none()),
            None if self.draft.entombed.contains(&id) || self.batch.entombed.contains(&id) => Ok(true),
            None if id.get() > self.base.highest => Ok(false),
            None => Ok(self.base.snapshot.get(&keys::buried(id))?.is_some()),
        }
    }

    /// Refuses to put something under a parent that has too many above it.
    pub fn check_room_below(&mut self, parent: EntityId) -> Result<()> {
        let mut levels = 0;
        let mut above = Some(parent);
        while let Some(at) = above {
            if let Some(known) = self.ancestors.get(&at) {
                levels += known;
                break;
            }
            levels += 1;
            Entity::check_ancestors(levels)?;
            above = self.expect(at)?.placement.parent;
        }
        Entity::check_ancestors(levels)?;
        self.ancestors.insert(parent, levels);
        Ok(())
    }

    /// Forgets how deep everything is, because something moves.
    pub fn forget_depths(&mut self) {
        self.ancestors.clear();
    }

    /// Adds a new entity.
    pub fn insert(&mut self, entity: Entity) {
        let id = entity.id;
        self.order.push(id);
        self.draft.entities.insert(id, Touched { before: None, now: Some(Arc::new(entity)) });
    }

    /// The entity, for changes in the name of the transaction's writer; an unknown one is refused.
    pub fn edit(&mut self, id: EntityId) -> Result<&mut Entity> {
        if !self.draft.entities.contains_key(&id) {
            let before = self.expect(id)?;
            self.order.push(id);
            self.draft.entities.insert(id, Touched { now: Some(before.clone()), before: Some(before) });
        }
        let Some(now) = self.draft.entities.get_mut(&id).and_then(|touched| touched.now.as_mut()) else {
            return Err(Refusal::UnknownEntity { entity: id }.into());
        };
        let now = Arc::make_mut(now);
        if let Some(epoch) = self.epochs.get(&id) {
            now.epoch = now.epoch.max(*epoch);
        }
        Ok(now)
    }

    /// Puts an entity in as it is, new or in the place of what is there.
    pub fn adopt(&mut self, entity: Arc<Entity>) -> Result<()> {
        let id = entity.id;
        self.adopted.insert(id);
        if let Some(before) = self.entity(id)? {
            self.touch(&before);
        }
        match self.draft.entities.entry(id) {
            Entry::Occupied(mut touched) => touched.get_mut().now = Some(entity),
            Entry::Vacant(entry) => {
                self.order.push(id);
                entry.insert(Touched { before: None, now: Some(entity) });
            }
        }
        Ok(())
    }

    /// Notes an entity that stays as it is while something around it changes.
    pub fn touch(&mut self, entity: &Arc<Entity>) {
        if let Entry::Vacant(entry) = self.draft.entities.entry(entity.id) {
            self.order.push(entity.id);
            entry.insert(Touched { before: Some(entity.clone()), now: Some(entity.clone()) });
        }
    }

    /// Takes an entity away.
    pub fn remove(&mut self, last: Arc<Entity>) {
        let id = last.id;
        match self.draft.entities.entry(id) {
            Entry::Occupied(mut touched) => touched.get_mut().now = None,
            Entry::Vacant(entry) => {
                self.order.push(id);
                entry.insert(Touched { before: Some(last.clone()), now: None });
            }
        }
        self.buried.push(last);
    }

    /// The rows with a prefix, each counted as touched by the transaction without being named; reads at most one more
    /// than it may touch.
    pub fn touch_rows(&mut self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let rows = self.rows(prefix, self.allowance.saturating_add(1))?;
        let max = self.base.options.touched as u64;
        self.allowance = self.allowance.checked_sub(rows.len()).ok_or(Refusal::TooMany {
            what: "entities and links around those that one transaction moves or buries (take them in parts)",
            count: max + 1,
            max,
        })?;
        Ok(rows)
    }

    /// Children by ordinal and id, each counted as touched.
    pub fn touch_children(&mut self, parent: EntityId) -> Result<Vec<EntityId>> {
        let rows = self.touch_rows(&keys::children(parent.get()))?;
        rows.iter().map(|(key, _)| self.base.snapshot.last_id(key)).collect()
    }

    /// Sets a row that planning reads.
    pub fn put_row(&mut self, key: Vec<u8>, value: &[u8]) {
        self.draft.rows.insert(key, Some(value.to_vec()));
    }

    /// Deletes a row that planning reads.
    pub fn delete_row(&mut self, key: Vec<u8>) {
        self.draft.rows.insert(key, None);
    }

    /// A row that planning reads.
    pub fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.draft.rows.get(key).or_else(|| self.batch.rows.get(key)) {
            Some(value) => Ok(value.clone()),
            None => Ok(self.base.snapshot.get(key)?.map(|value| value.to_vec())),
        }
    }

    /// The rows with a prefix in order, at most `limit`.
    pub fn rows(&self, prefix: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let end = keys::end_of(prefix);
        let range = (Bound::Included(prefix), Bound::Excluded(end.as_slice()));
        let mut over: BTreeMap<&[u8], Option<&[u8]>> = BTreeMap::new();
        for rows in [&self.batch.rows, &self.draft.rows] {
            over.extend(rows.range::<[u8], _>(range).map(|(k, v)| (k.as_slice(), v.as_deref())));
        }
        let mut found = Vec::new();
        let mut pending = over.into_iter().peekable();
        self.base.snapshot.scan(prefix, &end, |key, value| {
            while let Some((k, v)) = pending.next_if(|(k, _)| *k < key) {
                found.extend(v.map(|v| (k.to_vec(), v.to_vec())));
            }
            match pending.next_if(|(k, _)| *k == key) {
                Some((k, v)) => found.extend(v.map(|v| (k.to_vec(), v.to_vec()))),
                None => found.push((key.to_vec(), value.to_vec())),
            }
            Ok(found.len() < limit)
        })?;
        found.extend(pending.filter_map(|(k, v)| Some((k.to_vec(), v?.to_vec()))));
        found.truncate(limit);
        Ok(found)
    }

    /// Whether anything is below the entity.
    pub fn has_children(&self, parent: EntityId) -> Result<bool> {
        Ok(!self.rows(&keys::children(parent.get()), 1)?.is_empty())
    }
}

impl Tree for Graph<'_> {
    /// The entity as it is now.
    fn entity(&self, id: EntityId) -> Result<Option<Arc<Entity>>> {
        match self.draft.entity(id).or_else(|| self.batch.entity(id)) {
            Some(now) => Ok(now.clone()),
            None => self.base.entity(id),
        }
    }
}

/// The tree as a batch leaves it.
pub struct After<'a> {
    /// The store.
    pub base: &'a Base<'a>,
    /// The whole batch.
    pub batch: &'a Draft,
}

impl Tree for After<'_> {
    fn entity(&self, id: EntityId) -> Result<Option<Arc<Entity>>> {
        match self.batch.entity(id) {
            Some(now) => Ok(now.clone()),
            None => self.base.entity(id),
        }
    }
}
