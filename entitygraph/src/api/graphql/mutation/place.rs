//! Moving entities: within their zone, to another parent, on and off ports.

use async_graphql::{Context, InputObject, Object, OneofObject};
use entitygraph_schema::{NewPose, Operation, Patch, PortName, Pose};

use super::{
    commit::{OperationInput, PreconditionInput},
    plan::{CommitResult, Plan, run},
};
use crate::api::{
    error::Fault,
    graphql::scalar::{Id, Int64, PoseInput},
};

/// A new place in the same zone.
#[derive(InputObject)]
pub struct MoveInput {
    /// What moves. What is in or on it moves with it, at no cost.
    pub entity: Id,
    /// Refused unless it is at this revision.
    pub expected_revision: Option<Int64>,
    /// Where it is then, in the innermost zone above it.
    pub pose: PoseInput,
}

/// Where a re-parented entity is after the step.
#[derive(OneofObject)]
pub enum NewPoseInput {
    /// True: where it was in the world; its pose is converted to the new zone.
    KeepWorld(bool),
    /// At this pose in the new zone.
    At(PoseInput),
    /// True: it has no pose and rides with the new parent.
    Ride(bool),
}

/// A new parent.
#[derive(InputObject)]
pub struct ReparentInput {
    /// What moves, with all that is below it.
    pub entity: Id,
    /// Refused unless it is at this revision.
    pub expected_revision: Option<Int64>,
    /// Under what; not itself and nothing below it.
    pub parent: Id,
    /// The new parent's port.
    pub port: Option<String>,
    /// Where it is then; where it was in the world, by default.
    pub pose: Option<NewPoseInput>,
}

/// A port to be attached to.
#[derive(InputObject)]
pub struct AttachInput {
    /// What is attached; it rides with its new parent.
    pub entity: Id,
    /// Refused unless it is at this revision.
    pub expected_revision: Option<Int64>,
    /// To what.
    pub parent: Id,
    /// To which of its ports.
    pub port: String,
}

/// What is taken off its parent.
#[derive(InputObject)]
pub struct DetachInput {
    /// What is detached; it stays where it is in the world, in the zone around it.
    pub entity: Id,
    /// Refused unless it is at this revision.
    pub expected_revision: Option<Int64>,
}

impl MoveInput {
    pub(super) fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        plan.about(self.entity.0, self.expected_revision)?;
        let pose = Pose::try_from(self.pose).map_err(Fault::space)?;
        plan.push(Operation::Change(self.entity.0, Patch { pose: Some(Some(pose)), ..Patch::default() }));
        Ok(())
    }
}

impl ReparentInput {
    pub(super) fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        plan.about(self.entity.0, self.expected_revision)?;
        let pose = match self.pose {
            None | Some(NewPoseInput::KeepWorld(true)) => NewPose::KeepWorld,
            Some(NewPoseInput::Ride(true)) => NewPose::Ride,
            Some(NewPoseInput::At(pose)) => NewPose::At(Pose::try_from(pose).map_err(Fault::space)?),
            Some(NewPoseInput::KeepWorld(false) | NewPoseInput::Ride(false)) => {
                let reason =
                    "`keepWorld` and `ride` take true; choose one of `keepWorld`, `at`, `ride`".to_owned();
                return Err(entitygraph_schema::Refusal::Invalid { what: "the new pose", reason }.into());
            }
        };
        let port = self.port.map(PortName::new).transpose().map_err(Fault::text)?;
        plan.push(Operation::Reparent { entity: self.entity.0, parent: self.parent.0, port, pose });
        Ok(())
    }
}

impl AttachInput {
    pub(super) fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        plan.about(self.entity.0, self.expected_revision)?;
        let port = Some(PortName::new(self.port).map_err(Fault::text)?);
        plan.push(Operation::Reparent {
            entity: self.entity.0,
            parent: self.parent.0,
            port,
            pose: NewPose::Ride,
        });
        Ok(())
    }
}

impl DetachInput {
    pub(super) async fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        plan.about(self.entity.0, self.expected_revision)?;
        let (preconditions, operations) = plan.graph.plan_detach(self.entity.0).await?;
        preconditions.into_iter().for_each(|precondition| plan.expect(precondition));
        operations.into_iter().for_each(|operation| plan.push(operation));
        Ok(())
    }
}

/// Mutations of places.
#[derive(Default)]
pub struct PlaceMutation;

#[Object]
impl PlaceMutation {
    /// Moves an entity within its zone. Moving a zone host writes one row, whatever is in it.
    async fn move_entity(
        &self,
        ctx: &Context<'_>,
        input: MoveInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        run(ctx, operation_id, expect, OperationInput::Move(input)).await
    }

    /// Moves an entity with all below it under another parent, in one step: no reader sees two parents or none.
    async fn reparent(
        &self,
        ctx: &Context<'_>,
        input: ReparentInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        run(ctx, operation_id, expect, OperationInput::Reparent(input)).await
    }

    /// Attaches an entity to a port. Of two that are attached to one port at the same time, one is refused.
    async fn attach(
        &self,
        ctx: &Context<'_>,
        input: AttachInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        run(ctx, operation_id, expect, OperationInput::Attach(input)).await
    }

    /// Takes an entity off its parent; it stays where it is, in the zone around it.
    async fn detach(
        &self,
        ctx: &Context<'_>,
        input: DetachInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        run(ctx, operation_id, expect, OperationInput::Detach(input)).await
    }
}
