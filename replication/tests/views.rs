//! The replicant without I/O, from one seed: reports, sockets that take nothing, sockets that are lost with what was on its way,
//! peers that load slowly, resume and come back, pauses longer than slices reach. Each view equals the authority at its horizon
//! in what it may see (G6), what is bound is what is near (G9), and what a player may not see is in none of its bytes.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use entitygraph_client::stream::view::View;
use entitygraph_replication::{
    catalog::StreamCatalog,
    config::Room,
    machine::{Machine, Now},
    message::{Connection, Up},
    replicant::{Event, Replicant, out::Out, world::World},
};
use entitygraph_schema::{
    ComponentDraft, Components, Entity, EntityId, Epoch, NewEntity, Placement, Registry, SendPolicy, Value,
    ValueKind, VariableDraft, Visibility, testing,
    wire::{
        Handle, Kind, Role,
        control::{
            Control, Message,
            message::{self, Code},
        },
        exact::ExactRow,
        frame::Frames,
        limits::Limits,
        report::{Head, ReportWriter},
        state::Slice,
        variable::{Variables, put_cleared, put_value},
    },
};
use glam::{DVec3, Quat, Vec3};
use proptest::prelude::*;

const TICK_US: u32 = 33_333;
const ZONE_ID: u64 = 1;
const FIRST: u64 = 100;
/// In each value that only servers may see, and in each that only an owner may.
const SECRET: &str = "SECRET";
const OWNED: &str = "OWNED";
const HALF_STEP_M: f64 = 0.5 / 64.0 + 1e-9;
const ROOM: Room = Room {
    level: 4,
    step: -6,
    radius_m: 60.0,
    batch_entities_max: 7,
    player_batches_max: 2,
    server_batches_max: 32,
    horizon_ms: 500,
};

/// Where an entity is, how it is turned, how fast it is.
#[derive(Debug, Clone, Copy)]
struct Motion {
    place_m: DVec3,
    rotation: Quat,
    velocity_m_s: Vec3,
}

/// Each motion of each entity, with the moment it was reported in.
type Motions = Vec<(EntityId, Vec<(u64, Motion)>)>;

/// What was so when.
struct History {
    motions: Motions,
    /// The values of each variable of each entity, with the moment each was reported in; none: cleared.
    values: HashMap<(EntityId, u32), Vec<(u64, Option<Value>)>>,
    variables: Variables,
    classes: Vec<Visibility>,
}

/// One variable of each sort.
fn registry() -> Registry {
    let variable = |name: &str, default| VariableDraft::new(testing::name(name), default);
    let float = |name: &str| variable(name, Value::Float(0.0));
    let text = |name: &str| variable(name, testing::text(""));
    let shield = Some(testing::name("shield"));
    let hull = vec![
        VariableDraft { precision: Some(0.5), ..float("damage") },
        VariableDraft { group: shield.clone(), ..float("shield") },
        VariableDraft { group: shield, ..variable("layers", Value::Int(0)) },
        VariableDraft { send: SendPolicy::EveryTick, precision: Some(0.25), ..float("heat") },
        VariableDraft { visibility: Visibility::ServerOnly, ..text("plan") },
        VariableDraft { visibility: Visibility::OwnerOnly, ..text("key") },
        VariableDraft { visibility: Visibility::OwnerOnly, send: SendPolicy::EveryTick, ..text("aim") },
        VariableDraft { visibility: Visibility::ServerOnly, send: SendPolicy::EveryTick, ..text("goal") },
    ];
    let mut registry = Registry::default();
    for (name, variables) in [("hull", hull), ("paint", vec![text("colour")])] {
        let draft = ComponentDraft::new(testing::name(name), variables);
        let published = registry.publish(&draft).unwrap();
        registry.insert(published);
    }
    registry
}

fn any_value(random: &mut fastrand::Rng, id: EntityId, number: u32, history: &History) -> Option<Value> {
    let known = history.variables.get(number).unwrap();
    let text = match history.classes[number as usize] {
        Visibility::Public => "plain".into(),
        Visibility::OwnerOnly => format!("{OWNED}{};", id.get()),
        Visibility::ServerOnly => SECRET.into(),
    };
    let length = random.usize(..9);
    Some(match known.kind {
        ValueKind::Float => Value::Float(random.f64() * 4.0),
        ValueKind::Int => Value::Int(random.i64(-500..500)),
        _ => testing::text(&format!("{text}{}", "x".repeat(length))),
    })
    .filter(|_| random.u8(..6) > 0)
}

