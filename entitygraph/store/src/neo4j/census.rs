//! How many entities below a node have which set of facets.
//!
//! Each entity with something below it has a census, and so has the world. A question for counts reads one, a search looks into
//! the nodes whose census has what it looks for. A write changes those of the nodes above what it makes, buries or moves.

use std::collections::BTreeMap;

use entitygraph_schema::Entity;
use serde::{Deserialize, Serialize};

use super::facets::SetNumber;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    sets: BTreeMap<SetNumber, Count>,
    /// Zone hosts below that have no pose of their own: they move when their carrier does.
    riding: u64,
}

/// Of one set of facets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// At any level below.
    pub below: u64,
    /// Right below.
    pub direct: u64,
}

/// What one entity adds to those above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    set: SetNumber,
    riding: bool,
}

impl Member {
    /// Of an entity whose facets have this number.
    pub fn of(entity: &Entity, set: SetNumber) -> Self {
        let placement = &entity.placement;
        let riding = entity.zone.is_some() && placement.parent.is_some() && placement.pose.is_none();
        Self { set, riding }
    }
}

/// Whether something comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It comes.
    In,
    /// It goes.
    Out,
}

impl Census {
    /// The stored form: as short as its numbers are.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// Reads the stored form; none if it cannot be one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// Each set that is there.
    pub fn sets(&self) -> impl Iterator<Item = (SetNumber, Count)> {
        self.sets.iter().map(|(number, count)| (*number, *count))
    }

    /// Whether nothing is below.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// All entities below.
    pub fn total(&self) -> u64 {
        self.sets.values().map(|count| count.below).sum()
    }

    /// All entities right below.
    pub fn children(&self) -> u64 {
        self.sets.values().map(|count| count.direct).sum()
    }

    /// Whether a zone host below rides with something.
    pub fn has_riding(&self) -> bool {
        self.riding > 0
    }

    /// Puts in, or takes out, an entity with all that is below it; `direct` if it is right below.
    pub fn count(&mut self, member: Member, below: &Self, direct: bool, sign: Sign) {
        let one = Count { below: 1, direct: direct.into() };
        let farther = below.sets().map(|(set, count)| (set, Count { below: count.below, direct: 0 }));
        for (set, change) in std::iter::once((member.set, one)).chain(farther) {
            let count = self.sets.entry(set).or_default();
            count.below = sign.apply(count.below, change.below);
            count.direct = sign.apply(count.direct, change.direct);
            if *count == Count::default() {
                self.sets.remove(&set);
            }
        }
        self.riding = sign.apply(self.riding, below.riding + u64::from(member.riding));
    }
}

impl Sign {
    fn apply(self, number: u64, change: u64) -> u64 {
        match self {
            Self::In => number + change,
            Self::Out => number.saturating_sub(change),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_again_leaves_nothing() {
        let (crate_, ship_) = (Member { set: 3, riding: false }, Member { set: 1, riding: true });
        let (mut ship, mut star) = (Census::default(), Census::default());
        ship.count(crate_, &Census::default(), true, Sign::In);
        ship.count(crate_, &Census::default(), true, Sign::In);
        star.count(ship_, &ship, true, Sign::In);
        assert_eq!((star.total(), star.children(), ship.children()), (3, 1, 2));
        assert!(star.has_riding() && !ship.has_riding());
        assert_eq!(Census::decode(&star.encode()), Some(star.clone()));
        star.count(ship_, &ship, true, Sign::Out);
        assert_eq!(star, Census::default());
    }
}
