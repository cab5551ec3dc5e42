use proptest::{collection, prelude::*};

use super::*;
use crate::{
    ComponentDraft, VariableDraft,
    codec::encoded,
    testing::{component_id, components, entities, item, name, patches, values, variable_id},
};

fn applied(patch: &Patch, entity: &Entity) -> Entity {
    let mut entity = entity.clone();
    patch.apply(&mut entity);
    entity
}

/// What callers do not write but the types allow: values beside a removal.
fn strange_patches() -> impl Strategy<Value = Patch> {
    (patches(), any::<bool>(), any::<bool>()).prop_map(|(mut patch, reset, remove)| {
        patch
            .components
            .values_mut()
            .for_each(|component| (component.reset, component.remove) = (reset, remove));
        patch
    })
}

/// Entity at revision 0 after none, one, two ... of the deltas: what the authority saw.
fn history(mut entity: Entity, deltas: &[Delta]) -> Vec<Entity> {
    let mut states = vec![entity.clone()];
    for delta in deltas {
        assert!(delta.apply(&mut entity));
        states.push(entity.clone());
    }
    states
}

fn numbered(patches: Vec<Patch>) -> Vec<Delta> {
    let number = |(patch, revision)| Delta {
        revision: Revision::from_number(revision),
        epoch: Epoch::from_number(revision / 3),
        patch,
    };
    patches.into_iter().zip(1..).map(number).collect()
}

/// The deltas coalesced, cut where `cuts` says.
fn coalesced(deltas: &[Delta], cuts: &[bool]) -> Vec<Delta> {
    let mut merged: Vec<Delta> = Vec::new();
    for (delta, cut) in deltas.iter().cloned().zip(cuts) {
        match merged.pop() {
            Some(last) if !cut => merged.push(Delta { patch: last.patch.merge(delta.patch), ..delta }),
            last => merged.extend(last.into_iter().chain([delta])),
        }
    }
    merged
}

proptest! {
    #[test]
    fn merge_is_associative((a, b, c) in (strange_patches(), patches(), strange_patches())) {
        let left = a.clone().merge(b.clone()).merge(c.clone());
        prop_assert_eq!(left, a.merge(b.merge(c)));
    }

    #[test]
    fn the_empty_patch_changes_no_merge(patch in strange_patches()) {
        prop_assert_eq!(patch.clone().merge(Patch::default()), patch.clone());
        prop_assert_eq!(Patch::default().merge(patch.clone()), patch.clone());
        prop_assert_eq!(patch.is_empty(), patch == Patch::default());
    }

    #[test]
    fn the_empty_patch_changes_no_entity(entity in entities()) {
        prop_assert_eq!(applied(&Patch::default(), &entity), entity);
    }

    #[test]
    fn applying_a_merge_is_applying_one_after_the_other(
        (entity, a, b) in (entities(), strange_patches(), strange_patches())
    ) {
        let steps = applied(&b, &applied(&a, &entity));
        prop_assert_eq!(applied(&a.merge(b), &entity), steps);
    }

    #[test]
    fn applying_a_patch_twice_is_applying_it_once((entity, patch) in (entities(), strange_patches())) {
        let once = applied(&patch, &entity);
        prop_assert_eq!(applied(&patch, &once), once);
    }

    #[test]
    fn what_is_between_two_states_makes_one_of_the_other((entity, patch) in (entities(), strange_patches())) {
        let after = applied(&patch, &entity);
        let between = Patch::between(&entity, &after);
        let made = applied(&between, &entity);
        prop_assert_eq!(encoded(&made), encoded(&after), "to the last bit");
        prop_assert!(Patch::between(&made, &after).is_empty());
        prop_assert_eq!(Patch::between(&entity, &entity), Patch::default());
    }

    #[test]
    fn stale_deltas_do_nothing((entity, patch, back) in (entities(), patches(), prop_oneof![Just(0), 0..1000u64])) {
        let revision = Revision::from_number(entity.revision.number().saturating_sub(back));
        let mut same = entity.clone();
        let applied = Delta { revision, epoch: entity.epoch, patch }.apply(&mut same);
        prop_assert!(!applied);
        prop_assert_eq!(same, entity);
    }

    /// AC 2.3.2: the observer starts anywhere, gets deltas merged in any way, some again, and one snapshot somewhere.
    #[test]
    fn every_copy_ends_like_the_authority(
        entity in entities(),
        patches in collection::vec(patches(), 1..12),
        cuts in collection::vec(any::<bool>(), 12),
        again in collection::vec(any::<bool>(), 12),
        (at, ahead) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let entity = Entity { revision: Revision::ZERO, ..entity };
        let deltas = numbered(patches);
        let states = history(entity.clone(), &deltas);
        let authority = states.last().unwrap();
        let stream = coalesced(&deltas, &cuts);

        let mut database = entity.clone();
        for delta in &stream {
            prop_assert!(delta.apply(&mut database));
        }
        prop_assert_eq!(&database, authority);

        // The snapshot comes after `at` merged deltas and shows the state at that moment or a later one.
        let at = at.index(stream.len() + 1);
        let seen = if at == 0 { 0 } else { stream[at - 1].revision.number() as usize };
        let snapshot = &states[seen + ahead.index(states.len() - seen)];
        for mut observer in [entity.clone(), snapshot.clone()] {
            for (number, delta) in stream.iter().enumerate() {
                if number == at {
                    observer = snapshot.clone();
                }
                delta.apply(&mut observer);
                if again[number] {
                    prop_assert!(!delta.apply(&mut observer), "a duplicate changed something");
                    let mut old = stream[0].clone();
                    old.patch.name = Some(name("late"));
                    prop_assert!(!old.apply(&mut observer));
                }
            }
            if at == stream.len() {
                observer = snapshot.clone();
            }
            prop_assert_eq!(&observer, authority);
        }
    }

    #[test]
    fn groups_add_values_but_change_no_outcome((entity, patch) in (entities(), strange_patches())) {
        let registry = grouped_registry();
        let after = applied(&patch, &entity);
        let mut whole = patch.clone();
        whole.expand_groups(&after, &registry);
        prop_assert_eq!(applied(&whole, &entity), after.clone());
        let mut twice = whole.clone();
        twice.expand_groups(&after, &registry);
        prop_assert_eq!(twice, whole.clone());
        for (id, component) in &whole.components {
            let touched = |group: &[u16]| group.iter().filter(|v| component.variables.contains_key(&variable_id(**v))).count();
            prop_assert!(matches!(touched(&[1, 3]), 0 | 2) || registry.get(*id).is_none());
            prop_assert!(matches!(touched(&[2, 4]), 0 | 2) || registry.get(*id).is_none());
        }
    }

    #[test]
    fn a_value_set_is_a_value_got((entity, value) in (entities(), values())) {
        let set = ComponentPatch::set([(variable_id(2), value.clone())]);
        let patch = Patch { components: [(component_id(1), set)].into(), ..Patch::default() };
        let changed = applied(&patch, &entity);
        prop_assert_eq!(changed.components.get(component_id(1), variable_id(2)), Some(&value));
    }
}

