//! What all parts of a store share: the way to the server, how far the change sequence is known, and the catalog.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use entitygraph_schema::{Catalog, Cursor, codec::Form};
use neo4rs::Row;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::{
    census::Census, client::Client, facets::FacetSets, feed::before, open::FORMAT, options::Neo4jOptions,
};
use crate::{
    error::{Error, Result},
    keyed::recent::Recent,
};

/// See the module.
pub struct Shared {
    /// The way to the server.
    pub client: Client,
    /// Limits.
    pub options: Neo4jOptions,
    /// Component types and containers as of `newest`.
    pub catalog: RwLock<Arc<Catalog>>,
    /// Sets of facets that this instance knows.
    pub facets: RwLock<FacetSets>,
    /// The newest commit that this instance has read or written.
    pub newest: watch::Sender<Cursor>,
    /// The last commits.
    pub recent: RwLock<Recent>,
    /// All commits up to this one are known to be visible as a whole.
    complete: AtomicU64,
    /// When this instance held the shard's lock, and so knew every commit.
    held: Mutex<Held>,
    /// Held while commits are taken over, so that it is done in order. Before the locks above, never the other way round.
    pub following: tokio::sync::Mutex<()>,
    /// Held by the one who looks for new commits, while others wait for what comes of it.
    pub looking: tokio::sync::Mutex<()>,
    /// Held by the one reader that takes the shard's lock: more of them would take the connections that its holder needs.
    pub locking: tokio::sync::Mutex<()>,
}

/// When this instance held the shard's lock.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Held {
    Never,
    Until(Instant),
    Since(Instant),
}

/// A lock that is held for longer than this is not relied upon: its connection may be gone.
const HELD_MAX: Duration = Duration::from_secs(1);

impl Shared {
    /// Of a store whose catalog was read at a cursor.
    pub fn new(
        client: Client,
        options: Neo4jOptions,
        catalog: Catalog,
        newest: Cursor,
        first: Cursor,
    ) -> Self {
        let recent = Recent::new(before(first), newest, &options.retention);
        Self {
            client,
            catalog: RwLock::new(Arc::new(catalog)),
            facets: RwLock::default(),
            newest: watch::Sender::new(newest),
            recent: RwLock::new(recent),
            complete: AtomicU64::new(0),
            held: Mutex::new(Held::Never),
            following: tokio::sync::Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            locking: tokio::sync::Mutex::default(),
            options,
        }
    }

    /// The newest commit that this instance knows.
    pub fn known(&self) -> Cursor {
        *self.newest.borrow()
    }

    /// How far commits are known to be visible as a whole.
    pub fn complete(&self) -> u64 {
        self.complete.load(Ordering::Acquire)
    }

    /// Commits up to this one are visible as a whole.
    pub fn completed(&self, cursor: u64) {
        self.complete.fetch_max(cursor, Ordering::AcqRel);
    }

    /// A column of a row; what does not fit is a damaged or foreign database.
    pub fn column<'a, T: serde::Deserialize<'a>>(&self, row: &'a Row, name: &str) -> Result<T> {
        row.get(name)
            .map_err(|error| self.client.place.corrupt(format!("column `{name}` of an answer: {error}")))
    }

    /// Decodes a stored record.
    pub fn decode<T: Form>(&self, what: &str, bytes: &[u8]) -> Result<T> {
        self.client.place.decode(what, bytes)
    }

    /// Decodes a census; one of nothing is not stored.
    pub fn census(&self, bytes: Option<&[u8]>) -> Result<Census> {
        let Some(bytes) = bytes else { return Ok(Census::default()) };
        Census::decode(bytes).ok_or_else(|| self.client.place.corrupt("a census does not decode"))
    }

    /// The one row that a statement answers with.
    pub fn single(&self, rows: Vec<Row>) -> Result<Row> {
        let missing = || self.client.place.corrupt("the nodes Shard and Gate of the store are missing");
        rows.into_iter().next().ok_or_else(missing)
    }

    /// Refuses to write on in a store that was migrated meanwhile.
    pub fn check_format(&self, row: &Row) -> Result<()> {
        let found = u32::try_from(self.column::<i64>(row, "format")?).unwrap_or(u32::MAX);
        let location = self.client.place.location.clone();
        if found > FORMAT { Err(Error::NewerFormat { location, found, known: FORMAT }) } else { Ok(()) }
    }

    /// Notes that this instance holds the shard's lock and knows every commit.
    pub fn hold(&self) {
        *self.held.lock() = Held::Since(Instant::now());
    }

    /// Notes that it held the lock until now.
    pub fn release(&self) {
        let mut held = self.held.lock();
        if matches!(*held, Held::Since(_)) {
            *held = Held::Until(Instant::now());
        }
    }

    /// Whether nobody else can have committed for longer than this, because the lock was held here.
    pub fn held_within(&self, time: Duration) -> bool {
        match *self.held.lock() {
            Held::Never => false,
            Held::Until(when) => when.elapsed() < time,
            Held::Since(when) => when.elapsed() < HELD_MAX,
        }
    }
}
