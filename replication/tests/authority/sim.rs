//! One thread, one seed: a queue of (time, happening) over hubs, servers and the store. Connections keep their order; answers
//! of the store may be late, lost, or come before what they are about.

mod act;
mod network;
mod world;

use std::{collections::BTreeMap, sync::Arc};

use entitygraph_replication::{
    atlas::{
        map::Map,
        message::{Event, Out, Outcome, Session},
        record::shard_entity,
    },
    machine::Machine,
};
use entitygraph_schema::{EntityId, Transaction};

pub use self::world::{THREE, entity, map};
use crate::{
    checker::Checker,
    hub::{Down, Hub, Up, Written},
    server::Server,
    store::Store,
};

pub const TICK_US: u64 = 33_333;
const LEASE_US: u64 = 1_000_000;

pub fn id(number: u64) -> EntityId {
    EntityId::new(number).unwrap()
}

/// How often, in percent, a commit goes wrong, and in which way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Done, and the answer is lost.
    pub answer_lost: u8,
    /// Not done, and nobody knows.
    pub request_lost: u8,
    /// Done long after it was given up.
    pub late: u8,
}

enum Happening {
    Hub(usize, Event),
    Up(usize, Session, Up),
    Down(usize, u64, Down),
    Execute(usize, u64, Arc<Transaction>, Option<(EntityId, Written)>, bool),
    Answer(usize, u64, Outcome),
    Read(usize, Out),
    Wake(usize),
    Tick,
    Heartbeat,
    Write,
    Start,
    Revive(usize),
}

/// Where a test may step in: just behind these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    Ahead,
    Prepared,
    FreezeSent,
    FreezeTaken,
    FlipSent,
    FlipDurable,
    GrantSent,
    GrantTaken,
    Reported,
}

pub struct Sim {
    pub now_us: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    pub rng: fastrand::Rng,
    pub store: Store,
    pub map: Arc<Map>,
    pub hubs: Vec<Hub>,
    /// Which hubs are alive, and until when they are paused.
    pub alive: Vec<bool>,
    pub paused_until_us: Vec<u64>,
    pub servers: Vec<Server>,
    /// Servers that neither send nor hear until then.
    pub silent_until_us: Vec<u64>,
    heard_us: Vec<u64>,
    /// Last delivery of each direction: order is kept.
    sent_us: BTreeMap<(bool, u64), u64>,
    connections: u64,
    pub ships: Vec<EntityId>,
    pub wishes: BTreeMap<EntityId, EntityId>,
    pub faults: Faults,
    pub down_until_us: u64,
    /// A rule refuses flips that are answered.
    pub refuses: bool,
    pub checker: Checker,
    /// Points that were reached since they were cleared.
    pub reached: Vec<Point>,
    wakes: BTreeMap<usize, u64>,
    pub no_epochs: bool,
    /// Tells what atlas says.
    pub trace: bool,
}

impl Sim {
    pub fn new(
        seed: u64,
        map: Arc<Map>,
        ships: u64,
        servers: &[(&'static str, Option<&'static str>)],
    ) -> Self {
        let mut store = Store::default();
        for (number, parent, zone) in [
            (1, 0, true),
            (2, 1, true),
            (3, 1, true),
            (4, 1, true),
            (5, 2, false),
            (6, 3, false),
            (7, 2, true),
        ] {
            store.add(entity(number, parent, zone));
        }
        let ships: Vec<_> = (0..ships).map(|at| id(10 + at)).collect();
        for (at, ship) in (0..).zip(&ships) {
            store.add(entity(ship.get(), 2 + at % 3, false));
        }
        let mut sim = Self {
            now_us: 0,
            sequence: 0,
            queue: BTreeMap::new(),
            rng: fastrand::Rng::with_seed(seed),
            store,
            map,
            hubs: Vec::new(),
            alive: Vec::new(),
            paused_until_us: Vec::new(),
            servers: servers.iter().map(|(name, post)| Server::new(name, *post)).collect(),
            silent_until_us: vec![0; servers.len()],
            heard_us: vec![0; servers.len()],
            sent_us: BTreeMap::new(),
            connections: 0,
            ships,
            wishes: BTreeMap::new(),
            faults: Faults::default(),
            down_until_us: 0,
            refuses: false,
            checker: Checker::default(),
            reached: Vec::new(),
            wakes: BTreeMap::new(),
            no_epochs: false,
            trace: std::env::var_os("TRACE").is_some(),
        };
        for (after, happening) in
            [(0, Happening::Start), (1, Happening::Tick), (2, Happening::Heartbeat), (3, Happening::Write)]
        {
            sim.at(after, happening);
        }
        sim
    }

