//! Positions and frames in 64-bit floats. Lengths are metres, angles radians, rotations unit quaternions.
//!
//! A frame is a zone; a [`Pose`] places something in one. Conversions go through the lowest common zone only, never
//! through a world origin, so that two things close to each other stay precise however far out they are (AC 2.4.1).
//! Inside a conversion places have twice the digits of a float, so it errs by the one rounding of its result: plain floats
//! lose 12 mm at 8e12 m, where a float's own steps are 1 mm.

use glam::{DQuat, DVec3};

mod precise;

use precise::Precise;

/// A coordinate, radius or rotation that cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpaceError {
    /// NaN or infinity.
    #[error("{what} is not finite: {value}")]
    NotFinite {
        /// The part that is wrong.
        what: &'static str,
        /// What was given.
        value: f64,
    },
    /// Farther than [`COORDINATE_MAX`], or a radius over [`RADIUS_MAX`].
    #[error("{what} is out of range: {value:e} m, at most {max:e} m are possible")]
    TooFar {
        /// The part that is wrong.
        what: &'static str,
        /// What was given.
        value: f64,
        /// The limit.
        max: f64,
    },
    /// A rotation must have length 1.
    #[error("the rotation has length {length}, a unit quaternion has length 1")]
    NotUnit {
        /// Length of the quaternion given.
        length: f64,
    },
    /// A radius below zero.
    #[error("{what} is {value}: it cannot be negative")]
    Negative {
        /// The part that is wrong.
        what: &'static str,
        /// What was given.
        value: f64,
    },
    /// A box whose lower corner is above its upper one.
    #[error("the box is inside out: its lower corner is above its upper one on the {axis} axis")]
    InsideOut {
        /// `x`, `y` or `z`.
        axis: char,
    },
}

/// Largest coordinate in metres, in either direction: a hundred thousand light years, a galaxy. Squares of coordinates, and
/// their sums over all zones that can lie in each other, stay far within the range of floats.
pub const COORDINATE_MAX: f64 = 1e21;

/// Largest radius in metres: from any point of the largest box to any other.
pub const RADIUS_MAX: f64 = 4.0 * COORDINATE_MAX;

/// Refuses NaN and infinities.
pub fn finite(what: &'static str, value: f64) -> Result<f64, SpaceError> {
    if value.is_finite() { Ok(value) } else { Err(SpaceError::NotFinite { what, value }) }
}

fn within(what: &'static str, value: f64, max: f64) -> Result<f64, SpaceError> {
    if finite(what, value)?.abs() > max { Err(SpaceError::TooFar { what, value, max }) } else { Ok(value) }
}

/// Refuses points with a coordinate that is NaN, infinite or beyond [`COORDINATE_MAX`].
pub fn checked_point(what: &'static str, point: DVec3) -> Result<DVec3, SpaceError> {
    for value in point.to_array() {
        within(what, value, COORDINATE_MAX)?;
    }
    Ok(point)
}

/// Refuses radii that are negative, NaN, infinite or over [`RADIUS_MAX`].
pub fn radius(what: &'static str, value: f64) -> Result<f64, SpaceError> {
    if within(what, value, RADIUS_MAX)? < 0.0 { Err(SpaceError::Negative { what, value }) } else { Ok(value) }
}

/// Place and attitude in a zone: a point `p` of the thing is at `translation + rotation * p` in the zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    translation: DVec3,
    rotation: DQuat,
}

impl Pose {
    /// The frame itself.
    pub const IDENTITY: Self = Self { translation: DVec3::ZERO, rotation: DQuat::IDENTITY };

    /// How far from 1 the length of a rotation may be when it comes in; it is kept as given, bit for bit, and turns
    /// without stretching.
    pub const ROTATION_TOLERANCE: f64 = 1e-6;

    /// Checks and keeps both parts.
    pub fn new(translation: DVec3, rotation: DQuat) -> Result<Self, SpaceError> {
        checked_point("the position", translation)?;
        for value in rotation.to_array() {
            finite("the rotation", value)?;
        }
        let length = rotation.length();
        if (length - 1.0).abs() > Self::ROTATION_TOLERANCE {
            return Err(SpaceError::NotUnit { length });
        }
        Ok(Self { translation, rotation })
    }

    /// At a point, unrotated.
    pub fn at(translation: DVec3) -> Result<Self, SpaceError> {
        Self::new(translation, DQuat::IDENTITY)
    }

    /// Metres from the frame's origin.
    pub fn translation(&self) -> DVec3 {
        self.translation
    }

    /// Unit quaternion.
    pub fn rotation(&self) -> DQuat {
        self.rotation
    }

    /// Takes a point from inside this pose to the frame that the pose is in.
    pub fn transform_point(&self, point: DVec3) -> DVec3 {
        self.outwards(point.into()).rounded()
    }

    /// Takes a point from the frame that the pose is in to inside this pose.
    pub fn inverse_transform_point(&self, point: DVec3) -> DVec3 {
        self.inwards(point.into()).rounded()
    }

    fn outwards(&self, point: Precise) -> Precise {
        point.turned(self.rotation).plus(self.translation)
    }

