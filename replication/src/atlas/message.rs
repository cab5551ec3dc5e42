//! What atlas hears and says: typed messages to and from the replicant, the scribe and the graph. Everything that is wired
//! to atlas is in this file.
//!
//! Order matters in one way: what comes out of one event is to be done in its order, and what is for the replicant reaches it
//! in the order in which atlas said it. So the table knows a new owner before any frame of the change is sent.

use std::sync::Arc;

use bytes::Bytes;
use entitygraph_schema::{
    EntityId, Epoch, Pose, Refusal, Registry, Transaction, wire::control::message::Code,
};

use super::map::PostId;
use super::record::{AnchorRow, RootRow, ShardRow};

/// A game server's session, by its number (docs/protocol.md). What is owned is owned by a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Session(pub u64);

/// Number of a hand-over, in all its frames. Of the same sequence as epochs, so never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Move(pub u64);

/// The entities whose epochs fence a write, as the replicant's table knows them: the root of the aggregate first, then the
/// roots around it, the host of its territory last. The shard entity is not among them; atlas and scribe add it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain(pub Arc<[(EntityId, Epoch)]>);

impl Chain {
    /// The host of the territory.
    pub fn territory(&self) -> Option<EntityId> {
        self.0.last().map(|(id, _)| *id)
    }

    /// Whether the entity is one of them.
    pub fn has(&self, id: EntityId) -> bool {
        self.0.iter().any(|(other, _)| *other == id)
    }

    /// The epoch of one of them.
    pub fn epoch(&self, id: EntityId) -> Option<Epoch> {
        self.0.iter().find(|(other, _)| *other == id).map(|(_, epoch)| *epoch)
    }
}

/// An aggregate at a border.
#[derive(Debug, Clone, PartialEq)]
pub struct Border {
    /// Its root.
    pub root: EntityId,
    /// Whose it is.
    pub owner: Session,
    /// What fences it now.
    pub chain: Chain,
    /// The zone that it goes to.
    pub zone: EntityId,
    /// What fences what is in that zone: the zone's own root first, the host of its territory last.
    pub into: Chain,
}

/// What the owner stopped with.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    /// Which hand-over.
    pub number: Move,
    /// Who says so.
    pub owner: Session,
    /// The last tick that it simulated; its report was accepted.
    pub tick: u64,
    /// Where it is in the zone it goes to; none if it stays in its zone.
    pub pose: Option<Pose>,
    /// What no variable holds, at most 64 KiB.
    pub carry: Bytes,
    /// What fences it now.
    pub chain: Chain,
    /// What fences the place it goes to; none if it stays in its zone.
    pub into: Option<Chain>,
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is durable.
    Committed,
    /// It was judged and refused: nothing of it was done.
    Refused(Refusal),
    /// It did not reach the service: nothing of it was done.
    Unsent,
    /// It may be done, now or later: an answer did not come.
    Unknown,
}

/// What happens to atlas.
#[derive(Debug, Clone)]
pub enum Event {
    /// The time that [`crate::machine::Machine::wake_us`] said has come.
    Woken,

    // From the graph, as answers.
    /// Of [`Out::ReadShard`]: the shard entity, if there is one, and the component types that are published.
    Shard(Option<ShardRow>, Arc<Registry>),
    /// Of [`Out::ReadAnchors`].
    Anchors(Vec<AnchorRow>),
    /// Of [`Out::ReadRoot`]; none if it is gone.
    Root(EntityId, Option<RootRow>),
    /// Of [`Out::Commit`], by its number.
    Committed(u64, Outcome),

    // From the replicant: servers.
    /// A server is there. Without a post: any that is free, or it stands by.
    Registered {
        /// Its session.
        session: Session,
        /// Which post it wants.
        post: Option<String>,
        /// Stands by even if a post is free.
        standby: bool,
    },
    /// Its connection is gone or its lease is over.
    Lost(Session),
    /// It resumed within its lease: it never stopped.
    Back(Session),
    /// `Drain` of a server: it wants to give everything away, or no more.
    Drain(Session, bool),

    // From the replicant: aggregates and territories.
    /// Something in a territory that was cold is hot.
    Followed(EntityId),
    /// Nothing in a territory is hot any more, and all that was accepted of it is durable.
    Unwatched(EntityId),
    /// Will be in another territory within 10 s.
    Ahead(Border),
    /// Is inside another territory's zone, says its owner.
    Cross(Border),
    /// Turned away from the border.
    Away(EntityId),
    /// The target has loaded all of it; at jumps with the pose where it comes out.
    Prepared(Move, Session, Option<Pose>),
    /// The owner stopped, and its last report is accepted.
    Frozen(EntityId, Frozen),
    /// The new owner's first report was accepted: what was carried over is there.
    Told(EntityId),
    /// `Lock` of a session: roots that it owns, for at most 10 s.
    Lock {
        /// Whose.
        session: Session,
        /// Its number, the session's own.
        number: u64,
        /// At most 16.
        roots: Vec<EntityId>,
        /// How long, in milliseconds.
        for_ms: u64,
    },
    /// `Unlock` of a session.
    Unlock(Session, u64),

    // From the replicant: jumps.
    /// A ship asks its gate's owner for the way through.
    Enter {
        /// The ship, with its chain.
        ship: EntityId,
        /// Which gate.
        gate: EntityId,
        /// The gate's owner, who asks.
        owner: Session,
    },
    /// A ship is in a tunnel now: the re-parent is durable.
    Inside {
        /// The ship.
        ship: EntityId,
        /// The tunnel.
        tunnel: EntityId,
        /// What fences the ship.
        chain: Chain,
        /// What fences the zone of each gate, in the order of the map.
        gates: [Chain; 2],
    },
    /// A ship is out of a tunnel, or does not want to go in any more.
    Outside(EntityId),

