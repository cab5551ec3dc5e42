//! Values on the wire (protocol.md, "State"): variables have short numbers, values no tag, and floats the precision of
//! their variable.

use std::{collections::BTreeMap, sync::Arc};

use super::number::{put_int, rounded};
use crate::{
    codec::{CodecError, Fault, Input, put_content, put_number, take_content},
    component::Variable,
    id::{ComponentId, VariableId},
    value::{Value, ValueKind},
};

/// What a short number stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// The component type.
    pub component: ComponentId,
    /// The variable in it.
    pub variable: VariableId,
    /// What it holds.
    pub kind: ValueKind,
    /// Smallest step worth sending, in the variable's unit: positive, and of floats, vectors and float lists only.
    pub precision: Option<f64>,
}

impl Known {
    /// What the wire has to know of a variable.
    pub fn of(component: ComponentId, variable: &Variable) -> Self {
        let kind = variable.kind();
        let divisible = matches!(kind, ValueKind::Float | ValueKind::Vector | ValueKind::FloatList);
        let precision = variable.draft.precision.filter(|step| divisible && step.is_finite() && *step > 0.0);
        Self { component, variable: variable.id, kind, precision }
    }
}

/// The short numbers of a catalog (`CatalogPart.variables`).
#[derive(Debug, Clone, Default)]
pub struct Variables {
    by_number: Vec<Option<Known>>,
    by_name: BTreeMap<(ComponentId, VariableId), u32>,
}

impl Variables {
    /// The highest number.
    pub const NUMBER_MAX: u32 = 0xffff;

    /// Gives a variable its number. False, and nothing is done, for a number above [`Self::NUMBER_MAX`] or one that
    /// another variable has.
    #[must_use]
    pub fn insert(&mut self, number: u32, known: Known) -> bool {
        let name = (known.component, known.variable);
        let taken = self.get(number).is_some_and(|other| (other.component, other.variable) != name)
            || self.number(name.0, name.1).is_some_and(|other| other != number);
        if number > Self::NUMBER_MAX || taken {
            return false;
        }
        let index = number as usize;
        if self.by_number.len() <= index {
            self.by_number.resize(index + 1, None);
        }
        self.by_number[index] = Some(known);
        self.by_name.insert(name, number);
        true
    }

    /// What the number stands for.
    pub fn get(&self, number: u32) -> Option<&Known> {
        self.by_number.get(number as usize)?.as_ref()
    }

    /// The number of a variable.
    pub fn number(&self, component: ComponentId, variable: VariableId) -> Option<u32> {
        self.by_name.get(&(component, variable)).copied()
    }
}

/// How floats of variables with a precision are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digits {
    /// As ints, in steps of the precision: in slices.
    Rounded,
    /// To the last bit: in reports and second snapshots.
    Exact,
}

/// Appends the entry of a variable that has a value; `precision` is that of the variable for [`Digits::Rounded`], and
/// none for [`Digits::Exact`]. Entries ascend by number.
pub fn put_value(number: u32, value: &Value, precision: Option<f64>, out: &mut Vec<u8>) {
    put_number(2 * u64::from(number), out);
    match (value, precision) {
        (Value::Float(value), Some(precision)) => put_int(steps(*value, precision), out),
        (Value::Vector(axes), Some(precision)) => {
            axes.iter().for_each(|axis| put_int(steps(*axis, precision), out));
        }
        (Value::FloatList(list), Some(precision)) => {
            put_number(list.len() as u64, out);
            list.iter().for_each(|item| put_int(steps(*item, precision), out));
        }
        _ => put_content(value, out),
    }
}

/// Appends the entry of a variable of which the entity states no value of its own any more.
pub fn put_cleared(number: u32, out: &mut Vec<u8>) {
    put_number(2 * u64::from(number) + 1, out);
}

/// The value in steps of the precision, not more than are finite when they are multiplied again.
fn steps(value: f64, precision: f64) -> i64 {
    let steps = rounded(value / precision);
    if (steps as f64 * precision).is_finite() { steps } else { steps - steps.signum() }
}

/// What is told of one variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'t> {
    /// The short number.
    pub number: u32,
    /// What it stands for.
    pub known: &'t Known,
    /// The value; none: the entity states none of its own any more.
    pub value: Option<Value>,
}

/// The entries of a row, in order of their numbers. After an error nothing follows; its offset counts from the first byte
/// of the entries.
#[derive(Debug, Clone)]
pub struct Entries<'a, 't> {
    input: Input<'a>,
    variables: &'t Variables,
    digits: Digits,
    /// One more than the number of the last entry.
    next: u32,
    broken: bool,
}

impl<'a, 't> Entries<'a, 't> {
    /// The entries in these bytes, the part "variables" of a row.
    pub fn new(bytes: &'a [u8], variables: &'t Variables, digits: Digits) -> Self {
        Self { input: Input::new("entries", bytes), variables, digits, next: 0, broken: false }
    }

    fn take(&mut self) -> Result<Entry<'t>, CodecError> {
        let start = self.input.offset();
        let key = self.input.number()?;
        let unknown =
            || self.input.error(start, Fault::Range { what: "key of a known variable", number: key });
        let number = u32::try_from(key >> 1).map_err(|_| unknown())?;
        let known = self.variables.get(number).ok_or_else(unknown)?;
        if number < self.next {
            return Err(self.input.error(start, Fault::Order { what: "variable" }));
        }
        self.next = number + 1;
        let cleared = key & 1 == 1;
        let value = if cleared { None } else { Some(take_value(known, self.digits, &mut self.input)?) };
        Ok(Entry { number, known, value })
    }
}

