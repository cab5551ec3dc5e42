//! Component types and object containers.

use std::{collections::BTreeMap, sync::Arc};

use entitygraph_schema::{
    Change, Child, ComponentDraft, ComponentPatch, ComponentType, Container, ContainerDraft, ContainerId,
    ContainerVersion, Conversion, ConversionDraft, Cursor, EntityId, Operation, Patch, Placement, Refusal,
    Rounding, Rule, Value, query::Extent,
};

use super::{build::*, snapshot::Snapshot};

fn child(name: &str, container: &str) -> Child {
    Child {
        name: text(name),
        container: text(container),
        pose: None,
        port: None,
        overrides: Default::default(),
        labels: Default::default(),
    }
}

fn holding(draft: ContainerDraft, children: impl IntoIterator<Item = Child>) -> ContainerDraft {
    ContainerDraft { children: children.into_iter().collect(), ..draft }
}

pub async fn four_hundred_component_types_are_taken_and_one_more_rewrites_nothing(store: Shared) {
    let draft = |number: i64| component(&format!("type-{number}"), &[("value", Value::Int(number))]);
    apply(&store, (0..400).map(|number| Operation::PublishComponent(draft(number))).collect::<Vec<_>>())
        .await;
    let catalog = store.catalog();
    assert_eq!(catalog.registry.iter().len(), 400);
    let types: Vec<Arc<ComponentType>> = catalog.registry.iter().cloned().collect();
    let full = types
        .iter()
        .fold(world_root(id(1)), |new, component| new.with(component, &[("value", Value::Int(-1))]));
    create(&store, [full]).await;
    let before = get(&store, id(1)).await;
    let late = publish_component(&store, draft(400)).await;
    assert_eq!(get(&store, id(1)).await, before);
    assert_eq!(store.catalog().registry.iter().len(), 401);
    assert_eq!(catalog.registry.iter().len(), 400, "a snapshot does not change");
    create(&store, [thing(id(2), id(1)).with(&late, &[("value", Value::Int(5))])]).await;
    assert_eq!(store.counts(None).await.unwrap().value.len(), 403);
}

pub async fn a_component_type_grows_and_keeps_its_numbers(store: Shared) {
    let first =
        publish_component(&store, component("hull", &[("a", Value::Int(1)), ("b", Value::Bool(true))])).await;
    let newest = *store.newest().borrow();
    let same = apply(
        &store,
        [Operation::PublishComponent(component("hull", &[("a", Value::Int(1)), ("b", Value::Bool(true))]))],
    );
    assert_eq!(same.await.cursor, newest);
    let draft =
        component("hull", &[("c", Value::Float(0.5)), ("b", Value::Bool(true)), ("a", Value::Int(7))]);
    let second = publish_component(&store, draft).await;
    assert_eq!((second.id, second.version), (first.id, 2));
    assert_eq!(second.variable("a").unwrap().id, first.variable("a").unwrap().id);
    assert_eq!(second.variable("a").unwrap().draft.default, Value::Int(7));
    assert!(first.variables.iter().all(|variable| variable.id != second.variable("c").unwrap().id));
    let newest = *store.newest().borrow();
    assert_eq!(commit_at(&store, newest).await.changes, [Change::Component(second)]);
}

