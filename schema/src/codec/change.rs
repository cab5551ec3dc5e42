//! Changes and commits.

use super::{CodecError, Fault, Form, Input, input::put_option};
use crate::change::{Change, Commit};

impl Form for Change {
    const NAME: &'static str = "change";

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Component(component) => {
                out.push(1);
                component.put(out);
            }
            Self::Container(container) => {
                out.push(2);
                container.put(out);
            }
            Self::Created(entity) => {
                out.push(3);
                entity.put(out);
            }
            Self::Changed { entity, left, delta } => {
                out.push(4);
                entity.put(out);
                put_option(left, out);
                delta.put(out);
            }
            Self::Buried(entity) => {
                out.push(5);
                entity.put(out);
            }
            Self::Linked(link) => {
                out.push(6);
                link.put(out);
            }
            Self::Unlinked { kind, a, b } => {
                out.push(7);
                kind.put(out);
                a.put(out);
                b.put(out);
            }
            Self::Entombed(entity) => {
                out.push(8);
                entity.put(out);
            }
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let start = input.offset();
        Ok(match input.byte()? {
            1 => Self::Component(Form::take(input)?),
            2 => Self::Container(Form::take(input)?),
            3 => Self::Created(Form::take(input)?),
            4 => {
                Self::Changed { entity: Form::take(input)?, left: input.option()?, delta: Form::take(input)? }
            }
            5 => Self::Buried(Form::take(input)?),
            6 => Self::Linked(Form::take(input)?),
            7 => {
                let (kind, a, b) = (Form::take(input)?, Form::take(input)?, Form::take(input)?);
                if a >= b {
                    return Err(input.error(start, Fault::Link));
                }
                Self::Unlinked { kind, a, b }
            }
            8 => Self::Entombed(Form::take(input)?),
            tag => return Err(input.error(start, Fault::Tag { what: Self::NAME, tag })),
        })
    }
}

impl Form for Commit {
    const NAME: &'static str = "commit";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { cursor, operation_id, changes } = self;
        cursor.put(out);
        put_option(operation_id, out);
        changes.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { cursor: Form::take(input)?, operation_id: input.option()?, changes: Form::take(input)? })
    }
}
