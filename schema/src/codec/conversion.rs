//! How values of a variable become those of another one.

use super::{
    CodecError, Fault, Form, Input,
    input::{put_number, put_option},
};
use crate::{
    component::{Conversion, ConversionDraft, Converts, Rounding, Rule},
    value::Value,
};

impl Form for ConversionDraft {
    const NAME: &'static str = "conversion draft";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { from, conversion } = self;
        from.put(out);
        conversion.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { from: Form::take(input)?, conversion: Form::take(input)? })
    }
}

impl Form for Converts {
    const NAME: &'static str = "conversion of a variable";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { from, conversion } = self;
        from.put(out);
        conversion.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { from: Form::take(input)?, conversion: Form::take(input)? })
    }
}

impl Form for Conversion {
    const NAME: &'static str = "conversion";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { rule, otherwise } = self;
        match rule {
            Rule::Number { factor, offset, rounding } => {
                out.push(1);
                factor.put(out);
                offset.put(out);
                out.push(match rounding {
                    Rounding::Exact => 0,
                    Rounding::Nearest => 1,
                    Rounding::Down => 2,
                    Rounding::Up => 3,
                    Rounding::TowardsZero => 4,
                });
            }
            Rule::Print => out.push(2),
            Rule::Parse => out.push(3),
            Rule::Table(pairs) => {
                out.push(4);
                put_number(pairs.len() as u64, out);
                for (key, value) in pairs {
                    key.put(out);
                    value.put(out);
                }
            }
        }
        put_option(otherwise, out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let start = input.offset();
        let rule = match input.byte()? {
            1 => Rule::Number {
                factor: Form::take(input)?,
                offset: Form::take(input)?,
                rounding: rounding(input)?,
            },
            2 => Rule::Print,
            3 => Rule::Parse,
            4 => Rule::Table(
                Vec::<Pair>::take(input)?.into_iter().map(|Pair(key, value)| (key, value)).collect(),
            ),
            tag => return Err(input.error(start, Fault::Tag { what: "rule", tag })),
        };
        Ok(Self { rule, otherwise: input.option()? })
    }
}

fn rounding(input: &mut Input<'_>) -> Result<Rounding, CodecError> {
    let start = input.offset();
    Ok(match input.byte()? {
        0 => Rounding::Exact,
        1 => Rounding::Nearest,
        2 => Rounding::Down,
        3 => Rounding::Up,
        4 => Rounding::TowardsZero,
        tag => return Err(input.error(start, Fault::Tag { what: "rounding", tag })),
    })
}

/// A pair of a table.
struct Pair(Value, Value);

impl Form for Pair {
    const NAME: &'static str = "pair of a table";

    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self(Form::take(input)?, Form::take(input)?))
    }
}
