//! Lists whose rows may be written straight.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, Value as Const,
    parser::types::{Field, SelectionSet},
    registry::Registry,
    resolver_utils::resolve_list,
};

use super::{
    EntityWriter, Flat,
    entity::{Missing, float, plain, try_object},
    key,
};
use crate::{
    Graph,
    api::graphql::{
        answer,
        context::Access,
        object::{
            component::ComponentType,
            container::Container,
            entity::Node,
            link::{EntityLink, Link},
            tree::Hit,
        },
    },
};

/// A row that can be part of a list.
pub trait Row: OutputType + Send + Sync + Sized {
    /// Writes all rows as a JSON array, or says that the executor must.
    fn write(_rows: &[&Self], _set: &SelectionSet, _graph: &Graph) -> Option<Vec<u8>> {
        None
    }
}

/// Rows of a list, in order.
pub struct List<'a, T>(pub Vec<&'a T>);

impl<T: Row> OutputType for List<'_, T> {
    fn type_name() -> Cow<'static, str> {
        <Vec<T> as OutputType>::type_name()
    }

    fn qualified_type_name() -> String {
        <Vec<T> as OutputType>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Vec<T> as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Const> {
        if ctx.data_opt::<Flat>().is_some() {
            let access: &Access = ctx.data_unchecked();
            if let Some(json) = T::write(&self.0, &ctx.item.node, access.graph()) {
                return Ok(answer::written(json));
            }
        }
        resolve_list(ctx, field, self.0.iter().copied(), Some(self.0.len())).await
    }
}

/// A JSON array of what `write` writes for each row.
fn array<T>(rows: &[&T], write: impl Fn(&T, &mut Vec<u8>) -> Result<(), Missing>) -> Option<Vec<u8>> {
    let mut out = vec![b'['];
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(row, &mut out).ok()?;
        if index == 0 {
            // Rows are about as long as the first.
            out.reserve(rows.len() * (out.len() + 8));
        }
    }
    out.push(b']');
    Some(out)
}

impl Row for Node {
    fn write(rows: &[&Self], set: &SelectionSet, graph: &Graph) -> Option<Vec<u8>> {
        let writer = EntityWriter::compile(set)?;
        array(rows, |row, out| writer.write(&row.0, graph, out))
    }
}

enum HitPart {
    Typename,
    Distance,
    Radius,
    Entity(EntityWriter),
}

impl Row for Hit {
    fn write(rows: &[&Self], set: &SelectionSet, graph: &Graph) -> Option<Vec<u8>> {
        let parts = set.items.iter().map(|selection| {
            let field = plain(&selection.node)?;
            let part = match field.name.node.as_str() {
                "__typename" => HitPart::Typename,
                "distance" => HitPart::Distance,
                "radius" => HitPart::Radius,
                "entity" => HitPart::Entity(EntityWriter::compile(&field.selection_set.node)?),
                _ => return None,
            };
            Some((key(field.response_key().node.as_str()), part))
        });
        let parts: Vec<_> = parts.collect::<Option<_>>()?;
        array(rows, |row, out| {
            try_object(&parts, out, |part, out| {
                match part {
                    HitPart::Typename => out.extend_from_slice(b"\"Hit\""),
                    HitPart::Distance => float(row.distance, out),
                    HitPart::Radius => float(row.radius, out),
                    HitPart::Entity(writer) => writer.write(&row.entity.0, graph, out)?,
                }
                Ok(())
            })
        })
    }
}

impl Row for Container {}
impl Row for ComponentType {}
impl Row for Link {}
impl Row for EntityLink {}
