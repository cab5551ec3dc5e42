//! Making, changing and retiring entities.

use async_graphql::{Context, InputObject, MaybeUndefined, Object};
use entitygraph_schema::{
    Aabb, ComponentPatch, Components, EntityName, Kind, Layer, NewEntity, Operation, OwnerId, Patch,
    Placement, PortName, Pose, Refusal,
};

use super::{
    commit::{OperationInput, PreconditionInput},
    labels,
    plan::{CommitResult, Plan, run},
};
use crate::api::{
    error::Fault,
    graphql::{
        natural::Natural,
        scalar::{BoundsInput, Id, Int64, PoseInput},
        value::{self, VariableInput},
    },
};

/// A new instance of a container, with all that it comes with.
#[derive(InputObject)]
pub struct InstantiateInput {
    /// Name of the container.
    pub container: String,
    /// Name of the instance.
    #[graphql(default)]
    pub name: String,
    /// What it will be in or on; none only for a world root.
    pub parent: Option<Id>,
    /// The parent's port.
    pub port: Option<String>,
    /// Where it is in the innermost zone above it; none rides with its parent.
    pub pose: Option<PoseInput>,
    /// Components of its own besides those of the container, with their defaults.
    #[graphql(default)]
    pub components: Vec<String>,
    /// Values that differ from the container's.
    #[graphql(default)]
    pub values: Vec<VariableInput>,
    /// Labels besides the container's.
    #[graphql(default)]
    pub labels: Vec<String>,
    /// Who owns it.
    pub owner: Option<String>,
    /// Layer of all its entities.
    #[graphql(default)]
    pub layer: Natural,
    /// Place among its siblings.
    pub ordinal: Option<Int64>,
}

/// A new entity that is an instance of nothing.
#[derive(InputObject)]
pub struct CreateEntityInput {
    /// An id from `leaseIds`, so that later operations of the same commit can name it; without it the server takes one.
    pub id: Option<Id>,
    /// What people call it.
    #[graphql(default)]
    pub name: String,
    /// What sort of thing it is; never changes.
    pub kind: String,
    /// What it will be in or on; none only for a world root, which needs `bounds`.
    pub parent: Option<Id>,
    /// The parent's port.
    pub port: Option<String>,
    /// Where it is in the innermost zone above it; none rides with its parent.
    pub pose: Option<PoseInput>,
    /// Bounding radius in metres.
    #[graphql(default)]
    pub radius: f64,
    /// Makes it a zone host with these bounds.
    pub bounds: Option<BoundsInput>,
    /// Makes it an aggregate root.
    #[graphql(default)]
    pub root: bool,
    /// Marks to find it by.
    #[graphql(default)]
    pub labels: Vec<String>,
    /// Who owns it.
    pub owner: Option<String>,
    /// Zero is the ordinary world.
    #[graphql(default)]
    pub layer: Natural,
    /// Place among its siblings.
    pub ordinal: Option<Int64>,
    /// Components with their defaults.
    #[graphql(default)]
    pub components: Vec<String>,
    /// Values.
    #[graphql(default)]
    pub values: Vec<VariableInput>,
}

/// Changes of one entity; what is left out stays as it is.
#[derive(InputObject)]
pub struct ChangeEntityInput {
    /// Which.
    pub entity: Id,
    /// Refused unless it is at this revision.
    pub expected_revision: Option<Int64>,
    /// New name.
    pub name: Option<String>,
    /// New place in its zone; null rides with its parent.
    pub pose: MaybeUndefined<PoseInput>,
    /// New bounding radius in metres.
    pub radius: Option<f64>,
    /// New zone bounds; null ends being a zone host. Both ways only while nothing is below it.
    pub bounds: MaybeUndefined<BoundsInput>,
    /// Whether it is an aggregate root.
    pub root: Option<bool>,
    /// New owner; null for none.
    pub owner: MaybeUndefined<String>,
    /// New layer.
    pub layer: Option<Natural>,
    /// New place among its siblings.
    pub ordinal: Option<Int64>,
    /// Labels to set.
    #[graphql(default)]
    pub add_labels: Vec<String>,
    /// Labels to take away.
    #[graphql(default)]
    pub remove_labels: Vec<String>,
    /// Components to add, with their defaults.
    #[graphql(default)]
    pub add_components: Vec<String>,
    /// Own components to take away.
    #[graphql(default)]
    pub remove_components: Vec<String>,
    /// Values to set.
    #[graphql(default)]
    pub values: Vec<VariableInput>,
}

