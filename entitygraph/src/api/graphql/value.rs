//! Values of variables between JSON and the model. JSON cannot tell an id from a text or an integer from a float, so
//! input is read as the kind that the registry has for the variable.

use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{InputObject, Value as Const};
use base64::{Engine, engine::general_purpose::STANDARD};
use entitygraph_schema::{
    Catalog, ComponentId, ComponentPatch, ComponentType, Components, Refusal, Value, ValueKind, Variable,
};

use super::scalar::{self, floats, list, number, shown, whole};

/// A value to be set.
#[derive(Debug, Clone, InputObject)]
pub struct VariableInput {
    /// Name of the component type.
    pub component: String,
    /// Name of the variable.
    pub variable: String,
    /// Read as the variable's kind; null goes back to the container's value or the default.
    pub value: Option<scalar::Value>,
}

pub(super) fn to_json(value: &Value) -> Const {
    match value {
        Value::Bool(value) => Const::Boolean(*value),
        Value::Int(value) => Const::String(value.to_string()),
        Value::Float(value) => number(*value),
        Value::Text(text) => Const::String(text.to_string()),
        Value::Entity(id) => Const::String(id.to_string()),
        Value::Vector(parts) => list(*parts),
        Value::Bytes(bytes) => Const::String(STANDARD.encode(bytes)),
        Value::IntList(values) => {
            Const::List(values.iter().map(|value| Const::String(value.to_string())).collect())
        }
        Value::FloatList(values) => list(values.iter().copied()),
        Value::TextList(texts) => {
            Const::List(texts.iter().map(|text| Const::String(text.to_string())).collect())
        }
    }
}

/// Reads JSON as a value of this kind, or says why it is none.
pub(super) fn from_json(kind: ValueKind, json: &Const) -> Result<Value, String> {
    let int = |json: &Const| whole(json).and_then(|number| i64::try_from(number).ok());
    let float = |json: &Const| if let Const::Number(number) = json { number.as_f64() } else { None };
    let text = |json: &Const| {
        if let Const::String(text) = json { Some(Arc::<str>::from(text.as_str())) } else { None }
    };
    fn each<T>(json: &Const, read: impl Fn(&Const) -> Option<T>) -> Option<Vec<T>> {
        if let Const::List(list) = json { list.iter().map(read).collect() } else { None }
    }
    let (read, expected) = match kind {
        ValueKind::Bool => {
            (if let Const::Boolean(value) = json { Some(Value::Bool(*value)) } else { None }, "true or false")
        }
        ValueKind::Int => (int(json).map(Value::Int), "a 64-bit integer as a number or a decimal string"),
        ValueKind::Float => (float(json).map(Value::Float), "a finite number"),
        ValueKind::Text => (text(json).map(Value::Text), "a string"),
        ValueKind::Entity => {
            let id = <scalar::Id as async_graphql::ScalarType>::parse(json.clone()).ok();
            (id.map(|id| Value::Entity(id.0)), "an entity id as a decimal string")
        }
        ValueKind::Vector => (floats::<3>(json).map(Value::Vector), "three numbers [x, y, z]"),
        ValueKind::Bytes => {
            let bytes = text(json).and_then(|text| STANDARD.decode(text.as_bytes()).ok());
            (bytes.map(|bytes| Value::Bytes(bytes.into())), "a string in base64")
        }
        ValueKind::IntList => {
            (each(json, int).map(|list| Value::IntList(list.into())), "a list of 64-bit integers")
        }
        ValueKind::FloatList => {
            (each(json, float).map(|list| Value::FloatList(list.into())), "a list of numbers")
        }
        ValueKind::TextList => {
            (each(json, text).map(|list| Value::TextList(list.into())), "a list of strings")
        }
    };
    let value = read.ok_or_else(|| format!("send {expected}, not {}", shown(json)))?;
    value.check().map_err(|error| error.to_string())?;
    Ok(value)
}

/// The component type of this name.
pub(super) fn component<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Arc<ComponentType>, Refusal> {
    catalog.registry.by_name(name).ok_or_else(|| Refusal::UnknownComponent { component: name.to_owned() })
}

/// The variable of this name.
pub(super) fn variable<'a>(component: &'a ComponentType, name: &str) -> Result<&'a Variable, Refusal> {
    let unknown =
        || Refusal::UnknownVariable { component: component.name.clone(), variable: name.to_owned() };
    component.variable(name).ok_or_else(unknown)
}

/// Values to be set, by component; components that are only named are there with no own value.
pub(super) fn patches(
    catalog: &Catalog,
    named: &[String],
    values: &[VariableInput],
) -> Result<BTreeMap<ComponentId, ComponentPatch>, Refusal> {
    let mut patches = BTreeMap::new();
    for name in named {
        patches.entry(component(catalog, name)?.id).or_insert_with(ComponentPatch::default);
    }
    for input in values {
        let component = component(catalog, &input.component)?;
        let (variable, value) = match &input.value {
            None | Some(scalar::Value(Const::Null)) => {
                // What is still held of a retired one can be cleared.
                let held = variable(component, &input.variable)
                    .or_else(|unknown| component.retired_by_name(&input.variable).ok_or(unknown))?;
                (held, None)
            }
            Some(scalar::Value(json)) => {
                let variable = variable(component, &input.variable)?;
                let expected = variable.kind();
                let (component, name) = (component.name.clone(), variable.draft.name.clone());
                let refused = |reason| Refusal::NotOfKind { component, variable: name, expected, reason };
                (variable, Some(from_json(expected, json).map_err(refused)?))
            }
        };
        let patch = patches.entry(component.id).or_default();
        if patch.variables.insert(variable.id, value).is_some() {
            let (component, variable) = (component.name.clone(), variable.draft.name.clone());
            return Err(Refusal::VariableTwice { component, variable });
        }
    }
    Ok(patches)
}

/// Values that something is made with; a null leaves the variable as its container has it.
pub(super) fn components(
    catalog: &Catalog,
    named: &[String],
    values: &[VariableInput],
) -> Result<Components, Refusal> {
    let mut components = Components::default();
    for (component, patch) in patches(catalog, named, values)? {
        let set = components.0.entry(component).or_default();
        set.extend(patch.variables.into_iter().filter_map(|(variable, value)| Some((variable, value?))));
    }
    Ok(components)
}
