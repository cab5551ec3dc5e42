//! Answers as JSON.
//!
//! The executor keeps the fields of an object in the order in which their values were ready. The specification wants them in
//! the order of the query (GraphQL, October 2021, 7.2.2), and people read them in that order, so that is how they are written. A
//! key has the place where the query mentions it first, also where that mention is skipped or of another type.

use std::collections::HashMap;

use async_graphql::{
    Name, Response, Value,
    parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};
use bytes::Bytes;

/// The response keys of a selection, in the order of the query, each with those inside it.
#[derive(Debug, Default, PartialEq)]
pub struct Shape {
    fields: Vec<(Name, Shape)>,
}

impl Shape {
    /// That of a scalar.
    pub const NONE: Self = Self { fields: Vec::new() };

    /// The shape of an operation's answer. The document must be valid: a fragment inside itself has no end.
    pub fn of(operation: &OperationDefinition, document: &ExecutableDocument) -> Self {
        Self::of_sets(&[&operation.selection_set.node], document)
    }

    /// A key keeps the place where it came first; the selections of its fields are one.
    fn of_sets(sets: &[&SelectionSet], document: &ExecutableDocument) -> Self {
        let mut keys = Keys::default();
        for set in sets {
            keys.collect(set, document);
        }
        let fields = keys.in_order.into_iter();
        Self { fields: fields.map(|(key, sets)| (key.clone(), Self::of_sets(&sets, document))).collect() }
    }

    /// Writes a value of this shape as JSON.
    ///
    /// # Errors
    /// Those of serde_json, which has none for what the executor answers.
    pub fn write(&self, value: &Value, out: &mut Vec<u8>) -> serde_json::Result<()> {
        match value {
            Value::Binary(json) => out.extend_from_slice(json),
            Value::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.write(item, out)?;
                }
                out.push(b']');
            }
            // What has no fields in the query is a scalar, and may be an object nevertheless.
            Value::Object(object) if !self.fields.is_empty() => {
                let mut separator = b'{';
                for (key, shape) in &self.fields {
                    // Fields of a fragment on another type, and skipped ones, are not there.
                    if let Some(value) = object.get(key) {
                        out.push(separator);
                        separator = b',';
                        serde_json::to_writer(&mut *out, key.as_str())?;
                        out.push(b':');
                        shape.write(value, out)?;
                    }
                }
                if separator == b'{' {
                    out.push(separator);
                }
                out.push(b'}');
            }
            other => serde_json::to_writer(out, other)?,
        }
        Ok(())
    }
}

/// The fields of one object, by response key.
#[derive(Default)]
struct Keys<'a> {
    in_order: Vec<(&'a Name, Vec<&'a SelectionSet>)>,
    places: HashMap<&'a Name, usize>,
}

impl<'a> Keys<'a> {
    fn collect(&mut self, set: &'a SelectionSet, document: &'a ExecutableDocument) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let key = &field.node.response_key().node;
                    let place = *self.places.entry(key).or_insert_with(|| {
                        self.in_order.push((key, Vec::new()));
                        self.in_order.len() - 1
                    });
                    self.in_order[place].1.push(&field.node.selection_set.node);
                }
                Selection::InlineFragment(fragment) => {
                    self.collect(&fragment.node.selection_set.node, document)
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                        self.collect(&fragment.node.selection_set.node, document);
                    }
                }
            }
        }
    }
}

/// Whether the operation was executed. If not, the answer is nothing but errors of the request as a whole.
pub fn was_executed(answer: &Response) -> bool {
    answer.errors.is_empty()
        || answer.data != Value::Null
        || answer.errors.iter().any(|error| !error.path.is_empty())
}

/// A value that is JSON text already. No scalar of ours is binary, so that nothing a client stores looks like it.
pub fn written(json: Vec<u8>) -> Value {
    Value::Binary(Bytes::from(json))
}

#[cfg(test)]
mod tests {
    use async_graphql::{parser::parse_query, value};

    use super::*;

    fn written_as(query: &str, value: &Value) -> String {
        let document = parse_query(query).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let mut out = Vec::new();
        Shape::of(&operation.node, &document).write(value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_come_in_the_order_of_the_query_at_every_level_and_in_every_row() {
        let value = value!({ "c": [{ "y": 1, "x": 2 }, { "y": 3, "x": 4 }], "b": null, "a": "\"é" });
        let json = r#"{"a":"\"é","b":null,"c":[{"x":2,"y":1},{"x":4,"y":3}]}"#;
        assert_eq!(written_as("{ a b c { x y } }", &value), json);
    }

    #[test]
    fn a_key_keeps_the_place_where_it_came_first() {
        let value = value!({ "n": { "z": 3, "y": 2, "x": 1 }, "m": 0 });
        let query = "{ n { ...f } ... on Query { m n { x z } } } fragment f on N { x ... { y } }";
        assert_eq!(written_as(query, &value), r#"{"n":{"x":1,"y":2,"z":3},"m":0}"#);
    }

    #[test]
    fn what_another_type_has_is_left_out_and_an_alias_is_the_key() {
        let value = value!([{ "second": 1, "first": 2 }, {}]);
        let query = "{ ... on A { first: a } ... on B { b } second: c }";
        assert_eq!(written_as(query, &value), r#"[{"first":2,"second":1},{}]"#);
    }

    #[test]
    fn a_scalar_that_is_an_object_is_written_as_it_is_whatever_its_keys() {
        let forged = value!({ "value": { "$serde_json::private::RawValue": "}", "b": 1, "a": 2 } });
        let json = r#"{"value":{"$serde_json::private::RawValue":"}","b":1,"a":2}}"#;
        assert_eq!(written_as("{ value }", &forged), json);
    }

    #[test]
    fn text_that_is_json_goes_out_as_it_is() {
        let rows = (Name::new("rows"), written(br#"[{"a":1}]"#.to_vec()));
        let value = Value::Object([rows].into_iter().collect());
        assert_eq!(written_as("{ rows { a } }", &value), r#"{"rows":[{"a":1}]}"#);
    }
}
