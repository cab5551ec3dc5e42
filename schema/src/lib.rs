//! What exists in a persistent game world, as pure types: no I/O, no database, no clock, no runtime.
//!
//! Read the modules in this order; each one speaks only of those above it.
//!
//! Invariants of the whole model, as the texts name them:
//! - every entity but a world root has exactly one parent, and parents form no cycle (G1, G4);
//! - a world root is a zone; the innermost zone host above an entity is the frame of its pose;
//! - an entity without a pose rides with its parent: moving the parent writes one row;
//! - ids are never reused (G3), revisions of one entity only grow (G6);
//! - no float in the model is NaN or infinite, no place is beyond [`space::COORDINATE_MAX`], no rotation is unnormalised:
//!   constructors refuse them.

pub mod id;
pub mod order;
pub mod text;

pub mod space;
pub mod value;

pub mod component;
pub mod container;
pub mod entity;
pub mod link;

pub mod catalog;

pub mod delta;
pub mod transaction;

pub mod change;
pub mod query;
pub mod refusal;

pub mod codec;
pub mod wire;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use catalog::Catalog;
pub use change::{Change, Commit, children_first};
pub use component::{
    ComponentDraft, ComponentType, Components, Conversion, ConversionDraft, Converts, Registry, Rounding,
    Rule, SendPolicy, Variable, VariableDraft, Visibility,
};
pub use container::{Child, Container, ContainerDraft, Port};
pub use delta::{ComponentPatch, Delta, Patch};
pub use entity::{Entity, NewEntity, Placement, Slot, Source};
pub use id::{ComponentId, ContainerId, EntityId, Handle, IdRange, VariableId};
pub use link::{Link, Route};
pub use order::{ContainerVersion, Cursor, Epoch, Layer, Revision};
pub use refusal::Refusal;
pub use space::{Aabb, Pose};
pub use text::{
    ChildName, ComponentName, ContainerName, EntityName, GroupName, Kind, Label, LinkKind, OperationId,
    OwnerId, PortName, VariableName,
};
pub use transaction::{NewPose, Operation, Precondition, Receipt, Transaction};
pub use value::{Value, ValueKind};
