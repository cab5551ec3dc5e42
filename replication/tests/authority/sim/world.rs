//! The world of all tests, and maps of it.

use std::sync::Arc;

use entitygraph_replication::atlas::map::{Map, MapFile, World, Zone};
use entitygraph_schema::{Aabb, Components, EntityId, EntityName, Kind, Layer, NewEntity, Placement};

use super::id;

/// universe 1 { a 2, b 3, c 4 }, ships from 10 on in them in turn.
pub fn map(text: &str) -> Arc<Map> {
    let zone = |number, parent: u64, host| Zone {
        id: id(number),
        key: number.to_string(),
        parent: EntityId::new(parent),
        host,
    };
    let zones = [
        zone(1, 0, true),
        zone(2, 1, true),
        zone(3, 1, true),
        zone(4, 1, true),
        zone(5, 2, false),
        zone(6, 3, false),
        zone(7, 2, true),
    ];
    let world = World::new(zones, [[id(5), id(6)]]);
    Arc::new(MapFile::parse("map.toml", text).check(&world).unwrap())
}

pub const THREE: &str = "world = \"1\"\n\
    [[post]]\nname = \"a\"\nzones = [\"1\", \"2\"]\n\
    [[post]]\nname = \"b\"\nzones = [\"3\"]\nfallback = \"a\"\n\
    [[post]]\nname = \"c\"\nzones = [\"4\"]\n";

pub fn entity(number: u64, parent: u64, zone: bool) -> NewEntity {
    NewEntity {
        id: id(number),
        name: EntityName::new(number.to_string()).unwrap(),
        kind: Kind::new("thing").unwrap(),
        source: None,
        placement: Placement { parent: EntityId::new(parent), port: None, pose: None },
        radius: 1.0,
        zone: zone.then(|| Aabb::cube(1e9).unwrap()),
        root: true,
        labels: [].into(),
        owner: None,
        layer: Layer::ZERO,
        ordinal: 0,
        components: Components::default(),
    }
}