pub async fn variables_are_renamed_and_retired_without_touching_an_entity(store: Shared) {
    // AC 2.1.4.
    let (plates, crew) = (("plates", Value::Int(4)), ("crew", Value::Int(1)));
    let first = publish_component(&store, component("hull", &[plates, crew.clone()])).await;
    let own = [("plates", Value::Int(9)), ("crew", Value::Int(2))];
    create(&store, [world_root(id(1)), thing(id(2), id(1)).with(&first, &own)]).await;
    let (before, newest) = (get(&store, id(2)).await, *store.newest().borrow());

    let renaming = ComponentDraft {
        renamed: [(text("armour"), text("plates"))].into(),
        ..component("hull", &[("armour", Value::Int(4)), crew])
    };
    let renamed = publish_component(&store, renaming).await;
    let armour = renamed.variable("armour").unwrap().id;
    assert_eq!(before.components.get(renamed.id, armour), Some(&Value::Int(9)));
    let retiring =
        ComponentDraft { retire: [text("crew")].into(), ..component("hull", &[("armour", Value::Int(4))]) };
    let retired = publish_component(&store, retiring).await;
    for (step, published) in [(1, renamed), (2, retired.clone())] {
        let commit = commit_at(&store, Cursor::from_number(newest.number() + step)).await;
        assert_eq!(commit.changes, [Change::Component(published)], "nothing else is told");
    }
    assert_eq!(get(&store, id(2)).await, before, "what is held is kept");
    assert_eq!(store.catalog().registry.get(retired.id), Some(&retired));

    let crew = retired.retired_by_name("crew").unwrap().id;
    let patch = |value| {
        let values = ComponentPatch { variables: [(crew, value)].into(), ..ComponentPatch::default() };
        Operation::Change(id(2), Patch { components: [(retired.id, values)].into(), ..Patch::default() })
    };
    assert_eq!(refused(&store, [patch(Some(Value::Int(3)))]).await.code(), "UNKNOWN_VARIABLE");
    apply(&store, [patch(None)]).await;
    assert_eq!(get(&store, id(2)).await.components.get(retired.id, crew), None);
}

/// `hull.hp` from an int to a float, by a rule that takes no number above 2^53.
fn hp_as_float() -> ComponentDraft {
    let rule = Rule::Number { factor: 1.0, offset: 0.0, rounding: Rounding::Exact };
    let conversion = Conversion { rule, otherwise: None };
    ComponentDraft {
        converts: [(text("hp"), ConversionDraft { from: text("hp"), conversion })].into(),
        ..component("hull", &[("hp", Value::Float(5.0))])
    }
}

pub async fn a_variable_takes_over_the_values_of_another_one_as_they_are_written(store: Shared) {
    // AC 2.1.4.
    let first = publish_component(&store, component("hull", &[("hp", Value::Int(4))])).await;
    let with = |number, hp| thing(id(number), id(1)).with(&first, &[("hp", Value::Int(hp))]);
    create(&store, [world_root(id(1)), with(2, 7), with(3, 8), with(4, i64::MAX)]).await;
    let (before, newest) = (get(&store, id(2)).await, *store.newest().borrow());
    let hull = publish_component(&store, hp_as_float()).await;
    let commit = commit_at(&store, newest.next()).await;
    assert_eq!(commit.changes, [Change::Component(hull.clone())], "nothing else is told");
    assert_eq!(get(&store, id(2)).await, before, "no entity is touched");
    let (hp, old) = (hull.variable("hp").unwrap().id, first.variable("hp").unwrap().id);
    assert_eq!(hull.retired_by_name("hp.1").map(|retired| retired.id), Some(old));

    let value = async |number| {
        let effective = store.catalog().effective(&*get(&store, id(number)).await);
        effective.get(hull.id, hp).cloned()
    };
    assert_eq!(value(2).await, Some(Value::Float(7.0)), "it counts as what it becomes");
    assert_eq!(value(4).await, None, "and not if it does not");
    let write = |number, hp_now: Option<f64>| {
        let variables = [(hp, hp_now.map(Value::Float))].into();
        let own = ComponentPatch { variables, ..ComponentPatch::default() };
        Operation::Change(id(number), Patch { components: [(hull.id, own)].into(), ..Patch::default() })
    };
    // A write, of a value or of none, is the end of the old value.
    apply(&store, [write(2, Some(1.5)), write(3, None)]).await;
    let told = commit_at(&store, *store.newest().borrow()).await;
    let Change::Changed { delta, .. } = &told.changes[0] else { panic!("{told:?}") };
    let variables = [(old, None), (hp, Some(Value::Float(1.5)))].into();
    assert_eq!(delta.patch.components[&hull.id].variables, variables);
    assert_eq!(get(&store, id(2)).await.components.0[&hull.id], [(hp, Value::Float(1.5))].into());
    assert_eq!(get(&store, id(3)).await.components.0[&hull.id], [].into());
    assert_eq!(value(3).await, None);
    assert_eq!(get(&store, id(4)).await.components.get(hull.id, old), Some(&Value::Int(i64::MAX)));

    let settling = ComponentDraft::settling(text("hull"), [text("hp")].into());
    let settled = publish_component(&store, settling).await;
    assert_eq!(settled.variable("hp").unwrap().converts, None);
    assert_eq!(get(&store, id(4)).await.components.get(hull.id, old), Some(&Value::Int(i64::MAX)));
    for again in [hp_as_float(), ComponentDraft::settling(text("hull"), [text("hp")].into())] {
        assert_eq!(publish_component(&store, again).await, settled, "a retry changes nothing");
    }
}

