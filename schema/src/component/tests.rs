use proptest::prelude::*;

use super::*;
use crate::testing::{any_components, component_id, component_types, components, name, text, variable_id};

fn draft(component: &str, variables: impl IntoIterator<Item = (&'static str, Value)>) -> ComponentDraft {
    let variables = variables.into_iter().map(|(v, default)| VariableDraft::new(name(v), default)).collect();
    ComponentDraft::new(name(component), variables)
}

fn published(registry: &mut Registry, draft: &ComponentDraft) -> Arc<ComponentType> {
    let component = registry.publish(draft).unwrap();
    registry.insert(component.clone());
    component
}

fn refusal(registry: &Registry, draft: &ComponentDraft) -> String {
    registry.publish(draft).unwrap_err().to_string()
}

#[test]
fn four_hundred_types_take_one_more_without_touching_what_is_stored() {
    // AC 2.2.1: stored values name variables by number, so numbers must stay.
    let mut registry = Registry::default();
    let drafts: Vec<_> = (0..400)
        .map(|n| draft(&format!("type{n}"), [("a", Value::Int(n)), ("b", Value::Bool(true))]))
        .collect();
    let before: Vec<_> = drafts.iter().map(|draft| published(&mut registry, draft)).collect();
    let stored = components(7, [(1, Value::Int(5))]);

    let new = published(&mut registry, &draft("one_more", []));
    assert_eq!((new.id.get(), new.version), (401, 1));
    let grown = published(
        &mut registry,
        &draft("type6", [("c", text("")), ("b", Value::Bool(false)), ("a", Value::Int(6))]),
    );
    assert_eq!((grown.id, grown.version), (before[6].id, 2));
    let numbers: Vec<_> = grown.variables.iter().map(|v| (v.id.get(), v.draft.name.as_str())).collect();
    assert_eq!(numbers, [(1, "a"), (2, "b"), (3, "c")]);

    assert_eq!(registry.iter().len(), 401);
    assert!(before.iter().filter(|old| old.id != grown.id).all(|old| registry.get(old.id) == Some(old)));
    registry.check(&stored).unwrap();
    let full = components(7, [(1, Value::Int(5)), (2, Value::Bool(false)), (3, text(""))]);
    assert_eq!(registry.with_defaults(&stored), full);
}

#[test]
fn a_draft_that_changes_nothing_is_the_type_as_it_is() {
    let mut registry = Registry::default();
    let first = published(&mut registry, &draft("a", [("x", Value::Int(0)), ("y", Value::Int(0))]));
    let turned = draft("a", [("y", Value::Int(0)), ("x", Value::Int(0))]);
    assert!(Arc::ptr_eq(&registry.publish(&turned).unwrap(), registry.get(first.id).unwrap()));
}

#[test]
fn a_variable_is_not_left_out_without_a_word_and_keeps_its_kind() {
    let mut registry = Registry::default();
    published(&mut registry, &draft("a", [("x", Value::Int(0)), ("y", Value::Int(0))]));
    assert_eq!(
        refusal(&registry, &draft("a", [("x", Value::Int(0))])),
        "component `a` must keep its variable `y`: list it, say which variable it was renamed to, or retire it"
    );
    assert_eq!(
        refusal(&registry, &draft("a", [("x", Value::Int(0)), ("y", text(""))])),
        "variable `a.y` is int and cannot become text just so: say by which rule its values are converted, or retire it and add one of another name"
    );
}

/// The draft with a variable renamed.
fn renaming(draft: ComponentDraft, old: &str, new: &str) -> ComponentDraft {
    ComponentDraft { renamed: [(name(new), name(old))].into(), ..draft }
}

/// The draft with a variable retired.
fn retiring(draft: ComponentDraft, old: &str) -> ComponentDraft {
    ComponentDraft { retire: [name(old)].into(), ..draft }
}

fn numbers(variables: &[Variable]) -> Vec<(u16, &str)> {
    variables.iter().map(|v| (v.id.get(), v.draft.name.as_str())).collect()
}

#[test]
fn renamed_and_retired_variables_keep_their_numbers() {
    // AC 2.1.4: stored values name variables by number.
    let mut registry = Registry::default();
    let int = Value::Int(0);
    published(&mut registry, &draft("a", [("x", int.clone()), ("y", int.clone()), ("z", int.clone())]));
    let renaming = renaming(
        draft("a", [("new", int.clone()), ("wide", int.clone()), ("y", int.clone()), ("z", int.clone())]),
        "x",
        "wide",
    );
    let second = published(&mut registry, &renaming);
    assert_eq!(
        (second.version, numbers(&second.variables)),
        (2, vec![(1, "wide"), (2, "y"), (3, "z"), (4, "new")])
    );
    assert!(Arc::ptr_eq(&registry.publish(&renaming).unwrap(), &second), "said again it changes nothing");

    let three = [("new", int.clone()), ("wide", int.clone()), ("y", int.clone())];
    let third = published(&mut registry, &retiring(draft("a", three.clone()), "z"));
    assert_eq!((third.version, numbers(&third.variables)), (3, vec![(1, "wide"), (2, "y"), (4, "new")]));
    assert_eq!(numbers(&third.retired), [(3, "z")]);
    assert!(Arc::ptr_eq(&registry.publish(&retiring(draft("a", three.clone()), "z")).unwrap(), &third));
    assert!(Arc::ptr_eq(&registry.publish(&draft("a", three.clone())).unwrap(), &third));

    let all = three.clone().into_iter().chain([("z", int.clone())]);
    let back = registry.publish(&draft("a", all)).unwrap();
    assert_eq!(
        (numbers(&back.variables), back.retired.len()),
        (vec![(1, "wide"), (2, "y"), (3, "z"), (4, "new")], 0)
    );
    let other = draft("a", three.into_iter().chain([("z", text(""))]));
    assert!(
        refusal(&registry, &other).contains("`a.z` is int and cannot become text"),
        "a name is one variable"
    );
}

#[test]
fn a_rename_said_again_changes_nothing_also_when_the_old_name_is_another_variable_by_now() {
    let mut registry = Registry::default();
    let of = |names: &[&'static str]| draft("a", names.iter().map(|name| (*name, Value::Int(0))));
    published(&mut registry, &of(&["x"]));
    published(&mut registry, &renaming(of(&["wide"]), "x", "wide"));
    let both = renaming(of(&["wide", "x"]), "x", "wide");
    let third = published(&mut registry, &both);
    assert_eq!(numbers(&third.variables), [(1, "wide"), (2, "x")]);
    assert!(Arc::ptr_eq(&registry.publish(&both).unwrap(), &third));
}

#[test]
fn a_persisted_variable_stays_so() {
    let mut registry = Registry::default();
    published(&mut registry, &draft("a", [("x", Value::Int(0))]));
    let mut lost = draft("a", [("x", Value::Int(0))]);
    lost.variables[0].persisted = false;
    assert!(refusal(&registry, &lost).contains("`a.x` is persisted and entities may hold values"));
}

#[test]
fn the_number_of_the_last_variable_is_not_used_again() {
    let mut registry = Registry::default();
    published(&mut registry, &draft("a", [("x", Value::Int(0)), ("y", Value::Int(0))]));
    published(&mut registry, &retiring(draft("a", [("x", Value::Int(0))]), "y"));
    let grown = published(&mut registry, &draft("a", [("x", Value::Int(0)), ("other", Value::Int(0))]));
    assert_eq!(numbers(&grown.variables), [(1, "x"), (3, "other")]);
}

#[test]
fn what_is_held_of_a_retired_variable_shows_nowhere() {
    let mut registry = Registry::default();
    published(&mut registry, &draft("a", [("x", Value::Int(0)), ("y", Value::Int(0))]));
    published(&mut registry, &retiring(draft("a", [("x", Value::Int(0))]), "y"));
    let held = components(1, [(1, Value::Int(5)), (2, Value::Int(6))]);
    assert_eq!(registry.with_defaults(&held), components(1, [(1, Value::Int(5))]));
    assert!(registry.check(&held).is_err(), "nobody may state it anew");
}

#[test]
fn renaming_and_retiring_that_make_no_sense_are_refused() {
    let mut registry = Registry::default();
    let of = |names: &[&'static str]| draft("a", names.iter().map(|name| (*name, Value::Int(0))));
    published(&mut registry, &of(&["x", "y", "gone"]));
    published(&mut registry, &retiring(of(&["x", "y"]), "gone"));
    let twice = ComponentDraft {
        renamed: [(name("p"), name("x")), (name("q"), name("x"))].into(),
        ..of(&["p", "q", "y"])
    };
    let both = ComponentDraft { retire: [name("x")].into(), ..renaming(of(&["z", "y"]), "x", "z") };
    for (draft, said) in [
        (renaming(of(&["x", "y", "z"]), "w", "z"), "component `a` has no variable `w`"),
        (renaming(of(&["x", "y"]), "x", "z"), "the new name is not among the variables of the draft"),
        (renaming(of(&["y"]), "x", "y"), "there is a variable of the new name"),
        (renaming(of(&["gone", "y"]), "x", "gone"), "a retired variable has the new name"),
        (renaming(of(&["x", "y", "z"]), "x", "z"), "the old name is among the variables of the draft too"),
        (both, "it is retired at the same time"),
        (twice, "it has two new names"),
        (retiring(of(&["x", "y"]), "w"), "component `a` has no variable `w`"),
        (retiring(of(&["x", "y"]), "x"), "`a.x` is among the variables of the draft too: leave it out"),
    ] {
        let refused = refusal(&registry, &draft);
        assert!(refused.contains(said), "{refused}");
    }
    // A shard that never had the old ones takes the same draft.
    let fresh = Registry::default().publish(&retiring(renaming(of(&["y", "z"]), "x", "z"), "w")).unwrap();
    assert_eq!(numbers(&fresh.variables), [(1, "y"), (2, "z")]);
}

#[test]
fn drafts_that_make_no_sense_are_refused_by_name() {
    let registry = Registry::default();
    assert_eq!(
        refusal(&registry, &draft("a", [("x", Value::Int(0)), ("x", text(""))])),
        "component `a` names variable `x` twice"
    );
    let floats = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for value in floats
        .into_iter()
        .flat_map(|f| [Value::Float(f), Value::Vector([0.0, f, 0.0]), Value::FloatList([f].into())])
    {
        assert!(refusal(&registry, &draft("a", [("x", value)])).starts_with("variable `a.x`: the "));
    }
    assert!(registry.publish(&draft("a", [("x", Value::Bytes(vec![0; Value::MAX_BYTES].into()))])).is_ok());
    let large = draft("a", [("x", Value::Bytes(vec![0; Value::MAX_BYTES + 1].into()))]);
    assert_eq!(refusal(&registry, &large), "variable `a.x`: the value takes 65537 bytes, the limit is 65536");
    let many = |count| {
        ComponentDraft::new(
            name("a"),
            (0..count).map(|n| VariableDraft::new(name(&format!("v{n}")), Value::Int(0))).collect(),
        )
    };
    assert!(registry.publish(&many(256)).is_ok());
    assert_eq!(refusal(&registry, &many(257)), "too many variables: 257, the limit is 256");
}

#[test]
fn a_precision_is_a_positive_step_of_a_float() {
    let with = |default, precision| {
        let variable = VariableDraft { precision: Some(precision), ..VariableDraft::new(name("x"), default) };
        Registry::default().publish(&ComponentDraft::new(name("a"), vec![variable]))
    };
    assert!(with(Value::Float(0.0), 0.01).is_ok());
    assert!(with(Value::Vector([0.0; 3]), 0.01).is_ok());
    for (default, precision) in [
        (Value::Int(0), 1.0),
        (Value::Float(0.0), 0.0),
        (Value::Float(0.0), -1.0),
        (Value::Float(0.0), f64::NAN),
    ] {
        let message = with(default, precision).unwrap_err().to_string();
        assert!(message.starts_with("the precision: variable `a.x` is "), "{message}");
    }
}

#[test]
fn values_that_the_registry_does_not_know_are_refused_by_name() {
    let mut registry = Registry::default();
    published(&mut registry, &draft("health", [("points", Value::Float(100.0))]));
    let refusal = |components| registry.check(&components).unwrap_err().to_string();
    assert_eq!(refusal(components(2, [])), "there is no component with number 2");
    assert_eq!(refusal(components(1, [(2, Value::Int(0))])), "component `health` has no variable `2`");
    assert_eq!(refusal(components(1, [(1, Value::Int(0))])), "variable `health.points` takes float, not int");
    assert_eq!(
        refusal(components(1, [(1, Value::Float(f64::NAN))])),
        "variable `health.points`: the value is not finite: NaN"
    );
    assert!(registry.check(&components(1, [(1, Value::Float(1.0))])).is_ok());
}

proptest! {
    #[test]
    fn the_upper_layer_wins_and_hides_nothing_else((lower, upper) in (any_components(), any_components())) {
        let mut both = lower.clone();
        both.overlay(&upper);
        for (component, variable) in (1..5).flat_map(|c| (1..6).map(move |v| (component_id(c), variable_id(v)))) {
            let expected = upper.get(component, variable).or(lower.get(component, variable));
            prop_assert_eq!(both.get(component, variable), expected);
            prop_assert_eq!(
                both.0.contains_key(&component),
                lower.0.contains_key(&component) || upper.0.contains_key(&component)
            );
        }
    }

    #[test]
    fn a_type_is_found_by_name_and_number(component in component_types()) {
        let component = Arc::new(component);
        let mut registry = Registry::default();
        registry.insert(component.clone());
        prop_assert_eq!(registry.get(component.id), Some(&component));
        prop_assert_eq!(registry.by_name(component.name.as_str()), Some(&component));
        for variable in &component.variables {
            prop_assert_eq!(component.variable_by_id(variable.id), Some(variable));
        }
    }
}

#[test]
fn types_come_by_name_from_a_prefix_and_behind_a_name_on() {
    let mut registry = Registry::default();
    for component in ["hull", "cargo", "cabin"] {
        published(&mut registry, &draft(component, []));
    }
    let names = |prefix: &str, after: Option<&str>| {
        registry.iter_by_name(prefix, after).map(|ty| ty.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("", None), ["cabin", "cargo", "hull"]);
    assert_eq!(names("ca", Some("cabin")), ["cargo"]);
}

mod conversions {
    use super::*;
    use crate::{
        component::{Conversion, ConversionDraft, Rounding, Rule},
        delta::{ComponentPatch, Patch},
    };

    const EXACT: Rule = Rule::Number { factor: 1.0, offset: 0.0, rounding: Rounding::Exact };

    fn converting(draft: ComponentDraft, new: &str, from: &str, rule: Rule) -> ComponentDraft {
        let conversion =
            ConversionDraft { from: name(from), conversion: Conversion { rule, otherwise: None } };
        ComponentDraft { converts: [(name(new), conversion)].into(), ..draft }
    }

    fn int(x: &'static str) -> ComponentDraft {
        draft("hull", [(x, Value::Int(4))])
    }

    fn float(x: &'static str) -> ComponentDraft {
        draft("hull", [(x, Value::Float(5.0))])
    }

    fn own(values: impl IntoIterator<Item = (u16, Value)>) -> Components {
        components(1, values)
    }

    #[test]
    fn a_variable_changes_its_kind_under_its_name_and_the_old_one_is_set_aside() {
        let mut registry = Registry::default();
        published(&mut registry, &int("hp"));
        let draft = converting(float("hp"), "hp", "hp", EXACT);
        let hull = published(&mut registry, &draft);
        let (hp, old) = (hull.variable("hp").unwrap(), hull.retired_by_name("hp.1").unwrap());
        assert_eq!(
            (hp.id.get(), hp.kind(), old.id.get(), old.kind()),
            (2, ValueKind::Float, 1, ValueKind::Int)
        );
        assert_eq!(hp.converts.as_ref().unwrap().from, old.id);
        // Again, and to a store that never had the int.
        assert_eq!(published(&mut registry, &draft), hull);
        let fresh = Registry::default().publish(&draft).unwrap();
        assert_eq!((fresh.variables[0].id.get(), &fresh.variables[0].converts), (1, &None));
        let settling = ComponentDraft::settling(name("hull"), [name("hp")].into());
        let settled = published(&mut registry, &settling);
        assert_eq!((settled.version, &settled.variable("hp").unwrap().converts), (3, &None));
        for again in [settling, draft] {
            assert_eq!(published(&mut registry, &again), settled);
        }
        // And back again.
        let back = published(&mut registry, &converting(int("hp"), "hp", "hp", EXACT));
        assert_eq!(back.retired.iter().map(|v| v.draft.name.as_str()).collect::<Vec<_>>(), ["hp.1", "hp.2"]);
    }

    #[test]
    fn values_count_as_what_they_become_until_they_are_and_a_write_ends_that() {
        let mut registry = Registry::default();
        published(&mut registry, &int("hp"));
        published(&mut registry, &converting(float("health"), "health", "hp", EXACT));
        let now = |values: Components| registry.converted(&values).into_owned();
        assert_eq!(now(own([(1, Value::Int(7))])), own([(2, Value::Float(7.0))]));
        let both = own([(1, Value::Int(7)), (2, Value::Float(1.0))]);
        assert_eq!(now(both), own([(2, Value::Float(1.0))]));
        let too_large = own([(1, Value::Int(i64::MAX))]);
        assert_eq!(now(too_large.clone()), too_large, "what does not convert stays");
        assert_eq!(registry.with_defaults(&now(too_large)), own([(2, Value::Float(5.0))]));
        for value in [Some(Value::Float(3.0)), None] {
            let own =
                ComponentPatch { variables: [(variable_id(2), value)].into(), ..ComponentPatch::default() };
            let patch = Patch { components: [(component_id(1), own)].into(), ..Patch::default() };
            let completed = registry.completed(&patch);
            assert_eq!(completed.components[&component_id(1)].variables[&variable_id(1)], None);
            assert_eq!(completed.components[&component_id(1)].variables.len(), 2);
        }
        let other = Patch { name: Some(name("x")), ..Patch::default() };
        assert!(matches!(registry.completed(&other), std::borrow::Cow::Borrowed(_)));
    }

    #[test]
    fn conversions_that_would_lose_or_mix_values_are_refused() {
        let mut registry = Registry::default();
        published(&mut registry, &draft("hull", [("hp", Value::Int(4)), ("crew", Value::Int(1))]));
        let with = |draft: ComponentDraft| ComponentDraft {
            variables: draft.variables.iter().cloned().chain(int("crew").variables).collect(),
            ..draft
        };
        let text = |name| draft("hull", [(name, Value::Text("".into()))]);
        for (draft, words) in [
            (with(float("hp")), "say by which rule its values are converted"),
            (with(converting(text("hp"), "hp", "hp", EXACT)), "does not lead from int to text"),
            (with(converting(float("x"), "y", "hp", EXACT)), "`y` is not among the variables"),
            (with(converting(float("x"), "x", "no", EXACT)), "has no variable `no`"),
            (with(converting(float("x"), "x", "crew", EXACT)), "it is among the variables of the draft"),
        ] {
            let said = refusal(&registry, &draft);
            assert!(said.contains(words), "no `{words}` in `{said}`");
        }
        let draft = with(converting(float("hp"), "hp", "hp", EXACT));
        published(&mut registry, &draft);
        let other = Rule::Number { factor: 2.0, offset: 0.0, rounding: Rounding::Exact };
        for (draft, words) in [
            (with(converting(float("hp"), "hp", "hp", other)), "by another rule already"),
            (with(converting(text("hp"), "hp", "hp", Rule::Print)), "wait until it has"),
            (
                ComponentDraft {
                    variables: [float("hp"), int("hp.1"), int("crew")].map(|d| d.variables[0].clone()).into(),
                    ..int("hp")
                },
                "`hp` takes its values over: wait until it has",
            ),
            (ComponentDraft { settled: [name("hp")].into(), ..float("hp") }, "says something else too"),
        ] {
            let said = refusal(&registry, &draft);
            assert!(said.contains(words), "no `{words}` in `{said}`");
        }
    }
}
