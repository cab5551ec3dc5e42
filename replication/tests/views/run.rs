//! Peers over a replicant, from one seed.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use entitygraph_client::stream::view::View;
use entitygraph_replication::{
    catalog::StreamCatalog,
    machine::{Machine, Now},
    message::{Connection, Up},
    replicant::{Event, Replicant, out::Out, world::World},
};
use entitygraph_schema::{
    Components, Entity, Epoch, NewEntity, Placement, Visibility, testing,
    wire::{
        Kind, Role,
        control::{
            Control, Message,
            message::{self, Code},
        },
        frame::Frames,
        limits::Limits,
        state::Slice,
    },
};
use glam::{DVec3, Quat, Vec3};

use crate::*;

pub struct Peer {
    pub connection: Connection,
    pub role: Role,
    pub number: u64,
    pub area: Area,
    /// `Followed` came for what it follows now.
    pub followed: bool,
    pub view: View,
    /// Messages on their way.
    pub inbox: VecDeque<Vec<Bytes>>,
    pub ready: VecDeque<message::Ready>,
    pub full: bool,
    pub detached: bool,
    pub grant: Option<message::Grant>,
    pub horizons: usize,
    /// A batch was not Ready in time: what was in it is missing.
    pub late: bool,
}

pub struct Run {
    pub random: fastrand::Rng,
    pub now: Now,
    pub replicant: Replicant,
    pub out: Out,
    pub peers: Vec<Peer>,
    pub connections: u32,
    pub history: History,
    pub batch: u64,
    pub last_tick: u64,
    pub seed: u64,
}

impl Run {
    pub fn new(seed: u64) -> Self {
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
        let mut entities: Vec<Entity> = Vec::new();
        // What hangs on the first ones: a hat that rides, and a drone with a place of its own.
        for number in FIRST..FIRST + UNITS {
            for (hangs, pose) in [(HAT, None), (DRONE, Some(testing::at(3.0, 4.0, 5.0)))] {
                let id = number + hangs;
                let placement = Placement { pose, ..testing::item(id, number).placement };
                let new = NewEntity { placement, ..testing::item(id, number) };
                if let Some(pose) = pose {
                    let (place_m, rotation) = (pose.translation(), Quat::IDENTITY);
                    let still = Motion { place_m, rotation, velocity_m_s: Vec3::ZERO };
                    history.motions.push((testing::entity_id(id), vec![(0, still)]));
                }
                for at in 0..history.classes.len() as u32 {
                    history.values.insert((testing::entity_id(id), at), vec![(0, None)]);
                }
                entities.push(Entity::created(new, Epoch::ZERO));
            }
        }
        entities.extend((FIRST..FIRST + 60).map(|number| {
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
        }));
        let world = World::new(zone, entities).unwrap().with_catalog(catalog);
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
        run.join(Role::Server, 0, Area::None);
        (FIRST..FIRST + 4).for_each(|number| run.join(Role::Player, number, Area::None));
        run.join(Role::Viewer, 900, Area::Sphere(DVec3::ZERO));
        run.join(Role::Viewer, 901, Area::Aggregate(FIRST + 5));
        run.join(Role::Server, 902, Area::Zone);
        run
    }

    pub fn join(&mut self, role: Role, number: u64, area: Area) {
        self.connections += 1;
        let connection = Connection { core: 0, slot: self.connections, generation: 1 };
        let subject = format!("player-{number}");
        self.up(Up::Joined { connection, session: self.connections.into(), role, subject });
        self.say(connection, &message::CatalogWanted::default());
        match (role, area) {
            (Role::Server, Area::None) => self.say(connection, &message::Register::default()),
            (_, Area::None) => self.say(connection, &message::Enter { character: number }),
            _ => self.say(connection, &area.follow()),
        }
        let (followed, view, inbox, ready, full, detached, grant, horizons, late) = Default::default();
        self.peers.push(Peer {
            connection,
            role,
            number,
            area,
            followed,
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

    pub fn say<M: Message>(&mut self, connection: Connection, message: &M) {
        self.up(Up::Frame { connection, kind: M::KIND, body: message.encode_to_vec().into() });
    }

    pub fn up(&mut self, up: Up) {
        self.replicant.handle(self.now, Event::Up(up), &mut self.out);
    }

    /// Time passes; the machine is woken whenever it asked for it.
    pub fn pass(&mut self, us: u64) {
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

    pub fn send(&mut self) {
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
                if peer.role != Role::Server {
                    check_hidden(&frames.concat(), peer, self.seed);
                }
                peer.inbox.push_back(frames);
            }
        }
    }

    /// No cell is told twice in one moment over one span (G12).
    pub fn check_made_once(&self, frames: &[Bytes]) {
        let mut made = HashSet::new();
        for frame in frames {
            for frame in Frames::new(frame, Limits::down(Role::Server)).unwrap() {
                let frame = frame.unwrap();
                if frame.kind != Kind::State {
                    continue;
                }
                let slice = Slice::read(frame.body).unwrap();
                let head = slice.head;
                // What hangs on something else may be in a cell that is told by itself.
                let hangs = slice.rows().all(|(handle, _)| {
                    let seen = self.peers[0].view.entity(handle);
                    seen.is_none_or(|seen| seen.entity.id.get() >= HAT)
                });
                // What only an owner sees is of one entity.
                let one = slice.rows().next().filter(|_| head.class == Visibility::OwnerOnly);
                let of = (
                    (head.grid, head.span, head.moment, head.lane),
                    head.class as u8,
                    one.map(|(handle, _)| handle),
                );
                assert!(hangs || made.insert(of), "seed {}: {of:?} was made twice", self.seed);
                assert!(slice.rows().count() > 0);
            }
        }
    }

    pub fn read(&mut self, peer: usize) {
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
                Kind::Followed => match Control::read(frame.kind, frame.body) {
                    Ok(Control::Followed(followed)) => peer.followed = followed.number == 7,
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
}
