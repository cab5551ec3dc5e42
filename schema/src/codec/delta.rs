//! Patches and deltas.

use super::{
    CodecError, Fault, Form, Input,
    input::{put_field, put_fields, put_option},
};
use crate::{
    delta::{ComponentPatch, Delta, Patch},
    space::radius,
};

impl Form for ComponentPatch {
    const NAME: &'static str = "component patch";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { reset, remove, variables } = self;
        put_fields([*reset, *remove], out);
        variables.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let [reset, remove] = input.fields()?;
        Ok(Self { reset, remove, variables: Form::take(input)? })
    }
}

/// Bits of what changes most come first.
impl Form for Patch {
    const NAME: &'static str = "patch";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { name, parent, pose, radius, zone, root, owner, layer, ordinal, labels, components } = self;
        put_fields(
            [
                pose.is_some(),
                !components.is_empty(),
                parent.is_some(),
                ordinal.is_some(),
                name.is_some(),
                radius.is_some(),
                zone.is_some(),
                root.is_some(),
                owner.is_some(),
                layer.is_some(),
                !labels.is_empty(),
            ],
            out,
        );
        if let Some(pose) = pose {
            put_option(pose, out);
        }
        put_field((!components.is_empty()).then_some(components), out);
        if let Some((parent, port)) = parent {
            parent.put(out);
            put_option(port, out);
        }
        put_field(ordinal.as_ref(), out);
        put_field(name.as_ref(), out);
        put_field(radius.as_ref(), out);
        if let Some(zone) = zone {
            put_option(zone, out);
        }
        put_field(root.as_ref(), out);
        if let Some(owner) = owner {
            put_option(owner, out);
        }
        put_field(layer.as_ref(), out);
        put_field((!labels.is_empty()).then_some(labels), out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let [pose, components, parent, ordinal, name, radius, zone, root, owner, layer, labels] =
            input.fields()?;
        Ok(Self {
            pose: pose.then(|| input.option()).transpose()?,
            components: input.field_or_default(components)?,
            parent: parent.then(|| Ok((Form::take(input)?, input.option()?))).transpose()?,
            ordinal: input.field(ordinal)?,
            name: input.field(name)?,
            radius: radius.then(|| take_new_radius(input)).transpose()?,
            zone: zone.then(|| input.option()).transpose()?,
            root: input.field(root)?,
            owner: owner.then(|| input.option()).transpose()?,
            layer: input.field(layer)?,
            labels: input.field_or_default(labels)?,
        })
    }
}

fn take_new_radius(input: &mut Input<'_>) -> Result<f64, CodecError> {
    let start = input.offset();
    let value = input.float()?;
    radius("the radius", value).map_err(|fault| input.error(start, Fault::Space(fault)))
}

impl Form for Delta {
    const NAME: &'static str = "delta";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { revision, epoch, patch } = self;
        revision.put(out);
        epoch.put(out);
        patch.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { revision: Form::take(input)?, epoch: Form::take(input)?, patch: Form::take(input)? })
    }
}
