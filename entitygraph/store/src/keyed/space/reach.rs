//! How far the inside of a zone reaches.

use entitygraph_schema::Pose;

/// Radius in metres of a ball around a zone's origin that holds everything inside, what is in nested zones included.
///
/// Questions skip a zone whose ball cannot matter, so the writer keeps it: never too small, as little too large as is
/// cheap. [`Self::of_entity`] and [`Self::of_zone`] say what one thing needs, and [`Self::grown_to`] what to store then.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Reach(f64);

impl Reach {
    /// Of a zone with nothing inside: it is never entered.
    pub const NOTHING: Self = Self(f64::NEG_INFINITY);

    /// Makes up for rounding where points are converted between zones.
    const MARGIN: f64 = 1.0 + 1e-9;

    /// How much farther than needed a stored reach is set, so that what flies outwards does not rewrite it each time.
    const SLACK: f64 = 1.125;

    /// What a zone needs for an entity at this pose in it.
    pub fn of_entity(pose: &Pose, radius: f64) -> Self {
        Self((pose.translation().length() + radius) * Self::MARGIN)
    }

    /// What a zone needs for a nested zone whose host is at this pose in it.
    pub fn of_zone(pose: &Pose, nested: Self) -> Self {
        if nested == Self::NOTHING { nested } else { Self::of_entity(pose, nested.0) }
    }

    /// The larger of the two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }

    /// What to store in place of this when something needs `needed`: none if this is enough.
    pub fn grown_to(self, needed: Self) -> Option<Self> {
        (needed > self).then_some(Self(needed.0 * Self::SLACK))
    }

    /// Metres; negative infinity for nothing.
    pub fn metres(self) -> f64 {
        self.0
    }

    /// The stored form.
    pub fn to_be_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Reads the stored form; none if it cannot be one.
    pub fn from_be_bytes(bytes: [u8; 8]) -> Option<Self> {
        let metres = f64::from_be_bytes(bytes);
        (metres >= 0.0 || metres == f64::NEG_INFINITY).then_some(Self(metres))
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
    fn an_empty_nested_zone_needs_nothing() {
        let pose = Pose::at(DVec3::splat(5.0)).unwrap();
        assert_eq!(Reach::of_zone(&pose, Reach::NOTHING), Reach::NOTHING);
        assert_eq!(Reach::NOTHING.grown_to(Reach::NOTHING), None);
        assert_eq!(Reach::from_be_bytes(Reach::NOTHING.to_be_bytes()), Some(Reach::NOTHING));
        assert_eq!(Reach::from_be_bytes(f64::NAN.to_be_bytes()), None);
    }
}
