//! What all parts of a store share: the way to the server, how far the change sequence is known, and the catalog.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use entitygraph_schema::{Catalog, Change, Commit, Cursor, codec::Form};
use neo4rs::Row;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::{
    census::Census,
    client::Client,
    facets::{FacetSet, FacetSets, SetNumber},
    log::{Logged, Stretch},
    open::FORMAT,
    options::Neo4jOptions,
    statements as cypher,
};
use crate::{
    contract::Feed,
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
    recent: RwLock<Recent>,
    /// All commits up to this one are known to be visible as a whole.
    complete: AtomicU64,
    /// When this instance held the shard's lock, and so knew every commit.
    held: Mutex<Held>,
    /// Held while commits are taken over, so that it is done in order. Before the locks above, never the other way round.
    following: tokio::sync::Mutex<()>,
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

    /// Takes over commits that this instance wrote itself.
    pub async fn take_over_own(&self, commits: &[Logged]) -> Result<()> {
        let _in_order = self.following.lock().await;
        // The feed may have been faster.
        let known = self.known();
        let new = commits.iter().filter(|(commit, _)| commit.cursor > known);
        match new.clone().next() {
            None => return Ok(()),
            Some((next, _)) if next.cursor == known.next() => self.publish(new.cloned(), None),
            // Others committed in between: all of it is read in order.
            Some(_) => self.read_on().await?,
        }
        Ok(())
    }

    /// Reads what others committed since. Returns the newest commit known then.
    pub async fn catch_up(&self) -> Result<Cursor> {
        let _in_order = self.following.lock().await;
        self.read_on().await?;
        Ok(self.known())
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

    /// Looks whether others committed, and takes that over. Returns the first commit that may have been under way.
    pub async fn look(&self) -> Result<u64> {
        let row = self.single(self.client.ask(cypher::NEWEST, cypher::NEWEST.query()).await?)?;
        let number = |name| self.column::<i64>(&row, name).map(i64::cast_unsigned);
        self.completed(number("complete")?);
        if number("cursor")? > self.known().number() {
            self.catch_up().await?;
        }
        number("begun")
    }

    /// Batches are taken over as a whole: who knows the first commit of one knows the last.
    async fn read_on(&self) -> Result<()> {
        let mut read = Vec::new();
        loop {
            let after = read.last().map_or_else(|| self.known(), |(commit, _): &Logged| commit.cursor);
            let stretch = self.stretch(after, usize::MAX).await?;
            if after.next() < stretch.first {
                // What is missing was trimmed: the catalog is read anew, and so must be everything else.
                read.clear();
                self.begin_again().await?;
                continue;
            }
            let (none, whole) = (stretch.commits.is_empty(), stretch.whole);
            if whole > 0 {
                let whole = read.len() + whole;
                read.extend(stretch.commits);
                self.publish(read.drain(..whole), Some(stretch.first));
            } else {
                read.extend(stretch.commits);
            }
            // What came since is for the next time: others may write without a pause.
            if none || read.is_empty() && self.known() >= stretch.newest {
                return Ok(());
            }
        }
    }

    /// `first` is the first commit that is kept, where that was read.
    fn publish(&self, commits: impl Iterator<Item = Logged>, first: Option<Cursor>) {
        let mut newest = self.known();
        // Until all is told, so that nobody has a commit that is newer than the newest.
        let mut recent = self.recent.write();
        for (commit, bytes) in commits {
            self.publish_catalog(&commit);
            newest = commit.cursor;
            recent.push(commit, bytes);
        }
        if let Some(first) = first {
            let oldest = before(first).max(recent.oldest());
            recent.set_oldest(oldest);
        }
        self.newest.send_replace(newest);
    }

    fn publish_catalog(&self, commit: &Commit) {
        let published = |change: &&Change| matches!(change, Change::Component(_) | Change::Container(_));
        if !commit.changes.iter().any(|change| published(&change)) {
            return;
        }
        let mut catalog = self.catalog.write();
        for change in &commit.changes {
            match change {
                Change::Component(component) => {
                    Arc::make_mut(&mut catalog).registry.insert(component.clone())
                }
                Change::Container(container) => Arc::make_mut(&mut catalog).insert(container.clone()),
                _ => {}
            }
        }
    }

    async fn begin_again(&self) -> Result<()> {
        let (catalog, newest, first) = read_catalog(&self.client).await?;
        tracing::warn!(%newest, "fell behind the retained change sequence, the catalog is read again");
        *self.catalog.write() = Arc::new(catalog);
        *self.recent.write() = Recent::new(before(first), newest, &self.options.retention);
        self.newest.send_replace(newest);
        Ok(())
    }

    /// The change sequence now begins with this commit.
    pub fn trimmed(&self, first: Cursor) {
        let mut recent = self.recent.write();
        let oldest = before(first).max(recent.oldest());
        recent.set_oldest(oldest);
    }

    /// Commits after a cursor, from memory if they are there.
    pub async fn changes(&self, after: Cursor, limit: usize) -> Result<Feed> {
        if let Some(feed) = self.recent.read().after(after, limit) {
            return Ok(feed);
        }
        let Stretch { newest, first, mut commits, .. } = self.stretch(after, limit).await?;
        let oldest = before(first);
        if after < oldest || after > newest {
            return Ok(Feed::Resync { oldest, newest });
        }
        commits.truncate(limit);
        Ok(Feed::Commits(commits.into_iter().map(|(commit, _)| commit).collect()))
    }

    /// The last commits after a cursor, if all of them are in memory.
    pub fn recent(&self, after: Cursor) -> Option<Vec<Arc<Commit>>> {
        match self.recent.read().after(after, usize::MAX)? {
            Feed::Commits(commits) => Some(commits),
            Feed::Resync { .. } => None,
        }
    }

    /// Makes sure that the set of facets of a number is known; an unknown one was made by another instance.
    pub async fn know_sets(&self, numbers: impl IntoIterator<Item = SetNumber>) -> Result<()> {
        let known = self.facets.read().count();
        let Some(highest) = numbers.into_iter().max().filter(|highest| *highest >= known) else {
            return Ok(());
        };
        let query = cypher::FACET_SETS.query().param("from", i64::from(known));
        let row = self.single(self.client.ask(cypher::FACET_SETS, query).await?)?;
        let sets: Vec<Vec<&str>> = self.column(&row, "answer")?;
        let mut facets = self.facets.write();
        for (number, words) in (known..).zip(sets) {
            if number < facets.count() {
                continue;
            }
            let set = FacetSet::read(&words)
                .ok_or_else(|| self.client.place.corrupt(format!("set of facets {number} is {words:?}")))?;
            facets.push(set);
        }
        if highest >= facets.count() {
            return Err(self.client.place.corrupt(format!("there is no set of facets {highest}")));
        }
        Ok(())
    }
}

fn before(first: Cursor) -> Cursor {
    Cursor::from_number(first.number().saturating_sub(1))
}

/// The catalog, a cursor before which all of it was published, and the first commit kept. What was published after that cursor may be
/// in the catalog or not, or of it a part: who goes on from the cursor publishes it again, which changes nothing.
pub async fn read_catalog(client: &Client) -> Result<(Catalog, Cursor, Cursor)> {
    let corrupt = |error: neo4rs::DeError| client.place.corrupt(format!("the catalog: {error}"));
    let single = |rows: Vec<Row>| {
        rows.into_iter().next().ok_or_else(|| client.place.corrupt("the nodes Shard and Gate are missing"))
    };
    let row = single(client.ask(cypher::NEWEST, cypher::NEWEST.query()).await?)?;
    let complete = row.get::<i64>("complete").map_err(corrupt)?;
    let first = row.get::<i64>("first").map_err(corrupt)?;
    // What was trimmed was complete, whether the gate says so yet or not.
    let newest = complete.max(first.saturating_sub(1));
    let row = single(client.ask(cypher::CATALOG, cypher::CATALOG.query()).await?)?;
    let mut catalog = Catalog::default();
    for record in row.get::<Vec<&[u8]>>("components").map_err(corrupt)? {
        catalog.registry.insert(Arc::new(client.place.decode("a component type", record)?));
    }
    for record in row.get::<Vec<&[u8]>>("containers").map_err(corrupt)? {
        catalog.insert(Arc::new(client.place.decode("a container", record)?));
    }
    let cursor = |number: i64| Cursor::from_number(number.cast_unsigned());
    Ok((catalog, cursor(newest), cursor(first)))
}
