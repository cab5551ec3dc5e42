//! The states of an aggregate or territory (docs/authority.md, "States of an aggregate"). What makes one of another is
//! [`super::flip`].

use bytes::Bytes;
use entitygraph_schema::{EntityId, Epoch, Pose};

use super::{
    Times,
    map::PostId,
    message::{Chain, Frozen, Move, Session},
};

/// Who is to have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Its session.
    pub session: Session,
    /// The post that it has it by.
    pub post: PostId,
}

/// Why something is to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It flies over a border: it goes when its owner says that it is over.
    Border,
    /// Somebody said so: it goes when the target is prepared.
    Ordered,
}

/// A hand-over that is being prepared or done.
#[derive(Debug, Clone, PartialEq)]
pub struct Going {
    /// Its number.
    pub number: Move,
    /// To whom.
    pub to: Target,
    /// By which post its owner has it.
    pub from: PostId,
    /// Why.
    pub why: Why,
    /// The zone that it goes to, and what fences that; none if it stays in its zone.
    pub into: Option<(EntityId, Chain)>,
    /// When it began.
    pub since_us: u64,
    /// The target has loaded it.
    pub prepared: bool,
    /// Its owner said that it is over the border.
    pub crossed: bool,
    /// Where it comes out, as the target chose.
    pub exit: Option<Pose>,
}

/// What the last owner left.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Left {
    /// The last tick that it simulated, where it stopped at one.
    pub tick: Option<u64>,
    /// What no variable holds.
    pub carry: Option<Bytes>,
    /// It did not stop: what no variable holds is lost.
    pub lost: bool,
}

impl Left {
    /// Of an owner that did not stop.
    pub const LOST: Self = Self { tick: None, carry: None, lost: true };
}

/// A transaction that is under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// What it raises to.
    pub fresh: Epoch,
    /// When it was asked first.
    pub since_us: u64,
    /// When it is to be asked again.
    pub again_us: Option<u64>,
    /// An attempt of it may still be done.
    pub doubtful: bool,
    /// It was refused, and the store is read.
    pub reading: bool,
}

/// State of an anchor or of what is handed over. Epochs are the durable ones unless the state says otherwise.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // each state says what its fields are
pub enum State {
    /// Nothing in it is hot. The epoch is still that of a grant of `granted`.
    Cold { epoch: Epoch, granted: Option<Session> },
    /// Its post has no server.
    Unassigned { epoch: Epoch, left: Left },
    /// Its owner simulates.
    Owned { epoch: Epoch, owner: Session },
    /// The same, and it is to go as soon as it can.
    Draining { epoch: Epoch, owner: Session },
    /// Its owner simulates, the target loads.
    Preparing { epoch: Epoch, owner: Session, going: Going },
    /// Its owner simulates to the end of this tick.
    Freezing { epoch: Epoch, owner: Session, going: Going, since_us: u64 },
    /// Nobody simulates: the commit is under way. Sessions that were lost meanwhile are none.
    Flipping {
        epoch: Epoch,
        owner: Option<Session>,
        going: Going,
        target: bool,
        frozen: Box<Frozen>,
        asked: Asked,
    },
    /// Its owner is lost. `was` comes back if it resumes in its lease; with the move that had stopped it.
    Orphaned {
        epoch: Epoch,
        since_us: u64,
        was: Option<(Session, Option<Move>)>,
        first: Option<Target>,
        left: Left,
    },
    /// Nobody simulates: a raise is under way or done, the target loads.
    Recovering {
        epoch: Epoch,
        to: Option<Target>,
        number: Move,
        durable: bool,
        prepared: bool,
        left: Left,
        asked: Asked,
    },
}

/// What holds a freeze up, and the time.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Shard clock.
    pub now_us: u64,
    /// When locks, the 5 s since the last flip, and a least stay are over.
    pub free_us: u64,
    /// Something around it or inside it is between two owners.
    pub busy: bool,
    /// Bounds of time.
    pub times: &'a Times,
}

