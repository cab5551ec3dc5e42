//! Questions that are answered with lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entitygraph_schema::{
    Entity, EntityId, EntityName, Link, OwnerId, Refusal,
    query::{ChildOrder, Extent, Facet, FacetSort, Page, PageRequest, Record, RecordSort},
};

use super::{
    pages::{Key, Part, cut},
    world::World,
};

pub(super) fn entities(world: &World, ids: &[EntityId]) -> Result<Vec<Option<Arc<Entity>>>, Refusal> {
    at_most("ids in one question", ids.len(), PageRequest::MAX_FIRST)?;
    Ok(ids.iter().map(|id| world.get(*id).cloned()).collect())
}

pub(super) fn records(world: &World, sort: RecordSort, page: &PageRequest) -> Result<Page<Record>, Refusal> {
    let rows = match sort {
        RecordSort::Entity => {
            world.all().map(|entity| (vec![id(entity.id)], Record::Entity(entity.clone()))).collect()
        }
        RecordSort::Buried => {
            world.buried.iter().map(|buried| (vec![id(*buried)], Record::Buried(*buried))).collect()
        }
        RecordSort::Link => world
            .links()
            .map(|link| (vec![id(link.a), kind(&link), id(link.b)], Record::Link(link)))
            .collect(),
    };
    cut(format!("records {sort:?}"), rows, page)
}

pub(super) fn children(
    world: &World,
    parent: Option<EntityId>,
    order: ChildOrder,
    page: &PageRequest,
) -> Result<Page<EntityId>, Refusal> {
    known(world, parent)?;
    let key = |child: &Entity| match order {
        ChildOrder::Ordinal => by_ordinal(child),
        ChildOrder::Name => by_name(child),
    };
    let rows = world.children(parent).map(|child| (key(child), child.id)).collect();
    cut(format!("children {parent:?} {order:?}"), rows, page)
}

pub(super) fn subtree(
    world: &World,
    root: EntityId,
    extent: Extent,
    page: &PageRequest,
) -> Result<Page<Arc<Entity>>, Refusal> {
    // A row's key is the way to it from the root: parents come before what is below them, siblings in order.
    let mut rows: Vec<(Key, Arc<Entity>)> = Vec::new();
    let mut open = vec![(Key::new(), world.known(root)?, 0)];
    while let Some((key, entity, depth)) = open.pop() {
        let deeper = match extent {
            Extent::Depth(levels) => depth < levels,
            Extent::All | Extent::Aggregate => true,
            Extent::Zone => depth == 0 || entity.zone.is_none(),
        };
        if deeper {
            for child in world.children(Some(entity.id)) {
                if extent != Extent::Aggregate || !child.root {
                    open.push(([key.clone(), by_ordinal(child)].concat(), child, depth + 1));
                }
            }
        }
        rows.push((key, entity.clone()));
    }
    cut(format!("subtree {root:?} {extent:?}"), rows, page)
}

pub(super) fn find(
    world: &World,
    below: Option<EntityId>,
    any_of: &[Facet],
    page: &PageRequest,
) -> Result<Page<EntityId>, Refusal> {
    known(world, below)?;
    at_most("facets in one question", any_of.len(), Facet::MAX_ANY_OF)?;
    let any_of: BTreeSet<_> = any_of.iter().collect();
    let found = world
        .below(below, |_| true)
        .into_iter()
        .filter(|entity| facets(entity).iter().any(|f| any_of.contains(f)));
    let rows = found.map(|entity| (vec![id(entity.id)], entity.id)).collect();
    cut(format!("find {below:?} {any_of:?}"), rows, page)
}

pub(super) fn total(world: &World, below: Option<EntityId>) -> Result<u64, Refusal> {
    known(world, below)?;
    Ok(world.below(below, |_| true).len() as u64)
}

pub(super) fn counts(world: &World, below: Option<EntityId>) -> Result<Vec<(Facet, u64)>, Refusal> {
    known(world, below)?;
    let mut counts = BTreeMap::new();
    for facet in world.below(below, |_| true).into_iter().flat_map(|entity| facets(entity)) {
        *counts.entry(facet).or_insert(0) += 1;
    }
    Ok(counts.into_iter().collect())
}

