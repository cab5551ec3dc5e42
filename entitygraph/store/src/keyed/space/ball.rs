//! Balls of cells, and the way through one in Morton order.
//!
//! The cells that a ball touches are runs in that order. Between them are the gaps of the box around it, and the octree's cubes
//! in the corners of that box, which hold as much as the ball again. [`Ball::next`] leads over both.

use glam::DVec3;

use super::{
    cell::{Cell, CellBox, Level},
    morton,
};

/// Cubes that are passed over at most before a reader looks what is there: near the ball they are small and many, and a row or
/// two is soon read.
const CUBES: usize = 8;

/// The cells of one level that hold a point whose distance from the center, as computed in f64, is at most so much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ball {
    edge: f64,
    center: DVec3,
    distance: f64,
    block: CellBox,
}

impl Ball {
    /// The ball around a point, in metres.
    pub(super) fn around(level: Level, center: DVec3, distance: f64) -> Self {
        // Computed distances do not decrease where exact ones increase, so no margin is needed for them. It is for what
        // callers decide by other sums than a distance.
        let block = CellBox::around(level, center, distance);
        Self { edge: level.edge(), center, distance: distance * (1.0 + 1e-12) + 1e-150, block }
    }

    /// Whether it touches the cell.
    pub(super) fn touches(&self, cell: Cell) -> bool {
        self.touches_cube(cell, 0)
    }

    /// Where to go on from a cell, in the order of codes: none that it touches is between the two, and the cell itself is only
    /// answered when it touches it.
    pub(super) fn next(&self, from: Cell) -> Option<Cell> {
        let mut cell = morton::next_inside(&self.block, from)?;
        for _ in 0..CUBES {
            if self.touches(cell) {
                break;
            }
            // The largest cube around the cell that is outside: a cube is inside all larger ones around it.
            let (mut outside, mut touched) = (0, u64::BITS + 1);
            while outside + 1 < touched {
                let places = outside.midpoint(touched);
                if self.touches_cube(cell, places) { touched = places } else { outside = places }
            }
            cell = morton::next_inside(&self.block, morton::behind(cell, outside)?)?;
        }
        Some(cell)
    }

    /// Whether it touches the cube of cells that differ from this one in so many of the lowest binary places alone.
    fn touches_cube(&self, cell: Cell, places: u32) -> bool {
        let below = 1u64.checked_shl(places).map_or(u64::MAX, |cube| cube - 1);
        let faces = cell.0.map(|number| (self.low_face(number & !below), self.high_face(number | below)));
        let low = DVec3::from_array(faces.map(|(low, _)| low));
        let high = DVec3::from_array(faces.map(|(_, high)| high));
        self.center.distance(self.center.max(low).min(high)) <= self.distance
    }

    /// No point of the cells from this number on is lower.
    fn low_face(&self, number: u64) -> f64 {
        // Border cells hold what is beyond the grid.
        if number == 0 { f64::NEG_INFINITY } else { (Cell::signed(number) as f64).next_down() * self.edge }
    }

    /// No point of the cells up to this number is higher.
    fn high_face(&self, number: u64) -> f64 {
        let above = number.wrapping_add(1);
        if above == 0 { f64::INFINITY } else { (Cell::signed(above) as f64).next_up() * self.edge }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyed::space::cell::tests::any_point;

    /// A cell near the middle of the grid.
    fn small_cell() -> impl Strategy<Value = Cell> {
        [0..8u64, 0..8u64, 0..8u64].prop_map(in_middle)
    }

    fn in_middle(numbers: [u64; 3]) -> Cell {
        Cell(numbers.map(|number| number.wrapping_sub(4) ^ 1 << 63))
    }

    fn any_level() -> impl Strategy<Value = Level> {
        (0..64u8).prop_map(|byte| Level::from_byte(byte).unwrap())
    }

    proptest! {
        #[test]
        fn the_ball_around_a_point_and_the_block_around_it_miss_nothing(
            center in any_point(),
            direction in any_point(),
            exponent in -340..310i32,
            size in prop_oneof![Just(0.0), 0.0..1e9f64],
        ) {
            let offset = direction.normalize_or_zero() * 10f64.powi(exponent);
            for point in [center + offset, direction] {
                let distance = center.distance(point);
                prop_assume!(point.is_finite() && !distance.is_nan());
                let level = Level::of(point, size);
                let ball = Ball::around(level, center, distance);
                let cell = Cell::at(level, point);
                prop_assert!(ball.touches(cell), "{point} at {distance} from {center}");
                prop_assert!(ball.block.contains(cell), "{point} at {distance} from {center}");
            }
        }

        #[test]
        fn going_on_and_on_leads_to_what_a_walk_over_all_cells_finds(
            center in [-5.0..5.0f64, -5.0..5.0, -5.0..5.0],
            distance in 0.0..4.0f64,
            from in small_cell(),
        ) {
            let level = Level::of(DVec3::ZERO, 1.0);
            let ball = Ball::around(level, DVec3::from_array(center), distance);
            let walked = (0..512u64)
                .map(|number| in_middle([number >> 6, number >> 3 & 7, number & 7]))
                .filter(|&cell| ball.touches(cell) && morton::encode(cell) >= morton::encode(from))
                .min_by_key(|&cell| morton::encode(cell));
            if let Some(walked) = walked {
                let mut next = ball.next(from).unwrap();
                while !ball.touches(next) {
                    let further = ball.next(next).unwrap();
                    prop_assert!(morton::encode(further) > morton::encode(next));
                    next = further;
                }
                // The ball may go on beyond the cells that were walked.
                prop_assert!(next == walked || morton::encode(next) < morton::encode(walked));
            }
        }

        #[test]
        fn going_on_passes_no_cell_that_is_touched(
            level in any_level(),
            center in any_point(),
            other in any_point(),
            from in any_point(),
        ) {
            let (from, other_cell) = (Cell::at(level, from), Cell::at(level, other));
            let ball = Ball::around(level, center, center.distance(other));
            prop_assert!(ball.touches(other_cell));
            let next = ball.next(from);
            if let Some(next) = next {
                let (at, began) = (morton::encode(next), morton::encode(from));
                prop_assert!(at > began || at == began && ball.touches(from));
            }
            if morton::encode(other_cell) >= morton::encode(from) {
                prop_assert!(next.is_some_and(|next| morton::encode(next) <= morton::encode(other_cell)));
            }
        }

        #[test]
        fn cells_outside_are_farther_than_the_distance(cell in small_cell(), center in [-9.0..9.0f64, -9.0..9.0, -9.0..9.0]) {
            let level = Level::of(DVec3::ZERO, 1.0);
            let center = DVec3::from_array(center);
            let middle = DVec3::from_array(cell.0.map(|number| Cell::signed(number) as f64 + 0.5));
            let ball = Ball::around(level, center, 2.0);
            // Half the diagonal of a cell.
            let (near, far) = (center.distance(middle) <= 2.0, center.distance(middle) > 2.0 + 0.75f64.sqrt() + 1e-9);
            prop_assert!(!near || ball.touches(cell));
            prop_assert!(!far || !ball.touches(cell));
        }
    }
}
