//! Publishing component types and containers.

use async_graphql::{Context, InputObject, Object, SimpleObject, Union};
use entitygraph_schema::{
    self as schema, Aabb, Child, ChildName, ComponentDraft, ComponentName, ContainerDraft, ContainerName,
    Conversion, ConversionDraft, GroupName, Kind, Operation, Port, PortName, Pose, Refusal, Rule, Value,
    VariableDraft, VariableName,
};

use super::{
    commit::{OperationInput, PreconditionInput},
    labels,
    plan::{Plan, Refused, answer, commit},
};
use crate::api::{
    error::Fault,
    graphql::{
        context::graph,
        object::{
            component::{ComponentType, Rounding, SendPolicy, ValueKind, Visibility},
            container::Container,
        },
        scalar::{self, BoundsInput, ChangeCursor, PoseInput},
        value::{self, VariableInput},
    },
};

/// A component type; publishing its name again adds variables, renames, converts and retires them, and changes defaults and policies.
#[derive(InputObject)]
pub struct ComponentTypeInput {
    /// Unique name.
    pub name: String,
    /// All of them: leaving one out later without renaming or retiring it is refused.
    pub variables: Vec<VariableTypeInput>,
    /// Variables to be taken out. No entity is touched: who still holds a value is listed at `ComponentType.retired`, may clear it
    /// by setting null, and has it back when the variable is published again with its kind.
    #[graphql(default)]
    pub retire: Vec<String>,
}

/// A variable of a component type.
#[derive(InputObject)]
pub struct VariableTypeInput {
    /// Unique within the type.
    pub name: String,
    /// The name that it had before. No entity is touched: values are stored under numbers.
    pub renamed_from: Option<String>,
    /// Whose values it takes over: how a variable gets another kind, or another unit. The old one is retired with that, and its values
    /// are converted in the background; until then, they count as what they become.
    pub convert: Option<ConversionInput>,
    /// What it holds; it changes by `convert` only.
    pub kind: ValueKind,
    /// Its value where nothing else is said.
    pub default: scalar::Value,
    /// Sent together with the others of the group.
    pub group: Option<String>,
    /// When it is sent.
    #[graphql(default_with = "SendPolicy::OnChange")]
    pub send: SendPolicy,
    /// Whether it reaches the store at all.
    #[graphql(default = true)]
    pub persisted: bool,
    /// Who may be told.
    #[graphql(default_with = "Visibility::Public")]
    pub visibility: Visibility,
    /// Smallest step worth sending, in the variable's own unit; floats and vectors only.
    pub precision: Option<f64>,
}

/// How values of one variable become those of another. Without a table: from a number or bool to a number `value * factor + offset`, from
/// these to text as it is written, from text as it is read.
#[derive(InputObject)]
pub struct ConversionInput {
    /// The old variable; the name of the new one itself, if it only gets another kind: the old one is then called by its name, a dot and
    /// its number.
    pub from: String,
    /// What a number is multiplied by.
    #[graphql(default = 1.0)]
    pub factor: f64,
    /// What is added then.
    #[graphql(default = 0.0)]
    pub offset: f64,
    /// How a number becomes an integer.
    #[graphql(default_with = "Rounding::Exact")]
    pub rounding: Rounding,
    /// Each old value with the new one; others do not convert.
    pub table: Option<Vec<PairInput>>,
    /// What becomes of values that do not convert. Without it they stay as they are, and `convertsFrom { holders }` lists who holds them.
    pub otherwise: Option<scalar::Value>,
}

/// A value and what it becomes.
#[derive(InputObject)]
pub struct PairInput {
    /// Of the old variable.
    pub from: scalar::Value,
    /// Of the new one.
    pub to: scalar::Value,
}

/// A container; publishing its name again makes the next version, which changes every instance's values that nobody
/// overrode.
#[derive(InputObject)]
pub struct ContainerInput {
    /// Unique name, by convention a path such as `ship/freighter`.
    pub name: String,
    /// Kind of its instances; fixed by the first version.
    pub kind: String,
    /// Bounding radius of an instance in metres.
    #[graphql(default)]
    pub radius: f64,
    /// Makes instances zone hosts with these bounds.
    pub bounds: Option<BoundsInput>,
    /// Makes instances aggregate roots.
    #[graphql(default)]
    pub root: bool,
    /// Instances are never stored.
    #[graphql(default)]
    pub transient: bool,
    /// Labels of its instances.
    #[graphql(default)]
    pub labels: Vec<String>,
    /// Where others may be attached.
    #[graphql(default)]
    pub ports: Vec<PortInput>,
    /// Components with their defaults.
    #[graphql(default)]
    pub components: Vec<String>,
    /// Values that differ from the defaults.
    #[graphql(default)]
    pub values: Vec<VariableInput>,
    /// What instances come with.
    #[graphql(default)]
    pub children: Vec<ContainerChildInput>,
}

