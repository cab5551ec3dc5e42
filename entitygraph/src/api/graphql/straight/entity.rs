//! Plain fields of an entity.

use std::io::Write;

use async_graphql::parser::types::{Field, Selection, SelectionSet};
use entitygraph_schema::{Entity, EntityId, Pose};

use super::key;
use crate::Graph;

/// Fields of `Entity` that are written without its resolvers: the entity has them, or, for `parent`, the cache.
pub const PLAIN_FIELDS: [&str; 15] = [
    "__typename",
    "epoch",
    "id",
    "kind",
    "labels",
    "layer",
    "name",
    "ordinal",
    "owner",
    "parent",
    "port",
    "pose",
    "radius",
    "revision",
    "root",
];

/// Something that the answer needs is not in the cache.
#[derive(Debug)]
pub struct Missing;

/// A selection on an entity, compiled.
#[derive(Debug)]
pub struct EntityWriter {
    fields: Vec<(Box<[u8]>, Plain)>,
}

#[derive(Debug)]
enum Plain {
    Typename,
    Epoch,
    Id,
    Kind,
    Labels,
    Layer,
    Name,
    Ordinal,
    Owner,
    Parent(EntityWriter),
    Port,
    Pose(Vec<(Box<[u8]>, PosePart)>),
    Radius,
    Revision,
    Root,
}

#[derive(Debug)]
enum PosePart {
    Typename,
    Position,
    Rotation,
}

/// The plain field that a selection is, if it is one.
pub(super) fn plain(selection: &Selection) -> Option<&Field> {
    match selection {
        Selection::Field(field) if field.node.arguments.is_empty() && field.node.directives.is_empty() => {
            Some(&field.node)
        }
        _ => None,
    }
}

impl EntityWriter {
    /// Compiles the selection; `None` if it has anything that is not plain.
    pub fn compile(set: &SelectionSet) -> Option<Self> {
        let fields = set.items.iter().map(|selection| {
            let field = plain(&selection.node)?;
            let inner = &field.selection_set.node;
            let plain = match field.name.node.as_str() {
                "__typename" => Plain::Typename,
                "epoch" => Plain::Epoch,
                "id" => Plain::Id,
                "kind" => Plain::Kind,
                "labels" => Plain::Labels,
                "layer" => Plain::Layer,
                "name" => Plain::Name,
                "ordinal" => Plain::Ordinal,
                "owner" => Plain::Owner,
                "parent" => Plain::Parent(Self::compile(inner)?),
                "port" => Plain::Port,
                "pose" => Plain::Pose(pose_parts(inner)?),
                "radius" => Plain::Radius,
                "revision" => Plain::Revision,
                "root" => Plain::Root,
                _ => return None,
            };
            Some((key(field.response_key().node.as_str()), plain))
        });
        fields.collect::<Option<Vec<_>>>().map(|fields| Self { fields })
    }

    /// What the schema's complexity is of one entity.
    pub fn cost(&self) -> usize {
        let costs = self.fields.iter().map(|(_, field)| match field {
            Plain::Parent(parent) => 1 + parent.cost(),
            Plain::Pose(parts) => 1 + parts.len(),
            _ => 1,
        });
        costs.sum()
    }

    fn asks_the_id_alone(&self) -> bool {
        self.fields.iter().all(|(_, field)| matches!(field, Plain::Id | Plain::Typename))
    }

    /// Writes an entity of which only the id is asked.
    fn write_id(&self, id: EntityId, out: &mut Vec<u8>) {
        object(&self.fields, out, |field, out| match field {
            Plain::Typename => out.extend_from_slice(b"\"Entity\""),
            // Nothing else is asked.
            _ => quoted(id.get(), out),
        });
    }

