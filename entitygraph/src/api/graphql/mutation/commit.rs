//! Any operations, in one transaction.

use async_graphql::{Context, InputObject, Object, OneofObject};
use entitygraph_schema::{ContainerVersion, Epoch, PortName, Precondition, Revision};

use super::{
    catalog::{ComponentTypeInput, ContainerInput},
    entity::{
        BuryInput, ChangeEntityInput, CreateEntityInput, InstantiateInput, LabelInput, SetVariablesInput,
    },
    link::{LinkInput, UnlinkInput},
    place::{AttachInput, DetachInput, MoveInput, ReparentInput},
    plan::{CommitResult, Committed, Plan, answer, commit},
};
use crate::api::{
    error::Fault,
    graphql::scalar::{Id, Int64},
};

/// One step of a transaction. Later steps see what earlier ones did; names of components and containers are resolved
/// before the first one.
#[derive(OneofObject)]
pub enum OperationInput {
    /// Publishes a component type.
    PublishComponent(ComponentTypeInput),
    /// Publishes a container.
    PublishContainer(Box<ContainerInput>),
    /// Makes an instance of a container.
    Instantiate(InstantiateInput),
    /// Makes an entity.
    Create(CreateEntityInput),
    /// Changes an entity.
    Change(Box<ChangeEntityInput>),
    /// Sets values.
    SetVariables(SetVariablesInput),
    /// Sets labels and takes labels away.
    Label(LabelInput),
    /// Retires an entity.
    Bury(BuryInput),
    /// Moves an entity within its zone.
    Move(MoveInput),
    /// Moves an entity under another parent.
    Reparent(ReparentInput),
    /// Attaches an entity to a port.
    Attach(AttachInput),
    /// Takes an entity off its parent.
    Detach(DetachInput),
    /// Links two entities.
    Link(LinkInput),
    /// Takes a link away.
    Unlink(UnlinkInput),
}

impl OperationInput {
    /// Whether it creates an entity that its caller gave no id. Instances lease their own, many at a time.
    pub(super) fn needs_id(&self) -> bool {
        matches!(self, Self::Create(input) if input.id.is_none())
    }

    pub(super) async fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        match self {
            Self::PublishComponent(input) => input.plan(plan),
            Self::PublishContainer(input) => input.plan(plan),
            Self::Instantiate(input) => input.plan(plan).await,
            Self::Create(input) => input.plan(plan).await,
            Self::Change(input) => input.plan(plan),
            Self::SetVariables(input) => input.plan(plan),
            Self::Label(input) => input.plan(plan),
            Self::Bury(input) => input.plan(plan),
            Self::Move(input) => input.plan(plan),
            Self::Reparent(input) => input.plan(plan),
            Self::Attach(input) => input.plan(plan),
            Self::Detach(input) => input.plan(plan).await,
            Self::Link(input) => input.plan(plan),
            Self::Unlink(input) => input.plan(plan),
        }
    }
}

/// What must hold for a transaction to be committed; checked inside it, before its operations.
#[derive(OneofObject)]
pub enum PreconditionInput {
    /// The entity exists.
    Exists(Id),
    /// No living entity has the id.
    Absent(Id),
    /// The entity is at this revision.
    Revision(EntityRevisionInput),
    /// The writer's authority epoch is not older than the entity's; the write raises the entity's to it.
    Epoch(EntityEpochInput),
    /// Nothing is attached to the port.
    PortFree(EntityPortInput),
    /// The container is still at this version.
    ContainerVersion(ContainerVersionInput),
}

/// A revision of an entity.
#[derive(InputObject)]
pub struct EntityRevisionInput {
    /// Which entity.
    pub entity: Id,
    /// Its revision.
    pub revision: Int64,
}

/// An authority epoch of an entity.
#[derive(InputObject)]
pub struct EntityEpochInput {
    /// Which entity.
    pub entity: Id,
    /// The writer's epoch.
    pub epoch: Int64,
}

/// A port of an entity.
#[derive(InputObject)]
pub struct EntityPortInput {
    /// Which entity.
    pub entity: Id,
    /// Its port.
    pub port: String,
}

/// A version of a container.
#[derive(InputObject)]
pub struct ContainerVersionInput {
    /// Name of the container.
    pub container: String,
    /// Its version.
    pub version: u32,
}

impl PreconditionInput {
    pub(super) fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        plan.expect(match self {
            Self::Exists(entity) => Precondition::Exists(entity.0),
            Self::Absent(entity) => Precondition::Absent(entity.0),
            Self::Revision(EntityRevisionInput { entity, revision }) => {
                Precondition::Revision(entity.0, Revision::from_number(revision.unsigned("the revision")?))
            }
            Self::Epoch(EntityEpochInput { entity, epoch }) => {
                Precondition::Epoch(entity.0, Epoch::from_number(epoch.unsigned("the epoch")?))
            }
            Self::PortFree(EntityPortInput { entity, port }) => {
                Precondition::PortFree(entity.0, PortName::new(port).map_err(Fault::text)?)
            }
            Self::ContainerVersion(ContainerVersionInput { container, version }) => {
                let container = plan.graph.container(&container)?;
                Precondition::ContainerVersion(container.id, ContainerVersion::from_number(version))
            }
        });
        Ok(())
    }
}

/// The mutation that holds any others.
#[derive(Default)]
pub struct CommitMutation;

#[Object]
impl CommitMutation {
    /// Commits a list of operations in one transaction: all of them, or none and a refusal.
    async fn commit(
        &self,
        ctx: &Context<'_>,
        operations: Vec<OperationInput>,
        #[graphql(
            desc = "Makes a retry safe: the same id again returns the first outcome, with other operations it is \
            refused."
        )]
        operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        let outcome = commit(ctx, operation_id, expect, operations).await.map(Committed::of_many);
        answer(outcome, CommitResult::Committed, CommitResult::Refused)
    }
}
