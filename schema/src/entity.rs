//! Entities: the nodes of the graph.

use std::collections::BTreeSet;

use crate::{
    component::Components,
    delta::Patch,
    id::{ContainerId, EntityId},
    order::{Epoch, Layer, Revision},
    refusal::Refusal,
    space::{Aabb, Pose, radius},
    text::{ChildName, EntityName, Kind, Label, OwnerId, PortName},
};

/// The child of a container that an entity was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The container around it.
    pub container: ContainerId,
    /// Its name there.
    pub child: ChildName,
}

/// What an entity is an instance of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its own container.
    pub container: ContainerId,
    /// Where in the container around it, for what came with another instance.
    pub slot: Option<Slot>,
}

/// Where an entity is: the one parent edge (G1) with its attributes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Placement {
    /// None only for a world root, which is a zone.
    pub parent: Option<EntityId>,
    /// The parent's port it is attached to.
    pub port: Option<PortName>,
    /// Relative to the innermost zone host above; none rides with the parent.
    pub pose: Option<Pose>,
}

/// An entity to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntity {
    /// From a leased [`crate::IdRange`], or an id the caller owns by agreement (an ingest with ids of its own).
    pub id: EntityId,
    /// What people call it.
    pub name: EntityName,
    /// What sort of thing it is.
    pub kind: Kind,
    /// What it is an instance of, if of anything.
    pub source: Option<Source>,
    /// Where it is.
    pub placement: Placement,
    /// Bounding radius in metres.
    pub radius: f64,
    /// Makes it a zone host with these bounds, in its own frame.
    pub zone: Option<Aabb>,
    /// Makes it an aggregate root.
    pub root: bool,
    /// Marks to find it by.
    pub labels: BTreeSet<Label>,
    /// Who owns it.
    pub owner: Option<OwnerId>,
    /// Zero is the ordinary world.
    pub layer: Layer,
    /// Place among its siblings; ties are ordered by id.
    pub ordinal: i64,
    /// Own values only: what differs from the container.
    pub components: Components,
}

/// A stored entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// Unique across shards and stores.
    pub id: EntityId,
    /// What people call it; may be empty.
    pub name: EntityName,
    /// What sort of thing it is; never changes.
    pub kind: Kind,
    /// What it is an instance of; never changes.
    pub source: Option<Source>,
    /// Where it is.
    pub placement: Placement,
    /// Bounding radius in metres.
    pub radius: f64,
    /// Bounds in its own frame, for zone hosts.
    pub zone: Option<Aabb>,
    /// Whether it is the root of an aggregate.
    pub root: bool,
    /// Marks to find it by.
    pub labels: BTreeSet<Label>,
    /// Who owns it.
    pub owner: Option<OwnerId>,
    /// Zero is the ordinary world.
    pub layer: Layer,
    /// Place among its siblings; ties are ordered by id.
    pub ordinal: i64,
    /// Own values only: what differs from the container.
    pub components: Components,
    /// 1 when created, one more with each change.
    pub revision: Revision,
    /// Authority epoch of the last write.
    pub epoch: Epoch,
}

impl Entity {
    /// Most entities above one when it is made or put under another: so that the way to it is walked and named (in page
    /// cursors) at a bounded cost. Worlds have ten to thirty levels. What is below a moved entity comes along at any
    /// depth.
    pub const MAX_ANCESTORS: usize = 1_024;

    /// Refuses a place with more above it than [`Self::MAX_ANCESTORS`].
    pub fn check_ancestors(count: usize) -> Result<(), Refusal> {
        let (count, max) = (count as u64, Self::MAX_ANCESTORS as u64);
        if count > max { Err(Refusal::TooMany { what: "entities above one", count, max }) } else { Ok(()) }
    }

    /// Most labels of one entity.
    pub const MAX_LABELS: usize = 256;

    /// Most bytes of one entity's own values: what a page of entities takes to read and to send stays bounded by its rows.
    pub const MAX_VALUE_BYTES: usize = 1 << 20;

    /// Refuses more labels and own values than one entity may have.
    pub fn check_size(labels: &BTreeSet<Label>, components: &Components) -> Result<(), Refusal> {
        let sizes = [
            ("labels of one entity", labels.len(), Self::MAX_LABELS),
            ("bytes of own values of one entity", components.size_bytes(), Self::MAX_VALUE_BYTES),
        ];
        match sizes.into_iter().find(|(_, count, max)| count > max) {
            Some((what, count, max)) => Err(Refusal::TooMany { what, count: count as u64, max: max as u64 }),
            None => Ok(()),
        }
    }

    /// Refuses to be adopted in the place of `before`, the entity of the same id, if there is one: when it is another entity
    /// or no newer revision of it, and what no entity may be.
    pub fn check_adoption(&self, before: Option<&Self>) -> Result<(), Refusal> {
        let entity = self.id;
        let invalid = |reason: String| Refusal::Invalid { what: "an adopted entity", reason };
        radius("the radius", self.radius)?;
        self.placement.pose.map(Pose::check).transpose()?;
        let Placement { parent, port, pose } = &self.placement;
        if parent.is_none() && (self.zone.is_none() || port.is_some() || pose.is_some()) {
            return Err(Refusal::RootNotZone { entity });
        }
        let Some(before) = before else { return Ok(()) };
        if (&self.kind, &self.source) != (&before.kind, &before.source) {
            return Err(invalid(format!(
                "entity {entity} is another one here: it differs in kind or container"
            )));
        }
        if parent.is_none() && before.placement.parent.is_some() {
            return Err(invalid(format!("entity {entity} has a parent here and cannot become a world root")));
        }
        if self.revision < before.revision || (self.revision == before.revision && !self.same_as(before)) {
            let (expected, found) = (self.revision, before.revision);
            return Err(Refusal::StaleRevision { entity, expected, found });
        }
        Ok(())
    }

    /// Whether both are the same to the last bit, revision and epoch included.
    pub fn same_as(&self, other: &Self) -> bool {
        let fixed = |entity: &Self| (entity.id, entity.revision, entity.epoch, entity.placement.parent);
        fixed(self) == fixed(other)
            && (&self.kind, &self.source) == (&other.kind, &other.source)
            && Patch::between(self, other).is_empty()
    }

    /// The entity as it is right after its creation.
    pub fn created(new: NewEntity, epoch: Epoch) -> Self {
        let NewEntity {
            id,
            name,
            kind,
            source,
            placement,
            radius,
            zone,
            root,
            labels,
            owner,
            layer,
            ordinal,
            components,
        } = new;
        Self {
            id,
            name,
            kind,
            source,
            placement,
            radius,
            zone,
            root,
            labels,
            owner,
            layer,
            ordinal,
            components,
            revision: Revision::ZERO.next(),
            epoch,
        }
    }

    /// Approximate bytes in memory, for cache weights.
    pub fn size_bytes(&self) -> usize {
        const FIXED: usize = std::mem::size_of::<Entity>();
        let texts = self.name.as_str().len() + self.kind.as_str().len() + 32;
        let labels: usize = self.labels.iter().map(|label| label.as_str().len() + 48).sum();
        FIXED + texts + labels + self.components.size_bytes()
    }
}
