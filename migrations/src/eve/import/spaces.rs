//! What the export takes for granted: the universe and the four spaces in it.
//!
//! The export has the spaces as folders and says nothing of them, so their ids, names and bounds stand here. They share one
//! frame, that of the root: coordinates of regions there are those of the export to the last bit.

use entitygraph_schema::{Aabb, EntityId, space::SpaceError};
use glam::DVec3;

use crate::eve::Position;

/// The root, under the number that the export's `invNames.yaml` calls `EVE Universe`.
pub(super) const NEW_EDEN: EntityId = id(9);

/// Half edge of the root's bounds in metres. The farthest system lies at 1.1e19.
const REACH: f64 = 2e19;

/// First id of landmarks, which the export numbers from 1.
pub(super) const FIRST_LANDMARK: u64 = 90_000_000;

/// A part of the universe that no stargate leaves.
#[derive(Debug)]
pub(super) struct Space {
    /// Folder below `universe/`.
    pub folder: &'static str,
    /// From 9,000,000 on; the export's `invNames.yaml` has 9,000,001 as `EVE Wormhole Universe`.
    pub id: EntityId,
    /// English.
    pub name: &'static str,
    /// Lower and upper corner in metres, wide enough for all its systems.
    corners: ([f64; 3], [f64; 3]),
}

/// All spaces, that of the players' empires first.
pub(super) const SPACES: [Space; 4] = [
    Space {
        folder: "eve",
        id: id(9_000_000),
        name: "Known space",
        corners: ([-1e18, -1e18, -1e18], [1e18, 1e18, 1e18]),
    },
    Space {
        folder: "wormhole",
        id: id(9_000_001),
        name: "Wormhole space",
        corners: ([6e18, -1e18, -1.1e19], [9e18, 3e18, -8e18]),
    },
    Space {
        folder: "abyssal",
        id: id(9_000_002),
        name: "Abyssal space",
        corners: ([2e18, 4e18, -1e19], [6e18, 7e18, -4e18]),
    },
    Space {
        folder: "void",
        id: id(9_000_003),
        name: "Void space",
        corners: ([-6e18, 1e18, -9e18], [-3e18, 4e18, -5e18]),
    },
];

impl Space {
    /// The space of a folder below `universe/`.
    pub fn of(folder: &str) -> Option<&'static Self> {
        SPACES.iter().find(|space| space.folder == folder)
    }

    /// Whether a point of the universe is in its bounds.
    pub fn holds(&self, Position(point): Position) -> bool {
        let (min, max) = self.corners;
        (0..3).all(|axis| (min[axis]..=max[axis]).contains(&point[axis]))
    }

    /// Bounds in the frame of the universe.
    pub fn bounds(&self) -> Result<Aabb, SpaceError> {
        Aabb::new(self.corners.0.into(), self.corners.1.into())
    }
}

/// Bounds of the universe.
pub(super) fn universe() -> Result<Aabb, SpaceError> {
    Aabb::new(DVec3::splat(-REACH), DVec3::splat(REACH))
}

const fn id(number: u64) -> EntityId {
    match EntityId::new(number) {
        Some(id) => id,
        None => panic!("zero is no id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_lie_in_the_universe_and_apart_from_each_other() {
        let universe = universe().unwrap();
        for (index, space) in SPACES.iter().enumerate() {
            let bounds = space.bounds().unwrap();
            assert!(universe.contains(bounds.min()) && universe.contains(bounds.max()), "{space:?}");
            for other in &SPACES[..index] {
                let other = other.bounds().unwrap();
                let apart = bounds.min().cmpgt(other.max()).any() || other.min().cmpgt(bounds.max()).any();
                assert!(apart, "{space:?}");
            }
        }
    }
}
