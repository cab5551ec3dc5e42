//! What is kept of one entity: its pose and values of variables, the newest of each.

use std::sync::Arc;

use entitygraph_schema::{
    ComponentId, ComponentPatch, Cursor, Entity, EntityId, Patch, Pose, Value, VariableId,
    codec::{CodecError, Form, Input, put_number},
};

/// Which variable.
pub type Name = (ComponentId, VariableId);

/// Changed parts of one entity, each whole: what is not named stays as it is. The parts of a group come together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values {
    /// In its zone, exact.
    pub pose: Option<Pose>,
    /// By name, ascending; no value: the entity states none of its own any more.
    variables: Vec<(Name, Option<Value>)>,
}

impl Values {
    /// A pose and nothing else.
    pub fn pose(pose: Pose) -> Self {
        Self { pose: Some(pose), variables: Vec::new() }
    }

    /// Sets one variable; the last one of a name wins.
    pub fn set(&mut self, name: Name, value: Option<Value>) {
        match self.variables.binary_search_by_key(&name, |(name, _)| *name) {
            Ok(at) => self.variables[at].1 = value,
            Err(at) => self.variables.insert(at, (name, value)),
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.pose.is_none() && self.variables.is_empty()
    }

    /// Takes over what newer ones say.
    pub fn merge(&mut self, newer: Self) {
        self.pose = newer.pose.or(self.pose);
        if self.variables.is_empty() {
            self.variables = newer.variables;
        } else {
            newer.variables.into_iter().for_each(|(name, value)| self.set(name, value));
        }
    }

    fn get(&self, name: Name) -> Option<&Option<Value>> {
        let at = self.variables.binary_search_by_key(&name, |(name, _)| *name).ok()?;
        self.variables.get(at).map(|(_, value)| value)
    }

    /// About what it takes in a transaction, in bytes.
    pub fn size_bytes(&self) -> usize {
        let values = self.variables.iter().map(|(_, value)| 8 + value.as_ref().map_or(0, Value::size_bytes));
        16 + self.pose.map_or(0, |_| 56) + values.sum::<usize>()
    }

    /// As an operation of a transaction says it.
    pub fn patch(&self) -> Patch {
        let mut patch = Patch { pose: self.pose.map(Some), ..Patch::default() };
        for ((component, variable), value) in &self.variables {
            let of: &mut ComponentPatch = patch.components.entry(*component).or_default();
            of.variables.insert(*variable, value.clone());
        }
        patch
    }
}

/// What the store is known to have of a hot entity: as it was loaded, and what was written since.
#[derive(Debug)]
pub struct Known {
    loaded: Arc<Entity>,
    /// That the pose is in: numbers in another one mean something else.
    zone: EntityId,
    written: Values,
    /// Of the last commit that is known to have written it.
    cursor: Cursor,
}

impl Known {
    /// As it was loaded, in this zone.
    pub fn new(loaded: Arc<Entity>, zone: EntityId) -> Self {
        Self { loaded, zone, written: Values::default(), cursor: Cursor::ZERO }
    }

    /// Takes note of what a commit wrote, unless a later one is known.
    pub fn wrote(&mut self, values: Values, zone: EntityId, cursor: Cursor) {
        if cursor < self.cursor {
            return;
        }
        self.cursor = cursor;
        if values.pose.is_some() {
            self.zone = zone;
        }
        self.written.merge(values);
    }

    /// Leaves out what the store has already, to the last bit (AC 2.13.3).
    pub fn only_new(&self, values: &mut Values, zone: EntityId) {
        let pose = self.written.pose.or(self.loaded.placement.pose);
        if let (Some(new), Some(old)) = (&values.pose, &pose)
            && zone == self.zone
            && new.same_bits(old)
        {
            values.pose = None;
        }
        values.variables.retain(|(name, value)| match self.written.get(*name) {
            Some(old) => old != value,
            None => self.loaded.components.get(name.0, name.1) != value.as_ref(),
        });
    }
}

impl Form for Values {
    const NAME: &'static str = "values";

