//! Questions about places: every placed entity is tried.

use std::collections::BTreeMap;

use entitygraph_schema::{
    EntityId, Refusal,
    query::{Hit, Near},
    space::{Conversion, angular_size, checked_point, radius},
};
use glam::DVec3;

use super::world::World;

pub(super) fn near(world: &World, near: &Near) -> Result<Vec<Hit>, Refusal> {
    check(near)?;
    world.known_zone(near.zone)?;
    // The point as seen in each zone; none in zones of other worlds.
    let mut points: BTreeMap<EntityId, Option<DVec3>> = BTreeMap::new();
    let mut hits = Vec::new();
    for entity in world.all().filter(|entity| entity.layer == near.layer) {
        let (Some(pose), Some(frame)) = (entity.placement.pose, world.frame(entity)) else { continue };
        let Some(point) =
            *points.entry(frame.id).or_insert_with(|| convert(world, near.zone, frame.id, near.point))
        else {
            continue;
        };
        let distance = point.distance(pose.translation());
        let close = near.radius.is_none_or(|radius| distance <= radius + entity.radius);
        let large = near.min_angular_size.is_none_or(|angle| angular_size(entity.radius, distance) >= angle);
        // Coordinates that no f64 holds are infinitely far away.
        if distance.is_finite() && close && large {
            hits.push(Hit { entity: entity.id, distance, radius: entity.radius });
        }
    }
    if hits.len() > Near::MAX_HITS {
        let (count, max) = (hits.len() as u64, Near::MAX_HITS as u64);
        return Err(Refusal::TooMany { what: "entities near the point", count, max });
    }
    hits.sort_by(|one, other| one.distance.total_cmp(&other.distance).then(one.entity.cmp(&other.entity)));
    Ok(hits)
}

fn check(near: &Near) -> Result<(), Refusal> {
    checked_point("the point", near.point)?;
    if let Some(metres) = near.radius {
        radius("the radius", metres)?;
    }
    let possible = |angle: &f64| *angle > 0.0 && *angle <= std::f64::consts::PI;
    if let Some(angle) = near.min_angular_size.filter(|angle| !possible(angle)) {
        let reason = format!("{angle} is not above 0 and at most pi radians");
        return Err(Refusal::Invalid { what: "the angular size", reason });
    }
    if near.radius.is_none() && near.min_angular_size.is_none() {
        let reason = "give a radius or an angular size: without a limit it is the whole world".to_owned();
        return Err(Refusal::Invalid { what: "the question", reason });
    }
    Ok(())
}

pub(super) fn zones_at(world: &World, zone: EntityId, point: DVec3) -> Result<Vec<EntityId>, Refusal> {
    checked_point("the point", point)?;
    world.known_zone(zone)?;
    let mut zones = vec![zone];
    let mut at = point;
    loop {
        let outer = zones.last().copied();
        let nested = world.below(outer, |entity| entity.zone.is_none()).into_iter().filter_map(|inner| {
            let bounds = inner.zone?;
            let point = world.seat(inner).inverse_transform_point(at);
            bounds.contains(point).then_some((bounds.volume(), inner.id, point))
        });
        let smallest = nested.min_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let Some((_, inner, inside)) = smallest else { return Ok(zones) };
        zones.push(inner);
        at = inside;
    }
}

fn convert(world: &World, from: EntityId, to: EntityId, point: DVec3) -> Option<DVec3> {
    let (up, down) = world.way(from, to)?;
    Some(Conversion { up: &up, down: &down }.point(point))
}
