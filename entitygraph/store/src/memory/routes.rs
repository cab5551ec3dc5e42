//! Routes over links: plain Dijkstra over the zones.

use std::collections::{BTreeMap, BTreeSet};

use entitygraph_schema::{EntityId, LinkKind, Refusal, Route, link::Hop};

use super::world::World;

pub(super) fn route(
    world: &World,
    from: EntityId,
    to: EntityId,
    kind: &LinkKind,
) -> Result<Option<Route>, Refusal> {
    world.known_zone(from)?;
    world.known_zone(to)?;
    let passages = passages(world, kind);
    let mut best: BTreeMap<EntityId, (f64, Option<(EntityId, Hop)>)> = BTreeMap::from([(from, (0.0, None))]);
    // Costs are positive, so their bits have their order.
    let mut open = BTreeSet::from([(0.0_f64.to_bits(), from)]);
    while let Some((bits, zone)) = open.pop_first() {
        let so_far = f64::from_bits(bits);
        for hop in passages.get(&zone).into_iter().flatten() {
            let cost = so_far + hop.cost;
            let known = best.get(&hop.zone).map(|(known, _)| *known);
            if known.is_none_or(|known| cost < known) {
                if let Some(known) = known {
                    open.remove(&(known.to_bits(), hop.zone));
                }
                best.insert(hop.zone, (cost, Some((zone, hop.clone()))));
                open.insert((cost.to_bits(), hop.zone));
            }
        }
    }
    let Some(&(cost, _)) = best.get(&to) else { return Ok(None) };
    let mut hops = Vec::new();
    let mut zone = to;
    while let Some((_, Some((previous, hop)))) = best.get(&zone) {
        hops.push(hop.clone());
        zone = *previous;
    }
    hops.reverse();
    Ok(Some(Route { from, hops, cost }))
}

/// Ways out of each zone.
fn passages(world: &World, kind: &LinkKind) -> BTreeMap<EntityId, Vec<Hop>> {
    let mut passages: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for link in world.links().filter(|link| link.kind == *kind) {
        for from in [link.a, link.b] {
            let to = link.other(from);
            if let (Some(left), Some(zone)) = (world.zone_of(from), world.zone_of(to)) {
                passages.entry(left).or_default().push(Hop { from, to, zone, cost: link.cost });
            }
        }
    }
    passages
}
