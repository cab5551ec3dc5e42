//! Where an entity is: the zone and the aggregate around it, and its pose as seen from any other zone.

use std::sync::Arc;

use entitygraph_schema::{
    Entity, EntityId, NewPose, Operation, Pose, Precondition, Refusal, space::Conversion,
};

use super::{Graph, Result};

impl Graph {
    /// The entity and its ancestors, nearest first; `None` if it does not exist.
    async fn line(&self, id: EntityId) -> Result<Option<Vec<Arc<Entity>>>> {
        let Some(entity) = self.entity(id).await? else { return Ok(None) };
        let mut line = vec![entity];
        if line[0].placement.parent.is_some() {
            line.extend(self.ancestors(id).await?);
        }
        Ok(Some(line))
    }

    /// The innermost zone host above the entity: the frame of its pose. `None` for a world root and what does not exist.
    pub async fn zone_host(&self, id: EntityId) -> Result<Option<Arc<Entity>>> {
        let line = self.line(id).await?.unwrap_or_default();
        Ok(line.into_iter().skip(1).find(|above| above.zone.is_some()))
    }

    /// The nearest aggregate root at or above the entity, if there is one.
    pub async fn aggregate_root(&self, id: EntityId) -> Result<Option<Arc<Entity>>> {
        Ok(self.line(id).await?.unwrap_or_default().into_iter().find(|entity| entity.root))
    }

    /// The pose of an entity as seen from a zone, through the lowest common zone; without a zone from its world root.
    /// `None` when the two are in different worlds or the entity does not exist. Refused when `zone` is no zone host.
    pub async fn pose_in(&self, id: EntityId, zone: Option<EntityId>) -> Result<Option<Pose>> {
        let Some(line) = self.line(id).await? else { return Ok(None) };
        let target = match zone {
            None => line[line.len() - 1..].to_vec(),
            Some(zone) => {
                let target = self.line(zone).await?.ok_or(Refusal::UnknownEntity { entity: zone })?;
                if target[0].zone.is_none() {
                    return Err(Refusal::NotAZone { entity: zone }.into());
                }
                target
            }
        };
        let up = frames(&line[1..]);
        let down = frames(&target);
        let common =
            up.iter().find_map(|(zone, _)| Some((*zone, down.iter().position(|(other, _)| other == zone)?)));
        let Some((common, target_side)) = common else {
            // A world root seen from itself has no frame around it, but is where it is.
            return Ok((line[0].id == target[0].id).then_some(Pose::IDENTITY));
        };
        let source_side = up.iter().take_while(|(zone, _)| *zone != common).count();
        let poses = |frames: &[(EntityId, Pose)]| frames.iter().map(|(_, pose)| *pose).collect::<Vec<_>>();
        let (up, down) = (poses(&up[..source_side]), poses(&down[..target_side]));
        Ok(Some(Conversion { up: &up, down: &down }.pose(pose_of(&line))))
    }

    /// The operations that take an entity off its parent and leave it where it is, in the zone around it; and what must
    /// hold for them: nothing between it and that zone has changed.
    pub async fn plan_detach(&self, id: EntityId) -> Result<(Vec<Precondition>, Vec<Operation>)> {
        let Some(line) = self.line(id).await? else {
            return Ok((vec![Precondition::Exists(id)], Vec::new()));
        };
        let between = line.iter().take_while(|above| above.id == id || above.zone.is_none()).count();
        let zone = line.get(between).ok_or_else(|| Refusal::Invalid {
            what: "the detached entity",
            reason: format!("entity {id} is a world root: there is nothing to take it off"),
        })?;
        let unchanged =
            line[..between].iter().map(|entity| Precondition::Revision(entity.id, entity.revision)).collect();
        let operation =
            Operation::Reparent { entity: id, parent: zone.id, port: None, pose: NewPose::KeepWorld };
        Ok((unchanged, vec![operation]))
    }
}

/// The zone hosts of a line, innermost first, each with its pose in the next one out.
fn frames(line: &[Arc<Entity>]) -> Vec<(EntityId, Pose)> {
    let hosts = line.iter().enumerate().filter(|(_, entity)| entity.zone.is_some());
    hosts.map(|(index, host)| (host.id, pose_of(&line[index..]))).collect()
}

/// The pose of the first of a line in the innermost zone above it: its own, or that of the nearest one above that it
/// rides with; at the zone's origin when that is the zone host itself.
fn pose_of(line: &[Arc<Entity>]) -> Pose {
    for (index, entity) in line.iter().enumerate() {
        if index > 0 && entity.zone.is_some() {
            break;
        }
        if let Some(pose) = entity.placement.pose {
            return pose;
        }
    }
    Pose::IDENTITY
}
