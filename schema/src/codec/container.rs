//! Containers and their drafts.

use super::{
    CodecError, Form, Input,
    input::{put_field, put_fields},
    place::{has_radius, take_radius},
};
use crate::container::{Child, Container, ContainerDraft, Port};

impl Form for Port {
    const NAME: &'static str = "port";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { name, accepts } = self;
        name.put(out);
        accepts.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { name: Form::take(input)?, accepts: Form::take(input)? })
    }
}

impl Form for Child {
    const NAME: &'static str = "child";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { name, container, pose, port, overrides, labels } = self;
        name.put(out);
        container.put(out);
        put_fields([pose.is_some(), port.is_some(), !overrides.0.is_empty(), !labels.is_empty()], out);
        put_field(pose.as_ref(), out);
        put_field(port.as_ref(), out);
        put_field((!overrides.0.is_empty()).then_some(overrides), out);
        put_field((!labels.is_empty()).then_some(labels), out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let (name, container) = (Form::take(input)?, Form::take(input)?);
        let [pose, port, overrides, labels] = input.fields()?;
        Ok(Self {
            name,
            container,
            pose: input.field(pose)?,
            port: input.field(port)?,
            overrides: input.field_or_default(overrides)?,
            labels: input.field_or_default(labels)?,
        })
    }
}

impl Form for ContainerDraft {
    const NAME: &'static str = "container draft";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { name, kind, radius, zone, root, transient, labels, ports, components, children } = self;
        name.put(out);
        kind.put(out);
        put_fields(
            [
                has_radius(*radius),
                zone.is_some(),
                *root,
                *transient,
                !labels.is_empty(),
                !ports.is_empty(),
                !components.0.is_empty(),
                !children.is_empty(),
            ],
            out,
        );
        put_field(has_radius(*radius).then_some(radius), out);
        put_field(zone.as_ref(), out);
        put_field((!labels.is_empty()).then_some(labels), out);
        put_field((!ports.is_empty()).then_some(ports), out);
        put_field((!components.0.is_empty()).then_some(components), out);
        put_field((!children.is_empty()).then_some(children), out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let (name, kind) = (Form::take(input)?, Form::take(input)?);
        let [radius, zone, root, transient, labels, ports, components, children] = input.fields()?;
        Ok(Self {
            name,
            kind,
            radius: take_radius(input, radius)?,
            zone: input.field(zone)?,
            root,
            transient,
            labels: input.field_or_default(labels)?,
            ports: input.field_or_default(ports)?,
            components: input.field_or_default(components)?,
            children: input.field_or_default(children)?,
        })
    }
}

impl Form for Container {
    const NAME: &'static str = "container";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { id, version, draft } = self;
        id.put(out);
        version.put(out);
        draft.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { id: Form::take(input)?, version: Form::take(input)?, draft: Form::take(input)? })
    }
}
