//! Statements in Cypher: a name for messages and metrics, the text, and how its parameters are put in.
//!
//! Texts are constant, so that Neo4j plans each once. All of them stand in [`super::statements`], where a test asks the server for their
//! plans.

use neo4rs::{BoltList, BoltMap, BoltString, BoltType, Query};

/// A constant text of Cypher.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// What metrics call it.
    pub name: &'static str,
    /// What it does, for messages: "reading the children".
    pub doing: &'static str,
    /// Cypher.
    pub text: &'static str,
}

impl Statement {
    /// The statement with no parameters yet.
    pub fn query(self) -> Query {
        Query::new(self.text.to_owned())
    }
}

/// A row of a list parameter: names and values.
pub fn map<const N: usize>(entries: [(&str, BoltType); N]) -> BoltType {
    let mut map = BoltMap::with_capacity(N);
    for (name, value) in entries {
        map.put(BoltString::from(name), value);
    }
    BoltType::Map(map)
}

/// A list parameter.
pub fn list(values: impl IntoIterator<Item = BoltType>) -> BoltType {
    BoltType::List(BoltList { value: values.into_iter().collect() })
}

/// No value.
pub fn null() -> BoltType {
    BoltType::Null(neo4rs::BoltNull)
}

/// Bytes, as Bolt has them.
pub fn bytes(bytes: impl Into<bytes::Bytes>) -> BoltType {
    BoltType::Bytes(neo4rs::BoltBytes::new(bytes.into()))
}
