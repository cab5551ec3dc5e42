//! One hub and its surroundings from one seed: a replicant that accepts, a log on a disk, a graph that is slow, busy, stalled or
//! does not say what it did, and crashes. All of it in one thread, by one clock.

mod game;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, HashSet},
    sync::Arc,
};

use entitygraph_client::graph::GraphError;
use entitygraph_replication::{
    machine::{Machine, Now},
    scribe::{
        Scribe, Start,
        config::Config,
        fence,
        log::{self, Break, Row},
        message::{Asker, Command, Effect, Event, Out},
        replay::Replay,
    },
};
use entitygraph_schema::{
    EntityId, Epoch, NewPose, Operation, Precondition, Receipt, Transaction,
    testing::{entity_id, name},
};
use fastrand::Rng;

use crate::graph::{SHARD, Store, pose, values};

pub const ZONES: [u64; 2] = [2, 3];
const TICK_US: u64 = 33_333;
const SESSION: u64 = 1;

/// How bad it is.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Chance in a thousand that the graph is busy, or does not say what it did.
    pub faults: u64,
    /// Microseconds that an answer takes, up to.
    pub delay_us: u64,
    /// Chance in a thousand of a tick that the hub crashes.
    pub crashes: u64,
    /// Chance in a thousand of a tick that the graph does nothing for some seconds.
    pub stalls: u64,
    /// Chance in a thousand of a tick of a command, a flip, a foreign epoch.
    pub commands: u64,
    /// Chance in a thousand of a tick that somebody else edits an entity.
    pub edits: u64,
    /// Chance in a thousand of a tick that the log takes nothing for a while.
    pub full: u64,
}

/// Something that happens later.
#[derive(Debug)]
enum Later {
    /// To the scribe of an incarnation.
    Scribe(u64, Event),
    /// To the replicant of an incarnation.
    Replicant(u64, Effect),
    /// To the graph, from the scribe of an incarnation.
    Ask(u64, u64, Arc<Transaction>),
    Sync(u64),
}

/// A change that was accepted.
#[derive(Debug, Clone, Copy)]
struct Told {
    entity: EntityId,
    number: u64,
    zone: EntityId,
}

/// What the replicant knows of an entity.
#[derive(Debug, Clone)]
struct Hot {
    root: EntityId,
    zone: EntityId,
    /// The newest change that it accepted.
    number: u64,
}

