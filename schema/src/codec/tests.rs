//! Golden bytes, round trips, and bytes that are no record.

use std::fmt::Debug;

use glam::{DQuat, DVec3};
use proptest::{collection, prelude::*};

use super::*;
use crate::{testing::*, *};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes and what they decode to are fixed: stores on disk depend on it.
#[track_caller]
fn golden<T: Form + PartialEq + Debug>(value: T, bytes: &str) {
    let bytes = bytes.replace(char::is_whitespace, "");
    assert_eq!(hex(&encoded(&value)), bytes);
    assert_eq!(decode::<T>(&encoded(&value)).unwrap(), value);
}

fn round_trip<T: Form + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    let bytes = encoded(value);
    let back = decode::<T>(&bytes);
    prop_assert_eq!(back.as_ref(), Ok(value));
    // Floats compare equal over the sign of zero, bytes do not.
    prop_assert_eq!(back.map(|back| encoded(&back)), Ok(bytes));
    Ok(())
}

/// What decodes has no other spelling: so equal bytes are equal values, and the other way round.
fn canonical<T: Form>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(value) = decode::<T>(bytes) {
        prop_assert_eq!(encoded(&value), bytes);
    }
    Ok(())
}

fn canonical_as_anything(bytes: &[u8]) -> Result<(), TestCaseError> {
    canonical::<Value>(bytes)?;
    canonical::<Components>(bytes)?;
    canonical::<Pose>(bytes)?;
    canonical::<Link>(bytes)?;
    canonical::<Entity>(bytes)?;
    canonical::<Patch>(bytes)?;
    canonical::<Delta>(bytes)?;
    canonical::<ComponentType>(bytes)?;
    canonical::<Container>(bytes)?;
    canonical::<Change>(bytes)?;
    canonical::<Commit>(bytes)?;
    canonical::<Transaction>(bytes)
}

proptest! {
    #[test]
    fn values_survive(value in values()) { round_trip(&value)?; }

    #[test]
    fn entities_survive(entity in entities()) { round_trip(&entity)?; }

    #[test]
    fn new_entities_survive(entity in new_entities()) { round_trip(&entity)?; }

    #[test]
    fn deltas_survive(delta in deltas()) { round_trip(&delta)?; }

    #[test]
    fn component_types_survive(component in component_types()) { round_trip(&component)?; }

    #[test]
    fn containers_survive(container in containers()) { round_trip(&container)?; }

    #[test]
    fn commits_survive(commit in commits()) { round_trip(&commit)?; }

    #[test]
    fn transactions_survive(transaction in transactions()) { round_trip(&transaction)?; }

    #[test]
    fn random_bytes_are_refused_or_are_the_one_form_of_a_value(bytes in collection::vec(any::<u8>(), 0..200)) {
        canonical_as_anything(&bytes)?;
    }

    #[test]
    fn small_numbers_as_bytes_are_refused_or_are_the_one_form_of_a_value(bytes in collection::vec(0..8u8, 0..60)) {
        canonical_as_anything(&bytes)?;
    }

    #[test]
    fn a_record_with_some_bytes_changed_is_refused_or_is_the_one_form_of_another(
        commit in commits(),
        changes in collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&commit);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        canonical::<Commit>(&bytes)?;
    }

    #[test]
    fn a_record_cut_short_is_refused(transaction in transactions(), at in any::<prop::sample::Index>()) {
        let bytes = encoded(&transaction);
        let error = decode::<Transaction>(&bytes[..at.index(bytes.len())]).unwrap_err();
        prop_assert!(matches!(error.fault, Fault::Short { .. } | Fault::Count { .. }), "{error}");
    }

    #[test]
    fn bytes_after_a_record_are_refused(transaction in transactions(), more in 1..5usize) {
        let mut bytes = encoded(&transaction);
        let offset = bytes.len();
        bytes.resize(offset + more, 0);
        let error = CodecError { record: "transaction", offset, fault: Fault::Trailing { left: more } };
        prop_assert_eq!(decode::<Transaction>(&bytes), Err(error));
    }

    #[test]
    fn fingerprints_are_equal_for_equal_transactions_only(one in transactions(), other in transactions()) {
        prop_assert_eq!(fingerprint(&one), fingerprint(&one.clone()));
        prop_assert_eq!(one == other, fingerprint(&one) == fingerprint(&other));
    }
}