/// A place where one other entity may be attached.
#[derive(InputObject)]
pub struct PortInput {
    /// Unique within the container.
    pub name: String,
    /// Kinds that fit; empty accepts every kind.
    #[graphql(default)]
    pub accepts: Vec<String>,
}

/// A child that instances come with.
#[derive(InputObject)]
pub struct ContainerChildInput {
    /// Unique within the container; also the name of the new entity.
    pub name: String,
    /// What it is an instance of; must be published before.
    pub container: String,
    /// Where it stands in the innermost zone around it; none rides with its parent.
    pub pose: Option<PoseInput>,
    /// The parent's port it is attached to.
    pub port: Option<String>,
    /// Components besides those of its container.
    #[graphql(default)]
    pub components: Vec<String>,
    /// Values that differ from its container.
    #[graphql(default)]
    pub values: Vec<VariableInput>,
    /// Labels besides those of its container.
    #[graphql(default)]
    pub labels: Vec<String>,
}

impl ComponentTypeInput {
    pub(super) fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        let name = ComponentName::new(self.name).map_err(Fault::text)?;
        let mut draft = ComponentDraft::new(name, Vec::with_capacity(self.variables.len()));
        for mut variable in self.variables {
            let old = variable.renamed_from.take().map(VariableName::new).transpose().map_err(Fault::text)?;
            let convert = variable.convert.take();
            let variable = variable.draft(&draft.name)?;
            if let Some(convert) = convert {
                let known = plan.catalog.registry.by_name(draft.name.as_str());
                let conversion = convert.draft(&draft.name, known.map(|known| &**known), &variable)?;
                draft.converts.extend(conversion.map(|conversion| (variable.name.clone(), conversion)));
            }
            draft.renamed.extend(old.map(|old| (variable.name.clone(), old)));
            draft.variables.push(variable);
        }
        let retired = self.retire.into_iter().map(VariableName::new);
        draft.retire = retired.collect::<Result<_, _>>().map_err(Fault::text)?;
        plan.push(Operation::PublishComponent(draft));
        Ok(())
    }
}

impl VariableTypeInput {
    fn draft(self, component: &ComponentName) -> Result<VariableDraft, Fault> {
        let name = VariableName::new(self.name).map_err(Fault::text)?;
        let kind = self.kind.into();
        let default: Value =
            value::from_json(kind, &self.default.0).map_err(|reason| Refusal::NotOfKind {
                component: component.clone(),
                variable: name.clone(),
                expected: kind,
                reason,
            })?;
        Ok(VariableDraft {
            name,
            default,
            group: self.group.map(GroupName::new).transpose().map_err(Fault::text)?,
            send: self.send.into(),
            persisted: self.persisted,
            visibility: self.visibility.into(),
            precision: self.precision,
        })
    }
}

impl ConversionInput {
    /// None if it is done, or the type is new: then there is nothing to take over.
    fn draft(
        self,
        component: &ComponentName,
        known: Option<&schema::ComponentType>,
        new: &VariableDraft,
    ) -> Result<Option<ConversionDraft>, Fault> {
        let from = VariableName::new(self.from).map_err(Fault::text)?;
        let Some(known) = known else { return Ok(None) };
        let to = new.default.kind();
        let there = known.variable(new.name.as_str()).filter(|there| there.kind() == to);
        let old = match there.map(|there| &there.converts) {
            Some(Some(converts)) => known.any_by_id(converts.from),
            Some(None) if from == new.name || known.variable(from.as_str()).is_none() => return Ok(None),
            _ => known.variable(from.as_str()).or_else(|| known.retired_by_name(from.as_str())),
        };
        // One that does not exist is refused by name, whatever the rule.
        let kind = old.map_or(to, |old| old.kind());
        let read = |variable: &VariableName, kind: schema::ValueKind, value: &scalar::Value| {
            value::from_json(kind, &value.0).map_err(|reason| {
                let (component, variable) = (component.clone(), variable.clone());
                Refusal::NotOfKind { component, variable, expected: kind, reason }
            })
        };
        let numeric = |kind| matches!(kind, schema::ValueKind::Int | schema::ValueKind::Float);
        let rule = match self.table {
            Some(pairs) => {
                let pair = |pair: PairInput| {
                    Ok::<_, Refusal>((read(&from, kind, &pair.from)?, read(&new.name, to, &pair.to)?))
                };
                Rule::Table(pairs.into_iter().map(pair).collect::<Result<_, _>>()?)
            }
            None if numeric(to) && (numeric(kind) || kind == schema::ValueKind::Bool) => {
                let (factor, offset) = (self.factor, self.offset);
                Rule::Number { factor, offset, rounding: self.rounding.into() }
            }
            None if kind == schema::ValueKind::Text => Rule::Parse,
            None => Rule::Print,
        };
        let otherwise = self.otherwise.map(|value| read(&new.name, to, &value)).transpose()?;
        Ok(Some(ConversionDraft { from, conversion: Conversion { rule, otherwise } }))
    }
}

