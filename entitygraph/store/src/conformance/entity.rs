//! Single entities: making, reading and changing them.

use entitygraph_schema::{
    Change, ComponentId, ComponentPatch, ContainerDraft, Layer, NewEntity, Operation, Patch, Placement,
    Refusal, Revision, Value, ValueKind, VariableId,
    query::PageRequest,
    space::{COORDINATE_MAX, SpaceError},
};

use super::{build::*, snapshot::Snapshot};

fn change(number: u64, patch: Patch) -> Operation {
    Operation::Change(id(number), patch)
}

fn values(component: ComponentId, patch: ComponentPatch) -> Patch {
    Patch { components: [(component, patch)].into(), ..Patch::default() }
}

pub async fn entities_are_read_as_they_were_made(store: Shared) {
    let hull = publish_component(&store, component("hull", &[("points", Value::Int(1))])).await;
    let full = thing(id(2), id(1))
        .called("Орбита 月")
        .of_kind("ship")
        .at(turned(1e12 + 0.1, -0.0, f64::MIN_POSITIVE, 0.3))
        .with_zone(50.0)
        .with_radius(12.5)
        .labelled(&["a", "b"])
        .owned_by("player:1")
        .in_layer(7)
        .with_ordinal(i64::MIN)
        .rooted()
        .with(&hull, &[("points", Value::Int(i64::MAX))]);
    create(&store, [world_root(id(1)), full.clone()]).await;
    let entity = get(&store, id(2)).await;
    assert_eq!(*entity, entitygraph_schema::Entity::created(full, entity.epoch));
    assert_eq!(entity.revision, Revision::from_number(1));
}

pub async fn entities_come_in_the_order_asked_with_gaps_for_the_unknown(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(1))]).await;
    apply(&store, [bury(id(3))]).await;
    let asked = [id(2), id(9), id(1), id(3), id(2)];
    let found = store.entities(&asked).await.unwrap().value;
    let found: Vec<_> = found.into_iter().map(|entity| entity.map(|entity| entity.id)).collect();
    assert_eq!(found, [Some(id(2)), None, Some(id(1)), None, Some(id(2))]);
    assert_eq!(store.entities(&[]).await.unwrap().value, []);
}

pub async fn more_ids_than_a_page_are_refused(store: Shared) {
    let most: Vec<_> = (1..=PageRequest::MAX_FIRST as u64).map(id).collect();
    assert_eq!(store.entities(&most).await.unwrap().value.len(), most.len());
    let more = [most, vec![id(1)]].concat();
    assert!(matches!(
        denied(store.entities(&more).await),
        Refusal::TooMany { count: 10_001, max: 10_000, .. }
    ));
}

pub async fn ids_above_two_to_the_53_and_63_are_kept(store: Shared) {
    let large = [id((1 << 53) + 1), id(1 << 63), id(u64::MAX - 1), id(u64::MAX)];
    create(&store, [world_root(large[3]), thing(large[0], large[3]), thing(large[1], large[0])]).await;
    create(&store, [thing(large[2], large[1])]).await;
    let above = store.ancestors(large[2]).await.unwrap().value;
    assert_eq!(ids(&above), [large[1], large[0], large[3]]);
}

pub async fn an_id_is_made_once(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1))]).await;
    let exists = Refusal::EntityExists { entity: id(2) };
    assert_eq!(refused(&store, [Operation::Create(thing(id(2), id(1)))]).await, exists);
    let twice = [Operation::Create(thing(id(3), id(1))), Operation::Create(thing(id(3), id(2)))];
    assert_eq!(refused(&store, twice).await, Refusal::EntityExists { entity: id(3) });
}

pub async fn an_entity_needs_a_living_parent(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1))]).await;
    apply(&store, [bury(id(2))]).await;
    for parent in [2, 3, 9] {
        let refusal = refused(&store, [Operation::Create(thing(id(3), id(parent)))]).await;
        assert_eq!(refusal, Refusal::UnknownEntity { entity: id(parent) });
    }
}

pub async fn a_world_root_is_a_zone_without_pose_and_port(store: Shared) {
    let bare = NewEntity { placement: Placement::default(), ..thing(id(1), id(1)) };
    let posed = world_root(id(1)).at(at(0.0, 0.0, 0.0));
    let on_port = world_root(id(1)).on_port("dock");
    for new in [bare, posed, on_port] {
        assert_eq!(refused(&store, [Operation::Create(new)]).await, Refusal::RootNotZone { entity: id(1) });
    }
    create(&store, [world_root(id(1))]).await;
    let no_zone = Patch { zone: Some(None), ..Patch::default() };
    let pose = Patch { pose: Some(Some(at(1.0, 0.0, 0.0))), ..Patch::default() };
    for patch in [no_zone, pose] {
        assert_eq!(refused(&store, [change(1, patch)]).await, Refusal::RootNotZone { entity: id(1) });
    }
    let harmless = Patch { pose: Some(None), zone: Some(Some(cube(5.0))), ..Patch::default() };
    apply(&store, [change(1, harmless)]).await;
}

