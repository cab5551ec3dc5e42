//! Peers over a replicant without I/O, from one seed: sockets are lost with what was on them, servers between what they did and its
//! report. The server's simulation counts the hits of each entity.

use std::collections::{BTreeMap, HashMap};

use entitygraph_replication::{
    config::Room,
    machine::{Machine, Now},
    message::{Authority, Connection, Up},
    replicant::{Event as Happens, Replicant, out::Out},
};
use entitygraph_schema::{
    Epoch, Value, testing,
    wire::{
        Handle, Kind, Role,
        control::{
            Control, Message,
            message::{self, action_result::Outcome as Told, follow},
        },
        event::{Event, Events},
        exact::ExactRow,
        frame::Frames,
        input::{Applied, read_inputs},
        limits::Limits,
        report::{Head, Outcome, Receipt, ReportWriter, Used},
        variable::put_value,
    },
};

use crate::peer::*;

/// What is done under one epoch: hits of each target, and actions.
type Done = (BTreeMap<Handle, i64>, Vec<(u64, u64, Handle)>);

pub struct Run {
    pub random: fastrand::Rng,
    pub now: Now,
    pub replicant: Replicant,
    pub out: Out,
    pub peers: Vec<Peer>,
    pub connections: u32,
    pub last_tick: u64,
    epochs: u64,
}

impl Run {
    pub fn new(seed: u64, room: Room) -> Self {
        let mut run = Self {
            random: fastrand::Rng::with_seed(seed),
            now: Now { shard_us: 1_000_000_000, tick_us: 33_333 },
            replicant: Replicant::new(room, world()).unwrap(),
            out: Out::new(1),
            peers: Vec::new(),
            connections: 0,
            last_tick: 0,
            epochs: 0,
        };
        run.join(Role::Server, "s");
        run.join(Role::Server, "t");
        (FIRST..FIRST + 3).for_each(|number| run.join(Role::Player, &format!("player-{number}")));
        run.join(Role::Viewer, "v");
        run
    }

    /// A run in which nothing is lost, everybody in play.
    pub fn quiet(room: Room) -> Self {
        let mut run = Self::new(1, room);
        run.settle();
        run
    }

    /// The server that has the post.
    pub fn owner(&self) -> usize {
        (0..2).find(|at| self.peers[*at].grant.is_some()).unwrap()
    }

    /// The handle of an entity, as the viewer has it.
    pub fn handle(&self, id: u64) -> Handle {
        let mut entities = self.peers.last().unwrap().view.entities();
        entities.find(|(_, seen)| seen.entity.id == testing::entity_id(id)).unwrap().0
    }

    /// Reads everything that came.
    pub fn read_all(&mut self, at: usize) {
        while !self.peers[at].inbox.is_empty() {
            self.read(at);
        }
    }

    pub fn connection(&mut self) -> Connection {
        self.connections += 1;
        Connection { core: 0, slot: self.connections, generation: 1 }
    }

    pub fn join(&mut self, role: Role, name: &str) {
        let connection = self.connection();
        let (session, subject) = (u64::from(self.connections), name.to_owned());
        self.up(Up::Joined { connection, session, role, subject });
        self.peers.push(Peer {
            connection: Some(connection),
            name: name.into(),
            role: Some(role),
            ..Peer::default()
        });
        let peer = self.peers.len() - 1;
        self.say(peer, &message::CatalogWanted::default());
        match role {
            Role::Server => self.say(peer, &message::Register::default()),
            Role::Player => {
                let character = name.trim_start_matches("player-").parse().unwrap();
                self.say(peer, &message::Enter { character });
            }
            Role::Viewer => {
                let area = Some(follow::Area::Zone(ZONE_ID));
                self.say(peer, &message::Follow { number: 1, area, public_only: false });
            }
        }
    }

    pub fn up(&mut self, up: Up) {
        self.replicant.handle(self.now, Happens::Up(up), &mut self.out);
    }

    pub fn say<M: Message>(&mut self, peer: usize, message: &M) {
        self.say_bytes(peer, M::KIND, message.encode_to_vec());
    }

    pub fn say_bytes(&mut self, peer: usize, kind: Kind, body: Vec<u8>) {
        let connection = self.peers[peer].connection.unwrap();
        self.up(Up::Frame { connection, kind, body: body.into() });
    }

    pub fn pass(&mut self, us: u64) {
        let end = self.now.shard_us + us;
        while let Some(wake) = self.replicant.wake_us().filter(|wake| *wake <= end) {
            self.now.shard_us = self.now.shard_us.max(wake);
            self.replicant.handle(self.now, Happens::Woken, &mut self.out);
            self.send();
        }
        self.now.shard_us = end;
    }

    pub fn send(&mut self) {
        for (_, parcels) in self.out.take().collect::<Vec<_>>() {
            assert_eq!(parcels.closes, []);
            for (parcel, frames) in parcels.iter() {
                let to = Some(parcel.connection);
                let peer = self.peers.iter_mut().find(|peer| peer.connection == to && !peer.lost).unwrap();
                peer.inbox.push_back(frames.cloned().collect());
            }
        }
    }