impl<'t> Iterator for Entries<'_, 't> {
    type Item = Result<Entry<'t>, CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken || self.input.left() == 0 {
            return None;
        }
        let entry = self.take();
        self.broken = entry.is_err();
        Some(entry)
    }
}

fn take_value(known: &Known, digits: Digits, input: &mut Input<'_>) -> Result<Value, CodecError> {
    let start = input.offset();
    let precision = known.precision.filter(|_| digits == Digits::Rounded);
    let value = match (known.kind, precision) {
        (ValueKind::Float, Some(precision)) => Value::Float(input.int(STEPS)? as f64 * precision),
        (ValueKind::Vector, Some(precision)) => {
            Value::Vector(input.ints(STEPS)?.map(|axis| axis as f64 * precision))
        }
        (ValueKind::FloatList, Some(precision)) => {
            let items = (0..input.count(1)?).map(|_| Ok(input.int(STEPS)? as f64 * precision));
            Value::FloatList(items.collect::<Result<Arc<[f64]>, _>>()?)
        }
        (kind, _) => return take_content(kind, start, input),
    };
    value.check().map_err(|fault| input.error(start, Fault::Value(fault)))?;
    Ok(value)
}

const STEPS: &str = "count of steps of the precision";

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};

    use super::*;
    use crate::testing::{component_id, floats, text, values, variable_id};

    fn known(kind: ValueKind, precision: Option<f64>) -> Known {
        Known { component: component_id(1), variable: variable_id(1), kind, precision }
    }

    fn table(known: impl IntoIterator<Item = Known>) -> Variables {
        let mut variables = Variables::default();
        for (number, known) in known.into_iter().enumerate() {
            let variable = variable_id(number as u16 + 1);
            assert!(variables.insert(number as u32, Known { variable, ..known }));
        }
        variables
    }

    fn read(bytes: &[u8], variables: &Variables, digits: Digits) -> Result<Vec<Option<Value>>, CodecError> {
        Entries::new(bytes, variables, digits).map(|entry| entry.map(|entry| entry.value)).collect()
    }

    proptest! {
        #[test]
        fn exact_values_survive(values in collection::vec(proptest::option::of(values()), 0..6)) {
            let kind = |value: &Option<Value>| value.as_ref().map_or(ValueKind::Bool, Value::kind);
            let variables = table(values.iter().map(|value| known(kind(value), Some(0.5))));
            let mut out = vec![];
            for (number, value) in values.iter().enumerate() {
                match value {
                    Some(value) => put_value(number as u32, value, None, &mut out),
                    None => put_cleared(number as u32, &mut out),
                }
            }
            prop_assert_eq!(read(&out, &variables, Digits::Exact), Ok(values));
        }

        #[test]
        fn rounded_values_are_off_by_half_a_step_and_have_one_spelling(value in -1e9..1e9, precision in 1e-4..10.0) {
            let variables = table([known(ValueKind::Float, Some(precision))]);
            let mut out = vec![];
            put_value(0, &Value::Float(value), Some(precision), &mut out);
            let read = read(&out, &variables, Digits::Rounded).unwrap();
            let Some(Value::Float(back)) = read[0] else { panic!("{read:?}") };
            prop_assert!((back - value).abs() <= precision * 0.5 + 1e-6);
            let mut again = vec![];
            put_value(0, &Value::Float(back), Some(precision), &mut again);
            prop_assert_eq!(again, out);
        }

        #[test]
        fn any_float_and_precision_can_be_read_again(value in floats(), precision in floats()) {
            let precision = precision.abs().max(f64::MIN_POSITIVE);
            let variables = table([known(ValueKind::Float, Some(precision))]);
            let mut out = vec![];
            put_value(0, &Value::Float(value), Some(precision), &mut out);
            let read = read(&out, &variables, Digits::Rounded).unwrap();
            let mut again = vec![];
            put_value(0, read[0].as_ref().unwrap(), Some(precision), &mut again);
            prop_assert_eq!(again, out);
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in collection::vec(any::<u8>(), 0..40), digit in any::<bool>()) {
            let variables = table(ValueKind::ALL.map(|kind| known(kind, Some(0.25))));
            let digits = if digit { Digits::Exact } else { Digits::Rounded };
            let _ = read(&bytes, &variables, digits);
        }
    }

    #[test]
    fn entries_out_of_order_and_unknown_ones_are_refused() {
        let variables = table([known(ValueKind::Bool, None), known(ValueKind::Text, None)]);
        let refused = |bytes: &[u8]| read(bytes, &variables, Digits::Rounded).unwrap_err().to_string();
        assert_eq!(
            refused(&[1, 1]),
            "byte 1 of the entries: a variable stands after an equal or greater one"
        );
        assert_eq!(refused(&[4, 1]), "byte 0 of the entries: 4 is no key of a known variable");
        assert_eq!(refused(&[0, 2]), "byte 1 of the entries: 2 is no tag of a yes or no");
        assert_eq!(refused(&[2, 2, 65]), "byte 1 of the entries: 2 bytes are needed, 1 are left");
        assert_eq!(read(&[0, 1, 2, 1, 65], &variables, Digits::Rounded).unwrap()[1], Some(text("A")));
    }

    #[test]
    fn a_number_is_one_variable_s_and_a_variable_has_one_number() {
        let mut variables = table([known(ValueKind::Bool, None)]);
        let other = Known { variable: variable_id(2), ..known(ValueKind::Int, None) };
        assert!(!variables.insert(0, other) && !variables.insert(Variables::NUMBER_MAX + 1, other));
        assert!(variables.insert(3, other) && !variables.insert(4, other) && variables.insert(3, other));
        assert_eq!(variables.number(component_id(1), variable_id(2)), Some(3));
        assert_eq!(variables.get(2), None);
    }
}
