//! A store in memory: the simplest thing that keeps the contract, and so the reference that other stores are compared
//! with. It shares no graph logic with them: it walks where they look up.
//!
//! One lock holds the whole `State`. A write takes it alone, works on the world through a `Draft` that can undo
//! everything, and appends to the `log::Log` what came of it; a read takes it shared, so it sees one moment.
//!
//! Reading order: `world` is what there is, `draft` changes it all or nothing, `apply`, `reparent`, `adopt` and `checks`
//! are the rules, `log` is the change sequence; `lists`, `pages`, `space` and `routes` answer questions.

mod adopt;
pub(crate) mod apply;
mod checks;
mod draft;
mod lists;
mod log;
pub(crate) mod pages;
mod reparent;
mod routes;
mod space;
pub(crate) mod world;

use std::sync::Arc;

use async_trait::async_trait;
use entitygraph_schema::{
    Catalog, Cursor, Entity, EntityId, IdRange, Link, LinkKind, OperationId, OwnerId, Receipt, Refusal,
    Route, Transaction,
    query::{At, ChildOrder, Extent, Facet, FacetSort, Hit, Near, Page, PageRequest, Record, RecordSort},
};
use glam::DVec3;
use parking_lot::RwLock;
use tokio::sync::watch;

use self::{log::Log, world::World};
use crate::{
    contract::{Accepted, Durable, Feed, Store, StoreInfo},
    error::{Error, Result},
};

/// Bounds of a [`MemoryStore`].
#[derive(Debug, Clone, Copy)]
pub struct MemoryConfig {
    /// Where the change sequence begins, see [`crate::StoreOptions::begin`]. Default zero.
    pub begin: Cursor,
    /// Commits that the change sequence keeps; readers that lag more must resync. At least 1.
    pub retained_commits: usize,
}

impl Default for MemoryConfig {
    /// 65,536 commits: minutes of a busy shard.
    fn default() -> Self {
        Self { begin: Cursor::ZERO, retained_commits: 65_536 }
    }
}

/// A whole shard in memory; nothing survives the process. Cheap questions only by walking: for tests, tools and small
/// worlds.
pub struct MemoryStore {
    /// The one lock; never held across an await.
    state: RwLock<State>,
    /// Written under the lock, so that it never runs ahead of or behind what readers see.
    newest: watch::Sender<Cursor>,
}

struct State {
    world: World,
    log: Log,
    next_id: u64,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// Most ids of one lease.
    const MAX_LEASE: u64 = 1 << 32;

    /// An empty store with the default bounds.
    pub fn new() -> Self {
        Self::with(MemoryConfig::default())
    }

    /// An empty store.
    pub fn with(config: MemoryConfig) -> Self {
        let state = State {
            world: World::default(),
            log: Log::new(config.begin, config.retained_commits),
            next_id: EntityId::FIRST_LEASED.get(),
        };
        Self { state: RwLock::new(state), newest: watch::Sender::new(config.begin) }
    }

    fn write(&self, transaction: &Transaction) -> Result<Receipt> {
        let mut state = self.state.write();
        let State { world, log, .. } = &mut *state;
        if let Some(first) = log.replay(transaction)? {
            return Ok(first);
        }
        let changes = apply::transaction(world, transaction)?;
        let receipt = log.append(transaction, changes);
        self.newest.send_if_modified(|newest| std::mem::replace(newest, receipt.cursor) != receipt.cursor);
        Ok(receipt)
    }

    fn read<T>(&self, question: impl FnOnce(&World) -> std::result::Result<T, Refusal>) -> Result<At<T>> {
        let state = self.state.read();
        Ok(At { cursor: state.log.newest(), value: question(&state.world).map_err(Error::Refused)? })
    }
}

