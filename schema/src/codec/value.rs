//! Values and components.

use std::sync::Arc;

use super::{
    CodecError, Fault, Form, Input,
    input::{put_bytes, put_floats, put_list, put_number},
};
use crate::{
    component::Components,
    value::{Value, ValueKind},
};

/// Says that there is no value, where one is optional. The kinds follow in the order of [`ValueKind::ALL`].
const NO_VALUE: u8 = 0;

fn tag(kind: ValueKind) -> u8 {
    match kind {
        ValueKind::Bool => 1,
        ValueKind::Int => 2,
        ValueKind::Float => 3,
        ValueKind::Text => 4,
        ValueKind::Entity => 5,
        ValueKind::Vector => 6,
        ValueKind::Bytes => 7,
        ValueKind::IntList => 8,
        ValueKind::FloatList => 9,
        ValueKind::TextList => 10,
    }
}

impl Form for Value {
    const NAME: &'static str = "value";

    fn put(&self, out: &mut Vec<u8>) {
        out.push(tag(self.kind()));
        put_content(self, out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let start = input.offset();
        let tag = input.byte()?;
        tagged(input, start, tag)
    }
}

/// A value or none: the patch of one variable.
impl Form for Option<Value> {
    const NAME: &'static str = "value or no value";

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.put(out),
            None => out.push(NO_VALUE),
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let start = input.offset();
        match input.byte()? {
            NO_VALUE => Ok(None),
            tag => tagged(input, start, tag).map(Some),
        }
    }
}

fn tagged(input: &mut Input<'_>, start: usize, found: u8) -> Result<Value, CodecError> {
    let kind = ValueKind::ALL
        .into_iter()
        .find(|kind| tag(*kind) == found)
        .ok_or_else(|| input.error(start, Fault::Tag { what: Value::NAME, tag: found }))?;
    take_content(kind, start, input)
}

/// Appends the value without its tag, for where both ends know the kind.
pub(crate) fn put_content(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Bool(value) => value.put(out),
        Value::Int(value) => value.put(out),
        Value::Float(value) => value.put(out),
        Value::Text(text) => put_bytes(text.as_bytes(), out),
        Value::Entity(id) => id.put(out),
        Value::Vector(vector) => put_floats(vector, out),
        Value::Bytes(bytes) => put_bytes(bytes, out),
        Value::IntList(list) => put_list(list.iter(), out),
        Value::FloatList(list) => put_list(list.iter(), out),
        Value::TextList(list) => {
            put_number(list.len() as u64, out);
            list.iter().for_each(|text| put_bytes(text.as_bytes(), out));
        }
    }
}

/// Reads a value of this kind that has no tag; what is wrong with it as a whole is said of the byte `start`.
pub(crate) fn take_content(
    kind: ValueKind,
    start: usize,
    input: &mut Input<'_>,
) -> Result<Value, CodecError> {
    let value = match kind {
        ValueKind::Bool => Value::Bool(Form::take(input)?),
        ValueKind::Int => Value::Int(Form::take(input)?),
        ValueKind::Float => Value::Float(input.float()?),
        ValueKind::Text => Value::Text(input.text()?.into()),
        ValueKind::Entity => Value::Entity(Form::take(input)?),
        ValueKind::Vector => Value::Vector(input.floats()?),
        ValueKind::Bytes => Value::Bytes(input.bytes()?.into()),
        ValueKind::IntList => Value::IntList(Vec::take(input)?.into()),
        ValueKind::FloatList => Value::FloatList(Vec::take(input)?.into()),
        ValueKind::TextList => {
            let texts = (0..input.count(1)?).map(|_| input.text().map(Arc::from));
            Value::TextList(texts.collect::<Result<_, _>>()?)
        }
    };
    value.check().map_err(|fault| input.error(start, Fault::Value(fault)))?;
    Ok(value)
}

impl Form for Components {
    const NAME: &'static str = "components";

    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Form::take(input).map(Self)
    }
}
