//! Component types as data: what variables entities may have, how each is sent, kept and seen (AC 2.2.1, 2.3.1).
//!
//! A [`Registry`] is an immutable snapshot of all types. Publishing a draft makes the next snapshot; existing nodes are
//! not rewritten (AC 2.2.1), because stored values name variables by number.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use self::conversion::{Conversion, ConversionDraft, Converts, Rounding, Rule};
use crate::{
    delta::Patch,
    id::{ComponentId, EntityId, VariableId},
    refusal::Refusal,
    text::{ComponentName, GroupName, VariableName, starting_with},
    value::{Value, ValueKind},
};

/// When a changed variable is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SendPolicy {
    /// With the tick after it changed.
    #[default]
    OnChange,
    /// With each tick, changed or not.
    EveryTick,
}

/// Who may ever be told the value (AC 2.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// Everyone who sees the entity.
    #[default]
    Public,
    /// The entity's owner and services.
    OwnerOnly,
    /// Services only.
    ServerOnly,
}

/// One variable as its author writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct VariableDraft {
    /// Unique within the type.
    pub name: VariableName,
    /// Also the kind of the variable.
    pub default: Value,
    /// Sent together with the others of the group.
    pub group: Option<GroupName>,
    /// When it is sent.
    pub send: SendPolicy,
    /// Whether it reaches the store at all. If not, its values live in the replication layer: no entity is stored with
    /// one, and only containers may state one, as a default.
    pub persisted: bool,
    /// Who may be told.
    pub visibility: Visibility,
    /// Smallest step worth sending, in the variable's own unit, positive; floats, vectors and float lists only.
    pub precision: Option<f64>,
}

impl VariableDraft {
    /// A public, persisted variable that is sent when it changes.
    pub fn new(name: VariableName, default: Value) -> Self {
        Self {
            name,
            default,
            group: None,
            send: SendPolicy::default(),
            persisted: true,
            visibility: Visibility::default(),
            precision: None,
        }
    }
}

/// A component type as its author writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentDraft {
    /// Unique name; publishing it again makes the next version.
    pub name: ComponentName,
    /// At most [`ComponentType::MAX_VARIABLES`].
    pub variables: Vec<VariableDraft>,
    /// Variables of the draft that had another name before: new name, old name. No value is touched (AC 2.1.4).
    pub renamed: BTreeMap<VariableName, VariableName>,
    /// Variables to be taken out of the type, see [`ComponentType::retired`] (AC 2.1.4).
    pub retire: BTreeSet<VariableName>,
    /// Variables of the draft that take over the values of others, which are retired with that, see [`Variable::converts`]
    /// (AC 2.1.4).
    pub converts: BTreeMap<VariableName, ConversionDraft>,
    /// Variables that have taken over what there was. A draft that says this says nothing else: the type stays as it is otherwise.
    pub settled: BTreeSet<VariableName>,
}

impl ComponentDraft {
    /// A type with these variables; those that it has already keep their names.
    pub fn new(name: ComponentName, variables: Vec<VariableDraft>) -> Self {
        Self {
            name,
            variables,
            renamed: BTreeMap::new(),
            retire: BTreeSet::new(),
            converts: BTreeMap::new(),
            settled: BTreeSet::new(),
        }
    }

    /// Says that variables of a type have taken over the values of others.
    pub fn settling(name: ComponentName, settled: BTreeSet<VariableName>) -> Self {
        Self { settled, ..Self::new(name, Vec::new()) }
    }
}

/// A published variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Number within the type.
    pub id: VariableId,
    /// What its author wrote.
    pub draft: VariableDraft,
    /// Whose values it takes over, and how, until all are. Meanwhile one that is not taken over yet counts as what it becomes,
    /// and a write of this variable clears it.
    pub converts: Option<Converts>,
}

impl Variable {
    /// What the variable holds.
    pub fn kind(&self) -> ValueKind {
        self.draft.default.kind()
    }
}

/// A published component type.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentType {
    /// Number in this store.
    pub id: ComponentId,
    /// Unique name.
    pub name: ComponentName,
    /// One more with each publication that changed something.
    pub version: u32,
    /// In order of their numbers.
    pub variables: Vec<Variable>,
    /// Variables that were taken out, in order of their numbers. What entities still hold of them is kept and shows nowhere but in
    /// the list of who holds it; it can be cleared, and it is back when the variable is published again with its kind. A
    /// number is never used for another variable.
    pub retired: Vec<Variable>,
}

