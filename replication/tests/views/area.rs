//! What servers and viewers follow, and how far anything is from it.

use entitygraph_schema::{
    EntityId, testing,
    wire::control::message::{self, follow},
};
use glam::DVec3;

use crate::*;

/// What a server or viewer follows; players look from their character.
#[derive(Debug, Clone, Copy)]
pub enum Area {
    /// It owns everything, or has a character.
    None,
    Sphere(DVec3),
    Zone,
    Aggregate(u64),
}

pub const SPHERE_M: f64 = 45.0;

/// How many entities something hangs on, and by how much its number is higher.
pub const UNITS: u64 = 8;
pub const HAT: u64 = 1_000;
pub const DRONE: u64 = 2_000;

/// What is directly in the zone of what an entity is of.
pub fn top(id: EntityId) -> EntityId {
    testing::entity_id(id.get() % HAT)
}

impl Area {
    pub fn follow(self) -> message::Follow {
        let area = match self {
            Self::Sphere(point) => follow::Area::Sphere(message::Sphere {
                zone: ZONE_ID,
                point_m: Some(message::Vector { x: point.x, y: point.y, z: point.z }),
                radius_m: SPHERE_M,
                min_angular_size_rad: 0.0,
            }),
            Self::Aggregate(id) => follow::Area::Aggregate(id),
            Self::None | Self::Zone => follow::Area::Zone(ZONE_ID),
        };
        message::Follow { number: 7, area: Some(area), public_only: false }
    }

    /// How far something is from being in the interest, and how far it may be to be bound.
    pub fn far_m(self, run: &Run, peer: &Peer, id: EntityId) -> (f64, f64) {
        let place = |id| motion_at(&run.history, top(id), u64::MAX).unwrap().place_m;
        // A cell is left a tenth farther than it is entered; a character stands anywhere in its own.
        let edge_m = 3_f64.sqrt() * 16.0;
        match self {
            Self::None => {
                let far_m = place(id).distance(place(testing::entity_id(peer.number)));
                (far_m - ROOM.radius_m, far_m - 1.1 * ROOM.radius_m - 2.0 * edge_m)
            }
            Self::Sphere(point) => {
                let far_m = place(id).distance(point);
                (far_m - SPHERE_M, far_m - 1.1 * SPHERE_M - edge_m)
            }
            Self::Zone => (-1.0, -1.0),
            Self::Aggregate(other) => {
                let far = if top(id) == testing::entity_id(other) { -1.0 } else { 1.0 };
                (far, far)
            }
        }
    }
}
