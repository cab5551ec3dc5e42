//! Entities, new and stored.

use super::{
    CodecError, Form, Input,
    input::{put_field, put_fields, put_option},
    place::{has_radius, take_radius},
};
use crate::{
    entity::{Entity, NewEntity, Placement, Slot, Source},
    order::Layer,
};

/// Both records have these fields under the same names, but are different types. The bits of common fields come first,
/// so that most entities need one byte for all of them.
macro_rules! put_new_entity {
    ($entity:expr, $out:expr) => {{
        let (entity, out) = ($entity, $out);
        entity.id.put(out);
        entity.kind.put(out);
        let Placement { parent, port, pose } = &entity.placement;
        put_fields(
            [
                !entity.name.as_str().is_empty(),
                entity.source.is_some(),
                parent.is_some(),
                pose.is_some(),
                has_radius(entity.radius),
                !entity.components.0.is_empty(),
                entity.ordinal != 0,
                !entity.labels.is_empty(),
                port.is_some(),
                entity.zone.is_some(),
                entity.root,
                entity.owner.is_some(),
                entity.layer != Layer::ZERO,
            ],
            out,
        );
        put_field((!entity.name.as_str().is_empty()).then_some(&entity.name), out);
        put_field(entity.source.as_ref(), out);
        put_field(parent.as_ref(), out);
        put_field(pose.as_ref(), out);
        put_field(has_radius(entity.radius).then_some(&entity.radius), out);
        put_field((!entity.components.0.is_empty()).then_some(&entity.components), out);
        put_field((entity.ordinal != 0).then_some(&entity.ordinal), out);
        put_field((!entity.labels.is_empty()).then_some(&entity.labels), out);
        put_field(port.as_ref(), out);
        put_field(entity.zone.as_ref(), out);
        put_field(entity.owner.as_ref(), out);
        put_field((entity.layer != Layer::ZERO).then_some(&entity.layer), out);
    }};
}

impl Form for NewEntity {
    const NAME: &'static str = "new entity";

    fn put(&self, out: &mut Vec<u8>) {
        put_new_entity!(self, out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let (id, kind) = (Form::take(input)?, Form::take(input)?);
        let [name, source, parent, pose, radius, components, ordinal, labels, port, zone, root, owner, layer] =
            input.fields()?;
        let name = input.field_or_default(name)?;
        let source = input.field(source)?;
        let parent = input.field(parent)?;
        let pose = input.field(pose)?;
        let radius = take_radius(input, radius)?;
        let components = input.field_or_default(components)?;
        let ordinal = input.field_or_default(ordinal)?;
        let labels = input.field_or_default(labels)?;
        let placement = Placement { parent, port: input.field(port)?, pose };
        let zone = input.field(zone)?;
        let owner = input.field(owner)?;
        let layer = input.field_or_default(layer)?;
        Ok(Self {
            id,
            name,
            kind,
            source,
            placement,
            radius,
            zone,
            root,
            labels,
            owner,
            layer,
            ordinal,
            components,
        })
    }
}

impl Form for Entity {
    const NAME: &'static str = "entity";

    fn put(&self, out: &mut Vec<u8>) {
        self.revision.put(out);
        self.epoch.put(out);
        put_new_entity!(self, out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let (revision, epoch) = (Form::take(input)?, Form::take(input)?);
        Ok(Self { revision, ..Self::created(Form::take(input)?, epoch) })
    }
}

impl Form for Source {
    const NAME: &'static str = "source";

    fn put(&self, out: &mut Vec<u8>) {
        self.container.put(out);
        put_option(&self.slot, out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { container: Form::take(input)?, slot: input.option()? })
    }
}

impl Form for Slot {
    const NAME: &'static str = "slot";

    fn put(&self, out: &mut Vec<u8>) {
        self.container.put(out);
        self.child.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { container: Form::take(input)?, child: Form::take(input)? })
    }
}
