//! Rounded attitudes and velocities (protocol.md, "State"). Positions are in [`super::cell`].
//!
//! All are in the zone: angles are about its axes, velocities are m/s along them.

use std::f64::consts::{SQRT_2, TAU};

use glam::{DQuat, DVec3};

use super::number::rounded;
use crate::codec::{CodecError, Fault, Input};

/// Steps of a velocity in one metre a second.
const VELOCITY_STEPS: f64 = 16.0;

/// Steps of a component of a rotation on each side of zero.
const ROTATION_STEPS: f64 = 511.0;

/// Half of the largest tilt (0.7 degrees) of what is told as a heading, as a sine.
const UPRIGHT: f64 = 0.006_108_6;

/// The heading of what stands upright: a turn about z in 1/256 of a circle, rounded; none for a rotation that is tilted by
/// more than 0.7 degrees.
pub fn heading(rotation: DQuat) -> Option<u8> {
    let DQuat { x, y, z, w } = rotation;
    if x * x + y * y > UPRIGHT * UPRIGHT {
        return None;
    }
    let turn = 2.0 * z.atan2(w) / TAU;
    Some(((turn * 256.0).round() as i64).rem_euclid(256) as u8)
}

/// The rotation of this heading.
pub fn rotation_of_heading(heading: u8) -> DQuat {
    DQuat::from_rotation_z(f64::from(heading) * TAU / 256.0)
}

/// A unit quaternion in 32 bits: which component is largest, and the three others; off by at most 0.28 degrees.
pub fn pack_rotation(rotation: DQuat) -> u32 {
    let parts = rotation.to_array();
    let mut largest = 0;
    for index in 1..4 {
        if parts[index].abs() > parts[largest].abs() {
            largest = index;
        }
    }
    let sign = if parts[largest] < 0.0 { -1.0 } else { 1.0 };
    let mut packed = (largest as u32) << 30;
    let others = parts.into_iter().enumerate().filter(|(index, _)| *index != largest);
    for (place, (_, part)) in others.enumerate() {
        let steps = (sign * part * SQRT_2 * ROTATION_STEPS).round().clamp(-ROTATION_STEPS, ROTATION_STEPS);
        packed |= ((steps as i32 + 512) as u32) << (10 * place);
    }
    packed
}

/// The rotation of these 32 bits.
pub fn unpack_rotation(packed: u32) -> DQuat {
    let largest = (packed >> 30) as usize;
    let mut parts = [0.0; 4];
    let mut squares = 0.0;
    for place in 0..3 {
        let steps = f64::from(packed >> (10 * place) & 0x3ff) - 512.0;
        let part = steps / (SQRT_2 * ROTATION_STEPS);
        squares += part * part;
        parts[if place < largest { place } else { place + 1 }] = part;
    }
    parts[largest] = (1.0 - squares).max(0.0).sqrt();
    DQuat::from_array(parts).normalize()
}

/// Reads a rotation and refuses components of zero, which none is written as.
pub(super) fn take_rotation(input: &mut Input<'_>) -> Result<u32, CodecError> {
    let start = input.offset();
    let packed = input.u32()?;
    if (0..3).any(|place| packed >> (10 * place) & 0x3ff == 0) {
        return Err(input.error(start, Fault::Range { what: "rotation", number: packed.into() }));
    }
    Ok(packed)
}

/// A velocity in 1/16 m/s.
pub fn velocity_steps(velocity_m_s: DVec3) -> [i64; 3] {
    velocity_m_s.to_array().map(|axis| rounded(axis * VELOCITY_STEPS))
}

/// The velocity in m/s.
pub fn velocity_m_s(steps: [i64; 3]) -> DVec3 {
    DVec3::from_array(steps.map(|axis| axis as f64 / VELOCITY_STEPS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{testing::rotations, wire::number::INT_MAX};

    proptest! {
        #[test]
        fn a_rotation_is_off_by_at_most_0_28_degrees(rotation in rotations()) {
            let off = unpack_rotation(pack_rotation(rotation)).dot(rotation).abs().min(1.0).acos() * 2.0;
            prop_assert!(off.to_degrees() <= 0.28, "{}", off.to_degrees());
        }

        #[test]
        fn any_32_bits_are_a_unit_quaternion(packed in any::<u32>()) {
            prop_assert!((unpack_rotation(packed).length() - 1.0).abs() < 1e-9);
        }

        #[test]
        fn a_heading_is_off_by_at_most_half_a_step(angle in -10.0..10.0) {
            let rotation = DQuat::from_rotation_z(angle);
            let off = rotation_of_heading(heading(rotation).unwrap()).dot(rotation).abs().min(1.0).acos() * 2.0;
            prop_assert!(off.to_degrees() <= 180.0 / 256.0 + 1e-6, "{}", off.to_degrees());
        }
    }

    #[test]
    fn what_is_tilted_has_no_heading() {
        let tilted =
            |degrees: f64| DQuat::from_rotation_z(1.0) * DQuat::from_rotation_x(degrees.to_radians());
        assert!(heading(tilted(0.69)).is_some() && heading(tilted(0.71)).is_none());
        assert_eq!(heading(DQuat::from_rotation_x(3.0)), None);
        assert_eq!(heading(-DQuat::from_rotation_z(TAU / 4.0)), Some(64));
    }

    #[test]
    fn of_equal_components_the_first_is_left_out_and_made_positive() {
        let half = DQuat::from_xyzw(-0.5, 0.5, 0.5, -0.5);
        assert_eq!(pack_rotation(half) >> 30, 0);
        assert!((unpack_rotation(pack_rotation(half)).dot(half).abs() - 1.0).abs() < 1e-5);
        assert_eq!(pack_rotation(DQuat::IDENTITY), 3 << 30 | 512 << 20 | 512 << 10 | 512);
    }

    #[test]
    fn velocities_are_sixteenths() {
        assert_eq!(velocity_steps(DVec3::new(1.03, -2.0, f64::NAN)), [16, -32, 0]);
        assert_eq!(velocity_m_s([16, -33, 0]), DVec3::new(1.0, -2.0625, 0.0));
        assert_eq!(velocity_steps(DVec3::splat(f64::INFINITY)), [INT_MAX; 3]);
    }
}
