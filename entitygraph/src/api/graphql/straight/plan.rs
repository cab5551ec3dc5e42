//! Whole documents: entities by id and trees, from the cache.

use async_graphql::{
    Name, ScalarType, Value as Const, Variables,
    parser::types::{DocumentOperations, ExecutableDocument, Field, OperationType, Selection, SelectionSet},
};
use async_graphql_value::Value;
use entitygraph_schema::{EntityId, query::Extent};

use super::{EntityWriter, Flat, entity::plain, key};
use crate::{
    Graph,
    api::graphql::{page::tree_cost, scalar::Id},
};

/// A document of which every field can be answered from the cache: `entity`, `entities` and `subtree` with plain fields.
///
/// It is made only of documents that the executor has run without an error, so everything about them that does not depend
/// on variables is known to be right. What does, is checked here; where it is wrong, the executor says so.
#[derive(Debug)]
pub struct Plan {
    fields: Vec<(Box<[u8]>, Question)>,
}

#[derive(Debug)]
enum Question {
    Entity { id: Argument, writer: EntityWriter },
    Entities { ids: Argument, writer: EntityWriter },
    Subtree { id: Argument, extent: Extent, parts: Vec<(Box<[u8]>, TreePart)> },
}

#[derive(Debug)]
enum TreePart {
    Cursor,
    Count,
    Nodes(EntityWriter),
}

/// The value of an argument.
#[derive(Debug)]
enum Argument {
    Given(Const),
    Variable(Name),
}

impl Argument {
    fn value<'a>(&'a self, variables: &'a Variables) -> Option<&'a Const> {
        match self {
            Self::Given(value) => Some(value),
            Self::Variable(name) => variables.get(name),
        }
    }
}

impl Plan {
    /// The plan of a document with one operation; `None` if it asks for anything else.
    pub fn compile(document: &ExecutableDocument) -> Option<Self> {
        let operation = match &document.operations {
            DocumentOperations::Single(operation) => operation,
            DocumentOperations::Multiple(operations) if operations.len() == 1 => {
                operations.values().next()?
            }
            DocumentOperations::Multiple(_) => return None,
        };
        let operation = &operation.node;
        if operation.ty != OperationType::Query || !operation.directives.is_empty() || !Flat::says(document) {
            return None;
        }
        let fields = operation.selection_set.node.items.iter().map(|selection| match &selection.node {
            Selection::Field(field) => {
                Some((key(field.node.response_key().node.as_str()), Question::compile(&field.node)?))
            }
            _ => None,
        });
        fields.collect::<Option<Vec<_>>>().map(|fields| Self { fields })
    }

    /// The answer, as it is sent; `None` if the executor must give it.
    pub fn answer(&self, graph: &Graph, variables: &Variables) -> Option<Vec<u8>> {
        let mut cost = 0;
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(b"{\"data\":{");
        for (index, (key, question)) in self.fields.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key);
            cost += question.write(graph, variables, &mut out)?;
        }
        out.extend_from_slice(b"}}");
        (cost <= graph.config().limits.query_complexity).then_some(out)
    }
}

impl Question {
    fn compile(field: &Field) -> Option<Self> {
        if !field.directives.is_empty() {
            return None;
        }
        let set = &field.selection_set.node;
        match field.name.node.as_str() {
            "entity" => {
                Some(Self::Entity { id: only_argument(field, "id")?, writer: EntityWriter::compile(set)? })
            }
            "entities" => Some(Self::Entities {
                ids: only_argument(field, "ids")?,
                writer: EntityWriter::compile(set)?,
            }),
            "subtree" => {
                let mut extent = Extent::All;
                let mut id = None;
                for (name, value) in &field.arguments {
                    match (name.node.as_str(), &value.node) {
                        ("id", value) => id = Some(argument(value)?),
                        ("depth", Value::Number(depth)) => {
                            extent = Extent::Depth(u32::try_from(depth.as_u64()?).ok()?)
                        }
                        ("extent", Value::Enum(name)) if !matches!(extent, Extent::Depth(_)) => {
                            extent = if name == "AGGREGATE" { Extent::Aggregate } else { Extent::All };
                        }
                        _ => return None,
                    }
                }
                Some(Self::Subtree { id: id?, extent, parts: tree_parts(set)? })
            }
            _ => None,
        }
    }

    /// Writes the answer; returns what it cost. `None` if the executor must give it.
    fn write(&self, graph: &Graph, variables: &Variables, out: &mut Vec<u8>) -> Option<usize> {
        match self {
            Self::Entity { id, writer } => {
                let entity = graph.cached_entity(entity_id(id.value(variables)?)?)?;
                writer.write(&entity, graph, out).ok()?;
                Some(1 + writer.cost())
            }
            Self::Entities { ids, writer } => {
                let Const::List(ids) = ids.value(variables)? else { return None };
                if ids.len() > graph.config().limits.page_rows {
                    return None;
                }
                out.push(b'[');
                for (index, id) in ids.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    let entity = graph.cached_entity(entity_id(id)?)?;
                    writer.write(&entity, graph, out).ok()?;
                }
                out.push(b']');
                Some(1 + ids.len() * writer.cost())
            }
            Self::Subtree { id, extent, parts } => {
                // Taken before the tree is, so that everything up to it is in the tree.
                let cursor = *graph.applied().borrow();
                let tree = graph.cached_subtree(entity_id(id.value(variables)?)?, *extent)?;
                let mut cost = 1;
                out.push(b'{');
                for (index, (key, part)) in parts.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(key);
                    cost += match part {
                        TreePart::Cursor => {
                            out.extend_from_slice(format!("\"{cursor}\"").as_bytes());
                            1
                        }
                        TreePart::Count => {
                            out.extend_from_slice(format!("\"{}\"", tree.len()).as_bytes());
                            1
                        }
                        TreePart::Nodes(writer) => {
                            out.push(b'[');
                            for (index, entity) in tree.iter().enumerate() {
                                if index > 0 {
                                    out.push(b',');
                                }
                                writer.write(entity, graph, out).ok()?;
                            }
                            out.push(b']');
                            tree_cost(writer.cost())
                        }
                    };
                }
                out.push(b'}');
                Some(cost)
            }
        }
    }
}

fn tree_parts(set: &SelectionSet) -> Option<Vec<(Box<[u8]>, TreePart)>> {
    let parts = set.items.iter().map(|selection| {
        let field = plain(&selection.node)?;
        let part = match field.name.node.as_str() {
            "cursor" => TreePart::Cursor,
            "count" => TreePart::Count,
            "nodes" => TreePart::Nodes(EntityWriter::compile(&field.selection_set.node)?),
            _ => return None,
        };
        Some((key(field.response_key().node.as_str()), part))
    });
    parts.collect()
}

fn only_argument(field: &Field, name: &str) -> Option<Argument> {
    match field.arguments.as_slice() {
        [(found, value)] if found.node == name => argument(&value.node),
        _ => None,
    }
}

/// A constant, or a variable that stands alone.
fn argument(value: &Value) -> Option<Argument> {
    match value {
        Value::Variable(name) => Some(Argument::Variable(name.clone())),
        value => value.clone().into_const().map(Argument::Given),
    }
}

fn entity_id(value: &Const) -> Option<EntityId> {
    match value {
        Const::String(text) => text.parse().ok(),
        value => Id::parse(value.clone()).ok().map(|id| id.0),
    }
}
