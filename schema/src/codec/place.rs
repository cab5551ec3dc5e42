//! Poses, boxes, radii and links.

use glam::{DQuat, DVec3};

use super::{CodecError, Fault, Form, Input, input::put_floats};
use crate::{
    link::Link,
    space::{Aabb, Pose, radius},
};

const UNROTATED: u8 = 1;
const ROTATED: u8 = 2;

/// A rotation of exactly these bits is the identity and is not written.
fn is_identity(rotation: DQuat) -> bool {
    rotation.to_array().map(f64::to_bits) == DQuat::IDENTITY.to_array().map(f64::to_bits)
}

impl Form for Pose {
    const NAME: &'static str = "pose";

    fn put(&self, out: &mut Vec<u8>) {
        let rotated = !is_identity(self.rotation());
        out.push(if rotated { ROTATED } else { UNROTATED });
        put_floats(&self.translation().to_array(), out);
        if rotated {
            put_floats(&self.rotation().to_array(), out);
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let start = input.offset();
        let tag = input.byte()?;
        if !matches!(tag, UNROTATED | ROTATED) {
            return Err(input.error(start, Fault::Tag { what: Self::NAME, tag }));
        }
        let translation = DVec3::from_array(input.floats()?);
        let rotation = if tag == ROTATED { DQuat::from_array(input.floats()?) } else { DQuat::IDENTITY };
        if tag == ROTATED && is_identity(rotation) {
            return Err(input.error(start, Fault::Default { what: "the rotation" }));
        }
        Self::new(translation, rotation).map_err(|fault| input.error(start, Fault::Space(fault)))
    }
}

impl Form for Aabb {
    const NAME: &'static str = "box";

    fn put(&self, out: &mut Vec<u8>) {
        put_floats(&self.min().to_array(), out);
        put_floats(&self.max().to_array(), out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let start = input.offset();
        let (min, max) = (DVec3::from_array(input.floats()?), DVec3::from_array(input.floats()?));
        Self::new(min, max).map_err(|fault| input.error(start, Fault::Space(fault)))
    }
}

/// Whether a radius is worth writing: it is, unless it has the very bits of the default.
pub(super) fn has_radius(radius: f64) -> bool {
    radius.to_bits() != 0
}

/// A radius, if it is `present`, else zero.
pub(super) fn take_radius(input: &mut Input<'_>, present: bool) -> Result<f64, CodecError> {
    let start = input.offset();
    let Some(value) = input.field(present)? else { return Ok(0.0) };
    if !has_radius(value) {
        return Err(input.error(start, Fault::Default { what: "the radius" }));
    }
    radius("the radius", value).map_err(|fault| input.error(start, Fault::Space(fault)))
}

impl Form for Link {
    const NAME: &'static str = "link";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { kind, a, b, cost } = self;
        kind.put(out);
        a.put(out);
        b.put(out);
        cost.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let start = input.offset();
        let link = Self {
            kind: Form::take(input)?,
            a: Form::take(input)?,
            b: Form::take(input)?,
            cost: input.float()?,
        };
        if link.a < link.b && link.cost > 0.0 { Ok(link) } else { Err(input.error(start, Fault::Link)) }
    }
}