pub(super) fn counts_by(
    world: &World,
    below: Option<EntityId>,
    sort: FacetSort,
    page: &PageRequest,
) -> Result<Page<(Facet, u64)>, Refusal> {
    let counts = counts(world, below)?.into_iter().filter(|(facet, _)| facet.sort() == sort);
    let rows = counts.map(|(facet, count)| (vec![by_facet(&facet)], (facet, count))).collect();
    cut(format!("counts {below:?} {sort:?}"), rows, page)
}

pub(super) fn counts_of(
    world: &World,
    below: Option<EntityId>,
    facets: &[Facet],
) -> Result<Vec<(Facet, u64)>, Refusal> {
    at_most("facets to be counted", facets.len(), PageRequest::MAX_FIRST)?;
    let asked: BTreeSet<_> = facets.iter().collect();
    Ok(counts(world, below)?.into_iter().filter(|(facet, _)| asked.contains(facet)).collect())
}

pub(super) fn owned(world: &World, owner: &OwnerId, page: &PageRequest) -> Result<Page<EntityId>, Refusal> {
    let owned = world.all().filter(|entity| entity.owner.as_ref() == Some(owner));
    cut(format!("owned {owner:?}"), owned.map(|entity| (vec![id(entity.id)], entity.id)).collect(), page)
}

pub(super) fn named(world: &World, prefix: &str, page: &PageRequest) -> Result<Page<EntityId>, Refusal> {
    EntityName::check_prefix(prefix)?;
    let prefix = prefix.to_lowercase();
    let named = world.all().filter(|entity| entity.name.as_str().to_lowercase().starts_with(&prefix));
    cut(format!("named {prefix:?}"), named.map(|entity| (by_name(entity), entity.id)).collect(), page)
}

pub(super) fn links(world: &World, entity: EntityId, page: &PageRequest) -> Result<Page<Link>, Refusal> {
    world.known(entity)?;
    let links = world.links().filter(|link| link.a == entity || link.b == entity);
    let rows = links.map(|link| (vec![kind(&link), id(link.other(entity))], link)).collect();
    cut(format!("links {entity:?}"), rows, page)
}

pub(super) fn zone_links(world: &World, zone: EntityId, page: &PageRequest) -> Result<Page<Link>, Refusal> {
    world.known_zone(zone)?;
    let inside = |end| world.zone_of(end) == Some(zone);
    let links = world.links().filter(|link| inside(link.a) || inside(link.b));
    let rows = links.map(|link| (vec![kind(&link), id(link.a), id(link.b)], link)).collect();
    cut(format!("zone links {zone:?}"), rows, page)
}

/// Everything an entity is found and counted by.
fn facets(entity: &Entity) -> Vec<Facet> {
    let mut facets = vec![Facet::Kind(entity.kind.clone())];
    facets.extend(entity.source.iter().map(|source| Facet::Container(source.container)));
    facets.extend(entity.components.0.keys().map(|component| Facet::Component(*component)));
    facets.extend(entity.labels.iter().map(|label| Facet::Label(label.clone())));
    facets
}

fn at_most(what: &'static str, count: usize, max: usize) -> Result<(), Refusal> {
    let (count, max) = (count as u64, max as u64);
    if count > max { Err(Refusal::TooMany { what, count, max }) } else { Ok(()) }
}

fn known(world: &World, node: Option<EntityId>) -> Result<(), Refusal> {
    node.map_or(Ok(()), |node| world.known(node).map(drop))
}

fn by_ordinal(entity: &Entity) -> Key {
    vec![Part::Int(entity.ordinal), id(entity.id)]
}

fn by_name(entity: &Entity) -> Key {
    vec![Part::Text(entity.name.as_str().to_lowercase()), id(entity.id)]
}

fn by_facet(facet: &Facet) -> Part {
    match facet {
        Facet::Kind(kind) => Part::Text(kind.to_string()),
        Facet::Container(id) => Part::Id(id.get().into()),
        Facet::Component(id) => Part::Id(id.get().into()),
        Facet::Label(label) => Part::Text(label.to_string()),
    }
}

fn id(id: EntityId) -> Part {
    Part::Id(id.get())
}

fn kind(link: &Link) -> Part {
    Part::Text(link.kind.as_str().to_owned())
}
