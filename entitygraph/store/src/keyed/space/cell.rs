//! Cells: the cubes that the index sorts things into.
//!
//! Every size [`Level`] has its own grid of cubes whose edge is the size of the smallest things kept there. Physical things
//! do not overlap much, so a cell holds a handful of them whether it is filled with mugs or with moons, and a thing
//! that moves less than its own size mostly stays in its cell: its row is overwritten in place. Cells carry no exact
//! positions (the rows' values do), so they need no configuration and fit zones of millimetres and of light years.

use glam::DVec3;

/// A size class of two octaves. Larger things come first in the order of levels.
///
/// Wider classes mean fewer boxes to read and larger ones. With one octave a question by radius cost a quarter more and
/// one by angular size a quarter less (`benches/space.rs`); the narrower the question, the more the number of boxes counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(u8);

impl Level {
    const OCTAVES: i32 = 2;
    /// Exponent of the smallest cell edge: 2^-4 m, where mugs and points without a size are.
    const SMALLEST: i32 = -4;
    /// Exponent of the largest cell edge, where everything larger is.
    const LARGEST: i32 = Self::SMALLEST + Self::LAST.0 as i32 * Self::OCTAVES;

    /// The level that is read first.
    pub(super) const FIRST: Self = Self(0);
    /// The level that is read last.
    const LAST: Self = Self(63);

    /// The level of a thing: by its size, and far out by its position, whose f64 is coarser there than small cells.
    pub(super) fn of(position: DVec3, size: f64) -> Self {
        // A cell number has 64 bits: |coordinate| < 2^(exponent + 1), so with an edge of 2^(exponent - 62) it fits; the
        // edge may be an octave below what is asked for.
        let by_position = exponent(position.abs().max_element()) - 62 + (Self::OCTAVES - 1);
        let exponent = exponent(size).max(by_position).clamp(Self::SMALLEST, Self::LARGEST);
        Self(Self::LAST.0 - ((exponent - Self::SMALLEST) / Self::OCTAVES) as u8)
    }

    /// Reads the byte of a key.
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        (byte <= Self::LAST.0).then_some(Self(byte))
    }

    /// The byte in keys.
    pub(super) fn byte(self) -> u8 {
        self.0
    }

    /// The level of the next smaller things.
    pub(super) fn smaller(self) -> Option<Self> {
        Self::from_byte(self.0 + 1)
    }

    /// No thing of this level has a larger size, in metres.
    pub(super) fn max_size(self) -> f64 {
        if self == Self::FIRST { f64::INFINITY } else { self.edge() * 2f64.powi(Self::OCTAVES) }
    }

    /// Edge of a cell in metres.
    pub(super) fn edge(self) -> f64 {
        2f64.powi(Self::LARGEST - i32::from(self.0) * Self::OCTAVES)
    }
}

/// `floor(log2(value))` of a value that is not negative; very small for 0.
fn exponent(value: f64) -> i32 {
    (value.to_bits() >> 52) as i32 - 1023
}

/// Numbers of a cell on the three axes; unsigned, in the order of the coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell(pub(super) [u64; 3]);

impl Cell {
    /// The first in any order.
    pub(super) const LOWEST: Self = Self([0; 3]);

    /// The cell of a level's grid that a point is in. Points beyond the grid are in its border cells.
    pub(super) fn at(level: Level, point: DVec3) -> Self {
        let edge = level.edge();
        Self(point.to_array().map(|coordinate| {
            let number = (coordinate / edge).floor() as i64; // saturates
            number as u64 ^ 1 << 63
        }))
    }

    /// A number on an axis as it counts from the zone's origin.
    pub(super) fn signed(number: u64) -> i64 {
        (number ^ 1 << 63) as i64
    }
}

/// A block of cells, both corners included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CellBox {
    /// Lowest cell.
    pub(super) low: Cell,
    /// Highest cell.
    pub(super) high: Cell,
}

impl CellBox {
    /// All cells of the level that hold a point whose distance to `center`, as computed in f64, is at most `distance`.
    pub(super) fn around(level: Level, center: DVec3, distance: f64) -> Self {
        // A computed distance may be smaller than its largest part by rounding, and by underflow of the squares.
        let half = distance * (1.0 + 1e-12) + 1e-150;
        let corner = |sign: f64, step: fn(f64) -> f64| {
            Cell::at(level, DVec3::from_array(center.to_array().map(|middle| step(middle + sign * half))))
        };
        Self { low: corner(-1.0, f64::next_down), high: corner(1.0, f64::next_up) }
    }

    /// Whether the cell is in the block.
    #[cfg(test)]
    pub(super) fn contains(&self, cell: Cell) -> bool {
        (0..3).all(|axis| (self.low.0[axis]..=self.high.0[axis]).contains(&cell.0[axis]))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_coordinate() -> impl Strategy<Value = f64> {
        prop_oneof![
            -10.0..10.0f64,
            -1e13..1e13f64,
            any::<f64>().prop_filter("finite", |value| value.is_finite()),
            proptest::sample::select(vec![0.0, -0.0, 5e-324, -5e-324, f64::MAX, f64::MIN, 1.0, -1.0, 0.0625]),
        ]
    }

    pub fn any_point() -> impl Strategy<Value = DVec3> {
        [any_coordinate(), any_coordinate(), any_coordinate()].prop_map(DVec3::from_array)
    }

    #[test]
    fn a_thing_is_at_least_as_large_as_the_edge_of_its_cell_and_less_than_four_times() {
        for (size, edge) in
            [(0.0, 0.0625), (0.05, 0.0625), (0.99, 0.25), (1.0, 1.0), (3.9, 1.0), (300e3, 262_144.0)]
        {
            let level = Level::of(DVec3::ZERO, size);
            assert_eq!(level.edge(), edge, "{size}");
            assert!(size < level.max_size(), "{size}");
        }
        assert_eq!(Level::of(DVec3::ZERO, f64::MAX), Level::FIRST);
        assert_eq!(Level::of(DVec3::ZERO, 0.0), Level::LAST);
        assert_eq!(Level::LAST.smaller(), None);
    }

    #[test]
    fn far_points_keep_cells_of_their_own() {
        let far = 3e20; // 30,000 light years
        let [one, other] = [far, far * (1.0 + 1e-15)].map(|x| DVec3::new(x, 0.0, 0.0));
        let level = Level::of(one, 0.0);
        assert_ne!(Cell::at(level, one), Cell::at(level, other));
    }

    proptest! {
        #[test]
        fn cells_are_in_the_order_of_their_coordinates(a in any_coordinate(), b in any_coordinate(), byte in 0..=Level::LAST.0) {
            let level = Level::from_byte(byte).unwrap();
            let [low, high] = [a.min(b), a.max(b)].map(|x| Cell::at(level, DVec3::new(x, 0.0, 0.0)).0[0]);
            prop_assert!(low <= high);
        }
    }
}
