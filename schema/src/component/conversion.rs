//! Changing what a variable holds, by a rule (AC 2.1.4).
//!
//! The new kind is a variable of its own with a number of its own; the old one is retired and keeps its values until each is
//! converted. So a value is either there as it was or as it became, and what the rule makes nothing of is not lost.

use crate::{
    id::VariableId,
    text::VariableName,
    value::{Value, ValueKind},
};

/// A variable of a draft that takes over the values of another one.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversionDraft {
    /// Whose values; the name of the variable itself, if it has another kind there.
    pub from: VariableName,
    /// How.
    pub conversion: Conversion,
}

/// A published variable that takes over the values of a retired one.
#[derive(Debug, Clone, PartialEq)]
pub struct Converts {
    /// Whose values.
    pub from: VariableId,
    /// How.
    pub conversion: Conversion,
}

/// How a value becomes one of another kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversion {
    /// The rule.
    pub rule: Rule,
    /// What becomes of a value that the rule makes nothing of; without it, it stays what it is, and whoever holds it is listed.
    pub otherwise: Option<Value>,
}

/// What is done to each value.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// Bool (0 or 1), int or float to int or float: `value * factor + offset`. With factor 1 and offset 0 an int stays what it is to the
    /// last digit.
    Number {
        /// Finite, not zero.
        factor: f64,
        /// Finite.
        offset: f64,
        /// How it becomes an int, or a float that cannot hold it.
        rounding: Rounding,
    },
    /// Bool, int or float to text: `true`, `-12`, `0.5`.
    Print,
    /// Text to bool, int or float, blanks around it aside: what [`Rule::Print`] writes, and exponents.
    Parse,
    /// Each value to the one beside it; others to nothing.
    Table(Vec<(Value, Value)>),
}

/// Which number is taken for one that cannot be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// None: it does not convert.
    Exact,
    /// The nearest one, of two the one farther from zero.
    Nearest,
    /// The next lower one.
    Down,
    /// The next higher one.
    Up,
    /// The next one towards zero.
    TowardsZero,
}

impl Conversion {
    /// Most pairs of a table.
    pub const MAX_PAIRS: usize = 1_024;