impl ComponentType {
    /// Most variables of one type.
    pub const MAX_VARIABLES: usize = 256;

    /// Most retired variables of one type.
    pub const MAX_RETIRED: usize = 256;

    /// The variable of this name.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|v| v.draft.name.as_str() == name)
    }

    /// The variable of this number.
    pub fn variable_by_id(&self, id: VariableId) -> Option<&Variable> {
        self.variables.iter().find(|v| v.id == id)
    }

    /// The retired variable of this name; none has the name of a variable that is not retired.
    pub fn retired_by_name(&self, name: &str) -> Option<&Variable> {
        self.retired.iter().find(|v| v.draft.name.as_str() == name)
    }

    /// The variable of this number, retired or not.
    pub fn any_by_id(&self, id: VariableId) -> Option<&Variable> {
        self.variables.iter().chain(&self.retired).find(|v| v.id == id)
    }

    /// The variables that take over values of others, each with how.
    pub fn converting(&self) -> impl Iterator<Item = (&Variable, &Converts)> {
        self.variables.iter().filter_map(|variable| Some((variable, variable.converts.as_ref()?)))
    }

    /// Whether an entity may hold a value of this number, retired or not.
    pub fn has_number(&self, id: VariableId) -> bool {
        self.any_by_id(id).is_some()
    }

    /// Puts the values that variables take over in their place, as far as their rules make something of them. What a variable
    /// has already stays.
    fn convert(&self, values: &mut BTreeMap<VariableId, Value>) {
        for (variable, converts) in self.converting() {
            let Some(old) = values.get(&converts.from) else { continue };
            if values.contains_key(&variable.id) {
                values.remove(&converts.from);
            } else if let Some(value) = converts.conversion.apply(old, variable.kind()) {
                values.remove(&converts.from);
                values.insert(variable.id, value);
            }
        }
    }
}

/// Values by component and variable. A component with an empty map is there with all its defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Components(pub BTreeMap<ComponentId, BTreeMap<VariableId, Value>>);

impl Components {
    /// The value, if it is set here.
    pub fn get(&self, component: ComponentId, variable: VariableId) -> Option<&Value> {
        self.0.get(&component)?.get(&variable)
    }

    /// Lays `over` on top: its components are added, its values win.
    pub fn overlay(&mut self, over: &Self) {
        for (component, values) in &over.0 {
            self.0
                .entry(*component)
                .or_default()
                .extend(values.iter().map(|(id, value)| (*id, value.clone())));
        }
    }

    /// Bytes of the content, for limits and cache weights.
    pub fn size_bytes(&self) -> usize {
        self.0.values().flat_map(|values| values.values()).map(|value| value.size_bytes() + 24).sum::<usize>()
            + self.0.len() * 48
    }
}

/// All component types at one moment.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    by_id: BTreeMap<ComponentId, Arc<ComponentType>>,
    by_name: BTreeMap<ComponentName, ComponentId>,
    /// Types with a variable that takes over values of another one.
    converting: BTreeSet<ComponentId>,
}

impl Registry {
    /// The type of this number.
    pub fn get(&self, id: ComponentId) -> Option<&Arc<ComponentType>> {
        self.by_id.get(&id)
    }

