//! Moving an entity with all below it under another parent.

use entitygraph_schema::{Entity, EntityId, NewPose, PortName, Pose, Refusal, space::Conversion};

use super::{checks, draft::Draft, world::World};

pub(crate) fn reparent(
    draft: &mut Draft<'_>,
    entity: EntityId,
    parent: EntityId,
    port: Option<&PortName>,
    pose: NewPose,
) -> Result<(), Refusal> {
    let world = &*draft.world;
    let moved = world.known(entity)?;
    let target = world.known(parent)?;
    if parent == entity || world.ancestors(target).any(|above| above.id == entity) {
        return Err(Refusal::Cycle { entity, parent });
    }
    Entity::check_ancestors(world.ancestors(target).count() + 1)?;
    if let Some(port) = port {
        checks::port(world, parent, port, entity, &moved.kind)?;
    }
    let frames = Frames { old: world.frame(moved).map(|zone| zone.id), new: world.zone_of(parent) };
    let pose = match pose {
        NewPose::KeepWorld => Some(frames.convert(world, entity, world.seat(moved))?),
        NewPose::At(pose) => Some(pose),
        NewPose::Ride => None,
    };
    checks::pose(pose)?;
    // A zone host carries its frame along. Below anything else, what has a pose stands in the zone that is left, and is
    // put at the same place in the world in the zone that is entered.
    let mut standing = Vec::new();
    if moved.zone.is_none() && frames.old != frames.new {
        for below in world.below(Some(entity), |below| below.zone.is_none()) {
            if let Some(pose) = below.placement.pose {
                standing.push((below.id, frames.convert(world, below.id, pose)?));
            }
        }
    }
    draft.change(entity, |entity| {
        entity.placement.parent = Some(parent);
        entity.placement.port = port.cloned();
        entity.placement.pose = pose;
    });
    for (below, pose) in standing {
        draft.change(below, |entity| entity.placement.pose = Some(pose));
    }
    Ok(())
}

/// The zones that a move leaves and enters; a world root leaves none.
struct Frames {
    old: Option<EntityId>,
    new: Option<EntityId>,
}

impl Frames {
    /// The same place in the world; the same pose, bit for bit, when the zone stays.
    fn convert(&self, world: &World, entity: EntityId, pose: Pose) -> Result<Pose, Refusal> {
        let apart = || Refusal::Invalid {
            what: "the new parent",
            reason: format!(
                "it is in another world than entity {entity}, so no place there is the same: give a pose, or let it ride"
            ),
        };
        let (old, new) = self.old.zip(self.new).ok_or_else(apart)?;
        if old == new {
            return Ok(pose);
        }
        let (up, down) = world.way(old, new).ok_or_else(apart)?;
        let converted = Conversion { up: &up, down: &down }.pose(pose);
        checks::pose(Some(converted))?;
        Ok(converted)
    }
}
