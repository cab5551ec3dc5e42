//! Component types, and the components of an entity or container.

use std::sync::Arc;

use async_graphql::{Context, Enum, Object, SimpleObject};
use entitygraph_schema::{self as schema, Components, component::Variable};

use super::entity::Node;
use crate::api::{
    error::Fault,
    graphql::{
        context::graph,
        page::{self, Rows, SEARCH_COST, cost},
        scalar::Value,
        straight::rows::Row,
        value::to_json,
    },
};

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entitygraph_schema::ValueKind")]
#[allow(missing_docs)] // described at the scalar `Value`
pub enum ValueKind {
    Bool,
    Int,
    Float,
    Text,
    Entity,
    Vector,
    Bytes,
    IntList,
    FloatList,
    TextList,
}

/// When a changed variable is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entitygraph_schema::SendPolicy")]
pub enum SendPolicy {
    /// With the tick after it changed.
    OnChange,
    /// With each tick, changed or not.
    EveryTick,
}

/// Who may ever be told a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entitygraph_schema::Visibility")]
pub enum Visibility {
    /// Everyone who sees the entity.
    Public,
    /// The entity's owner and services.
    OwnerOnly,
    /// Services only.
    ServerOnly,
}

/// Which number is taken for one that cannot be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entitygraph_schema::Rounding")]
pub enum Rounding {
    /// None: it does not convert.
    Exact,
    /// The nearest one, of two the one farther from zero.
    Nearest,
    /// The next lower one.
    Down,
    /// The next higher one.
    Up,
    /// The next one towards zero.
    TowardsZero,
}

/// A component type: variables that entities may have.
pub struct ComponentType(pub Arc<schema::ComponentType>);

/// A component type: variables that entities may have.
#[Object]
impl ComponentType {
    /// Number in this store.
    async fn id(&self) -> u32 {
        self.0.id.get()
    }

    /// Unique name.
    async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// One more with each publication that changed something.
    async fn version(&self) -> u32 {
        self.0.version
    }

    /// In the order in which they were published.
    async fn variables(&self) -> Vec<VariableType> {
        let indices = 0..self.0.variables.len();
        indices.map(|index| VariableType { component: self.0.clone(), index }).collect()
    }

    /// Variables that were taken out of it; entities may still hold values of them.
    #[graphql(complexity = "8 * child_complexity + 1")]
    async fn retired(&self) -> Vec<RetiredVariable> {
        (0..self.0.retired.len()).map(|index| RetiredVariable { component: self.0.clone(), index }).collect()
    }
}

/// A variable that was taken out of its type. What entities still hold of it shows nowhere else; it is cleared by setting null, and
/// is back when the variable is published again with its kind.
pub struct RetiredVariable {
    component: Arc<schema::ComponentType>,
    index: usize,
}

impl RetiredVariable {
    fn get(&self) -> &Variable {
        &self.component.retired[self.index]
    }
}

/// A variable that was taken out of its type. What entities still hold of it shows nowhere else; it is cleared by setting null, and
/// is back when the variable is published again with its kind.
#[Object]
impl RetiredVariable {
    /// Its name.
    async fn name(&self) -> &str {
        self.get().draft.name.as_str()
    }

    /// What it held.
    async fn kind(&self) -> ValueKind {
        self.get().kind().into()
    }