    fn inwards(&self, point: Precise) -> Precise {
        point.plus(-self.translation).turned(self.rotation.conjugate())
    }

    /// `inner` is given inside this pose; the result is the same thing in the frame that this pose is in. Like each
    /// conversion it can go beyond [`COORDINATE_MAX`]: [`Self::check`] the result before it is kept.
    #[must_use]
    pub fn then(&self, inner: &Self) -> Self {
        Conversion { up: &[*self], down: &[] }.pose(*inner)
    }

    /// Refuses a pose that a conversion took beyond [`COORDINATE_MAX`].
    pub fn check(self) -> Result<Self, SpaceError> {
        Self::new(self.translation, self.rotation)
    }

    /// Same place and attitude to the last bit.
    pub fn same_bits(&self, other: &Self) -> bool {
        let bits = |pose: &Self| {
            let (t, r) = (pose.translation.to_array(), pose.rotation.to_array());
            [t[0], t[1], t[2], r[0], r[1], r[2], r[3]].map(f64::to_bits)
        };
        bits(self) == bits(other)
    }
}

/// Converts poses and points from one zone to another.
///
/// `up` holds the poses of the zones from the source zone up to, not including, the lowest common zone (innermost
/// first); `down` the same for the target zone.
#[derive(Debug, Clone, Copy)]
pub struct Conversion<'a> {
    /// Source side, innermost zone first.
    pub up: &'a [Pose],
    /// Target side, innermost zone first.
    pub down: &'a [Pose],
}

impl Conversion<'_> {
    /// The pose in the target zone of what is at `pose` in the source zone; bit for bit the same when the zones are the
    /// same. [`Pose::check`] it before it is kept.
    pub fn pose(&self, pose: Pose) -> Pose {
        if self.up.is_empty() && self.down.is_empty() {
            return pose;
        }
        let common = self.up.iter().fold(pose.rotation, |inner, zone| zone.rotation * inner);
        let rotation = self.down.iter().rev().fold(common, |outer, zone| zone.rotation.conjugate() * outer);
        Pose { translation: self.point(pose.translation), rotation: rotation.normalize() }
    }

    /// The point in the target zone of what is at `point` in the source zone.
    pub fn point(&self, point: DVec3) -> DVec3 {
        let common = self.up.iter().fold(Precise::from(point), |inner, zone| zone.outwards(inner));
        self.down.iter().rev().fold(common, |outer, zone| zone.inwards(outer)).rounded()
    }
}

/// Axis-aligned box in a zone's own frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aabb {
    min: DVec3,
    max: DVec3,
}

impl Aabb {
    /// Checks that the corners are possible and in order.
    pub fn new(min: DVec3, max: DVec3) -> Result<Self, SpaceError> {
        checked_point("the lower corner", min)?;
        checked_point("the upper corner", max)?;
        for (axis, (low, high)) in
            ['x', 'y', 'z'].into_iter().zip(min.to_array().into_iter().zip(max.to_array()))
        {
            if low > high {
                return Err(SpaceError::InsideOut { axis });
            }
        }
        Ok(Self { min, max })
    }

    /// The cube of this half edge around the origin.
    pub fn cube(half_edge: f64) -> Result<Self, SpaceError> {
        let half = radius("the half edge", within("the half edge", half_edge, COORDINATE_MAX)?)?;
        Self::new(DVec3::splat(-half), DVec3::splat(half))
    }

    /// Lower corner.
    pub fn min(&self) -> DVec3 {
        self.min
    }

    /// Upper corner.
    pub fn max(&self) -> DVec3 {
        self.max
    }

    /// Whether the point is inside or on the border.
    pub fn contains(&self, point: DVec3) -> bool {
        point.cmpge(self.min).all() && point.cmple(self.max).all()
    }

    /// Same corners to the last bit.
    pub fn same_bits(&self, other: &Self) -> bool {
        let bits = |bounds: &Self| [bounds.min, bounds.max].map(|corner| corner.to_array().map(f64::to_bits));
        bits(self) == bits(other)
    }

    /// Cubic metres inside.
    pub fn volume(&self) -> f64 {
        (self.max - self.min).element_product()
    }

    /// Radius of the smallest sphere around the frame's **origin** that holds the box.
    pub fn reach(&self) -> f64 {
        self.min.abs().max(self.max.abs()).length()
    }
}

/// Angle in radians under which a ball of `radius` is seen from `distance` to its centre: `2 asin(radius / distance)`,
/// pi from inside. A ball inside another one never looks larger than it from outside, which is what makes the
/// descent into nested zones exact (AC 2.11.4).
pub fn angular_size(radius: f64, distance: f64) -> f64 {
    if radius <= 0.0 {
        0.0
    } else if distance <= radius {
        std::f64::consts::PI
    } else {
        2.0 * (radius / distance).asin()
    }
}

/// The farthest distance at which a ball of `radius` is still seen under at least `angle` radians (0 < angle <= pi).
pub fn visible_distance(radius: f64, angle: f64) -> f64 {
    radius / (angle * 0.5).sin()
}

#[cfg(test)]
mod tests;
