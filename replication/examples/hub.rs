//! A hub with one zone and characters in it, for whoever writes a game server or a client. It ends with its standard input.
//!
//!     cargo run -p entitygraph-replication --example hub -- [CHARACTERS] [ADDRESS]
//!
//! The zone is entity 1, the characters are 100 and up, in rows of ten, and that of number n belongs to the subject `player-n`.
//! The first line that it prints is the address of the stream.

use std::{
    error::Error,
    io::{self, Read},
    net::TcpListener,
};

use entitygraph_replication::{config::Config, hub::Hub, replicant::world::World};
use entitygraph_schema::{Entity, Epoch, NewEntity, Placement, testing};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let characters: u64 = arguments.next().map_or(Ok(20), |count| count.parse())?;
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into());
    let zone = Entity::created(testing::world(1, 1e6), Epoch::ZERO);
    let character = |number: u64| {
        let place = testing::at((number % 10) as f64 * 3.0, (number / 10) as f64 * 3.0, 0.0);
        let item = testing::item(100 + number, 1);
        let placement = Placement { pose: Some(place), ..item.placement };
        let owner = Some(testing::name(&format!("player-{}", 100 + number)));
        let new = NewEntity { placement, owner, kind: testing::name("character"), root: true, ..item };
        Entity::created(new, Epoch::ZERO)
    };
    let world = World::new(zone, (0..characters).map(character).collect())?;
    let hub = Hub::start(&Config::default(), TcpListener::bind(address)?, world)?;
    println!("ws://{}/stream", hub.address());
    io::stdin().read_to_end(&mut Vec::new())?;
    hub.stop();
    Ok(())
}
