//! Cells and positions in them (protocol.md, "State"). Lengths are metres in the zone.

use glam::DVec3;

use super::number::{INT_MAX, put_int};
use crate::{
    codec::{CodecError, Fault, Input},
    space::COORDINATE_MAX,
};

/// A cube of a zone: edge 2^level metres, lower corner (x, y, z) x 2^level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cell {
    level: i8,
    at: [i64; 3],
}

impl Cell {
    /// The lowest level: an edge of 1/8 m.
    pub const LEVEL_MIN: i8 = -3;
    /// The highest level: an edge of 5.9e20 m.
    pub const LEVEL_MAX: i8 = 69;

    /// The cell of this level and place, if it exists: places are at most [`INT_MAX`] in magnitude, and a cell holds
    /// coordinates that the model has ([`COORDINATE_MAX`]).
    pub fn new(level: i8, at: [i64; 3]) -> Option<Self> {
        let cell = Self { level, at };
        let levels = Self::LEVEL_MIN..=Self::LEVEL_MAX;
        (levels.contains(&level) && at.into_iter().all(|place| cell.has_coordinates(place))).then_some(cell)
    }

    fn has_coordinates(&self, place: i64) -> bool {
        let edge = self.edge_m();
        let low = place as f64 * edge;
        place.unsigned_abs() <= INT_MAX.unsigned_abs()
            && low <= COORDINATE_MAX
            && low + edge > -COORDINATE_MAX
    }

    /// The cell of this level that holds a point of the zone, if it exists.
    pub fn holding(level: i8, point_m: DVec3) -> Option<Self> {
        if !(Self::LEVEL_MIN..=Self::LEVEL_MAX).contains(&level) {
            return None;
        }
        let place = |coordinate: f64| (coordinate * power_of_two(-i32::from(level))).floor() as i64;
        Self::new(level, point_m.to_array().map(place))
    }

    /// The exponent of the edge.
    pub fn level(&self) -> i8 {
        self.level
    }

    /// Its place in the grid of its level.
    pub fn at(&self) -> [i64; 3] {
        self.at
    }

    /// The edge in metres.
    pub fn edge_m(&self) -> f64 {
        power_of_two(self.level.into())
    }

    /// The lower corner in the zone, in metres.
    pub fn corner_m(&self) -> DVec3 {
        DVec3::from_array(self.at.map(|place| place as f64 * self.edge_m()))
    }

    pub(super) fn put_place(&self, out: &mut Vec<u8>) {
        self.at.into_iter().for_each(|place| put_int(place, out));
    }

    /// Reads the place of a cell of this level; the level stood at byte `start`.
    pub(super) fn take_place(level: i8, start: usize, input: &mut Input<'_>) -> Result<Self, CodecError> {
        if !(Self::LEVEL_MIN..=Self::LEVEL_MAX).contains(&level) {
            return Err(input.error(start, out_of_range("level of a cell (its two's complement)", level)));
        }
        let start = input.offset();
        let at = input.ints("place of a cell")?;
        Self::new(level, at).ok_or_else(|| {
            let number = at.into_iter().map(i64::unsigned_abs).max().unwrap_or(0);
            input.error(start, Fault::Range { what: "place of a cell with coordinates up to 1e21 m", number })
        })
    }
}

fn out_of_range(what: &'static str, number: i8) -> Fault {
    Fault::Range { what, number: u64::from(number.to_le_bytes()[0]) }
}

/// A cell, and the step that positions in it are rounded to: 2^step metres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grid {
    cell: Cell,
    step: i8,
}

impl Grid {
    /// Most bits of an axis.
    pub const BITS_MAX: u32 = 42;

    /// The grid of these steps, if it exists: the edge is 2^1 to 2^42 steps.
    pub fn new(cell: Cell, step: i8) -> Option<Self> {
        let bits = i16::from(cell.level) - i16::from(step);
        (1..=Self::BITS_MAX as i16).contains(&bits).then_some(Self { cell, step })
    }

    /// The cell.
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// The exponent of the step.
    pub fn step(&self) -> i8 {
        self.step
    }

