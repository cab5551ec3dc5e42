//! What changed: patches that callers write and deltas that observers apply.
//!
//! Laws, each shown by a property test (AC 2.3.1, 2.3.2):
//! - merge is associative, and the empty patch is its identity;
//! - applying `a.merge(b)` is applying `a`, then `b`;
//! - applying a patch twice is applying it once;
//! - a delta at or below the entity's revision changes nothing, so replays and duplicates do no harm.

use std::collections::BTreeMap;

use crate::{
    component::{Components, Registry},
    entity::Entity,
    id::{ComponentId, EntityId, VariableId},
    order::{Epoch, Layer, Revision},
    space::{Aabb, Pose},
    text::{EntityName, Label, OwnerId, PortName},
    value::Value,
};

/// Change of one component's own values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComponentPatch {
    /// Forget the own values first.
    pub reset: bool,
    /// After the patch the entity has no own values of it, whatever else the patch says (a component of the container
    /// stays, with the container's values).
    pub remove: bool,
    /// New values; none goes back to the container's value or the default.
    pub variables: BTreeMap<VariableId, Option<Value>>,
}

impl ComponentPatch {
    /// Sets values, keeping the others.
    pub fn set(variables: impl IntoIterator<Item = (VariableId, Value)>) -> Self {
        Self {
            variables: variables.into_iter().map(|(id, value)| (id, Some(value))).collect(),
            ..Self::default()
        }
    }

    /// Takes the own component away.
    pub fn removed() -> Self {
        Self { reset: true, remove: true, variables: BTreeMap::new() }
    }

    /// The patch that does this one, then `next`.
    #[must_use]
    pub fn merge(mut self, next: Self) -> Self {
        if next.remove || next.reset {
            return next;
        }
        if self.remove {
            self = Self { reset: true, ..Self::default() };
        }
        self.variables.extend(next.variables);
        self
    }

    fn apply(&self, component: ComponentId, components: &mut Components) {
        if self.remove {
            components.0.remove(&component);
            return;
        }
        let values = components.0.entry(component).or_default();
        if self.reset {
            values.clear();
        }
        for (variable, value) in &self.variables {
            match value {
                Some(value) => drop(values.insert(*variable, value.clone())),
                None => drop(values.remove(variable)),
            }
        }
    }
}

/// Changed parts of an entity; what is `None` or absent stays as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Patch {
    /// New name.
    pub name: Option<EntityName>,
    /// New parent edge: parent and port. Callers change it by [`crate::Operation::Reparent`] only.
    pub parent: Option<(EntityId, Option<PortName>)>,
    /// New pose; `Some(None)` rides with the parent.
    pub pose: Option<Option<Pose>>,
    /// New bounding radius in metres.
    pub radius: Option<f64>,
    /// New zone bounds; an entity can become a zone host or cease to be one only while nothing is below it.
    pub zone: Option<Option<Aabb>>,
    /// Whether it is an aggregate root.
    pub root: Option<bool>,
    /// New owner or none.
    pub owner: Option<Option<OwnerId>>,
    /// New layer.
    pub layer: Option<Layer>,
    /// New place among its siblings.
    pub ordinal: Option<i64>,
    /// Labels set (true) and taken away (false).
    pub labels: BTreeMap<Label, bool>,
    /// Changed values.
    pub components: BTreeMap<ComponentId, ComponentPatch>,
}

impl Patch {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The smallest patch that makes `after` of `before`, two states of one entity: what stayed the same to the last bit
    /// is not in it. This is the form in which a store tells what a transaction changed.
    pub fn between(before: &Entity, after: &Entity) -> Self {
        let mut patch = Self::default();
        let (old, new) = (&before.placement, &after.placement);
        if before.name != after.name {
            patch.name = Some(after.name.clone());
        }
        if let Some(parent) = new.parent
            && (old.parent, &old.port) != (new.parent, &new.port)
        {
            patch.parent = Some((parent, new.port.clone()));
        }
        if !same(old.pose.as_ref(), new.pose.as_ref(), Pose::same_bits) {
            patch.pose = Some(new.pose);
        }
        if before.radius.to_bits() != after.radius.to_bits() {
            patch.radius = Some(after.radius);
        }
        if !same(before.zone.as_ref(), after.zone.as_ref(), Aabb::same_bits) {
            patch.zone = Some(after.zone);
        }
        if before.root != after.root {
            patch.root = Some(after.root);
        }
        if before.owner != after.owner {
            patch.owner = Some(after.owner.clone());
        }
        if before.layer != after.layer {
            patch.layer = Some(after.layer);
        }
        if before.ordinal != after.ordinal {
            patch.ordinal = Some(after.ordinal);
        }
        patch.labels = before
            .labels
            .symmetric_difference(&after.labels)
            .map(|l| (l.clone(), after.labels.contains(l)))
            .collect();
        let (old, new) = (&before.components.0, &after.components.0);
        for component in old.keys().filter(|component| !new.contains_key(component)) {
            patch.components.insert(*component, ComponentPatch::removed());
        }
        for (component, values) in new {
            let Some(known) = old.get(component) else {
                patch.components.insert(*component, ComponentPatch::set(values.clone()));
                continue;
            };
            let gone = known.keys().filter(|v| !values.contains_key(v)).map(|v| (*v, None));
            let set = values
                .iter()
                .filter(|(v, value)| known.get(v) != Some(value))
                .map(|(v, value)| (*v, Some(value.clone())));
            let variables: BTreeMap<_, _> = gone.chain(set).collect();
            if !variables.is_empty() {
                patch
                    .components
                    .insert(*component, ComponentPatch { variables, ..ComponentPatch::default() });
            }
        }
        patch
    }

