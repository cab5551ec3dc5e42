//! Rows of a slice (protocol.md, "State"): what is said of one entity.

use super::{cell::Grid, number::put_int, pose::take_rotation};
use crate::codec::{CodecError, Input, put_bytes};

/// Which parts the rows of a section have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mask(u8);

impl Mask {
    /// Place in the cell.
    pub const POSITION: Self = Self(1 << 0);
    /// Turn about z; not together with [`Self::ROTATION`].
    pub const HEADING: Self = Self(1 << 1);
    /// Attitude.
    pub const ROTATION: Self = Self(1 << 2);
    /// Velocity.
    pub const VELOCITY: Self = Self(1 << 3);
    /// Values of variables.
    pub const VARIABLES: Self = Self(1 << 4);

    /// Less than every mask.
    pub(super) const NONE: Self = Self(0);
    /// How many masks there are, the empty one aside.
    pub(super) const COUNT: usize = 23;

    /// The parts of both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it has all parts of the other.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Bits 0 to 4: position, heading, rotation, velocity, variables.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The mask of these bits: at least one part, not heading and rotation together, and nothing above bit 4.
    pub const fn of_bits(bits: u8) -> Option<Self> {
        let mask = Self(bits);
        let valid = bits != 0 && bits >> 5 == 0 && !mask.has(Self::HEADING.and(Self::ROTATION));
        if valid { Some(mask) } else { None }
    }
}

/// What a slice says of one entity, as it stands in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row<'a> {
    /// Steps from the corner of the cell, see [`Grid::point_m`].
    pub position: Option<[u64; 3]>,
    /// See [`super::pose::rotation_of_heading`].
    pub heading: Option<u8>,
    /// See [`super::pose::unpack_rotation`].
    pub rotation: Option<u32>,
    /// See [`super::pose::velocity_m_s`].
    pub velocity: Option<[i64; 3]>,
    /// Entries for [`super::variable::Entries`], rounded.
    pub variables: Option<&'a [u8]>,
}

impl<'a> Row<'a> {
    /// Which parts it has.
    pub const fn mask(&self) -> Mask {
        const fn part(present: bool, part: Mask) -> u8 {
            if present { part.0 } else { 0 }
        }
        Mask(
            part(self.position.is_some(), Mask::POSITION)
                | part(self.heading.is_some(), Mask::HEADING)
                | part(self.rotation.is_some(), Mask::ROTATION)
                | part(self.velocity.is_some(), Mask::VELOCITY)
                | part(self.variables.is_some(), Mask::VARIABLES),
        )
    }

    pub(super) fn put(&self, grid: &Grid, out: &mut Vec<u8>) {
        let Self { position, heading, rotation, velocity, variables } = self;
        if let Some(position) = position {
            grid.put_steps(*position, out);
        }
        out.extend(*heading);
        if let Some(rotation) = rotation {
            out.extend_from_slice(&rotation.to_le_bytes());
        }
        velocity.iter().flatten().for_each(|axis| put_int(*axis, out));
        if let Some(variables) = variables {
            put_bytes(variables, out);
        }
    }

    pub(super) fn take(mask: Mask, grid: &Grid, input: &mut Input<'a>) -> Result<Self, CodecError> {
        let mut row = Self::default();
        if mask.has(Mask::POSITION) {
            row.position = Some(grid.take_steps(input)?);
        }
        if mask.has(Mask::HEADING) {
            row.heading = Some(input.byte()?);
        }
        if mask.has(Mask::ROTATION) {
            row.rotation = Some(take_rotation(input)?);
        }
        if mask.has(Mask::VELOCITY) {
            row.velocity = Some(input.ints("velocity in 1/16 m/s")?);
        }
        if mask.has(Mask::VARIABLES) {
            row.variables = Some(input.bytes()?);
        }
        Ok(row)
    }

    /// Passes over what [`Self::take`] takes, and refuses the same.
    pub(super) fn judge(mask: Mask, grid: &Grid, input: &mut Input<'_>) -> Result<(), CodecError> {
        if mask.has(Mask::POSITION) {
            grid.judge_steps(input)?;
        }
        // What is left is judged as it is taken.
        Row::take(Mask(mask.0 & !Mask::POSITION.0), grid, input).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_masks_as_a_slice_has_sections_at_most() {
        assert_eq!((0..=255).filter_map(Mask::of_bits).count(), Mask::COUNT);
    }
}