    // From an operator or a balancer.
    /// These are to be simulated by a post. The same again goes on where it stopped.
    Reassign {
        /// Number of the plan, for what is said of it.
        plan: u64,
        /// What moves: roots or zone hosts, each with what fences it.
        roots: Vec<(EntityId, Chain)>,
        /// To whom.
        post: String,
    },
    /// What of a plan has not begun is left as it is.
    Revoked(u64),
}

/// Who simulates, as the table is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This session; reports are taken under the epoch that is given.
    Session(Session),
    /// Nobody: observers hear `Owners` without a server, actions wait.
    Nobody,
    /// Whoever has the territory. Grants of the aggregate stay good.
    Around,
}

/// Authority that is gained: frame `Grant` with `subtree`, without what is others' below.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// Root of an aggregate, or host of a territory.
    pub root: EntityId,
    /// By whom.
    pub session: Session,
    /// Durable.
    pub epoch: Epoch,
    /// Its post.
    pub post: Option<PostId>,
    /// The tick after which it simulates; none: after the last accepted state.
    pub after_tick: Option<u64>,
    /// What the former owner gave.
    pub carry: Option<Bytes>,
    /// The former owner stopped, and what it gave is lost.
    pub carry_lost: bool,
}

/// What atlas wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Out {
    // To the graph.
    /// Read the shard entity by this id, and the catalog.
    ReadShard(EntityId),
    /// Read all entities with a `post`, and these.
    ReadAnchors(Vec<EntityId>),
    /// Read one entity's epoch, and what fences it. Asked until it is answered, as all reads; what the change sequence says up to
    /// the answer is in the hot world before it.
    ReadRoot(EntityId),
    /// Commit, and say what became of it. Asked again the number and the transaction are the same.
    Commit {
        /// For the answer.
        number: u64,
        /// As it is, with what waits of `with` in front of its operations. The scribe keeps what it put there until the outcome is
        /// known, and puts the same there when it is asked again.
        transaction: Arc<Transaction>,
        /// The aggregate whose waiting changes go into it: nothing of it is written by a batch meanwhile.
        with: Option<EntityId>,
    },

    // To the shell.
    /// Atlas runs. The shard clock is never below this from now on, in microseconds.
    Running {
        /// The term, durable.
        term: Epoch,
        /// 11 s above the clock that was stored.
        clock_us_min: u64,
    },
    /// This hub is not the hub any more, or cannot go on: it stops writing and the process ends.
    Ended(Ended),

    // To the replicant.
    /// The table says so from now on: before any frame of it.
    Table {
        /// Root of an aggregate, or host of a territory.
        root: EntityId,
        /// The one epoch under which reports are taken.
        epoch: Epoch,
        /// From whom.
        owner: Owner,
        /// Who is to answer for it; none where the territory is gone.
        post: Option<PostId>,
        /// Where it is from now on, if the flip moved it: observers hear `Changed`, all of them behind the grant that comes with it. A
        /// target that heard of the place first would take the aggregate for its own, without what is carried over.
        place: Option<(EntityId, Option<Pose>)>,
    },
    /// Frame `Grant`, after an exact `Activate`; then the actions that waited.
    Grant(Grant),
    /// Frame `Revoke`: it stays bound as a client view. With it goes all inside for which it is the nearest entry of the
    /// table, so also what was granted to the session singly and is [`Owner::Around`] by now: each of these is revoked by a frame of
    /// its own. What is below another anchor of the session stays.
    Revoke(EntityId, Session, Epoch),
    /// Frame `Prepare`: bind it all to the session.
    Prepare(EntityId, Session, Move),
    /// Frame `Freeze`.
    Freeze(EntityId, Session, Move, Epoch),
    /// Frame `Abort`: an owner goes on from where it stopped, a target keeps a client view.
    Abort(EntityId, Session, Move, Code),
    /// A territory is cold: what is in memory of it may go.
    Evict(EntityId),
    /// Frame `Locked`; a time of 0 is refused with the code.
    Locked(Session, u64, u64, Code),
    /// Frame `Notice`, about a root if there is one.
    Notice(Session, Code, Option<EntityId>),
    /// The session owns nothing any more: `Goodbye` may be said.
    Drained(Session),
    /// A ship may go into the tunnel: its gate's owner re-parents it.
    Slot {
        /// The ship.
        ship: EntityId,
        /// The zone to go into.
        tunnel: EntityId,
        /// Who does it.
        owner: Session,
    },
    /// A ship in a tunnel is to come out at a gate in its owner's own territories, by a command of its owner.
    Leave {
        /// The ship.
        ship: EntityId,
        /// The gate.
        gate: EntityId,
        /// Who does it.
        owner: Session,
        /// Back to where it came from.
        ejected: bool,
    },
    /// All of a plan is as it was wished, or was revoked.
    Planned(u64),
    /// A plan is not taken, for this reason.
    Unplanned(u64, String),
}

/// Why a hub ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// Another one started.
    #[error("another hub started: the shard entity is at epoch {found}, this hub's term is {term}")]
    Replaced {
        /// This hub's.
        term: Epoch,
        /// The store's.
        found: Epoch,
    },
    /// Two started at once, and this one came second.
    #[error("another hub started at the same time")]
    Second,
    /// The numbers of a term are used up.
    #[error("all epochs of term {term} were given: start again")]
    Exhausted {
        /// This hub's.
        term: Epoch,
    },
    /// What is needed to start is refused.
    #[error("atlas cannot start: {0}")]
    Start(String),
}
