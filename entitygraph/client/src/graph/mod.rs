//! What a role may ask of the graph. The service keeps it in the same process (`entitygraph::local`); over the network comes
//! later (docs/replication.md, slice 10). Roles do no I/O: a shell asks for them and gives them the answers.

use std::sync::Arc;

use entitygraph_schema::{
    Catalog, Commit, Cursor, Entity, EntityId, Epoch, IdRange, Receipt, Transaction,
    query::{At, Extent, Hit, Near, Page, PageRequest},
};

/// Result of a question or a commit.
pub type Result<T, E = GraphError> = std::result::Result<T, E>;

/// Why the graph did not do, or does not answer, what it was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GraphError {
    /// A rule or a precondition forbids it: nothing was done, and the same again is refused again.
    #[error("{reason} ({code})")]
    Refused {
        /// Stable, as in GraphQL.
        code: String,
        /// What, why, and what to do.
        reason: String,
        /// The one entity that it is about, where it is about one.
        entity: Option<EntityId>,
    },
    /// Somebody else writes the entity by now: nothing was done.
    #[error("entity {entity} is under epoch {found}, {given} was given")]
    StaleEpoch {
        /// Whose epoch is higher.
        entity: EntityId,
        /// What was given for it.
        given: Epoch,
        /// What the store has.
        found: Epoch,
    },
    /// Not now: nothing was done, and it may be later.
    #[error("the graph takes nothing now: {reason}")]
    Busy {
        /// Why.
        reason: String,
    },
    /// It may have been done or not: the same transaction under the same operation id tells.
    #[error("what became of it is not known: {reason}")]
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Part of the change sequence.
#[derive(Debug, Clone, PartialEq)]
pub enum Changes {
    /// In order, the first one right after the cursor asked for; never empty.
    Commits(Vec<Arc<Commit>>),
    /// The cursor is older than what is kept: read anew what is needed, and go on from there.
    Resync {
        /// The newest commit.
        newest: Cursor,
    },
}

/// The graph of one shard, as roles see it.
///
/// # Cancellation
/// Dropping the future of a question has no effect. After dropping that of a commit its outcome is unknown.
pub trait Graph: Send + Sync + 'static {
    /// Commits a transaction; the receipt comes when it is durable. Under an operation id that was committed before, the
    /// first receipt comes again, marked `replayed`, as long as the commit is retained.
    ///
    /// # Errors
    /// Any.
    fn commit(&self, transaction: Transaction) -> impl Future<Output = Result<Receipt>> + Send;

    /// Ids for new entities that nobody else is given, 1 to 65,536.
    ///
    /// # Errors
    /// `Refused`, `Busy`; after `Unknown` they are nobody's.
    fn lease_ids(&self, count: u64) -> impl Future<Output = Result<IdRange>> + Send;

    /// Component types and newest containers.
    ///
    /// # Errors
    /// `Busy`.
    fn catalog(&self) -> impl Future<Output = Result<Arc<Catalog>>> + Send;

    /// Entities by id, in the order asked, `None` for those that there are not; at most [`PageRequest::MAX_FIRST`] ids.
    ///
    /// # Errors
    /// `Refused` for more ids, `Busy`.
    fn entities(&self, ids: &[EntityId])
    -> impl Future<Output = Result<At<Vec<Option<Arc<Entity>>>>>> + Send;

    /// A part of an entity with what is below it, parents first. Each part is true at the cursor that it names.
    ///
    /// # Errors
    /// `Refused` for an unknown root, `Busy`.
    fn subtree(
        &self,
        root: EntityId,
        extent: Extent,
        part: PageRequest,
    ) -> impl Future<Output = Result<At<Page<Arc<Entity>>>>> + Send;

    /// What is around a point, nearest first.
    ///
    /// # Errors
    /// `Refused` for an unknown zone and for more than [`Near::MAX_HITS`] hits, `Busy`.
    fn near(&self, near: &Near) -> impl Future<Output = Result<At<Vec<Hit>>>> + Send;

    /// At most `limit` commits after a cursor; waits until there is one.
    ///
    /// # Errors
    /// `Busy`.
    fn changes(&self, after: Cursor, limit: usize) -> impl Future<Output = Result<Changes>> + Send;
}
