//! The two sorts of values whose form in a file is freer than one type: variables, and references to entities.

use std::{borrow::Cow, fmt};

use entitygraph_schema::EntityId;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};

/// The value of a variable as it was written, before its component says what it should be.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that only fits unsigned.
    Large(u64),
    /// A number with a fraction or exponent, or too large for 64 bits; may be NaN or infinite.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Written>),
    /// Nothing.
    Null,
}

impl Written {
    /// What it is, for messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Bool(value) => format!("the bool {value}"),
            Self::Int(value) => format!("the number {value}"),
            Self::Large(value) => format!("the number {value}"),
            Self::Float(value) => format!("the number {value}"),
            Self::Text(text) if text.chars().count() <= 40 => format!("the text `{text}`"),
            Self::Text(_) => String::from("a long text"),
            Self::List(list) => format!("a list of {}", list.len()),
            Self::Null => String::from("nothing"),
        }
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a bool, a number, a text or a list of them")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Written, E> {
                Ok(Written::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Written, E> {
                Ok(Written::Int(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Written, E> {
                Ok(i64::try_from(value).map_or(Written::Large(value), Written::Int))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Written, E> {
                Ok(Written::Float(value))
            }
            fn visit_str<E>(self, text: &str) -> Result<Written, E> {
                Ok(Written::Text(text.to_owned()))
            }
            fn visit_unit<E>(self) -> Result<Written, E> {
                Ok(Written::Null)
            }
            fn visit_none<E>(self) -> Result<Written, E> {
                Ok(Written::Null)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Written::List(items))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Large(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => list.serialize(serializer),
            Self::Null => serializer.serialize_unit(),
        }
    }
}

impl JsonSchema for Written {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let scalar = ["boolean", "number", "string"];
        json_schema!({
            "description": "The value of a variable. What it must be says the variable's `type`: a vector is a list of \
                three numbers, bytes are base64 text, an entity is a key or an id.",
            "anyOf": [
                { "type": scalar },
                { "type": "array", "items": { "type": scalar } },
            ],
        })
    }
}

/// An entity as files name it: the key of one in the files, or an id. Ids are texts of digits, because other programs'
/// numbers end at 2^53; plain whole numbers are understood as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// Chosen by the author.
    Key(String),
    /// Any entity of the store.
    Id(EntityId),
}

impl Reference {
    /// Digits are an id, everything else a key.
    pub fn read(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.parse().map(Self::Id).map_err(|error: entitygraph_schema::id::IdError| error.to_string())
        } else {
            Ok(Self::Key(text.to_owned()))
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Id(id) => id.fmt(f),
        }
    }
}

struct ReferenceVisitor;

impl Visitor<'_> for ReferenceVisitor {
    type Value = Reference;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key of an entity, or an id from 1 to 18446744073709551615")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Reference, E> {
        Reference::read(text).map_err(E::custom)
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Reference, E> {
        let wrong = || E::invalid_value(de::Unexpected::Unsigned(number), &self);
        EntityId::new(number).map(Reference::Id).ok_or_else(wrong)
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Reference, E> {
        let unsigned = u64::try_from(number);
        unsigned.map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self)).and_then(|n| self.visit_u64(n))
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Reference, E> {
        Err(E::invalid_value(de::Unexpected::Float(number), &self))
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReferenceVisitor)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Reference {
    fn schema_name() -> Cow<'static, str> {
        "Reference".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The key of an entity in the files, or the id of any entity as a text of digits.",
            "type": ["string", "integer"],
            "minLength": 1,
            "minimum": 1,
        })
    }
}

/// An entity id: digits as a text, or a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub EntityId);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(ReferenceVisitor)? {
            Reference::Id(id) => Ok(Self(id)),
            Reference::Key(text) => Err(de::Error::custom(format!(
                "`{text}` is not an entity id: expected a whole number from 1 to 18446744073709551615; a name goes into `key`"
            ))),
        }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "EntityId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An entity id as a text of digits, from 1 to 18446744073709551615.",
            "type": ["string", "integer"],
            "pattern": "^[1-9][0-9]{0,19}$",
            "minimum": 1,
        })
    }
}
