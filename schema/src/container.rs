//! Object containers: versioned, nesting templates of entities (AC 2.1.1-2.1.4).
//!
//! A container describes one entity and the children it comes with; each child is again an instance of a container, with
//! overrides. An instance stores its container, the slot it came from and only what differs, so publishing a new
//! version changes every instance's values that nobody overrode. Structure (children) applies to new instances only.
//!
//! Layers of an instance's values, the later wins: component defaults, its container, the slot's overrides in the
//! container around it, its own.

use std::collections::BTreeSet;

use crate::{
    component::Components,
    id::ContainerId,
    order::ContainerVersion,
    space::{Aabb, Pose},
    text::{ChildName, ContainerName, Kind, Label, PortName},
};

/// A place on an entity where one other may be attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Unique within the container.
    pub name: PortName,
    /// Kinds that fit; empty accepts every kind.
    pub accepts: BTreeSet<Kind>,
}

impl Port {
    /// Whether something of this kind fits.
    pub fn takes(&self, kind: &Kind) -> bool {
        self.accepts.is_empty() || self.accepts.contains(kind)
    }
}

/// A child that instances of a container come with.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// Unique within the container; also the name of the new entity.
    pub name: ChildName,
    /// What the child is an instance of; must be published before.
    pub container: ContainerName,
    /// Where it stands: in the container's own frame, if that is a zone, else relative to the container's instance. None
    /// rides with its parent.
    pub pose: Option<Pose>,
    /// The parent's port it is attached to.
    pub port: Option<PortName>,
    /// Values that differ from the child's container.
    pub overrides: Components,
    /// Labels besides those of the child's container.
    pub labels: BTreeSet<Label>,
}

/// A container as its author writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerDraft {
    /// Unique name; publishing it again makes the next version.
    pub name: ContainerName,
    /// Kind of the instances; fixed by the first version.
    pub kind: Kind,
    /// Bounding radius of an instance in metres, copied to it when it is made.
    pub radius: f64,
    /// Makes instances zone hosts with these bounds.
    pub zone: Option<Aabb>,
    /// Makes instances aggregate roots.
    pub root: bool,
    /// Instances are never persisted: the store refuses them (AC 2.48.2).
    pub transient: bool,
    /// Labels copied to each instance.
    pub labels: BTreeSet<Label>,
    /// Where others may be attached.
    pub ports: Vec<Port>,
    /// Components and the values that differ from their defaults.
    pub components: Components,
    /// What instances come with.
    pub children: Vec<Child>,
}

/// A published version of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// Number in this store, the same for all versions.
    pub id: ContainerId,
    /// 1 for the first.
    pub version: ContainerVersion,
    /// What its author wrote.
    pub draft: ContainerDraft,
}

impl Container {
    /// Most children of one container.
    pub const MAX_CHILDREN: usize = 10_000;
    /// Most entities of one instance, nested children included.
    pub const MAX_INSTANCE_ENTITIES: usize = 10_000;
    /// Deepest nesting of containers.
    pub const MAX_DEPTH: usize = 64;

    /// The child of this name.
    pub fn child(&self, name: &ChildName) -> Option<&Child> {
        self.draft.children.iter().find(|child| child.name == *name)
    }

    /// The port of this name.
    pub fn port(&self, name: &PortName) -> Option<&Port> {
        self.draft.ports.iter().find(|port| port.name == *name)
    }
}
