use entitygraph_schema::Components;

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn id(number: u64) -> EntityId {
    EntityId::new(number).unwrap()
}

fn text<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

#[test]
fn the_bytes_of_each_key_kind_stay_as_they_are() {
    let (one, two) = (id(0x0102_0304_0506_0708), id(2));
    let (jump, dock): (LinkKind, PortName) = (text("jump"), text("dock"));
    let (owner, operation): (OwnerId, OperationId) = (text("player:7"), text("op-1"));
    let container = ContainerId::new(0x0a0b_0c0d).unwrap();
    let cursor = Cursor::from_number(0x11);
    let kind = [1, b'u', 0];
    let golden = [
        (format(), "0101"),
        (newest(), "0102"),
        (lease(), "0103"),
        (entity(one), "100102030405060708"),
        (buried(one), "110102030405060708"),
        (children(0), "200000000000000000"),
        (child(0x0102_0304_0506_0708, -1, two), "2001020304050607087fffffffffffffff0000000000000002"),
        (child(2, 5, two), "20000000000000000280000000000000050000000000000002"),
        (children_by_name(2), "210000000000000002"),
        (child_name(2, "é", two), "210000000000000002c3a9000000000000000002"),
        (names("ab"), "226162"),
        (name("ab", two), "226162000000000000000002"),
        (owners(&self::text("p")), "237000"),
        (super::owner(&owner, two), "23706c617965723a37000000000000000002"),
        (port(two, &dock), "240000000000000002646f636b00"),
        (branches(2, &kind), "300000000000000002017500"),
        (branch(2, &kind, one), "3000000000000000020175000102030405060708"),
        (tallies(2), "310000000000000002"),
        (tally(0, &kind), "310000000000000000017500"),
        (links(two), "400000000000000002"),
        (link(two, &jump, one), "4000000000000000026a756d70000102030405060708"),
        (zone_links(two), "410000000000000002"),
        (zone_links_of(two, &jump), "4100000000000000026a756d7000"),
        (zone_link(two, &jump, two, one), "4100000000000000026a756d700000000000000000020102030405060708"),
        (component(ComponentId::new(7).unwrap()), "5000000007"),
        (super::container(container), "510a0b0c0d"),
        (reach(two), "620000000000000002"),
        (commit(cursor), "700000000000000011"),
        (super::operation(&operation), "716f702d31"),
        (idle_operations(cursor), "720000000000000011"),
        (idle_operation(cursor, &operation), "7200000000000000116f702d31"),
    ];
    for (key, expected) in golden {
        assert_eq!(hex(&key), expected);
    }
    assert_eq!(
        (Row::Placed as u8, Row::Host as u8),
        (crate::keyed::space::PLACED, crate::keyed::space::HOST)
    );
}

#[test]
fn ordinals_sort_as_numbers() {
    let ordinals = [i64::MIN, -2, -1, 0, 1, i64::MAX];
    let keys: Vec<_> = ordinals.iter().map(|ordinal| child(1, *ordinal, id(1))).collect();
    assert!(keys.is_sorted());
}

#[test]
fn the_longest_names_make_keys_that_engines_take() {
    // Lower case can be longer: each of these 2 bytes becomes 3.
    let longest = "Ⱥ".repeat(100).to_lowercase();
    assert_eq!(longest.len(), 300);
    assert!(child_name(u64::MAX, &longest, id(u64::MAX)).len() <= crate::keyed::engine::MAX_KEY_BYTES);
}

#[test]
fn names_sort_by_name_before_id() {
    assert!(name("ab", id(9)) < name("abc", id(1)));
    assert!(name("ab", id(1)) < name("ab", id(2)));
}

#[test]
fn facets_read_back_and_sort_as_facets() {
    let facets = [
        Facet::Kind(text("planet")),
        Facet::Kind(text("planet-b")),
        Facet::Container(ContainerId::new(1).unwrap()),
        Facet::Container(ContainerId::new(256).unwrap()),
        Facet::Component(ComponentId::new(2).unwrap()),
        Facet::Label(text("a")),
    ];
    let stored: Vec<_> = facets
        .iter()
        .map(|facet| {
            let mut bytes = Vec::new();
            put_facet(facet, &mut bytes);
            assert_eq!(read_facet(&bytes), Some(Some(facet.clone())));
            bytes
        })
        .collect();
    assert!(stored.is_sorted() && facets.is_sorted());
    assert_eq!(read_facet(&EVERYTHING), Some(None));
    assert_eq!(read_facet(&RIDING_ZONE), Some(None));
    for damaged in [&[][..], &[1], &[1, b'x'], &[2, 0, 0], &[2, 0, 0, 0, 0], &[9, 0]] {
        assert_eq!(read_facet(damaged), None, "{damaged:?}");
    }
}

#[test]
fn an_entity_has_a_facet_for_all_that_it_can_be_found_by() {
    let mut entity = Entity::created(
        entitygraph_schema::NewEntity {
            id: id(1),
            name: text(""),
            kind: text("k"),
            source: None,
            placement: Placement { parent: Some(id(2)), ..Placement::default() },
            radius: 0.0,
            zone: Some(entitygraph_schema::Aabb::cube(1.0).unwrap()),
            root: false,
            labels: [text("l")].into(),
            owner: None,
            layer: Default::default(),
            ordinal: 0,
            components: Components([(ComponentId::new(3).unwrap(), Default::default())].into()),
        },
        Default::default(),
    );
    let facets = |entity: &Entity| {
        let mut found = Vec::new();
        facets_of(entity, &mut Vec::new(), |facet| found.push(hex(facet)));
        found
    };
    assert_eq!(facets(&entity), ["00", "016b00", "0300000003", "046c00", "05"]);
    entity.placement.pose = Some(entitygraph_schema::Pose::IDENTITY);
    assert_eq!(facets(&entity), ["00", "016b00", "0300000003", "046c00"]);
}

#[test]
fn the_end_of_a_prefix_is_after_all_keys_with_it() {
    assert_eq!(end_of(&[1, 2]), [1, 3]);
    assert_eq!(end_of(&[1, 0xff]), [2]);
    assert_eq!(after(&[1]), [1, 0]);
}

#[test]
fn the_documented_table_is_the_one_in_the_code() {
    let code = include_str!("../keys.rs").lines().filter_map(|line| line.strip_prefix("//! "));
    let table: Vec<_> = code.filter(|line| line.starts_with('|')).collect();
    let documented = include_str!("../../../../../docs/data-model.md");
    assert!(
        table.len() > 20 && documented.contains(&table.join("\n")),
        "copy the table to docs/data-model.md"
    );
}

#[test]
fn every_row_is_in_the_table() {
    let table = include_str!("../keys.rs");
    let rows = [
        Row::Meta,
        Row::Entity,
        Row::Buried,
        Row::Child,
        Row::ChildName,
        Row::Name,
        Row::Owner,
        Row::Port,
        Row::Branch,
        Row::Tally,
        Row::Link,
        Row::ZoneLink,
        Row::Component,
        Row::Container,
        Row::Placed,
        Row::Host,
        Row::Reach,
        Row::Commit,
        Row::Operation,
        Row::IdleOperation,
    ];
    for row in rows {
        assert!(table.contains(&format!("//! | {:02x} |", row as u8)), "{row:?}");
    }
}