struct Peer {
    connection: Connection,
    role: Role,
    number: u64,
    view: View,
    /// Messages on their way.
    inbox: VecDeque<Vec<Bytes>>,
    ready: VecDeque<message::Ready>,
    full: bool,
    detached: bool,
    grant: Option<message::Grant>,
    horizons: usize,
    /// A batch was not Ready in time: what was in it is missing.
    late: bool,
}

struct Run {
    random: fastrand::Rng,
    now: Now,
    replicant: Replicant,
    out: Out,
    peers: Vec<Peer>,
    connections: u32,
    history: History,
    batch: u64,
    last_tick: u64,
    seed: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let zone = Entity::created(testing::world(ZONE_ID, 1e6), Epoch::ZERO);
        let slow = [registry().by_name("paint").unwrap().id].into();
        let catalog = StreamCatalog::new(registry(), &slow).unwrap();
        let numbers = (0..).map_while(|number| catalog.telling(number));
        let mut history = History {
            motions: Vec::new(),
            values: HashMap::new(),
            variables: catalog.variables().clone(),
            classes: numbers.map(|telling| telling.class).collect(),
        };
        let entities = (FIRST..FIRST + 60).map(|number| {
            let place = DVec3::new(random.f64() * 160.0 - 80.0, random.f64() * 160.0 - 80.0, random.f64());
            let still = Motion { place_m: place, rotation: Quat::IDENTITY, velocity_m_s: Vec3::ZERO };
            history.motions.push((testing::entity_id(number), vec![(0, still)]));
            let pose = Some(testing::at(place.x, place.y, place.z));
            let placement = Placement { pose, ..testing::item(number, ZONE_ID).placement };
            let owner = Some(testing::name(&format!("player-{number}")));
            let mut components = Components::default();
            for at in 0..history.classes.len() as u32 {
                let value = any_value(&mut random, testing::entity_id(number), at, &history);
                let known = history.variables.get(at).unwrap();
                let values = components.0.entry(known.component).or_default();
                values.extend(value.clone().map(|value| (known.variable, value)));
                history.values.insert((testing::entity_id(number), at), vec![(0, value)]);
            }
            let new =
                NewEntity { placement, owner, components, root: true, ..testing::item(number, ZONE_ID) };
            Entity::created(new, Epoch::ZERO)
        });
        let world = World::new(zone, entities.collect()).unwrap().with_catalog(catalog);
        let mut run = Self {
            replicant: Replicant::new(ROOM, world).unwrap(),
            now: Now { shard_us: 1_000_000_000, tick_us: TICK_US },
            out: Out::new(1),
            peers: Vec::new(),
            connections: 0,
            history,
            batch: 0,
            last_tick: 0,
            random,
            seed,
        };
        run.join(Role::Server, 0);
        (FIRST..FIRST + 4).for_each(|number| run.join(Role::Player, number));
        run
    }

    fn join(&mut self, role: Role, number: u64) {
        self.connections += 1;
        let connection = Connection { core: 0, slot: self.connections, generation: 1 };
        let subject = format!("player-{number}");
        self.up(Up::Joined { connection, session: self.connections.into(), role, subject });
        self.say(connection, &message::CatalogWanted::default());
        match role {
            Role::Server => self.say(connection, &message::Register::default()),
            _ => self.say(connection, &message::Enter { character: number }),
        }
        let (view, inbox, ready, full, detached, grant, horizons, late) = Default::default();
        self.peers.push(Peer {
            connection,
            role,
            number,
            view,
            inbox,
            ready,
            full,
            detached,
            grant,
            horizons,
            late,
        });
    }

    fn say<M: Message>(&mut self, connection: Connection, message: &M) {
        self.up(Up::Frame { connection, kind: M::KIND, body: message.encode_to_vec().into() });
    }

    fn up(&mut self, up: Up) {
        self.replicant.handle(self.now, Event::Up(up), &mut self.out);
    }

    /// Time passes; the machine is woken whenever it asked for it.
    fn pass(&mut self, us: u64) {
        let end = self.now.shard_us + us;
        loop {
            match self.replicant.wake_us() {
                Some(wake) if wake <= end => {
                    self.now.shard_us = self.now.shard_us.max(wake);
                    let before = (self.now, self.replicant.wake_us());
                    self.replicant.handle(self.now, Event::Woken, &mut self.out);
                    assert_ne!(
                        before,
                        (self.now, self.replicant.wake_us()),
                        "woken for nothing, again and again"
                    );
                    self.send();
                }
                _ => break,
            }
        }
        self.now.shard_us = end;
    }

    fn send(&mut self) {
        for (_, parcels) in self.out.take().collect::<Vec<_>>() {
            assert_eq!(parcels.closes, [], "seed {}", self.seed);
            self.check_made_once(&parcels.frames);
            for (parcel, frames) in parcels.iter() {
                let Some(peer) = self.peers.iter_mut().find(|peer| peer.connection == parcel.connection)
                else {
                    panic!("seed {}: a message for nobody", self.seed)
                };
                let takes = !peer.full && !peer.detached;
                assert!(takes, "seed {}: a message for a socket that takes nothing", self.seed);
                let frames: Vec<Bytes> = frames.cloned().collect();
                assert_eq!(frames.iter().map(Bytes::len).sum::<usize>(), parcel.length as usize);
                if peer.role == Role::Player {
                    check_hidden(&frames.concat(), peer, self.seed);
                }
                peer.inbox.push_back(frames);
            }
        }
    }

    /// No cell is told twice in one moment over one span (G12).
    fn check_made_once(&self, frames: &[Bytes]) {
        let mut made = HashSet::new();
        for frame in frames {
            let frame = Frames::new(frame, Limits::down(Role::Server)).unwrap().next().unwrap().unwrap();
            if frame.kind == Kind::State {
                let slice = Slice::read(frame.body).unwrap();
                let head = slice.head;
                // What only an owner sees is of one entity.
                let one = slice.rows().next().filter(|_| head.class == Visibility::OwnerOnly);
                let of = (
                    (head.grid, head.span, head.moment, head.lane),
                    head.class as u8,
                    one.map(|(handle, _)| handle),
                );
                assert!(made.insert(of), "seed {}: {of:?} was made twice", self.seed);
                assert!(slice.rows().count() > 0);
            }
        }
    }

    fn read(&mut self, peer: usize) {
        let peer = &mut self.peers[peer];
        let Some(message) = peer.inbox.pop_front() else { return };
        for frame in Frames::new(&message.concat(), Limits::down(peer.role)).unwrap() {
            let frame = frame.unwrap();
            peer.ready.extend(peer.view.take(frame.kind, frame.body).unwrap());
            match frame.kind {
                Kind::Grant => match Control::read(frame.kind, frame.body) {
                    Ok(Control::Grant(grant)) => peer.grant = Some(grant),
                    other => panic!("{other:?}"),
                },
                Kind::Horizon => {
                    peer.horizons += 1;
                    check_view(peer, &self.history, self.seed);
                }
                Kind::Notice => match Control::read(frame.kind, frame.body) {
                    Ok(Control::Notice(notice)) if notice.code() == Code::BatchTimeout => peer.late = true,
                    // Its Ready was on the way meanwhile.
                    Ok(Control::Notice(notice)) if peer.late && notice.code() == Code::NotSeen => {}
                    other => panic!("seed {}: {other:?}", self.seed),
                },
                _ => {}
            }
        }
    }

    fn report(&mut self) {
        let server = &self.peers[0];
        let (connection, Some(grant)) = (server.connection, server.grant.clone()) else { return };
        if server.detached {
            return;
        }
        let tick = self.now.tick() - 1;
        if tick <= self.last_tick {
            return;
        }
        let mut rows = Vec::new();
        for (handle, seen) in server.view.entities() {
            let Some(at) = self.history.motions.iter().position(|(id, _)| *id == seen.entity.id) else {
                continue;
            };
            if self.random.u8(..3) > 0 {
                continue;
            }
            let places = &mut self.history.motions[at].1;
            let (_, last) = places[places.len() - 1];
            let by = match self.random.u8(..10) {
                0 => -last.place_m * 0.5,
                1 => DVec3::ZERO,
                _ => DVec3::new(self.random.f64() * 8.0 - 4.0, self.random.f64() * 8.0 - 4.0, 0.0),
            };
            let position_m = Some(last.place_m + by);
            let rotation = (self.random.u8(..4) == 0).then(|| Quat::from_rotation_x(self.random.f32()));
            let velocity_m_s = (self.random.u8(..4) == 0).then_some(by.as_vec3());
            let motion = Motion {
                place_m: last.place_m + by,
                rotation: rotation.unwrap_or(last.rotation),
                velocity_m_s: velocity_m_s.unwrap_or(last.velocity_m_s),
            };
            places.push((self.now.moment(), motion));
            let mut variables = Vec::new();
            for number in 0..self.history.classes.len() as u32 {
                if self.random.u8(..6) > 0 {
                    continue;
                }
                let value = any_value(&mut self.random, seen.entity.id, number, &self.history);
                match &value {
                    Some(value) => put_value(number, value, None, &mut variables),
                    None => put_cleared(number, &mut variables),
                }
                let values = self.history.values.get_mut(&(seen.entity.id, number)).unwrap();
                values.push((self.now.moment(), value));
            }
            rows.push((handle, position_m, rotation, velocity_m_s, variables));
        }
        rows.sort_by_key(|(handle, ..)| *handle);
        (self.batch, self.last_tick) = (self.batch + 1, tick);
        let mut bytes = Vec::new();
        let mut report =
            ReportWriter::begin(&Head { batch: self.batch, tick, last_of_tick: true }, 1, &mut bytes);
        let zone = Handle::new(grant.handle).unwrap();
        let mut group =
            report.group(Epoch::from_number(grant.epoch), zone, rows.iter().map(|(handle, ..)| *handle));
        for (_, position_m, rotation, velocity_m_s, variables) in rows {
            let variables = (!variables.is_empty()).then_some(&variables[..]);
            group.row(&ExactRow { position_m, rotation, velocity_m_s, variables });
        }
        group.end(&[], &[], &[]);
        report.end();
        let frame = Frames::new(&bytes, Limits::up(Role::Server)).unwrap().next().unwrap().unwrap();
        self.up(Up::Frame { connection, kind: Kind::Report, body: Bytes::copy_from_slice(frame.body) });
    }

    fn answer(&mut self, peer: usize) {
        if self.peers[peer].detached {
            return;
        }
        let connection = self.peers[peer].connection;
        if let Some(ready) = self.peers[peer].ready.pop_front() {
            self.say(connection, &ready);
        }
        let seq = self.peers[peer].view.seen();
        self.say(connection, &message::Seen { seq });
    }

    /// The socket is lost, and with it the end of what was on its way.
    fn detach(&mut self, peer: usize) {
        let arrives = self.random.usize(..=self.peers[peer].inbox.len());
        let peer = &mut self.peers[peer];
        peer.inbox.truncate(arrives);
        (peer.detached, peer.full, peer.grant) = (true, false, None);
        let connection = peer.connection;
        self.up(Up::Detached(connection));
    }

    fn resume(&mut self, peer: usize) {
        while !self.peers[peer].inbox.is_empty() {
            self.read(peer);
        }
        self.connections += 1;
        let new = Connection { core: 0, slot: self.connections, generation: 1 };
        let peer = &mut self.peers[peer];
        let old = std::mem::replace(&mut peer.connection, new);
        (peer.detached, peer.grant) = (false, None);
        peer.ready = peer.view.loading().map(|batch| message::Ready { batch, failed: Vec::new() }).collect();
        let (seen, horizon_moment) = (peer.view.seen(), peer.view.horizon());
        let server = peer.role == Role::Server;
        self.up(Up::Resumed { old, new, seen, horizon_moment });
        if server {
            self.say(new, &message::Register::default());
        }
    }

    fn fill(&mut self, peer: usize, full: bool) {
        let connection = self.peers[peer].connection;
        if self.peers[peer].full != full && !self.peers[peer].detached {
            self.peers[peer].full = full;
            self.up(if full { Up::Full(connection) } else { Up::Takes(connection) });
        }
    }

    fn step(&mut self) {
        let peer = self.random.usize(..self.peers.len());
        match self.random.u8(..40) {
            0..10 => self.report(),
            10..20 => self.read(peer),
            20..27 => self.answer(peer),
            27 if peer > 0 => self.fill(peer, true),
            28 | 29 => self.fill(peer, false),
            // 64 ticks are 2.1 s: longer than that no slice reaches back. Batches have 10 s.
            30 if self.random.u8(..4) == 0 => self.pass(2_500_000),
            31 if peer > 0 && self.random.u8(..3) == 0 => {
                let gone = self.peers.remove(peer);
                self.up(Up::Gone(gone.connection));
                self.join(Role::Player, gone.number);
            }
            32 if self.random.u8(..3) == 0 => match self.peers[peer].detached {
                true => self.resume(peer),
                false => self.detach(peer),
            },
            _ => {
                let us = self.random.u64(..12_000);
                self.pass(us);
            }
        }
        self.send();
    }

    /// Everything is read, answered and taken, until nothing is to be said any more.
    fn settle(&mut self) {
        for _ in 0..400 {
            for peer in 0..self.peers.len() {
                if self.peers[peer].detached {
                    self.resume(peer);
                }
                self.fill(peer, false);
                while !self.peers[peer].inbox.is_empty() {
                    self.read(peer);
                }
                self.answer(peer);
                while !self.peers[peer].ready.is_empty() {
                    self.answer(peer);
                }
            }
            self.send();
            self.pass(5_000);
        }
    }
}

