//! Walks up the tree: which zone something is in, and where in it.

use std::sync::Arc;

use entitygraph_schema::{Entity, EntityId, Pose, space::Conversion};

use super::snapshot::Snapshot;
use crate::error::Result;

/// The tree at some moment: of a snapshot, or with pending changes.
pub trait Tree {
    /// The entity, if it exists.
    fn entity(&self, id: EntityId) -> Result<Option<Arc<Entity>>>;

    /// The parent, if there is one.
    fn parent(&self, entity: &Entity) -> Result<Option<Arc<Entity>>> {
        match entity.placement.parent {
            Some(parent) => self.entity(parent),
            None => Ok(None),
        }
    }

    /// The innermost zone host above: the zone of the entity's pose. None for a world root.
    fn frame(&self, entity: &Entity) -> Result<Option<Arc<Entity>>> {
        let mut above = self.parent(entity)?;
        while let Some(host) = above {
            if host.zone.is_some() {
                return Ok(Some(host));
            }
            above = self.parent(&host)?;
        }
        Ok(None)
    }

    /// The innermost zone host at or above: the zone that a link with this end is in.
    fn zone_of(&self, entity: &Entity) -> Result<Option<EntityId>> {
        if entity.zone.is_some() {
            return Ok(Some(entity.id));
        }
        Ok(self.frame(entity)?.map(|host| host.id))
    }

    /// Its frame and where it is there: its own pose, else that of what it rides with, else the frame's origin. None for
    /// a world root.
    fn seat(&self, entity: &Entity) -> Result<Option<(EntityId, Pose)>> {
        let mut pose = entity.placement.pose;
        let mut above = self.parent(entity)?;
        while let Some(carrier) = above {
            if carrier.zone.is_some() {
                return Ok(Some((carrier.id, pose.unwrap_or(Pose::IDENTITY))));
            }
            pose = pose.or(carrier.placement.pose);
            above = self.parent(&carrier)?;
        }
        Ok(None)
    }

    /// A zone and the zones around it, innermost first, each with its pose in the next one (the world root's is its own).
    fn zone_path(&self, zone: EntityId) -> Result<Vec<(EntityId, Pose)>> {
        let mut path = Vec::new();
        let mut next = Some(zone);
        while let Some(id) = next {
            let Some(host) = self.entity(id)? else { break };
            let seat = self.seat(&host)?;
            path.push((id, seat.map_or(Pose::IDENTITY, |(_, pose)| pose)));
            next = seat.map(|(outer, _)| outer);
        }
        Ok(path)
    }

    /// The way from one zone to another; none between two worlds.
    fn way(&self, from: EntityId, to: EntityId) -> Result<Option<Way>> {
        let (mut up, mut down) = (self.zone_path(from)?, self.zone_path(to)?);
        if up.last().map(|(root, _)| *root) != down.last().map(|(root, _)| *root) {
            return Ok(None);
        }
        while let (Some((one, _)), Some((other, _))) = (up.last(), down.last()) {
            if one != other {
                break;
            }
            up.pop();
            down.pop();
        }
        let poses = |path: Vec<(EntityId, Pose)>| path.into_iter().map(|(_, pose)| pose).collect();
        Ok(Some(Way { up: poses(up), down: poses(down) }))
    }
}

/// See [`Conversion`], which borrows from it.
#[derive(Debug, Clone)]
pub struct Way {
    up: Vec<Pose>,
    down: Vec<Pose>,
}

impl Way {
    /// Converts along the way.
    pub fn conversion(&self) -> Conversion<'_> {
        Conversion { up: &self.up, down: &self.down }
    }
}

impl Tree for Snapshot<'_> {
    fn entity(&self, id: EntityId) -> Result<Option<Arc<Entity>>> {
        Snapshot::entity(self, id)
    }
}