pub async fn radii_and_poses_that_cannot_be_are_refused(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1))]).await;
    for radius in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        let made = refused(&store, [Operation::Create(thing(id(3), id(1)).with_radius(radius))]).await;
        let changed = refused(&store, [change(2, Patch { radius: Some(radius), ..Patch::default() })]).await;
        assert!(
            matches!((&made, &changed), (Refusal::Space(_), Refusal::Space(_))),
            "{radius}: {made:?} {changed:?}"
        );
    }
    // No constructor makes such a pose, but calculating can.
    let beyond = at(COORDINATE_MAX, 0.0, 0.0).then(&at(COORDINATE_MAX, 0.0, 0.0));
    let steps = [
        Operation::Create(thing(id(3), id(1)).at(beyond)),
        moved(id(2), beyond),
        reparent(id(2), id(1), entitygraph_schema::NewPose::At(beyond)),
    ];
    for step in steps {
        assert!(matches!(refused(&store, [step]).await, Refusal::Space(SpaceError::TooFar { .. })));
    }
}

pub async fn every_part_of_an_entity_can_be_changed_and_is_told(store: Shared) {
    let hull = publish_component(&store, component("hull", &[("points", Value::Int(1))])).await;
    let points = hull.variable("points").unwrap().id;
    create(&store, [world_root(id(1)), thing(id(2), id(1)).labelled(&["old", "kept"])]).await;
    let before = get(&store, id(2)).await;
    let patches = [
        Patch { name: Some(text("new")), ..Patch::default() },
        Patch { pose: Some(Some(turned(1.0, 2.0, 3.0, 0.5))), ..Patch::default() },
        Patch { radius: Some(2.5), ..Patch::default() },
        Patch { zone: Some(Some(cube(9.0))), ..Patch::default() },
        Patch { root: Some(true), ..Patch::default() },
        Patch { owner: Some(Some(text("player:1"))), ..Patch::default() },
        Patch { layer: Some(Layer::from_number(3)), ..Patch::default() },
        Patch { ordinal: Some(-5), ..Patch::default() },
        Patch { labels: [(text("old"), false), (text("new"), true)].into(), ..Patch::default() },
        values(hull.id, ComponentPatch::set([(points, Value::Int(4))])),
        Patch { pose: Some(None), owner: Some(None), zone: Some(None), ..Patch::default() },
    ];
    let mut expected = entitygraph_schema::Entity::clone(&before);
    for patch in patches {
        let receipt = apply(&store, [Operation::Change(id(2), patch.clone())]).await;
        patch.apply(&mut expected);
        expected.revision = expected.revision.next();
        assert_eq!(*get(&store, id(2)).await, expected, "{patch:?}");
        match &commit_at(&store, receipt.cursor).await.changes[..] {
            [Change::Changed { delta, .. }] => {
                assert_eq!((&delta.patch, delta.revision), (&patch, expected.revision))
            }
            other => panic!("{patch:?}: {other:?}"),
        }
        // The same again changes nothing.
        assert_eq!(apply(&store, [Operation::Change(id(2), patch)]).await.cursor, receipt.cursor);
    }
}

pub async fn only_what_differs_is_told(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1)).called("same").labelled(&["kept"])]).await;
    let patch = Patch {
        name: Some(text("same")),
        radius: Some(3.0),
        ordinal: Some(0),
        labels: [(text("kept"), true), (text("absent"), false)].into(),
        ..Patch::default()
    };
    let receipt = apply(&store, [change(2, patch)]).await;
    match &commit_at(&store, receipt.cursor).await.changes[..] {
        [Change::Changed { delta, .. }] => {
            assert_eq!(delta.patch, Patch { radius: Some(3.0), ..Patch::default() })
        }
        other => panic!("{other:?}"),
    }
}

