//! Who is told: what is bound to it, what it follows, what it is owed. A slow reader costs no more than a quick one: of what it
//! is owed only moments are kept.

use bytes::Bytes;
use entitygraph_schema::{
    Epoch, OwnerId,
    wire::{Handle, Role},
};
use hashbrown::{HashMap, hash_map::Entry};

use super::{
    action::Actions,
    area::Area,
    cells::{Audience, LANES, Lacks, Slot},
    event::Fresh,
    hot::{Hot, Index},
    input::Hands,
    kept::Kept,
};
use crate::{catalog::Sight, message::Connection};

/// A cell that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follow {
    pub slot: u32,
    /// What is in it is bound.
    pub binds: bool,
    /// Everything up to this moment was told, on each lane.
    pub told: [u64; 3],
}

/// An entity of the observer's own, of which it is told what only its owner sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own {
    pub index: Index,
    /// Everything up to this moment was told, on each lane.
    pub told: [u64; 3],
}

/// How far an entity is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// It waits for its turn, once.
    Wanted,
    /// Its batch was sent and is not active yet.
    Loading(u64),
    /// It was shown by `Activate`.
    Active,
}

/// An anchor that was given to a server, which is told of it once it has what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    pub anchor: Index,
    pub epoch: Epoch,
    pub post: String,
    pub carry: Bytes,
    pub carry_lost: bool,
}

/// A batch that is not active yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Of the first snapshot.
    pub moment: u64,
    /// When it must be Ready, in microseconds of the shard clock.
    pub ready_by_us: u64,
    /// Whether the reader said that all of it is loaded.
    pub ready: bool,
    /// Parents first.
    pub handles: Vec<Handle>,
    /// How many of them are not unbound.
    pub left: usize,
}

/// A peer, as the replicant sees it.
#[derive(Debug)]
pub struct Observer {
    pub connection: Connection,
    /// Its number, that of Welcome.
    pub session: u64,
    pub role: Role,
    pub subject: String,
    /// The socket is gone; nothing is made for it until it resumes.
    pub detached: bool,
    /// It lost what it owned while it was away: what is bound is let go when it is not given it again.
    pub orphaned: bool,
    /// What it was given and is told of as soon as everything there is shown.
    pub grants: Vec<Granted>,
    /// Place in the columns of the character that it looks from.
    pub character: Option<usize>,
    /// `Entered` was sent for it.
    pub entered: bool,
    pub follows: Vec<Follow>,
    /// Areas that it asked for; servers and viewers.
    pub areas: Vec<Area>,
    /// What it owns of what it has active; players.
    pub own: Vec<Own>,
    /// What the peer has, was sent, or waits for.
    pub bound: HashMap<Handle, Bound>,
    /// What is `Wanted`, in this order. What is not followed any more when its turn comes is passed over.
    pub wanted: std::collections::VecDeque<Handle>,
    /// What is to be unbound.
    pub unwanted: Vec<Handle>,
    pub batches: HashMap<u64, Batch>,
    pub last_batch: u64,
    /// Of the last load frame.
    pub last_seq: u64,
    /// Load frames that it has not said it saw.
    pub kept: Kept,
    /// Control frames that go with the next message; few, each asked for by a frame of the peer.
    pub control: Vec<Bytes>,
    /// A cell that is not followed any more owed more than slices tell, since this moment: entities of it may be in cells that
    /// owe nothing.
    pub owed: Option<u64>,
    /// The socket takes nothing now.
    pub full: bool,
    /// It is in the list of those who are served at the end of the moment.
    pub due: bool,
    /// When the last message was made.
    pub message_moment: u64,
    /// Of the last Horizon.
    pub horizon: u64,
    /// Something was told since the last Horizon.
    pub horizon_owed: bool,
    /// The last report that was taken; servers.
    pub report: u64,
    pub actions: Actions,
    pub hands: Hands,
    pub fresh: Fresh,
}

