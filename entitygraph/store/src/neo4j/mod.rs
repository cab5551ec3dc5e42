//! The Neo4j store: a world as nodes and relationships of a database that several instances share.
//!
//! What is in the database, how a write and a read go and what is guaranteed is told in `docs/neo4j.md`.
//!
//! Reading order: [`address`] and [`options`], [`client`] is the way to the server, [`statements`] all Cypher; [`row`] makes an entity
//! a node, [`facets`], [`census`] and [`space`] are its indexes; [`log`] is the change sequence, [`feed`] follows it, [`retention`]
//! trims it, [`turn`] is the lock and [`mod@write`] what is done with it, [`moment`] lets reads see one moment, [`read`] are the questions.

pub mod address;
mod catalog;
mod census;
mod client;
mod concern;
mod contact;
mod facets;
pub(crate) mod fault;
mod feed;
pub mod figures;
mod link_row;
mod log;
mod message;
pub mod migrate;
mod moment;
mod nodelay;
mod number;
mod open;
pub mod options;
mod read;
mod retention;
mod row;
mod shared;
mod space;
mod statement;
mod statements;
#[cfg(test)]
mod tests;
mod turn;
mod write;

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use entitygraph_schema::{
    Catalog, Cursor, Entity, EntityId, IdRange, Link, LinkKind, OperationId, OwnerId, Receipt, Route,
    Transaction,
    query::{At, ChildOrder, Extent, Facet, FacetSort, Hit, Near, Page, PageRequest, Record, RecordSort},
};
use glam::DVec3;
use prometheus::core::Collector;
use tokio::sync::watch;

use self::{
    address::Address,
    client::Client,
    options::Neo4jOptions,
    read::{counts, find, links, lists, places, records, route, subtree},
    shared::Shared,
    statements as cypher,
};
use crate::{
    contract::{Accepted, Durable, Feed, Store, StoreInfo},
    error::Result,
};

/// A store in a Neo4j database. Dropping it finishes what it accepted, as long as the runtime lives.
pub struct Neo4jStore {
    writer: write::Handle,
    shared: Arc<Shared>,
}

impl Neo4jStore {
    /// Whether the database holds a store; one that holds something else is refused.
    pub async fn exists(address: Address, options: &Neo4jOptions) -> Result<bool> {
        Ok(open::format(&Client::new(address, options)?).await?.is_some())
    }

    /// Opens the store in a database; in an empty one it begins a store.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the user, when it has no such database, and when that holds something else or a
    /// store of another format.
    pub async fn open(address: Address, options: Neo4jOptions) -> Result<Self> {
        let client = Client::new(address, &options)?;
        open::open(&client, &options).await?;
        open::warn_of_endless_transactions(&client).await;
        client.nodelay.look();
        let (catalog, newest, first) = catalog::read_catalog(&client).await?;
        let shared = Arc::new(Shared::new(client, options, catalog, newest, first));
        shared.catch_up().await?;
        tokio::spawn(follow(Arc::downgrade(&shared), shared.options.poll));
        tokio::spawn(retention::keep(Arc::downgrade(&shared)));
        Ok(Self { writer: write::Handle::start(shared.clone()), shared })
    }
}

/// Takes over what other instances commit, until the store is dropped. Says when the database is lost, and when it is back: nobody
/// else need say so.
async fn follow(shared: Weak<Shared>, poll: Duration) {
    let mut lost: Option<Instant> = None;
    loop {
        tokio::time::sleep(poll).await;
        let Some(shared) = shared.upgrade() else { return };
        // A writer that is busy sees the commits of others under the lock.
        if shared.held_within(poll) {
            continue;
        }
        let location = &shared.client.place.location;
        let begun = Instant::now();
        match (shared.look().await, lost) {
            (Ok(_), None) => {}
            (Ok(_), Some(since)) => {
                lost = None;
                tracing::info!(location, away_s = since.elapsed().as_secs(), "the database is back");
            }
            (Err(error), since) => {
                if since.is_none() {
                    lost = Some(begun);
                    tracing::warn!(
                        location,
                        code = error.code(),
                        "the database is away; what is cached is answered, the rest is refused until it is back"
                    );
                }
                tracing::debug!(error = &error as &dyn std::error::Error, "no look at new commits");
            }
        }
    }
}

#[async_trait]
impl Store for Neo4jStore {
    fn info(&self) -> StoreInfo {
        StoreInfo { engine: "neo4j", location: self.shared.client.place.location.clone(), caveat: None }
    }

    /// Neo4j does not say.
    async fn disk_bytes(&self) -> Result<u64> {
        Ok(0)
    }

    async fn room(&self) -> Result<()> {
        self.shared.look().await.map(drop)
    }