    pub fn read(&mut self, at: usize) {
        let Some(message) = self.peers[at].inbox.pop_front() else { return };
        let mut ready = Vec::new();
        for frame in Frames::new(&message.concat(), Limits::down(Role::Server)).unwrap() {
            let frame = frame.unwrap();
            let peer = &mut self.peers[at];
            ready.extend(peer.view.take(frame.kind, frame.body).unwrap());
            match Control::read(frame.kind, frame.body) {
                Ok(Control::Grant(grant)) => peer.granted(grant),
                Ok(Control::Action(action)) => peer.given.push_back(action),
                Ok(Control::ActionResult(result)) => peer.result(result),
                Ok(Control::Notice(notice)) => peer.notices.push(notice),
                Ok(Control::Revoke(revoke)) => peer.revoked(revoke),
                Ok(_) => {}
                Err(_) if frame.kind == Kind::Inputs => {
                    for input in read_inputs(frame.body).unwrap() {
                        peer.inputs.insert(input.character, (input.number, input.content.to_vec()));
                    }
                }
                Err(_) if frame.kind == Kind::Applied => {
                    peer.applied = Applied::read(frame.body).unwrap().number;
                }
                Err(_) if frame.kind == Kind::Events => {
                    peer.events += Events::read(frame.body).unwrap().events.len() as u64;
                }
                Err(_) => {}
            }
        }
        if !self.peers[at].lost {
            ready.iter().for_each(|ready| self.say(at, ready));
            let seq = self.peers[at].view.seen();
            self.say(at, &message::Seen { seq });
        }
    }

    /// The server judges what it was given and reports, unless its socket is lost before.
    pub fn tick(&mut self, at: usize, is_lost: bool) {
        let tick = (self.last_tick + 1).max(self.now.tick());
        let peer = &mut self.peers[at];
        if tick > self.now.tick() + 2 || peer.lost || peer.epochs.is_empty() {
            return;
        }
        // Ticks are for those who have something to say: one entity has a report a tick, whoever owns it.
        if peer.given.is_empty() && peer.inputs.is_empty() {
            return;
        }
        let mut groups: BTreeMap<u64, Done> = BTreeMap::new();
        for action in std::mem::take(&mut peer.given) {
            let target = Handle::new(action.target).unwrap();
            let Some(epoch) = peer.epoch(target) else { continue };
            if peer.done.insert((action.session, action.number), target).is_some() {
                continue;
            }
            let hits = peer.hits.entry(target).or_default();
            *hits += 1;
            let (rows, done) = groups.entry(epoch).or_default();
            rows.insert(target, *hits);
            done.push((action.session, action.number, target));
        }
        let used: Vec<Used> =
            peer.inputs.iter().map(|(&character, &(number, _))| Used { character, number }).collect();
        if let Some(epoch) = peer.epoch(Handle::new(1).unwrap()) {
            groups.entry(epoch).or_default();
        }
        peer.batch += 1;
        let mut bytes = Vec::new();
        let head = Head { batch: peer.batch, tick, last_of_tick: true };
        let mut report = ReportWriter::begin(&head, groups.len(), &mut bytes);
        for (epoch, (rows, done)) in &groups {
            let handles = rows.keys().copied().collect::<Vec<_>>().into_iter();
            let mut group = report.group(Epoch::from_number(*epoch), Handle::new(1).unwrap(), handles);
            for hits in rows.values() {
                let mut variables = Vec::new();
                put_value(0, &Value::Int(*hits), None, &mut variables);
                group.row(&ExactRow { variables: Some(&variables), ..ExactRow::default() });
            }
            let receipts: Vec<Receipt<'_>> = done
                .iter()
                .map(|&(session, action, target)| Receipt {
                    session,
                    action,
                    target,
                    outcome: Outcome::Done,
                    answer: b"ok",
                })
                .collect();
            let hit = |receipt: &Receipt<'_>| Event { source: receipt.target, kind: 1, content: b"hit" };
            let events: Vec<Event<'_>> = receipts.iter().map(hit).collect();
            group.end(&receipts, &used, &events);
        }
        report.end();
        if is_lost {
            peer.batch -= 1;
            return self.detach(at);
        }
        self.last_tick = tick;
        let frame = Frames::new(&bytes, Limits::up(Role::Server)).unwrap().next().unwrap().unwrap();
        let body = frame.body.to_vec();
        self.say_bytes(at, Kind::Report, body);
    }

    /// A target becomes this server's, whoever had it.
    fn hand_over(&mut self, at: usize) {
        self.epochs += 1;
        let authority = Authority::Grant {
            anchor: testing::entity_id(FIRST + self.random.u64(..TARGETS)),
            connection: self.peers[at].connection.unwrap(),
            epoch: Epoch::from_number((9 << 32) + self.epochs),
            post: String::new(),
            carry: Default::default(),
            carry_lost: false,
        };
        self.replicant.handle(self.now, Happens::Authority(authority), &mut self.out);
    }

    /// The socket is lost, and the hub knows.
    pub fn detach(&mut self, at: usize) {
        self.lose(at);
        let connection = self.peers[at].connection.unwrap();
        self.up(Up::Detached(connection));
    }

