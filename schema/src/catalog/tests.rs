use std::collections::BTreeMap;

use glam::{DQuat, DVec3};

use super::*;
use crate::{
    component::{ComponentDraft, VariableDraft},
    container::{Child, Port},
    order::Epoch,
    space::{Aabb, COORDINATE_MAX},
    testing::{at, child, component_id, components, container_draft, entity_id, name, text, variable_id},
    value::Value,
};

fn published(catalog: &mut Catalog, draft: &ContainerDraft) -> Arc<Container> {
    let container = catalog.publish(draft).unwrap();
    catalog.insert(container.clone());
    container
}

fn refusal(catalog: &Catalog, draft: &ContainerDraft) -> String {
    catalog.publish(draft).unwrap_err().to_string()
}

fn with_children(container: &str, children: impl IntoIterator<Item = Child>) -> ContainerDraft {
    ContainerDraft { children: children.into_iter().collect(), ..container_draft(container, "thing") }
}

fn zone(draft: ContainerDraft) -> ContainerDraft {
    ContainerDraft { zone: Some(Aabb::cube(100.0).unwrap()), ..draft }
}

fn placed(pose: Pose) -> Placement {
    Placement { parent: Some(entity_id(1)), port: None, pose: Some(pose) }
}

fn instance(
    catalog: &Catalog,
    container: &Container,
    placement: Placement,
) -> Result<Vec<NewEntity>, Refusal> {
    catalog.instantiate(container, entity_id(100), name("it"), placement, Components::default())
}

/// A component with the variables `a`, `b` and `c`, all 0 by default.
fn catalog() -> Catalog {
    let variable = |v| VariableDraft::new(name(v), Value::Int(0));
    let draft = ComponentDraft::new(name("abc"), ["a", "b", "c"].map(variable).into());
    let mut catalog = Catalog::default();
    catalog.registry.insert(catalog.registry.publish(&draft).unwrap());
    catalog
}

#[test]
fn a_tree_of_five_thousand_expands_to_its_likeness() {
    // AC 2.1.1: 1 + 7 x (1 + 51 x (1 + 13)) = 5,006 entities.
    let mut catalog = Catalog::default();
    published(&mut catalog, &container_draft("leaf", "item"));
    for (outer, inner, count) in [("shelf", "leaf", 13), ("room", "shelf", 51), ("house", "room", 7)] {
        published(
            &mut catalog,
            &with_children(outer, (0..count).map(|n| child(&format!("{inner}{n}"), inner))),
        );
    }
    let house = catalog.container_by_name("house").unwrap();
    let made = instance(&catalog, house, placed(Pose::IDENTITY)).unwrap();

    assert_eq!(catalog.instance_entities(house).unwrap(), 5_006);
    assert_eq!(made.len(), 5_006);
    let ids: Vec<_> = made.iter().map(|entity| entity.id.get()).collect();
    assert_eq!(ids, (100..5_106).collect::<Vec<_>>(), "one run of ids, each once");
    let mut seen = BTreeSet::from([entity_id(1)]);
    let mut children: BTreeMap<EntityId, Vec<&NewEntity>> = BTreeMap::new();
    for entity in &made {
        let parent = entity.placement.parent.unwrap();
        assert!(seen.contains(&parent), "parents come first");
        seen.insert(entity.id);
        children.entry(parent).or_default().push(entity);
    }
    for entity in &made {
        let template = catalog.container(entity.source.as_ref().unwrap().container).unwrap();
        let made: Vec<_> = children.remove(&entity.id).unwrap_or_default();
        assert_eq!(made.len(), template.draft.children.len());
        for (ordinal, (made, child)) in made.iter().zip(&template.draft.children).enumerate() {
            assert_eq!(made.name.as_str(), child.name.as_str());
            assert_eq!(made.ordinal, ordinal as i64);
            let source = made.source.as_ref().unwrap();
            assert_eq!(source.slot, Some(Slot { container: template.id, child: child.name.clone() }));
            assert_eq!(catalog.container(source.container).unwrap().draft.name, child.container);
        }
    }
}

