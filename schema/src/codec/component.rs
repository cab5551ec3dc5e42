//! Component types and their drafts.

use super::{
    CodecError, Fault, Form, Input,
    input::{put_field, put_fields, put_number},
};
use crate::component::{
    ComponentDraft, ComponentType, Converts, SendPolicy, Variable, VariableDraft, Visibility,
};

impl Form for VariableDraft {
    const NAME: &'static str = "variable";

    fn put(&self, out: &mut Vec<u8>) {
        self.put_as(false, None, out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let start = input.offset();
        match Self::take_any(input)? {
            (draft, false, None) => Ok(draft),
            (_, true, _) => Err(input.error(start, Fault::Range { what: "retired", number: 1 })),
            (_, _, Some(_)) => Err(input.error(start, Fault::Range { what: "converts", number: 1 })),
        }
    }
}

impl VariableDraft {
    fn put_as(&self, retired: bool, converts: Option<&Converts>, out: &mut Vec<u8>) {
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
                retired,
                converts.is_some(),
            ],
            out,
        );
        put_field(group.as_ref(), out);
        put_field(precision.as_ref(), out);
        put_field(converts, out);
    }

    /// The draft, whether the variable is retired, and whose values it takes over.
    fn take_any(input: &mut Input<'_>) -> Result<(Self, bool, Option<Converts>), CodecError> {
        let (name, default) = (Form::take(input)?, Form::take(input)?);
        let start = input.offset();
        let [group, every_tick, not_persisted, owner_only, server_only, precision, retired, converts] =
            input.fields()?;
        let visibility = match (owner_only, server_only) {
            (false, false) => Visibility::Public,
            (true, false) => Visibility::OwnerOnly,
            (false, true) => Visibility::ServerOnly,
            (true, true) => {
                return Err(input.error(start, Fault::Range { what: "visibility", number: 0b11 }));
            }
        };
        let draft = Self {
            name,
            default,
            group: input.field(group)?,
            send: if every_tick { SendPolicy::EveryTick } else { SendPolicy::OnChange },
            persisted: !not_persisted,
            visibility,
            precision: input.field(precision)?,
        };
        Ok((draft, retired, input.field(converts)?))
    }
}

impl Form for ComponentDraft {
    const NAME: &'static str = "component draft";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { name, variables, renamed, retire, converts, settled } = self;
        name.put(out);
        variables.put(out);
        renamed.put(out);
        retire.put(out);
        converts.put(out);
        settled.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            name: Form::take(input)?,
            variables: Form::take(input)?,
            renamed: Form::take(input)?,
            retire: Form::take(input)?,
            converts: Form::take(input)?,
            settled: Form::take(input)?,
        })
    }
}

impl Form for ComponentType {
    const NAME: &'static str = "component type";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { id, name, version, variables, retired } = self;
        id.put(out);
        put_number((*version).into(), out);
        name.put(out);
        // One list by number, so that a type without retired variables looks as it did before there were any.
        let stored = |retired| move |variable: &Variable| Stored { variable: variable.clone(), retired };
        let mut all: Vec<_> = variables.iter().map(stored(false)).collect();
        all.extend(retired.iter().map(stored(true)));
        all.sort_by_key(|stored| stored.variable.id);
        all.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let id = Form::take(input)?;
        let version = input.number_as("version", |number| u32::try_from(number).ok())?;
        let name = Form::take(input)?;
        let start = input.offset();
        let all: Vec<Stored> = Form::take(input)?;
        if !all.is_sorted_by(|a, b| a.variable.id < b.variable.id) {
            return Err(input.error(start, Fault::Order { what: VariableDraft::NAME }));
        }
        let (retired, live): (Vec<_>, Vec<_>) = all.into_iter().partition(|stored| stored.retired);
        let of = |stored: Vec<Stored>| stored.into_iter().map(|stored| stored.variable).collect();
        Ok(Self { id, name, version, variables: of(live), retired: of(retired) })
    }
}

/// A variable in the list of its type.
struct Stored {
    variable: Variable,
    retired: bool,
}

impl Form for Stored {
    const NAME: &'static str = "variable";

    fn put(&self, out: &mut Vec<u8>) {
        self.variable.id.put(out);
        self.variable.draft.put_as(self.retired, self.variable.converts.as_ref(), out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let id = Form::take(input)?;
        let (draft, retired, converts) = VariableDraft::take_any(input)?;
        Ok(Self { variable: Variable { id, draft, converts }, retired })
    }
}