fn motion_at(history: &History, id: EntityId, moment: u64) -> Option<Motion> {
    let (_, motions) = history.motions.iter().find(|(other, _)| *other == id)?;
    motions.iter().rev().find(|(at, _)| *at <= moment).map(|(_, motion)| *motion)
}

/// Nothing that the player may not see is in these bytes.
fn check_hidden(bytes: &[u8], peer: &Peer, seed: u64) {
    let has = |marker: &str| bytes.windows(marker.len()).any(|part| part == marker.as_bytes());
    assert!(!has(SECRET), "seed {seed}: player {} is told what only servers may know", peer.number);
    let own = format!("{OWNED}{};", peer.number);
    for at in 0..bytes.len().saturating_sub(own.len()) {
        let other = bytes[at..].starts_with(OWNED.as_bytes()) && !bytes[at..].starts_with(own.as_bytes());
        assert!(!other, "seed {seed}: player {} is told what another owner may know", peer.number);
    }
}

fn check_values(peer: &Peer, history: &History, seed: u64) {
    let at = peer.view.horizon();
    for (handle, seen) in peer.view.entities().filter(|(_, seen)| seen.active) {
        for (number, class) in (0..).zip(&history.classes) {
            let Some(values) = history.values.get(&(seen.entity.id, number)) else { continue };
            let known = history.variables.get(number).unwrap();
            let may = match class {
                Visibility::Public => true,
                Visibility::OwnerOnly => {
                    peer.role == Role::Server || seen.entity.id == testing::entity_id(peer.number)
                }
                Visibility::ServerOnly => peer.role == Role::Server,
            };
            let is = values.iter().rev().find(|(moment, _)| *moment <= at);
            let is = is.and_then(|(_, value)| value.as_ref()).filter(|_| may);
            let told = seen.entity.components.get(known.component, known.variable);
            let same = match (is, told) {
                (Some(Value::Float(is)), Some(Value::Float(told))) => {
                    (is - told).abs() <= known.precision.unwrap_or(0.0)
                }
                _ => is == told,
            };
            assert!(
                same,
                "seed {seed}: variable {number} of {handle} is {is:?} at {at}, and {told:?} to {}",
                peer.number
            );
        }
    }
}