#[test]
fn cycles_are_refused_by_the_way_they_take() {
    // AC 2.1.2: direct, over one, over two.
    let mut catalog = Catalog::default();
    let own = with_children("a", [child("x", "a")]);
    assert_eq!(refusal(&catalog, &own), "container `a` cannot hold `a`, which holds `a`");
    published(&mut catalog, &container_draft("a", "thing"));
    published(&mut catalog, &with_children("b", [child("x", "a")]));
    published(&mut catalog, &with_children("c", [child("x", "b"), child("y", "a")]));
    published(&mut catalog, &container_draft("d", "thing"));
    assert_eq!(refusal(&catalog, &own), "container `a` cannot hold `a`, which holds `a`");
    for holder in ["b", "c"] {
        let cycle = with_children("a", [child("w", "d"), child("x", holder)]);
        assert_eq!(
            refusal(&catalog, &cycle),
            format!("container `a` cannot hold `{holder}`, which holds `a`")
        );
    }
    published(&mut catalog, &with_children("a", [child("w", "d")]));
}

#[test]
fn a_new_version_changes_what_no_instance_overrode() {
    // AC 2.1.4, for values: defaults < container < slot < own.
    let mut catalog = catalog();
    let part = |b, c| ContainerDraft {
        components: components(1, [(2, Value::Int(b)), (3, Value::Int(c))]),
        ..container_draft("part", "part")
    };
    published(&mut catalog, &part(10, 20));
    let whole = |c| {
        with_children(
            "whole",
            [Child { overrides: components(1, [(3, Value::Int(c))]), ..child("p", "part") }],
        )
    };
    let first = published(&mut catalog, &whole(30));
    let mut made = instance(&catalog, &first, placed(Pose::IDENTITY)).unwrap();
    let entity = Entity::created(made.remove(1), Epoch::ZERO);
    assert_eq!(entity.components, Components::default(), "an instance stores only what differs");

    let value = |catalog: &Catalog, entity: &Entity, number| {
        let effective = catalog.effective(entity);
        catalog.registry.with_defaults(&effective).get(component_id(1), variable_id(number)).cloned()
    };
    let values = |catalog: &Catalog, entity: &Entity| [1, 2, 3].map(|v| value(catalog, entity, v).unwrap());
    assert_eq!(values(&catalog, &entity), [0, 10, 30].map(Value::Int));

    let second = published(&mut catalog, &part(11, 21));
    assert_eq!(second.version.number(), 2);
    assert_eq!(values(&catalog, &entity), [0, 11, 30].map(Value::Int), "the slot's value holds");
    assert_eq!(published(&mut catalog, &whole(31)).id, first.id);
    assert_eq!(values(&catalog, &entity), [0, 11, 31].map(Value::Int), "the slot has a new version as well");
    let own = Entity { components: components(1, [(2, Value::Int(99))]), ..entity.clone() };
    assert_eq!(values(&catalog, &own), [0, 99, 31].map(Value::Int), "own values win");
    published(&mut catalog, &with_children("whole", []));
    assert_eq!(values(&catalog, &entity), [0, 11, 21].map(Value::Int), "the slot is gone");
}

#[test]
fn overrides_and_labels_meet_on_the_instance() {
    let mut catalog = catalog();
    let labelled = |draft, label| ContainerDraft { labels: [name(label)].into(), ..draft };
    published(&mut catalog, &labelled(container_draft("part", "part"), "spare"));
    let slot = Child { labels: [name("left")].into(), ..child("p", "part") };
    let whole = published(&mut catalog, &labelled(with_children("whole", [slot]), "big"));
    let overrides = components(1, [(1, Value::Int(1))]);
    let made = catalog
        .instantiate(&whole, entity_id(7), name("my"), placed(Pose::IDENTITY), overrides.clone())
        .unwrap();
    assert_eq!(made[0].components, overrides);
    assert_eq!(made[0].labels, [name("big")].into());
    assert_eq!(made[1].components, Components::default());
    assert_eq!(made[1].labels, [name("left"), name("spare")].into());

    let unknown = components(1, [(1, text("one"))]);
    let refused = catalog.instantiate(&whole, entity_id(7), name("my"), placed(Pose::IDENTITY), unknown);
    assert_eq!(refused.unwrap_err().to_string(), "variable `abc.a` takes int, not text");
}

