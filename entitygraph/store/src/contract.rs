//! What a store promises.

use std::sync::Arc;

use async_trait::async_trait;
use entitygraph_schema::{
    Catalog, Commit, Cursor, Entity, EntityId, IdRange, Link, LinkKind, OperationId, OwnerId, Receipt, Route,
    Transaction,
    query::{At, ChildOrder, Extent, Facet, FacetSort, Hit, Near, Page, PageRequest, Record, RecordSort},
};
use glam::DVec3;
use prometheus::core::Collector;
use tokio::sync::watch;

use crate::error::Result;

/// The outcome of a write that survives what the store promises to survive (see [`StoreInfo::caveat`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durable<T>(pub T);

/// The outcome of a write that is applied, ordered and visible, but may still be lost, with all that follow it, when the
/// machine stops before [`Store::sync`]. It is never half lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted<T>(pub T);

/// What a store is, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreInfo {
    /// `memory`, `fjall`, `sled`.
    pub engine: &'static str,
    /// Where the data is, without secrets.
    pub location: String,
    /// What an acknowledged write does not survive; none when it survives a power cut.
    pub caveat: Option<&'static str>,
}

/// Part of the change sequence.
#[derive(Debug, Clone, PartialEq)]
pub enum Feed {
    /// Commits in order, the first one right after the cursor asked for. Empty when there is none yet.
    Commits(Vec<Arc<Commit>>),
    /// The cursor asked for is older than what is kept (or newer than what exists, after a restore): the reader must take
    /// a snapshot and go on from its cursor.
    Resync {
        /// Oldest cursor that can still be resumed from.
        oldest: Cursor,
        /// The newest commit.
        newest: Cursor,
    },
}

/// How operation ids of a move begin: of what brings a world from another store.
pub const MOVED: &str = "moved:";

/// Whether a transaction with this operation id is a part of a move.
pub fn is_move(operation_id: &OperationId) -> bool {
    operation_id.as_str().starts_with(MOVED)
}

/// The last of some commits that is a part of a move.
pub(crate) fn last_move<'a>(commits: impl DoubleEndedIterator<Item = &'a Commit>) -> Option<&'a OperationId> {
    commits.rev().find_map(|commit| commit.operation_id.as_ref().filter(|id| is_move(id)))
}

