//! Transactions: their preconditions and operations.

use super::{CodecError, Fault, Form, Input, input::put_option};
use crate::transaction::{NewPose, Operation, Precondition, Transaction};

impl Form for Precondition {
    const NAME: &'static str = "precondition";

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Exists(entity) => {
                out.push(1);
                entity.put(out);
            }
            Self::Absent(entity) => {
                out.push(2);
                entity.put(out);
            }
            Self::Revision(entity, revision) => {
                out.push(3);
                entity.put(out);
                revision.put(out);
            }
            Self::Epoch(entity, epoch) => {
                out.push(4);
                entity.put(out);
                epoch.put(out);
            }
            Self::PortFree(entity, port) => {
                out.push(5);
                entity.put(out);
                port.put(out);
            }
            Self::ContainerVersion(container, version) => {
                out.push(6);
                container.put(out);
                version.put(out);
            }
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let start = input.offset();
        Ok(match input.byte()? {
            1 => Self::Exists(Form::take(input)?),
            2 => Self::Absent(Form::take(input)?),
            3 => Self::Revision(Form::take(input)?, Form::take(input)?),
            4 => Self::Epoch(Form::take(input)?, Form::take(input)?),
            5 => Self::PortFree(Form::take(input)?, Form::take(input)?),
            6 => Self::ContainerVersion(Form::take(input)?, Form::take(input)?),
            tag => return Err(input.error(start, Fault::Tag { what: Self::NAME, tag })),
        })
    }
}

impl Form for NewPose {
    const NAME: &'static str = "new pose";

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::KeepWorld => out.push(1),
            Self::At(pose) => {
                out.push(2);
                pose.put(out);
            }
            Self::Ride => out.push(3),
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let start = input.offset();
        Ok(match input.byte()? {
            1 => Self::KeepWorld,
            2 => Self::At(Form::take(input)?),
            3 => Self::Ride,
            tag => return Err(input.error(start, Fault::Tag { what: Self::NAME, tag })),
        })
    }
}

impl Form for Operation {
    const NAME: &'static str = "operation";

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::PublishComponent(draft) => {
                out.push(1);
                draft.put(out);
            }
            Self::PublishContainer(draft) => {
                out.push(2);
                draft.put(out);
            }
            Self::Create(entity) => {
                out.push(3);
                entity.put(out);
            }
            Self::Change(entity, patch) => {
                out.push(4);
                entity.put(out);
                patch.put(out);
            }
            Self::Reparent { entity, parent, port, pose } => {
                out.push(5);
                entity.put(out);
                parent.put(out);
                put_option(port, out);
                pose.put(out);
            }
            Self::Link(link) => {
                out.push(6);
                link.put(out);
            }
            Self::Unlink { kind, a, b } => {
                out.push(7);
                kind.put(out);
                a.put(out);
                b.put(out);
            }
            Self::Bury { entity, subtree } => {
                out.push(8);
                entity.put(out);
                subtree.put(out);
            }
            Self::AdoptComponent(component) => {
                out.push(9);
                component.put(out);
            }
            Self::AdoptContainer(container) => {
                out.push(10);
                container.put(out);
            }
            Self::Adopt(entities) => {
                out.push(11);
                entities.put(out);
            }
            Self::Entomb(entity) => {
                out.push(12);
                entity.put(out);
            }
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let start = input.offset();
        Ok(match input.byte()? {
            1 => Self::PublishComponent(Form::take(input)?),
            2 => Self::PublishContainer(Form::take(input)?),
            3 => Self::Create(Form::take(input)?),
            4 => Self::Change(Form::take(input)?, Form::take(input)?),
            5 => Self::Reparent {
                entity: Form::take(input)?,
                parent: Form::take(input)?,
                port: input.option()?,
                pose: Form::take(input)?,
            },
            6 => Self::Link(Form::take(input)?),
            7 => Self::Unlink { kind: Form::take(input)?, a: Form::take(input)?, b: Form::take(input)? },
            8 => Self::Bury { entity: Form::take(input)?, subtree: Form::take(input)? },
            9 => Self::AdoptComponent(Form::take(input)?),
            10 => Self::AdoptContainer(Form::take(input)?),
            11 => Self::Adopt(Form::take(input)?),
            12 => Self::Entomb(Form::take(input)?),
            tag => return Err(input.error(start, Fault::Tag { what: Self::NAME, tag })),
        })
    }
}

impl Form for Transaction {
    const NAME: &'static str = "transaction";

    fn put(&self, out: &mut Vec<u8>) {
        // `request` stands for the body where attempts are compared; it is no part of what is done.
        let Self { operation_id, request: _, preconditions, operations } = self;
        put_option(operation_id, out);
        preconditions.put(out);
        operations.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            operation_id: input.option()?,
            request: None,
            preconditions: Form::take(input)?,
            operations: Form::take(input)?,
        })
    }
}