/// New values of one entity.
#[derive(InputObject)]
pub struct SetVariablesInput {
    /// Which.
    pub entity: Id,
    /// Refused unless it is at this revision.
    pub expected_revision: Option<Int64>,
    /// Values to set.
    pub values: Vec<VariableInput>,
}

/// Labels set and taken away.
#[derive(InputObject)]
pub struct LabelInput {
    /// Which entity.
    pub entity: Id,
    /// Refused unless it is at this revision.
    pub expected_revision: Option<Int64>,
    /// Labels to set.
    #[graphql(default)]
    pub add: Vec<String>,
    /// Labels to take away.
    #[graphql(default)]
    pub remove: Vec<String>,
}

/// An entity to be retired for good.
#[derive(InputObject)]
pub struct BuryInput {
    /// Which.
    pub entity: Id,
    /// Refused unless it is at this revision.
    pub expected_revision: Option<Int64>,
    /// With all below it; without this an entity that has children is refused.
    #[graphql(default)]
    pub subtree: bool,
}

fn owner(name: Option<String>) -> Result<Option<OwnerId>, Fault> {
    name.map(OwnerId::new).transpose().map_err(Fault::text)
}

fn placement(parent: Option<Id>, port: Option<String>, pose: Option<PoseInput>) -> Result<Placement, Fault> {
    Ok(Placement {
        parent: parent.map(|parent| parent.0),
        port: port.map(PortName::new).transpose().map_err(Fault::text)?,
        pose: pose.map(Pose::try_from).transpose().map_err(Fault::space)?,
    })
}

fn ordinal(ordinal: Option<Int64>) -> Result<Option<i64>, Refusal> {
    ordinal.map(|ordinal| ordinal.signed("the ordinal")).transpose()
}

impl InstantiateInput {
    pub(super) async fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        let overrides = value::components(&plan.catalog, &self.components, &self.values)?;
        let name = EntityName::new(self.name).map_err(Fault::text)?;
        let placement = placement(self.parent, self.port, self.pose)?;
        let (labels, owner, ordinal) =
            (labels::<Vec<_>>(self.labels)?, owner(self.owner)?, ordinal(self.ordinal)?);
        let (first, unchanged, operations) =
            plan.graph.plan_instance(&self.container, name, placement, overrides).await?;
        plan.expect(unchanged);
        for mut operation in operations {
            if let Operation::Create(new) = &mut operation {
                new.layer = Layer::from_number(self.layer.0);
                if new.id == first {
                    new.labels.extend(labels.iter().cloned());
                    new.owner = owner.clone();
                    new.ordinal = ordinal.unwrap_or(new.ordinal);
                }
            }
            plan.push(operation);
        }
        plan.creates(first);
        Ok(())
    }
}

impl CreateEntityInput {
    pub(super) async fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        let components: Components = value::components(&plan.catalog, &self.components, &self.values)?;
        let new = NewEntity {
            id: match self.id {
                Some(id) => id.0,
                None => plan.new_id().await?,
            },
            name: EntityName::new(self.name).map_err(Fault::text)?,
            kind: Kind::new(self.kind).map_err(Fault::text)?,
            source: None,
            placement: placement(self.parent, self.port, self.pose)?,
            radius: self.radius,
            zone: self.bounds.map(Aabb::try_from).transpose().map_err(Fault::space)?,
            root: self.root,
            labels: labels(self.labels)?,
            owner: owner(self.owner)?,
            layer: Layer::from_number(self.layer.0),
            ordinal: ordinal(self.ordinal)?.unwrap_or_default(),
            components,
        };
        plan.creates(new.id);
        plan.push(Operation::Create(new));
        Ok(())
    }
}