#[test]
fn children_stand_where_the_container_put_them() {
    let quarter = DQuat::from_rotation_z(std::f64::consts::FRAC_PI_2);
    let turned = Pose::new(DVec3::new(1_000.0, 0.0, 0.0), quarter).unwrap();
    let mut catalog = Catalog::default();
    let posed = |slot, container, pose| Child { pose: Some(pose), ..child(slot, container) };
    let riding = |slot, container| Child { pose: None, ..child(slot, container) };
    published(&mut catalog, &container_draft("leaf", "item"));
    published(
        &mut catalog,
        &with_children("pair", [posed("one", "leaf", at(1.0, 0.0, 0.0)), riding("two", "leaf")]),
    );
    published(
        &mut catalog,
        &zone(with_children("hall", [posed("placed", "pair", at(5.0, 0.0, 0.0)), riding("riding", "pair")])),
    );
    let camp = with_children(
        "camp",
        [
            posed("placed", "pair", at(10.0, 0.0, 0.0)),
            riding("riding", "pair"),
            posed("hall", "hall", at(20.0, 0.0, 0.0)),
        ],
    );
    let camp = published(&mut catalog, &camp);

    let made = instance(&catalog, &camp, placed(turned)).unwrap();
    let points: Vec<_> = made
        .iter()
        .map(|entity| {
            entity.placement.pose.map(|pose| pose.translation().round().to_array().map(|part| part as i64))
        })
        .collect();
    let expected = [
        Some([1_000, 0, 0]), // the camp, turned by a quarter: x of the camp is y of the zone around it
        Some([1_000, 10, 0]), // a pair
        Some([1_000, 11, 0]),
        None,
        None, // a pair that rides with the camp
        Some([1_000, 1, 0]),
        None,
        Some([1_000, 20, 0]), // the hall, a zone: from here on its own frame
        Some([5, 0, 0]),
        Some([6, 0, 0]),
        None,
        None,
        Some([1, 0, 0]),
        None,
    ];
    assert_eq!(points, expected);
    assert!(made[8].placement.pose.unwrap().same_bits(&at(5.0, 0.0, 0.0)));
}

#[test]
fn children_with_a_pose_need_something_to_stand_on() {
    let mut catalog = Catalog::default();
    published(&mut catalog, &container_draft("leaf", "item"));
    let crate_of = published(&mut catalog, &with_children("crate", [child("x", "leaf")]));
    let riding = Placement { parent: Some(entity_id(1)), port: None, pose: None };
    assert_eq!(
        instance(&catalog, &crate_of, riding.clone()).unwrap_err().to_string(),
        "container `crate`: its child `x` has a pose, but the instance has none and is no zone: give the instance a pose"
    );
    let room = published(&mut catalog, &zone(with_children("room", [child("x", "crate")])));
    assert_eq!(instance(&catalog, &room, riding).unwrap().len(), 3);
    let far = instance(&catalog, &crate_of, placed(at(COORDINATE_MAX, 0.0, 0.0))).unwrap();
    assert_eq!(far[1].placement.pose, Some(at(COORDINATE_MAX, 0.0, 0.0)));
    let beyond = Child { pose: Some(at(COORDINATE_MAX, 0.0, 0.0)), ..child("x", "leaf") };
    let beyond = published(&mut catalog, &with_children("beyond", [beyond]));
    assert!(matches!(
        instance(&catalog, &beyond, placed(at(COORDINATE_MAX, 0.0, 0.0))),
        Err(Refusal::Space(_))
    ));
}

#[test]
fn transient_containers_are_never_made_or_held_by_what_is_stored() {
    // AC 2.48.2
    let mut catalog = Catalog::default();
    let shot = ContainerDraft { transient: true, ..container_draft("shot", "shot") };
    let shot = published(&mut catalog, &shot);
    assert_eq!(
        instance(&catalog, &shot, placed(Pose::IDENTITY)).unwrap_err().to_string(),
        "container `shot` is transient: its instances are never stored"
    );
    let gun = with_children("gun", [child("x", "shot")]);
    assert!(refusal(&catalog, &gun).contains("child `x` is a `shot`, which is transient"));
    assert!(catalog.publish(&ContainerDraft { transient: true, ..gun }).is_ok());

    // What is stored may have instances and be inside others, so it stays stored; the other way is free.
    published(&mut catalog, &container_draft("spark", "spark"));
    let flash = ContainerDraft { transient: true, ..container_draft("spark", "spark") };
    assert!(refusal(&catalog, &flash).contains("it cannot become transient"));
    published(&mut catalog, &container_draft("shot", "shot"));
    let gun = published(&mut catalog, &with_children("gun", [child("x", "shot")]));
    assert!(instance(&catalog, &gun, placed(Pose::IDENTITY)).is_ok());
}

