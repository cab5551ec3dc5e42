//! From what was written to what the domain holds: each conversion checks, and says where and what is wrong.

use std::{collections::BTreeSet, str::FromStr, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use entitygraph_schema::{
    Aabb, Components, EntityId, Layer, Pose, Registry, Value, ValueKind, text::TextError,
};
use glam::{DQuat, DVec3};

use super::{
    format,
    marked::{Mark, Marked},
    names::did_you_mean,
    scalar::{Reference, Written},
};
use crate::load::{Missing, Origin, Problem};

/// Finds the id of an entity that a file refers to, or says what is wrong.
pub(super) type Resolve<'a> = &'a dyn Fn(&Reference) -> Result<EntityId, Fault>;

/// What is wrong with a value, and what it comes from.
#[derive(Debug)]
pub(super) struct Fault {
    pub message: String,
    pub because: Option<Missing>,
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self { message, because: None }
    }
}

/// Where conversions are: a document of a file and a field in it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub file: Arc<str>,
    pub lines_before: u32,
    /// Of the entity, container or component that is being converted.
    pub mark: Mark,
    /// Field path of it.
    pub path: String,
}

impl Place {
    /// Where the thing itself is.
    pub fn origin(&self) -> Origin {
        self.origin_at(self.mark, "")
    }

    /// Where a field of it is.
    pub fn origin_at(&self, mark: Mark, field: &str) -> Origin {
        let mark = if mark.line == 0 { self.mark } else { mark };
        self.point(mark).part(if field.is_empty() {
            self.path.clone()
        } else {
            format!("{}.{field}", self.path)
        })
    }

    /// A line and column of the file.
    pub fn point(&self, mark: Mark) -> Origin {
        Origin::file(self.file.clone()).at(self.lines_before.saturating_add(mark.line), mark.column)
    }

    /// A part of it; where exactly is not known yet.
    pub fn below(&self, field: &str) -> Self {
        Self { path: format!("{}.{field}", self.path), ..self.clone() }
    }

    /// What is wrong with a field.
    pub fn problem(&self, mark: Mark, field: &str, message: impl std::fmt::Display) -> Problem {
        Problem::new(self.origin_at(mark, field), message)
    }

    /// The same.
    pub fn fault(&self, mark: Mark, field: &str, fault: Fault) -> Problem {
        self.problem(mark, field, fault.message).because(fault.because)
    }

    /// A name of any sort.
    pub fn text<T: FromStr<Err = TextError>>(
        &self,
        field: &str,
        text: &Marked<String>,
    ) -> Result<T, Problem> {
        text.value.parse().map_err(|error| self.problem(text.mark, field, error))
    }

    /// A name that may be left out.
    pub fn optional_text<T: FromStr<Err = TextError>>(
        &self,
        field: &str,
        text: Option<&Marked<String>>,
    ) -> Result<Option<T>, Problem> {
        text.map(|text| self.text(field, text)).transpose()
    }

    /// Names that are a set.
    pub fn texts<T: FromStr<Err = TextError> + Ord>(
        &self,
        field: &str,
        texts: &[Marked<String>],
    ) -> Result<BTreeSet<T>, Problem> {
        let each = texts.iter().enumerate();
        each.map(|(index, text)| self.text(&format!("{field}[{index}]"), text)).collect()
    }

    /// A bounding radius, or the one that its zone needs.
    pub fn radius(&self, radius: Option<&Marked<f64>>, zone: Option<&Aabb>) -> Result<Option<f64>, Problem> {
        match radius {
            Some(Marked { value, mark }) => entitygraph_schema::space::radius("the radius", *value)
                .map(Some)
                .map_err(|error| self.problem(*mark, "radius", error)),
            None => Ok(zone.map(Aabb::reach)),
        }
    }

    /// A layer; GraphQL knows no larger numbers.
    pub fn layer(&self, layer: Option<u32>) -> Result<Option<Layer>, Problem> {
        match layer {
            Some(number) if number > i32::MAX as u32 => {
                let said = format!("{number} is too large, the largest is {}", i32::MAX);
                Err(self.problem(Mark::default(), "layer", said))
            }
            layer => Ok(layer.map(Layer::from_number)),
        }
    }

    /// Bounds of a zone.
    pub fn zone(&self, zone: Option<&format::Zone>) -> Result<Option<Aabb>, Problem> {
        let Some(zone) = zone else { return Ok(None) };
        let (mark, bounds) = match (&zone.cube, &zone.min, &zone.max) {
            (Some(cube), None, None) => (cube.mark, Aabb::cube(cube.value)),
            (None, Some(min), Some(max)) => (min.mark, Aabb::new(min.value.into(), max.value.into())),
            _ => return Err(self.problem(Mark::default(), "zone", "give either `cube`, or `min` and `max`")),
        };
        bounds.map(Some).map_err(|error| self.problem(mark, "zone", error))
    }

    /// Place and attitude.
    pub fn pose(&self, pose: Option<&format::Pose>) -> Result<Option<Pose>, Problem> {
        let Some(pose) = pose else { return Ok(None) };
        let rotation =
            pose.rotation.as_ref().map_or(DQuat::IDENTITY, |rotation| DQuat::from_array(rotation.value));
        let at = DVec3::from_array(pose.at.value);
        Pose::new(at, rotation).map(Some).map_err(|error| self.problem(pose.at.mark, "pose", error))
    }