    /// Entities that still hold a value of their own. A page may be shorter than asked, even empty, while there are more.
    #[graphql(complexity = "SEARCH_COST + cost(first, child_complexity)")]
    async fn holders(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Holder>, Fault> {
        let request = page::request(ctx, first, after)?;
        let id = self.get().id;
        let page = graph(ctx).holders(self.component.id, id, request.clone()).await?;
        let taker = self.component.converting().find(|(_, converts)| converts.from == id);
        let becomes = |value: &schema::Value| {
            let (variable, converts) = taker?;
            Some(Value(to_json(&converts.conversion.apply(value, variable.kind())?)))
        };
        Ok(page::rows(&request, page, |(entity, value)| Holder {
            entity: Node(entity),
            becomes: becomes(&value),
            value: Value(to_json(&value)),
        }))
    }
}

/// An entity that still holds a value of a retired variable.
#[derive(SimpleObject)]
pub struct Holder {
    /// The entity.
    entity: Node,
    /// What it holds.
    value: Value,
    /// What it is about to become, while another variable takes the values over; null for one that does not convert: it stays until
    /// somebody sets the new variable, or null for this one.
    becomes: Option<Value>,
}

impl Row for Holder {}

/// A variable of a component type.
pub struct VariableType {
    component: Arc<schema::ComponentType>,
    index: usize,
}

impl VariableType {
    fn get(&self) -> &Variable {
        &self.component.variables[self.index]
    }
}

/// A variable of a component type.
#[Object]
impl VariableType {
    /// Unique within the type.
    async fn name(&self) -> &str {
        self.get().draft.name.as_str()
    }

    /// What it holds.
    async fn kind(&self) -> ValueKind {
        self.get().kind().into()
    }

    /// Its value where nothing else is said.
    async fn default(&self) -> Value {
        Value(to_json(&self.get().draft.default))
    }

    /// The retired variable whose values it takes over, until all are.
    async fn converts_from(&self) -> Option<RetiredVariable> {
        let from = self.get().converts.as_ref()?.from;
        let index = self.component.retired.iter().position(|retired| retired.id == from)?;
        Some(RetiredVariable { component: self.component.clone(), index })
    }

    /// Sent together with the others of the group.
    async fn group(&self) -> Option<&str> {
        self.get().draft.group.as_ref().map(|group| group.as_str())
    }

    /// When it is sent.
    async fn send(&self) -> SendPolicy {
        self.get().draft.send.into()
    }

    /// Whether it reaches the store at all.
    async fn persisted(&self) -> bool {
        self.get().draft.persisted
    }

    /// Who may be told.
    async fn visibility(&self) -> Visibility {
        self.get().draft.visibility.into()
    }

    /// Smallest step worth sending, in the variable's own unit.
    async fn precision(&self) -> Option<f64> {
        self.get().draft.precision
    }
}

/// A component of an entity or container, with the values in effect.
pub struct Component {
    ty: Arc<schema::ComponentType>,
    own: bool,
    variables: Vec<VariableValue>,
}

impl Component {
    /// The component as it is in `effective`; `own` says which values are not inherited.
    pub fn of(ty: Arc<schema::ComponentType>, effective: &Components, own: &Components) -> Self {
        let held = own.0.get(&ty.id);
        let variables = ty.variables.iter().enumerate().map(|(index, variable)| {
            let value = effective.get(ty.id, variable.id).unwrap_or(&variable.draft.default);
            let own = held.is_some_and(|held| held.contains_key(&variable.id));
            VariableValue { ty: VariableType { component: ty.clone(), index }, value: to_json(value), own }
        });
        Self { variables: variables.collect(), own: held.is_some(), ty }
    }
}

/// A component of an entity or container, with the values in effect.
#[Object]
impl Component {
    /// Name of its type.
    async fn name(&self) -> &str {
        self.ty.name.as_str()
    }

    /// Its type.
    #[graphql(name = "type")]
    async fn component_type(&self) -> ComponentType {
        ComponentType(self.ty.clone())
    }

    /// Whether the holder has values of its own for it; without, all come from its container.
    async fn own(&self) -> bool {
        self.own
    }

    /// All variables of its type.
    async fn variables(&self) -> &[VariableValue] {
        &self.variables
    }
}

/// A variable with the value in effect.
pub struct VariableValue {
    ty: VariableType,
    value: async_graphql::Value,
    own: bool,
}

/// A variable with the value in effect.
#[Object(name = "Variable")]
impl VariableValue {
    /// Its name.
    async fn name(&self) -> &str {
        self.ty.get().draft.name.as_str()
    }

    /// What it holds.
    async fn kind(&self) -> ValueKind {
        self.ty.get().kind().into()
    }

    /// The value in effect.
    async fn value(&self) -> Value {
        Value(self.value.clone())
    }

    /// Whether the value is the holder's own.
    async fn own(&self) -> bool {
        self.own
    }
}
