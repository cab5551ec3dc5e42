//! Links: rows at both ends, and at the zones that the ends are in.

use entitygraph_schema::{EntityId, Link, LinkKind, Refusal};

use super::graph::Graph;
use crate::{
    error::Result,
    keyed::{keys, tree::Tree},
};

/// Makes a link or changes its cost.
pub fn link(graph: &mut Graph<'_>, link: &Link) -> Result<()> {
    link.check_ends()?;
    link.check_cost()?;
    let Link { kind, a, b, cost } = Link::new(link.kind.clone(), link.a, link.b, link.cost);
    remember(graph, &kind, a, b)?;
    put_at_zones(graph, &kind, a, b, cost)?;
    let value = cost.to_bits().to_be_bytes();
    graph.put_row(keys::link(a, &kind, b), &value);
    graph.put_row(keys::link(b, &kind, a), &value);
    Ok(())
}

/// Takes a link away; one that is not there is refused.
pub fn unlink(graph: &mut Graph<'_>, kind: &LinkKind, a: EntityId, b: EntityId) -> Result<()> {
    if cost(graph, kind, a, b)?.is_none() {
        return Err(Refusal::UnknownLink { kind: kind.clone(), a, b }.into());
    }
    remove(graph, kind, a.min(b), a.max(b))
}

/// Takes all links of an entity away.
pub fn unlink_all(graph: &mut Graph<'_>, entity: EntityId) -> Result<()> {
    for (kind, other) in ends(graph, entity)? {
        remove(graph, &kind, entity.min(other), entity.max(other))?;
    }
    Ok(())
}

/// Cost of a link, if there is one.
pub fn cost(graph: &Graph<'_>, kind: &LinkKind, a: EntityId, b: EntityId) -> Result<Option<f64>> {
    match graph.row(&keys::link(a, kind, b))? {
        Some(value) => {
            Ok(Some(f64::from_bits(graph.base.snapshot.place.number("the cost of a link", &value)?)))
        }
        None => Ok(None),
    }
}

/// Keeps the zones' rows in step when the entity was in the zone `before` and now is in another.
pub fn follow(graph: &mut Graph<'_>, entity: EntityId, before: Option<EntityId>) -> Result<()> {
    for (kind, other) in ends(graph, entity)? {
        let (a, b) = (entity.min(other), entity.max(other));
        let Some(cost) = cost(graph, &kind, a, b)? else { continue };
        if let Some(left) = before {
            graph.delete_row(keys::zone_link(left, &kind, a, b));
        }
        put_at_zones(graph, &kind, a, b, cost)?;
    }
    Ok(())
}

fn put_at_zones(graph: &mut Graph<'_>, kind: &LinkKind, a: EntityId, b: EntityId, cost: f64) -> Result<()> {
    let zones = zones(graph, a, b)?;
    for zone in zones {
        graph.put_row(keys::zone_link(zone, kind, a, b), &keys::zone_link_value(cost, zones));
    }
    Ok(())
}

fn remove(graph: &mut Graph<'_>, kind: &LinkKind, a: EntityId, b: EntityId) -> Result<()> {
    remember(graph, kind, a, b)?;
    for zone in zones(graph, a, b)? {
        graph.delete_row(keys::zone_link(zone, kind, a, b));
    }
    graph.delete_row(keys::link(a, kind, b));
    graph.delete_row(keys::link(b, kind, a));
    Ok(())
}

/// Notes what the link was before the transaction.
fn remember(graph: &mut Graph<'_>, kind: &LinkKind, a: EntityId, b: EntityId) -> Result<()> {
    let key = (kind.clone(), a, b);
    if !graph.links.contains_key(&key) {
        let before = cost(graph, kind, a, b)?;
        graph.links.insert(key, before);
    }
    Ok(())
}

/// The links of an entity as kind and other end.
fn ends(graph: &mut Graph<'_>, entity: EntityId) -> Result<Vec<(LinkKind, EntityId)>> {
    let prefix = keys::links(entity);
    let rows = graph.touch_rows(&prefix)?;
    let read = |(key, _): &(Vec<u8>, Vec<u8>)| keys::read_link(&key[prefix.len()..]);
    let read: Option<Vec<_>> = rows.iter().map(read).collect();
    read.ok_or_else(|| graph.base.snapshot.place.corrupt(format!("a link of entity {entity} has a bad key")))
}

/// The zones that the two ends are in; they may be one.
fn zones(graph: &Graph<'_>, a: EntityId, b: EntityId) -> Result<[EntityId; 2]> {
    let zone = |end: EntityId| {
        let zone = graph.zone_of(&*graph.expect(end)?)?;
        zone.ok_or_else(|| graph.base.snapshot.place.corrupt(format!("no zone is at or above entity {end}")))
    };
    Ok([zone(a)?, zone(b)?])
}