    /// Bits of an axis, 1 to 42.
    pub fn bits(&self) -> u32 {
        (i32::from(self.cell.level) - i32::from(self.step)).unsigned_abs()
    }

    /// Bytes of a position.
    pub fn position_bytes(&self) -> usize {
        (3 * self.bits()).div_ceil(8) as usize
    }

    /// Steps from the corner of the cell; a point outside is told at the nearest edge.
    pub fn steps(&self, point_m: DVec3) -> [u64; 3] {
        let (scale, last) = (power_of_two(-i32::from(self.step)), (1 << self.bits()) - 1);
        // A cast to an unsigned number cuts towards zero, and makes what is below it zero.
        ((point_m - self.cell.corner_m()) * scale).to_array().map(|steps| (steps as u64).min(last))
    }

    /// The point in the zone, in metres: the middle of the step.
    pub fn point_m(&self, steps: [u64; 3]) -> DVec3 {
        let middle = DVec3::from_array(steps.map(|steps| steps as f64 + 0.5));
        self.cell.corner_m() + middle * power_of_two(self.step.into())
    }

    pub(super) fn put_steps(&self, steps: [u64; 3], out: &mut Vec<u8>) {
        let bits = self.bits();
        debug_assert!(steps.iter().all(|axis| axis >> bits == 0), "{steps:?} are not {bits} bits each");
        let [x, y, z] = steps.map(u128::from);
        out.extend_from_slice(&(x | y << bits | z << (2 * bits)).to_le_bytes()[..self.position_bytes()]);
    }

    pub(super) fn take_steps(&self, input: &mut Input<'_>) -> Result<[u64; 3], CodecError> {
        let bits = self.bits();
        let all = input.bits(LAST_BYTE, 3 * bits)?;
        Ok([0, bits, 2 * bits].map(|shift| (all >> shift) as u64 & ((1 << bits) - 1)))
    }

    /// Passes over what [`Self::take_steps`] takes, and refuses the same.
    pub(super) fn judge_steps(&self, input: &mut Input<'_>) -> Result<(), CodecError> {
        input.judged_bits(LAST_BYTE, 3 * self.bits()).map(drop)
    }
}

const LAST_BYTE: &str = "last byte of a position";

/// 2^exponent, exact, for exponents of normal floats.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::points;

    proptest! {
        #[test]
        fn a_position_is_off_by_at_most_half_a_step(point in points(1e6), level in 2..12_i8, bits in 1..16_i8) {
            let grid = Grid::new(Cell::holding(level, point).unwrap(), level - bits).unwrap();
            let off = (grid.point_m(grid.steps(point)) - point).abs().max_element();
            prop_assert!(off <= 0.5 * power_of_two(grid.step().into()) + 1e-9, "{off}");
        }

        #[test]
        fn steps_survive_in_every_width(bits in 1..=42_i8, steps in any::<[u64; 3]>(), level in -3..=69_i8) {
            let grid = Grid::new(Cell::new(level, [0, -1, 0]).unwrap(), level - bits).unwrap();
            let steps = steps.map(|axis| axis & ((1 << bits) - 1));
            let mut out = vec![];
            grid.put_steps(steps, &mut out);
            prop_assert_eq!(out.len(), grid.position_bytes());
            prop_assert_eq!(grid.take_steps(&mut Input::new("test", &out)), Ok(steps));
        }
    }

    #[test]
    fn cells_hold_every_coordinate_of_the_model_and_no_other() {
        for coordinate in [COORDINATE_MAX, -COORDINATE_MAX] {
            assert!(Cell::holding(69, DVec3::splat(coordinate)).is_some());
        }
        assert!(Cell::new(69, [1, -2, 0]).is_some());
        for at in [[2, 0, 0], [0, -3, 0], [0, 0, INT_MAX + 1], [i64::MIN, 0, 0]] {
            assert_eq!(Cell::new(69, at), None);
        }
        assert!(Cell::new(-4, [0; 3]).is_none() && Cell::new(70, [0; 3]).is_none());
    }
}