/// Components 1 to 3, each with variables 1 to 5: 1 and 3 are a group, 2 and 4 another, 5 is alone.
fn grouped_registry() -> Registry {
    let mut registry = Registry::default();
    let variable = |number: u16| VariableDraft {
        group: (number < 5).then(|| name(if number % 2 == 1 { "odd" } else { "even" })),
        ..VariableDraft::new(name(&format!("v{number}")), Value::Int(0))
    };
    for component in ["one", "two", "three"] {
        let draft = ComponentDraft::new(name(component), (1..=5).map(variable).collect());
        let published = registry.publish(&draft).unwrap();
        registry.insert(published);
    }
    registry
}

#[test]
fn a_removed_component_comes_back_without_its_old_values() {
    let mut entity = Entity::created(item(2, 1), Epoch::ZERO);
    entity.components = components(1, [(1, Value::Int(1)), (2, Value::Int(2))]);
    let one = |patch| Patch { components: [(component_id(1), patch)].into(), ..Patch::default() };
    let set = ComponentPatch::set([(variable_id(2), Value::Int(9))]);
    one(ComponentPatch::removed()).merge(one(set)).apply(&mut entity);
    assert_eq!(entity.components, components(1, [(2, Value::Int(9))]));
    one(ComponentPatch::removed()).apply(&mut entity);
    assert_eq!(entity.components, Components::default());
}

#[test]
fn five_of_a_hundred_variables_take_a_fifth_of_the_snapshot_at_most() {
    // AC 2.3.1: floats, every tenth variable a member of one group.
    let variable = |number: u16| VariableDraft {
        group: (number.is_multiple_of(10)).then(|| name("tenths")),
        ..VariableDraft::new(name(&format!("v{number}")), Value::Float(0.0))
    };
    let mut registry = Registry::default();
    let draft = ComponentDraft::new(name("hundred"), (1..=100).map(variable).collect());
    registry.insert(registry.publish(&draft).unwrap());

    let before = Entity {
        components: registry.with_defaults(&components(1, [])),
        ..Entity::created(item(2, 1), Epoch::ZERO)
    };
    let changed = [3, 4, 10, 57, 91].map(|number| (variable_id(number), Value::Float(0.5)));
    let mut patch =
        Patch { components: [(component_id(1), ComponentPatch::set(changed))].into(), ..Patch::default() };
    patch.expand_groups(&applied(&patch, &before), &registry);

    let sent: Vec<u16> = patch.components[&component_id(1)].variables.keys().map(|id| id.get()).collect();
    assert_eq!(sent, [3, 4, 10, 20, 30, 40, 50, 57, 60, 70, 80, 90, 91, 100]);
    let delta = Delta { revision: before.revision.next(), epoch: Epoch::ZERO, patch };
    let (delta, snapshot) = (encoded(&delta).len(), encoded(&before).len());
    assert!(delta * 5 <= snapshot, "delta {delta} bytes, snapshot {snapshot} bytes");
}