    /// Values of components, checked against their types.
    pub fn values(
        &self,
        values: &format::Values,
        registry: &Registry,
        resolve: Resolve<'_>,
    ) -> Result<Components, Problem> {
        let mut components = Components::default();
        for (name, variables) in values {
            let field = format!("values.{name}");
            let mark = variables.values().next().map_or(Mark::default(), |value| value.mark);
            let component = registry.by_name(name).ok_or_else(|| {
                let hint = did_you_mean(name, registry.iter().map(|known| known.name.as_str()));
                let problem = self.problem(mark, &field, format!("there is no component `{name}`{hint}"));
                problem.because(Missing::Component(name.as_str().into()))
            })?;
            let own = components.0.entry(component.id).or_default();
            for (name, Marked { value, mark }) in variables {
                let field = format!("{field}.{name}");
                let variable = component.variable(name).ok_or_else(|| {
                    let hint =
                        did_you_mean(name, component.variables.iter().map(|known| known.draft.name.as_str()));
                    let message = format!("component `{}` has no variable `{name}`{hint}", component.name);
                    self.problem(*mark, &field, message)
                })?;
                let value = self.value(&field, *mark, value, variable.kind(), resolve)?;
                own.insert(variable.id, value);
            }
        }
        Ok(components)
    }

    /// One value of a known kind.
    pub fn value(
        &self,
        field: &str,
        mark: Mark,
        written: &Written,
        kind: ValueKind,
        resolve: Resolve<'_>,
    ) -> Result<Value, Problem> {
        let value = convert(written, kind, resolve).and_then(|value| match value.check() {
            Ok(()) => Ok(value),
            Err(error) => Err(error.to_string().into()),
        });
        value.map_err(|fault| self.fault(mark, field, fault))
    }
}

fn convert(written: &Written, kind: ValueKind, resolve: Resolve<'_>) -> Result<Value, Fault> {
    let value = match (kind, written) {
        (ValueKind::Bool, Written::Bool(value)) => Value::Bool(*value),
        (ValueKind::Int, Written::Int(value)) => Value::Int(*value),
        (ValueKind::Float, number) if float(number).is_some() => {
            Value::Float(float(number).unwrap_or_default())
        }
        (ValueKind::Text, Written::Text(text)) => Value::Text(text.as_str().into()),
        (ValueKind::Entity, Written::Text(text)) => Value::Entity(resolve(&Reference::read(text)?)?),
        (ValueKind::Entity, Written::Int(number)) => {
            Value::Entity(resolve(&Reference::read(&number.to_string())?)?)
        }
        (ValueKind::Entity, Written::Large(number)) => {
            Value::Entity(resolve(&Reference::read(&number.to_string())?)?)
        }
        (ValueKind::Vector, Written::List(list)) => {
            let numbers: Vec<_> = list.iter().map_while(float).collect();
            Value::Vector(numbers.try_into().map_err(|_| wrong(kind, written))?)
        }
        (ValueKind::Bytes, Written::Text(text)) => {
            let bytes =
                BASE64_STANDARD.decode(text).map_err(|error| format!("it takes base64 text: {error}"))?;
            Value::Bytes(bytes.into())
        }
        (ValueKind::IntList, Written::List(list)) => {
            let int = |item: &Written| match item {
                Written::Int(value) => Ok(*value),
                _ => Err(wrong_item(kind, item)),
            };
            Value::IntList(list.iter().map(int).collect::<Result<_, _>>()?)
        }
        (ValueKind::FloatList, Written::List(list)) => {
            let number = |item: &Written| float(item).ok_or_else(|| wrong_item(kind, item));
            Value::FloatList(list.iter().map(number).collect::<Result<_, _>>()?)
        }
        (ValueKind::TextList, Written::List(list)) => {
            let text = |item: &Written| match item {
                Written::Text(text) => Ok(Arc::from(text.as_str())),
                _ => Err(wrong_item(kind, item)),
            };
            Value::TextList(list.iter().map(text).collect::<Result<_, _>>()?)
        }
        _ => return Err(wrong(kind, written).into()),
    };
    Ok(value)
}

/// A number as a float, unless it is a whole number that no float is.
fn float(written: &Written) -> Option<f64> {
    match written {
        Written::Float(value) => Some(*value),
        Written::Int(value) if value.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS => Some(*value as f64),
        _ => None,
    }
}

fn wrong(kind: ValueKind, written: &Written) -> String {
    let takes = match kind {
        ValueKind::Bool => "true or false",
        ValueKind::Int => "a whole number from -9223372036854775808 to 9223372036854775807",
        ValueKind::Float => "a number (a whole one above 2^53 with a decimal point)",
        ValueKind::Text => "a text (put it into quotes)",
        ValueKind::Entity => "the key or id of an entity",
        ValueKind::Vector => "a list of three numbers",
        ValueKind::Bytes => "base64 text",
        ValueKind::IntList => "a list of whole numbers",
        ValueKind::FloatList => "a list of numbers",
        ValueKind::TextList => "a list of texts",
    };
    format!("it takes {takes}, not {}", written.describe())
}

fn wrong_item(kind: ValueKind, item: &Written) -> String {
    format!("it takes a {kind}, but {} is in it", item.describe())
}
