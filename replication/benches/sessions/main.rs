//! What sessions cost that say nothing, and what one costs that comes back.
//!
//! ```sh
//! cargo bench -p entitygraph-replication --bench sessions -- idle [SESSIONS [SECONDS]]
//! cargo bench -p entitygraph-replication --bench sessions -- resume [ENTITIES]
//! ```
//!
//! `idle`: memory and processor time of the hub's process with so many sessions, beside those of the same process before they
//! came. `resume`: bytes that a player is sent who was away while one entity in a hundred moved, beside those of its first login.

#[path = "../room/client.rs"]
mod client;
mod idle;
mod resume;
#[path = "../room/usage.rs"]
mod usage;

use std::net::TcpListener;

use entitygraph_replication::{config::Config, hub::Hub, replicant::world::World};
use entitygraph_schema::{Entity, Epoch, NewEntity, Placement, testing};

const ZONE_ID: u64 = 1;

/// Id of the first entity.
const FIRST: u64 = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |place: usize, default: usize| {
        arguments.get(place).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    match arguments.first().map(String::as_str) {
        Some("idle-load") => idle::load(&arguments[1..]),
        Some("resume") => resume::run(number(1, 10_000)),
        Some("idle") => idle::run(number(1, 10_000), number(2, 20)),
        _ => {
            idle::run(10_000, 20);
            resume::run(10_000);
        }
    }
}

/// A hub of one core with so many entities within 100 m.
fn hub(entities: usize) -> Hub {
    let zone = Entity::created(testing::world(ZONE_ID, 1e6), Epoch::ZERO);
    let all = (0..entities).map(|index| {
        let number = FIRST + index as u64;
        let pose = testing::at((index % 100) as f64, (index / 100) as f64, 1.0);
        let placement = Placement { pose: Some(pose), ..testing::item(number, ZONE_ID).placement };
        let owner = Some(testing::name(&format!("player-{number}")));
        Entity::created(
            NewEntity { placement, owner, root: true, ..testing::item(number, ZONE_ID) },
            Epoch::ZERO,
        )
    });
    let world = World::new(zone, all.collect()).expect("a world");
    let config = Config {
        waiting_per_address_max: 1_024,
        // The game server of the benchmark sends no Pings.
        lease_ms: 600_000,
        ..Config::default()
    };
    Hub::start(&config, TcpListener::bind("127.0.0.1:0").expect("a port"), world).expect("a hub")
}
