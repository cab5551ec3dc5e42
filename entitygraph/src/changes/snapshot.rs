//! A scope as it is, read from the store.

use std::sync::Arc;

use entitygraph_schema::{
    Cursor, Entity, EntityId, Refusal,
    query::{At, Extent, Facet, Near, Page, PageRequest},
};

use super::scope::Scope;
use crate::service::{Graph, Result};

/// Entities of a scope, parents first, and the moment they are true for; they may be newer, never older.
pub(super) async fn snapshot(graph: &Graph, scope: &Scope) -> Result<At<Arc<[Arc<Entity>]>>> {
    let store = graph.store();
    let max = graph.config().limits.subtree_entities;
    match scope {
        Scope::Entity(id) => {
            let mut answer = graph.ask("entities", store.entities(&[*id])).await?;
            let entity = answer.value.pop().flatten().ok_or(Refusal::UnknownEntity { entity: *id })?;
            Ok(At { cursor: answer.cursor, value: [entity].into() })
        }
        Scope::Subtree(id) => whole(graph, *id, Extent::All, max).await,
        Scope::Aggregate(id) => whole(graph, *id, Extent::Aggregate, max).await,
        Scope::Zone(id) => {
            let answer = whole(graph, *id, Extent::Zone, max).await?;
            match answer.value.first() {
                Some(host) if host.zone.is_none() => Err(Refusal::NotAZone { entity: *id }.into()),
                _ => Ok(answer),
            }
        }
        Scope::Container(id) => found(graph, Facet::Container(*id), max).await,
        Scope::Label(label) => found(graph, Facet::Label(label.clone()), max).await,
        Scope::Sphere(sphere) => {
            let hits = graph.ask("near", store.near(&Near::from(sphere))).await?;
            let ids: Vec<_> = hits.value.iter().map(|hit| hit.entity).collect();
            if ids.len() > max {
                return Err(too_large(max));
            }
            by_id(graph, hits.cursor, &ids).await
        }
    }
}

async fn whole(graph: &Graph, root: EntityId, extent: Extent, max: usize) -> Result<At<Arc<[Arc<Entity>]>>> {
    let answer = graph.ask("subtree", graph.store().subtree(root, extent, PageRequest::first(max))).await?;
    let rows = complete(answer.value, max)?;
    Ok(At { cursor: answer.cursor, value: rows.into() })
}

async fn found(graph: &Graph, facet: Facet, max: usize) -> Result<At<Arc<[Arc<Entity>]>>> {
    let answer = graph.ask("find", graph.store().find(None, &[facet], PageRequest::first(max))).await?;
    let ids = complete(answer.value, max)?;
    by_id(graph, answer.cursor, &ids).await
}

/// The entities that still exist; what was buried since is told of in the transactions after the cursor.
pub(super) async fn by_id(graph: &Graph, cursor: Cursor, ids: &[EntityId]) -> Result<At<Arc<[Arc<Entity>]>>> {
    let answer = graph.ask("entities", graph.store().entities(ids)).await?;
    Ok(At { cursor, value: answer.value.into_iter().flatten().collect() })
}

fn complete<T>(page: Page<T>, max: usize) -> Result<Vec<T>> {
    if page.more { Err(too_large(max)) } else { Ok(page.rows.into_iter().map(|(row, _)| row).collect()) }
}

fn too_large(max: usize) -> entitygraph_store::Error {
    let (count, max) = (max as u64 + 1, max as u64);
    Refusal::TooMany { what: "entities in the scope: follow a smaller one", count, max }.into()
}
