//! Exact rows (protocol.md, "Report"): what a server says of an entity, to the last bit. Reports have them, and the message
//! `ExactRows` of second snapshots.

use glam::{DVec3, Quat, Vec3};

use super::{Handle, number::Handles};
use crate::{
    codec::{CodecError, Fault, Input, put_bytes},
    space::{Pose, SpaceError, checked_point, finite},
};

const POSITION: u8 = 1 << 0;
const ROTATION: u8 = 1 << 1;
const VELOCITY: u8 = 1 << 2;
const VARIABLES: u8 = 1 << 3;

/// What changed of one entity. It may hold any bits: [`Self::check`] judges.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ExactRow<'a> {
    /// Place in the zone, in metres.
    pub position_m: Option<DVec3>,
    /// Attitude in the zone, a unit quaternion.
    pub rotation: Option<Quat>,
    /// Velocity in the zone, in m/s.
    pub velocity_m_s: Option<Vec3>,
    /// Entries for [`super::variable::Entries`], exact.
    pub variables: Option<&'a [u8]>,
}

impl<'a> ExactRow<'a> {
    /// Appends the row: mask, then its parts.
    pub fn put(&self, out: &mut Vec<u8>) {
        let Self { position_m, rotation, velocity_m_s, variables } = self;
        let bit = |present: bool, bit: u8| if present { bit } else { 0 };
        out.push(
            bit(position_m.is_some(), POSITION)
                | bit(rotation.is_some(), ROTATION)
                | bit(velocity_m_s.is_some(), VELOCITY)
                | bit(variables.is_some(), VARIABLES),
        );
        if let Some(position) = position_m {
            position.to_array().into_iter().for_each(|axis| out.extend_from_slice(&axis.to_le_bytes()));
        }
        let mut put_floats = |floats: &[f32]| {
            floats.iter().for_each(|float| out.extend_from_slice(&float.to_le_bytes()));
        };
        if let Some(rotation) = rotation {
            put_floats(&rotation.to_array());
        }
        if let Some(velocity) = velocity_m_s {
            put_floats(&velocity.to_array());
        }
        if let Some(variables) = variables {
            put_bytes(variables, out);
        }
    }

    pub(super) fn take(input: &mut Input<'a>) -> Result<Self, CodecError> {
        let mask = take_mask(input)?;
        let mut row = Self::default();
        if mask & POSITION != 0 {
            row.position_m = Some(DVec3::from_array(floats::<3, 8, 24>(input)?.map(f64::from_le_bytes)));
        }
        if mask & ROTATION != 0 {
            row.rotation = Some(Quat::from_array(floats::<4, 4, 16>(input)?.map(f32::from_le_bytes)));
        }
        if mask & VELOCITY != 0 {
            row.velocity_m_s = Some(Vec3::from_array(floats::<3, 4, 12>(input)?.map(f32::from_le_bytes)));
        }
        if mask & VARIABLES != 0 {
            row.variables = Some(input.bytes()?);
        }
        Ok(row)
    }

    /// Passes over what [`Self::take`] takes, and refuses the same.
    fn judge(input: &mut Input<'_>) -> Result<(), CodecError> {
        let mask = take_mask(input)?;
        for (bit, bytes) in [(POSITION, 24), (ROTATION, 16), (VELOCITY, 12)] {
            if mask & bit != 0 {
                input.take(bytes)?;
            }
        }
        if mask & VARIABLES != 0 { input.bytes().map(drop) } else { Ok(()) }
    }

    /// Refuses what no entity can have (`BAD_VALUE`): coordinates beyond [`crate::space::COORDINATE_MAX`], floats that are
    /// not finite, and a rotation whose length is not 1.
    ///
    /// # Errors
    /// Which part, and why.
    pub fn check(&self) -> Result<(), SpaceError> {
        if let Some(position) = self.position_m {
            checked_point("the position", position)?;
        }
        if let Some(rotation) = self.rotation {
            Pose::new(DVec3::ZERO, rotation.as_dquat())?;
        }
        for axis in self.velocity_m_s.unwrap_or(Vec3::ZERO).to_array() {
            finite("the velocity", axis.into())?;
        }
        Ok(())
    }
}

