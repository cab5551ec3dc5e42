//! A hub with walkers, and the server that moves them.

use std::{net::TcpListener, time::Duration};

use entitygraph_client::stream::{
    connection::Connection,
    event::{Event, Loads},
    peer::Machine,
    server::Server,
    session::{Login, Options},
};
use entitygraph_replication::{
    catalog::StreamCatalog,
    config::{Config, Room},
    hub::Hub,
    replicant::world::World,
};
use entitygraph_schema::{
    ComponentDraft, Entity, EntityId, Epoch, NewEntity, Placement, Registry, Value, VariableDraft,
    Visibility, testing,
    wire::{
        Handle, Role,
        control::message::{self, Code},
    },
};
use glam::{DVec3, Quat};
use tokio::time::timeout;

const TICK_US: u32 = 33_333;

pub fn places(count: u32) -> Vec<DVec3> {
    (0..count)
        .map(|number| DVec3::new(f64::from(number % 8) * 3.0, f64::from(number / 8) * 4.0, 0.0))
        .collect()
}

/// Walkers 100 and up, each owned by `player-<number>`.
pub fn hub(places_m: &[DVec3]) -> Hub {
    let zone = Entity::created(testing::world(1, 1e6), Epoch::ZERO);
    let walkers = places_m.iter().zip(100..).map(|(place, number)| {
        let pose = Some(testing::at(place.x, place.y, place.z));
        let item = testing::item(number, 1);
        let placement = Placement { pose, ..item.placement };
        let owner = Some(testing::name(&format!("player-{number}")));
        Entity::created(NewEntity { placement, owner, root: true, ..item }, Epoch::ZERO)
    });
    let catalog = StreamCatalog::new(registry(), &Default::default()).unwrap();
    let world = World::new(zone, walkers.collect()).unwrap().with_catalog(catalog);
    let room = Room { level: 4, step: -6, radius_m: 120.0, ..Room::default() };
    let config = Config { tick_us: TICK_US, room, ..Config::default() };
    Hub::start(&config, TcpListener::bind("127.0.0.1:0").unwrap(), world).unwrap()
}

/// What a walker may state: its damage, which all see, and its goal, which servers see.
pub fn registry() -> Registry {
    let variable = |name: &str, default| VariableDraft::new(testing::name(name), default);
    let hull = vec![
        VariableDraft { precision: Some(0.5), ..variable("damage", Value::Float(0.0)) },
        VariableDraft { visibility: Visibility::ServerOnly, ..variable("goal", testing::text("")) },
    ];
    let mut registry = Registry::default();
    let published = registry.publish(&ComponentDraft::new(testing::name("hull"), hull)).unwrap();
    registry.insert(published);
    registry
}

pub fn url(hub: &Hub) -> String {
    format!("ws://{}/stream", hub.address())
}

/// Takes events until one is found, ten seconds at most.
pub async fn until<M: Machine, T>(peer: &mut Connection<M>, mut find: impl FnMut(&Event) -> Option<T>) -> T {
    let mut told = Vec::new();
    let found = async {
        loop {
            let event = peer.next().await?;
            if let Some(found) = find(&event) {
                return Some(found);
            }
            told.push(event);
            told.drain(..told.len().saturating_sub(20));
        }
    };
    match timeout(Duration::from_secs(10), found).await {
        Ok(Some(found)) => found,
        Ok(None) => panic!("the session ended after {told:#?}"),
        Err(_) => panic!("it did not come in ten seconds, after {told:#?}"),
    }
}

/// A server that has everything and moves it.
pub struct Simulation {
    pub peer: Connection<Server>,
    pub zone: Handle,
    walkers: Vec<(Handle, EntityId, DVec3)>,
}

impl Simulation {
    pub async fn start(url: &str) -> Self {
        Self::start_with(Options::new(url, Role::Server)).await
    }

    pub async fn start_with(options: Options) -> Self {
        let mut peer = Connection::new(Server::with(options, Loads::AtOnce), Login::Subject("mover".into()));
        peer.register(message::Register::default()).unwrap();
        let zone =
            until(
                &mut peer,
                |event| if let Event::Gained { handle, .. } = event { Some(*handle) } else { None },
            );
        let zone = zone.await;
        let of_zone = peer.view().entities().filter(|(handle, _)| *handle != zone);
        let mut walkers: Vec<_> =
            of_zone.map(|(handle, seen)| (handle, seen.entity.id, seen.position_m.unwrap())).collect();
        walkers.sort_by_key(|(handle, ..)| *handle);
        Self { peer, zone, walkers }
    }

    pub fn place_of(&self, id: EntityId) -> DVec3 {
        self.walkers.iter().find(|(_, other, _)| *other == id).unwrap().2
    }

    /// Simulates this many ticks as a game does: takes what is there, steps, reports.
    pub async fn run(&mut self, ticks: u32, mut step: impl FnMut(DVec3, u64) -> DVec3) {
        let mut done = 0;
        let end = tokio::time::Instant::now() + Duration::from_secs(10);
        while done < ticks {
            assert!(tokio::time::Instant::now() < end, "{done} of {ticks} ticks in 10 s");
            while let Some(event) = self.peer.next_now().await {
                // A report may be on its way when the grant is lost with the socket.
                let stale = matches!(&event, Event::Notice(notice) if notice.code() == Code::StaleEpoch);
                assert!(stale || !matches!(event, Event::Notice(_) | Event::Ended(_)), "{event:?}");
            }
            let Some(mut report) = self.peer.begin_tick() else {
                tokio::time::sleep(Duration::from_millis(2)).await;
                continue;
            };
            for (handle, _, place) in &mut self.walkers {
                let next = step(*place, report.tick());
                let velocity = (next - *place).as_vec3() * 30.0;
                *place = next;
                report.motion(*handle, Some(next), Some(Quat::IDENTITY), Some(velocity)).unwrap();
            }
            let sent = self.peer.report(&report).unwrap();
            done += u32::from(sent.left_out.is_empty());
        }
        while self.peer.next_now().await.is_some() {}
        assert!(self.peer.has_authority(self.walkers[0].0));
    }
}
