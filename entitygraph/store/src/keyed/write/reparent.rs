//! Moving an entity with all below it under another parent.

use std::sync::Arc;

use entitygraph_schema::{Entity, EntityId, NewPose, PortName, Pose, Refusal};

use super::{graph::Graph, links, ports};
use crate::{
    error::Result,
    keyed::{
        keys,
        tree::{Tree, Way},
    },
};

/// Refuses cycles, unknown and occupied ports, and keeping a place in the world when going to another world.
///
/// A zone host carries its frame along. Below anything else, what has a pose stands in the zone that is left; it is put at
/// the same place of the world in the zone that is entered, and links follow.
pub fn reparent(
    graph: &mut Graph<'_>,
    id: EntityId,
    parent: EntityId,
    port: Option<&PortName>,
    pose: NewPose,
) -> Result<()> {
    let moved = graph.expect(id)?;
    let target = graph.expect(parent)?;
    check_above(graph, id, &target)?;
    if let Some(port) = port {
        ports::check(graph, &target, port, id, &moved.kind)?;
    }
    let seat = graph.seat(&moved)?;
    let step = Move::new(graph, seat.map(|(zone, _)| zone), graph.zone_of(&target)?)?;
    let pose = match pose {
        NewPose::KeepWorld => Some(step.convert(id, seat.map_or(Pose::IDENTITY, |(_, pose)| pose))?),
        NewPose::At(pose) => Some(pose),
        NewPose::Ride => None,
    };
    pose.map(Pose::check).transpose().map_err(Refusal::from)?;

    let carried = if moved.zone.is_none() && step.old != step.new { region(graph, id)? } else { Vec::new() };
    let mut standing = Vec::new();
    for below in &carried {
        if let Some(pose) = below.placement.pose {
            standing.push((below.id, step.convert(below.id, pose)?));
        }
    }

    graph.forget_depths();
    ports::detach(graph, &moved);
    if let Some(port) = port {
        ports::attach(graph, parent, port, id);
    }
    graph.delete_row(keys::child(keys::parent_number(moved.placement.parent), moved.ordinal, id));
    graph.put_row(keys::child(parent.get(), moved.ordinal, id), &[]);
    let placement = &mut graph.edit(id)?.placement;
    placement.parent = Some(parent);
    placement.port = port.cloned();
    placement.pose = pose;
    for (below, pose) in standing {
        graph.edit(below)?.placement.pose = Some(pose);
    }
    if moved.zone.is_none() && step.old != step.new {
        links::follow(graph, id, step.old)?;
        for below in carried.iter().filter(|below| below.zone.is_none()) {
            links::follow(graph, below.id, step.old)?;
        }
    }
    Ok(())
}

/// Refuses a target that is the entity or below it, and one that has too many above it.
fn check_above(graph: &Graph<'_>, id: EntityId, target: &Entity) -> Result<()> {
    let mut above = Some(target.id);
    let mut parent = target.placement.parent;
    let mut levels = 0;
    while let Some(at) = above {
        if at == id {
            return Err(Refusal::Cycle { entity: id, parent: target.id }.into());
        }
        levels += 1;
        Entity::check_ancestors(levels)?;
        above = parent;
        parent = match above {
            Some(above) => graph.expect(above)?.placement.parent,
            None => None,
        };
    }
    Ok(())
}

/// What is below an entity in the same zone, parents first: nested zone hosts are in it, what is below those is not.
pub fn region(graph: &mut Graph<'_>, root: EntityId) -> Result<Vec<Arc<Entity>>> {
    let mut found = Vec::new();
    let mut open = graph.touch_children(root)?;
    open.reverse();
    while let Some(id) = open.pop() {
        let entity = graph.expect(id)?;
        if entity.zone.is_none() {
            open.extend(graph.touch_children(id)?.into_iter().rev());
        }
        found.push(entity);
    }
    Ok(found)
}

/// From the zone that is left to the one that is entered; a world root leaves none.
struct Move {
    old: Option<EntityId>,
    new: Option<EntityId>,
    way: Option<Way>,
}

impl Move {
    fn new(graph: &Graph<'_>, old: Option<EntityId>, new: Option<EntityId>) -> Result<Self> {
        let way = match (old, new) {
            (Some(old), Some(new)) if old != new => graph.way(old, new)?,
            _ => None,
        };
        Ok(Self { old, new, way })
    }

    /// The same place in the world; the same pose, bit for bit, when the zone stays.
    fn convert(&self, entity: EntityId, pose: Pose) -> Result<Pose, Refusal> {
        if self.old.is_some() && self.old == self.new {
            return Ok(pose);
        }
        let way = self.way.as_ref().ok_or_else(|| Refusal::Invalid {
            what: "the new parent",
            reason: format!(
                "it is in another world than entity {entity}, so no place there is the same: give a pose, or let it ride"
            ),
        })?;
        let converted = way.conversion().pose(pose);
        Ok(converted.check()?)
    }
}
