//! Questions that are answered from one row each, or from one run of rows.

use std::sync::Arc;

use entitygraph_schema::{
    Entity, EntityId, EntityName, OwnerId, Refusal,
    query::{ChildOrder, Page, PageRequest},
};

use crate::{
    error::Result,
    keyed::{
        keys,
        page::{self, Filling, List},
        snapshot::Snapshot,
    },
};

/// Entities by id.
pub fn entities(snapshot: &Snapshot<'_>, ids: &[EntityId]) -> Result<Vec<Option<Arc<Entity>>>> {
    ids.iter().map(|id| snapshot.entity(*id)).collect()
}

/// Refuses more ids than one question may have.
pub fn check_ids(ids: &[EntityId]) -> Result<(), Refusal> {
    let (count, max) = (ids.len() as u64, PageRequest::MAX_FIRST as u64);
    if count > max { Err(Refusal::TooMany { what: "ids in one question", count, max }) } else { Ok(()) }
}

/// Children of a parent, or world roots.
pub fn children(
    snapshot: &Snapshot<'_>,
    parent: Option<EntityId>,
    order: ChildOrder,
    page: &PageRequest,
) -> Result<Page<EntityId>> {
    if let Some(parent) = parent {
        snapshot.check_exists(parent)?;
    }
    let parent = keys::parent_number(parent);
    match order {
        ChildOrder::Ordinal => ids("children", &keys::children(parent), snapshot, page),
        ChildOrder::Name => ids("children by name", &keys::children_by_name(parent), snapshot, page),
    }
}

/// Entities of an owner.
pub fn owned(snapshot: &Snapshot<'_>, owner: &OwnerId, page: &PageRequest) -> Result<Page<EntityId>> {
    ids("owned", &keys::owners(owner), snapshot, page)
}

/// Entities whose name starts with the prefix.
pub fn named(snapshot: &Snapshot<'_>, prefix: &str, page: &PageRequest) -> Result<Page<EntityId>> {
    EntityName::check_prefix(prefix).map_err(Refusal::from)?;
    ids("named", &keys::names(&prefix.to_lowercase()), snapshot, page)
}

/// The parent, its parent and so on.
pub fn ancestors(snapshot: &Snapshot<'_>, entity: EntityId) -> Result<Vec<Arc<Entity>>> {
    let mut found = Vec::new();
    let mut next = snapshot.expect(entity)?.placement.parent;
    while let Some(id) = next {
        let above = snapshot.entity(id)?;
        let above = above
            .ok_or_else(|| snapshot.place.corrupt(format!("entity {id} is a parent and does not exist")))?;
        next = above.placement.parent;
        found.push(above);
    }
    Ok(found)
}

/// A page of the ids that the keys with a prefix end in.
fn ids(name: &str, prefix: &[u8], snapshot: &Snapshot<'_>, page: &PageRequest) -> Result<Page<EntityId>> {
    rows(name, prefix, snapshot, page, |key, _| snapshot.last_id(key))
}

/// A page of the rows with a prefix.
pub fn rows<T>(
    name: &str,
    prefix: &[u8],
    snapshot: &Snapshot<'_>,
    page: &PageRequest,
    read: impl Fn(&[u8], &[u8]) -> Result<T>,
) -> Result<Page<T>> {
    page::check(page)?;
    let list = List::of(name, &[prefix]);
    let from = match &page.after {
        Some(cursor) => keys::after(&[prefix, list.open(cursor)?].concat()),
        None => prefix.to_vec(),
    };
    let mut filling = Filling::new(page.first);
    snapshot.scan(&from, &keys::end_of(prefix), |key, value| {
        let row = read(key, value)?;
        Ok(filling.push(|| (row, list.seal(&key[prefix.len()..]))))
    })?;
    Ok(filling.done())
}