#[test]
fn what_its_writer_calls_the_same_request_has_the_same_fingerprint() {
    let one = Transaction { request: Some([7; 32]), ..Transaction::default() };
    let other = Transaction { preconditions: vec![Precondition::Exists(entity_id(1))], ..one.clone() };
    assert_eq!(fingerprint(&one), fingerprint(&other));
}

#[test]
fn a_fingerprint_is_the_same_everywhere_and_for_ever() {
    assert_eq!(
        hex(&fingerprint(&Transaction::of([Operation::Bury { entity: entity_id(7), subtree: true }]))),
        "12faa4af8543917185f3c345c3446f49c1c3505367d8d79c0512e7da8bbc9fa4"
    );
}

#[test]
fn numbers_have_their_shortest_form() {
    for (number, bytes) in [
        (1, "01"),
        (127, "7f"),
        (128, "8001"),
        (300, "ac02"),
        (1 << 53, "8080808080808010"),
        (u64::MAX, "ffffffffffffffffff01"),
    ] {
        golden(entity_id(number), bytes);
    }
    for (number, bytes) in [(0, "00"), (-1, "01"), (1, "02"), (i64::MIN, "ffffffffffffffffff01")] {
        golden(number, bytes);
    }
    let refused = |bytes: &[u8]| decode::<Revision>(bytes).unwrap_err().fault;
    assert_eq!(refused(&[0x80, 0x00]), Fault::Number);
    assert_eq!(refused(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]), Fault::Number);
    assert_eq!(refused(&[0x80; 11]), Fault::Number);
    assert_eq!(refused(&[0x80; 3]), Fault::Short { needed: 1, left: 0 });
}

#[test]
fn golden_values() {
    golden(Value::Bool(true), "01 01");
    golden(Value::Int(-2), "02 03");
    golden(Value::Float(1.5), "03 000000000000f83f");
    golden(text("Jita"), "04 04 4a697461");
    golden(Value::Entity(entity_id(300)), "05 ac02");
    golden(Value::Vector([1.0, -0.0, 2.0]), "06 000000000000f03f 0000000000000080 0000000000000040");
    golden(Value::Bytes([0, 255].into()), "07 02 00ff");
    golden(Value::IntList([1, -1].into()), "08 02 02 01");
    golden(Value::FloatList([1.0].into()), "09 01 000000000000f03f");
    golden(Value::TextList(["a".into(), "".into()].into()), "0a 02 01 61 00");
    golden(None::<Value>, "00");
    golden(components(3, [(1, Value::Int(0)), (2, Value::Bool(false))]), "01 03 02 01 02 00 02 01 00");
}

#[test]
fn golden_poses_cost_a_rotation_only_where_there_is_one() {
    golden(at(1.0, 0.0, -2.0), "01 000000000000f03f 0000000000000000 00000000000000c0");
    let turned = Pose::new(DVec3::X, DQuat::from_xyzw(1.0, 0.0, 0.0, 0.0)).unwrap();
    golden(
        turned,
        "02 000000000000f03f 0000000000000000 0000000000000000
         000000000000f03f 0000000000000000 0000000000000000 0000000000000000",
    );
}

