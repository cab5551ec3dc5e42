//! Asks two stores everything and expects the same answers.

use std::{collections::BTreeSet, fmt::Debug};

use entitygraph_schema::{
    ComponentId, ContainerId, EntityId, Layer, LinkKind, OwnerId, Route,
    query::{At, ChildOrder, Extent, Facet, FacetSort, Hit, Near, Page, PageRequest, RecordSort},
};
use glam::DVec3;

use super::{build::*, snapshot::Snapshot};
use crate::{Result, Store};

/// Compares every answer of two stores that went through the same transactions; nobody may write meanwhile. Panics at the
/// first difference.
///
/// Where the contract leaves a choice, the choice may differ: the order in which [`Store::find`] finds, the way of a route
/// among equally cheap ones, the last bits of distances.
pub async fn compare(one: &Shared, other: &Shared) {
    let snapshot = Snapshot::take(one).await;
    same("the cursor", snapshot.cursor, Snapshot::take(other).await.cursor);
    same("the world as told", &snapshot, &Snapshot::replayed(other).await);
    compare_worlds(one, other).await;
}

/// Compares every answer of two stores that hold the same world, however it came into them.
pub async fn compare_worlds(one: &Shared, other: &Shared) {
    let snapshot = Snapshot::take(one).await;
    let cursor = snapshot.cursor;
    same("the world", &snapshot, &Snapshot { cursor, ..Snapshot::take(other).await });
    for sort in RecordSort::ALL {
        let expected = pages(100, |page| one.records(sort, page)).await;
        same(&format!("all {sort:?}"), expected, pages(3, |page| other.records(sort, page)).await);
    }
    let nodes: Vec<_> = std::iter::once(None).chain(snapshot.entities.keys().copied().map(Some)).collect();
    for node in &nodes {
        below(one, other, &snapshot, *node).await;
    }
    for id in snapshot.entities.keys() {
        same(
            &format!("ancestors of {id}"),
            value(one.ancestors(*id).await),
            value(other.ancestors(*id).await),
        );
        same(
            "links",
            pages(3, |page| one.links(*id, page)).await,
            pages(2, |page| other.links(*id, page)).await,
        );
    }
    names_and_owners(one, other, &snapshot).await;
    let zones = snapshot.entities.values().filter(|entity| entity.zone.is_some()).map(|zone| zone.id);
    let zones: Vec<_> = zones.collect();
    for zone in &zones {
        same(
            "zone links",
            pages(3, |page| one.zone_links(*zone, page)).await,
            pages(2, |page| other.zone_links(*zone, page)).await,
        );
        places(one, other, *zone).await;
    }
    let kinds: BTreeSet<_> = snapshot.links.keys().map(|(kind, _, _)| kind.clone()).collect();
    for from in zones.iter().take(6) {
        for to in zones.iter().rev().take(6) {
            for kind in &kinds {
                routes(one, other, *from, *to, kind).await;
            }
        }
    }
}

/// Everything about what is below a node, or in the whole world.
async fn below(one: &Shared, other: &Shared, snapshot: &Snapshot, node: Option<EntityId>) {
    for order in [ChildOrder::Ordinal, ChildOrder::Name] {
        let expected = pages(100, |page| one.children(node, order, page)).await;
        same(
            &format!("children of {node:?} by {order:?}"),
            expected,
            pages(2, |page| other.children(node, order, page)).await,
        );
    }
    if let Some(node) = node {
        for extent in [Extent::Depth(1), Extent::Depth(3), Extent::All, Extent::Aggregate, Extent::Zone] {
            let expected = pages(100, |page| one.subtree(node, extent, page)).await;
            same(
                &format!("subtree of {node} to {extent:?}"),
                expected,
                pages(3, |page| other.subtree(node, extent, page)).await,
            );
        }
    }
    let counts = value(one.counts(node).await);
    let facets: Vec<_> = counts.iter().map(|(facet, _)| facet.clone()).collect();
    let half: Vec<_> = facets.iter().rev().step_by(2).cloned().collect();
    let counted = value(one.counts_of(node, &half).await);
    same(&format!("counts of {half:?} below {node:?}"), counted, value(other.counts_of(node, &half).await));
    for sort in FacetSort::ALL {
        let of_sort: Vec<_> = counts.iter().filter(|(facet, _)| facet.sort() == sort).cloned().collect();
        let found = pages(2, |page| other.counts_by(node, sort, page)).await;
        same(&format!("counts by {sort:?} below {node:?}"), of_sort, found);
    }
    same(&format!("counts below {node:?}"), counts, value(other.counts(node).await));
    same(&format!("how many below {node:?}"), value(one.total(node).await), value(other.total(node).await));
    let mut asked: Vec<_> = facets.iter().map(|facet| vec![facet.clone()]).collect();
    asked.extend(facets.chunks(3).map(<[Facet]>::to_vec));
    asked.push(vec![
        Facet::Container(ContainerId::new(77).unwrap()),
        Facet::Component(ComponentId::new(77).unwrap()),
    ]);
    for any_of in asked {
        let expected = sorted(pages(100, |page| one.find(node, &any_of, page)).await);
        let found = pages(2, |page| other.find(node, &any_of, page)).await;
        let whole = pages(100, |page| other.find(node, &any_of, page)).await;
        same("the order of find", &whole, &found);
        same(&format!("find {any_of:?} below {node:?}"), &expected, &sorted(found));
        let known = |id: &EntityId| snapshot.entities.contains_key(id);
        assert!(expected.iter().all(known));
    }
}

