//! One room over real sockets: a server moves entities, players see them, and whoever does what the page forbids is refused.

#![allow(clippy::unwrap_used)] // helpers of tests stand outside of tests

mod bad;
mod handed;
mod peers;

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use entitygraph_replication::{
    config::{Config, Room},
    hub::Hub,
    replicant::world::World,
};
use entitygraph_schema::{
    Entity, EntityId, Epoch, NewEntity, Placement, Value, testing,
    wire::{
        Handle, Kind, Role,
        control::{
            Control,
            message::{self, Code},
        },
        exact::ExactRow,
        variable::put_value,
    },
};
use glam::{DVec3, Quat};
use peers::{Peer, hello};

const ZONE_ID: u64 = 1;
const TICK_US: u32 = 33_333;

fn walker(number: u64, place_m: DVec3) -> Entity {
    let pose = testing::at(place_m.x, place_m.y, place_m.z);
    let placement = Placement { pose: Some(pose), ..testing::item(number, ZONE_ID).placement };
    let owner = Some(testing::name(&format!("player-{number}")));
    let new = NewEntity { placement, owner, root: true, ..testing::item(number, ZONE_ID) };
    Entity::created(new, Epoch::ZERO)
}

fn config() -> Config {
    let room = Room { level: 4, step: -6, radius_m: 60.0, ..Room::default() };
    // The server of these tests sends no Pings while it waits for others.
    Config { tick_us: TICK_US, cores: 2, lease_ms: 60_000, room, ..Config::default() }
}

fn hub(config: &Config, places_m: &[DVec3]) -> Hub {
    let zone = Entity::created(testing::world(ZONE_ID, 1e6), Epoch::ZERO);
    let walkers = places_m.iter().zip(100..).map(|(place, number)| walker(number, *place)).collect();
    let world = World::new(zone, walkers).unwrap();
    Hub::start(config, TcpListener::bind("127.0.0.1:0").unwrap(), world).unwrap()
}

/// A server that has everything and the post.
struct Simulation {
    peer: Peer,
    epoch: Epoch,
    zone: Handle,
    /// By handle, ascending.
    walkers: Vec<(Handle, EntityId)>,
    places_m: Vec<DVec3>,
    tick: u64,
}

impl Simulation {
    async fn start(address: SocketAddr) -> Self {
        let mut peer = Peer::login(address, Role::Server, "mover").await;
        peer.send(&message::Register::default()).await;
        let Control::Grant(grant) = peer.until(Kind::Grant).await else { panic!("a Grant") };
        assert!(grant.subtree);
        let mut walkers: Vec<_> = peer
            .view
            .entities()
            .filter(|(_, seen)| seen.entity.zone.is_none())
            .map(|(handle, seen)| (handle, seen.entity.id, seen.position_m.unwrap()))
            .collect();
        walkers.sort_by_key(|(handle, ..)| *handle);
        let places_m = walkers.iter().map(|(.., place)| *place).collect();
        let walkers = walkers.into_iter().map(|(handle, id, _)| (handle, id)).collect();
        let (epoch, zone) = (Epoch::from_number(grant.epoch), Handle::new(grant.handle).unwrap());
        Self { peer, epoch, zone, walkers, places_m, tick: grant.from_tick }
    }

    /// Moves each walker by what is said, and reports those that moved.
    async fn step(&mut self, mut by_m: impl FnMut(usize, DVec3) -> DVec3) {
        self.tick += 1;
        let mut rows = Vec::new();
        for (index, (handle, _)) in self.walkers.iter().enumerate() {
            let by = by_m(index, self.places_m[index]);
            if by == DVec3::ZERO {
                continue;
            }
            self.places_m[index] += by;
            let row = ExactRow {
                position_m: Some(self.places_m[index]),
                rotation: Some(Quat::from_rotation_z(by.y.atan2(by.x) as f32)),
                velocity_m_s: (index % 3 == 0).then_some(by.as_vec3() * 30.0),
                variables: None,
            };
            rows.push((*handle, row));
        }
        self.peer.report(self.epoch, self.zone, self.tick, &rows).await;
    }

    fn place_of(&self, id: EntityId) -> DVec3 {
        let index = self.walkers.iter().position(|(_, other)| *other == id).unwrap();
        self.places_m[index]
    }
}

async fn player(address: SocketAddr, number: u64) -> Peer {
    let mut peer = Peer::login(address, Role::Player, &format!("player-{number}")).await;
    peer.send(&message::Enter { character: number }).await;
    let Control::Entered(entered) = peer.until(Kind::Entered).await else { panic!("Entered") };
    let character = peer.view.entity(Handle::new(entered.handle).unwrap()).unwrap();
    assert!(character.active && character.entity.id.get() == number);
    peer
}

async fn settled(peer: &mut Peer) {
    while peer.take(Duration::from_millis(1_200)).await {}
    assert_eq!(peer.closed, None);
}