    /// Writes the entity as a JSON object. After an error `out` ends in the middle of it.
    pub fn write(&self, entity: &Entity, graph: &Graph, out: &mut Vec<u8>) -> Result<(), Missing> {
        try_object(&self.fields, out, |field, out| {
            match field {
                Plain::Typename => out.extend_from_slice(b"\"Entity\""),
                Plain::Epoch => quoted(entity.epoch.number(), out),
                Plain::Id => quoted(entity.id.get(), out),
                Plain::Kind => word(entity.kind.as_str(), out),
                Plain::Labels => list(entity.labels.iter(), |label, out| word(label.as_str(), out), out),
                Plain::Layer => number(entity.layer.number(), out),
                Plain::Name => text(entity.name.as_str(), out),
                Plain::Ordinal => quoted(entity.ordinal, out),
                Plain::Owner => optional(entity.owner.as_ref(), |owner, out| word(owner.as_str(), out), out),
                Plain::Port => {
                    optional(entity.placement.port.as_ref(), |port, out| word(port.as_str(), out), out)
                }
                Plain::Pose(parts) => {
                    optional(entity.placement.pose.as_ref(), |pose, out| write_pose(parts, pose, out), out)
                }
                Plain::Radius => float(entity.radius, out),
                Plain::Revision => quoted(entity.revision.number(), out),
                Plain::Root => out.extend_from_slice(if entity.root { b"true" } else { b"false" }),
                Plain::Parent(writer) => match entity.placement.parent {
                    None => out.extend_from_slice(b"null"),
                    // An entity is never without its parent: the id is enough.
                    Some(parent) if writer.asks_the_id_alone() => writer.write_id(parent, out),
                    Some(parent) => {
                        writer.write(&*graph.cached_entity(parent).ok_or(Missing)?, graph, out)?
                    }
                },
            }
            Ok(())
        })
    }
}

fn pose_parts(set: &SelectionSet) -> Option<Vec<(Box<[u8]>, PosePart)>> {
    let parts = set.items.iter().map(|selection| {
        let field = plain(&selection.node)?;
        let part = match field.name.node.as_str() {
            "__typename" => PosePart::Typename,
            "position" => PosePart::Position,
            "rotation" => PosePart::Rotation,
            _ => return None,
        };
        Some((key(field.response_key().node.as_str()), part))
    });
    parts.collect()
}

fn write_pose(parts: &[(Box<[u8]>, PosePart)], pose: &Pose, out: &mut Vec<u8>) {
    object(parts, out, |part, out| match part {
        PosePart::Typename => out.extend_from_slice(b"\"Pose\""),
        PosePart::Position => list(pose.translation().to_array(), float, out),
        PosePart::Rotation => list(pose.rotation().to_array(), float, out),
    });
}

/// A JSON object of compiled fields, each written behind its key.
fn object<T>(fields: &[(Box<[u8]>, T)], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    let written = try_object(fields, out, |field, out| {
        write(field, out);
        Ok::<_, std::convert::Infallible>(())
    });
    let Ok(()) = written;
}

/// The same where a value may be missing; `out` ends in the middle of it then.
pub(super) fn try_object<T, E>(
    fields: &[(Box<[u8]>, T)],
    out: &mut Vec<u8>,
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    out.push(b'{');
    for (index, (key, field)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key);
        write(field, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn list<T>(items: impl IntoIterator<Item = T>, write: impl Fn(T, &mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

fn optional<T>(item: Option<T>, write: impl Fn(T, &mut Vec<u8>), out: &mut Vec<u8>) {
    match item {
        Some(item) => write(item, out),
        None => out.extend_from_slice(b"null"),
    }
}

// Writing to a `Vec` cannot fail, neither by `Write` nor by serde_json, which fails on maps with odd keys alone.

/// A 64-bit number as a decimal string.
fn quoted(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.push(b'"');
}

fn number(number: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

pub(super) fn float(float: f64, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, &float);
}

/// A text of letters, digits and `_ - . : /`, which JSON needs no escape for.
fn word(word: &str, out: &mut Vec<u8>) {
    let _ = write!(out, "\"{word}\"");
}

fn text(text: &str, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, text);
}