fn sorted(mut ids: Vec<EntityId>) -> Vec<EntityId> {
    ids.sort();
    ids
}

async fn names_and_owners(one: &Shared, other: &Shared, snapshot: &Snapshot) {
    let owners: BTreeSet<OwnerId> =
        snapshot.entities.values().filter_map(|entity| entity.owner.clone()).collect();
    for owner in &owners {
        let expected = pages(100, |page| one.owned(owner, page)).await;
        same(&format!("owned by {owner}"), expected, pages(2, |page| other.owned(owner, page)).await);
    }
    let names = snapshot.entities.values().map(|entity| entity.name.as_str());
    let prefixes = names.flat_map(|name| (0..4).map(|length| name.chars().take(length).collect::<String>()));
    for prefix in prefixes.collect::<BTreeSet<_>>() {
        let expected = pages(100, |page| one.named(&prefix, page)).await;
        same(&format!("named {prefix:?}"), expected, pages(3, |page| other.named(&prefix, page)).await);
    }
}

async fn places(one: &Shared, other: &Shared, zone: EntityId) {
    for point in [DVec3::ZERO, DVec3::new(40.0, -3.0, 8.0), DVec3::new(-700.0, 200.0, 950.0)] {
        same("zones at", value(one.zones_at(zone, point).await), value(other.zones_at(zone, point).await));
        for (radius, min_angular_size) in [
            (Some(10.0), None),
            (Some(800.0), None),
            (Some(1e6), Some(0.02)),
            (None, Some(0.001)),
            (None, Some(0.3)),
        ] {
            for layer in [0, 1] {
                let near = Near { zone, point, radius, min_angular_size, layer: Layer::from_number(layer) };
                let (expected, found) = (value(one.near(&near).await), value(other.near(&near).await));
                assert!(
                    found.is_sorted_by_key(|hit| (hit.distance.to_bits(), hit.entity)),
                    "{near:?}: {found:?}"
                );
                // Stores may convert in another order of steps: of two at one distance either may seem nearer by a bit.
                let (expected, found) = (by_id(expected), by_id(found));
                let alike = expected.len() == found.len()
                    && expected.iter().zip(&found).all(|(one, other)| close(one, other));
                assert!(alike, "{near:?}: expected {expected:?}, found {found:?}");
            }
        }
    }
}

fn by_id(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|hit| hit.entity);
    hits
}

fn close(one: &Hit, other: &Hit) -> bool {
    let apart = (one.distance - other.distance).abs();
    one.entity == other.entity && one.radius == other.radius && apart <= 1e-9 * one.distance.max(1.0)
}

async fn routes(one: &Shared, other: &Shared, from: EntityId, to: EntityId, kind: &LinkKind) {
    let expected = one.route(from, to, kind).await.unwrap().value;
    let found = other.route(from, to, kind).await.unwrap().value;
    match (&expected, &found) {
        (None, None) => {}
        (Some(expected), Some(found)) if (expected.cost - found.cost).abs() <= 1e-9 * expected.cost => {
            passable(&**other, found, from, to, kind).await;
        }
        _ => panic!("the `{kind}` route from {from} to {to}: expected {expected:?}, found {found:?}"),
    }
}

/// Each hop is a link from the zone before it.
async fn passable(store: &dyn Store, route: &Route, from: EntityId, to: EntityId, kind: &LinkKind) {
    let mut zone = from;
    let mut cost = 0.0;
    for hop in &route.hops {
        assert_eq!(zone_of(store, hop.from).await, zone, "{route:?}");
        let links = pages(100, |page| store.links(hop.from, page)).await;
        let passed = links.iter().find(|link| link.kind == *kind && link.other(hop.from) == hop.to);
        assert_eq!(passed.map(|link| link.cost), Some(hop.cost), "{route:?}");
        zone = zone_of(store, hop.to).await;
        assert_eq!(hop.zone, zone, "{route:?}");
        cost += hop.cost;
    }
    assert_eq!((route.from, zone), (from, to), "{route:?}");
    assert!((route.cost - cost).abs() <= 1e-9 * cost, "{route:?}");
}

async fn zone_of(store: &dyn Store, end: EntityId) -> EntityId {
    let entity = store.entities(&[end]).await.unwrap().value.pop().flatten().unwrap();
    if entity.zone.is_some() {
        return end;
    }
    let above = store.ancestors(end).await.unwrap().value;
    above.into_iter().find(|above| above.zone.is_some()).unwrap().id
}

/// All rows of a list, some at a time.
async fn pages<T: Debug, Asking: Future<Output = Result<At<Page<T>>>>>(
    first: usize,
    ask: impl Fn(PageRequest) -> Asking,
) -> Vec<T> {
    walk(first, ask).await.into_iter().map(|(row, _)| row).collect()
}

fn value<T: Debug>(answer: Result<At<T>>) -> T {
    answer.unwrap().value
}

fn same<T: PartialEq + Debug>(what: &str, expected: T, found: T) {
    if found != expected {
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        let start = expected.chars().zip(found.chars()).take_while(|(one, other)| one == other).count();
        let part = |text: &str| text.chars().skip(start.saturating_sub(200)).take(400).collect::<String>();
        panic!("{what}, from character {start} on:\nexpected {}\n   found {}", part(&expected), part(&found));
    }
}