    /// The socket is lost, with the end of what was on its way.
    fn lose(&mut self, at: usize) {
        let arrives = self.random.usize(..=self.peers[at].inbox.len());
        let peer = &mut self.peers[at];
        peer.inbox.truncate(arrives);
        (peer.lost, peer.grant) = (true, None);
        peer.given.clear();
        peer.epochs.clear();
        peer.lost_targets.clear();
    }

    pub fn resume(&mut self, at: usize) {
        while !self.peers[at].inbox.is_empty() {
            self.read(at);
        }
        let new = self.connection();
        let peer = &mut self.peers[at];
        let old = peer.connection.replace(new).unwrap();
        (peer.lost, peer.grant) = (false, None);
        peer.given.clear();
        peer.epochs.clear();
        peer.lost_targets.clear();
        let (seen, horizon_moment) = (peer.view.seen(), peer.view.horizon());
        let loading: Vec<u64> = peer.view.loading().collect();
        let batch = peer.batch;
        self.up(Up::Resumed { old, new, seen, horizon_moment, batch });
        self.say(at, &message::CatalogWanted::default());
        for batch in loading {
            self.say(at, &message::Ready { batch, failed: Vec::new() });
        }
        // What has no result is said again, in order.
        let asked: Vec<(u64, Handle)> =
            self.peers[at].asked.iter().map(|(number, (target, _))| (*number, *target)).collect();
        asked.into_iter().for_each(|(number, target)| self.say_action(at, number, target));
    }

    pub fn say_action(&mut self, at: usize, number: u64, target: Handle) {
        let target = target.get();
        self.say(at, &message::Action { number, target, kind: 3, ..message::Action::default() });
    }

    pub fn act(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        let things = peer.view.entities().filter(|(_, seen)| seen.entity.zone.is_none());
        let mut seen: Vec<Handle> = things.map(|(handle, _)| handle).collect();
        seen.sort_unstable();
        if seen.is_empty() {
            return;
        }
        let target = seen[self.random.usize(..seen.len())];
        peer.number += 1;
        let number = peer.number;
        // A socket that is lost takes what is written to it with it.
        peer.asked.insert(number, (target, peer.lost));
        if !peer.lost {
            self.say_action(at, number, target);
        }
    }

    pub fn step(&mut self) {
        let at = self.random.usize(..self.peers.len());
        let (is_server, is_lost) = (self.peers[at].role == Some(Role::Server), self.peers[at].lost);
        match self.random.u8(..24) {
            0..5 => self.read(at),
            5..9 if is_server => self.tick(at, false),
            9 if is_server && self.random.u8(..4) == 0 => self.tick(at, true),
            10 if is_server && !is_lost => self.say(at, &message::Register::default()),
            11 if self.random.u8(..3) == 0 && !is_lost => self.detach(at),
            12 | 13 if is_lost => self.resume(at),
            // It comes back before the hub knows that it was away.
            13 if self.random.u8(..6) == 0 => {
                self.lose(at);
                self.resume(at);
            }
            14..18 if self.peers[at].role == Some(Role::Player) => self.act(at),
            18 if self.random.u8(..20) == 0 => self.pass(3_000_000),
            19 if is_server && !is_lost && self.random.u8(..3) == 0 => self.hand_over(at),
            _ => {
                let us = self.random.u64(..9_000);
                self.pass(us);
            }
        }
        self.send();
    }

    pub fn settle(&mut self) {
        for round in 0..600 {
            for at in 0..self.peers.len() {
                if self.peers[at].lost {
                    self.resume(at);
                }
                if self.peers[at].role == Some(Role::Server) && round % 20 == 0 {
                    self.say(at, &message::Register::default());
                }
                self.send();
                while !self.peers[at].inbox.is_empty() {
                    self.read(at);
                }
                self.tick(at, false);
            }
            self.send();
            self.pass(20_000);
        }
    }

    pub fn check(&mut self, seed: u64) -> usize {
        let mut done: HashMap<Handle, i64> = HashMap::new();
        let mut results = 0;
        for peer in self.peers.iter().filter(|peer| peer.role == Some(Role::Player)) {
            assert!(peer.asked.is_empty(), "seed {seed}: {} hears nothing of {:?}", peer.name, peer.asked);
            for (target, result) in peer.results.values() {
                assert_ne!(result.outcome(), Told::Unknown);
                if result.outcome() == Told::Done {
                    *done.entry(*target).or_default() += 1;
                    results += 1;
                }
            }
        }
        let viewer = self.peers.last().unwrap();
        for (handle, seen) in viewer.view.entities().filter(|(_, seen)| seen.entity.zone.is_none()) {
            let hits = seen.entity.components.0.values().next().and_then(|values| values.values().next());
            let hits = match hits {
                Some(Value::Int(hits)) => *hits,
                _ => 0,
            };
            let is = done.get(&handle).copied().unwrap_or(0);
            assert_eq!(hits, is, "seed {seed}: {handle} was hit {hits} times, and {is} players heard of it");
        }
        results
    }
}