    fn put(&self, out: &mut Vec<u8>) {
        let Self { pose, variables } = self;
        out.push(u8::from(pose.is_some()));
        if let Some(pose) = pose {
            pose.put(out);
        }
        put_number(variables.len() as u64, out);
        for ((component, variable), value) in variables {
            component.put(out);
            variable.put(out);
            value.put(out);
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let pose = if bool::take(input)? { Some(Pose::take(input)?) } else { None };
        let mut values = Self { pose, variables: Vec::new() };
        for _ in 0..input.count(3)? {
            let name = (ComponentId::take(input)?, VariableId::take(input)?);
            values.set(name, Form::take(input)?);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use entitygraph_schema::{
        codec::{decode, encoded},
        testing::{at, component_id, components, entity_id, item, text, variable_id},
    };
    use proptest::{collection, option, prelude::*};

    use super::*;

    fn name(component: u32, variable: u16) -> Name {
        (component_id(component), variable_id(variable))
    }

    fn some_values() -> impl Strategy<Value = Values> {
        let pose = option::of(entitygraph_schema::testing::poses(1e9));
        let variable = (1..3_u32, 1..4_u16, option::of(entitygraph_schema::testing::values()));
        (pose, collection::vec(variable, 0..5)).prop_map(|(pose, variables)| {
            let mut values = Values { pose, ..Values::default() };
            variables.into_iter().for_each(|(c, v, value)| values.set(name(c, v), value));
            values
        })
    }

    fn entity() -> Entity {
        Entity::created(item(1, 2), entitygraph_schema::Epoch::default())
    }

    proptest! {
        #[test]
        fn they_survive_the_log(values in some_values()) {
            prop_assert_eq!(decode::<Values>(&encoded(&values)).unwrap(), values);
        }

        #[test]
        fn merging_is_doing_one_after_the_other(one in some_values(), two in some_values()) {
            let (mut stepwise, mut at_once, mut merged) = (entity(), entity(), one.clone());
            one.patch().apply(&mut stepwise);
            two.patch().apply(&mut stepwise);
            merged.merge(two);
            merged.patch().apply(&mut at_once);
            prop_assert!(stepwise.same_as(&at_once));
        }

        #[test]
        fn what_was_written_is_not_new_and_what_differs_is(one in some_values(), two in some_values()) {
            let zone = entity_id(2);
            let mut known = Known::new(Arc::new(entity()), zone);
            known.wrote(one.clone(), zone, Cursor::ZERO);
            let mut again = one.clone();
            known.only_new(&mut again, zone);
            prop_assert!(again.is_empty(), "{:?}", again);
            // Only the difference, on top of what was written, gives the same as all of it.
            let (mut whole, mut difference) = (entity(), entity());
            one.patch().apply(&mut whole);
            one.patch().apply(&mut difference);
            two.patch().apply(&mut whole);
            let mut new = two.clone();
            known.only_new(&mut new, zone);
            new.patch().apply(&mut difference);
            prop_assert!(whole.same_as(&difference) || whole.components.0.values().any(|own| own.is_empty()));
        }
    }

    #[test]
    fn what_was_loaded_is_not_new() {
        let mut loaded = entity();
        loaded.placement.pose = Some(at(1.0, 2.0, 3.0));
        loaded.components = components(1, [(1, text("a"))]);
        let (zone, other) = (entity_id(2), entity_id(3));
        let known = Known::new(Arc::new(loaded), zone);
        let mut values = Values::pose(at(1.0, 2.0, 3.0));
        values.set(name(1, 1), Some(text("a")));
        values.set(name(1, 2), None);
        let mut elsewhere = values.clone();
        known.only_new(&mut values, zone);
        assert!(values.is_empty(), "{values:?}");
        known.only_new(&mut elsewhere, other);
        assert_eq!(elsewhere, Values::pose(at(1.0, 2.0, 3.0)), "the same numbers, in another zone");
        let mut values = Values::pose(at(1.0, 2.0, -0.0));
        values.set(name(1, 1), None);
        known.only_new(&mut values, zone);
        assert!(values.pose.is_some() && values.get(name(1, 1)) == Some(&None));
    }
}