impl State {
    /// Steps over ids that callers brought themselves, so that no leased id is taken already.
    fn lease(&mut self, count: u64) -> std::result::Result<IdRange, Refusal> {
        if count == 0 {
            return Err(Refusal::Invalid {
                what: "the id lease",
                reason: "ask for at least one id".to_owned(),
            });
        }
        if count > MemoryStore::MAX_LEASE {
            return Err(Refusal::TooMany { what: "ids in one lease", count, max: MemoryStore::MAX_LEASE });
        }
        let mut first = self.next_id;
        loop {
            let start = EntityId::new(first).ok_or(Refusal::IdsExhausted)?;
            let end = start.checked_add(count - 1).ok_or(Refusal::IdsExhausted)?;
            match self.world.last_used_id(start, end) {
                Some(used) => first = used.get().checked_add(1).ok_or(Refusal::IdsExhausted)?,
                None => {
                    // Past the last id of all there is zero, which is no id: the next lease finds none left.
                    self.next_id = end.get().wrapping_add(1);
                    return Ok(IdRange { first: start, count });
                }
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            engine: "memory",
            location: "memory:".to_owned(),
            caveat: Some("nothing survives the end of the process: use fjall:PATH for a world to keep"),
        }
    }

    async fn disk_bytes(&self) -> Result<u64> {
        Ok(0)
    }

    async fn room(&self) -> Result<()> {
        Ok(())
    }

    async fn compact(&self) -> Result<()> {
        Ok(())
    }

    async fn lease_ids(&self, count: u64) -> Result<IdRange> {
        Ok(self.state.write().lease(count)?)
    }

    async fn commit(&self, transaction: Transaction) -> Result<Durable<Receipt>> {
        self.write(&transaction).map(Durable)
    }

    async fn accept(&self, transaction: Transaction) -> Result<Accepted<Receipt>> {
        self.write(&transaction).map(Accepted)
    }

    async fn sync(&self) -> Result<Durable<Cursor>> {
        Ok(Durable(self.state.read().log.newest()))
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.state.read().world.catalog.clone()
    }

    fn newest(&self) -> watch::Receiver<Cursor> {
        self.newest.subscribe()
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Feed> {
        Ok(self.state.read().log.after(after, limit))
    }

    async fn moved(&self) -> Result<Option<OperationId>> {
        Ok(self.state.read().log.moved.clone())
    }

    async fn entities(&self, ids: &[EntityId]) -> Result<At<Vec<Option<Arc<Entity>>>>> {
        self.read(|world| lists::entities(world, ids))
    }

    async fn records(&self, sort: RecordSort, page: PageRequest) -> Result<At<Page<Record>>> {
        self.read(|world| lists::records(world, sort, &page))
    }

    async fn children(
        &self,
        parent: Option<EntityId>,
        order: ChildOrder,
        page: PageRequest,
    ) -> Result<At<Page<EntityId>>> {
        self.read(|world| lists::children(world, parent, order, &page))
    }

    async fn ancestors(&self, entity: EntityId) -> Result<At<Vec<Arc<Entity>>>> {
        self.read(|world| world.known(entity).map(|known| world.ancestors(known).cloned().collect()))
    }

    async fn subtree(
        &self,
        root: EntityId,
        extent: Extent,
        page: PageRequest,
    ) -> Result<At<Page<Arc<Entity>>>> {
        self.read(|world| lists::subtree(world, root, extent, &page))
    }

    async fn find(
        &self,
        below: Option<EntityId>,
        any_of: &[Facet],
        page: PageRequest,
    ) -> Result<At<Page<EntityId>>> {
        self.read(|world| lists::find(world, below, any_of, &page))
    }

    async fn total(&self, below: Option<EntityId>) -> Result<At<u64>> {
        self.read(|world| lists::total(world, below))
    }

    async fn counts(&self, below: Option<EntityId>) -> Result<At<Vec<(Facet, u64)>>> {
        self.read(|world| lists::counts(world, below))
    }

    async fn counts_by(
        &self,
        below: Option<EntityId>,
        sort: FacetSort,
        page: PageRequest,
    ) -> Result<At<Page<(Facet, u64)>>> {
        self.read(|world| lists::counts_by(world, below, sort, &page))
    }

    async fn counts_of(&self, below: Option<EntityId>, facets: &[Facet]) -> Result<At<Vec<(Facet, u64)>>> {
        self.read(|world| lists::counts_of(world, below, facets))
    }

    async fn owned(&self, owner: &OwnerId, page: PageRequest) -> Result<At<Page<EntityId>>> {
        self.read(|world| lists::owned(world, owner, &page))
    }

    async fn named(&self, prefix: &str, page: PageRequest) -> Result<At<Page<EntityId>>> {
        self.read(|world| lists::named(world, prefix, &page))
    }

    async fn near(&self, near: &Near) -> Result<At<Vec<Hit>>> {
        self.read(|world| space::near(world, near))
    }

    async fn zones_at(&self, zone: EntityId, point: DVec3) -> Result<At<Vec<EntityId>>> {
        self.read(|world| space::zones_at(world, zone, point))
    }

    async fn links(&self, entity: EntityId, page: PageRequest) -> Result<At<Page<Link>>> {
        self.read(|world| lists::links(world, entity, &page))
    }

    async fn zone_links(&self, zone: EntityId, page: PageRequest) -> Result<At<Page<Link>>> {
        self.read(|world| lists::zone_links(world, zone, &page))
    }

    async fn route(&self, from: EntityId, to: EntityId, kind: &LinkKind) -> Result<At<Option<Route>>> {
        self.read(|world| routes::route(world, from, to, kind))
    }
}

#[cfg(test)]
mod tests;