/// Walking all ways through the tree instead of stopping at the limit would take years.
#[test]
fn exponential_nesting_is_refused_at_once() {
    let mut catalog = Catalog::default();
    published(&mut catalog, &container_draft("n0", "thing"));
    let doubled = |level: u32| {
        let inner = format!("n{}", level - 1);
        with_children(&format!("n{level}"), [child("x", &inner), child("y", &inner)])
    };
    // Each level doubles: 2^13 - 1 = 8,191 entities are allowed, 2^14 - 1 are not.
    for level in 1..=12 {
        published(&mut catalog, &doubled(level));
    }
    assert_eq!(
        refusal(&catalog, &doubled(13)),
        "too many entities in one instance: 10001, the limit is 10000"
    );

    // Published one by one from the outside in, nothing is ever too large until the last: 2^60 entities then.
    let mut catalog = Catalog::default();
    for level in 0..=60 {
        published(&mut catalog, &container_draft(&format!("n{level}"), "thing"));
    }
    let mut last = None;
    for level in (1..=60).rev() {
        match catalog.publish(&doubled(level)) {
            Ok(container) => catalog.insert(container),
            Err(refusal) => last = Some(refusal),
        }
    }
    assert_eq!(last, None, "seen from inside each is small");
    let outer = catalog.container_by_name("n60").unwrap();
    let refused = instance(&catalog, outer, placed(Pose::IDENTITY));
    assert!(matches!(refused, Err(Refusal::TooMany { what: "entities in one instance", .. })), "{refused:?}");
    let cycle = with_children("n0", [child("x", "n60")]);
    assert!(matches!(catalog.publish(&cycle), Err(Refusal::ContainerCycle { .. })));
}

#[test]
fn trees_have_a_deepest_level_and_containers_a_most_of_children() {
    let mut catalog = Catalog::default();
    published(&mut catalog, &container_draft("n1", "thing"));
    for level in 2..=64 {
        published(
            &mut catalog,
            &with_children(&format!("n{level}"), [child("x", &format!("n{}", level - 1))]),
        );
    }
    assert_eq!(
        refusal(&catalog, &with_children("n65", [child("x", "n64")])),
        "too many levels of nested containers: 65, the limit is 64"
    );
    let many = with_children("many", (0..10_001).map(|n| child(&format!("c{n}"), "n1")));
    assert_eq!(refusal(&catalog, &many), "too many children of a container: 10001, the limit is 10000");
}

#[test]
fn ids_end_before_they_wrap() {
    let mut catalog = Catalog::default();
    published(&mut catalog, &container_draft("leaf", "item"));
    let pair = published(&mut catalog, &with_children("pair", [child("x", "leaf")]));
    let from = |first| {
        catalog.instantiate(&pair, entity_id(first), name(""), placed(Pose::IDENTITY), Components::default())
    };
    assert_eq!(from(u64::MAX - 1).unwrap()[1].id, entity_id(u64::MAX));
    assert_eq!(from(u64::MAX), Err(Refusal::IdsExhausted));
}

#[test]
fn the_same_draft_again_is_the_same_version() {
    let mut catalog = Catalog::default();
    let draft = container_draft("ship/freighter", "ship");
    let first = published(&mut catalog, &draft);
    assert_eq!((first.id.get(), first.version.number()), (1, 1));
    assert!(Arc::ptr_eq(&published(&mut catalog, &draft), &first));
    let second = published(&mut catalog, &ContainerDraft { radius: 2.0, ..draft });
    assert_eq!((second.id.get(), second.version.number()), (1, 2));
    assert_eq!(catalog.containers().len(), 1);
    assert_eq!(published(&mut catalog, &container_draft("other", "ship")).id.get(), 2);
}

