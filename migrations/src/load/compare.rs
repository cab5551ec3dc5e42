//! What it takes to make the store say what a source says.

use entitygraph_schema::{ComponentPatch, Entity, Link, NewEntity, NewPose, Operation, Patch, Pose};

use super::loader::Existing;

/// What has to be done for one item.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is new.
    Create,
    /// It is there and differs.
    Update(Vec<Operation>),
    /// It is there as the source says, or is to be kept as it is.
    Unchanged,
    /// It cannot be made what the source says.
    Refuse(String),
}

/// Compares an entity of the source with the one in the store; the rules are in the module documentation of `load`.
pub(super) fn entity(new: &NewEntity, found: Option<&Entity>, existing: Existing) -> Verdict {
    let Some(found) = found else { return Verdict::Create };
    if let Some(reason) = another(new, found) {
        return Verdict::Refuse(reason);
    }
    if existing == Existing::Keep {
        return Verdict::Unchanged;
    }
    let mut operations = Vec::new();
    let (old, place) = (&found.placement, &new.placement);
    let mut patch = difference(new, found);
    match place.parent {
        Some(parent) if place.parent != old.parent || place.port != old.port => {
            let pose = place.pose.map_or(NewPose::Ride, NewPose::At);
            operations.push(Operation::Reparent { entity: new.id, parent, port: place.port.clone(), pose });
        }
        _ if !same_pose(place.pose, old.pose) => patch.pose = Some(place.pose),
        _ => {}
    }
    if !patch.is_empty() {
        operations.push(Operation::Change(new.id, patch));
    }
    if operations.is_empty() { Verdict::Unchanged } else { Verdict::Update(operations) }
}

/// Compares a link of the source with its cost in the store.
pub(super) fn link(new: &Link, found: Option<f64>, existing: Existing) -> Verdict {
    match found {
        None => Verdict::Create,
        Some(cost) if cost.to_bits() == new.cost.to_bits() || existing == Existing::Keep => {
            Verdict::Unchanged
        }
        Some(_) => Verdict::Update(vec![Operation::Link(new.clone())]),
    }
}

/// Why the entity in the store is not the one that the source means.
fn another(new: &NewEntity, found: &Entity) -> Option<String> {
    let id = new.id;
    if new.kind != found.kind {
        return Some(format!(
            "entity {id} is a `{}` in the store, not a `{}`: take another id",
            found.kind, new.kind
        ));
    }
    if new.source != found.source {
        return Some(format!(
            "entity {id} is made from another container in the store, which never changes: bury it there, or take another id"
        ));
    }
    match (new.placement.parent, found.placement.parent) {
        (None, Some(parent)) => {
            Some(format!("entity {id} is a world root here but is under {parent} in the store"))
        }
        (Some(_), None) => Some(format!("entity {id} has a parent here but is a world root in the store")),
        _ => None,
    }
}

/// What differs besides the place.
fn difference(new: &NewEntity, found: &Entity) -> Patch {
    let mut patch = Patch::default();
    if new.name != found.name {
        patch.name = Some(new.name.clone());
    }
    if new.radius.to_bits() != found.radius.to_bits() {
        patch.radius = Some(new.radius);
    }
    if new.zone != found.zone {
        patch.zone = Some(new.zone);
    }
    if new.root != found.root {
        patch.root = Some(new.root);
    }
    if new.owner.is_some() && new.owner != found.owner {
        patch.owner = Some(new.owner.clone());
    }
    if new.layer != found.layer {
        patch.layer = Some(new.layer);
    }
    if new.ordinal != found.ordinal {
        patch.ordinal = Some(new.ordinal);
    }
    patch.labels = new.labels.difference(&found.labels).map(|label| (label.clone(), true)).collect();
    for (component, values) in &new.components.0 {
        let old = found.components.0.get(component);
        let changed = values.iter().filter(|(id, value)| old.and_then(|old| old.get(id)) != Some(value));
        let set = ComponentPatch::set(changed.map(|(id, value)| (*id, value.clone())));
        if old.is_none() || !set.variables.is_empty() {
            patch.components.insert(*component, set);
        }
    }
    patch
}

fn same_pose(one: Option<Pose>, other: Option<Pose>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.same_bits(&other),
        (None, None) => true,
        _ => false,
    }
}