pub struct World {
    pub rng: Rng,
    weather: Weather,
    config: Config,
    pub now_us: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    later: HashMap<u64, Later>,
    order: u64,
    /// Lines are in order: nothing on one comes before what was sent earlier.
    lines: HashMap<(&'static str, u64), u64>,
    pub store: Store,
    stalled_until_us: u64,
    incarnation: u64,
    pub scribe: Scribe,
    // The disk.
    /// Bytes that the log lets go at once.
    segment_bytes: u64,
    log: Vec<u8>,
    log_begin: u64,
    log_synced: u64,
    sync_due: bool,
    log_stuck_until_us: Option<u64>,
    // The replicant.
    hot: BTreeMap<EntityId, Hot>,
    epochs: HashMap<EntityId, Epoch>,
    loading: bool,
    tick: u64,
    next_number: u64,
    batch: u64,
    /// What each report accepted, and when.
    reports: BTreeMap<u64, (u64, Vec<Told>)>,
    /// How long each report took to be durable, in microseconds.
    pub lags_us: Vec<u64>,
    /// Of each entity, what must never be lost: it was said to be durable, or was synced when the hub crashed.
    pub promised: HashMap<EntityId, u64>,
    /// With the position behind it: what was accepted and may be lost yet.
    accepted: Vec<(u64, Told)>,
    moving: HashMap<u64, (EntityId, Option<EntityId>)>,
    ticket: u64,
    area: Option<(u64, Vec<Told>)>,
    pub areas_passed: u64,
    pub dropped: HashSet<EntityId>,
    pub superseded: bool,
    pub done: u64,
    pub refused: u64,
    pub crashes: u64,
    pub torn: u64,
    pub drained: bool,
    durable: u64,
    pub entities_max: usize,
    pub log_bytes_max: u64,
}

fn aggregates() -> impl Iterator<Item = (EntityId, Vec<EntityId>)> {
    (0..6).map(|ship| {
        let root = 100 + 10 * ship;
        (entity_id(root), (root..=root + ship % 3).map(entity_id).collect())
    })
}

impl World {
    pub fn new(seed: u64, weather: Weather, config: Config) -> Self {
        let mut store = Store::default();
        store.put(entity_id(SHARD), 2, 2);
        for zone in ZONES {
            store.put(entity_id(zone), 4, zone);
        }
        for (root, members) in aggregates() {
            for member in members {
                let parent = if member == root { ZONES[0] } else { root.get() };
                store.put(member, parent, ZONES[0]);
            }
        }
        let mut world = Self {
            rng: Rng::with_seed(seed),
            weather,
            config,
            now_us: 1_000_000,
            queue: BinaryHeap::new(),
            later: HashMap::new(),
            order: 0,
            lines: HashMap::new(),
            store,
            stalled_until_us: 0,
            incarnation: 0,
            scribe: Scribe::new(config, start(0, 0, 0), Replay::default(), &mut Out::default()),
            // A log that keeps what is long written is to be read as well as one that does not.
            segment_bytes: [64, 2_048, 1 << 20][seed as usize % 3],
            log: Vec::new(),
            log_begin: 0,
            log_synced: 0,
            sync_due: false,
            log_stuck_until_us: None,
            hot: BTreeMap::new(),
            epochs: HashMap::new(),
            loading: true,
            tick: 0,
            next_number: 1,
            batch: 0,
            reports: BTreeMap::new(),
            lags_us: Vec::new(),
            promised: HashMap::new(),
            accepted: Vec::new(),
            moving: HashMap::new(),
            ticket: 0,
            area: None,
            areas_passed: 0,
            dropped: HashSet::new(),
            superseded: false,
            done: 0,
            refused: 0,
            crashes: 0,
            torn: 0,
            drained: false,
            durable: 0,
            entities_max: 0,
            log_bytes_max: 0,
        };
        world.start_hub();
        world
    }

    /// Ticks of the game, with what is due between them.
    pub fn ticks(&mut self, count: u64) {
        for _ in 0..count {
            self.until(self.now_us + TICK_US);
            self.chaos();
            self.game();
        }
    }

    /// Nothing is accepted any more; the graph is well. Until all is written.
    pub fn quiet(&mut self) {
        self.weather =
            Weather { faults: 0, delay_us: 5_000, crashes: 0, stalls: 0, commands: 0, edits: 0, full: 0 };
        self.stalled_until_us = self.now_us;
        self.log_takes();
        self.until(self.now_us + 60_000_000);
        assert_eq!(self.scribe.entities(), 0, "all is written");
    }

    /// As the end of a hub does it.
    pub fn drain(&mut self) {
        self.later(0, Later::Scribe(self.incarnation, Event::Drain));
        self.until(self.now_us + 30_000_000);
    }

    /// The newest that the replicant accepted of each entity.
    pub fn hot(&self) -> impl Iterator<Item = (EntityId, u64)> {
        self.hot.iter().map(|(id, hot)| (*id, hot.number))
    }

    pub fn stall(&mut self, us: u64) {
        self.stalled_until_us = self.now_us + us;
    }

    fn later(&mut self, delay_us: u64, later: Later) {
        let line = match &later {
            Later::Scribe(incarnation, Event::Answered { .. } | Event::Synced(_) | Event::Taking(_)) => {
                ("free", *incarnation)
            }
            Later::Scribe(incarnation, _) => ("scribe", *incarnation),
            Later::Replicant(incarnation, _) => ("replicant", *incarnation),
            Later::Ask(..) | Later::Sync(_) => ("free", 0),
        };
        let at_us = self.now_us + delay_us;
        let last = self.lines.entry(line).or_default();
        let at_us = if line.0 == "free" { at_us } else { at_us.max(*last) };
        *last = at_us;
        self.order += 1;
        self.queue.push(Reverse((at_us, self.order)));
        self.later.insert(self.order, later);
    }

