//! The hub that is measured.

use std::net::TcpListener;

use entitygraph_replication::{
    config::{Config, Room},
    hub::Hub,
    replicant::world::World,
};
use entitygraph_schema::{Entity, Epoch, NewEntity, Placement, testing};

use crate::{GROUP, Load, Run, TICK_US};

const ZONE_ID: u64 = 1;

/// Id of the character of the first player.
pub const FIRST: u64 = 1_000;

/// Metres between two groups: more than a player sees.
const APART_M: f64 = 1_024.0;

/// Each group walks in a disc somewhere in a square of the grid, across the borders of cells.
pub fn middle_m(group: usize) -> [f64; 2] {
    let (column, row) = (group % 64, group / 64);
    // A fixed pattern that puts the discs anywhere relative to the cells of 32 m.
    let off = |factor: usize| (group * factor % 32) as f64;
    [column as f64 * APART_M + off(13), row as f64 * APART_M + off(7)]
}

fn world(players: usize) -> World {
    let zone = Entity::created(testing::world(ZONE_ID, 1e6), Epoch::ZERO);
    let walkers = (0..players).map(|player| {
        let number = FIRST + player as u64;
        let [x, y] = middle_m(player / GROUP);
        let placement =
            Placement { pose: Some(testing::at(x, y, 1.0)), ..testing::item(number, ZONE_ID).placement };
        let owner = Some(testing::name(&format!("player-{number}")));
        let new = NewEntity { placement, owner, root: true, ..testing::item(number, ZONE_ID) };
        Entity::created(new, Epoch::ZERO)
    });
    World::new(zone, walkers.collect()).expect("a world")
}

/// Serves this many players for a time, under this load.
pub fn run(load: &str, players: usize, seconds: u64) -> Run {
    let config = Config {
        tick_us: TICK_US,
        waiting_per_address_max: 1_024,
        // The game server sends nothing while the players come.
        lease_ms: 600_000,
        room: Room::default(),
        ..Config::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hub = Hub::start(&config, listener, world(players)).expect("a hub");
    let measured = Load::start(load, hub.address(), players, seconds).measured();
    hub.stop();
    measured
}
