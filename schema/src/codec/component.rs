//! Component types and their drafts.

use super::{
    CodecError, Fault, Form, Input,
    input::{put_field, put_fields, put_number},
};
use crate::component::{ComponentDraft, ComponentType, SendPolicy, Variable, VariableDraft, Visibility};

impl Form for VariableDraft {
    const NAME: &'static str = "variable";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { name, default, group, send, persisted, visibility, precision } = self;
        name.put(out);
        default.put(out);
        put_fields(
            [
                group.is_some(),
                *send == SendPolicy::EveryTick,
                !persisted,
                *visibility == Visibility::OwnerOnly,
                *visibility == Visibility::ServerOnly,
                precision.is_some(),
            ],
            out,
        );
        put_field(group.as_ref(), out);
        put_field(precision.as_ref(), out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let (name, default) = (Form::take(input)?, Form::take(input)?);
        let start = input.offset();
        let [group, every_tick, not_persisted, owner_only, server_only, precision] = input.fields()?;
        let visibility = match (owner_only, server_only) {
            (false, false) => Visibility::Public,
            (true, false) => Visibility::OwnerOnly,
            (false, true) => Visibility::ServerOnly,
            (true, true) => {
                return Err(input.error(start, Fault::Range { what: "visibility", number: 0b11 }));
            }
        };
        Ok(Self {
            name,
            default,
            group: input.field(group)?,
            send: if every_tick { SendPolicy::EveryTick } else { SendPolicy::OnChange },
            persisted: !not_persisted,
            visibility,
            precision: input.field(precision)?,
        })
    }
}

impl Form for ComponentDraft {
    const NAME: &'static str = "component draft";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { name, variables } = self;
        name.put(out);
        variables.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { name: Form::take(input)?, variables: Form::take(input)? })
    }
}

impl Form for ComponentType {
    const NAME: &'static str = "component type";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { id, name, version, variables } = self;
        id.put(out);
        put_number((*version).into(), out);
        name.put(out);
        variables.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let id = Form::take(input)?;
        let version = input.number_as("version", |number| u32::try_from(number).ok())?;
        let name = Form::take(input)?;
        let start = input.offset();
        let variables: Vec<Variable> = Form::take(input)?;
        if !variables.is_sorted_by(|a, b| a.id < b.id) {
            return Err(input.error(start, Fault::Order { what: Variable::NAME }));
        }
        Ok(Self { id, name, version, variables })
    }
}

impl Form for Variable {
    const NAME: &'static str = "variable";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { id, draft } = self;
        id.put(out);
        draft.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { id: Form::take(input)?, draft: Form::take(input)? })
    }
}
