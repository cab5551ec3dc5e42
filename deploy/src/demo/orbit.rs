//! Where a body is on its orbit: Kepler's two-body problem.

use glam::DVec3;

/// Elements of an orbit, as the component `orbit` holds them. Angles are radians in the frame of the zone that the body
/// stands in; the orbit is around the origin of that zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Orbit {
    /// Half the long axis in metres.
    pub semi_major_axis: f64,
    /// 0 is a circle; below 1.
    pub eccentricity: f64,
    /// Tilt of the orbit's plane against the zone's xy plane.
    pub inclination: f64,
    /// Direction in which the orbit rises through that plane.
    pub ascending_node: f64,
    /// Angle from there to the closest point.
    pub argument_of_periapsis: f64,
    /// Mean anomaly at time 0.
    pub mean_anomaly: f64,
    /// Seconds of one turn; negative turns backwards.
    pub period: f64,
}

/// Newton's method converges quadratically; from this start a few steps reach the last bit for every ellipse.
const STEPS_MAX: usize = 30;

impl Orbit {
    /// Position `seconds` after time 0, in metres.
    pub fn position(&self, seconds: f64) -> DVec3 {
        let turns = if self.period == 0.0 { 0.0 } else { (seconds / self.period).fract() };
        let mean = self.mean_anomaly + turns * std::f64::consts::TAU;
        let eccentric = self.eccentric_anomaly(mean);
        let e = self.eccentricity;
        let x = self.semi_major_axis * (eccentric.cos() - e);
        let y = self.semi_major_axis * (1.0 - e * e).sqrt() * eccentric.sin();
        let (sin_w, cos_w) = self.argument_of_periapsis.sin_cos();
        let (sin_i, cos_i) = self.inclination.sin_cos();
        let (sin_n, cos_n) = self.ascending_node.sin_cos();
        // From the orbit's plane: turn to the node, tilt, turn to the reference direction.
        let (u, v) = (x * cos_w - y * sin_w, x * sin_w + y * cos_w);
        DVec3::new(u * cos_n - v * cos_i * sin_n, u * sin_n + v * cos_i * cos_n, v * sin_i)
    }

    /// Solves `mean = E - e sin E`.
    fn eccentric_anomaly(&self, mean: f64) -> f64 {
        let (e, mean) = (self.eccentricity, mean.rem_euclid(std::f64::consts::TAU));
        // Far from a circle Newton's steps overshoot unless they begin at the far side.
        let mut anomaly = if e < 0.8 { mean } else { std::f64::consts::PI };
        for _ in 0..STEPS_MAX {
            let step = (anomaly - e * anomaly.sin() - mean) / (1.0 - e * anomaly.cos());
            anomaly -= step;
            if step.abs() < 1e-14 {
                break;
            }
        }
        anomaly
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orbit(eccentricity: f64) -> Orbit {
        Orbit {
            semi_major_axis: 1e9,
            eccentricity,
            inclination: 0.4,
            ascending_node: 1.1,
            argument_of_periapsis: 2.3,
            mean_anomaly: 0.7,
            period: 1_000.0,
        }
    }

    #[test]
    fn a_turn_ends_where_it_began() {
        let orbit = orbit(0.3);
        assert!(orbit.position(0.0).distance(orbit.position(1_000.0)) < 1.0);
    }

    #[test]
    fn the_distance_stays_between_the_closest_and_the_farthest_point() {
        for e in [0.0, 0.2, 0.75] {
            let orbit = orbit(e);
            let distances: Vec<_> =
                (0..1_000).map(|second| orbit.position(f64::from(second)).length()).collect();
            let (near, far) = (1e9 * (1.0 - e), 1e9 * (1.0 + e));
            assert!(distances.iter().all(|d| (near - 1.0..=far + 1.0).contains(d)), "e = {e}");
            let reached = distances.iter().copied().fold(0.0, f64::max);
            assert!(reached > far * 0.999, "e = {e}: {reached} of {far}");
        }
    }

    #[test]
    fn equal_areas_are_swept_in_equal_times() {
        let orbit = orbit(0.6);
        let area = |second: f64| orbit.position(second).cross(orbit.position(second + 0.5)).length();
        let (one, other) = (area(100.0), area(600.0));
        assert!((one / other - 1.0).abs() < 1e-3, "{one} and {other}");
    }
}
