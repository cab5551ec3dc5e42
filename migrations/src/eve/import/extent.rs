//! Bounds made from content.

use entitygraph_schema::{Aabb, space::SpaceError};
use glam::DVec3;

/// The smallest box around all that was put in, in one frame.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent(Option<(DVec3, DVec3)>);

impl Extent {
    /// Grows around a ball.
    pub fn ball(&mut self, center: DVec3, radius: f64) {
        let around = DVec3::splat(radius.abs());
        self.corners(center - around, center + around);
    }

    /// Grows around the extent of another frame, whose origin stands at `offset` in this one.
    pub fn holds(&mut self, offset: DVec3, other: Self) {
        let (min, max) = other.0.unwrap_or_default();
        self.corners(offset + min, offset + max);
    }

    /// The box; a point at the origin when nothing was put in. Refused when a corner is beyond the floats.
    pub fn bounds(self) -> Result<Aabb, SpaceError> {
        let (min, max) = self.0.unwrap_or_default();
        Aabb::new(min, max)
    }

    fn corners(&mut self, low: DVec3, high: DVec3) {
        let (min, max) = self.0.unwrap_or((low, high));
        self.0 = Some((min.min(low), max.max(high)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extent_grows_around_balls_and_boxes() {
        let mut extent = Extent::default();
        assert_eq!(extent.bounds().unwrap(), Aabb::cube(0.0).unwrap());
        extent.ball(DVec3::new(10.0, 0.0, 0.0), 2.0);
        assert_eq!(extent.bounds().unwrap().min(), DVec3::new(8.0, -2.0, -2.0));
        let mut inner = Extent::default();
        inner.ball(DVec3::ZERO, 1.0);
        extent.holds(DVec3::new(0.0, 0.0, 100.0), inner);
        assert_eq!(extent.bounds().unwrap().min(), DVec3::new(-1.0, -2.0, -2.0));
        assert_eq!(extent.bounds().unwrap().max(), DVec3::new(12.0, 2.0, 101.0));
    }
}