    /// Says why this cannot convert from one kind to the other.
    pub fn check(&self, from: ValueKind, to: ValueKind) -> Result<(), String> {
        use ValueKind::{Bool, Float, Int, Text};
        let fits = match &self.rule {
            Rule::Number { factor, offset, .. } => {
                if !factor.is_finite() || *factor == 0.0 || !offset.is_finite() {
                    return Err(format!(
                        "factor {factor} and offset {offset} must be finite, and the factor not 0"
                    ));
                }
                matches!(from, Bool | Int | Float) && matches!(to, Int | Float)
            }
            Rule::Print => matches!(from, Bool | Int | Float) && to == Text,
            Rule::Parse => from == Text && matches!(to, Bool | Int | Float),
            Rule::Table(pairs) => {
                if pairs.is_empty() || pairs.len() > Self::MAX_PAIRS {
                    return Err(format!(
                        "a table has from 1 to {} pairs, this one {}",
                        Self::MAX_PAIRS,
                        pairs.len()
                    ));
                }
                for (index, (key, value)) in pairs.iter().enumerate() {
                    if key.kind() != from || value.kind() != to {
                        return Err(format!("pair {} of the table is not from {from} to {to}", index + 1));
                    }
                    key.check().and_then(|()| value.check()).map_err(|error| error.to_string())?;
                    if pairs[..index].iter().any(|(other, _)| other == key) {
                        return Err(format!("pair {} of the table has the value of one before", index + 1));
                    }
                }
                true
            }
        };
        if !fits {
            return Err(format!(
                "the rule does not lead from {from} to {to}: give a table, or retire it and add another one"
            ));
        }
        if let Some(otherwise) = &self.otherwise {
            if otherwise.kind() != to {
                return Err(format!("what others become is {}, not {to}", otherwise.kind()));
            }
            otherwise.check().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// What becomes of a value; none if it stays what it is.
    pub fn apply(&self, value: &Value, to: ValueKind) -> Option<Value> {
        self.rule.apply(value, to).filter(|made| made.check().is_ok()).or_else(|| self.otherwise.clone())
    }
}

impl Rule {
    fn apply(&self, value: &Value, to: ValueKind) -> Option<Value> {
        match self {
            Self::Number { factor, offset, rounding } => number(value, to, *factor, *offset, *rounding),
            Self::Print => match value {
                Value::Bool(value) => Some(Value::Text(value.to_string().into())),
                Value::Int(value) => Some(Value::Text(value.to_string().into())),
                Value::Float(value) => Some(Value::Text(value.to_string().into())),
                _ => None,
            },
            Self::Parse => {
                let Value::Text(text) = value else { return None };
                let text = text.trim();
                match to {
                    ValueKind::Bool => text.parse().ok().map(Value::Bool),
                    ValueKind::Int => text.parse().ok().map(Value::Int),
                    ValueKind::Float => text.parse().ok().map(Value::Float),
                    _ => None,
                }
            }
            Self::Table(pairs) => pairs.iter().find(|(key, _)| key == value).map(|(_, value)| value.clone()),
        }
    }
}

fn number(value: &Value, to: ValueKind, factor: f64, offset: f64, rounding: Rounding) -> Option<Value> {
    let plain = factor == 1.0 && offset == 0.0;
    let number = match value {
        Value::Int(value) if plain && to == ValueKind::Int => return Some(Value::Int(*value)),
        Value::Int(value) => {
            let nearest = *value as f64;
            // The cast saturates at 2^63, which no int is.
            if rounding == Rounding::Exact && (nearest as i128 != i128::from(*value)) {
                return None;
            }
            nearest
        }
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Float(value) => *value,
        _ => return None,
    };
    let number = if plain { number } else { number * factor + offset };
    match to {
        ValueKind::Float => Some(Value::Float(number)),
        ValueKind::Int => {
            let whole = match rounding {
                Rounding::Exact => Some(number).filter(|number| number.fract() == 0.0)?,
                Rounding::Nearest => number.round(),
                Rounding::Down => number.floor(),
                Rounding::Up => number.ceil(),
                Rounding::TowardsZero => number.trunc(),
            };
            // From -2^63 up to, not including, 2^63.
            let holds = whole >= i64::MIN as f64 && whole < -(i64::MIN as f64);
            holds.then_some(Value::Int(whole as i64))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: (f64, f64) = (1.0, 0.0);

    fn converted(
        value: Value,
        to: ValueKind,
        (factor, offset): (f64, f64),
        rounding: Rounding,
    ) -> Option<Value> {
        Conversion { rule: Rule::Number { factor, offset, rounding }, otherwise: None }.apply(&value, to)
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn numbers_are_scaled_and_rounded_as_the_rule_says() {
        use Rounding::{Down, Exact, Nearest, TowardsZero, Up};
        let cases = [
            (Value::Int(3), PLAIN, Exact, Some(3)),
            (Value::Int(i64::MIN), PLAIN, Exact, Some(i64::MIN)),
            (Value::Bool(true), PLAIN, Exact, Some(1)),
            (Value::Float(2.5), PLAIN, Exact, None),
            (Value::Float(2.5), PLAIN, Nearest, Some(3)),
            (Value::Float(-2.5), PLAIN, Nearest, Some(-3)),
            (Value::Float(-2.5), PLAIN, Down, Some(-3)),
            (Value::Float(-2.5), PLAIN, Up, Some(-2)),
            (Value::Float(-2.9), PLAIN, TowardsZero, Some(-2)),
            (Value::Float(1.5), (100.0, 1.0), Exact, Some(151)),
            (Value::Float(9.3e18), PLAIN, Nearest, None),
            (Value::Float(-9_223_372_036_854_775_808.0), PLAIN, Exact, Some(i64::MIN)),
            (Value::Float(9_223_372_036_854_775_808.0), PLAIN, Exact, None),
        ];
        for (value, scale, rounding, expected) in cases {
            let found = converted(value.clone(), ValueKind::Int, scale, rounding);
            assert_eq!(found, expected.map(Value::Int), "{value:?} {rounding:?}");
        }
        let large = (1 << 53) + 1;
        assert_eq!(converted(Value::Int(large), ValueKind::Float, PLAIN, Exact), None);
        assert_eq!(converted(Value::Int(i64::MAX), ValueKind::Float, PLAIN, Exact), None);
        let nearest = converted(Value::Int(large), ValueKind::Float, PLAIN, Nearest);
        assert_eq!(nearest, Some(Value::Float(9_007_199_254_740_992.0)));
        // No infinity is made.
        assert_eq!(converted(Value::Float(1e300), ValueKind::Float, (1e300, 0.0), Nearest), None);
    }

    #[test]
    fn what_is_printed_is_parsed_again_and_what_is_no_number_is_not() {
        let (print, parse) = (
            Conversion { rule: Rule::Print, otherwise: None },
            Conversion { rule: Rule::Parse, otherwise: None },
        );
        for value in [Value::Int(-12), Value::Float(0.1), Value::Float(-1e300), Value::Bool(false)] {
            let printed = print.apply(&value, ValueKind::Text).unwrap();
            assert_eq!(parse.apply(&printed, value.kind()), Some(value));
        }
        assert_eq!(parse.apply(&text(" 7 "), ValueKind::Int), Some(Value::Int(7)));
        for (no, kind) in [
            ("7.5", ValueKind::Int),
            ("", ValueKind::Int),
            ("NaN", ValueKind::Float),
            ("yes", ValueKind::Bool),
        ] {
            assert_eq!(parse.apply(&text(no), kind), None, "{no:?}");
        }
    }

    #[test]
    fn a_table_maps_what_it_lists_and_the_rest_becomes_what_is_said_or_stays() {
        let rule = Rule::Table(vec![(text("red"), Value::Int(1)), (text("blue"), Value::Int(2))]);
        let table = Conversion { rule, otherwise: None };
        assert_eq!(table.apply(&text("blue"), ValueKind::Int), Some(Value::Int(2)));
        assert_eq!(table.apply(&text("Blue"), ValueKind::Int), None);
        let with_rest = Conversion { otherwise: Some(Value::Int(0)), ..table };
        assert_eq!(with_rest.apply(&text("Blue"), ValueKind::Int), Some(Value::Int(0)));
    }

    #[test]
    fn rules_that_lead_nowhere_are_refused_in_words() {
        let with = |rule| Conversion { rule, otherwise: None };
        let number = |factor, offset| Rule::Number { factor, offset, rounding: Rounding::Exact };
        let pair = |key: &str| (text(key), Value::Int(1));
        for (conversion, from, to, words) in [
            (with(number(1.0, 0.0)), ValueKind::Text, ValueKind::Int, "does not lead from text to int"),
            (with(number(0.0, 0.0)), ValueKind::Int, ValueKind::Int, "the factor not 0"),
            (with(number(1.0, f64::NAN)), ValueKind::Int, ValueKind::Int, "must be finite"),
            (with(Rule::Print), ValueKind::Vector, ValueKind::Text, "does not lead from vector"),
            (with(Rule::Parse), ValueKind::Text, ValueKind::Bytes, "does not lead from text to bytes"),
            (with(Rule::Table(vec![])), ValueKind::Text, ValueKind::Int, "from 1 to 1024 pairs"),
            (with(Rule::Table(vec![pair("a"), pair("a")])), ValueKind::Text, ValueKind::Int, "pair 2"),
            (with(Rule::Table(vec![pair("a")])), ValueKind::Text, ValueKind::Float, "not from text to float"),
            (
                Conversion { rule: Rule::Print, otherwise: Some(Value::Int(1)) },
                ValueKind::Int,
                ValueKind::Text,
                "is int, not text",
            ),
        ] {
            let said = conversion.check(from, to).unwrap_err();
            assert!(said.contains(words), "no `{words}` in `{said}`");
        }
    }
}