pub async fn a_changed_variable_is_told_with_its_whole_group(store: Shared) {
    let names = ["fuel", "heat", "flow", "note"];
    let mut draft = component("engine", &names.map(|name| (name, Value::Int(0))));
    for grouped in &mut draft.variables[..3] {
        grouped.group = Some(text("burn"));
    }
    draft.variables[1].persisted = false;
    let engine = publish_component(&store, draft).await;
    let [fuel, _, flow, note] = names.map(|name| engine.variable(name).unwrap().id);
    let values_of_engine = [("fuel", Value::Int(7)), ("note", Value::Int(8))];
    create(&store, [world_root(id(1)), thing(id(2), id(1)).with(&engine, &values_of_engine)]).await;
    let set =
        |variable, value| change(2, values(engine.id, ComponentPatch::set([(variable, Value::Int(value))])));
    let told = [
        // A member that is not stored is left out: nobody here knows its value.
        (set(flow, 5), vec![(fuel, Some(Value::Int(7))), (flow, Some(Value::Int(5)))]),
        (set(note, 9), vec![(note, Some(Value::Int(9)))]),
    ];
    for (step, expected) in told {
        let receipt = apply(&store, [step]).await;
        let commit = commit_at(&store, receipt.cursor).await;
        let [Change::Changed { delta, .. }] = &commit.changes[..] else { panic!("{commit:?}") };
        assert_eq!(delta.patch.components[&engine.id].variables, expected.into_iter().collect());
    }
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}

pub async fn a_patch_cannot_change_the_parent_edge(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(1))]).await;
    let patch = Patch { parent: Some((id(2), None)), ..Patch::default() };
    assert_eq!(refused(&store, [change(3, patch)]).await, Refusal::ParentInPatch { entity: id(3) });
}

pub async fn what_is_not_there_cannot_be_changed(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1))]).await;
    apply(&store, [bury(id(2))]).await;
    for number in [2, 9] {
        let refusal = refused(&store, [rename(id(number), "x")]).await;
        assert_eq!(refusal, Refusal::UnknownEntity { entity: id(number) });
    }
}

pub async fn a_zone_with_something_below_stays_one(store: Shared) {
    create(&store, [world_root(id(1)), zone(id(2), id(1), 10.0, at(0.0, 0.0, 0.0)), thing(id(3), id(2))])
        .await;
    create(&store, [thing(id(4), id(1)), thing(id(5), id(4))]).await;
    let zone = |bounds| Patch { zone: Some(bounds), ..Patch::default() };
    assert_eq!(refused(&store, [change(2, zone(None))]).await, Refusal::ZoneInUse { entity: id(2) });
    assert_eq!(
        refused(&store, [change(4, zone(Some(cube(1.0))))]).await,
        Refusal::ZoneInUse { entity: id(4) }
    );
    apply(&store, [change(2, zone(Some(cube(20.0))))]).await;
    apply(&store, [bury(id(3)), change(2, zone(None)), bury(id(5)), change(4, zone(Some(cube(1.0))))]).await;
    assert_eq!(get(&store, id(2)).await.zone, None);
    assert_eq!(get(&store, id(4)).await.zone, Some(cube(1.0)));
}

pub async fn values_are_set_reset_and_taken_away(store: Shared) {
    let hull =
        publish_component(&store, component("hull", &[("a", Value::Int(1)), ("b", Value::Bool(false))]))
            .await;
    let (a, b) = (hull.variable("a").unwrap().id, hull.variable("b").unwrap().id);
    create(&store, [world_root(id(1)), thing(id(2), id(1)).with(&hull, &[("a", Value::Int(5))])]).await;
    let set_b = ComponentPatch::set([(b, Value::Bool(true))]);
    let forget_a = ComponentPatch { variables: [(a, None)].into(), ..ComponentPatch::default() };
    let reset = ComponentPatch {
        reset: true,
        variables: [(a, Some(Value::Int(9)))].into(),
        ..ComponentPatch::default()
    };
    let empty = ComponentPatch { reset: true, ..ComponentPatch::default() };
    let outcomes = [
        (set_b, values_of(&hull, &[("a", Value::Int(5)), ("b", Value::Bool(true))])),
        (forget_a, values_of(&hull, &[("b", Value::Bool(true))])),
        (reset, values_of(&hull, &[("a", Value::Int(9))])),
        (empty, values_of(&hull, &[])),
        (ComponentPatch::removed(), Default::default()),
        (ComponentPatch::default(), values_of(&hull, &[])),
    ];
    for (patch, expected) in outcomes {
        apply(&store, [change(2, values(hull.id, patch.clone()))]).await;
        assert_eq!(get(&store, id(2)).await.components, expected, "{patch:?}");
    }
    apply(&store, [change(2, values(hull.id, ComponentPatch::removed()))]).await;
    let again = refused(&store, [change(2, values(hull.id, ComponentPatch::removed()))]).await;
    assert_eq!(again, Refusal::NoOwnComponent { entity: id(2), component: text("hull") });
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}