pub async fn an_instance_has_what_its_containers_values_become(store: Shared) {
    let first = publish_component(&store, component("hull", &[("hp", Value::Int(4))])).await;
    let draft = ContainerDraft {
        components: values_of(&first, &[("hp", Value::Int(40))]),
        ..container("ship", "ship")
    };
    let ship = publish_container(&store, draft.clone()).await;
    let own = thing(id(3), id(1)).instance_of(&ship).with(&first, &[("hp", Value::Int(7))]);
    create(&store, [world_root(id(1)), thing(id(2), id(1)).instance_of(&ship), own]).await;
    let hull = publish_component(&store, hp_as_float()).await;
    let hp = hull.variable("hp").unwrap().id;
    let values = async || {
        let catalog = store.catalog();
        let of = async |number| catalog.effective(&*get(&store, id(number)).await).get(hull.id, hp).cloned();
        [of(2).await, of(3).await]
    };
    assert_eq!(values().await, [Some(Value::Float(40.0)), Some(Value::Float(7.0))]);
    let next = ContainerDraft { components: values_of(&hull, &[("hp", Value::Float(41.5))]), ..draft };
    publish_container(&store, next).await;
    assert_eq!(values().await, [Some(Value::Float(41.5)), Some(Value::Float(7.0))]);
}

