//! Morton codes: cells in an order in which near ones are mostly near.
//!
//! The code of a cell takes one bit of each axis in turn, highest first. Cells that agree in all but so many of the lowest
//! binary places are a cube of an octree, and stand together in that order.

use super::cell::Cell;

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
    }
}