    fn at(&mut self, after_us: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now_us + after_us, self.sequence), happening);
    }

    /// In the order of one direction of one connection.
    fn in_order(&mut self, up: bool, connection: u64, happening: Happening) {
        let after_us = self.rng.u64(200..5_000);
        let last_us = self.sent_us.get(&(up, connection)).copied().unwrap_or(0);
        let at_us = (self.now_us + after_us).max(last_us + 1);
        self.sent_us.insert((up, connection), at_us);
        self.at(at_us - self.now_us, happening);
    }

    /// The newest hub, if it lives.
    pub fn hub(&self) -> Option<&Hub> {
        let at = self.hubs.len().checked_sub(1)?;
        self.alive[at].then(|| &self.hubs[at])
    }

    /// Whether its term is the store's.
    fn is_the_hub(&self, hub: usize) -> bool {
        let shard = self.store.entities.get(&shard_entity(self.map.world));
        shard.is_some_and(|shard| self.hubs[hub].term == Some(shard.epoch))
    }

    fn live_hub(&self) -> Option<usize> {
        let at = self.hubs.len().checked_sub(1)?;
        (self.alive[at] && self.paused_until_us[at] <= self.now_us).then_some(at)
    }

    pub fn run(&mut self, for_us: u64) {
        let end_us = self.now_us + for_us;
        self.run_until(end_us, |_| false);
    }

    /// Until the time, or until something is so; whether it is.
    pub fn run_until(&mut self, end_us: u64, stop: impl Fn(&Self) -> bool) -> bool {
        while let Some((&(at_us, _), _)) = self.queue.first_key_value() {
            if stop(self) {
                return true;
            }
            if at_us > end_us {
                break;
            }
            let ((at_us, _), happening) = self.queue.pop_first().unwrap();
            self.now_us = at_us;
            self.happen(happening);
        }
        self.now_us = self.now_us.max(end_us);
        stop(self)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Start => {
                let name = u128::from(self.rng.u64(..)) << 64 | self.hubs.len() as u128;
                let mut hub = Hub::new(name, self.map.clone(), &self.store);
                hub.no_epochs = self.no_epochs;
                self.hubs.push(hub);
                self.alive.push(true);
                self.paused_until_us.push(0);
                self.event(self.hubs.len() - 1, Event::Woken);
            }
            Happening::Hub(hub, event) => self.event(hub, event),
            Happening::Wake(hub) => {
                self.wakes.remove(&hub);
                self.event(hub, Event::Woken);
            }
            Happening::Up(hub, session, up) => self.up(hub, session, up),
            Happening::Down(server, connection, down) => self.down(server, connection, down),
            Happening::Execute(hub, number, transaction, written, answers) => {
                let outcome = self.execute(number, &transaction, written);
                if answers {
                    let after_us = self.rng.u64(500..10_000);
                    self.at(after_us, Happening::Answer(hub, number, outcome.clone()));
                }
                if number == u64::MAX - 1 && outcome == Outcome::Committed {
                    self.commanded(hub, &transaction);
                }
            }
            Happening::Answer(hub, number, outcome) => {
                if number < u64::MAX - 1 {
                    self.event(hub, Event::Committed(number, outcome));
                }
            }
            Happening::Read(hub, out) => {
                let event = match out {
                    Out::ReadShard(shard) => {
                        Event::Shard(self.store.shard(shard), Arc::new(self.store.registry.clone()))
                    }
                    Out::ReadAnchors(named) => Event::Anchors(self.store.anchors(&named)),
                    Out::ReadRoot(root) => {
                        self.follow(hub, root);
                        Event::Root(root, self.store.root(root))
                    }
                    other => panic!("{other:?}"),
                };
                self.at(2_000, Happening::Hub(hub, event));
            }
            Happening::Tick => self.tick(),
            Happening::Heartbeat => self.heartbeat(),
            Happening::Write => self.write(),
            Happening::Revive(server) => self.servers[server].alive = true,
        }
    }

    fn event(&mut self, hub: usize, event: Event) {
        if !self.alive[hub] {
            return;
        }
        if self.paused_until_us[hub] > self.now_us {
            let after_us = self.paused_until_us[hub] - self.now_us;
            return self.at(after_us, Happening::Hub(hub, event));
        }
        if self.trace {
            println!("{} hub {hub} hears {event:?}", self.now_us);
        }
        let point = match &event {
            Event::Ahead(_) => Some(Point::Ahead),
            Event::Prepared(..) => Some(Point::Prepared),
            _ => None,
        };
        let said = self.hubs[hub].said.len();
        let effects = self.hubs[hub].handle(self.now_us, event, &self.store);
        self.reached.extend(point);
        let outs = self.hubs[hub].said[said..].to_vec();
        if self.trace {
            outs.iter().for_each(|out| println!("{} hub {hub}: {out:?}", self.now_us));
        }
        let is_the_hub = self.is_the_hub(hub);
        for out in &outs {
            self.checker.said(&self.store, hub, is_the_hub, out);
        }
        for effect in effects {
            self.effect(hub, effect);
        }
        for out in outs {
            self.jump(hub, &out);
        }
        self.wake(hub);
    }

    fn wake(&mut self, hub: usize) {
        let Some(us) = self.hubs[hub].atlas.wake_us() else { return };
        let us = us.max(self.now_us + 1);
        if self.wakes.get(&hub).is_none_or(|known| us < *known) {
            self.wakes.insert(hub, us);
            self.at(us - self.now_us, Happening::Wake(hub));
        }
    }

    fn write(&mut self) {
        self.at(50_000, Happening::Write);
        for hub in 0..self.hubs.len() {
            if !self.alive[hub] || self.paused_until_us[hub] > self.now_us {
                continue;
            }
            for ship in self.ships.clone() {
                let anchors = self.hubs[hub].atlas.anchors();
                let under_way = anchors.get(ship).is_some_and(|unit| unit.state.is_between());
                if let Some(effect) = (!under_way).then(|| self.hubs[hub].write(ship)).flatten() {
                    self.effect(hub, effect);
                }
            }
        }
    }
}

fn is_flip(transaction: &Transaction) -> bool {
    transaction.operation_id.as_ref().is_some_and(|id| id.as_str().starts_with("handover/"))
}