impl State {
    /// The epoch under which reports are taken, or the last one that was granted.
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Recovering { durable: true, asked, .. } => asked.fresh,
            Self::Cold { epoch, .. }
            | Self::Unassigned { epoch, .. }
            | Self::Owned { epoch, .. }
            | Self::Draining { epoch, .. }
            | Self::Preparing { epoch, .. }
            | Self::Freezing { epoch, .. }
            | Self::Flipping { epoch, .. }
            | Self::Orphaned { epoch, .. }
            | Self::Recovering { epoch, .. } => *epoch,
        }
    }

    /// Whose reports are taken.
    pub fn owner(&self) -> Option<Session> {
        match self {
            Self::Owned { owner, .. }
            | Self::Draining { owner, .. }
            | Self::Preparing { owner, .. }
            | Self::Freezing { owner, .. } => Some(*owner),
            _ => None,
        }
    }

    /// Whether a session has to do with it: as its owner, a target, or as who may come back.
    pub fn names(&self, session: Session) -> bool {
        let target = |going: &Going| going.to.session == session;
        match self {
            Self::Cold { granted, .. } => *granted == Some(session),
            Self::Unassigned { .. } => false,
            Self::Owned { owner, .. } | Self::Draining { owner, .. } => *owner == session,
            Self::Preparing { owner, going, .. } | Self::Freezing { owner, going, .. } => {
                *owner == session || target(going)
            }
            Self::Flipping { owner, going, target: alive, .. } => {
                *owner == Some(session) || *alive && target(going)
            }
            Self::Orphaned { first, .. } => first.is_some_and(|first| first.session == session),
            Self::Recovering { to, .. } => to.is_some_and(|to| to.session == session),
        }
    }

    /// Whether it is between two owners, so that nothing around it or inside it may change hands.
    pub fn is_between(&self) -> bool {
        matches!(
            self,
            Self::Freezing { .. } | Self::Flipping { .. } | Self::Orphaned { .. } | Self::Recovering { .. }
        )
    }

    /// The hand-over that is under way.
    pub fn going(&self) -> Option<&Going> {
        match self {
            Self::Preparing { going, .. } | Self::Freezing { going, .. } | Self::Flipping { going, .. } => {
                Some(going)
            }
            _ => None,
        }
    }

    /// Number of the hand-over or recovery that is under way.
    pub fn number(&self) -> Option<Move> {
        match self {
            Self::Recovering { number, .. } => Some(*number),
            _ => self.going().map(|going| going.number),
        }
    }

    /// When time alone does something to it.
    pub fn due_us(&self, context: &Context<'_>) -> Option<u64> {
        let times = context.times;
        match self {
            Self::Preparing { going, .. } if going.is_ready() => {
                // What is busy says itself when it is not any more.
                if context.busy { None } else { Some(context.free_us) }
            }
            Self::Preparing { going, .. } => Some(going.since_us + times.prepare_us),
            Self::Freezing { since_us, .. } => Some(since_us + times.freeze_us),
            Self::Recovering { durable: true, asked, .. } => Some(asked.since_us + times.prepare_us),
            Self::Flipping { asked, .. } | Self::Recovering { asked, .. } => asked.again_us,
            Self::Orphaned { since_us, .. } => Some(since_us + times.standby_us),
            _ => None,
        }
    }
}

impl Going {
    /// Whether only locks and time hold it up.
    pub(super) fn is_ready(&self) -> bool {
        self.prepared && (self.crossed || self.why == Why::Ordered)
    }
}

impl Asked {
    pub(super) fn new(fresh: Epoch, now_us: u64) -> Self {
        Self { fresh, since_us: now_us, again_us: None, doubtful: false, reading: false }
    }
}

impl Asked {
    pub(super) fn again(&self, context: &Context<'_>, doubtful: bool) -> Self {
        let again_us = Some(context.now_us + context.times.again_us);
        Self { again_us, doubtful: self.doubtful || doubtful, ..self.clone() }
    }

    pub(super) fn reading(&self) -> Self {
        Self { again_us: None, reading: true, ..self.clone() }
    }

    pub(super) fn sent(&self) -> Self {
        Self { again_us: None, ..self.clone() }
    }

    pub(super) fn is_due(&self, context: &Context<'_>) -> bool {
        self.again_us.is_some_and(|us| context.now_us >= us)
    }

    pub(super) fn fresh(fresh: Epoch, context: &Context<'_>) -> Self {
        Self::new(fresh, context.now_us)
    }
}
