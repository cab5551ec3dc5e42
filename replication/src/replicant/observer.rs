//! Who is told: what is bound to it, what it follows, what it is owed. A slow reader costs no more than a quick one: of what it
//! is owed only moments are kept.

use bytes::Bytes;
use entitygraph_schema::wire::{Handle, Role};
use hashbrown::{HashMap, hash_map::Entry};

use super::cells::Lacks;
use crate::message::Connection;

/// A cell that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follow {
    pub slot: u32,
    /// Everything up to this moment was told.
    pub told: u64,
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
}

/// A peer, as the replicant sees it.
#[derive(Debug)]
pub struct Observer {
    pub connection: Connection,
    pub role: Role,
    pub subject: String,
    /// It holds the post, or is to hold it: everything is bound to it.
    pub everything: bool,
    /// It is granted the post as soon as it has everything.
    pub grant_waits: bool,
    /// Place in the columns of the character that it looks from.
    pub character: Option<usize>,
    /// `Entered` was sent for it.
    pub entered: bool,
    pub follows: Vec<Follow>,
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
    /// Control frames that go with the next message; few, each asked for by a frame of the peer.
    pub control: Vec<Bytes>,
    /// A cell that is not followed any more owed more than slices tell, since this moment: entities of it may be in cells that
    /// owe nothing.
    pub owed: Option<u64>,
    /// The socket takes nothing now.
    pub full: bool,
    /// Its connection is lost, or about to be closed: nothing is taken of it, nothing made for it.
    pub detached: bool,
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
}

impl Observer {
    /// Somebody who was told nothing yet.
    pub fn new(connection: Connection, role: Role, subject: String) -> Self {
        Self {
            connection,
            role,
            subject,
            everything: false,
            grant_waits: false,
            character: None,
            entered: false,
            follows: Vec::new(),
            bound: HashMap::new(),
            wanted: Default::default(),
            unwanted: Vec::new(),
            batches: HashMap::new(),
            last_batch: 0,
            last_seq: 0,
            control: Vec::new(),
            owed: None,
            full: false,
            detached: false,
            due: false,
            message_moment: 0,
            horizon: 0,
            horizon_owed: false,
            report: 0,
        }
    }

    /// Goes on with another connection, whose peer has all load frames up to `seen` and everything up to `horizon`.
    pub fn resumed(&mut self, connection: Connection, seen: u64, horizon: u64) {
        (self.connection, self.detached, self.full) = (connection, false, false);
        if seen == self.last_seq {
            let horizon = horizon.min(self.horizon);
            self.owed = Some(self.owed.map_or(horizon, |owed| owed.min(horizon)));
            return;
        }
        // Which of them were lost is not known: what the peer may have is unbound, and bound again.
        self.batches.clear();
        self.wanted.clear();
        let mut handles: Vec<Handle> = self.bound.keys().copied().collect();
        handles.sort_unstable();
        for handle in handles {
            if self.bound.insert(handle, Bound::Wanted) != Some(Bound::Wanted) {
                self.unwanted.push(handle);
            }
            self.wanted.push_back(handle);
        }
    }

    /// The number of the next load frame.
    pub fn seq(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
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
            place.remove();
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
        !self.unwanted.is_empty()
            || self.batches.values().any(|batch| batch.ready)
            || (!self.wanted.is_empty() && self.batches.len() < batches_max)
            || (self.grant_waits && self.is_whole())
    }

    /// Whether everything that it wants is shown.
    pub fn is_whole(&self) -> bool {
        self.wanted.is_empty() && self.batches.is_empty()
    }

    /// Follows a cell no more, of which it lacks this and was told up to that.
    pub fn lets_go(&mut self, lacks: Lacks, told: u64) {
        if lacks == Lacks::TooMuch {
            self.owed = Some(self.owed.unwrap_or(told).min(told));
        }
    }

    /// Whether it follows the cell.
    pub fn follows(&self, slot: u32) -> bool {
        self.follows.iter().any(|follow| follow.slot == slot)
    }
}