#[test]
fn golden_entities() {
    golden(item(2, 1), "02 04 6974656d 04 01");
    golden(Entity::created(item(2, 1), Epoch::ZERO), "01 00 02 04 6974656d 04 01");
    let full = NewEntity {
        name: name("A"),
        source: Some(Source {
            container: container_id(9),
            slot: Some(Slot { container: container_id(8), child: name("s") }),
        }),
        placement: Placement {
            parent: Some(entity_id(1)),
            port: Some(name("p")),
            pose: Some(at(0.0, 0.0, 1.0)),
        },
        radius: 1.0,
        zone: Some(Aabb::cube(1.0).unwrap()),
        root: true,
        labels: [name("k"), name("l")].into(),
        owner: Some(name("o")),
        layer: Layer::from_number(5),
        ordinal: -1,
        components: components(4, [(1, Value::Bool(true))]),
        ..item(2, 1)
    };
    golden(
        full,
        "02 04 6974656d ff3f 01 41 09 01 08 01 73 01
         01 0000000000000000 0000000000000000 000000000000f03f 000000000000f03f
         01 04 01 01 01 01 01 02 01 6b 01 6c 01 70
         000000000000f0bf 000000000000f0bf 000000000000f0bf 000000000000f03f 000000000000f03f 000000000000f03f
         01 6f 05",
    );
}

#[test]
fn golden_deltas() {
    let delta = |patch| Delta { revision: Revision::from_number(2), epoch: Epoch::from_number(1), patch };
    golden(delta(Patch::default()), "02 01 00");
    golden(
        delta(Patch { pose: Some(Some(Pose::IDENTITY)), ..Patch::default() }),
        "02 01 01 01 01 0000000000000000 0000000000000000 0000000000000000",
    );
    let set = ComponentPatch {
        variables: [(variable_id(1), Some(Value::Bool(true))), (variable_id(2), None)].into(),
        ..ComponentPatch::default()
    };
    let full = Patch {
        name: Some(name("")),
        parent: Some((entity_id(3), Some(name("p")))),
        pose: Some(None),
        radius: Some(0.0),
        zone: Some(None),
        root: Some(false),
        owner: Some(None),
        layer: Some(Layer::ZERO),
        ordinal: Some(0),
        labels: [(name("a"), true), (name("b"), false)].into(),
        components: [(component_id(4), ComponentPatch::removed()), (component_id(5), set)].into(),
    };
    golden(
        delta(full),
        "02 01 ff0f 00 02 04 03 00 05 00 02 01 01 01 02 00 03 01 01 70 00 00
         0000000000000000 00 00 00 00 02 01 61 01 01 62 00",
    );
}

#[test]
fn golden_component_types() {
    let variable = |id: u16, draft: VariableDraft| Variable { id: variable_id(id), draft, converts: None };
    let plain = VariableDraft::new(name("a"), Value::Int(0));
    let full = VariableDraft {
        group: Some(name("g")),
        send: SendPolicy::EveryTick,
        persisted: false,
        visibility: Visibility::ServerOnly,
        precision: Some(0.5),
        ..VariableDraft::new(name("b"), Value::Float(0.0))
    };
    let draft = ComponentDraft::new(name("c"), vec![plain.clone(), full.clone()]);
    let renamed = ComponentDraft {
        renamed: [(name("a"), name("o"))].into(),
        retire: [name("r")].into(),
        ..draft.clone()
    };
    golden(draft, "01 63 02 01 61 02 00 00 01 62 03 0000000000000000 37 01 67 000000000000e03f 00 00 00 00");
    golden(
        renamed,
        "01 63 02 01 61 02 00 00 01 62 03 0000000000000000 37 01 67 000000000000e03f 01 01 61 01 6f 01 01 72 00 00",
    );
    golden(
        ComponentType {
            id: component_id(3),
            name: name("c"),
            version: 2,
            variables: vec![variable(1, plain.clone()), variable(2, full.clone())],
            retired: vec![],
        },
        "03 02 01 63 02 01 01 61 02 00 00 02 01 62 03 0000000000000000 37 01 67 000000000000e03f",
    );
    golden(
        ComponentType {
            id: component_id(3),
            name: name("c"),
            version: 3,
            variables: vec![variable(2, full)],
            retired: vec![variable(1, plain)],
        },
        "03 03 01 63 02 01 01 61 02 00 40 02 01 62 03 0000000000000000 37 01 67 000000000000e03f",
    );
}

