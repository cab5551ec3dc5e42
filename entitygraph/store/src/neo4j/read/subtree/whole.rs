//! A small subtree, read whole by one statement.

use std::{collections::HashMap, sync::Arc};

use entitygraph_schema::{
    Entity, EntityId, Refusal,
    query::{Extent, Page, PageRequest},
};

use super::{aspects, step};
use crate::{
    error::Result,
    memory::pages::Key,
    neo4j::{
        concern::Concern,
        moment::{Judged, Reading},
        number::shown,
        read::page,
        statement::Statement,
        statements as cypher,
    },
};

/// Fewest and most entities of a subtree that is read whole: in between it may have twice as many as the page wants.
const LEAST: usize = 64;
const MOST: usize = 2_048;

/// The statement that reads a whole extent; one of some levels is walked.
fn statement(extent: Extent) -> Option<Statement> {
    match extent {
        Extent::Depth(_) => None,
        Extent::All => Some(cypher::SUBTREE_ALL),
        Extent::Aggregate => Some(cypher::SUBTREE_AGGREGATE),
        Extent::Zone => Some(cypher::SUBTREE_ZONE),
    }
}

/// The first page of a subtree; none if it is too large to be read whole.
pub async fn whole(
    reading: &mut Reading<'_>,
    root: EntityId,
    extent: Extent,
    name: &str,
    request: &PageRequest,
) -> Result<Option<Judged<Page<Arc<Entity>>>>> {
    let Some(statement) = statement(extent) else { return Ok(None) };
    let most = (request.first * 2).clamp(LEAST, MOST);
    let query = statement
        .query()
        .param("id", shown(root))
        .param("limit", i64::try_from(most + 1).unwrap_or(i64::MAX));
    let shared = reading.shared();
    let row = reading.ask(statement, query).await?;
    let (count, found): (i64, Vec<&[u8]>) = shared.column(&row, "answer")?;
    if usize::try_from(count).unwrap_or(usize::MAX) > most {
        return Ok(None);
    }
    let found: Vec<Arc<Entity>> = found
        .into_iter()
        .map(|record| Ok(Arc::new(shared.decode("an entity", record)?)))
        .collect::<Result<_>>()?;
    let ids = found.iter().map(|entity| entity.id).chain([root]);
    let concern = Concern { aspects: aspects(extent), ..Concern::entities(ids) };
    let Some(itself) = found.iter().find(|entity| entity.id == root).cloned() else {
        return Ok(Some((concern, Err(Refusal::UnknownEntity { entity: root }))));
    };
    let mut below: HashMap<EntityId, Vec<&Arc<Entity>>> = HashMap::new();
    for entity in found.iter().filter(|entity| entity.id != root) {
        if let Some(parent) = entity.placement.parent {
            below.entry(parent).or_default().push(entity);
        }
    }
    below.values_mut().for_each(|children| children.sort_unstable_by_key(|child| (child.ordinal, child.id)));
    let mut rows = Vec::with_capacity(found.len());
    let mut open = vec![(Key::new(), &itself)];
    // One row more than the page says that there are more.
    while let Some((key, entity)) = open.pop().filter(|_| rows.len() <= request.first) {
        for child in below.get(&entity.id).into_iter().flatten().rev() {
            open.push((step(&key, child), *child));
        }
        rows.push((key, entity.clone()));
    }
    Ok(Some((concern, page(name, request, rows))))
}
