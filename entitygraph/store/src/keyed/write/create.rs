//! Creating an entity.

use entitygraph_schema::{Entity, Epoch, Kind, NewEntity, Pose, Refusal, Source, space::radius};

use super::{graph::Graph, ports, publish};
use crate::{
    error::Result,
    keyed::{keys, tree::Tree},
};

/// Refuses ids that are or were in use, unknown parents, roots that are no bare zones, instances of what cannot be
/// instantiated, occupied ports and values that the registry does not know.
pub fn create(graph: &mut Graph<'_>, new: &NewEntity) -> Result<()> {
    let id = new.id;
    if graph.entity(id)?.is_some() {
        return Err(Refusal::EntityExists { entity: id }.into());
    }
    if graph.is_buried(id)? {
        return Err(Refusal::EntityBuried { entity: id }.into());
    }
    radius("the radius", new.radius).map_err(Refusal::from)?;
    new.placement.pose.map(Pose::check).transpose().map_err(Refusal::from)?;
    if let Some(source) = &new.source {
        check_source(graph, source, &new.kind)?;
    }
    match new.placement.parent {
        Some(parent) => {
            let parent = graph.expect(parent)?;
            graph.check_room_below(parent.id)?;
            if let Some(port) = &new.placement.port {
                ports::check(graph, &parent, port, id, &new.kind)?;
                ports::attach(graph, parent.id, port, id);
            }
        }
        None if new.zone.is_none() || new.placement.pose.is_some() || new.placement.port.is_some() => {
            return Err(Refusal::RootNotZone { entity: id }.into());
        }
        None => {}
    }
    graph.catalog.registry.check_own(id, &new.components)?;
    Entity::check_size(&new.labels, &new.components)?;
    graph.put_row(keys::child(keys::parent_number(new.placement.parent), new.ordinal, id), &[]);
    graph.insert(Entity::created(new.clone(), Epoch::ZERO));
    Ok(())
}

fn check_source(graph: &Graph<'_>, source: &Source, kind: &Kind) -> Result<(), Refusal> {
    let draft = &publish::known_container(graph, source.container)?.draft;
    if let Some(slot) = &source.slot {
        // Its child may be gone by now: structure applies to new instances only.
        publish::known_container(graph, slot.container)?;
    }
    if draft.transient {
        return Err(Refusal::Transient { container: draft.name.clone() });
    }
    if draft.kind != *kind {
        let reason =
            format!("an instance of container `{}` is a `{}`, not a `{kind}`", draft.name, draft.kind);
        return Err(Refusal::Invalid { what: "the kind", reason });
    }
    Ok(())
}