#[tokio::test]
async fn every_view_equals_the_authority_at_its_horizon() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut anywhere =
        || DVec3::new(random.f64() * 240.0 - 120.0, random.f64() * 240.0 - 120.0, random.f64());
    let places: Vec<DVec3> = (0..150).map(|_| anywhere()).collect();
    let config = config();
    let hub = hub(&config, &places);
    let address = hub.address();
    let mut server = Simulation::start(address).await;
    let watchers: Vec<_> = (100..120_u64)
        .map(|number| {
            tokio::spawn(async move {
                let mut peer = player(address, number).await;
                settled(&mut peer).await;
                (number, peer)
            })
        })
        .collect();
    let mut tick = tokio::time::interval(Duration::from_micros(TICK_US.into()));
    for _ in 0..90 {
        tick.tick().await;
        // Half of them move in each tick, some of them across several cells.
        server
            .step(|_, place| match random.u8(..8) {
                0..4 => DVec3::ZERO,
                4 => -place * 0.3,
                _ => DVec3::new(random.f64() * 6.0 - 3.0, random.f64() * 6.0 - 3.0, 0.0),
            })
            .await;
    }
    let (mut seen, mut rows) = (0, 0);
    for watcher in watchers {
        let (number, peer) = watcher.await.unwrap();
        let view = &peer.view;
        assert!(
            view.horizon() > 0 && view.horizon() >= view.newest(),
            "seed {seed}: the horizon stands still"
        );
        let own = server.place_of(testing::entity_id(number));
        for (handle, entity) in view.entities() {
            assert!(entity.active, "seed {seed}: {handle} is bound and never shown");
            if entity.entity.zone.is_some() {
                continue;
            }
            let (told, true_) = (entity.position_m.unwrap(), server.place_of(entity.entity.id));
            let off = (told - true_).abs().max_element();
            assert!(off <= 0.5 / 64.0 + 1e-9, "seed {seed}: player {number}, {handle}: {told} is {true_}");
            let edge_m = 16.0 * 3_f64.sqrt();
            assert!(told.distance(own) <= 66.0 + edge_m, "seed {seed}: {handle} is too far to be bound");
            seen += 1;
        }
        for (handle, id) in &server.walkers {
            if server.place_of(*id).distance(own) <= config.room.radius_m {
                assert!(
                    view.entity(*handle).is_some(),
                    "seed {seed}: {number} does not see {id} in its radius"
                );
            }
        }
        rows += view.rows_applied();
    }
    assert!(seen > 400 && rows > 5_000, "{seen} entities seen, {rows} rows: the test shows nothing");
    hub.stop();
}

#[tokio::test]
async fn only_the_holder_of_the_post_writes_and_only_under_its_epoch() {
    let hub = hub(&config(), &[DVec3::ZERO, DVec3::new(5.0, 0.0, 0.0)]);
    let mut server = Simulation::start(hub.address()).await;
    let mut second = Peer::login(hub.address(), Role::Server, "late").await;
    second.send(&message::Register::default()).await;
    let notice = |control| match control {
        Control::Notice(notice) => (notice.code(), notice.epoch),
        other => panic!("{other:?}"),
    };
    assert_eq!(notice(second.until(Kind::Notice).await).0, Code::PostTaken);
    let rows = [(server.walkers[0].0, ExactRow { position_m: Some(DVec3::X), ..Default::default() })];
    second.report(server.epoch, server.zone, server.tick + 1, &rows).await;
    assert_eq!(notice(second.until(Kind::Notice).await), (Code::StaleEpoch, server.epoch.number()));
    server.peer.report(server.epoch.next(), server.zone, server.tick + 1, &rows).await;
    assert_eq!(notice(server.peer.until(Kind::Notice).await).0, Code::StaleEpoch);
    server.peer.report(server.epoch, server.zone, server.tick + 900, &rows).await;
    assert_eq!(notice(server.peer.until(Kind::Notice).await).0, Code::StaleTick);
    let nowhere = [(server.walkers[0].0, ExactRow { position_m: Some(DVec3::NAN), ..Default::default() })];
    server.peer.report(server.epoch, server.zone, server.tick + 1, &nowhere).await;
    assert_eq!(notice(server.peer.until(Kind::Notice).await).0, Code::BadValue);
    let mut variables = Vec::new();
    put_value(0, &Value::Int(5), None, &mut variables);
    let row = ExactRow { position_m: Some(DVec3::ZERO), variables: Some(&variables), ..Default::default() };
    let told = [(server.walkers[0].0, row)];
    server.peer.report(server.epoch, server.zone, server.tick + 1, &told).await;
    let Control::Notice(told) = server.peer.until(Kind::Notice).await else { panic!("Notice") };
    assert!(told.code() == Code::BadValue && told.reason.contains("variable"), "{told:?}");
    // The next one has the post as soon as it is free, under a higher epoch.
    let epoch = server.epoch;
    server.peer.report_as(99, epoch, server.zone, server.tick + 1, &rows).await;
    assert_eq!(server.peer.until_closed().await, (Code::BadFrame, 4400));
    let next = Simulation::start(hub.address()).await;
    assert!(next.epoch > epoch);
    assert_eq!(next.places_m, [DVec3::ZERO, DVec3::new(5.0, 0.0, 0.0)], "nothing of all this was taken");
}