    /// The patch that does this one, then `next`.
    #[must_use]
    pub fn merge(mut self, next: Self) -> Self {
        let Patch { name, parent, pose, radius, zone, root, owner, layer, ordinal, labels, components } =
            next;
        self.name = name.or(self.name);
        self.parent = parent.or(self.parent);
        self.pose = pose.or(self.pose);
        self.radius = radius.or(self.radius);
        self.zone = zone.or(self.zone);
        self.root = root.or(self.root);
        self.owner = owner.or(self.owner);
        self.layer = layer.or(self.layer);
        self.ordinal = ordinal.or(self.ordinal);
        self.labels.extend(labels);
        for (id, patch) in components {
            let merged = self.components.remove(&id).unwrap_or_default().merge(patch);
            self.components.insert(id, merged);
        }
        self
    }

    /// Applies the patch, whatever the revision.
    pub fn apply(&self, entity: &mut Entity) {
        if let Some(name) = &self.name {
            entity.name = name.clone();
        }
        if let Some((parent, port)) = &self.parent {
            entity.placement.parent = Some(*parent);
            entity.placement.port = port.clone();
        }
        if let Some(pose) = self.pose {
            entity.placement.pose = pose;
        }
        if let Some(radius) = self.radius {
            entity.radius = radius;
        }
        if let Some(zone) = self.zone {
            entity.zone = zone;
        }
        if let Some(root) = self.root {
            entity.root = root;
        }
        if let Some(owner) = &self.owner {
            entity.owner = owner.clone();
        }
        if let Some(layer) = self.layer {
            entity.layer = layer;
        }
        if let Some(ordinal) = self.ordinal {
            entity.ordinal = ordinal;
        }
        for (label, set) in &self.labels {
            if *set {
                entity.labels.insert(label.clone());
            } else {
                entity.labels.remove(label);
            }
        }
        for (id, patch) in &self.components {
            patch.apply(*id, &mut entity.components);
        }
    }

    /// Adds, for each changed variable of a group, the other stored members as they are in `entity` after the patch: a
    /// group is told together. Values the entity does not hold itself are told as `None`.
    pub fn expand_groups(&mut self, entity: &Entity, registry: &Registry) {
        for (id, patch) in &mut self.components {
            let Some(component) = registry.get(*id) else { continue };
            let group = |variable| component.variable_by_id(variable)?.draft.group.as_ref();
            let groups: Vec<_> = patch.variables.keys().filter_map(|variable| group(*variable)).collect();
            if groups.is_empty() {
                continue;
            }
            // Of a member that is not stored the value is elsewhere: nothing may be said about it.
            for member in component.variables.iter().filter(|member| member.draft.persisted) {
                if member.draft.group.as_ref().is_some_and(|group| groups.contains(&group)) {
                    let value = entity.components.get(*id, member.id).cloned();
                    patch.variables.entry(member.id).or_insert(value);
                }
            }
        }
    }
}

fn same<T>(one: Option<&T>, other: Option<&T>, equal: fn(&T, &T) -> bool) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => equal(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// A committed change of one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Delta {
    /// The entity's revision after the change.
    pub revision: Revision,
    /// Authority epoch of the write.
    pub epoch: Epoch,
    /// What changed.
    pub patch: Patch,
}

impl Delta {
    /// Applies the delta if it is newer than the entity; says whether it did.
    pub fn apply(&self, entity: &mut Entity) -> bool {
        if self.revision <= entity.revision {
            return false;
        }
        self.patch.apply(entity);
        entity.revision = self.revision;
        entity.epoch = self.epoch;
        true
    }
}

#[cfg(test)]
mod tests;