    pub fn until(&mut self, end_us: u64) {
        loop {
            let next = self.queue.peek().map_or(u64::MAX, |Reverse((at_us, _))| *at_us);
            let wake = self.scribe.wake_us().unwrap_or(u64::MAX).max(self.now_us);
            if next.min(wake) > end_us {
                break;
            }
            if wake < next {
                self.now_us = wake.max(self.now_us + 1);
                self.scribe(Event::Woken);
                continue;
            }
            let Some(Reverse((at_us, order))) = self.queue.pop() else { break };
            self.now_us = self.now_us.max(at_us);
            let later = self.later.remove(&order).unwrap();
            self.happens(later);
        }
        self.now_us = self.now_us.max(end_us);
    }

    fn happens(&mut self, later: Later) {
        match later {
            Later::Scribe(incarnation, event) if incarnation == self.incarnation => self.scribe(event),
            Later::Replicant(incarnation, effect) if incarnation == self.incarnation => {
                self.replicant(effect)
            }
            Later::Scribe(..) | Later::Replicant(..) => {}
            Later::Ask(incarnation, ask, transaction) => self.graph(incarnation, ask, &transaction),
            Later::Sync(incarnation) if incarnation == self.incarnation => self.sync(),
            Later::Sync(_) => {}
        }
    }

    fn scribe(&mut self, event: Event) {
        let mut out = Out::default();
        let (accepted, end) = match &event {
            Event::Accepted { rows, .. } => (rows.clone(), self.log_end()),
            Event::Edited { row, .. } => (vec![row.clone()], self.log_end()),
            _ => (vec![], 0),
        };
        let now = Now { shard_us: self.now_us, tick_us: TICK_US as u32 };
        self.scribe.handle(now, event, &mut out);
        self.effects(out);
        // What is in the log now; if it took nothing, nothing is promised.
        let behind = self.log_end();
        for row in accepted.into_iter().filter(|_| behind > end) {
            if let Some(pose) = row.values.pose {
                let (number, zone) = (crate::graph::number_of(&pose), entity_id(pose.translation().y as u64));
                self.accepted.push((behind, Told { entity: row.entity, number, zone }));
            }
        }
        self.entities_max = self.entities_max.max(self.scribe.entities());
        self.log_bytes_max = self.log_bytes_max.max(self.log.len() as u64);
    }

    fn effects(&mut self, out: Out) {
        assert!(out.log.is_empty() || self.log_stuck_until_us.is_none(), "the log takes nothing");
        self.log.extend(out.log);
        if self.log_end() > self.log_synced && !self.sync_due {
            self.sync_due = true;
            self.later(50_000, Later::Sync(self.incarnation));
        }
        let incarnation = self.incarnation;
        for effect in out.effects {
            let hop = self.rng.u64(0..3_000);
            match effect {
                Effect::Ask { ask, transaction } => {
                    self.later(hop, Later::Ask(incarnation, ask, transaction))
                }
                Effect::Sync => self.later(hop, Later::Sync(incarnation)),
                Effect::Release(position) => self.release(position),
                effect => self.later(hop, Later::Replicant(incarnation, effect)),
            }
        }
    }

    fn log_end(&self) -> u64 {
        self.log_begin + self.log.len() as u64
    }

    fn sync(&mut self) {
        self.sync_due = false;
        self.log_synced = self.log_end();
        self.later(1_000, Later::Scribe(self.incarnation, Event::Synced(self.log_synced)));
    }

    /// Whole segments only: here those that records end in.
    fn release(&mut self, position: u64) {
        let position = position.min(self.log_synced);
        let keep = (position / self.segment_bytes * self.segment_bytes).max(self.log_begin);
        let mut begin = self.log_begin;
        log::read(&self.log, self.log_begin, |behind, _| {
            if behind <= keep {
                begin = behind;
            }
        })
        .unwrap();
        self.log.drain(..(begin - self.log_begin) as usize);
        self.log_begin = begin;
    }

