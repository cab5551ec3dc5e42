//! Links and routes over them.

use entitygraph_schema::{
    EntityId, Link, LinkKind, Refusal, Route,
    query::{Page, PageRequest},
};

use super::lists::rows;
use crate::{
    error::{Error, Result},
    keyed::{
        keys,
        route::{self, Passage},
        snapshot::Snapshot,
    },
};

/// Links with an end at the entity.
pub fn links(snapshot: &Snapshot<'_>, entity: EntityId, page: &PageRequest) -> Result<Page<Link>> {
    snapshot.check_exists(entity)?;
    let prefix = keys::links(entity);
    rows("links", &prefix, snapshot, page, |key, value| {
        let (kind, other) = keys::read_link(&key[prefix.len()..]).ok_or_else(|| bad(snapshot, key))?;
        let cost = f64::from_bits(snapshot.place.number("the cost of a link", value)?);
        Ok(Link::new(kind, entity, other, cost))
    })
}

/// Links with an end in the zone.
pub fn zone_links(snapshot: &Snapshot<'_>, zone: EntityId, page: &PageRequest) -> Result<Page<Link>> {
    check_zone(snapshot, zone)?;
    let prefix = keys::zone_links(zone);
    rows("zone links", &prefix, snapshot, page, |key, value| {
        let (kind, a, b) = keys::read_zone_link(&key[prefix.len()..]).ok_or_else(|| bad(snapshot, key))?;
        let (cost, _) = keys::read_zone_link_value(value).ok_or_else(|| bad(snapshot, key))?;
        Ok(Link { kind, a, b, cost })
    })
}

/// The cheapest route between two zones.
pub fn route(
    snapshot: &Snapshot<'_>,
    from: EntityId,
    to: EntityId,
    kind: &LinkKind,
) -> Result<Option<Route>> {
    check_zone(snapshot, from)?;
    check_zone(snapshot, to)?;
    route::route(from, to, |zone, max| passages(snapshot, zone, kind, max))
}

fn passages(snapshot: &Snapshot<'_>, zone: EntityId, kind: &LinkKind, max: usize) -> Result<Vec<Passage>> {
    let prefix = keys::zone_links_of(zone, kind);
    let mut found = Vec::new();
    snapshot.scan_prefix(&prefix, |key, value| {
        if found.len() >= max {
            let (count, max) = (route::MAX_LINKS as u64 + 1, route::MAX_LINKS as u64);
            return Err(Refusal::TooMany { what: "links on the way", count, max }.into());
        }
        let ends = || {
            let (a, _) = keys::take_number(&key[prefix.len()..])?;
            Some((EntityId::new(a)?, keys::last_id(key)?))
        };
        let (a, b) = ends().ok_or_else(|| bad(snapshot, key))?;
        let (cost, [zone_a, zone_b]) = keys::read_zone_link_value(value).ok_or_else(|| bad(snapshot, key))?;
        if zone_a == zone {
            found.push(Passage { from: a, to: b, zone: zone_b, cost });
        }
        if zone_b == zone {
            found.push(Passage { from: b, to: a, zone: zone_a, cost });
        }
        Ok(true)
    })?;
    Ok(found)
}

fn check_zone(snapshot: &Snapshot<'_>, zone: EntityId) -> Result<()> {
    match snapshot.expect(zone)?.zone {
        Some(_) => Ok(()),
        None => Err(Refusal::NotAZone { entity: zone }.into()),
    }
}

fn bad(snapshot: &Snapshot<'_>, key: &[u8]) -> Error {
    snapshot.place.corrupt(format!("the link row {key:02x?} does not read"))
}
