//! What subscribers are told. `docs/subscriptions.md` is the specification.

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject, Union};
use entitygraph_schema::{self as schema, ComponentId, Cursor, Entity, EntityId, Patch, Revision};

use super::{component::ComponentType, container::Container, entity::Node};
use crate::{
    api::{
        error::Fault,
        graphql::{
            context::{Access, graph},
            page::tree_cost,
            scalar::{ChangeCursor, Id, Int64, PoseObject, Value},
            value::to_json,
        },
    },
    changes::{Message, ScopeChange, ScopeCommit},
};

/// A message of a subscription.
#[derive(Union)]
#[graphql(name = "ChangeMessage")]
pub enum Told {
    /// The scope as it is.
    Snapshot(Snapshot),
    /// What happened.
    Transaction(Transaction),
    /// Transactions are lost to this subscriber.
    Lag(Lag),
}

impl From<Message> for Told {
    fn from(message: Message) -> Self {
        match message {
            Message::Snapshot { cursor, entities } => Self::Snapshot(Snapshot { cursor, entities }),
            Message::Transaction(commit) => Self::Transaction(Transaction(commit)),
            Message::Lag { after, newest } => {
                Self::Lag(Lag { after: ChangeCursor(after), newest: ChangeCursor(newest) })
            }
        }
    }
}

/// The scope as it is. The entities may be newer than the cursor, never older; their revisions say so.
pub struct Snapshot {
    cursor: Cursor,
    entities: Arc<[Arc<Entity>]>,
}

/// The scope as it is. The entities may be newer than the cursor, never older; their revisions say so.
#[Object]
impl Snapshot {
    /// All transactions up to this one are in it; resume after it.
    async fn cursor(&self) -> ChangeCursor {
        ChangeCursor(self.cursor)
    }

    /// Parents first.
    #[graphql(complexity = "tree_cost(child_complexity)")]
    async fn entities(&self) -> Vec<Node> {
        self.entities.iter().cloned().map(Node).collect()
    }
}

/// Transactions after `after` up to `newest` are lost to this subscriber, because it was away or slow for too long. A
/// snapshot follows.
#[derive(SimpleObject)]
pub struct Lag {
    /// The last transaction it was told of.
    after: ChangeCursor,
    /// The newest one.
    newest: ChangeCursor,
}

/// A transaction, or several merged ones, as far as it changed the scope.
pub struct Transaction(Arc<ScopeCommit>);

/// A transaction, or several merged ones, as far as it changed the scope.
#[Object]
impl Transaction {
    /// The last transaction in it; resume after it.
    async fn cursor(&self) -> ChangeCursor {
        ChangeCursor(self.0.to)
    }

    /// The first transaction in it: below `cursor` when several were merged.
    async fn from(&self) -> ChangeCursor {
        ChangeCursor(self.0.from)
    }

    /// The writer's name for it; null for merged ones.
    async fn operation_id(&self) -> Option<&str> {
        self.0.operation_id.as_ref().map(|id| id.as_str())
    }

    /// In order.
    #[graphql(complexity = "tree_cost(child_complexity)")]
    async fn changes(&self) -> Vec<EntityChange> {
        self.0.changes.iter().cloned().map(EntityChange::from).collect()
    }
}

/// One change of the scope.
#[derive(Union)]
pub enum EntityChange {
    /// It came into the scope.
    Entered(EntityEntered),
    /// It was in the scope and is.
    Changed(EntityChanged),
    /// It went out of the scope.
    Left(EntityLeft),
    /// Values in the scope come from another version of a container.
    ContainerChanged(ContainerChanged),
    /// Values in the scope come from another version of a component type.
    ComponentTypeChanged(ComponentTypeChanged),
    /// A link with an end in the scope was made.
    LinkChanged(LinkChanged),
    /// A link with an end in the scope was taken away.
    LinkRemoved(LinkRemoved),
}

impl From<ScopeChange> for EntityChange {
    fn from(change: ScopeChange) -> Self {
        match change {
            ScopeChange::Entered(entity) => Self::Entered(EntityEntered { entity: Node(entity) }),
            ScopeChange::Changed { entity, revision, patch } => {
                Self::Changed(EntityChanged { entity, revision, patch })
            }
            ScopeChange::Left { entity, buried } => Self::Left(EntityLeft { id: Id(entity), buried }),
            ScopeChange::ContainerPublished(container) => {
                Self::ContainerChanged(ContainerChanged { container: Container(container) })
            }
            ScopeChange::ComponentPublished(component) => {
                Self::ComponentTypeChanged(ComponentTypeChanged { component_type: ComponentType(component) })
            }
            ScopeChange::Linked(schema::Link { kind, a, b, cost }) => {
                Self::LinkChanged(LinkChanged { kind: kind.to_string(), a: Id(a), b: Id(b), cost })
            }
            ScopeChange::Unlinked { kind, a, b } => {
                Self::LinkRemoved(LinkRemoved { kind: kind.to_string(), a: Id(a), b: Id(b) })
            }
        }
    }
}

/// An entity came into the scope: it was created, moved in or labelled.
#[derive(SimpleObject)]
pub struct EntityEntered {
    /// With its state.
    entity: Node,
}

/// An entity went out of the scope; out of a subtree, an aggregate or a zone with everything below it.
#[derive(SimpleObject)]
pub struct EntityLeft {
    /// Which.
    id: Id,
    /// Whether it exists no more.
    buried: bool,
}