impl ContainerInput {
    pub(super) fn plan(self, plan: &mut Plan<'_>) -> Result<(), Fault> {
        let draft = ContainerDraft {
            name: ContainerName::new(self.name).map_err(Fault::text)?,
            kind: Kind::new(self.kind).map_err(Fault::text)?,
            radius: self.radius,
            zone: self.bounds.map(Aabb::try_from).transpose().map_err(Fault::space)?,
            root: self.root,
            transient: self.transient,
            labels: labels(self.labels)?,
            ports: self.ports.into_iter().map(PortInput::port).collect::<Result<_, _>>()?,
            components: value::components(&plan.catalog, &self.components, &self.values)?,
            children: self.children.into_iter().map(|child| child.child(plan)).collect::<Result<_, _>>()?,
        };
        plan.push(Operation::PublishContainer(draft));
        Ok(())
    }
}

impl PortInput {
    fn port(self) -> Result<Port, Fault> {
        Ok(Port {
            name: PortName::new(self.name).map_err(Fault::text)?,
            accepts: self
                .accepts
                .into_iter()
                .map(Kind::new)
                .collect::<Result<_, _>>()
                .map_err(Fault::text)?,
        })
    }
}

impl ContainerChildInput {
    fn child(self, plan: &Plan<'_>) -> Result<Child, Fault> {
        Ok(Child {
            name: ChildName::new(self.name).map_err(Fault::text)?,
            container: ContainerName::new(self.container).map_err(Fault::text)?,
            pose: self.pose.map(Pose::try_from).transpose().map_err(Fault::space)?,
            port: self.port.map(PortName::new).transpose().map_err(Fault::text)?,
            overrides: value::components(&plan.catalog, &self.components, &self.values)?,
            labels: labels(self.labels)?,
        })
    }
}

/// A published component type.
#[derive(SimpleObject)]
pub struct ComponentPublished {
    /// Number of the commit in the change sequence.
    cursor: ChangeCursor,
    /// Whether this is the outcome of an earlier call with the same operation id.
    replayed: bool,
    /// The type as it is now.
    component_type: Option<ComponentType>,
}

/// Outcome of publishing a component type.
#[derive(Union)]
pub enum PublishComponentResult {
    /// It was done.
    Published(ComponentPublished),
    /// It was refused.
    Refused(Refused),
}

/// A published container version.
#[derive(SimpleObject)]
pub struct ContainerPublished {
    /// Number of the commit in the change sequence.
    cursor: ChangeCursor,
    /// Whether this is the outcome of an earlier call with the same operation id.
    replayed: bool,
    /// The newest version.
    container: Option<Container>,
}

/// Outcome of publishing a container.
#[derive(Union)]
pub enum PublishContainerResult {
    /// It was done.
    Published(ContainerPublished),
    /// It was refused.
    Refused(Refused),
}

/// Mutations of the catalog.
#[derive(Default)]
pub struct CatalogMutation;

#[Object]
impl CatalogMutation {
    /// Publishes a component type or adds variables to one. Publishing the same again changes nothing.
    async fn publish_component(
        &self,
        ctx: &Context<'_>,
        input: ComponentTypeInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<PublishComponentResult, Fault> {
        let name = input.name.clone();
        let outcome = commit(ctx, operation_id, expect, vec![OperationInput::PublishComponent(input)]).await;
        let published = outcome.map(|committed| ComponentPublished {
            cursor: ChangeCursor(committed.receipt.cursor),
            replayed: committed.receipt.replayed,
            component_type: graph(ctx).catalog().registry.by_name(&name).cloned().map(ComponentType),
        });
        answer(published, PublishComponentResult::Published, PublishComponentResult::Refused)
    }

    /// Publishes a container or its next version. Publishing the same again changes nothing.
    async fn publish_container(
        &self,
        ctx: &Context<'_>,
        input: ContainerInput,
        #[graphql(desc = "Makes a retry safe.")] operation_id: Option<String>,
        expect: Option<Vec<PreconditionInput>>,
    ) -> Result<PublishContainerResult, Fault> {
        let name = input.name.clone();
        let outcome =
            commit(ctx, operation_id, expect, vec![OperationInput::PublishContainer(Box::new(input))]).await;
        let published = outcome.map(|committed| ContainerPublished {
            cursor: ChangeCursor(committed.receipt.cursor),
            replayed: committed.receipt.replayed,
            container: graph(ctx).catalog().container_by_name(&name).cloned().map(Container),
        });
        answer(published, PublishContainerResult::Published, PublishContainerResult::Refused)
    }
}