fn check_view(peer: &Peer, history: &History, seed: u64) {
    check_values(peer, history, seed);
    let view = &peer.view;
    for (handle, seen) in view.entities().filter(|(_, seen)| seen.active) {
        let Some(is) = motion_at(history, seen.entity.id, view.horizon()) else { continue };
        let told = (seen.position_m.unwrap(), seen.rotation, seen.velocity_m_s);
        let off_m = (told.0 - is.place_m).abs().max_element();
        let off_degrees = told.1.angle_between(is.rotation.as_dquat()).to_degrees();
        let off_m_s = (told.2 - is.velocity_m_s.as_dvec3()).abs().max_element();
        assert!(
            off_m <= HALF_STEP_M && off_degrees < 0.8 && off_m_s <= 1.0 / 32.0,
            "seed {seed}: {handle} is told as {told:?}, is {is:?} at {}",
            view.horizon()
        );
    }
}

fn run(seed: u64, steps: usize) -> usize {
    let mut run = Run::new(seed);
    run.settle();
    (0..steps).for_each(|_| run.step());
    run.settle();
    let mut horizons = 0;
    for peer in &run.peers[1..] {
        let view = &peer.view;
        horizons += peer.horizons;
        assert!(
            view.horizon() >= view.newest(),
            "seed {seed}: the horizon of player {} stands still",
            peer.number
        );
        check_view(peer, &run.history, seed);
        let place = |id| motion_at(&run.history, id, u64::MAX).unwrap().place_m;
        let own = place(testing::entity_id(peer.number));
        for (id, _) in &run.history.motions {
            let (far_m, bound) =
                (place(*id).distance(own), view.entities().find(|(_, seen)| seen.entity.id == *id));
            let active = bound.is_some_and(|(_, seen)| seen.active);
            assert!(
                active || peer.late || far_m > ROOM.radius_m,
                "seed {seed}: {id} is near player {} and not shown",
                peer.number
            );
            // A cell is left a tenth farther than it is entered, when the character leaves its own cell.
            let cells_m = 2.0 * 3_f64.sqrt() * 16.0;
            assert!(
                bound.is_none() || far_m <= 1.1 * ROOM.radius_m + cells_m,
                "seed {seed}: {id} is far from player {}, and bound",
                peer.number
            );
        }
    }
    horizons
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn each_view_equals_the_authority_at_its_horizon(seed in any::<u64>()) {
        run(seed, 1_500);
    }
}

#[test]
fn horizons_are_reached_on_the_way() {
    assert!(run(1, 6_000) > 10);
}
