//! Scopes of subscriptions and what their subscribers are told. `docs/subscriptions.md` is the specification.

use std::sync::Arc;

use entitygraph_schema::{
    Change, ComponentId, ComponentType, Container, ContainerId, Cursor, Entity, EntityId, Label, Layer, Link,
    LinkKind, OperationId, Patch, Revision, query::Near,
};
use glam::DVec3;

use crate::metrics::MessageLabel;

/// A part of the world that somebody follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One entity.
    Entity(EntityId),
    /// The entity and everything below it.
    Subtree(EntityId),
    /// The entity and what is below it, without nested aggregates.
    Aggregate(EntityId),
    /// The zone host and all entities whose innermost zone it is.
    Zone(EntityId),
    /// Placed entities near a point.
    Sphere(Sphere),
    /// Instances of a container.
    Container(ContainerId),
    /// Entities with a label.
    Label(Label),
}

/// The question `near` as a scope. Floats are kept as bits, so that equal questions share their work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sphere {
    zone: EntityId,
    point: [u64; 3],
    radius: Option<u64>,
    min_angular_size: Option<u64>,
    layer: Layer,
}

impl From<&Near> for Sphere {
    fn from(near: &Near) -> Self {
        Self {
            zone: near.zone,
            point: near.point.to_array().map(f64::to_bits),
            radius: near.radius.map(f64::to_bits),
            min_angular_size: near.min_angular_size.map(f64::to_bits),
            layer: near.layer,
        }
    }
}

impl From<&Sphere> for Near {
    fn from(sphere: &Sphere) -> Self {
        Self {
            zone: sphere.zone,
            point: DVec3::from_array(sphere.point.map(f64::from_bits)),
            radius: sphere.radius.map(f64::from_bits),
            min_angular_size: sphere.min_angular_size.map(f64::from_bits),
            layer: sphere.layer,
        }
    }
}

/// One change as the subscribers of a scope see it.
#[derive(Debug, Clone, PartialEq)]
pub enum ScopeChange {
    /// It came into the scope: created, moved in, labelled.
    Entered(Arc<Entity>),
    /// It was in the scope and is.
    Changed {
        /// Which.
        entity: EntityId,
        /// Its revision after the change.
        revision: Revision,
        /// What changed.
        patch: Arc<Patch>,
    },
    /// It went out of the scope. From a subtree, an aggregate and a zone it takes along everything below it, which is not
    /// told of one by one; only what is buried is.
    Left {
        /// Which.
        entity: EntityId,
        /// Whether it exists no more.
        buried: bool,
    },
    /// A version of a container was published that effective values in the scope may come from.
    ContainerPublished(Arc<Container>),
    /// A version of a component type was published that effective values in the scope may come from.
    ComponentPublished(Arc<ComponentType>),
    /// A link with an end in the scope was made or its cost changed.
    Linked(Link),
    /// A link with an end in the scope was taken away.
    Unlinked {
        /// Its kind.
        kind: LinkKind,
        /// The end with the lower id.
        a: EntityId,
        /// The end with the higher id.
        b: EntityId,
    },
}

/// What a change is about: of several changes of one subject the last one counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // they are what they are
pub enum Subject {
    Entity(EntityId),
    Container(ContainerId),
    Component(ComponentId),
    Link(LinkKind, EntityId, EntityId),
}

impl ScopeChange {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Entered(entity) => Subject::Entity(entity.id),
            Self::Changed { entity, .. } | Self::Left { entity, .. } => Subject::Entity(*entity),
            Self::ContainerPublished(container) => Subject::Container(container.id),
            Self::ComponentPublished(component) => Subject::Component(component.id),
            Self::Linked(Link { kind, a, b, .. }) | Self::Unlinked { kind, a, b } => {
                Subject::Link(kind.clone(), *a, *b)
            }
        }
    }

    /// What a change that published something is to every scope that it concerns; `None` for other changes.
    pub(super) fn published(change: &Change) -> Option<Self> {
        match change {
            Change::Container(container) => Some(Self::ContainerPublished(container.clone())),
            Change::Component(component) => Some(Self::ComponentPublished(component.clone())),
            _ => None,
        }
    }

    /// What a change of a link is to every scope that one of its ends is in; `None` for other changes.
    pub(super) fn of_link(change: &Change) -> Option<Self> {
        match change {
            Change::Linked(link) => Some(Self::Linked(link.clone())),
            Change::Unlinked { kind, a, b } => Some(Self::Unlinked { kind: kind.clone(), a: *a, b: *b }),
            _ => None,
        }
    }
}

/// What one transaction, or several merged ones, changed in a scope.
#[derive(Debug, Clone, PartialEq)]
pub struct ScopeCommit {
    /// The first transaction in it.
    pub from: Cursor,
    /// The last transaction in it; the subscriber resumes after this one.
    pub to: Cursor,
    /// The writer's name for it, unless merged.
    pub operation_id: Option<OperationId>,
    /// In order.
    pub changes: Vec<ScopeChange>,
}

/// A message to a subscriber.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The scope as it is.
    Snapshot {
        /// The moment it is true for.
        cursor: Cursor,
        /// Parents first.
        entities: Arc<[Arc<Entity>]>,
    },
    /// What happened.
    Transaction(Arc<ScopeCommit>),
    /// Transactions after `after` up to `newest` are lost to this subscriber; a snapshot follows.
    Lag {
        /// The last one it was told of.
        after: Cursor,
        /// The newest one.
        newest: Cursor,
    },
}

impl Message {
    /// What it counts as.
    pub fn kind(&self) -> MessageLabel {
        match self {
            Self::Snapshot { .. } => MessageLabel::Snapshot,
            Self::Transaction(_) => MessageLabel::Transaction,
            Self::Lag { .. } => MessageLabel::Lag,
        }
    }

    /// Where a subscriber that has this message resumes.
    pub fn cursor(&self) -> Cursor {
        match self {
            Self::Snapshot { cursor, .. } => *cursor,
            Self::Transaction(commit) => commit.to,
            // Not the newest one: what lies between comes with the snapshot, which this subscriber does not have yet.
            Self::Lag { after, .. } => *after,
        }
    }
}
