//! Ids, orders and names.

use super::{
    CodecError, Fault, Form, Input,
    input::{put_bytes, put_number},
};
use crate::{
    id::{ComponentId, ContainerId, EntityId, VariableId},
    order::{ContainerVersion, Cursor, Epoch, Layer, Revision},
    text::{
        ChildName, ComponentName, ContainerName, EntityName, GroupName, Kind, Label, LinkKind, OperationId,
        OwnerId, PortName, VariableName,
    },
};

macro_rules! numbers {
    ($($name:ident, $what:literal, $put:ident, $take:expr;)*) => {$(
        impl Form for $name {
            const NAME: &'static str = $what;

            fn put(&self, out: &mut Vec<u8>) {
                put_number(self.$put().into(), out);
            }

            fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
                input.number_as(Self::NAME, $take)
            }
        }
    )*};
}

numbers! {
    EntityId, "entity id", get, Self::new;
    ContainerId, "container id", get, |n| Self::new(n.try_into().ok()?);
    ComponentId, "component id", get, |n| Self::new(n.try_into().ok()?);
    VariableId, "variable id", get, |n| Self::new(n.try_into().ok()?);
    Revision, "revision", number, |n| Some(Self::from_number(n));
    Cursor, "cursor", number, |n| Some(Self::from_number(n));
    Epoch, "epoch", number, |n| Some(Self::from_number(n));
    ContainerVersion, "container version", number, |n| Some(Self::from_number(n.try_into().ok()?));
    Layer, "layer", number, |n| Some(Self::from_number(n.try_into().ok()?));
}

macro_rules! texts {
    ($($name:ident, $what:literal;)*) => {$(
        impl Form for $name {
            const NAME: &'static str = $what;

            fn put(&self, out: &mut Vec<u8>) {
                put_bytes(self.as_str().as_bytes(), out);
            }

            fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
                let start = input.offset();
                let text = input.text()?;
                Self::new(text).map_err(|fault| input.error(start, Fault::Text(fault)))
            }
        }
    )*};
}

texts! {
    EntityName, "entity name";
    Kind, "kind";
    Label, "label";
    OwnerId, "owner id";
    ContainerName, "container name";
    ChildName, "child name";
    ComponentName, "component name";
    VariableName, "variable name";
    GroupName, "group name";
    PortName, "port name";
    LinkKind, "link kind";
    OperationId, "operation id";
}