    /// The type of this name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<ComponentType>> {
        self.by_id.get(self.by_name.get(name)?)
    }

    /// All types by number.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<ComponentType>> {
        self.by_id.values()
    }

    /// Types whose name begins with the prefix, by name; from behind the name `after` on, where one is given.
    pub fn iter_by_name<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<ComponentType>> {
        starting_with(&self.by_name, prefix, after).filter_map(|id| self.by_id.get(id))
    }

    /// Puts in a type that was published before (read from a store or a change feed).
    pub fn insert(&mut self, component: Arc<ComponentType>) {
        self.by_name.insert(component.name.clone(), component.id);
        if component.converting().next().is_some() {
            self.converting.insert(component.id);
        } else {
            self.converting.remove(&component.id);
        }
        self.by_id.insert(component.id, component);
    }

    /// Types with a variable that takes over values of another one.
    pub fn converting(&self) -> impl Iterator<Item = &Arc<ComponentType>> {
        self.converting.iter().filter_map(|id| self.by_id.get(id))
    }

    /// The values as they count while variables take over those of others (see [`Variable::converts`]).
    pub fn converted<'a>(&self, components: &'a Components) -> Cow<'a, Components> {
        let concerned: Vec<_> = self.converting().filter(|ty| components.0.contains_key(&ty.id)).collect();
        if concerned.is_empty() {
            return Cow::Borrowed(components);
        }
        let mut converted = components.clone();
        for ty in concerned {
            converted.0.entry(ty.id).and_modify(|values| ty.convert(values));
        }
        Cow::Owned(converted)
    }

    /// The patch as a store applies it: what writes a variable also clears the value that the variable would take over.
    pub fn completed<'a>(&self, patch: &'a Patch) -> Cow<'a, Patch> {
        let mut completed = Cow::Borrowed(patch);
        for ty in self.converting() {
            let Some(own) = patch.components.get(&ty.id) else { continue };
            for (variable, converts) in ty.converting() {
                if own.variables.contains_key(&variable.id) && !own.variables.contains_key(&converts.from) {
                    let own = completed.to_mut().components.entry(ty.id).or_default();
                    own.variables.insert(converts.from, None);
                }
            }
        }
        completed
    }

    /// What publishing the draft would make of it, without changing this snapshot.
    ///
    /// A new name gets the next number. A known name keeps its variables, with their kinds, and may add some, rename them,
    /// retire them, let new ones take over their values, and change defaults and policies; leaving one out without a word or changing its kind is refused. A
    /// draft that changes nothing returns the type as it is, also when it renames and retires what was so before.
    pub fn publish(&self, draft: &ComponentDraft) -> Result<Arc<ComponentType>, Refusal> {
        self.check_draft(draft)?;
        let known = self.by_name(draft.name.as_str());
        let evolved = evolution::evolve(known.map(|known| &**known), draft)?;
        if let Some(known) = known.filter(|known| evolved.leaves(known)) {
            return Ok(known.clone());
        }
        let id = match known {
            Some(known) => known.id,
            None => {
                ComponentId::new(self.by_id.last_key_value().map_or(0, |(id, _)| id.get()).wrapping_add(1))
                    .ok_or(Refusal::TooMany {
                        what: "component types",
                        count: u32::MAX.into(),
                        max: u32::MAX.into(),
                    })?
            }
        };
        let version = known.map_or(1, |known| known.version + 1);
        let evolution::Evolved { variables, retired } = evolved;
        Ok(Arc::new(ComponentType { id, name: draft.name.clone(), version, variables, retired }))
    }

    /// Whether a type of another store, taken over as it is, would be new here. One that is at odds with what is here in
    /// number, name or version is refused.
    pub fn adopts(&self, component: &ComponentType) -> Result<bool, Refusal> {
        let invalid = |reason: String| Refusal::Invalid { what: "an adopted component type", reason };
        let (id, name) = (component.id, &component.name);
        let by_name = self.by_name(name.as_str());
        if let Some(other) = by_name.filter(|other| other.id != id) {
            return Err(invalid(format!("`{name}` has number {id} there and {} here", other.id)));
        }
        match self.get(id) {
            None => Ok(true),
            Some(known) if **known == *component => Ok(false),
            Some(known) if known.name != *name => {
                Err(invalid(format!("number {id} is `{name}` there and `{}` here", known.name)))
            }
            Some(known) if known.version >= component.version => Err(invalid(format!(
                "version {} of `{name}` is not newer than version {} here",
                component.version, known.version
            ))),
            Some(_) => Ok(true),
        }
    }

    /// As [`Self::check`], for what an adopted entity holds: also values of retired variables, and of some that were
    /// persisted when they were set.
    pub fn check_held(&self, components: &Components) -> Result<(), Refusal> {
        for (id, values) in &components.0 {
            let component = self.get(*id).ok_or(Refusal::UnknownComponentId { component: *id })?;
            for (variable, value) in values {
                let known = component.variables.iter().chain(&component.retired).find(|v| v.id == *variable);
                let known = known.ok_or_else(|| Refusal::UnknownVariable {
                    component: component.name.clone(),
                    variable: variable.to_string(),
                })?;
                if value.kind() != known.kind() {
                    return Err(Refusal::WrongKind {
                        component: component.name.clone(),
                        variable: known.draft.name.clone(),
                        expected: known.kind(),
                        found: value.kind(),
                    });
                }
                value.check().map_err(|source| Refusal::Value {
                    component: component.name.clone(),
                    variable: known.draft.name.clone(),
                    source,
                })?;
            }
        }
        Ok(())
    }

    fn check_draft(&self, draft: &ComponentDraft) -> Result<(), Refusal> {
        let count = draft.variables.len();
        if count > ComponentType::MAX_VARIABLES {
            return Err(Refusal::TooMany {
                what: "variables",
                count: count as u64,
                max: ComponentType::MAX_VARIABLES as u64,
            });
        }
        for (index, variable) in draft.variables.iter().enumerate() {
            variable.default.check().map_err(|source| Refusal::Value {
                component: draft.name.clone(),
                variable: variable.name.clone(),
                source,
            })?;
            if let Some(precision) = variable.precision {
                let divisible = matches!(
                    variable.default.kind(),
                    ValueKind::Float | ValueKind::Vector | ValueKind::FloatList
                );
                if !divisible || !precision.is_finite() || precision <= 0.0 {
                    let reason = format!(
                        "variable `{}.{}` is {} and has {precision}; only floats, vectors and float lists have one, \
                         and it is positive and finite",
                        draft.name,
                        variable.name,
                        variable.default.kind()
                    );
                    return Err(Refusal::Invalid { what: "the precision", reason });
                }
            }
            if draft.variables[..index].iter().any(|other| other.name == variable.name) {
                return Err(Refusal::VariableTwice {
                    component: draft.name.clone(),
                    variable: variable.name.clone(),
                });
            }
        }
        Ok(())
    }

    /// Refuses unknown components and variables, and values of the wrong kind or form.
    pub fn check(&self, components: &Components) -> Result<(), Refusal> {
        for (id, values) in &components.0 {
            let component = self.get(*id).ok_or(Refusal::UnknownComponentId { component: *id })?;
            for (variable, value) in values {
                self.check_value(component, *variable, value)?;
            }
        }
        Ok(())
    }

    /// Refuses an unknown variable and a value of the wrong kind or form.
    pub fn check_value(
        &self,
        component: &ComponentType,
        variable: VariableId,
        value: &Value,
    ) -> Result<(), Refusal> {
        let known = component.variable_by_id(variable).ok_or_else(|| Refusal::UnknownVariable {
            component: component.name.clone(),
            variable: variable.to_string(),
        })?;
        if value.kind() != known.kind() {
            return Err(Refusal::WrongKind {
                component: component.name.clone(),
                variable: known.draft.name.clone(),
                expected: known.kind(),
                found: value.kind(),
            });
        }
        value.check().map_err(|source| Refusal::Value {
            component: component.name.clone(),
            variable: known.draft.name.clone(),
            source,
        })
    }

    /// As [`Self::check`], for an entity's own values: those of variables that are not persisted are refused, because the
    /// store would keep them.
    pub fn check_own(&self, entity: EntityId, components: &Components) -> Result<(), Refusal> {
        for (id, values) in &components.0 {
            let component = self.get(*id).ok_or(Refusal::UnknownComponentId { component: *id })?;
            for (variable, value) in values {
                self.check_own_value(entity, component, *variable, value)?;
            }
        }
        Ok(())
    }

    /// As [`Self::check_value`], for an entity's own value.
    pub fn check_own_value(
        &self,
        entity: EntityId,
        component: &ComponentType,
        variable: VariableId,
        value: &Value,
    ) -> Result<(), Refusal> {
        self.check_value(component, variable, value)?;
        match component.variable_by_id(variable) {
            Some(known) if !known.draft.persisted => Err(Refusal::NotPersisted {
                entity,
                component: component.name.clone(),
                variable: known.draft.name.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Every variable of every component in `components`, defaults filled in: a full snapshot.
    pub fn with_defaults(&self, components: &Components) -> Components {
        let mut full = Components::default();
        for (id, values) in &components.0 {
            let entry = full.0.entry(*id).or_default();
            let Some(component) = self.get(*id) else { continue };
            let value = |v: &Variable| values.get(&v.id).unwrap_or(&v.draft.default).clone();
            entry.extend(component.variables.iter().map(|v| (v.id, value(v))));
        }
        full
    }
}

mod conversion;
mod evolution;
#[cfg(test)]
mod tests;