pub async fn component_types_that_break_stored_values_are_refused(store: Shared) {
    publish_component(&store, component("hull", &[("a", Value::Int(1)), ("b", Value::Bool(true))])).await;
    let many: Vec<_> = (0..=ComponentType::MAX_VARIABLES).map(|number| format!("v{number}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), Value::Int(0))).collect();
    let cases = [
        (component("hull", &[("a", Value::Int(1))]), "VARIABLE_DROPPED"),
        (component("hull", &[("a", Value::Bool(true)), ("b", Value::Bool(true))]), "VARIABLE_KIND_CHANGED"),
        (component("twice", &[("a", Value::Int(1)), ("a", Value::Int(2))]), "VARIABLE_TWICE"),
        (component("nan", &[("a", Value::Float(f64::NAN))]), "BAD_VALUE"),
        (component("many", &many), "TOO_MANY"),
    ];
    for (draft, code) in cases {
        assert_eq!(refused(&store, [Operation::PublishComponent(draft)]).await.code(), code);
    }
}

pub async fn a_container_gets_a_version_with_each_change(store: Shared) {
    let first = publish_container(&store, container("box", "box")).await;
    assert_eq!(first.version, ContainerVersion::from_number(1));
    let newest = *store.newest().borrow();
    assert_eq!(publish_container(&store, container("box", "box")).await, first);
    assert_eq!(*store.newest().borrow(), newest, "the same draft changes nothing");
    let second = publish_container(&store, ContainerDraft { radius: 2.0, ..container("box", "box") }).await;
    assert_eq!((second.id, second.version), (first.id, ContainerVersion::from_number(2)));
    let other = publish_container(&store, container("crate", "box")).await;
    assert_ne!(other.id, first.id);
    let catalog = store.catalog();
    assert_eq!(catalog.container(first.id), Some(&second));
    assert_eq!(commit_at(&store, newest.next()).await.changes, [Change::Container(second)]);
}

pub async fn containers_that_cannot_be_are_refused(store: Shared) {
    publish_container(&store, container("inner", "box")).await;
    publish_container(&store, holding(container("outer", "box"), [child("in", "inner")])).await;
    let transient_name = |name: &str| text::<entitygraph_schema::ContainerName>(name);
    let cycle = |container: &str, through: &str| Refusal::ContainerCycle {
        container: transient_name(container),
        through: transient_name(through),
    };
    let to_itself = holding(container("inner", "box"), [child("me", "inner")]);
    assert_eq!(refused(&store, [Operation::PublishContainer(to_itself)]).await, cycle("inner", "inner"));
    let through = holding(container("inner", "box"), [child("out", "outer")]);
    assert_eq!(refused(&store, [Operation::PublishContainer(through)]).await, cycle("inner", "outer"));
    let within = [
        Operation::PublishContainer(container("a", "box")),
        Operation::PublishContainer(holding(container("b", "box"), [child("a", "a")])),
        Operation::PublishContainer(holding(container("a", "box"), [child("b", "b")])),
    ];
    assert_eq!(refused(&store, within).await, cycle("a", "b"));
    let cases = [
        (holding(container("x", "box"), [child("c", "nobody")]), "UNKNOWN_CONTAINER"),
        (container("inner", "ball"), "BAD_CONTAINER"),
        (holding(container("x", "box"), [child("c", "inner"), child("c", "inner")]), "BAD_CONTAINER"),
        (ContainerDraft { radius: f64::NAN, ..container("x", "box") }, "BAD_CONTAINER"),
    ];
    for (draft, code) in cases {
        assert_eq!(refused(&store, [Operation::PublishContainer(draft)]).await.code(), code);
    }
}

pub async fn a_new_version_changes_every_value_that_nobody_overrode(store: Shared) {
    let hull =
        publish_component(&store, component("hull", &[("a", Value::Int(0)), ("b", Value::Int(0))])).await;
    let part = |a, b| ContainerDraft {
        components: values_of(&hull, &[("a", Value::Int(a)), ("b", Value::Int(b))]),
        ..container("part", "part")
    };
    let first = publish_container(&store, part(1, 1)).await;
    let mut slot = child("left", "part");
    slot.overrides = values_of(&hull, &[("b", Value::Int(50))]);
    let ship = publish_container(&store, holding(container("ship", "ship"), [slot])).await;
    create(
        &store,
        [
            world_root(id(1)),
            thing(id(2), id(1)).instance_of(&first),
            thing(id(3), id(1)).instance_of(&first).with(&hull, &[("a", Value::Int(70))]),
            thing(id(4), id(1)).instance_of(&first).in_slot(&ship, "left"),
        ],
    )
    .await;
    let seen = async |number: u64| {
        let effective = store.catalog().effective(&*get(&store, id(number)).await);
        ["a", "b"].map(|name| effective.get(hull.id, hull.variable(name).unwrap().id).cloned())
    };
    let pair = |a, b| [Some(Value::Int(a)), Some(Value::Int(b))];
    assert_eq!([seen(2).await, seen(3).await, seen(4).await], [pair(1, 1), pair(70, 1), pair(1, 50)]);
    let before = Snapshot::take(&store).await;
    publish_container(&store, part(2, 3)).await;
    assert_eq!([seen(2).await, seen(3).await, seen(4).await], [pair(2, 3), pair(70, 3), pair(2, 50)]);
    assert_eq!(Snapshot::take(&store).await.entities, before.entities, "no instance was rewritten");
}

pub async fn instances_of_transient_containers_are_never_stored(store: Shared) {
    let draft = ContainerDraft { transient: true, ..container("spark", "effect") };
    let spark = publish_container(&store, draft).await;
    create(&store, [world_root(id(1))]).await;
    let refusal = refused(&store, [Operation::Create(thing(id(2), id(1)).instance_of(&spark))]).await;
    assert_eq!(refusal, Refusal::Transient { container: text("spark") });
    // What is stored may have instances and be inside other containers.
    let chair = publish_container(&store, container("chair", "chair")).await;
    let fleeting = ContainerDraft { transient: true, ..container("chair", "chair") };
    assert_eq!(refused(&store, [Operation::PublishContainer(fleeting)]).await.code(), "BAD_CONTAINER");
    create(&store, [thing(id(2), id(1)).instance_of(&chair)]).await;
}

pub async fn an_instance_is_of_a_known_container_and_of_its_kind(store: Shared) {
    let known = publish_container(&store, container("box", "box")).await;
    let nobody = Container { id: ContainerId::new(99).unwrap(), ..Container::clone(&known) };
    create(&store, [world_root(id(1))]).await;
    let unknown = Refusal::UnknownContainer { container: "99".to_owned() };
    let orphan = thing(id(2), id(1)).instance_of(&nobody);
    assert_eq!(refused(&store, [Operation::Create(orphan)]).await, unknown);
    let slot = thing(id(2), id(1)).instance_of(&known).in_slot(&nobody, "left");
    assert_eq!(refused(&store, [Operation::Create(slot)]).await, unknown);
    let other = thing(id(2), id(1)).instance_of(&known).of_kind("ball");
    assert!(matches!(refused(&store, [Operation::Create(other)]).await, Refusal::Invalid { .. }));
    // A slot that the container around it does not have any more is no mistake.
    create(&store, [thing(id(2), id(1)).instance_of(&known).in_slot(&known, "gone")]).await;
}

pub async fn a_tree_of_5000_entities_is_made_in_one_transaction_parents_first(store: Shared) {
    publish_container(&store, container("item", "item")).await;
    let items = (0..99).map(|number| child(&format!("item-{number}"), "item"));
    publish_container(&store, holding(container("room", "room"), items)).await;
    let rooms = (0..49).map(|number| child(&format!("room-{number}"), "room"));
    let items = (0..99).map(|number| child(&format!("item-{number}"), "item"));
    let station =
        publish_container(&store, holding(container("station", "station"), rooms.chain(items))).await;
    create(&store, [world_root(id(1))]).await;

    let catalog = store.catalog();
    let count = catalog.instance_entities(&station).unwrap();
    assert_eq!(count, 5_000);
    let first = store.lease_ids(count).await.unwrap().first;
    let placement = Placement { parent: Some(id(1)), port: None, pose: Some(at(5.0, 0.0, 0.0)) };
    let made =
        catalog.instantiate(&station, first, text("Port Olisar"), placement, Default::default()).unwrap();
    let receipt = create(&store, made.clone()).await;

    let told = commit_at(&store, receipt.cursor).await;
    let told: Vec<EntityId> = told
        .changes
        .iter()
        .map(|change| if let Change::Created(made) = change { made.id } else { id(1) })
        .collect();
    assert_eq!(told, made.iter().map(|new| new.id).collect::<Vec<_>>(), "told parents first, as asked");
    let stored = rows(store.subtree(first, Extent::All, everything()).await);
    assert_eq!(stored.len(), 5_000);
    let by_id: BTreeMap<_, _> = made.iter().map(|new| (new.id, new)).collect();
    for entity in &stored {
        let new = by_id[&entity.id];
        assert_eq!(
            (&entity.placement, &entity.source, &entity.name),
            (&new.placement, &new.source, &new.name)
        );
    }
}
