//! Areas that servers and viewers follow: a sphere in a zone, a zone, an aggregate; of what is hot.

use std::ops::Range;

use entitygraph_schema::{
    EntityId,
    wire::{
        Kind,
        cell::Cell,
        control::{
            Message,
            message::{self, Code, follow},
        },
    },
};
use glam::DVec3;

use super::{
    Replicant,
    batch::{frame, notice},
    hot::{Hot, Index, ROOT},
    observer::Observer,
    out::Out,
};

/// What is followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scope {
    /// What is in cells that begin within a distance of a point.
    Sphere {
        /// Middle, in the zone.
        point_m: DVec3,
        /// How far.
        radius_m: f64,
    },
    /// All that is in the zone.
    Zone,
    /// An entity, wherever it goes.
    Aggregate(Index),
}

/// An area of an observer's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// The observer's.
    pub number: u64,
    /// What.
    pub scope: Scope,
    /// `Followed` was sent.
    pub told: bool,
}

impl Area {
    /// Whether all of a cell is in it, or `farther` times as far away as it may be.
    pub fn has(&self, cell: &Cell, farther: f64) -> bool {
        match self.scope {
            Scope::Sphere { point_m, radius_m } => {
                let corner = cell.corner_m();
                let nearest = point_m.clamp(corner, corner + cell.edge_m());
                nearest.distance(point_m) <= radius_m * farther
            }
            Scope::Zone => true,
            Scope::Aggregate(_) => false,
        }
    }
}

impl Replicant {
    /// Follows an area, or moves one that is followed.
    pub(super) fn follow(&mut self, observer: u32, follow: &message::Follow, moment: u64) {
        let number = follow.number;
        let scope = match self.scope(follow) {
            Ok(scope) => scope,
            Err((code, reason)) => return self.tell(observer, &notice(code, reason, Kind::Follow, number)),
        };
        let areas_max = self.config.areas_max;
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let area = Area { number, scope, told: false };
        match who.areas.iter().position(|area| area.number == number) {
            Some(place) => who.areas[place] = area,
            None if who.areas.len() >= areas_max => {
                let reason = format!("{areas_max} areas are followed: unfollow one");
                return self.tell(observer, &notice(Code::TooMany, reason, Kind::Follow, number));
            }
            None => who.areas.push(area),
        }
        if let Some(root) = Hot::handle(ROOT) {
            who.want(root);
        }
        self.watched(observer);
        self.sift(observer, moment);
    }

    /// Follows an area no more.
    pub(super) fn unfollow(&mut self, observer: u32, unfollow: &message::Unfollow, moment: u64) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let before = who.areas.len();
        who.areas.retain(|area| area.number != unfollow.number);
        if who.areas.len() == before {
            let (kind, number) = (message::Unfollow::KIND, unfollow.number);
            return self.tell(observer, &notice(Code::NotSeen, "this area is not followed", kind, number));
        }
        self.watched(observer);
        self.sift(observer, moment);
    }

    fn scope(&self, follow: &message::Follow) -> Result<Scope, (Code, String)> {
        let hot = |id: u64| {
            let found = EntityId::new(id).and_then(|id| self.hot.by_id(id));
            found.ok_or_else(|| (Code::NotSeen, format!("entity {id} is not hot")))
        };
        let zone = |id: u64| {
            hot(id).and_then(|index| match index {
                ROOT => Ok(()),
                _ => Err((Code::BadValue, format!("entity {id} hosts no zone"))),
            })
        };
        match &follow.area {
            Some(follow::Area::Sphere(sphere)) => {
                zone(sphere.zone)?;
                let point = sphere.point_m.unwrap_or_default();
                let (point_m, radius_m) = (DVec3::new(point.x, point.y, point.z), sphere.radius_m);
                let is_sphere = point_m.is_finite() && radius_m.is_finite() && radius_m >= 0.0;
                if !is_sphere || self.cells.holding(point_m).is_none() {
                    return Err((Code::BadValue, format!("no sphere of {radius_m} m around {point_m}")));
                }
                if sphere.min_angular_size_rad != 0.0 {
                    let reason =
                        "a least angular size is not served yet: follow a smaller sphere without one";
                    return Err((Code::BadValue, reason.into()));
                }
                Ok(Scope::Sphere { point_m, radius_m })
            }
            Some(follow::Area::Zone(id)) => zone(*id).map(|()| Scope::Zone),
            Some(follow::Area::Aggregate(id)) => match hot(*id)? {
                ROOT => Ok(Scope::Zone),
                index => Ok(Scope::Aggregate(index)),
            },
            None => Err((Code::BadValue, "no area is given".into())),
        }
    }

    /// Keeps the lists of who follows areas and watches aggregates in step with an observer's areas.
    fn watched(&mut self, observer: u32) {
        self.unwatched(observer);
        let Some(Some(who)) = self.observers.get(observer as usize) else { return };
        if !who.areas.is_empty() {
            self.areas.push(observer);
        }
        for index in who.watched() {
            self.watchers.entry(index).or_default().push(observer);
        }
    }

    /// Takes an observer out of these lists.
    pub(super) fn unwatched(&mut self, observer: u32) {
        self.areas.retain(|other| *other != observer);
        self.watchers.retain(|_, watchers| {
            watchers.retain(|other| *other != observer);
            !watchers.is_empty()
        });
    }

    /// Says of which areas everything is shown: behind what is shown, in the same message.
    pub(super) fn followed(&mut self, observer: u32, out: &mut Out) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let entities = who.bound.len() as u32;
        let complete: Vec<u64> = who.areas.iter().filter(|area| !area.told).map(|area| area.number).collect();
        who.areas.iter_mut().for_each(|area| area.told = true);
        for number in complete {
            let seq = who.seq();
            let followed = message::Followed { seq, number, cursor: 0, unwatched_ms: 0, entities };
            who.put(seq, frame(&followed), out);
        }
    }

    /// Whether a server owns all there is: it hears of nothing then, it is who tells it.
    pub(super) fn owns_all(&self, observer: u32) -> bool {
        self.owns(observer, ROOT) && self.table.others(observer).is_empty()
    }
}

impl Observer {
    /// Whether all of a cell is in one of its areas, or `farther` times as far away as it may be.
    pub(super) fn has_area(&self, cell: &Cell, farther: f64) -> bool {
        self.areas.iter().any(|area| area.has(cell, farther))
    }

    /// Entities that it follows wherever they go.
    pub(super) fn watched(&self) -> impl Iterator<Item = Index> {
        self.areas.iter().filter_map(|area| match area.scope {
            Scope::Aggregate(index) => Some(index),
            Scope::Sphere { .. } | Scope::Zone => None,
        })
    }

    /// Whether it follows so what an entity is of, whose unit this is.
    pub(super) fn watches(&self, unit: &Range<Index>) -> bool {
        self.watched().any(|watched| unit.contains(&watched))
    }
}
