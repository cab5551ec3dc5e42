//! How far the inside of a zone reaches, and how large the largest thing in it is.

use entitygraph_schema::Pose;

/// What questions that come by a zone must know of its inside, what is in nested zones included: the radius of a ball around its
/// origin that holds everything, and the largest bounding radius in it, both in metres.
///
/// Questions skip a zone that cannot matter by these two, so the writer keeps them: never too small, as little too large as
/// is cheap. [`Self::of_entity`] and [`Self::of_zone`] say what one thing needs, and [`Self::grown_to`] what to store then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    metres: f64,
    largest: f64,
}

impl Reach {
    /// Of a zone with nothing inside: it is never entered.
    pub const NOTHING: Self = Self { metres: f64::NEG_INFINITY, largest: f64::NEG_INFINITY };

    /// Makes up for rounding where points are converted between zones.
    const MARGIN: f64 = 1.0 + 1e-9;

    /// How much farther than needed a stored reach is set, so that what flies outwards does not rewrite it each time.
    const SLACK: f64 = 1.125;

    /// What a zone needs for an entity at this pose in it.
    pub fn of_entity(pose: &Pose, radius: f64) -> Self {
        let metres = (pose.translation().length() + radius) * Self::MARGIN;
        Self { metres, largest: radius * Self::MARGIN }
    }

    /// What a zone needs for a nested zone whose host is at this pose in it.
    pub fn of_zone(pose: &Pose, nested: Self) -> Self {
        if nested == Self::NOTHING {
            return nested;
        }
        Self { largest: nested.largest, ..Self::of_entity(pose, nested.metres) }
    }

    /// What is enough for both.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { metres: self.metres.max(other.metres), largest: self.largest.max(other.largest) }
    }

    /// Whether this is enough for something.
    pub fn holds(self, needed: Self) -> bool {
        needed.metres <= self.metres && needed.largest <= self.largest
    }

    /// What to store in place of this when something needs `needed`: none if this is enough.
    pub fn grown_to(self, needed: Self) -> Option<Self> {
        if self.holds(needed) {
            return None;
        }
        let metres = if needed.metres > self.metres { needed.metres * Self::SLACK } else { self.metres };
        Some(Self { metres, largest: self.largest.max(needed.largest) })
    }

    /// Radius of the ball that holds everything; negative infinity for nothing.
    pub fn metres(self) -> f64 {
        self.metres
    }

    /// The largest bounding radius inside; negative infinity for nothing.
    pub fn largest(self) -> f64 {
        self.largest
    }

    /// The stored form.
    pub fn to_be_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.metres.to_be_bytes());
        bytes[8..].copy_from_slice(&self.largest.to_be_bytes());
        bytes
    }

    /// Reads the stored form; none if it cannot be one.
    pub fn from_be_bytes(bytes: [u8; 16]) -> Option<Self> {
        let (metres, largest) = bytes.split_first_chunk::<8>()?;
        Self::of(f64::from_be_bytes(*metres), f64::from_be_bytes(largest.try_into().ok()?))
    }

    /// Of both lengths; none if they cannot be.
    pub fn of(metres: f64, largest: f64) -> Option<Self> {
        let reach = Self { metres, largest };
        (metres >= 0.0 && largest >= 0.0 || reach == Self::NOTHING).then_some(reach)
    }
}

#[cfg(test)]
mod tests {
    use glam::DVec3;

    use super::*;

    #[test]
    fn a_reach_grows_with_slack_and_not_below_it() {
        let at = |x: f64| Reach::of_entity(&Pose::at(DVec3::new(x, 0.0, 0.0)).unwrap(), 1.0);
        let stored = Reach::NOTHING.grown_to(at(99.0)).unwrap();
        assert!(stored.metres() > 112.0 && stored.metres() < 113.0, "{stored:?}");
        assert_eq!(stored.grown_to(at(110.0)), None);
        assert!(stored.grown_to(at(120.0)).is_some());
    }

    #[test]
    fn a_larger_thing_that_reaches_no_farther_is_told_of() {
        let stored = Reach::NOTHING.grown_to(Reach::of_entity(&Pose::IDENTITY, 10.0)).unwrap();
        let near = Reach::of_entity(&Pose::IDENTITY, 11.0);
        let grown = stored.grown_to(near).unwrap();
        assert_eq!(grown.metres(), stored.metres());
        assert!(grown.holds(near) && !stored.holds(near));
        let outer = Reach::of_zone(&Pose::at(DVec3::new(1e6, 0.0, 0.0)).unwrap(), grown);
        assert!(outer.metres() > 1e6 && outer.largest() == grown.largest());
    }

    #[test]
    fn an_empty_nested_zone_needs_nothing() {
        let pose = Pose::at(DVec3::splat(5.0)).unwrap();
        assert_eq!(Reach::of_zone(&pose, Reach::NOTHING), Reach::NOTHING);
        assert_eq!(Reach::NOTHING.grown_to(Reach::NOTHING), None);
        assert_eq!(Reach::from_be_bytes(Reach::NOTHING.to_be_bytes()), Some(Reach::NOTHING));
        assert_eq!(Reach::from_be_bytes([0xFF; 16]), None);
        assert_eq!(Reach::of(1.0, f64::NEG_INFINITY), None);
    }
}
