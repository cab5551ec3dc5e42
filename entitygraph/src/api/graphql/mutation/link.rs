//! Linking entities across zones.

use async_graphql::{Context, InputObject, Object};
use entitygraph_schema::{Link, LinkKind, Operation};

use super::{
    commit::{OperationInput, PreconditionInput},
    plan::{CommitResult, Plan, run},
};
use crate::api::{error::Fault, graphql::scalar::Id};

/// An undirected link; making it again changes its cost.
#[derive(InputObject)]
pub struct LinkInput {
    /// What it is.
    #[graphql(default_with = "\"jump\".to_owned()")]
    pub kind: String,
    /// One end.
    pub a: Id,
    /// The other.
    pub b: Id,
    /// What passing it costs a route.
    #[graphql(default = 1.0)]
    pub cost: f64,
}

/// A link to be taken away.
#[derive(InputObject)]
pub struct UnlinkInput {
    /// What it is.
    #[graphql(default_with = "\"jump\".to_owned()")]
    pub kind: String,
    /// One end.
    pub a: Id,
    /// The other.
    pub b: Id,
}

impl LinkInput {
    pub(super) fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        let kind = LinkKind::new(self.kind).map_err(Fault::text)?;
        plan.push(Operation::Link(Link::new(kind, self.a.0, self.b.0, self.cost)));
        Ok(())
    }
}

impl UnlinkInput {
    pub(super) fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        let kind = LinkKind::new(self.kind).map_err(Fault::text)?;
        plan.push(Operation::Unlink { kind, a: self.a.0, b: self.b.0 });
        Ok(())
    }
}

/// Mutations of links.
#[derive(Default)]
pub struct LinkMutation;

#[Object]
impl LinkMutation {
    /// Links two entities, such as the two ends of a jump point, or changes the cost of their link.
    async fn link(
        &self,
        ctx: &Context<'_>,
        input: LinkInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        run(ctx, operation_id, expect, OperationInput::Link(input)).await
    }

    /// Takes a link away.
    async fn unlink(
        &self,
        ctx: &Context<'_>,
        input: UnlinkInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        run(ctx, operation_id, expect, OperationInput::Unlink(input)).await
    }
}