#[test]
fn golden_containers() {
    let draft = ContainerDraft {
        radius: 0.0,
        transient: true,
        ports: vec![Port { name: name("p"), accepts: [name("k")].into() }],
        children: vec![Child { pose: None, port: Some(name("p")), ..child("s", "d") }],
        ..container_draft("c", "k")
    };
    golden(draft.clone(), "01 63 01 6b a801 01 01 70 01 01 6b 01 01 73 01 64 02 01 70");
    golden(
        Container { id: container_id(7), version: ContainerVersion::from_number(2), draft },
        "07 02 01 63 01 6b a801 01 01 70 01 01 6b 01 01 73 01 64 02 01 70",
    );
}

#[test]
fn golden_commits() {
    let delta = Delta { revision: Revision::from_number(2), epoch: Epoch::ZERO, patch: Patch::default() };
    let (one, two) = (entity_id(1), entity_id(2));
    let changes = vec![
        Change::Created(Entity::created(item(2, 1), Epoch::ZERO).into()),
        Change::Changed { entity: two, left: Some(one), delta: delta.into() },
        Change::Buried(Entity::created(item(2, 1), Epoch::ZERO).into()),
        Change::Linked(Link::new(name("j"), two, one, 1.0)),
        Change::Unlinked { kind: name("j"), a: one, b: two },
        Change::Entombed(two),
    ];
    golden(
        Commit { cursor: Cursor::from_number(300), operation_id: Some(name("o")), changes },
        "ac02 01 01 6f 06
         03 01 00 02 04 6974656d 04 01
         04 02 01 01 02 00 00
         05 01 00 02 04 6974656d 04 01
         06 01 6a 01 02 000000000000f03f
         07 01 6a 01 02
         08 02",
    );
    let component = ComponentType {
        id: component_id(1),
        name: name("c"),
        version: 1,
        variables: vec![],
        retired: vec![],
    };
    golden(Change::Component(component.into()), "01 01 01 01 63 00");
    let container = Container {
        id: container_id(1),
        version: ContainerVersion::from_number(1),
        draft: container_draft("c", "k"),
    };
    golden(Change::Container(container.into()), "02 01 01 01 63 01 6b 01 000000000000f03f");
}

#[test]
fn golden_conversions() {
    let conversion = |rule, otherwise| Conversion { rule, otherwise };
    let number = Rule::Number { factor: 1.0, offset: -2.0, rounding: Rounding::TowardsZero };
    golden(conversion(number, None), "01 000000000000f03f 00000000000000c0 04 00");
    golden(conversion(Rule::Print, Some(Value::Bool(true))), "02 01 01 01");
    golden(conversion(Rule::Parse, None), "03 00");
    let table = Rule::Table(vec![(Value::Int(1), Value::Bool(false)), (Value::Int(2), Value::Bool(true))]);
    golden(conversion(table, None), "04 02 02 02 01 00 02 04 01 01 00");
    let converts = Some(Converts { from: variable_id(1), conversion: conversion(Rule::Parse, None) });
    let variable = |id: u16, default, converts| Variable {
        id: variable_id(id),
        draft: VariableDraft::new(name("a"), default),
        converts,
    };
    golden(
        ComponentType {
            id: component_id(3),
            name: name("c"),
            version: 2,
            variables: vec![variable(2, Value::Int(0), converts)],
            retired: vec![variable(1, Value::Int(0), None)],
        },
        "03 02 01 63 02 01 01 61 02 00 40 02 01 61 02 00 8001 01 03 00",
    );
    let draft = ComponentDraft {
        converts: [(
            name("b"),
            ConversionDraft { from: name("a"), conversion: conversion(Rule::Print, None) },
        )]
        .into(),
        settled: [name("d")].into(),
        ..ComponentDraft::new(name("c"), vec![])
    };
    golden(draft, "01 63 00 00 00 01 01 62 01 61 02 00 01 01 64");
}