/// A version of a container was published. Values in effect that entities of the scope do not state themselves may be others
/// now: of all whose container it is, or the container of their slot. Told once, however many these are.
#[derive(SimpleObject)]
pub struct ContainerChanged {
    /// This version, which may not be the newest.
    container: Container,
}

/// A version of a component type was published. Values in effect that entities of the scope have by default may be others
/// now; there may be more variables, other names of them, and fewer.
#[derive(SimpleObject)]
pub struct ComponentTypeChanged {
    /// This version, which may not be the newest.
    component_type: ComponentType,
}

/// A link was made, or its cost changed. Its ends may be buried by now.
#[derive(SimpleObject)]
pub struct LinkChanged {
    /// What it is.
    kind: String,
    /// The end with the lower id.
    a: Id,
    /// The end with the higher id.
    b: Id,
    /// What passing it costs a route.
    cost: f64,
}

/// A link was taken away.
#[derive(SimpleObject)]
pub struct LinkRemoved {
    /// What it was.
    kind: String,
    /// The end with the lower id.
    a: Id,
    /// The end with the higher id.
    b: Id,
}

/// An entity of the scope changed.
pub struct EntityChanged {
    entity: EntityId,
    revision: Revision,
    patch: Arc<Patch>,
}

/// An entity of the scope changed. What is null did not change; `fields` tells it from what became null.
#[Object]
impl EntityChanged {
    /// Which.
    async fn id(&self) -> Id {
        Id(self.entity)
    }

    /// Its revision after the change; ignore changes that are not newer than what you hold.
    async fn revision(&self) -> Int64 {
        self.revision.number().into()
    }

    /// Names of the fields of `Entity` that changed.
    async fn fields(&self) -> Vec<&'static str> {
        let patch = &self.patch;
        let fields = [
            ("name", patch.name.is_some()),
            ("parent", patch.parent.is_some()),
            ("pose", patch.pose.is_some()),
            ("radius", patch.radius.is_some()),
            ("zone", patch.zone.is_some()),
            ("root", patch.root.is_some()),
            ("owner", patch.owner.is_some()),
            ("layer", patch.layer.is_some()),
            ("ordinal", patch.ordinal.is_some()),
            ("labels", !patch.labels.is_empty()),
            ("components", !patch.components.is_empty()),
        ];
        fields.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
    }

    /// The entity as it is now, which may be newer than this change; null once it is buried.
    async fn current(&self, ctx: &Context<'_>) -> Result<Option<Node>, Fault> {
        Ok(Access::of(ctx).entity(self.entity).await?.map(Node))
    }

    /// Its new name.
    async fn name(&self) -> Option<&str> {
        self.patch.name.as_ref().map(|name| name.as_str())
    }

    /// Its new parent.
    async fn parent(&self) -> Option<Id> {
        self.patch.parent.as_ref().map(|(parent, _)| Id(*parent))
    }

    /// The port of its new parent.
    async fn port(&self) -> Option<&str> {
        self.patch.parent.as_ref()?.1.as_ref().map(|port| port.as_str())
    }

    /// Its new pose.
    async fn pose(&self) -> Option<PoseObject> {
        self.patch.pose.flatten().map(PoseObject::from)
    }

    /// Its new owner.
    async fn owner(&self) -> Option<&str> {
        self.patch.owner.as_ref()?.as_ref().map(|owner| owner.as_str())
    }

    /// Labels that it has now.
    async fn labels_added(&self) -> Vec<&str> {
        self.labels(true)
    }

    /// Labels that it has no more.
    async fn labels_removed(&self) -> Vec<&str> {
        self.labels(false)
    }

    /// Components with changed values of its own, each with the other stored variables of the groups of what changed.
    async fn components(&self, ctx: &Context<'_>) -> Vec<ChangedComponent> {
        let catalog = graph(ctx).catalog();
        let known = |id: &ComponentId| catalog.registry.get(*id);
        let changed = self.patch.components.iter().filter_map(|(id, patch)| Some((known(id)?, patch)));
        let component = changed.map(|(component, patch)| {
            let variables = patch.variables.iter().filter_map(|(id, value)| {
                let name = component.variable_by_id(*id)?.draft.name.to_string();
                let value = value.as_ref().map(|value| Value(to_json(value)));
                Some(ChangedVariable { name, value })
            });
            ChangedComponent {
                name: component.name.to_string(),
                reset: patch.reset,
                removed: patch.remove,
                variables: variables.collect(),
            }
        });
        component.collect()
    }
}

impl EntityChanged {
    fn labels(&self, set: bool) -> Vec<&str> {
        let labels = self.patch.labels.iter().filter(|(_, is_set)| **is_set == set);
        labels.map(|(label, _)| label.as_str()).collect()
    }
}

/// Changed values of a component.
#[derive(SimpleObject)]
pub struct ChangedComponent {
    /// Its name.
    name: String,
    /// Whether the entity's own values were forgotten first.
    reset: bool,
    /// Whether the entity has no own values of it any more.
    removed: bool,
    /// Changed variables, and the other stored ones of their groups, whose values may be what they were.
    variables: Vec<ChangedVariable>,
}

/// A changed variable, or one of the group of a changed one.
#[derive(SimpleObject)]
pub struct ChangedVariable {
    /// Its name.
    name: String,
    /// Its own value now; null goes back to the container's value or the default.
    value: Option<Value>,
}