#[test]
fn drafts_that_make_no_sense_are_refused_with_the_reason() {
    let mut catalog = catalog();
    published(&mut catalog, &container_draft("gun", "weapon"));
    published(&mut catalog, &container_draft("ship", "ship"));
    let ported = |slot, port| Child { port: Some(name(port)), ..child(slot, "gun") };
    let port = |port, accepts: &[&str]| Port {
        name: name(port),
        accepts: accepts.iter().map(|kind| name(kind)).collect(),
    };
    let ship = container_draft("hull", "ship");
    let cases = [
        (container_draft("ship", "boat"), "its kind is `ship` and cannot become `boat`"),
        (
            ContainerDraft { children: vec![child("x", "gun"), child("x", "gun")], ..ship.clone() },
            "two children named `x`",
        ),
        (ContainerDraft { children: vec![child("x", "gnu")], ..ship.clone() }, "there is no container `gnu`"),
        (
            ContainerDraft { ports: vec![port("p", &[]), port("p", &[])], ..ship.clone() },
            "two ports named `p`",
        ),
        (
            ContainerDraft { children: vec![ported("x", "p")], ..ship.clone() },
            "port `p`, which it does not have",
        ),
        (
            ContainerDraft {
                ports: vec![port("p", &[])],
                children: vec![ported("x", "p"), ported("y", "p")],
                ..ship.clone()
            },
            "two children are attached to port `p`",
        ),
        (
            ContainerDraft {
                ports: vec![port("p", &["engine"])],
                children: vec![ported("x", "p")],
                ..ship.clone()
            },
            "port `p` does not accept `weapon`, the kind of child `x`",
        ),
        (ContainerDraft { radius: f64::NAN, ..ship.clone() }, "the radius is not finite: NaN"),
        (ContainerDraft { radius: -1.0, ..ship.clone() }, "the radius is -1: it cannot be negative"),
        (
            ContainerDraft { components: components(9, []), ..ship.clone() },
            "there is no component with number 9",
        ),
        (
            ContainerDraft {
                children: vec![Child { overrides: components(9, []), ..child("x", "gun") }],
                ..ship.clone()
            },
            "there is no component with number 9",
        ),
    ];
    for (draft, reason) in cases {
        let message = refusal(&catalog, &draft);
        assert!(message.contains(reason), "{message}");
    }
    let fits =
        ContainerDraft { ports: vec![port("p", &["weapon"])], children: vec![ported("x", "p")], ..ship };
    let fits = published(&mut catalog, &fits);
    let made = instance(&catalog, &fits, placed(Pose::IDENTITY)).unwrap();
    assert_eq!(made[1].placement.port, Some(name("p")));
}

#[test]
fn a_component_is_brought_by_containers_and_by_the_slots_that_hold_them() {
    let mut catalog = catalog();
    let hull = component_id(1);
    assert!(catalog.bringing(hull).is_empty());
    let plain = published(&mut catalog, &container_draft("plain", "thing"));
    let own = ContainerDraft { components: components(1, []), ..container_draft("own", "thing") };
    let own = published(&mut catalog, &own);
    assert_eq!(catalog.bringing(hull).iter().copied().collect::<Vec<_>>(), [own.id]);
    let slot = Child { overrides: components(1, []), ..child("left", "plain") };
    let ship = published(&mut catalog, &with_children("ship", [slot]));
    assert_eq!(catalog.bringing(hull).iter().copied().collect::<Vec<_>>(), [plain.id, own.id]);
    assert_eq!(catalog.stating(hull).iter().copied().collect::<Vec<_>>(), [own.id, ship.id]);
    let before = catalog.clone();
    published(&mut catalog, &ContainerDraft { components: Components::default(), ..own.draft.clone() });
    assert_eq!(catalog.bringing(hull).iter().copied().collect::<Vec<_>>(), [plain.id]);
    assert_eq!(before.bringing(hull).len(), 2, "a snapshot does not change");
}

#[test]
fn containers_come_by_name_from_a_prefix_and_behind_a_name_on() {
    let mut catalog = Catalog::default();
    for container in ["ship/b", "shed", "ship/a", "ship", "sky", "ship/c"] {
        published(&mut catalog, &container_draft(container, "thing"));
    }
    let names = |prefix: &str, after: Option<&str>| {
        let found = catalog.containers_by_name(prefix, after);
        found.map(|container| container.draft.name.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("", None), "shed ship ship/a ship/b ship/c sky");
    assert_eq!(names("ship", None), "ship ship/a ship/b ship/c");
    assert_eq!(names("ship/", Some("ship/a")), "ship/b ship/c");
    assert_eq!(names("ship/", Some("ship/aa")), "ship/b ship/c", "a name that nothing has");
    assert_eq!(names("ship/", Some("a")), "ship/a ship/b ship/c", "a name before the prefix");
    assert_eq!(names("ship/", Some("sky")), "", "a name behind the prefix");
    assert_eq!(names("none", None), "");
}
