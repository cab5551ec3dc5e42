use proptest::{collection, prelude::*};

use super::*;
use crate::testing::{at, boxes, points, poses, rotations};

/// Neptune is half as far from the Sun.
const FAR: f64 = 8.0e12;

/// AC 2.4.1.
const TOLERANCE: f64 = 0.002;

/// A zone `FAR` metres from the origin, in any direction and attitude.
fn far_zones() -> impl Strategy<Value = Pose> {
    (points(1.0), rotations())
        .prop_filter("a direction", |(point, _)| point.length() > 0.01)
        .prop_map(|(direction, rotation)| Pose::new(direction.normalize() * FAR, rotation).unwrap())
}

fn chains() -> impl Strategy<Value = Vec<Pose>> {
    collection::vec(poses(1e9), 0..5)
}

fn through_world(up: &[Pose], down: &[Pose], pose: Pose) -> Pose {
    let world = Conversion { up, down: &[] }.pose(pose);
    Conversion { up: &[], down }.pose(world)
}

#[track_caller]
fn assert_close(one: DVec3, other: DVec3, tolerance: f64) {
    assert!((one - other).abs().max_element() <= tolerance, "{one} and {other}");
}

fn assert_same_place(one: Pose, other: Pose, tolerance: f64) {
    assert_close(one.translation(), other.translation(), tolerance);
    // q and -q are the same rotation.
    assert!(one.rotation().dot(other.rotation()).abs() > 1.0 - 1e-12, "{one:?} and {other:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_round_trip_over_the_world_errs_by_two_millimetres_at_most(
        (a, b, point) in (far_zones(), poses(1e9), points(1e6))
    ) {
        let world = Conversion { up: &[a], down: &[] }.point(point);
        let in_b = Conversion { up: &[], down: &[b] }.point(world);
        assert_close(Conversion { up: &[b], down: &[a] }.point(in_b), point, TOLERANCE);
    }

    #[test]
    fn a_round_trip_between_two_far_zones_errs_by_two_millimetres_at_most(
        (a, b, point) in (far_zones(), far_zones(), points(1e6))
    ) {
        let in_b = Conversion { up: &[a], down: &[b] }.point(point);
        assert_close(Conversion { up: &[b], down: &[a] }.point(in_b), point, TOLERANCE);
    }

    #[test]
    fn rotations_that_are_a_little_too_long_do_not_stretch(
        (a, stretch, point) in (far_zones(), -9e-7..9e-7, points(1e6))
    ) {
        let stretched = Pose::new(a.translation(), a.rotation() * (1.0 + stretch)).unwrap();
        let far_point = Conversion { up: &[], down: &[stretched] }.point(point);
        assert_close(Conversion { up: &[stretched], down: &[] }.point(far_point), point, TOLERANCE);
        // A stretch of a millionth would be 8,000 km; lengths of plain floats are good for some millimetres.
        let lengths = (far_point.length(), point.distance(a.translation()));
        prop_assert!((lengths.0 - lengths.1).abs() < 0.01, "{lengths:?}");
    }

    #[test]
    fn neighbours_far_out_keep_their_distance_to_the_micrometre(
        (ship, station, orbit) in (poses(1e3), poses(1e3), far_zones())
    ) {
        // Their lowest common zone is the orbit: where that is in the world does not matter.
        let near = Conversion { up: &[ship], down: &[station] }.pose(Pose::IDENTITY);
        let back = Conversion { up: &[station], down: &[ship] }.pose(near);
        assert_same_place(back, Pose::IDENTITY, 1e-6);
        let over_world = through_world(&[ship, orbit], &[station, orbit], Pose::IDENTITY);
        assert_same_place(over_world, near, TOLERANCE);
    }

    #[test]
    fn any_conversion_is_the_one_over_the_world((up, down, pose) in (chains(), chains(), poses(1e9))) {
        let direct = Conversion { up: &up, down: &down };
        assert_same_place(direct.pose(pose), through_world(&up, &down, pose), 1e-5);
        assert_close(direct.point(pose.translation()), direct.pose(pose).translation(), 0.0);
    }

    #[test]
    fn what_changes_zone_keeps_its_place_in_the_world((up, down, pose) in (chains(), chains(), poses(1e9))) {
        let moved = Conversion { up: &up, down: &down }.pose(pose);
        let world = |zones: &[Pose], pose| Conversion { up: zones, down: &[] }.pose(pose);
        assert_same_place(world(&down, moved), world(&up, pose), 1e-5);
    }

    #[test]
    fn conversions_turn_as_well_as_move((zone, pose, point) in (poses(1e6), poses(1e6), points(1e3))) {
        let outside = zone.then(&pose);
        assert_close(outside.transform_point(point), zone.transform_point(pose.transform_point(point)), 1e-6);
        assert_same_place(Conversion { up: &[], down: &[zone] }.pose(outside), pose, 1e-6);
        // The plain arithmetic of the library, good enough near the origin.
        assert_close(zone.transform_point(point), zone.rotation() * point + zone.translation(), 1e-6);
    }

    #[test]
    fn nothing_changes_within_one_zone(pose in poses(1e13)) {
        let same = Conversion { up: &[], down: &[] };
        prop_assert!(same.pose(pose).same_bits(&pose));
    }

    #[test]
    fn a_box_is_within_its_reach((one, point) in (boxes(1e9), [0.0..=1.0, 0.0..=1.0, 0.0..=1.0])) {
        let inside = one.min() + (one.max() - one.min()) * DVec3::from_array(point);
        prop_assert!(one.contains(inside.clamp(one.min(), one.max())));
        prop_assert!(inside.length() <= one.reach() + 1e-6);
    }

    #[test]
    fn the_visible_distance_is_where_the_angular_size_is_reached((radius, angle) in (0.001..1e9, 1e-6..3.1)) {
        let distance = visible_distance(radius, angle);
        prop_assert!((angular_size(radius, distance) - angle).abs() < 1e-7);
        prop_assert!(angular_size(radius, distance * 1.001) < angle);
    }

    #[test]
    fn a_ball_inside_another_never_looks_larger(
        (outer, share, direction, point) in (1.0..1e9, 0.0..1.0f64, points(1.0), points(1e10))
    ) {
        let inner = outer * share;
        let center = direction.clamp_length_max(1.0) * (outer - inner);
        let (near, far) = (angular_size(inner, point.distance(center)), angular_size(outer, point.length()));
        prop_assert!(near <= far + 1e-7, "{near} > {far}");
    }
}

