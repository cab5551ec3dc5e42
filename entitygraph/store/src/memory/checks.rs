//! Rules that single operations must keep.

use entitygraph_schema::{
    Entity, EntityId, Kind, NewEntity, Patch, PortName, Pose, Precondition, Refusal, Source, space::radius,
};

use super::{draft::Draft, world::World};

/// Checks one precondition; notes the epoch under which the transaction writes.
pub(crate) fn precondition(draft: &mut Draft<'_>, precondition: &Precondition) -> Result<(), Refusal> {
    let world = &*draft.world;
    match precondition {
        Precondition::Exists(entity) => world.known(*entity).map(drop),
        Precondition::Absent(entity) => match world.get(*entity) {
            Some(_) => Err(Refusal::EntityExists { entity: *entity }),
            None => Ok(()),
        },
        Precondition::Revision(entity, expected) => {
            let found = world.known(*entity)?.revision;
            if found == *expected {
                Ok(())
            } else {
                Err(Refusal::StaleRevision { entity: *entity, expected: *expected, found })
            }
        }
        Precondition::Epoch(entity, given) => {
            let found = world.known(*entity)?.epoch;
            if *given < found {
                return Err(Refusal::StaleEpoch { entity: *entity, given: *given, found });
            }
            let held = draft.epochs.entry(*entity).or_default();
            *held = (*held).max(*given);
            Ok(())
        }
        Precondition::PortFree(entity, port) => {
            world.known(*entity)?;
            match world.occupant(*entity, port) {
                Some(occupant) => {
                    Err(Refusal::PortOccupied { entity: *entity, port: port.clone(), occupant })
                }
                None => Ok(()),
            }
        }
        Precondition::ContainerVersion(container, expected) => {
            let container = world
                .catalog
                .container(*container)
                .ok_or_else(|| Refusal::UnknownContainer { container: container.to_string() })?;
            let (expected, found) = (*expected, container.version);
            if found == expected {
                Ok(())
            } else {
                Err(Refusal::StaleContainer { container: container.draft.name.clone(), expected, found })
            }
        }
    }
}

pub(crate) fn create(world: &World, new: &NewEntity) -> Result<(), Refusal> {
    let entity = new.id;
    if world.get(entity).is_some() {
        return Err(Refusal::EntityExists { entity });
    }
    if world.buried.contains(&entity) {
        return Err(Refusal::EntityBuried { entity });
    }
    radius("the radius", new.radius)?;
    pose(new.placement.pose)?;
    if let Some(source) = &new.source {
        instance(world, source, &new.kind)?;
    }
    match new.placement.parent {
        Some(parent) => {
            let above = world.known(parent)?;
            Entity::check_ancestors(world.ancestors(above).count() + 1)?;
            if let Some(name) = &new.placement.port {
                port(world, parent, name, entity, &new.kind)?;
            }
        }
        None if new.zone.is_none() || new.placement.pose.is_some() || new.placement.port.is_some() => {
            return Err(Refusal::RootNotZone { entity });
        }
        None => {}
    }
    world.catalog.registry.check_own(entity, &new.components)?;
    Entity::check_size(&new.labels, &new.components)
}

fn instance(world: &World, source: &Source, kind: &Kind) -> Result<(), Refusal> {
    let unknown = |id: &dyn ToString| Refusal::UnknownContainer { container: id.to_string() };
    let container = world.catalog.container(source.container).ok_or_else(|| unknown(&source.container))?;
    if let Some(slot) = &source.slot {
        // Its child may be gone by now: structure applies to new instances only.
        world.catalog.container(slot.container).ok_or_else(|| unknown(&slot.container))?;
    }
    let draft = &container.draft;
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

pub(crate) fn change(world: &World, entity: &Entity, patch: &Patch) -> Result<(), Refusal> {
    let id = entity.id;
    if patch.parent.is_some() {
        return Err(Refusal::ParentInPatch { entity: id });
    }
    if let Some(metres) = patch.radius {
        radius("the radius", metres)?;
    }
    pose(patch.pose.flatten())?;
    let is_root = entity.placement.parent.is_none();
    if is_root && (patch.pose.flatten().is_some() || patch.zone == Some(None)) {
        return Err(Refusal::RootNotZone { entity: id });
    }
    if patch.zone.is_some_and(|zone| zone.is_some() != entity.zone.is_some()) && world.has_children(id) {
        return Err(Refusal::ZoneInUse { entity: id });
    }
    for (component, values) in &patch.components {
        let registry = &world.catalog.registry;
        let known = registry.get(*component).ok_or(Refusal::UnknownComponentId { component: *component })?;
        for (variable, value) in &values.variables {
            match value {
                Some(value) => registry.check_own_value(id, known, *variable, value)?,
                // Also a retired one: what is still held of it can be cleared.
                None if known.has_number(*variable) => {}
                None => {
                    let (component, variable) = (known.name.clone(), variable.to_string());
                    return Err(Refusal::UnknownVariable { component, variable });
                }
            }
        }
        if values.remove && !entity.components.0.contains_key(component) {
            return Err(Refusal::NoOwnComponent { entity: id, component: known.name.clone() });
        }
    }
    Ok(())
}

/// Whether an entity of this kind may be attached: the parent's container has the port, it takes the kind, and nobody
/// else is there. A parent that is no instance has no ports.
pub(crate) fn port(
    world: &World,
    parent: EntityId,
    port: &PortName,
    who: EntityId,
    kind: &Kind,
) -> Result<(), Refusal> {
    let entity = world.known(parent)?;
    let container = entity.source.as_ref().and_then(|source| world.catalog.container(source.container));
    let ports = container.map_or(&[][..], |container| &container.draft.ports);
    let known = ports.iter().find(|known| known.name == *port).ok_or_else(|| Refusal::UnknownPort {
        entity: parent,
        port: port.clone(),
        known: listed(ports.iter().map(|port| port.name.as_str()), "no ports"),
    })?;
    if !known.takes(kind) {
        let accepts = listed(known.accepts.iter().map(Kind::as_str), "nothing");
        return Err(Refusal::PortRefuses { entity: parent, port: port.clone(), accepts, kind: kind.clone() });
    }
    match world.occupant(parent, port) {
        Some(occupant) if occupant != who => {
            Err(Refusal::PortOccupied { entity: parent, port: port.clone(), occupant })
        }
        _ => Ok(()),
    }
}

/// Refuses poses that went too far by calculating.
pub(crate) fn pose(pose: Option<Pose>) -> Result<(), Refusal> {
    if let Some(pose) = pose {
        pose.check()?;
    }
    Ok(())
}

fn listed<'a>(names: impl Iterator<Item = &'a str>, none: &str) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { none.to_owned() } else { names.join(", ") }
}