    fn graph(&mut self, incarnation: u64, ask: u64, transaction: &Transaction) {
        if self.now_us < self.stalled_until_us {
            // Some hear that it is down, others wait and do not know; some of these are done when it is back.
            let busy = GraphError::Busy { reason: "down".into() };
            if self.rng.bool() {
                return self
                    .later(50_000, Later::Scribe(incarnation, Event::Answered { ask, outcome: Err(busy) }));
            }
            if self.rng.bool() {
                let late_us = self.stalled_until_us - self.now_us + self.rng.u64(0..100_000);
                self.later(late_us, Later::Ask(0, 0, Arc::new(transaction.clone())));
            }
            let unknown = GraphError::Unknown { reason: "timed out".into() };
            return self.later(
                2_000_000,
                Later::Scribe(incarnation, Event::Answered { ask, outcome: Err(unknown) }),
            );
        }
        let fault = self.rng.u64(0..1_000) < self.weather.faults;
        let delay_us = self.rng.u64(0..=self.weather.delay_us);
        let outcome: Result<Receipt, GraphError> = match self.rng.u8(0..3) {
            0 if fault => Err(GraphError::Busy { reason: "busy".into() }),
            1 if fault => Err(GraphError::Unknown { reason: "lost on the way there".into() }),
            2 if fault => {
                drop(self.store.commit(transaction));
                Err(GraphError::Unknown { reason: "lost on the way back".into() })
            }
            _ => self.store.commit(transaction),
        };
        self.later(delay_us, Later::Scribe(incarnation, Event::Answered { ask, outcome }));
    }

    fn chaos(&mut self) {
        let happens = |rng: &mut Rng, chance: u64| rng.u64(0..1_000) < chance;
        if happens(&mut self.rng, self.weather.crashes) {
            self.crash();
        }
        if happens(&mut self.rng, self.weather.stalls) {
            let us = self.rng.u64(0..8_000_000);
            self.stall(us);
        }
        if happens(&mut self.rng, self.weather.full) && self.log_stuck_until_us.is_none() {
            self.log_stuck_until_us = Some(self.now_us + self.rng.u64(0..3_000_000));
            self.scribe(Event::Taking(false));
        }
        if self.log_stuck_until_us.is_some_and(|until_us| until_us <= self.now_us) {
            self.log_takes();
        }
    }

    fn log_takes(&mut self) {
        if self.log_stuck_until_us.take().is_some() {
            self.scribe(Event::Taking(true));
        }
    }

    /// The hub is gone; what it had synced is there, and some of what it had not.
    pub fn crash(&mut self) {
        self.crashes += 1;
        let synced = (self.log_synced - self.log_begin) as usize;
        let kept = self.rng.usize(synced..=self.log.len());
        self.log.truncate(kept);
        // What was appended whole may be read after all; only what was synced is promised.
        for (behind, told) in std::mem::take(&mut self.accepted) {
            if behind <= self.log_synced {
                self.promise(told);
            }
        }
        self.start_hub();
    }

    fn start_hub(&mut self) {
        self.incarnation += 1;
        (self.sync_due, self.log_stuck_until_us) = (false, None);
        (self.loading, self.area) = (true, None);
        self.moving.clear();
        self.reports.clear();
        self.hot.clear();
        (self.batch, self.durable) = (0, 0);
        let mut replay = Replay::default();
        let mut end = self.log_begin;
        let result = log::read(&self.log, self.log_begin, |behind, record| {
            end = behind;
            replay.take(behind, record);
        });
        if let Err(error) = result {
            assert!(matches!(error, Break::Torn { .. }), "{error}");
            self.torn += 1;
        }
        self.log.truncate((end - self.log_begin) as usize);
        self.log_synced = end;
        let term = self.store.epoch(entity_id(SHARD)).next();
        self.store.raise(entity_id(SHARD), term);
        let mut out = Out::default();
        let start = start(term.number(), self.store.cursor.number(), end);
        self.scribe = Scribe::new(self.config, start, replay, &mut out);
        self.effects(out);
    }
}

fn start(term: u64, cursor: u64, log_end: u64) -> Start {
    Start {
        shard: entity_id(SHARD),
        term: Epoch::from_number(term),
        cursor: entitygraph_schema::Cursor::from_number(cursor),
        log_end,
    }
}