#[test]
fn golden_transactions() {
    let (one, two) = (entity_id(1), entity_id(2));
    let reparent = |port, pose| Operation::Reparent { entity: two, parent: one, port, pose };
    let transaction = Transaction {
        operation_id: Some(name("o")),
        request: None,
        preconditions: vec![
            Precondition::Exists(one),
            Precondition::Absent(one),
            Precondition::Revision(one, Revision::from_number(5)),
            Precondition::Epoch(one, Epoch::from_number(6)),
            Precondition::PortFree(one, name("p")),
            Precondition::ContainerVersion(container_id(7), ContainerVersion::from_number(8)),
        ],
        operations: vec![
            Operation::PublishComponent(ComponentDraft::new(name("c"), vec![])),
            Operation::PublishContainer(ContainerDraft { radius: 0.0, ..container_draft("c", "k") }),
            Operation::Create(item(2, 1)),
            Operation::Change(two, Patch::default()),
            reparent(Some(name("p")), NewPose::KeepWorld),
            reparent(None, NewPose::At(Pose::IDENTITY)),
            reparent(None, NewPose::Ride),
            Operation::Link(Link::new(name("j"), one, two, 1.0)),
            Operation::Unlink { kind: name("j"), a: two, b: one },
            Operation::Bury { entity: two, subtree: true },
            Operation::AdoptComponent(
                ComponentType {
                    id: component_id(3),
                    name: name("c"),
                    version: 4,
                    variables: vec![],
                    retired: vec![],
                }
                .into(),
            ),
            Operation::AdoptContainer(
                Container {
                    id: container_id(3),
                    version: ContainerVersion::from_number(4),
                    draft: ContainerDraft { radius: 0.0, ..container_draft("c", "k") },
                }
                .into(),
            ),
            Operation::Adopt(vec![
                Entity { revision: Revision::from_number(9), ..Entity::created(item(2, 1), Epoch::ZERO) }
                    .into(),
            ]),
            Operation::Entomb(two),
        ],
    };
    golden(
        transaction,
        "01 01 6f 06 01 01 02 01 03 01 05 04 01 06 05 01 01 70 06 07 08 0e
          01 01 63 00 00 00 00 00
         02 01 63 01 6b 00
         03 02 04 6974656d 04 01
         04 02 00
         05 02 01 01 01 70 01
         05 02 01 00 02 01 0000000000000000 0000000000000000 0000000000000000
         05 02 01 00 03
         06 01 6a 01 02 000000000000f03f
         07 01 6a 02 01
         08 02 01
         09 03 04 01 63 00
         0a 03 04 01 63 01 6b 00
         0b 01 09 00 02 04 6974656d 04 01
         0c 02",
    );
}

#[track_caller]
fn refused<T: Form + Debug>(bytes: &str, message: &str) {
    let bytes = bytes.replace(char::is_whitespace, "");
    let bytes: Vec<u8> =
        (0..bytes.len()).step_by(2).map(|at| u8::from_str_radix(&bytes[at..at + 2], 16).unwrap()).collect();
    assert_eq!(decode::<T>(&bytes).unwrap_err().to_string(), message);
}

