//! Where a world is moved from.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use entitygraph_schema::{
    ComponentType, Container, Cursor, EntityId,
    query::{PageCursor, PageRequest, Record, RecordSort},
};
use entitygraph_store::{Feed, Store};

use crate::moving::{MoveError, Result};

/// How long a source waits for the next commit before it answers all the same.
pub const LOOK: Duration = Duration::from_millis(200);

/// All that a move asks of its source: a store that this process has [`Opened`], or one that another process serves.
#[async_trait]
pub trait Source: Send + Sync {
    /// The store, for people.
    fn location(&self) -> String;

    /// The newest commit.
    async fn newest(&self) -> Result<Cursor>;

    /// The newest commit, as soon as it is later than this one or [`LOOK`] is over.
    async fn newest_after(&self, cursor: Cursor) -> Result<Cursor>;

    /// How many entities there are, for whoever counts them; none where the source does not say.
    async fn total(&self) -> Result<Option<u64>>;

    /// Component types and newest containers, by number.
    async fn catalog(&self) -> Result<Cataloged>;

    /// See [`Store::records`].
    async fn records(&self, sort: RecordSort, page: PageRequest) -> Result<Records>;

    /// See [`Store::changes`].
    async fn changes(&self, after: Cursor, limit: usize) -> Result<Feed>;

    /// Leases an id, to know how far ids are leased.
    async fn lease(&self) -> Result<EntityId>;
}

/// Component types and containers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cataloged {
    /// By number.
    pub components: Vec<Arc<ComponentType>>,
    /// By number, of each its newest version.
    pub containers: Vec<Arc<Container>>,
}

/// A page of records.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    /// Its moment.
    pub cursor: Cursor,
    /// In the order of all stores.
    pub records: Vec<Record>,
    /// Where the list goes on; none after the last page.
    pub next: Option<PageCursor>,
}

/// A store that this process has open.
#[derive(Clone)]
pub struct Opened(pub Arc<dyn Store>);

impl Opened {
    fn failed(&self, doing: &'static str) -> impl FnOnce(entitygraph_store::Error) -> MoveError + use<> {
        MoveError::store(&self.location(), doing)
    }
}

#[async_trait]
impl Source for Opened {
    fn location(&self) -> String {
        self.0.info().location
    }

    async fn newest(&self) -> Result<Cursor> {
        Ok(*self.0.newest().borrow())
    }

    async fn newest_after(&self, cursor: Cursor) -> Result<Cursor> {
        let mut newest = self.0.newest();
        // Nothing more comes from a store whose writer is gone.
        drop(tokio::time::timeout(LOOK, newest.wait_for(|newest| *newest > cursor)).await);
        Ok(*newest.borrow())
    }

    async fn total(&self) -> Result<Option<u64>> {
        Ok(Some(self.0.total(None).await.map_err(self.failed("counting its entities"))?.value))
    }

    async fn catalog(&self) -> Result<Cataloged> {
        let catalog = self.0.catalog();
        let mut components: Vec<_> = catalog.registry.iter().cloned().collect();
        components.sort_by_key(|component| component.id);
        let mut containers: Vec<_> = catalog.containers().cloned().collect();
        containers.sort_by_key(|container| container.id);
        Ok(Cataloged { components, containers })
    }

    async fn records(&self, sort: RecordSort, page: PageRequest) -> Result<Records> {
        let page = self.0.records(sort, page).await.map_err(self.failed("listing its records"))?;
        let next = page.value.end.filter(|_| page.value.more);
        let records = page.value.rows.into_iter().map(|(record, _)| record).collect();
        Ok(Records { cursor: page.cursor, records, next })
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Feed> {
        self.0.changes(after, limit).await.map_err(self.failed("reading its commits"))
    }

    async fn lease(&self) -> Result<EntityId> {
        Ok(self.0.lease_ids(1).await.map_err(self.failed("leasing an id"))?.first)
    }
}