#[test]
fn floats_that_are_no_place_are_refused_wherever_they_come_in() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for axis in 0..3 {
            let mut vector = [0.0; 3];
            vector[axis] = bad;
            let vector = DVec3::from_array(vector);
            assert!(matches!(Pose::at(vector), Err(SpaceError::NotFinite { what: "the position", .. })));
            assert!(Aabb::new(vector, DVec3::ZERO).is_err());
            assert!(Aabb::new(DVec3::ZERO, vector).is_err());
        }
        for part in 0..4 {
            let mut rotation = [0.0, 0.0, 0.0, 1.0];
            rotation[part] = bad;
            let turned = Pose::new(DVec3::ZERO, DQuat::from_array(rotation));
            assert!(matches!(turned, Err(SpaceError::NotFinite { what: "the rotation", .. })));
        }
        assert!(radius("the radius", bad).is_err());
        assert!(Aabb::cube(bad).is_err());
    }
}

#[test]
fn shapes_that_cannot_be_are_refused_with_the_reason() {
    let error = |result: Result<Aabb, SpaceError>| result.unwrap_err().to_string();
    assert_eq!(
        error(Aabb::new(DVec3::Y, DVec3::ZERO)),
        "the box is inside out: its lower corner is above its upper one on the y axis"
    );
    assert_eq!(error(Aabb::cube(-1.0)), "the half edge is -1: it cannot be negative");
    assert_eq!(
        Pose::new(DVec3::ZERO, DQuat::from_xyzw(0.0, 0.0, 0.0, 0.5)).unwrap_err().to_string(),
        "the rotation has length 0.5, a unit quaternion has length 1"
    );
    assert!(Pose::new(DVec3::ZERO, DQuat::from_xyzw(0.0, 0.0, 0.0, 0.0)).is_err());
    assert!(Pose::new(DVec3::ZERO, DQuat::from_xyzw(1e200, 0.0, 0.0, 0.0)).is_err());
}

#[test]
fn what_is_farther_than_a_galaxy_is_wide_is_refused_with_the_limit() {
    let farthest = DVec3::new(0.0, -COORDINATE_MAX, 0.0);
    let error = Pose::at(farthest * 2.0).unwrap_err().to_string();
    assert_eq!(error, "the position is out of range: -2e21 m, at most 1e21 m are possible");
    assert!(Pose::at(farthest).is_ok() && checked_point("the point", farthest).is_ok());
    assert!(checked_point("the point", DVec3::splat(1e300)).is_err());
    assert!(Aabb::new(DVec3::ZERO, DVec3::splat(1e22)).is_err());
    let error = Aabb::cube(1e22).unwrap_err().to_string();
    assert_eq!(error, "the half edge is out of range: 1e22 m, at most 1e21 m are possible");
    assert!(radius("the radius", 1e22).is_err());
}

#[test]
fn the_largest_box_has_a_radius_and_a_volume() {
    let largest = Aabb::cube(COORDINATE_MAX).unwrap();
    assert!(radius("the radius", largest.min().distance(largest.max())).is_ok());
    assert!(radius("the radius", largest.reach()).is_ok());
    assert!(largest.volume().is_finite());
}

#[test]
fn a_place_that_a_conversion_took_too_far_is_refused_when_it_is_checked() {
    let far = at(COORDINATE_MAX, 0.0, 0.0);
    assert!(matches!(far.then(&far).check(), Err(SpaceError::TooFar { .. })));
    assert!(far.check().is_ok());
}

#[test]
fn a_ball_is_everywhere_around_who_is_inside_and_nothing_is_no_ball() {
    assert_eq!(angular_size(10.0, 3.0), std::f64::consts::PI);
    assert_eq!(angular_size(0.0, 0.0), 0.0);
    assert!((angular_size(1.0, 2.0) - std::f64::consts::FRAC_PI_3).abs() < 1e-15);
}
