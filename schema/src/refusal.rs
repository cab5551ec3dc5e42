//! Why a request is refused: the caller can mend each of these. Faults of a store are not among them.
//!
//! Every message says what, where and why, and where it is not plain, what to do.

use crate::{
    id::{ComponentId, EntityId},
    order::{ContainerVersion, Epoch, Revision},
    space::SpaceError,
    text::{ComponentName, ContainerName, Kind, OperationId, PortName, TextError, VariableName},
    value::{ValueError, ValueKind},
};

/// A refused request. Nothing of its transaction was applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs)] // the message of each variant says what its fields are
pub enum Refusal {
    #[error("entity {entity} does not exist")]
    UnknownEntity { entity: EntityId },
    #[error("entity {entity} exists already")]
    EntityExists { entity: EntityId },
    #[error("entity {entity} was buried: ids are never used again")]
    EntityBuried { entity: EntityId },
    #[error("entity {entity} is at revision {found}, not {expected}: read it again and repeat the change")]
    StaleRevision { entity: EntityId, expected: Revision, found: Revision },
    #[error(
        "entity {entity} was written under authority epoch {found}, yours is {given}: you are no longer its authority"
    )]
    StaleEpoch { entity: EntityId, given: Epoch, found: Epoch },
    #[error("container `{container}` is at version {found}, not {expected}: instantiate again")]
    StaleContainer { container: ContainerName, expected: ContainerVersion, found: ContainerVersion },
    #[error("entity {entity} cannot be put under {parent}: {parent} is {entity} itself or below it")]
    Cycle { entity: EntityId, parent: EntityId },
    #[error("entity {entity} has children: bury its subtree or move them first")]
    HasChildren { entity: EntityId },
    #[error("entity {entity} has no parent, so it must be a zone: give it bounds, and no pose and no port")]
    RootNotZone { entity: EntityId },
    #[error("entity {entity} has something below it: it cannot become a zone host or cease to be one")]
    ZoneInUse { entity: EntityId },
    #[error("entity {entity} is no zone host")]
    NotAZone { entity: EntityId },
    #[error("entity {entity} has no port `{port}`; its container has {known}")]
    UnknownPort { entity: EntityId, port: PortName, known: String },
    #[error("port `{port}` of entity {entity} is occupied by entity {occupant}")]
    PortOccupied { entity: EntityId, port: PortName, occupant: EntityId },
    #[error("port `{port}` of entity {entity} takes {accepts}, not `{kind}`")]
    PortRefuses { entity: EntityId, port: PortName, accepts: String, kind: Kind },
    #[error("there is no container `{container}`")]
    UnknownContainer { container: String },
    #[error("container `{container}` cannot hold `{through}`, which holds `{container}`")]
    ContainerCycle { container: ContainerName, through: ContainerName },
    #[error("container `{container}`: {reason}")]
    Container { container: ContainerName, reason: String },
    #[error("container `{container}` is transient: its instances are never stored")]
    Transient { container: ContainerName },
    #[error("there is no component `{component}`")]
    UnknownComponent { component: String },
    #[error("there is no component with number {component}")]
    UnknownComponentId { component: ComponentId },
    #[error("component `{component}` has no variable `{variable}`")]
    UnknownVariable { component: ComponentName, variable: String },
    #[error("component `{component}` names variable `{variable}` twice")]
    VariableTwice { component: ComponentName, variable: VariableName },
    #[error(
        "component `{component}` must keep its variable `{variable}`: list it, say which variable it was renamed to, or retire it"
    )]
    VariableDropped { component: ComponentName, variable: VariableName },
    #[error(
        "variable `{component}.{variable}` is {from} and cannot become {to} just so: say by which rule its values are converted, or \
         retire it and add one of another name"
    )]
    VariableKindChanged { component: ComponentName, variable: VariableName, from: ValueKind, to: ValueKind },
    #[error("variable `{component}.{variable}` takes {expected}, not {found}")]
    WrongKind { component: ComponentName, variable: VariableName, expected: ValueKind, found: ValueKind },
    #[error("variable `{component}.{variable}` is {expected}: {reason}")]
    NotOfKind { component: ComponentName, variable: VariableName, expected: ValueKind, reason: String },
    #[error("variable `{component}.{variable}`: {source}")]
    Value { component: ComponentName, variable: VariableName, source: ValueError },
    #[error(
        "variable `{component}.{variable}` of entity {entity} is not persisted: its values live in the replication layer \
         only. A container may state one as its default"
    )]
    NotPersisted { entity: EntityId, component: ComponentName, variable: VariableName },
    #[error("entity {entity} has no own component {component} to take away")]
    NoOwnComponent { entity: EntityId, component: ComponentName },
    #[error("there is no `{kind}` link between {a} and {b}")]
    UnknownLink { kind: crate::text::LinkKind, a: EntityId, b: EntityId },
    #[error("a link needs two different entities with a positive, finite cost: {reason}")]
    BadLink { reason: String },
    #[error("the parent edge of entity {entity} is changed by re-parenting it, not by a patch")]
    ParentInPatch { entity: EntityId },
    #[error("operation id `{operation_id}` was used for another request: take a new one")]
    OperationReused { operation_id: OperationId },
    #[error("too many {what}: {count}, the limit is {max}")]
    TooMany { what: &'static str, count: u64, max: u64 },
    #[error("there are no entity ids left")]
    IdsExhausted,
    #[error("the page cursor is not one of this list: take `endCursor` of its last page, or none")]
    BadPageCursor,
    #[error("{what}: {reason}")]
    Invalid { what: &'static str, reason: String },
    #[error(transparent)]
    Space(#[from] SpaceError),
    #[error(transparent)]
    Text(#[from] TextError),
}

impl Refusal {
    /// Stable code for programs, in the API's style.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownEntity { .. } => "UNKNOWN_ENTITY",
            Self::EntityExists { .. } => "ENTITY_EXISTS",
            Self::EntityBuried { .. } => "ENTITY_BURIED",
            Self::StaleRevision { .. } => "STALE_REVISION",
            Self::StaleEpoch { .. } => "STALE_EPOCH",
            Self::StaleContainer { .. } => "STALE_CONTAINER",
            Self::Cycle { .. } => "CYCLE",
            Self::HasChildren { .. } => "HAS_CHILDREN",
            Self::RootNotZone { .. } => "ROOT_NOT_ZONE",
            Self::ZoneInUse { .. } => "ZONE_IN_USE",
            Self::NotAZone { .. } => "NOT_A_ZONE",
            Self::UnknownPort { .. } => "UNKNOWN_PORT",
            Self::PortOccupied { .. } => "PORT_OCCUPIED",
            Self::PortRefuses { .. } => "PORT_REFUSES",
            Self::UnknownContainer { .. } => "UNKNOWN_CONTAINER",
            Self::ContainerCycle { .. } => "CONTAINER_CYCLE",
            Self::Container { .. } => "BAD_CONTAINER",
            Self::Transient { .. } => "TRANSIENT_CONTAINER",
            Self::UnknownComponent { .. } | Self::UnknownComponentId { .. } => "UNKNOWN_COMPONENT",
            Self::UnknownVariable { .. } => "UNKNOWN_VARIABLE",
            Self::VariableTwice { .. } => "VARIABLE_TWICE",
            Self::VariableDropped { .. } => "VARIABLE_DROPPED",
            Self::VariableKindChanged { .. } => "VARIABLE_KIND_CHANGED",
            Self::WrongKind { .. } | Self::NotOfKind { .. } => "WRONG_KIND",
            Self::Value { .. } => "BAD_VALUE",
            Self::NotPersisted { .. } => "NOT_PERSISTED",
            Self::NoOwnComponent { .. } => "NO_OWN_COMPONENT",
            Self::UnknownLink { .. } => "UNKNOWN_LINK",
            Self::BadLink { .. } => "BAD_LINK",
            Self::ParentInPatch { .. } => "PARENT_IN_PATCH",
            Self::OperationReused { .. } => "OPERATION_REUSED",
            Self::TooMany { .. } => "TOO_MANY",
            Self::IdsExhausted => "IDS_EXHAUSTED",
            Self::BadPageCursor => "BAD_PAGE_CURSOR",
            Self::Invalid { .. } => "INVALID",
            Self::Space(_) => "BAD_COORDINATE",
            Self::Text(_) => "BAD_TEXT",
        }
    }
}
