//! Morton codes: cells in an order in which near ones are mostly near.
//!
//! The code of a cell takes one bit of each axis in turn, highest first. A box of cells is a set of runs in that order;
//! [`next_inside`] says where the next run begins (BIGMIN of Tropf and Herzog, "Multidimensional Range Search in Dynamically
//! Balanced Trees", 1981). Cells that agree in all but so many of the lowest
//! binary places are a cube of an octree, and stand together in that order.

use super::cell::{Cell, CellBox};

/// Bytes of a code; they compare like the codes.
pub(super) const CODE_BYTES: usize = 24;

/// The code of a cell.
pub(super) fn encode(cell: Cell) -> [u8; CODE_BYTES] {
    let mut code = [0; CODE_BYTES];
    let [x, y, z] = cell.0.map(u64::to_be_bytes);
    for (index, bytes) in code.chunks_exact_mut(3).enumerate() {
        let bits = spread(x[index]) << 2 | spread(y[index]) << 1 | spread(z[index]);
        bytes.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    code
}

/// The cell of a code.
pub(super) fn decode(code: [u8; CODE_BYTES]) -> Cell {
    let mut axes = [[0; 8]; 3];
    for (index, bytes) in code.chunks_exact(3).enumerate() {
        let bits = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        for (axis, coordinate) in axes.iter_mut().enumerate() {
            coordinate[index] = gather(bits >> (2 - axis));
        }
    }
    Cell(axes.map(u64::from_be_bytes))
}

/// Moves bit `n` of a byte to bit `3 n`.
fn spread(byte: u8) -> u32 {
    let mut bits = u32::from(byte);
    bits = (bits | bits << 8) & 0x00_F0_0F;
    bits = (bits | bits << 4) & 0x0C_30_C3;
    (bits | bits << 2) & 0x24_92_49
}

/// Moves bit `3 n` of the 24 low bits to bit `n` and drops the others.
fn gather(bits: u32) -> u8 {
    let mut bits = bits & 0x24_92_49;
    bits = (bits | bits >> 2) & 0x0C_30_C3;
    bits = (bits | bits >> 4) & 0x00_F0_0F;
    (bits | bits >> 8) as u8
}

/// The first cell of the box, in the order of codes, whose code is not below that of `from`.
pub(super) fn next_inside(within: &CellBox, from: Cell) -> Option<Cell> {
    let (mut low, mut high, from) = (within.low.0, within.high.0, from.0);
    let mut best = None;
    // Above the highest bit in which the three differ on any axis there is nothing to decide.
    let differing = (0..3).fold(0, |bits, axis| bits | (low[axis] ^ high[axis]) | (low[axis] ^ from[axis]));
    for place in (0..u64::BITS - differing.leading_zeros()).rev() {
        let bit = 1u64 << place;
        for axis in 0..3 {
            let bits = (from[axis] & bit != 0, low[axis] & bit != 0, high[axis] & bit != 0);
            match bits {
                (false, false, false) | (true, true, true) => {}
                // The box has cells in both halves: go on in the lower one, the upper one is where to go if that fails.
                (false, false, true) => {
                    let mut upper = low;
                    upper[axis] = lowest_with(low[axis], bit);
                    best = Some(upper);
                    high[axis] = highest_without(high[axis], bit);
                }
                (true, false, true) => low[axis] = lowest_with(low[axis], bit),
                // All of what is left of the box comes after `from`, or before it.
                (false, true, _) => return Some(Cell(low)),
                (true, _, false) => return best.map(Cell),
            }
        }
    }
    Some(Cell(from))
}

/// Sets the bit and clears those below it.
fn lowest_with(number: u64, bit: u64) -> u64 {
    number & !(bit - 1) | bit
}

/// Clears the bit and sets those below it.
fn highest_without(number: u64, bit: u64) -> u64 {
    (number & !bit) | (bit - 1)
}

/// The first cell behind the cube of cells that differ from this one in so many of the lowest binary places alone.
pub(super) fn behind(cell: Cell, places: u32) -> Option<Cell> {
    let mut numbers = cell.0;
    for place in places..u64::BITS {
        let bit = 1 << place;
        // Counting on from the lowest digit, which is that of the last axis.
        for axis in (0..3).rev() {
            if numbers[axis] & bit == 0 {
                numbers[axis] |= bit;
                // All digits below are those of the first cell.
                let below = |axis_below: usize| if axis_below > axis { bit | (bit - 1) } else { bit - 1 };
                return Some(Cell(std::array::from_fn(|axis| numbers[axis] & !below(axis))));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_number() -> impl Strategy<Value = u64> {
        prop_oneof![any::<u64>(), 0..8u64, (1u64 << 63) - 4..(1 << 63) + 4, Just(u64::MAX)]
    }

    fn any_cell() -> impl Strategy<Value = Cell> {
        [any_number(), any_number(), any_number()].prop_map(Cell)
    }

    fn small_cell() -> impl Strategy<Value = Cell> {
        [0..8u64, 0..8u64, 0..8u64].prop_map(Cell)
    }

    fn boxed(a: Cell, b: Cell) -> CellBox {
        let corner = |pick: fn(u64, u64) -> u64| Cell(std::array::from_fn(|axis| pick(a.0[axis], b.0[axis])));
        CellBox { low: corner(u64::min), high: corner(u64::max) }
    }

    #[test]
    fn a_code_takes_the_bits_of_x_y_z_in_turn() {
        let code = encode(Cell([1 << 63 | 1, 0b10, 0b11]));
        let mut expected = [0; CODE_BYTES];
        expected[0] = 0b1000_0000;
        expected[23] = 0b0001_1101; // y1 z1 x0 y0 z0 = 1 1 1 0 1
        assert_eq!(code, expected);
    }

    proptest! {
        #[test]
        fn a_code_gives_its_cell_back(cell in any_cell()) {
            prop_assert_eq!(decode(encode(cell)), cell);
        }

        #[test]
        fn behind_a_cube_comes_what_follows_its_last_cell(cell in any_cell(), places in 0..=64u32) {
            let below = 1u64.checked_shl(places).map_or(u64::MAX, |cube| cube - 1);
            let last = encode(Cell(cell.0.map(|number| number | below)));
            // The code as a number, counted on by one.
            let mut counted = last;
            let overflown = counted.iter_mut().rev().all(|byte| {
                *byte = byte.wrapping_add(1);
                *byte == 0
            });
            prop_assert_eq!(behind(cell, places), (!overflown).then(|| decode(counted)));
        }

        #[test]
        fn a_cell_above_another_on_every_axis_has_the_higher_code(a in any_cell(), b in any_cell()) {
            let corners = boxed(a, b);
            prop_assert!(encode(corners.low) <= encode(corners.high));
        }

        #[test]
        fn the_next_cell_inside_is_what_a_walk_over_all_cells_finds(a in small_cell(), b in small_cell(), from in small_cell()) {
            let within = boxed(a, b);
            let walked = (0..512u64)
                .map(|number| Cell([number >> 6, number >> 3 & 7, number & 7]))
                .filter(|&cell| within.contains(cell) && encode(cell) >= encode(from))
                .min_by_key(|&cell| encode(cell));
            prop_assert_eq!(next_inside(&within, from), walked);
        }

        #[test]
        fn the_next_cell_inside_is_inside_and_none_is_passed(a in any_cell(), b in any_cell(), from in any_cell(), other in any_cell()) {
            let within = boxed(a, b);
            let next = next_inside(&within, from);
            if let Some(next) = next {
                prop_assert!(within.contains(next) && encode(next) >= encode(from));
            }
            // A random cell of the box is not skipped.
            let inside = Cell(std::array::from_fn(|axis| {
                other.0[axis].clamp(within.low.0[axis], within.high.0[axis])
            }));
            if encode(inside) >= encode(from) {
                prop_assert!(next.is_some_and(|next| encode(next) <= encode(inside)));
            }
        }
    }
}
