//! What is around a point: by distance, by the angle that things are seen under, or both (AC 2.11.1-2.11.4).

use std::f64::consts::PI;

use entitygraph_schema::{
    EntityId, Refusal,
    query::{Hit, Near},
    space::{angular_size, checked_point, radius, visible_distance},
};
use glam::DVec3;

use super::{MAX_ZONES, Reach, Rows, row, scan::scan_around};
use crate::error::Result;

/// Answers the question from the index alone; order and limits are those of [`crate::Store::near`].
///
/// The question goes up from its zone to the world root, its point converted zone by zone, and from each of these zones
/// down into the nested zones that can hold a hit. A zone's own host is an entity of the zone around it like any other.
/// Distances are computed in the zone that the entity is in.
pub fn near(rows: &dyn Rows, question: &Near) -> Result<Vec<Hit>> {
    let mut search = Search {
        rows,
        limits: Limits::new(question)?,
        question,
        hits: Vec::new(),
        open: Vec::new(),
        zones: 0,
    };
    let (mut zone, mut point, mut from) = (question.zone, question.point, None);
    loop {
        let outer = rows.outer(zone)?;
        search.enter(Visit { zone, point, from })?;
        while let Some(nested) = search.open.pop() {
            search.enter(nested)?;
        }
        let Some(outer) = outer else { break };
        (from, point, zone) = (Some(zone), outer.pose.transform_point(point), outer.zone);
    }
    search.hits.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.entity.cmp(&b.entity)));
    Ok(search.hits)
}

/// What a hit must meet.
struct Limits {
    radius: Option<f64>,
    min_angular_size: Option<f64>,
}

impl Limits {
    fn new(near: &Near) -> std::result::Result<Self, Refusal> {
        checked_point("the point", near.point)?;
        if let Some(metres) = near.radius {
            radius("the radius", metres)?;
        }
        match near.min_angular_size {
            Some(angle) if !(angle > 0.0 && angle <= PI) => Err(Refusal::Invalid {
                what: "the smallest angular size",
                reason: format!("it is {angle}, it must be above 0 and at most pi radians"),
            }),
            None if near.radius.is_none() => Err(Refusal::Invalid {
                what: "what is near",
                reason: "the question has no limit: give a radius, a smallest angular size or both"
                    .to_owned(),
            }),
            _ => Ok(Self { radius: near.radius, min_angular_size: near.min_angular_size }),
        }
    }

    /// Whether a ball of this size at this distance is wanted, or one inside it may be.
    fn met(&self, size: f64, distance: f64) -> bool {
        self.radius.is_none_or(|radius| distance <= radius + size)
            && self.min_angular_size.is_none_or(|angle| angular_size(size, distance) >= angle)
    }

    /// Whether something in a zone may be wanted whose host is at this distance: it is no larger than the largest thing
    /// inside, and no nearer than the edge of the ball around all of them.
    fn may_be_met_in(&self, reach: Reach, distance: f64) -> bool {
        self.met(reach.metres(), distance)
            && self.min_angular_size.is_none_or(|angle| {
                angular_size(reach.largest(), (distance - reach.metres()).max(0.0)) >= angle
            })
    }

    /// The farthest distance at which a ball of this size may meet them.
    fn distance(&self, size: f64) -> f64 {
        let by_radius = self.radius.map_or(f64::INFINITY, |radius| radius + size);
        let by_angle = self.min_angular_size.map_or(f64::INFINITY, |angle| visible_distance(size, angle));
        by_radius.min(by_angle)
    }
}

/// A zone to look into.
struct Visit {
    zone: EntityId,
    /// The question's point, in the zone.
    point: DVec3,
    /// The nested zone that the question came up from.
    from: Option<EntityId>,
}

struct Search<'a> {
    rows: &'a dyn Rows,
    limits: Limits,
    question: &'a Near,
    hits: Vec<Hit>,
    open: Vec<Visit>,
    zones: usize,
}

impl Search<'_> {
    /// Collects the hits in the zone itself, and the nested zones that may have more.
    fn enter(&mut self, visit: Visit) -> Result<()> {
        self.zones += 1;
        if self.zones > MAX_ZONES {
            return Err(too_many("zones around the point", MAX_ZONES));
        }
        self.find_entities(&visit)?;
        self.find_zones(&visit)
    }

    fn find_entities(&mut self, visit: &Visit) -> Result<()> {
        let Self { rows, limits, hits, .. } = self;
        let prefix = row::placed_prefix(visit.zone, self.question.layer);
        scan_around(
            *rows,
            &prefix,
            visit.point,
            |size| limits.distance(size),
            |entity, value| {
                let (position, radius) = row::read_placed(value)
                    .ok_or_else(|| rows.corrupt(format!("the place of entity {entity} is {value:02x?}")))?;
                let distance = visit.point.distance(position);
                if limits.met(radius, distance) {
                    if hits.len() == Near::MAX_HITS {
                        return Err(too_many("entities near the point", Near::MAX_HITS));
                    }
                    hits.push(Hit { entity, distance, radius });
                }
                Ok(())
            },
        )
    }

    fn find_zones(&mut self, visit: &Visit) -> Result<()> {
        let Self { rows, limits, open, zones, .. } = self;
        let prefix = row::host_prefix(visit.zone);
        scan_around(
            *rows,
            &prefix,
            visit.point,
            |size| limits.distance(size),
            |entity, value| {
                let host = row::Host::read(visit.zone, entity, value)
                    .ok_or_else(|| rows.corrupt(format!("the place of zone {entity} is {value:02x?}")))?;
                let distance = visit.point.distance(host.pose.translation());
                if Some(entity) != visit.from && limits.may_be_met_in(host.reach, distance) {
                    if *zones + open.len() >= MAX_ZONES {
                        return Err(too_many("zones around the point", MAX_ZONES));
                    }
                    let point = host.pose.inverse_transform_point(visit.point);
                    open.push(Visit { zone: entity, point, from: None });
                }
                Ok(())
            },
        )
    }
}

fn too_many(what: &'static str, max: usize) -> crate::Error {
    Refusal::TooMany { what, count: max as u64 + 1, max: max as u64 }.into()
}
