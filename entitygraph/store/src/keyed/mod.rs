//! The embedded store: a world kept as keys and values in an ordered key-value engine.
//!
//! Reading order: [`keys`] is the one table of rows; [`engine`] is what is underneath; [`mod@write`] plans transactions and
//! turns them into rows; [`read`] answers questions from rows; [`log`] is the change sequence; [`space`] and [`route`] are
//! the two indexes with an algorithm of their own; [`check`] says whether all rows agree, [`witness`]
//! whether the engine lost some; [`migrate`] brings rows of older formats up to date.

mod check;
pub mod engine;
pub(crate) mod fault;
mod keys;
mod log;
pub(crate) mod migrate;
mod open;
pub mod options;
mod page;
mod read;
pub(crate) mod recent;
pub mod route;
mod shared;
mod snapshot;
pub mod space;
mod tree;
mod witness;
pub(crate) mod write;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use entitygraph_schema::{
    Catalog, Cursor, Entity, EntityId, IdRange, Link, LinkKind, OperationId, OwnerId, Receipt, Route,
    Transaction,
    query::{At, ChildOrder, Extent, Facet, FacetSort, Hit, Near, Page, PageRequest, Record, RecordSort},
};
use glam::DVec3;
use parking_lot::RwLock;
use tokio::sync::watch;

use self::{
    engine::{Engine, EngineKind, EngineOptions},
    fault::Place,
    options::KeyedOptions,
    read::{counts, feed, find, links, lists, records, subtree},
    recent::Recent,
    shared::Shared,
    snapshot::Snapshot,
    witness::Witness,
};
use crate::{
    contract::{Accepted, Durable, Feed, Store, StoreInfo},
    error::{Error, Result},
};

/// A store over an ordered key-value engine. Dropping it finishes and syncs what was accepted, then frees the folder.
pub struct KeyedStore {
    /// Before `shared`, so that the writer stops first.
    writer: write::Handle,
    shared: Arc<Shared>,
}

impl KeyedStore {
    /// Opens the store in a folder, which is created if it does not exist. Blocks on the disk.
    pub fn open(kind: EngineKind, path: &Path, options: KeyedOptions) -> Result<Self> {
        let (engine, place) = open_engine(kind, path, options.engine.clone())?;
        Self::start(engine, place, options, Some(path))
    }

    /// Opens the store in an engine; `location` is for messages. Blocks on the disk.
    pub fn over(engine: Arc<dyn Engine>, location: String, options: KeyedOptions) -> Result<Self> {
        Self::start(engine, Place { location }, options, None)
    }

    /// With a folder there is a witness in it.
    fn start(
        engine: Arc<dyn Engine>,
        place: Place,
        options: KeyedOptions,
        folder: Option<&Path>,
    ) -> Result<Self> {
        let is_store = {
            let view = engine.view();
            let snapshot = Snapshot { view: &*view, place: &place };
            let is_store = open::is_store(&snapshot)?;
            // Before a store is made of an engine that lost everything: what it then counts from may be a later cursor.
            if let Some(folder) = folder {
                witness::examine(folder, &place, open::load_mark(&snapshot)?)?;
            }
            is_store
        };
        if !is_store {
            open::create(&*engine, &place, options.begin)?;
        }
        let witness = folder.map(|folder| Witness::start(folder.to_owned(), &place)).transpose()?;
        let state = {
            let view = engine.view();
            open::State::load(&Snapshot { view: &*view, place: &place })?
        };
        let recent = Recent::new(state.log.oldest(), state.log.newest, &options.retention);
        let shared = Arc::new(Shared {
            engine,
            place,
            options,
            catalog: RwLock::new(state.catalog.clone()),
            recent: RwLock::new(recent),
            newest: watch::Sender::new(state.log.newest),
        });
        Ok(Self { writer: write::Handle::start(shared.clone(), state, witness)?, shared })
    }

    /// Compares all rows with each other and says what disagrees; empty for a sound store. Reads everything: for tests
    /// and for an operator who suspects damage.
    pub async fn check(&self) -> Result<Vec<String>> {
        Ok(self.ask(check::check).await?.value)
    }

    /// Answers a question from one moment, off the async threads: even a cached read may wait for the disk.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Result<At<T>> {
        let shared = self.shared.clone();
        blocking(move || {
            shared.read(|snapshot| Ok(At { cursor: snapshot.newest()?, value: question(snapshot)? }))
        })
        .await
    }
}

/// The engine in a folder, with its keyspaces as the table of keys wants them.
fn open_engine(
    kind: EngineKind,
    path: &Path,
    mut options: EngineOptions,
) -> Result<(Arc<dyn Engine>, Place)> {
    options.split_at = keys::SPLIT_AT.to_vec();
    let place = Place { location: format!("{kind}:{}", path.display()) };
    let engine = kind.open(path, &options).map_err(|e| place.fault("opening", e))?;
    Ok((engine, place))
}

/// Runs work that blocks; a panic in it goes on in the caller.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Stopped),
        },
    }
}

#[async_trait]
impl Store for KeyedStore {
    fn info(&self) -> StoreInfo {
        let engine = &self.shared.engine;
        StoreInfo {
            engine: engine.name(),
            location: self.shared.place.location.clone(),
            caveat: engine.caveat(),
        }
    }

    async fn disk_bytes(&self) -> Result<u64> {
        let shared = self.shared.clone();
        blocking(move || Ok(shared.engine.disk_bytes())).await
    }

    async fn room(&self) -> Result<()> {
        let shared = self.shared.clone();
        blocking(move || shared.engine.room().map_err(|e| shared.place.read_fault(e))).await
    }