#[test]
fn other_spellings_are_refused_with_what_and_where() {
    refused::<Value>("", "byte 0 of the value: 1 bytes are needed, 0 are left");
    refused::<Value>("0b", "byte 0 of the value: 11 is no tag of a value");
    refused::<Value>("01 02", "byte 1 of the value: 2 is no tag of a yes or no");
    refused::<Value>("03 000000000000f07f", "byte 1 of the value: a float is not finite: inf");
    refused::<Value>("03 000000000000f87f", "byte 1 of the value: a float is not finite: NaN");
    refused::<Value>("04 01 ff", "byte 1 of the value: a text is not UTF-8");
    refused::<Value>("05 00", "byte 1 of the value: 0 is no entity id");
    refused::<Value>(
        "07 ffffffffffffffffff01",
        "byte 1 of the value: 18446744073709551615 bytes are needed, 0 are left",
    );
    refused::<Value>(
        "08 ffffff7f",
        "byte 1 of the value: 268435455 items are announced, but only 0 bytes are left",
    );
    refused::<Components>(
        "02 01 00 01 00",
        "byte 3 of the components: a component id stands after an equal or greater one",
    );
    refused::<Components>("01 8080808010 00", "byte 1 of the components: 4294967296 is no component id");
    refused::<NewEntity>(
        "02 01 6b 01 00",
        "byte 4 of the new entity: entity name is written although it has its default",
    );
    refused::<NewEntity>("02 01 6b 8040", "byte 3 of the new entity: 8192 is no set of fields");
    refused::<NewEntity>(
        "02 01 20 00",
        "byte 1 of the new entity: a kind ` ` has ' ': allowed are letters, digits and _ - . : /",
    );
    refused::<Link>(
        "01 6a 02 01 000000000000f03f",
        "byte 0 of the link: a link needs its lower end first, two different ends and a positive cost",
    );
    refused::<Link>(
        "01 6a 01 02 0000000000000000",
        "byte 0 of the link: a link needs its lower end first, two different ends and a positive cost",
    );
}

#[test]
fn rotations_that_are_no_rotations_are_refused() {
    let numbers =
        |floats: [f64; 7]| -> String { format!("02{}", hex(&floats.map(f64::to_le_bytes).concat())) };
    refused::<Pose>(
        &numbers([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
        "byte 0 of the pose: the rotation is written although it has its default",
    );
    refused::<Pose>(
        &numbers([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]),
        "byte 0 of the pose: the rotation has length 2, a unit quaternion has length 1",
    );
    refused::<Pose>(
        &numbers([0.0, f64::NAN, 0.0, 0.0, 0.0, 0.0, 1.0]),
        "byte 9 of the pose: a float is not finite: NaN",
    );
}

#[test]
fn values_above_their_limit_are_refused() {
    let bytes = encoded(&Value::Bytes(vec![0; Value::MAX_BYTES + 1].into()));
    let message = "byte 0 of the value: the value takes 65537 bytes, the limit is 65536";
    assert_eq!(decode::<Value>(&bytes).unwrap_err().to_string(), message);
}

#[test]
fn a_moon_takes_112_bytes() {
    let celestial = [(1, Value::Float(250.5)), (2, Value::Float(0.02)), (3, Value::Int(1_000_000))];
    let orbit = [(1, Value::Float(1.1e9)), (2, Value::Int(4))];
    let mut components = components(1, celestial);
    components.overlay(&crate::testing::components(2, orbit));
    let moon = NewEntity {
        name: name("Jita IV - Moon 4"),
        kind: name("moon"),
        source: Some(Source { container: container_id(14), slot: None }),
        placement: Placement {
            parent: Some(entity_id(40_009_080)),
            port: None,
            pose: Some(at(-107_303_362_560.0, -18_744_975_360.0, 436_489_052_160.0)),
        },
        radius: 1_737_000.0,
        ordinal: 4,
        components,
        ..item(40_009_082, 1)
    };
    let bytes = encoded(&Entity::created(moon, Epoch::ZERO)).len();
    assert_eq!(bytes, 112);
}

#[test]
fn the_ordinary_layer_takes_no_bytes() {
    // AC 2.47.1
    let ordinary = Entity::created(item(2, 1), Epoch::ZERO);
    let other = Entity { layer: Layer::from_number(1), ..ordinary.clone() };
    assert_eq!(encoded(&ordinary).len(), 10);
    assert!(encoded(&other).len() > encoded(&ordinary).len());
}

#[test]
fn the_tables_of_the_docs_are_those_of_the_code() {
    let docs = include_str!("../../../docs/data-model.md");
    let rows: Vec<_> = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("//! |")).collect();
    assert!(rows.len() > 30);
    for row in rows {
        let row = row.replace("\\[", "[").replace("[`crate::text`]", "`schema/src/text.rs`");
        assert!(docs.contains(&row), "docs/data-model.md lacks: |{row}");
    }
}
