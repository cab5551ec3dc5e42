//! Taking over entities of another store as they are.

use std::{collections::HashSet, sync::Arc};

use entitygraph_schema::{Entity, EntityId, Refusal};

use super::{graph::Graph, links, ports, reparent};
use crate::{
    error::Result,
    keyed::{keys, tree::Tree},
};

/// Puts all of them in, then judges what came of it.
///
/// What is below one that moves, or that becomes a zone or ceases to be one, keeps its pose and is in another zone by it:
/// its rows in the space index and its links follow.
pub fn adopt(graph: &mut Graph<'_>, entities: &[Arc<Entity>]) -> Result<()> {
    let mut ids = HashSet::new();
    let mut arriving: Vec<(&Arc<Entity>, Option<Arc<Entity>>)> = Vec::new();
    let mut shifted = Vec::new();
    for entity in entities {
        let id = entity.id;
        if !ids.insert(id) {
            let reason = format!("{id} is there twice");
            return Err(Refusal::Invalid { what: "the adopted entities", reason }.into());
        }
        let before = graph.entity(id)?;
        if before.is_none() && graph.is_buried(id)? {
            return Err(Refusal::EntityBuried { entity: id }.into());
        }
        entity.check_adoption(before.as_deref())?;
        graph.catalog.check_adopted(entity)?;
        if let Some(before) = &before {
            if entity.same_as(before) {
                continue;
            }
            shift(graph, before, entity, &mut shifted)?;
        }
        arriving.push((entity, before));
    }
    // Nobody leaves before it is known who comes along, and nobody arrives before all have left.
    for before in arriving.iter().filter_map(|(_, before)| before.as_ref()) {
        ports::detach(graph, before);
        graph.delete_row(child_row(before));
    }
    for (entity, _) in &arriving {
        graph.put_row(child_row(entity), &[]);
        graph.adopt((*entity).clone())?;
    }
    graph.forget_depths();
    let mut sound = HashSet::new();
    for (entity, _) in &arriving {
        place(graph, entity, &mut sound)?;
    }
    for (id, zone) in shifted {
        links::follow(graph, id, zone)?;
    }
    Ok(())
}

fn child_row(entity: &Entity) -> Vec<u8> {
    keys::child(keys::parent_number(entity.placement.parent), entity.ordinal, entity.id)
}

/// Notes who comes into another zone with an entity that changes like this, and in which zone they were. Neither a new
/// parent in the same zone nor a moved zone host brings anybody into another one, but what the zones will be is only known
/// when all are in.
fn shift(
    graph: &mut Graph<'_>,
    before: &Arc<Entity>,
    now: &Entity,
    shifted: &mut Vec<(EntityId, Option<EntityId>)>,
) -> Result<()> {
    let turns = before.zone.is_some() != now.zone.is_some();
    let moves = before.placement.parent != now.placement.parent && before.zone.is_none();
    if !turns && !moves {
        return Ok(());
    }
    let zone = graph.zone_of(before)?;
    shifted.push((before.id, zone));
    for below in reparent::region(graph, before.id)? {
        graph.touch(&below);
        if below.zone.is_none() {
            shifted.push((below.id, zone));
        }
    }
    Ok(())
}

/// Refuses a place that cannot be: under nobody who lives, below itself, on a port where another one is. Those that are
/// `sound` have a way up to a world root.
fn place(graph: &mut Graph<'_>, entity: &Entity, sound: &mut HashSet<EntityId>) -> Result<()> {
    let Some(parent) = entity.placement.parent else { return Ok(()) };
    let mut met = HashSet::from([entity.id]);
    let mut above = Some(parent);
    while let Some(id) = above.filter(|id| !sound.contains(id)) {
        if !met.insert(id) {
            return Err(Refusal::Cycle { entity: entity.id, parent }.into());
        }
        above = graph.expect(id)?.placement.parent;
    }
    sound.extend(met);
    if let Some(port) = &entity.placement.port {
        if let Some(occupant) = ports::occupant(graph, parent, port)?.filter(|other| *other != entity.id) {
            return Err(Refusal::PortOccupied { entity: parent, port: port.clone(), occupant }.into());
        }
        ports::attach(graph, parent, port, entity.id);
    }
    Ok(())
}

/// Marks an id as used and gone.
pub fn entomb(graph: &mut Graph<'_>, id: EntityId) -> Result<()> {
    if graph.entity(id)?.is_some() {
        return Err(Refusal::EntityExists { entity: id }.into());
    }
    if !graph.is_buried(id)? {
        graph.draft.entombed.insert(id);
    }
    Ok(())
}