    async fn compact(&self) -> Result<()> {
        let shared = self.shared.clone();
        blocking(move || shared.engine.compact().map_err(|e| shared.place.read_fault(e))).await
    }

    async fn lease_ids(&self, count: u64) -> Result<IdRange> {
        self.writer.lease(count).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Durable<Receipt>> {
        self.writer.apply(transaction, true).await.map(Durable)
    }

    async fn accept(&self, transaction: Transaction) -> Result<Accepted<Receipt>> {
        self.writer.apply(transaction, false).await.map(Accepted)
    }

    async fn sync(&self) -> Result<Durable<Cursor>> {
        self.writer.sync().await.map(Durable)
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.shared.catalog.read().clone()
    }

    fn newest(&self) -> watch::Receiver<Cursor> {
        self.shared.newest.subscribe()
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Feed> {
        if let Some(feed) = self.shared.recent.read().after(after, limit) {
            return Ok(feed);
        }
        Ok(self.ask(move |snapshot| feed::changes(snapshot, after, limit)).await?.value)
    }

    async fn moved(&self) -> Result<Option<OperationId>> {
        let read = |snapshot: &Snapshot<'_>| {
            let Some(value) = snapshot.get(&keys::moved())? else { return Ok(None) };
            let id = String::from_utf8(value.to_vec()).ok().and_then(|text| OperationId::new(text).ok());
            id.map(Some).ok_or_else(|| snapshot.place.corrupt("the operation id of its newest move is none"))
        };
        Ok(self.ask(read).await?.value)
    }

    async fn entities(&self, ids: &[EntityId]) -> Result<At<Vec<Option<Arc<Entity>>>>> {
        lists::check_ids(ids)?;
        let ids = ids.to_vec();
        self.ask(move |snapshot| lists::entities(snapshot, &ids)).await
    }

    async fn records(&self, sort: RecordSort, page: PageRequest) -> Result<At<Page<Record>>> {
        self.ask(move |snapshot| records::records(snapshot, sort, &page)).await
    }

    async fn children(
        &self,
        parent: Option<EntityId>,
        order: ChildOrder,
        page: PageRequest,
    ) -> Result<At<Page<EntityId>>> {
        self.ask(move |snapshot| lists::children(snapshot, parent, order, &page)).await
    }

    async fn ancestors(&self, entity: EntityId) -> Result<At<Vec<Arc<Entity>>>> {
        self.ask(move |snapshot| lists::ancestors(snapshot, entity)).await
    }

    async fn subtree(
        &self,
        root: EntityId,
        extent: Extent,
        page: PageRequest,
    ) -> Result<At<Page<Arc<Entity>>>> {
        self.ask(move |snapshot| subtree::subtree(snapshot, root, extent, &page)).await
    }

    async fn find(
        &self,
        below: Option<EntityId>,
        any_of: &[Facet],
        page: PageRequest,
    ) -> Result<At<Page<EntityId>>> {
        let any_of = any_of.to_vec();
        self.ask(move |snapshot| find::find(snapshot, below, &any_of, &page)).await
    }

    async fn total(&self, below: Option<EntityId>) -> Result<At<u64>> {
        self.ask(move |snapshot| counts::total(snapshot, below)).await
    }

    async fn counts(&self, below: Option<EntityId>) -> Result<At<Vec<(Facet, u64)>>> {
        self.ask(move |snapshot| counts::counts(snapshot, below)).await
    }

    async fn counts_by(
        &self,
        below: Option<EntityId>,
        sort: FacetSort,
        page: PageRequest,
    ) -> Result<At<Page<(Facet, u64)>>> {
        self.ask(move |snapshot| counts::counts_by(snapshot, below, sort, &page)).await
    }

    async fn counts_of(&self, below: Option<EntityId>, facets: &[Facet]) -> Result<At<Vec<(Facet, u64)>>> {
        counts::check(facets)?;
        let facets = facets.to_vec();
        self.ask(move |snapshot| counts::counts_of(snapshot, below, &facets)).await
    }

    async fn owned(&self, owner: &OwnerId, page: PageRequest) -> Result<At<Page<EntityId>>> {
        let owner = owner.clone();
        self.ask(move |snapshot| lists::owned(snapshot, &owner, &page)).await
    }

    async fn named(&self, prefix: &str, page: PageRequest) -> Result<At<Page<EntityId>>> {
        let prefix = prefix.to_owned();
        self.ask(move |snapshot| lists::named(snapshot, &prefix, &page)).await
    }

    async fn near(&self, near: &Near) -> Result<At<Vec<Hit>>> {
        let near = near.clone();
        self.ask(move |snapshot| space::near(snapshot, &near)).await
    }

    async fn zones_at(&self, zone: EntityId, point: DVec3) -> Result<At<Vec<EntityId>>> {
        self.ask(move |snapshot| space::zones_at(snapshot, zone, point)).await
    }

    async fn links(&self, entity: EntityId, page: PageRequest) -> Result<At<Page<Link>>> {
        self.ask(move |snapshot| links::links(snapshot, entity, &page)).await
    }

    async fn zone_links(&self, zone: EntityId, page: PageRequest) -> Result<At<Page<Link>>> {
        self.ask(move |snapshot| links::zone_links(snapshot, zone, &page)).await
    }

    async fn route(&self, from: EntityId, to: EntityId, kind: &LinkKind) -> Result<At<Option<Route>>> {
        let kind = kind.clone();
        self.ask(move |snapshot| links::route(snapshot, from, to, &kind)).await
    }
}

#[cfg(test)]
mod tests;
