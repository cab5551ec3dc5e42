//! Writes: a list of operations with preconditions, all or nothing.

use std::sync::Arc;

use crate::{
    component::{ComponentDraft, ComponentType},
    container::{Container, ContainerDraft},
    delta::Patch,
    entity::{Entity, NewEntity},
    id::{ContainerId, EntityId},
    link::Link,
    order::{ContainerVersion, Cursor, Epoch, Revision},
    space::Pose,
    text::{LinkKind, OperationId, PortName},
};

/// What must hold for a transaction to be committed; checked inside it, before its operations.
#[derive(Debug, Clone, PartialEq)]
pub enum Precondition {
    /// The entity exists.
    Exists(EntityId),
    /// No living entity has the id; a buried one does no harm.
    Absent(EntityId),
    /// The entity is at this revision.
    Revision(EntityId, Revision),
    /// The writer's authority epoch is not older than the entity's. Operations of the transaction that change or
    /// re-parent the entity raise its epoch to it, even when they change nothing else; without one it stays. Given twice for an
    /// entity, both must hold and the higher one is taken over: so who raises one gives what is known of it and what it becomes,
    /// and is refused when somebody else raised it meanwhile.
    Epoch(EntityId, Epoch),
    /// Nothing is attached to the port, which need not be one.
    PortFree(EntityId, PortName),
    /// The container is still at this version.
    ContainerVersion(ContainerId, ContainerVersion),
}

/// Where a re-parented entity is after the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NewPose {
    /// Where it was in the world: its pose is converted to the new zone, and is the same bit for bit when that is the old
    /// one. What rode with its parent gets a pose there. Refused between worlds with different roots.
    KeepWorld,
    /// At this pose in the new zone.
    At(Pose),
    /// No pose: it rides with the new parent.
    Ride,
}

/// One step of a transaction. Later steps see what earlier ones did.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Publishes a component type or adds variables to one.
    PublishComponent(ComponentDraft),
    /// Publishes a container or its next version.
    PublishContainer(ContainerDraft),
    /// Creates one entity, at revision 1 and epoch 0. An instance is of its container's kind. A port must be one of the
    /// newest version of the parent's container, accept the kind and be free; a parent that is no instance has none.
    Create(NewEntity),
    /// Changes one entity. The parent edge is not changed this way.
    Change(EntityId, Patch),
    /// Moves an entity with all below it under another parent, in one step: no reader sees two parents or none. Ports are
    /// as for creation, and the one it leaves is free.
    ///
    /// What rides below it comes along, and what is in zones below it. What has a pose below it in the zone that it leaves
    /// keeps its place in the world: its pose is converted to the new zone whichever pose the moved entity gets.
    Reparent {
        /// What moves.
        entity: EntityId,
        /// Under what; not itself and nothing below it.
        parent: EntityId,
        /// The new parent's port.
        port: Option<PortName>,
        /// Where it is then.
        pose: NewPose,
    },
    /// Makes a link or changes its cost.
    Link(Link),
    /// Takes a link away.
    Unlink {
        /// Its kind.
        kind: LinkKind,
        /// One end.
        a: EntityId,
        /// The other.
        b: EntityId,
    },
    /// Retires an entity for good; its id is never given out again and its links are taken away with it.
    Bury {
        /// What is retired.
        entity: EntityId,
        /// With all below it; without this an entity that has children is refused.
        subtree: bool,
    },
    /// Takes a component type over from another store, with its number and version. Older than the one that is there, or
    /// at odds with it in number or name, it is refused. This and what follows is for moving whole worlds: no request of
    /// the API becomes one of these.
    AdoptComponent(Arc<ComponentType>),
    /// Takes a container over from another store, in the same way.
    AdoptContainer(Arc<Container>),
    /// Takes entities over from another store exactly as they are, revision, epoch and place in the tree included: new
    /// ones, or newer revisions of those that are there. Each keeps that revision, whatever else the transaction does to it.
    ///
    /// They are judged together once all are in, so their order means nothing and occupants of ports may swap: each has
    /// its parent, none is below itself, no port has two occupants. What was judged when they were written is not judged
    /// again (what ports take, how deep the tree is): containers may have changed since. Poses below a moved entity stay as
    /// they are.
    Adopt(Vec<Arc<Entity>>),
    /// Marks an id as used and gone, as if its entity had been buried here. One that is buried already changes nothing.
    Entomb(EntityId),
}

impl Operation {
    /// How many operations it counts for in limits: one for each entity.
    pub fn weight(&self) -> usize {
        match self {
            Self::Adopt(entities) => entities.len(),
            _ => 1,
        }
    }
}

/// A transaction to be committed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transaction {
    /// Makes a retry safe: the same id again returns the first outcome, with another body it is refused.
    pub operation_id: Option<OperationId>,
    /// SHA-256 of what the caller was asked for, where the body holds things made anew for each attempt, such as leased
    /// ids. Two attempts are then the same when these are; without it, when their bodies are.
    pub request: Option<[u8; 32]>,
    /// Checked first, in order.
    pub preconditions: Vec<Precondition>,
    /// Done in order.
    pub operations: Vec<Operation>,
}

impl Transaction {
    /// A transaction of these operations, without preconditions.
    pub fn of(operations: impl Into<Vec<Operation>>) -> Self {
        Self { operations: operations.into(), ..Self::default() }
    }

    /// How many operations it counts for in limits.
    pub fn weight(&self) -> usize {
        self.operations.iter().map(Operation::weight).sum()
    }

    /// Names the transaction, for safe retries.
    #[must_use]
    pub fn named(mut self, operation_id: OperationId) -> Self {
        self.operation_id = Some(operation_id);
        self
    }

    /// Adds a precondition.
    #[must_use]
    pub fn expecting(mut self, precondition: Precondition) -> Self {
        self.preconditions.push(precondition);
        self
    }
}

/// Outcome of a committed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its number in the change sequence. A transaction that changed nothing has the number of the one before it.
    pub cursor: Cursor,
    /// Whether this is the outcome of an earlier call with the same operation id.
    pub replayed: bool,
}
