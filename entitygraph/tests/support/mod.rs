//! A store that answers subtree and entity reads only when it is told to, and fails when it is told to, so that tests decide
//! what happens meanwhile.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use entitygraph_schema::{
    Catalog, Cursor, Entity, EntityId, IdRange, Link, LinkKind, OperationId, OwnerId, Receipt, Route,
    Transaction,
    query::{At, ChildOrder, Extent, Facet, FacetSort, Hit, Near, Page, PageRequest, Record, RecordSort},
};
use entitygraph_store::{Accepted, Durable, Error, Feed, MemoryStore, Result, Store, StoreInfo};
use glam::DVec3;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

/// See the module.
pub struct GatedStore {
    inner: MemoryStore,
    /// Subtree and entity reads that have read and wait to be let through.
    pub gate: Semaphore,
    /// Whether its writer is gone.
    stopped: AtomicBool,
    /// How the next reads of the change sequence fail, the first one first.
    pub faults: Mutex<VecDeque<Error>>,
    /// Reads of entities by id and of ancestors so far.
    entity_reads: AtomicUsize,
}

impl GatedStore {
    /// A store whose gate is closed.
    pub fn closed() -> Arc<Self> {
        let (faults, entity_reads) = (Mutex::default(), AtomicUsize::new(0));
        let (gate, stopped) = (Semaphore::new(0), AtomicBool::new(false));
        Arc::new(Self { inner: MemoryStore::new(), gate, stopped, faults, entity_reads })
    }

    /// Reads of entities by id and of ancestors so far.
    pub fn entity_reads(&self) -> usize {
        self.entity_reads.load(Ordering::Relaxed)
    }

    /// Lets every read through from now on.
    pub fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Takes no more writes, as a store does whose writer ended.
    #[allow(dead_code)] // not every test that uses this module stops it
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn writes(&self) -> Result<()> {
        if self.stopped.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    }

    async fn pass(&self) {
        drop(self.gate.acquire().await.expect("the gate is never removed"));
    }
}

#[async_trait]
impl Store for GatedStore {
    fn info(&self) -> StoreInfo {
        self.inner.info()
    }
    async fn disk_bytes(&self) -> Result<u64> {
        self.inner.disk_bytes().await
    }
    async fn room(&self) -> Result<()> {
        self.inner.room().await
    }
    async fn compact(&self) -> Result<()> {
        self.inner.compact().await
    }

    async fn lease_ids(&self, count: u64) -> Result<IdRange> {
        self.writes()?;
        self.inner.lease_ids(count).await
    }
    async fn commit(&self, transaction: Transaction) -> Result<Durable<Receipt>> {
        self.writes()?;
        self.inner.commit(transaction).await
    }
    async fn accept(&self, transaction: Transaction) -> Result<Accepted<Receipt>> {
        self.inner.accept(transaction).await
    }
    async fn sync(&self) -> Result<Durable<Cursor>> {
        self.inner.sync().await
    }
    fn catalog(&self) -> Arc<Catalog> {
        self.inner.catalog()
    }
    fn newest(&self) -> watch::Receiver<Cursor> {
        self.inner.newest()
    }
    async fn moved(&self) -> Result<Option<OperationId>> {
        self.inner.moved().await
    }
    async fn changes(&self, after: Cursor, limit: usize) -> Result<Feed> {
        let fault = self.faults.lock().pop_front();
        match fault {
            Some(fault) => Err(fault),
            None => self.inner.changes(after, limit).await,
        }
    }
    async fn entities(&self, ids: &[EntityId]) -> Result<At<Vec<Option<Arc<Entity>>>>> {
        self.entity_reads.fetch_add(1, Ordering::Relaxed);
        let answer = self.inner.entities(ids).await;
        self.pass().await;
        answer
    }
    async fn children(
        &self,
        parent: Option<EntityId>,
        order: ChildOrder,
        page: PageRequest,
    ) -> Result<At<Page<EntityId>>> {
        self.inner.children(parent, order, page).await
    }
    async fn ancestors(&self, entity: EntityId) -> Result<At<Vec<Arc<Entity>>>> {
        self.entity_reads.fetch_add(1, Ordering::Relaxed);
        self.inner.ancestors(entity).await
    }
    async fn subtree(
        &self,
        root: EntityId,
        extent: Extent,
        page: PageRequest,
    ) -> Result<At<Page<Arc<Entity>>>> {
        let answer = self.inner.subtree(root, extent, page).await;
        self.pass().await;
        answer
    }
    async fn find(
        &self,
        below: Option<EntityId>,
        any_of: &[Facet],
        page: PageRequest,
    ) -> Result<At<Page<EntityId>>> {
        self.inner.find(below, any_of, page).await
    }
    async fn total(&self, below: Option<EntityId>) -> Result<At<u64>> {
        self.inner.total(below).await
    }
    async fn records(&self, sort: RecordSort, page: PageRequest) -> Result<At<Page<Record>>> {
        self.inner.records(sort, page).await
    }
    async fn counts(&self, below: Option<EntityId>) -> Result<At<Vec<(Facet, u64)>>> {
        self.inner.counts(below).await
    }
    async fn counts_by(
        &self,
        below: Option<EntityId>,
        sort: FacetSort,
        page: PageRequest,
    ) -> Result<At<Page<(Facet, u64)>>> {
        self.inner.counts_by(below, sort, page).await
    }
    async fn counts_of(&self, below: Option<EntityId>, facets: &[Facet]) -> Result<At<Vec<(Facet, u64)>>> {
        self.inner.counts_of(below, facets).await
    }
    async fn owned(&self, owner: &OwnerId, page: PageRequest) -> Result<At<Page<EntityId>>> {
        self.inner.owned(owner, page).await
    }
    async fn named(&self, prefix: &str, page: PageRequest) -> Result<At<Page<EntityId>>> {
        self.inner.named(prefix, page).await
    }
    async fn near(&self, near: &Near) -> Result<At<Vec<Hit>>> {
        self.inner.near(near).await
    }
    async fn zones_at(&self, zone: EntityId, point: DVec3) -> Result<At<Vec<EntityId>>> {
        self.inner.zones_at(zone, point).await
    }
    async fn links(&self, entity: EntityId, page: PageRequest) -> Result<At<Page<Link>>> {
        self.inner.links(entity, page).await
    }
    async fn zone_links(&self, zone: EntityId, page: PageRequest) -> Result<At<Page<Link>>> {
        self.inner.zone_links(zone, page).await
    }
    async fn route(&self, from: EntityId, to: EntityId, kind: &LinkKind) -> Result<At<Option<Route>>> {
        self.inner.route(from, to, kind).await
    }
}
