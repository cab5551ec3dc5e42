//! Which server simulates what, how that changes, and why no two ever do: docs/authority.md is the specification, its table of
//! states is [`flip::step`]. Atlas decides, the replicant enforces, the store has the last word.
//!
//! Read in this order: [`message`] what it hears and says, [`map`] the posts, [`record`] what it keeps in the graph, [`term`] how it
//! starts, [`state`] and [`flip`] the states, [`transaction`] what is committed, [`recovery`] who takes over, `drain` orders, `jump` tunnels.
//!
//! It holds anchors and what is being handed over, nothing else: all else belongs to the anchor around it.

pub mod anchors;
mod answers;
mod border;
mod commit;
mod drain;
pub mod flip;
pub mod jump;
pub mod locks;
pub mod map;
pub mod message;
mod perform;
pub mod posts;
pub mod record;
pub mod recovery;
pub mod state;
pub mod term;
#[cfg(test)]
mod tests;
pub mod transaction;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use entitygraph_schema::{EntityId, Epoch};

use self::{
    anchors::{Anchors, Unit},
    flip::Input,
    jump::Jumps,
    locks::Locks,
    map::Map,
    message::{Event, Out, Session},
    posts::Posts,
    state::{Context, State},
    term::{Start, Term},
};
use crate::machine::{Machine, Now};

/// Bounds of time and number. Defaults are those of docs/authority.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Least time between two flips of one aggregate (AC 2.33.6), in microseconds, as all of these.
    pub rest_us: u64,
    /// Until `Frozen`.
    pub freeze_us: u64,
    /// A preparation without its end.
    pub prepare_us: u64,
    /// A flip that reaches no service.
    pub unsent_us: u64,
    /// Until a transaction is asked for again.
    pub again_us: u64,
    /// How long a standby is waited for before a fallback takes a post.
    pub standby_us: u64,
    /// How long servers are waited for behind a start before standbys and fallbacks take their posts.
    pub early_us: u64,
    /// Between two writes of the shard clock.
    pub clock_us: u64,
    /// Until an order that failed is tried again.
    pub retry_us: u64,
    /// Hand-overs by order at once.
    pub orders_max: usize,
    /// Anchors and hand-overs together.
    pub units_max: usize,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            rest_us: 5_000_000,
            freeze_us: 500_000,
            prepare_us: 30_000_000,
            unsent_us: 5_000_000,
            again_us: 250_000,
            standby_us: 1_000_000,
            early_us: 2_000_000,
            clock_us: 10_000_000,
            retry_us: 1_000_000,
            orders_max: 8,
            units_max: 65_536,
        }
    }
}

/// How often something was not done, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Events that the table does not have for the state they met.
    pub refused: u64,
    /// Flips that were committed.
    pub flips: u64,
    /// Recoveries that were granted.
    pub recoveries: u64,
}

/// The role.
#[derive(Debug)]
pub struct Atlas {
    times: Times,
    map: Arc<Map>,
    term: Term,
    posts: Posts,
    anchors: Anchors,
    locks: Locks,
    jumps: Jumps,
    plans: BTreeMap<u64, drain::Plan>,
    /// When orders are to be looked at.
    plan_us: Option<u64>,
    /// It started just now: posts wait for their own servers.
    early_until_us: Option<u64>,
    /// Which unit a commit is for.
    commits: BTreeMap<u64, EntityId>,
    /// Which unit a hand-over is of.
    moves: BTreeMap<message::Move, EntityId>,
    /// Ready to freeze, held up by what is between two owners.
    waiting: BTreeSet<EntityId>,
    /// Sessions that are being emptied and were not told that they are.
    leaving: BTreeSet<Session>,
    work: VecDeque<(EntityId, Input)>,
    /// For metrics.
    pub counts: Counts,
}

impl Atlas {
    /// An atlas that has read nothing yet. It begins when it is woken, and says [`Out::Running`] when it is the one.
    pub fn new(times: Times, start: Start) -> Self {
        let map = start.map.clone();
        Self {
            times,
            posts: Posts::new(map.clone()),
            jumps: Jumps::new(&map),
            map,
            term: Term::new(start),
            anchors: Anchors::default(),
            locks: Locks::default(),
            plans: BTreeMap::new(),
            plan_us: None,
            early_until_us: None,
            commits: BTreeMap::new(),
            moves: BTreeMap::new(),
            waiting: BTreeSet::new(),
            leaving: BTreeSet::new(),
            work: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// What it keeps a state for.
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// Whether hand-overs can be made.
    pub fn is_running(&self) -> bool {
        self.term.is_running()
    }

    /// A number of the term, for a hand-over or an epoch; none ends the hub.
    fn number(&mut self, out: &mut Vec<Out>) -> Option<Epoch> {
        let number = self.term.give();
        if number.is_none() {
            self.term.exhausted(out);
        }
        number
    }

    /// Lets something happen to a unit, and all that follows from it.
    fn apply(&mut self, now_us: u64, root: EntityId, input: Input, out: &mut Vec<Out>) {
        self.work.push_back((root, input));
        while let Some((root, input)) = self.work.pop_front() {
            self.one(now_us, root, input, out);
        }
    }

    fn one(&mut self, now_us: u64, root: EntityId, input: Input, out: &mut Vec<Out>) {
        let times = self.times;
        let Some(unit) = self.anchors.get(root) else {
            self.counts.refused += 1;
            return;
        };
        let context = self.context(root, unit, now_us, &times);
        let durable = match &input {
            Input::Committed => true,
            Input::Read(Some(found), _) => unit.sent.as_ref().is_some_and(|sent| sent.fresh == *found),
            _ => false,
        };
        let Ok((state, effects)) = flip::step(&unit.state, input, &context) else {
            self.counts.refused += 1;
            return;
        };
        let was_going = unit.state.going().is_some();
        let (before, after) = (unit.state.number(), state.number());
        if before != after {
            before.map(|number| self.moves.remove(&number));
            after.map(|number| self.moves.insert(number, root));
        }
        let is_free = self.anchors.set(root, state);
        if durable {
            self.sent_is_durable(root);
        }
        for effect in effects {
            self.perform(now_us, root, effect, out);
        }
        if is_free {
            let waiting = std::mem::take(&mut self.waiting);
            self.work.extend(waiting.into_iter().map(|root| (root, Input::Time)));
        }
        let is_going = self.anchors.get(root).is_some_and(|unit| unit.state.going().is_some());
        if is_free || was_going && !is_going {
            self.plan_us = Some(now_us);
        }
        self.reckon(root, now_us);
    }

    fn context<'a>(&self, root: EntityId, unit: &Unit, now_us: u64, times: &'a Times) -> Context<'a> {
        let rested_us = unit.flipped_us.map_or(0, |us| us + times.rest_us);
        let free_us = rested_us.max(self.locks.until_us(root)).max(unit.stays_until_us);
        Context { now_us, free_us, busy: self.anchors.is_busy(root), times }
    }

