//! The scribe: brings what was accepted down to the graph, the newest of each entity, and says how far it came. No I/O; in the
//! order in which a change meets them:
//!
//! - [`message`], [`values`]: what it is told, and what is kept of an entity;
//! - [`log`], [`log_file`], [`replay`], `journal`: what was accepted, so that a crash does not lose it;
//! - `intake`, `backlog`: what comes, and what waits;
//! - `batch`, [`fence`], `flight`: what is written, under which epochs, and what becomes of it;
//! - `command`: structural changes, with what waits for the same aggregates;
//! - `watermark`: who is told.

mod backlog;
mod batch;
mod command;
pub mod config;
pub mod fence;
mod flight;
mod intake;
mod journal;
pub mod log;
pub mod log_file;
pub mod message;
pub mod replay;
pub mod values;
mod watermark;

use std::collections::VecDeque;

use entitygraph_schema::{Cursor, EntityId, Epoch};
use hashbrown::{HashMap, HashSet};

use self::{
    backlog::Backlog,
    batch::Split,
    command::Queued,
    config::Config,
    fence::Fence,
    flight::Flight,
    journal::Journal,
    message::{Effect, Event, Out, Ticket},
    replay::Replay,
    values::Known,
    watermark::Watermark,
};
use crate::machine::{Machine, Now};

/// What the scribe of a hub begins with, once the hub's start is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The shard entity.
    pub shard: EntityId,
    /// The term that the hub wrote there.
    pub term: Epoch,
    /// Of the commit of its start: all commits of hubs before it are at or below.
    pub cursor: Cursor,
    /// Position behind the last record of the log.
    pub log_end: u64,
}

/// What was done since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows that were accepted.
    pub accepted: u64,
    /// Of these, older than what waited: not taken.
    pub older: u64,
    /// Entities that were written.
    pub written: u64,
    /// Entities that had to be written, and were in the store already as they were.
    pub unchanged: u64,
    /// Transactions that the graph did.
    pub commits: u64,
    /// Entities that the graph will never have as they were accepted.
    pub dropped: u64,
    /// Questions that were asked again.
    pub retries: u64,
    /// Bytes that went into the log.
    pub logged_bytes: u64,
}

/// The role.
#[derive(Debug)]
pub struct Scribe {
    config: Config,
    backlog: Backlog,
    /// What the store has of what is hot.
    known: HashMap<EntityId, Known>,
    fence: Fence,
    /// Aggregates that wait for a row of the fence, by its entity.
    fenced: HashMap<EntityId, Vec<EntityId>>,
    /// When those that were refused are given up, and since when they are held for that.
    stale: VecDeque<(u64, EntityId)>,
    journal: Journal,
    watermark: Watermark,
    flights: Vec<Flight>,
    /// Parts of a batch that was refused, to be tried on their own.
    splits: VecDeque<Split>,
    /// Aggregates and entities that are under way or in a split; of aggregates, in how many.
    busy_roots: HashMap<EntityId, u32>,
    busy_entities: HashSet<EntityId>,
    commands: VecDeque<Queued>,
    /// Aggregates of commands that wait: not taken by batches.
    claimed: HashMap<EntityId, u32>,
    /// Aggregates that left a zone with a command whose result the replicant has not taken yet.
    leaving: HashMap<EntityId, (Ticket, EntityId)>,
    /// Of the last report.
    number: u64,
    next_ask: u64,
    next_operation: u64,
    /// How long the graph takes for a batch, smoothed.
    latency_us: u64,
    /// Nothing new is asked before, and how long that was.
    resume_us: u64,
    pause_us: u64,
    /// When the next aggregate has waited long enough.
    ripe_us: Option<u64>,
    /// Whether something that the log brought is not in the store: its number is 0.
    replaying: bool,
    stopped: bool,
    draining: bool,
    counts: Counts,
}

impl Machine for Scribe {
    type Event = Event;
    type Out = Out;

    fn handle(&mut self, now: Now, event: Event, out: &mut Out) {
        let now_us = now.shard_us;
        match event {
            Event::Loaded { entity, zone } => {
                self.known.insert(entity.id, Known::new(entity, zone));
            }
            Event::Fence { entity, row } => self.fence(now_us, entity, row, out),
            Event::Accepted { tick, zone, rows } => self.accepted(now_us, tick, zone, rows, out),
            Event::Reported { session, batch } => {
                self.watermark.reported(session, batch, self.number);
                self.rise(out);
            }
            Event::Edited { cursor, tick, zone, row } => {
                self.edited(row.entity, &row.values, zone, cursor);
                self.accepted(now_us, tick, zone, vec![row], out);
            }
            Event::Buried(entity) => self.buried(entity, out),
            Event::Command(command) => self.command(now_us, *command, out),
            Event::Took(ticket) => self.leaving.retain(|_, (of, _)| *of != ticket),
            Event::Barrier { who, roots } => self.barrier(now_us, who, roots, out),
            Event::Cold(entities) => entities.into_iter().for_each(|entity| self.cold(entity)),
            Event::Ended(session) => self.watermark.ended(session),
            Event::Synced(position) => self.synced(now_us, position, out),
            Event::Taking(taking) => {
                self.journal.taking(taking, &mut out.effects);
                self.fill(now_us, out);
            }
            Event::Answered { ask, outcome } => self.answered(now_us, ask, outcome, out),
            Event::Drain => {
                self.draining = true;
                self.fill(now_us, out);
            }
            Event::Woken => self.woken(now_us, out),
        }
        if self.draining && self.is_idle() {
            self.draining = false;
            out.effects.push(Effect::Drained);
        }
    }