impl ChangeEntityInput {
    pub(super) fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        plan.about(self.entity.0, self.expected_revision)?;
        let mut components = value::patches(&plan.catalog, &self.add_components, &self.values)?;
        for name in &self.remove_components {
            let component = value::component(&plan.catalog, name)?;
            if components.insert(component.id, ComponentPatch::removed()).is_some() {
                let reason = format!("component `{name}` is both set and taken away");
                return Err(Refusal::Invalid { what: "the change", reason }.into());
            }
        }
        let set = labels::<Vec<_>>(self.add_labels)?.into_iter().map(|label| (label, true));
        let taken = labels::<Vec<_>>(self.remove_labels)?.into_iter().map(|label| (label, false));
        let patch = Patch {
            name: self.name.map(EntityName::new).transpose().map_err(Fault::text)?,
            parent: None,
            pose: nullable(self.pose, |pose| Pose::try_from(pose).map_err(Fault::space))?,
            radius: self.radius,
            zone: nullable(self.bounds, |bounds| Aabb::try_from(bounds).map_err(Fault::space))?,
            root: self.root,
            owner: nullable(self.owner, |owner| OwnerId::new(owner).map_err(Fault::text))?,
            layer: self.layer.map(|layer| Layer::from_number(layer.0)),
            ordinal: ordinal(self.ordinal)?,
            labels: set.chain(taken).collect(),
            components,
        };
        plan.push(Operation::Change(self.entity.0, patch));
        Ok(())
    }
}

/// Left out is no change, null is none.
fn nullable<T, U>(
    input: MaybeUndefined<T>,
    read: impl Fn(T) -> Result<U, Fault>,
) -> Result<Option<Option<U>>, Fault> {
    match input {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Null => Ok(Some(None)),
        MaybeUndefined::Value(value) => Ok(Some(Some(read(value)?))),
    }
}

impl SetVariablesInput {
    pub(super) fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        plan.about(self.entity.0, self.expected_revision)?;
        let components = value::patches(&plan.catalog, &[], &self.values)?;
        plan.push(Operation::Change(self.entity.0, Patch { components, ..Patch::default() }));
        Ok(())
    }
}

impl LabelInput {
    pub(super) fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        plan.about(self.entity.0, self.expected_revision)?;
        let set = labels::<Vec<_>>(self.add)?.into_iter().map(|label| (label, true));
        let taken = labels::<Vec<_>>(self.remove)?.into_iter().map(|label| (label, false));
        let patch = Patch { labels: set.chain(taken).collect(), ..Patch::default() };
        plan.push(Operation::Change(self.entity.0, patch));
        Ok(())
    }
}

impl BuryInput {
    pub(super) fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        plan.about(self.entity.0, self.expected_revision)?;
        plan.push(Operation::Bury { entity: self.entity.0, subtree: self.subtree });
        Ok(())
    }
}

/// Mutations of entities.
#[derive(Default)]
pub struct EntityMutation;

#[Object]
impl EntityMutation {
    /// Makes an instance of a container with all that it comes with, parents first.
    async fn instantiate(
        &self,
        ctx: &Context<'_>,
        input: InstantiateInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        run(ctx, operation_id, expect, OperationInput::Instantiate(input)).await
    }

    /// Makes an entity that is an instance of nothing.
    async fn create_entity(
        &self,
        ctx: &Context<'_>,
        input: CreateEntityInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        run(ctx, operation_id, expect, OperationInput::Create(input)).await
    }

    /// Changes an entity: anything but its parent.
    async fn change_entity(
        &self,
        ctx: &Context<'_>,
        input: ChangeEntityInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        run(ctx, operation_id, expect, OperationInput::Change(Box::new(input))).await
    }

    /// Sets values of an entity.
    async fn set_variables(
        &self,
        ctx: &Context<'_>,
        input: SetVariablesInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        run(ctx, operation_id, expect, OperationInput::SetVariables(input)).await
    }

    /// Sets labels and takes labels away.
    async fn label(
        &self,
        ctx: &Context<'_>,
        input: LabelInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        run(ctx, operation_id, expect, OperationInput::Label(input)).await
    }

    /// Retires an entity for good; its id is never given out again and its links go with it.
    async fn bury(
        &self,
        ctx: &Context<'_>,
        input: BuryInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<CommitResult, Fault> {
        run(ctx, operation_id, expect, OperationInput::Bury(input)).await
    }

    /// Sets ids aside for you, so that one `commit` can create entities and name them in its other operations. Answers with
    /// the first; yours are that one and the `count - 1` numbers after it: `leaseIds(count: 3)` that answers `"1099511628000"`
    /// gives you `"1099511628000"`, `"1099511628001"` and `"1099511628002"`. Nobody else is given them, ever; those that you
    /// do not use are lost, and that is fine.
    async fn lease_ids(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "Natural(1)", desc = "How many, at least 1.")] count: Natural,
    ) -> Result<Id, Fault> {
        Ok(Id(crate::api::graphql::context::graph(ctx).lease_ids(count.0.into()).await?.first))
    }
}
