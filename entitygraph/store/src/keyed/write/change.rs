//! Changing an entity by a patch.

use entitygraph_schema::{Entity, EntityId, Patch, Pose, Refusal, space::radius};

use super::{graph::Graph, links};
use crate::{
    error::Result,
    keyed::{keys, tree::Tree},
};

/// Refuses a new parent (that is re-parenting), zone changes of what has children, roots that would be no bare zones, and
/// components that the registry does not know.
pub fn change(graph: &mut Graph<'_>, id: EntityId, patch: &Patch) -> Result<()> {
    let entity = graph.expect(id)?;
    let catalog = graph.catalog.clone();
    let patch = &*catalog.registry.completed(patch);
    check(graph, &entity, patch)?;
    let parent = keys::parent_number(entity.placement.parent);
    if let Some(ordinal) = patch.ordinal.filter(|ordinal| *ordinal != entity.ordinal) {
        graph.delete_row(keys::child(parent, entity.ordinal, id));
        graph.put_row(keys::child(parent, ordinal, id), &[]);
    }
    let becomes_other = patch.zone.is_some_and(|zone| zone.is_some() != entity.zone.is_some());
    let zone_before = if becomes_other { graph.zone_of(&entity)? } else { None };
    let changed = graph.edit(id)?;
    patch.apply(changed);
    if !patch.labels.is_empty() || !patch.components.is_empty() {
        Entity::check_size(&changed.labels, &changed.components)?;
    }
    if becomes_other {
        links::follow(graph, id, zone_before)?;
    }
    Ok(())
}

fn check(graph: &Graph<'_>, entity: &Entity, patch: &Patch) -> Result<()> {
    let id = entity.id;
    if patch.parent.is_some() {
        return Err(Refusal::ParentInPatch { entity: id }.into());
    }
    if let Some(metres) = patch.radius {
        radius("the radius", metres).map_err(Refusal::from)?;
    }
    patch.pose.flatten().map(Pose::check).transpose().map_err(Refusal::from)?;
    let is_root = entity.placement.parent.is_none();
    if is_root && (patch.pose.flatten().is_some() || patch.zone == Some(None)) {
        return Err(Refusal::RootNotZone { entity: id }.into());
    }
    if patch.zone.is_some_and(|zone| zone.is_some() != entity.zone.is_some()) && graph.has_children(id)? {
        return Err(Refusal::ZoneInUse { entity: id }.into());
    }
    Ok(check_components(graph, entity, patch)?)
}

fn check_components(graph: &Graph<'_>, entity: &Entity, patch: &Patch) -> Result<(), Refusal> {
    let registry = &graph.catalog.registry;
    for (component, values) in &patch.components {
        let known = registry.get(*component).ok_or(Refusal::UnknownComponentId { component: *component })?;
        for (variable, value) in &values.variables {
            match value {
                Some(value) => registry.check_own_value(entity.id, known, *variable, value)?,
                // Also a retired one: what is still held of it can be cleared.
                None if known.has_number(*variable) => {}
                None => {
                    let (component, variable) = (known.name.clone(), variable.to_string());
                    return Err(Refusal::UnknownVariable { component, variable });
                }
            }
        }
        if values.remove && !entity.components.0.contains_key(component) {
            return Err(Refusal::NoOwnComponent { entity: entity.id, component: known.name.clone() });
        }
    }
    Ok(())
}