    fn wake_us(&self) -> Option<u64> {
        if self.stopped {
            return None;
        }
        let retries = self.flights.iter().filter_map(Flight::retry_us);
        let expiring = self.commands.front().map(|queued| queued.until_us);
        let stale = self.stale.front().map(|(until_us, _)| *until_us);
        retries.chain(expiring).chain(stale).chain(self.ripe_us).min()
    }
}

impl Scribe {
    /// With what a log says was accepted and not written.
    pub fn new(config: Config, start: Start, replay: Replay, out: &mut Out) -> Self {
        let (backlog, open) = replay.into_parts();
        let mut scribe = Self {
            config,
            backlog,
            known: HashMap::new(),
            fence: Fence::new(start.shard, start.term),
            fenced: HashMap::new(),
            stale: VecDeque::new(),
            journal: Journal::new(start.log_end),
            watermark: Watermark::new(start.cursor),
            flights: Vec::new(),
            splits: VecDeque::new(),
            busy_roots: HashMap::new(),
            busy_entities: HashSet::new(),
            commands: VecDeque::new(),
            claimed: HashMap::new(),
            leaving: HashMap::new(),
            number: 0,
            next_ask: 0,
            next_operation: 0,
            latency_us: 0,
            resume_us: 0,
            pause_us: 0,
            ripe_us: Some(0),
            replaying: true,
            stopped: false,
            draining: false,
            counts: Counts::default(),
        };
        open.into_iter().for_each(|intent| scribe.ask_for(intent, out));
        scribe.rise(out);
        scribe
    }

    /// What was done since the start.
    pub fn counts(&self) -> Counts {
        Counts { logged_bytes: self.journal.written_bytes(), ..self.counts }
    }

    /// How long the oldest change waits that is not in the store, in microseconds (`entitygraph_scribe_lag_seconds`).
    pub fn lag_us(&self, now: Now) -> u64 {
        let waiting = self.backlog.oldest().map(|waiting| waiting.since_us);
        let under_way = self.flights.iter().flat_map(Flight::since_us);
        let split = self.splits.iter().flat_map(|split| &split.taken).map(|taken| taken.since_us);
        let since = waiting.into_iter().chain(under_way).chain(split).min();
        since.map_or(0, |since| now.shard_us.saturating_sub(since))
    }

    /// How many entities wait or are under way: never more than are hot or were replayed.
    pub fn entities(&self) -> usize {
        self.backlog.len() + self.busy_entities.len()
    }

    /// Bytes of the log that are needed.
    pub fn log_bytes(&self) -> u64 {
        self.journal.end() - self.log_from()
    }

    fn is_idle(&self) -> bool {
        self.backlog.is_empty()
            && self.flights.is_empty()
            && self.splits.is_empty()
            && self.commands.is_empty()
    }

    fn synced(&mut self, now_us: u64, position: u64, out: &mut Out) {
        self.journal.synced(position);
        self.ask_synced(now_us, out);
        self.fill(now_us, out);
    }

    fn woken(&mut self, now_us: u64, out: &mut Out) {
        if self.stopped {
            return;
        }
        self.retry(now_us, out);
        self.expire(now_us, out);
        while let Some((until_us, root)) = self.stale.front().copied()
            && until_us <= now_us
        {
            self.stale.pop_front();
            self.give_up(until_us, root, out);
        }
        self.fill(now_us, out);
    }

    /// From which number on something of an aggregate is not in the store.
    fn first_of(&self, root: EntityId) -> Option<u64> {
        let waiting = self.backlog.aggregate(root).map(|waiting| waiting.first);
        if !self.busy_roots.contains_key(&root) {
            return waiting;
        }
        let taken = self.flights.iter().flat_map(|flight| &flight.taken);
        let taken = taken.chain(self.splits.iter().flat_map(|split| &split.taken));
        taken.filter(|taken| taken.root == root).map(|taken| taken.first).chain(waiting).min()
    }

    /// Some aggregates are written, or wait less than before: whoever waits for that hears of it, and the log lets go.
    fn settled(&mut self, roots: &[EntityId], out: &mut Out) {
        let mut watermark = std::mem::take(&mut self.watermark);
        watermark.wrote(roots, |root| self.first_of(root), &mut out.effects);
        self.watermark = watermark;
        self.rise(out);
        let from = self.log_from();
        self.journal.release(from, &self.config, &mut out.effects);
    }

    /// Says what is durable: all that was accepted before the oldest change that is not written.
    fn rise(&mut self, out: &mut Out) {
        let waiting = self.backlog.oldest().map(|waiting| waiting.first);
        let under_way = self.flights.iter().map(|flight| flight.first);
        let split = self.splits.iter().map(|split| split.first);
        let first = waiting.into_iter().chain(under_way).chain(split).min().unwrap_or(u64::MAX);
        self.watermark.rise(first, &mut out.effects);
        if self.replaying && first > 0 {
            self.replaying = false;
            out.effects.push(Effect::Replayed);
        }
    }

    /// How long an aggregate waits so that it is written seldom: longer when the graph is slow.
    fn wait_us(&self) -> u64 {
        if self.draining {
            return 0;
        }
        (8 * self.latency_us).clamp(self.config.wait_us_min, self.config.wait_us_max)
    }
}

#[cfg(test)]
mod tests;