impl Observer {
    /// Somebody who was told nothing yet.
    pub fn new(connection: Connection, session: u64, role: Role, subject: String) -> Self {
        Self {
            connection,
            session,
            role,
            subject,
            detached: false,
            orphaned: false,
            grants: Vec::new(),
            character: None,
            entered: false,
            follows: Vec::new(),
            areas: Vec::new(),
            own: Vec::new(),
            bound: HashMap::new(),
            wanted: Default::default(),
            unwanted: Vec::new(),
            batches: HashMap::new(),
            last_batch: 0,
            last_seq: 0,
            kept: Kept::default(),
            control: Vec::new(),
            owed: None,
            full: false,
            due: false,
            message_moment: 0,
            horizon: 0,
            horizon_owed: false,
            report: 0,
            actions: Actions::default(),
            hands: Hands::default(),
            fresh: Fresh::default(),
        }
    }

    /// The number of the next load frame.
    pub fn seq(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }

    /// For whom the cells that it follows are told.
    pub fn audience(&self) -> Audience {
        match self.role {
            Role::Server => Audience::Servers,
            Role::Player | Role::Viewer => Audience::Public,
        }
    }

    /// What it sees of an entity with this owner.
    pub fn sight(&self, owner: Option<&OwnerId>) -> Sight {
        match self.role {
            Role::Player if owner.is_some_and(|owner| owner.as_str() == self.subject) => Sight::Owner,
            role => Sight::of(role),
        }
    }

    /// Nothing is to be made for it now.
    pub fn is_away(&self) -> bool {
        self.full || self.detached
    }

    /// Wants an entity bound, unless it is, or waits already.
    pub fn want(&mut self, handle: Handle) {
        if let Entry::Vacant(place) = self.bound.entry(handle) {
            place.insert(Bound::Wanted);
            self.wanted.push_back(handle);
        }
    }

    /// Wants an entity unbound, if it is bound. One that waits is passed over when its turn comes, because nothing that it stands
    /// in is followed then.
    pub fn unwant(&mut self, handle: Handle) {
        if let Entry::Occupied(place) = self.bound.entry(handle)
            && *place.get() != Bound::Wanted
        {
            // A batch of which nothing is left is over: its reader may say nothing more of it.
            if let Bound::Loading(number) = place.remove()
                && let Some(batch) = self.batches.get_mut(&number)
            {
                batch.left -= 1;
                if batch.left == 0 {
                    self.batches.remove(&number);
                }
            }
            self.own.retain(|own| Hot::handle(own.index) != Some(handle));
            self.unwanted.push(handle);
        }
    }

    /// Ends a batch that is not active: all that came with it is unbound.
    pub fn gives_up(&mut self, number: u64) {
        let Some(batch) = self.batches.remove(&number) else { return };
        for handle in batch.handles {
            if self.bound.get(&handle) == Some(&Bound::Loading(number)) {
                self.unwant(handle);
            }
        }
    }

    /// Whether a load frame can be made for it now.
    pub fn has_load(&self, batches_max: usize) -> bool {
        let any = !self.unwanted.is_empty()
            || self.batches.values().any(|batch| batch.ready)
            || (!self.wanted.is_empty() && self.batches.len() < batches_max)
            || ((!self.grants.is_empty() || self.areas.iter().any(|area| !area.told)) && self.is_whole());
        any && self.kept.has_room()
    }

    /// Whether everything that it wants is shown.
    pub fn is_whole(&self) -> bool {
        self.wanted.is_empty() && self.batches.is_empty()
    }

    /// Follows a cell no more.
    pub fn lets_go(&mut self, cell: &Slot, follow: &Follow, moment: u64) {
        let audience = self.audience();
        for (lane, told) in LANES.into_iter().zip(follow.told) {
            if cell.lacks(audience, lane, told, moment) == Lacks::TooMuch {
                self.owes(told);
            }
        }
    }

    /// It is to be told again what changed after a moment, of everything active.
    pub fn owes(&mut self, told: u64) {
        self.owed = Some(self.owed.unwrap_or(told).min(told));
    }

    /// Whether it follows the cell with what is in it.
    pub fn binds(&self, slot: u32) -> bool {
        self.follows.iter().any(|follow| follow.slot == slot && follow.binds)
    }
}