pub async fn values_that_the_registry_does_not_know_are_refused_by_name(store: Shared) {
    let hull = publish_component(
        &store,
        component("hull", &[("points", Value::Float(1.0)), ("note", text_value(1))]),
    )
    .await;
    let (points, note) = (hull.variable("points").unwrap().id, hull.variable("note").unwrap().id);
    create(&store, [world_root(id(1)), thing(id(2), id(1))]).await;
    let (nobody, nothing) = (ComponentId::new(99).unwrap(), VariableId::new(99).unwrap());
    let component = || text::<entitygraph_schema::ComponentName>("hull");
    let wrong = || Refusal::WrongKind {
        component: component(),
        variable: text("points"),
        expected: ValueKind::Float,
        found: ValueKind::Int,
    };
    let unknown = || Refusal::UnknownVariable { component: component(), variable: "99".to_owned() };
    let cases = [
        (nobody, points, Value::Float(1.0), Refusal::UnknownComponentId { component: nobody }),
        (hull.id, nothing, Value::Float(1.0), unknown()),
        (hull.id, points, Value::Int(1), wrong()),
    ];
    for (component, variable, value, refusal) in cases {
        for step in both_ways(component, variable, value) {
            assert_eq!(refused(&store, [step]).await, refusal);
        }
    }
    for (variable, value) in [(points, Value::Float(f64::NAN)), (note, text_value(Value::MAX_BYTES + 1))] {
        for step in both_ways(hull.id, variable, value) {
            assert!(matches!(refused(&store, [step]).await, Refusal::Value { .. }));
        }
    }
    let forget = ComponentPatch { variables: [(nothing, None)].into(), ..ComponentPatch::default() };
    assert_eq!(refused(&store, [change(2, values(hull.id, forget))]).await, unknown());
    let empty = change(2, values(nobody, ComponentPatch::default()));
    assert_eq!(refused(&store, [empty]).await, Refusal::UnknownComponentId { component: nobody });
    apply(&store, [change(2, values(hull.id, ComponentPatch::set([(note, text_value(Value::MAX_BYTES))])))])
        .await;
}

fn text_value(bytes: usize) -> Value {
    Value::Text("x".repeat(bytes).into())
}

/// The value in a new entity and in a patch.
fn both_ways(component: ComponentId, variable: VariableId, value: Value) -> [Operation; 2] {
    let mut new = thing(id(3), id(1));
    new.components.0.entry(component).or_default().insert(variable, value.clone());
    [Operation::Create(new), change(2, values(component, ComponentPatch::set([(variable, value)])))]
}

pub async fn every_kind_of_value_is_kept_to_the_last_bit(store: Shared) {
    let kinds = [
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::Float(-0.0),
        Value::Text("Орбита".into()),
        Value::Entity(id(u64::MAX)),
        Value::Vector([f64::MIN_POSITIVE, -0.0, 1e308]),
        Value::Bytes([0, 255, 7].as_slice().into()),
        Value::IntList([i64::MAX, -1].as_slice().into()),
        Value::FloatList([0.1, -0.0].as_slice().into()),
        Value::TextList(["".into(), "b".into()].as_slice().into()),
    ];
    let names: Vec<_> = kinds.iter().map(|value| value.kind().name()).collect();
    let variables: Vec<_> = names.iter().copied().zip(kinds.iter().cloned()).collect();
    let all = publish_component(&store, component("all", &variables)).await;
    create(&store, [world_root(id(1)).with(&all, &variables)]).await;
    let entity = get(&store, id(1)).await;
    for (name, value) in &variables {
        assert_eq!(entity.components.get(all.id, all.variable(name).unwrap().id), Some(value));
        assert_eq!(&all.variable(name).unwrap().draft.default, value);
    }
}

pub async fn values_that_are_not_persisted_are_refused_by_name(store: Shared) {
    let mut draft = component("engine", &[("fuel", Value::Int(9)), ("heat", Value::Int(0))]);
    draft.variables[1].persisted = false;
    let engine = publish_component(&store, draft).await;
    let heat = values_of(&engine, &[("heat", Value::Int(5))]);
    // What every instance has is no state of one.
    let part = ContainerDraft { components: heat.clone(), ..container("part", "part") };
    let part = publish_container(&store, part).await;
    create(&store, [world_root(id(1)), thing(id(2), id(1)).instance_of(&part).with(&engine, &[])]).await;
    let refusal = Refusal::NotPersisted { component: text("engine"), variable: text("heat"), entity: id(3) };
    let hot = thing(id(3), id(1)).with(&engine, &[("fuel", Value::Int(1)), ("heat", Value::Int(1))]);
    assert_eq!(refused(&store, [Operation::Create(hot)]).await, refusal);
    let set = |value: Option<Value>| {
        let values = [(engine.variable("heat").unwrap().id, value)].into();
        let patch = ComponentPatch { variables: values, ..ComponentPatch::default() };
        Operation::Change(id(2), Patch { components: [(engine.id, patch)].into(), ..Patch::default() })
    };
    let refusal = Refusal::NotPersisted { component: text("engine"), variable: text("heat"), entity: id(2) };
    assert_eq!(refused(&store, [set(Some(Value::Int(1)))]).await, refusal);
    apply(&store, [set(None)]).await;
}