#[tokio::test]
async fn what_the_page_forbids_closes_with_its_code() {
    let hub = hub(&config(), &[DVec3::ZERO]);
    let address = hub.address();
    let player = || Peer::login(address, Role::Player, "player-100");

    let mut peer = player().await;
    peer.report(Epoch::ZERO, Handle::new(1).unwrap(), 1, &[]).await;
    assert_eq!(peer.until_closed().await, (Code::Forbidden, 4403), "a position of a player");

    let mut peer = player().await;
    peer.send(&message::Enter { character: 101 }).await;
    assert_eq!(peer.until_closed().await, (Code::Forbidden, 4403), "a character of nobody");

    let mut peer = player().await;
    peer.send_bytes(vec![0x04, 5, 1]).await;
    assert_eq!(peer.until_closed().await, (Code::BadFrame, 4400), "half a frame");

    let mut peer = player().await;
    peer.send_bytes(vec![0; 70_000]).await;
    assert_eq!(peer.until_closed().await, (Code::TooLarge, 4413), "a long message");

    let mut peer = Peer::connect(address, Role::Player).await;
    peer.send(&message::Enter { character: 100 }).await;
    assert_eq!(peer.until_closed().await, (Code::BadFrame, 4400), "no Hello");

    let mut peer = Peer::connect(address, Role::Player).await;
    peer.send(&message::Hello { version_min: 2, version_max: 9, ..hello(Role::Player, "x") }).await;
    assert_eq!(peer.until_closed().await, (Code::Version, 4406));

    let mut peer = Peer::connect(address, Role::Player).await;
    let token = Some(message::hello::Login::Token("x.y.z".into()));
    peer.send(&message::Hello { login: token, ..hello(Role::Player, "x") }).await;
    assert_eq!(peer.until_closed().await, (Code::Unauthenticated, 4401), "a token without keys");

    let mut old = self::player(address, 100).await;
    let mut new = self::player(address, 100).await;
    assert_eq!(old.until_closed().await, (Code::SessionReplaced, 4409));
    new.send(&message::Ping { sender_us: 77 }).await;
    assert!(matches!(new.until(Kind::Pong).await, Control::Pong(pong) if pong.sender_us == 77));
}

#[tokio::test]
async fn who_says_nothing_is_closed_in_time() {
    let config = Config { hello_ms: 500, ..config() };
    let hub = hub(&config, &[DVec3::ZERO]);
    let mut peer = Peer::connect(hub.address(), Role::Player).await;
    assert_eq!(peer.until_closed().await, (Code::Timeout, 4408));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_is_not_read_is_closed_and_its_neighbour_does_not_notice() {
    // All that is due is within the budget.
    let player_budget_bytes_per_s = 8 << 20;
    let config = Config { tick_us: 5_000, stuck_ms: 500, player_budget_bytes_per_s, ..config() };
    let places: Vec<DVec3> =
        (0..1_500).map(|number| DVec3::new(f64::from(number) / 100.0, 1.0, 1.0)).collect();
    let hub = hub(&config, &places);
    let mut server = Simulation::start(hub.address()).await;
    let mut quick = player(hub.address(), 100).await;
    let mut slow = player(hub.address(), 101).await;
    let watched = tokio::spawn(async move {
        while quick.take(Duration::from_secs(5)).await {}
        quick
    });
    // 10 KB a step fill the buffers of the kernel, then the hub waits half a second for the socket, and closes it.
    let mut tick = tokio::time::interval(Duration::from_millis(30));
    for round in 0..300_u32 {
        tick.tick().await;
        let by = if round % 2 == 0 { 0.1 } else { -0.1 };
        server.step(|_, _| DVec3::new(0.0, by, by)).await;
    }
    let quick = watched.await.unwrap();
    assert_eq!(quick.closed, None);
    assert!(quick.view.rows_applied() > 100 * 1_500, "{} rows", quick.view.rows_applied());
    assert!(quick.view.horizon() >= quick.view.newest());
    while slow.take(Duration::from_secs(1)).await {}
    let told = slow.control.iter().find_map(|control| match control {
        Control::Refused(refused) => Some(refused.code()),
        _ => None,
    });
    assert!(slow.view.newest() < quick.view.newest(), "it was told to the end");
    // The close comes behind what the kernel had taken, if the reader is back in time for it.
    assert!(told.is_none() || told == Some(Code::TooSlow), "{told:?}");
}
