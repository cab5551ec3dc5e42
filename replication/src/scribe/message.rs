//! What the scribe is told and what it wants done. Three lines end here: the replicant's (with atlas behind it), the log's, the
//! graph's.

use std::sync::Arc;

use entitygraph_client::graph::GraphError;
use entitygraph_schema::{
    Cursor, Entity, EntityId, Epoch, Operation, OperationId, Precondition, Receipt, Transaction,
};

use super::{fence, log::Row};

/// A server's session, as the replicant numbers them. Never given twice.
pub type Session = u64;

/// A command, as the replicant numbers them. Never given twice.
pub type Ticket = u64;

/// What happens to the scribe.
#[derive(Debug)]
pub enum Event {
    /// From the replicant: an entity became hot, or a structural change of it came back by the change feed, and this is how the
    /// store has it. Without it all that is accepted of the entity is written, changed or not.
    Loaded {
        /// The entity.
        entity: Arc<Entity>,
        /// That its pose is in.
        zone: EntityId,
    },
    /// From the replicant, or atlas: whose epoch is what, and what is around it. Before anything of an aggregate is accepted, and
    /// whenever it changed; what waits for it goes on then.
    Fence {
        /// A root, or the host of a territory.
        entity: EntityId,
        /// Its row.
        row: fence::Row,
    },
    /// From the replicant: it accepted these rows; none of a variable that is not persisted.
    Accepted {
        /// Of the report.
        tick: u64,
        /// That poses are in.
        zone: EntityId,
        /// At most one of each entity.
        rows: Vec<Row>,
    },
    /// From the replicant: all that it accepted of a report was given.
    Reported {
        /// Whose.
        session: Session,
        /// Its number.
        batch: u64,
    },
    /// From the replicant: somebody else wrote this of a hot entity, and hot memory has it now. What waits and is older is
    /// not written any more.
    Edited {
        /// Of the commit.
        cursor: Cursor,
        /// When hot memory took it.
        tick: u64,
        /// That the pose is in.
        zone: EntityId,
        /// What.
        row: Row,
    },
    /// From the replicant: the entity was buried.
    Buried(EntityId),
    /// From the replicant or atlas: a structural change, the flip of a hand-over among them.
    Command(Box<Command>),
    /// From the replicant: it has the result of this command, and accepts nothing in the zone that was left any more.
    Took(Ticket),
    /// From the replicant: says when all that was accepted of these aggregates is durable. It hurries them.
    Barrier {
        /// Who asks.
        who: Asker,
        /// Their roots.
        roots: Vec<EntityId>,
    },
    /// From the replicant: these entities are hot no more. To be sent after the barrier of [`Asker::Area`] was answered, and only
    /// if nothing of them was accepted since.
    Cold(Vec<EntityId>),
    /// From the replicant: the session is gone.
    Ended(Session),
    /// From the log: all up to this position survives a power cut.
    Synced(u64),
    /// From the log: whether it takes what is appended. While it does not, nothing more is given to it.
    Taking(bool),
    /// From the graph.
    Answered {
        /// Which question.
        ask: u64,
        /// The answer.
        outcome: Result<Receipt, GraphError>,
    },
    /// The hub stops: write all of it now.
    Drain,
    /// The time that it asked to be woken at.
    Woken,
}

/// A structural change, in one transaction with what waits for its aggregates.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// For the answer.
    pub ticket: Ticket,
    /// The same again gets the first outcome.
    pub operation_id: OperationId,
    /// Beside the fence.
    pub preconditions: Vec<Precondition>,
    /// Done after what waits.
    pub operations: Vec<Operation>,
    /// Roots of the aggregates whose waiting changes are written with it and that it changes, those inside of them included.
    pub roots: Vec<EntityId>,
    /// Roots that are only fenced: what something is put under.
    pub fenced: Vec<EntityId>,
    /// The zone that the aggregates leave, if they do: poses in it mean nothing afterwards.
    pub left: Option<EntityId>,
}

/// Who waits for durability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A server's `Barrier`.
    Session {
        /// Whose.
        session: Session,
        /// Its number.
        number: u64,
    },
    /// The replicant, which wants to let an area go cold.
    Area(u64),
}

/// What the scribe wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Graph: commit this; answer with [`Event::Answered`]. Under the same operation id it is the same transaction.
    Ask {
        /// Number of the question.
        ask: u64,
        /// What.
        transaction: Arc<Transaction>,
    },
    /// Log: sync now; something waits for it.
    Sync,
    /// Log: nothing before this position is needed.
    Release(u64),
    /// Replicant: the fence of this entity is wanted as [`Event::Fence`], something that waits needs it.
    FenceWanted(EntityId),
    /// Replicant, atlas: the store has a higher epoch of the entity than the fence: the table is to be read again.
    Stale {
        /// Which.
        entity: EntityId,
        /// What the store has.
        found: Epoch,
    },
    /// Replicant: all reports of a session up to this one are in the store.
    Durable {
        /// Whose.
        session: Session,
        /// The report.
        batch: u64,
        /// Of the newest commit that is known.
        cursor: Cursor,
    },
    /// Replicant: what became of a command. [`Event::Took`] is the answer to one that was done.
    Done {
        /// Which.
        ticket: Ticket,
        /// Durable, or nothing was done.
        outcome: Result<Receipt, GraphError>,
    },
    /// Replicant: all that was accepted before the question is durable. The area may go cold.
    Passed {
        /// Who asked.
        who: Asker,
        /// Of the newest commit that is known.
        cursor: Cursor,
    },
    /// Replicant: too many wait already.
    TooMany(Asker),
    /// Replicant, metrics: what was accepted of an entity is not written, and never will be.
    Dropped {
        /// Which.
        entity: EntityId,
        /// As in GraphQL.
        code: String,
        /// Why.
        reason: String,
    },
    /// Replicant: all that the log brought is in the store. Areas are loaded after that.
    Replayed,
    /// Metrics: whether the log takes nothing, and commands are refused.
    LogFull(bool),
    /// Everybody: another hub has the shard. Nothing is written any more; the process ends.
    Superseded {
        /// Its term.
        term: Epoch,
    },
    /// Hub: nothing waits any more; it stops.
    Drained,
}

/// What came of events.
#[derive(Debug, Default)]
pub struct Out {
    /// For the log: whole records, to be appended where it ends.
    pub log: Vec<u8>,
    /// In order.
    pub effects: Vec<Effect>,
}