    /// Neo4j does that by itself.
    async fn compact(&self) -> Result<()> {
        Ok(())
    }

    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.shared.client.figures.clone())]
    }

    async fn lease_ids(&self, count: u64) -> Result<IdRange> {
        self.writer.lease(count).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Durable<Receipt>> {
        self.writer.apply(transaction).await.map(Durable)
    }

    async fn accept(&self, transaction: Transaction) -> Result<Accepted<Receipt>> {
        self.writer.apply(transaction).await.map(Accepted)
    }

    async fn sync(&self) -> Result<Durable<Cursor>> {
        Ok(Durable(self.shared.known()))
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.shared.catalog.read().clone()
    }

    fn newest(&self) -> watch::Receiver<Cursor> {
        self.shared.newest.subscribe()
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Feed> {
        self.shared.changes(after, limit).await
    }

    async fn moved(&self) -> Result<Option<OperationId>> {
        let shared = &self.shared;
        let row = shared.single(shared.client.ask(cypher::MOVED, cypher::MOVED.query()).await?)?;
        let Some(moved) = shared.column::<Option<String>>(&row, "moved")? else { return Ok(None) };
        let place = &shared.client.place;
        OperationId::new(moved).map(Some).map_err(|error| place.corrupt(format!("its newest move: {error}")))
    }

    async fn entities(&self, ids: &[EntityId]) -> Result<At<Vec<Option<Arc<Entity>>>>> {
        let question = lists::Entities(ids);
        question.check()?;
        self.shared.at_one_moment(question).await
    }

    async fn children(
        &self,
        parent: Option<EntityId>,
        order: ChildOrder,
        page: PageRequest,
    ) -> Result<At<Page<EntityId>>> {
        self.shared.at_one_moment(lists::Children::new(parent, order, page)?).await
    }

    async fn ancestors(&self, entity: EntityId) -> Result<At<Vec<Arc<Entity>>>> {
        self.shared.at_one_moment(lists::Ancestors(entity)).await
    }

    async fn records(&self, sort: RecordSort, page: PageRequest) -> Result<At<Page<Record>>> {
        self.shared.at_one_moment(records::Records::new(sort, page)?).await
    }

    async fn subtree(
        &self,
        root: EntityId,
        extent: Extent,
        page: PageRequest,
    ) -> Result<At<Page<Arc<Entity>>>> {
        self.shared.at_one_moment(subtree::Subtree::new(root, extent, page)?).await
    }

    async fn find(
        &self,
        below: Option<EntityId>,
        any_of: &[Facet],
        page: PageRequest,
    ) -> Result<At<Page<EntityId>>> {
        self.shared.at_one_moment(find::Find::new(below, any_of, page)?).await
    }

    async fn total(&self, below: Option<EntityId>) -> Result<At<u64>> {
        counts::total(&self.shared, below).await
    }

    async fn counts(&self, below: Option<EntityId>) -> Result<At<Vec<(Facet, u64)>>> {
        counts::counts(&self.shared, below).await
    }

    async fn counts_by(
        &self,
        below: Option<EntityId>,
        sort: FacetSort,
        page: PageRequest,
    ) -> Result<At<Page<(Facet, u64)>>> {
        counts::counts_by(&self.shared, below, sort, page).await
    }

    async fn counts_of(&self, below: Option<EntityId>, facets: &[Facet]) -> Result<At<Vec<(Facet, u64)>>> {
        counts::counts_of(&self.shared, below, facets).await
    }

    async fn owned(&self, owner: &OwnerId, page: PageRequest) -> Result<At<Page<EntityId>>> {
        self.shared.at_one_moment(lists::Places::owned(owner, page)?).await
    }

    async fn named(&self, prefix: &str, page: PageRequest) -> Result<At<Page<EntityId>>> {
        self.shared.at_one_moment(lists::Places::named(prefix, page)?).await
    }

    async fn near(&self, near: &Near) -> Result<At<Vec<Hit>>> {
        places::near(&self.shared, near).await
    }

    async fn zones_at(&self, zone: EntityId, point: DVec3) -> Result<At<Vec<EntityId>>> {
        places::zones_at(&self.shared, zone, point).await
    }

    async fn links(&self, entity: EntityId, page: PageRequest) -> Result<At<Page<Link>>> {
        self.shared.at_one_moment(links::Links::new(entity, page)?).await
    }

    async fn zone_links(&self, zone: EntityId, page: PageRequest) -> Result<At<Page<Link>>> {
        self.shared.at_one_moment(links::ZoneLinks::new(zone, page)?).await
    }

    async fn route(&self, from: EntityId, to: EntityId, kind: &LinkKind) -> Result<At<Option<Route>>> {
        self.shared.at_one_moment(route::Routing { from, to, kind }).await
    }
}
