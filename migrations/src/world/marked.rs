//! Values that know where they were written, so that what is wrong with them can be shown there.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_saphyr::Spanned;

/// Line and column in a document, both counted from 1; zeros in a value that was not read from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// From the first line of the document.
    pub line: u32,
    /// In characters.
    pub column: u32,
}

/// A value and where it was written. In files, and in comparisons, it is the value alone.
#[derive(Debug, Clone)]
pub struct Marked<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub mark: Mark,
}

impl<T> Marked<T> {
    /// A value that was not read from a file.
    pub fn unmarked(value: T) -> Self {
        Self { value, mark: Mark::default() }
    }
}

impl<T: PartialEq> PartialEq for Marked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Marked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::deserialize(deserializer)?;
        let column = u32::try_from(referenced.column()).unwrap_or(u32::MAX);
        let line = u32::try_from(referenced.line()).unwrap_or(u32::MAX);
        Ok(Self { value, mark: Mark { line, column } })
    }
}

impl<T: Serialize> Serialize for Marked<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Marked<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }
}