fn take_mask(input: &mut Input<'_>) -> Result<u8, CodecError> {
    let start = input.offset();
    match input.byte()? {
        mask @ 0..0x10 => Ok(mask),
        mask => Err(input.error(start, Fault::Range { what: "mask of an exact row", number: mask.into() })),
    }
}

/// The bytes of `N` floats of `WIDTH` bytes each, together `BYTES`.
fn floats<const N: usize, const WIDTH: usize, const BYTES: usize>(
    input: &mut Input<'_>,
) -> Result<[[u8; WIDTH]; N], CodecError> {
    const { assert!(N * WIDTH == BYTES) };
    let bytes: [u8; BYTES] = input.array()?;
    let mut floats = [[0; WIDTH]; N];
    floats.as_flattened_mut().copy_from_slice(&bytes);
    Ok(floats)
}

/// Handles and the row of each, borrowed and judged.
#[derive(Debug, Clone)]
pub struct ExactRows<'a> {
    handles: Handles<'a>,
    input: Input<'a>,
}

impl<'a> ExactRows<'a> {
    /// Takes the handles, `count` of them, then their rows.
    pub(super) fn take(count: usize, input: &mut Input<'a>) -> Result<Self, CodecError> {
        let handles = input.handles(count)?;
        let rows = Self { handles, input: input.clone() };
        for _ in 0..count {
            ExactRow::judge(input)?;
        }
        Ok(rows)
    }

    /// The rows of a protobuf message: its fields `handles`, `count` and `rows`.
    ///
    /// # Errors
    /// Where and why the bytes are not that many handles and rows.
    pub fn read(handles: &'a [u8], count: u32, rows: &'a [u8]) -> Result<Self, CodecError> {
        let handles = Handles::read(handles, count)?;
        let mut input = Input::new("exact rows", rows);
        let start = input.clone();
        for _ in 0..count {
            ExactRow::judge(&mut input)?;
        }
        input.end()?;
        Ok(Self { handles, input: start })
    }
}

impl<'a> Iterator for ExactRows<'a> {
    type Item = (Handle, ExactRow<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        // The rows were judged when they were taken, so each handle has one.
        Some((self.handles.next()?, ExactRow::take(&mut self.input).ok()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.handles.size_hint()
    }
}

impl ExactSizeIterator for ExactRows<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walker_is_37_bytes_and_what_is_impossible_is_told_by_name() {
        let walker = ExactRow {
            position_m: Some(DVec3::new(1.0, 2.0, 3.0)),
            velocity_m_s: Some(Vec3::X),
            ..Default::default()
        };
        let mut out = vec![];
        walker.put(&mut out);
        assert_eq!((out.len(), out[0]), (1 + 24 + 12, 0b101));
        assert_eq!(ExactRow::take(&mut Input::new("test", &out)), Ok(walker));
        assert_eq!(walker.check(), Ok(()));
        let refused = |row: ExactRow<'_>| row.check().unwrap_err().to_string();
        let far = refused(ExactRow { position_m: Some(DVec3::splat(2e21)), ..walker });
        let stretched = refused(ExactRow { rotation: Some(Quat::from_xyzw(0.0, 0.0, 0.0, 1.001)), ..walker });
        let endless = refused(ExactRow { velocity_m_s: Some(Vec3::INFINITY), ..walker });
        assert!(far.contains("position") && stretched.contains("rotation") && endless.contains("velocity"));
    }

    #[test]
    fn rows_and_handles_go_together() {
        assert!(ExactRows::read(&[5], 1, &[0]).unwrap().eq([(Handle::new(5).unwrap(), ExactRow::default())]));
        assert!(ExactRows::read(&[5], 1, &[]).is_err());
        assert!(ExactRows::read(&[5], 1, &[0, 0]).is_err());
        assert!(ExactRows::read(&[5], 1, &[16]).is_err());
    }
}