    /// Notes when time alone does something to a unit.
    fn reckon(&mut self, root: EntityId, now_us: u64) {
        let times = self.times;
        let Some(unit) = self.anchors.get(root) else { return };
        let context = self.context(root, unit, now_us, &times);
        let waits = context.busy && unit.state.going().is_some_and(state::Going::is_ready);
        if waits && matches!(unit.state, State::Preparing { .. }) {
            self.waiting.insert(root);
        } else {
            self.waiting.remove(&root);
        }
        let settles_us = self.settles_us(unit, now_us);
        self.anchors.reckon(root, &context, settles_us);
    }

    fn woken(&mut self, now_us: u64, out: &mut Vec<Out>) {
        let times = self.times;
        self.term.woken(now_us, &times, out);
        if self.early_until_us.is_some_and(|us| us <= now_us) {
            self.early_until_us = None;
            self.seek_all(now_us, out);
        }
        while let Some(root) = self.anchors.take_due(now_us) {
            if !self.settle(now_us, root, false, out) {
                self.apply(now_us, root, Input::Time, out);
            }
        }
        self.tunnels(now_us, out);
    }
}

impl Machine for Atlas {
    type Event = Event;
    type Out = Vec<Out>;

    fn handle(&mut self, now: Now, event: Event, out: &mut Vec<Out>) {
        let now_us = now.shard_us;
        if self.term.has_ended() {
            return;
        }
        let times = self.times;
        match event {
            Event::Woken => self.woken(now_us, out),
            Event::Shard(row, registry) => self.term.shard_read(row, &registry, out),
            Event::Anchors(rows) => {
                let step = self.term.anchors_read(now_us, rows, &times, out);
                self.stepped(now_us, step, out);
            }
            Event::Root(root, row) => self.root_read(now_us, root, row, out),
            Event::Committed(number, outcome) => self.committed(now_us, number, outcome, out),
            _ if !self.term.is_running() => self.counts.refused += 1,
            Event::Registered { session, post, standby } => {
                self.registered(now_us, session, post.as_deref(), standby, out);
            }
            Event::Lost(session) => self.lost(now_us, session, out),
            Event::Back(session) => self.back(now_us, session, out),
            Event::Drain(session, draining) => self.drain(now_us, session, draining, out),
            Event::Followed(root) => {
                let holder = self.anchors.home(root).and_then(|post| self.posts.holder(post));
                self.apply(now_us, root, Input::Followed(holder), out);
            }
            Event::Unwatched(root) => self.apply(now_us, root, Input::Unwatched, out),
            Event::Ahead(border) => self.border(now_us, border, false, out),
            Event::Cross(border) => self.border(now_us, border, true, out),
            Event::Away(root) => self.apply(now_us, root, Input::Away, out),
            Event::Prepared(number, session, exit) => self.prepared(now_us, number, session, exit, out),
            Event::Frozen(root, frozen) => self.frozen(now_us, root, frozen, out),
            Event::Told(root) => {
                if let Some(unit) = self.anchors.get_mut(root) {
                    unit.told = true;
                    self.reckon(root, now_us);
                }
            }
            Event::Lock { session, number, roots, for_ms } => {
                self.lock(now_us, (session, number), roots, for_ms, out);
            }
            Event::Unlock(session, number) => {
                let roots = self.locks.unlock(session, number);
                self.relocked(now_us, roots, out);
            }
            Event::Enter { ship, gate, owner } => {
                self.jumps.enter(now_us, ship, gate, owner, out);
            }
            Event::Inside { ship, tunnel, chain, gates } => {
                self.inside(now_us, ship, tunnel, chain, gates, out);
            }
            Event::Outside(ship) => {
                self.jumps.out(now_us, ship, out);
            }
            Event::Reassign { plan, roots, post } => self.reassign(now_us, plan, roots, &post, out),
            Event::Revoked(plan) => self.revoked(plan, out),
        }
        while self.term.is_running() && self.plan_us.is_some_and(|us| us <= now_us) {
            self.plan(now_us, out);
        }
    }

    fn wake_us(&self) -> Option<u64> {
        let running = self.term.is_running().then_some(());
        let own = running.and_then(|()| {
            let own = [self.anchors.wake_us(), self.plan_us, self.jumps.wake_us(), self.early_until_us];
            own.into_iter().flatten().min()
        });
        [self.term.due_us, own].into_iter().flatten().min()
    }
}