/// A durable graph of one shard.
///
/// # Guarantees
///
/// - **Atomic.** A transaction is applied whole or not at all, for every reader and after every crash.
/// - **Serial.** Transactions have one order, that of their cursors; preconditions and refusals are judged in that order.
/// - **Durable.** What is returned as [`Durable`] survives; what is returned as [`Accepted`] does so from the next
///   [`Store::sync`] or durable commit on.
/// - **Consistent reads.** Each call answers from one moment: it sees all or nothing of any transaction. Answers wrapped
///   in [`At`] name the moment. After a commit returned, every later call sees it.
/// - **One sequence.** Each transaction that changed something has the next [`Cursor`], stored in the same atomic step as
///   its data. [`Store::changes`] gives them whole, in order, without gaps, or says [`Feed::Resync`].
/// - **Exactly once.** A transaction with an operation id that was committed before returns the first receipt (marked
///   `replayed`) as long as its commit is retained in the change sequence; with another body, preconditions included, it
///   is refused. One that changed nothing has no commit and is remembered about as long as one that had. The id of a
///   refused transaction is free again.
/// - **Indexed.** At a fixed size of the answer no read costs more in a larger world.
/// - **Bounded.** Every list is paged, every queue inside has a limit; at the limit callers wait or get
///   [`crate::Error::Busy`]. Nothing is made or put under an entity that has [`Entity::MAX_ANCESTORS`] above it.
/// - **Only what is to be kept.** Values of variables that are not persisted are refused on entities.
///
/// # Cancellation
///
/// Dropping the future of a read has no effect. Dropping the future of a commit leaves its outcome unknown: it may still
/// be applied. Ask again with the same operation id to learn it.
///
/// # Errors
///
/// [`crate::Error::Refused`] when the caller is at fault and nothing was applied, not even a part that was no fault; which
/// of several mistakes is named is not promised. The other variants are faults and say
/// through [`crate::Error::outcome`] whether something may have been applied. Retries are the caller's.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What this store is.
    fn info(&self) -> StoreInfo;

    /// Bytes on disk; 0 for a store without one.
    async fn disk_bytes(&self) -> Result<u64>;

    /// The error with which a write that adds data would be refused now: [`crate::Error::Full`], or that the engine takes no
    /// more writes.
    async fn room(&self) -> Result<()>;

    /// Puts what was written into the order that reads best, and gives the space of deleted rows back to the file
    /// system: after a bulk load. Takes seconds per gigabyte; reads and writes go on, and a store that is never asked
    /// answers the same, only slower. Cancelling it does not end it.
    async fn compact(&self) -> Result<()>;

    /// What a backend itself can tell whoever watches it, beside what the service measures of each store. Default nothing.
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        Vec::new()
    }

    /// Leases ids that nobody else is given, now or after a restart. `count` is from 1 to 2^32. None of them is or was an
    /// entity's: ids that callers brought are stepped over.
    async fn lease_ids(&self, count: u64) -> Result<IdRange>;

    /// Applies a transaction and returns when it is durable.
    async fn commit(&self, transaction: Transaction) -> Result<Durable<Receipt>>;

    /// Applies a transaction and returns when it is visible: for bulk loads, which [`Store::sync`] at their marks.
    async fn accept(&self, transaction: Transaction) -> Result<Accepted<Receipt>>;

    /// Makes everything accepted so far durable; returns the newest durable cursor.
    async fn sync(&self) -> Result<Durable<Cursor>>;

    /// Component types and newest containers. Cheap: a shared snapshot.
    fn catalog(&self) -> Arc<Catalog>;

    /// The newest cursor, for waiting on changes. Cheap.
    fn newest(&self) -> watch::Receiver<Cursor>;

    /// At most `limit` commits after `after`. Which ones those are never changes, so a reader may ask again at will.
    async fn changes(&self, after: Cursor, limit: usize) -> Result<Feed>;

    /// The operation id of the newest commit of a move ([`is_move`]), however much others committed since and wherever the
    /// change sequence begins by now; none where no world was ever moved in.
    async fn moved(&self) -> Result<Option<OperationId>>;

    /// Entities by id, in the order asked; `None` for those that do not exist. At most [`PageRequest::MAX_FIRST`] ids.
    async fn entities(&self, ids: &[EntityId]) -> Result<At<Vec<Option<Arc<Entity>>>>>;

    /// Everything of one sort that the store holds, in an order that is the same in every store and does not follow the
    /// tree: for copies and comparisons. Each page is true at the cursor it names; what is there all the while is listed
    /// exactly once, however it moves in the tree. A page may end early when its records are large.
    async fn records(&self, sort: RecordSort, page: PageRequest) -> Result<At<Page<Record>>>;

    /// Children of a parent in order; without a parent the world roots. An unknown parent is refused.
    async fn children(
        &self,
        parent: Option<EntityId>,
        order: ChildOrder,
        page: PageRequest,
    ) -> Result<At<Page<EntityId>>>;

    /// The entity's parent, its parent and so on up to the world root. An unknown entity is refused.
    async fn ancestors(&self, entity: EntityId) -> Result<At<Vec<Arc<Entity>>>>;

    /// An entity and what is below it to the given extent, parents first, siblings by ordinal and id (depth first).
    /// One round trip. An unknown root is refused.
    async fn subtree(
        &self,
        root: EntityId,
        extent: Extent,
        page: PageRequest,
    ) -> Result<At<Page<Arc<Entity>>>>;

    /// Entities below a node (not itself) that have at least one of the facets, each once, in an order that is stable but
    /// not specified; without a node in the whole world, its roots included. No facets find nothing. An unknown node and
    /// more than [`Facet::MAX_ANY_OF`] facets are refused.
    async fn find(
        &self,
        below: Option<EntityId>,
        any_of: &[Facet],
        page: PageRequest,
    ) -> Result<At<Page<EntityId>>>;

    /// How many entities there are below a node (not itself); without a node in the whole world. An unknown node is refused.
    async fn total(&self, below: Option<EntityId>) -> Result<At<u64>>;

    /// How many entities below a node (not itself) there are with each facet; without a node in the whole world.
    /// Sorted by facet, none with zero. Cost does not depend on how many entities there are, but on how many facets: for
    /// tools, which want them all. An unknown node is refused.
    async fn counts(&self, below: Option<EntityId>) -> Result<At<Vec<(Facet, u64)>>>;

    /// A page of [`Store::counts`], of the facets of one sort.
    async fn counts_by(
        &self,
        below: Option<EntityId>,
        sort: FacetSort,
        page: PageRequest,
    ) -> Result<At<Page<(Facet, u64)>>>;

    /// As [`Store::counts`], of these facets only, at most [`PageRequest::MAX_FIRST`]. Costs no more than the facets asked
    /// for or those that are there, whichever are fewer.
    async fn counts_of(&self, below: Option<EntityId>, facets: &[Facet]) -> Result<At<Vec<(Facet, u64)>>>;

    /// Entities of an owner by id.
    async fn owned(&self, owner: &OwnerId, page: PageRequest) -> Result<At<Page<EntityId>>>;

    /// Entities whose name, in lower case, starts with the prefix, in lower case; by that name, then id. An empty prefix is
    /// that of every name, the empty one included.
    async fn named(&self, prefix: &str, page: PageRequest) -> Result<At<Page<EntityId>>>;

    /// What is around a point, nearest first. Refused when more than [`Near::MAX_HITS`] would be found, when neither a
    /// radius nor an angular size is given, when the point or a limit makes no sense, and when the zone is unknown or no
    /// zone. What has no pose of its own is not found, and nothing in worlds with another root.
    async fn near(&self, near: &Near) -> Result<At<Vec<Hit>>>;

    /// The zones whose bounds hold the point, from `zone` (which is always first) inwards; of several nested zones that
    /// hold it the one with the smallest bounds is entered: the least volume, of equal ones the lower id. Layers play no
    /// part. An unknown zone and a point that cannot be are refused.
    async fn zones_at(&self, zone: EntityId, point: DVec3) -> Result<At<Vec<EntityId>>>;

    /// Links with an end at the entity, by kind and other end. An unknown entity is refused.
    async fn links(&self, entity: EntityId, page: PageRequest) -> Result<At<Page<Link>>>;

    /// Links with an end in the zone (its innermost zone host is the zone, or it is the zone itself), by kind and ends.
    async fn zone_links(&self, zone: EntityId, page: PageRequest) -> Result<At<Page<Link>>>;

    /// The cheapest route between two zones over links of a kind; ties are broken arbitrarily. `None` when there is none:
    /// only links are passed, so a zone is not reached from one nested in it.
    async fn route(&self, from: EntityId, to: EntityId, kind: &LinkKind) -> Result<At<Option<Route>>>;
}
