//! Component types as Rust structs: one declaration gives the draft to publish and the values to store.
//!
//! The numbers of components and variables are the store's, known only after publishing. [`Numbers`] looks them up once, so
//! that writing a value costs no search by name.

use std::sync::Arc;

use entitygraph_schema::{
    ComponentDraft, ComponentId, ComponentName, Components, EntityId, GroupName, Registry, Value, ValueKind,
    VariableDraft, VariableId, VariableName, text::TextError,
};

use crate::eve::value::{Finite, Position};

/// A component type of this ingest, with one optional value for each of its variables.
pub(super) trait Component {
    /// Unique name of the type.
    const NAME: &'static str;
    /// Name and default of each variable, in the order of [`Component::values`].
    #[allow(
        clippy::type_complexity,
        reason = "a table of names and defaults; an alias would be used here only"
    )]
    const VARIABLES: &'static [(&'static str, fn() -> Value)];
    /// The group of all its variables, when they only make sense together.
    const GROUP: Option<&'static str>;

    /// The values that the source gives.
    fn values(self) -> Vec<Option<Value>>;

    /// What is published.
    fn draft() -> Result<ComponentDraft, TextError> {
        let group = Self::GROUP.map(GroupName::new).transpose()?;
        let variable = |(name, default): &(&str, fn() -> Value)| {
            let draft = VariableDraft::new(VariableName::new(name)?, default());
            Ok(VariableDraft { group: group.clone(), ..draft })
        };
        let variables = Self::VARIABLES.iter().map(variable).collect::<Result<_, TextError>>()?;
        Ok(ComponentDraft::new(ComponentName::new(Self::NAME)?, variables))
    }
}

/// Declares component types: `Name = "name" { variable: type, ... }`, with `, together "group"` after the name for variables
/// that are always sent together.
macro_rules! components {
    ($( $(#[$doc:meta])* $name:ident = $text:literal $(, together $group:literal)? {
        $( $(#[$field_doc:meta])* $field:ident : $type:ty ),+ $(,)?
    } )+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Default)]
            pub(super) struct $name {
                $( $(#[$field_doc])* pub $field: Option<$type>, )+
            }

            impl Component for $name {
                const NAME: &'static str = $text;
                const VARIABLES: &'static [(&'static str, fn() -> Value)] =
                    &[ $( (stringify!($field), <$type as Variable>::default_value) ),+ ];
                const GROUP: Option<&'static str> = [$( Some($group), )? None][0];

                fn values(self) -> Vec<Option<Value>> {
                    vec![ $( self.$field.map(Variable::into_value) ),+ ]
                }
            }
        )+

        /// The numbers of all component types.
        #[derive(Debug, Clone)]
        #[allow(non_snake_case, reason = "one field for each type, under its name")]
        pub(super) struct Vocabulary {
            $( pub $name: Numbers, )+
        }

        impl Vocabulary {
            /// Looks all types up, after they were published.
            pub fn of(registry: &Registry) -> Result<Self, ForeignComponent> {
                Ok(Self { $( $name: Numbers::of::<$name>(registry)? ),+ })
            }
        }

        /// All component types, to be published in this order.
        pub(super) fn drafts() -> Result<Vec<ComponentDraft>, TextError> {
            Ok(vec![ $( $name::draft()? ),+ ])
        }
    };
}
pub(super) use components;

/// A type that variables are declared with.
pub(super) trait Variable {
    fn default_value() -> Value;
    fn into_value(self) -> Value;
}

macro_rules! variable {
    ($($type:ty, $default:expr, |$value:ident| $into:expr;)+) => {
        $(impl Variable for $type {
            fn default_value() -> Value { $default }
            fn into_value(self) -> Value { let $value = self; $into }
        })+
    };
}

variable! {
    bool, Value::Bool(false), |value| Value::Bool(value);
    Number, Value::Int(0), |value| Value::Int(value.0);
    Finite, Value::Float(0.0), |value| Value::Float(value.get());
    Arc<str>, Value::Text("".into()), |value| Value::Text(value);
    Position, Value::Vector([0.0; 3]), |value| Value::Vector(value.0);
    EntityId, Value::Entity(super::spaces::NEW_EDEN), |value| Value::Entity(value);
    Vec<Number>, Value::IntList([].into()), |value| Value::IntList(value.into_iter().map(|n| n.0).collect());
    Vec<Finite>, Value::FloatList([].into()), |value| Value::FloatList(value.into_iter().map(Finite::get).collect());
    Vec<Arc<str>>, Value::TextList([].into()), |value| Value::TextList(value.into());
}

/// A number of the export, such as an id of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(i64);

impl From<u64> for Number {
    /// Numbers of the export end far below 2^63; one that does not keeps its bits and comes out negative.
    fn from(number: u64) -> Self {
        Self(number.cast_signed())
    }
}

/// The numbers that a store gave to one component type.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    component: ComponentId,
    /// In the order of the declaration.
    variables: Vec<VariableId>,
}

/// The store has a component type of the same name that is not ours.
#[derive(Debug, thiserror::Error)]
#[error(
    "the store's component type `{component}` has no variable `{variable}` of kind {kind}: something else published it; \
     ingest into another store"
)]
pub struct ForeignComponent {
    component: &'static str,
    variable: &'static str,
    kind: ValueKind,
}

impl Numbers {
    /// Looks the type `C` up.
    pub fn of<C: Component>(registry: &Registry) -> Result<Self, ForeignComponent> {
        let foreign = |(variable, default): (&'static str, fn() -> Value)| ForeignComponent {
            component: C::NAME,
            variable,
            kind: default().kind(),
        };
        let known = registry.by_name(C::NAME).ok_or_else(|| foreign(C::VARIABLES[0]))?;
        let number = |(name, default): &(&'static str, fn() -> Value)| {
            let found = known.variable(name).filter(|found| found.kind() == default().kind());
            found.map(|found| found.id).ok_or_else(|| foreign((name, *default)))
        };
        let variables = C::VARIABLES.iter().map(number).collect::<Result<_, _>>()?;
        Ok(Self { component: known.id, variables })
    }

    /// Adds the component with the values it has.
    pub fn write(&self, components: &mut Components, component: impl Component) {
        let values = self.variables.iter().zip(component.values());
        let values = values.filter_map(|(number, value)| Some((*number, value?))).collect();
        components.0.insert(self.component, values);
    }
}
