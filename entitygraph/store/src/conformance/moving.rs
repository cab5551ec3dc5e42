//! Moving whole worlds: what is there is listed record by record, and taken over as it is.

use std::{collections::BTreeSet, sync::Arc};

use entitygraph_schema::{
    Change, ComponentType, Container, ContainerDraft, ContainerVersion, Entity, EntityId, Epoch, Link,
    NewEntity, NewPose, Operation, Port, Refusal, Revision, Transaction, Value,
    query::{ChildOrder, PageRequest, Record, RecordSort},
};

use super::{build::*, compare::compare_worlds, random::Generator, snapshot::Snapshot};
use crate::MemoryStore;

/// The entity of a draft at a revision, as another store would have it.
fn grown(new: NewEntity, revision: u64) -> Arc<Entity> {
    let revision = Revision::from_number(revision);
    Arc::new(Entity { revision, ..Entity::created(new, Epoch::from_number(3)) })
}

fn adopt(entities: impl IntoIterator<Item = Arc<Entity>>) -> Operation {
    Operation::Adopt(entities.into_iter().collect())
}

pub async fn more_are_adopted_at_once_than_a_transaction_has_operations(store: Shared) {
    // A transaction names no more than 20,000, and what it moves or buries comes to that.
    const MANY: u64 = 20_001;
    apply(&store, [adopt([grown(world_root(id(1)), 1)])]).await;
    apply(&store, [adopt((2..MANY + 2).map(|number| grown(thing(id(number), id(1)), 1)))]).await;
    assert_eq!(store.total(None).await.unwrap().value, MANY + 1);
}

/// All records of a sort, some at a time.
async fn all(store: &Shared, sort: RecordSort, first: usize) -> Vec<Record> {
    walk(first, |page| store.records(sort, page)).await.into_iter().map(|(record, _)| record).collect()
}

fn entities(records: &[Record]) -> Vec<EntityId> {
    records
        .iter()
        .filter_map(|r| if let Record::Entity(entity) = r { Some(entity.id) } else { None })
        .collect()
}

pub async fn everything_is_listed_once_and_in_order(store: Shared) {
    for sort in RecordSort::ALL {
        assert_eq!(all(&store, sort, 5).await, [], "{sort:?}");
    }
    create(&store, [world_root(id(900)), thing(id(7), id(900)), thing(id(u64::MAX), id(7))]).await;
    create(&store, [thing(id(1 << 40), id(900)), thing(id(8), id(u64::MAX)), thing(id(9), id(8))]).await;
    let road = |a, b, cost| Link { kind: text("road"), a: id(a), b: id(b), cost };
    apply(&store, [jump(id(900), id(7), 2.0), jump(id(7), id(8), 1.0), jump(id(9), id(900), 4.0)]).await;
    apply(&store, [Operation::Link(road(7, 8, 3.0)), Operation::Link(road(8, 900, 3.0)), bury(id(1 << 40))])
        .await;
    create(&store, [thing(id(3), id(900))]).await;
    apply(&store, [bury(id(3))]).await;
    for first in [1, 2, 100] {
        let living = all(&store, RecordSort::Entity, first).await;
        assert_eq!(entities(&living), [7, 8, 9, 900, u64::MAX].map(id));
        for record in living {
            let Record::Entity(entity) = record else { panic!("{record:?}") };
            assert_eq!(entity, get(&store, entity.id).await);
        }
        let buried = [3, 1 << 40].map(|gone| Record::Buried(id(gone)));
        assert_eq!(all(&store, RecordSort::Buried, first).await, buried);
        let jump = |a, b, cost| Link { kind: text("jump"), ..road(a, b, cost) };
        let links =
            [jump(7, 8, 1.0), jump(7, 900, 2.0), road(7, 8, 3.0), road(8, 900, 3.0), jump(9, 900, 4.0)];
        assert_eq!(all(&store, RecordSort::Link, first).await, links.map(Record::Link));
    }
    let page = store.records(RecordSort::Entity, PageRequest::first(1)).await.unwrap();
    assert_eq!(page.cursor, *store.newest().borrow());
    let elsewhere = PageRequest { first: 1, after: page.value.end };
    let refusal = denied(store.records(RecordSort::Buried, elsewhere).await);
    assert_eq!(refusal, Refusal::BadPageCursor);
}

pub async fn links_are_listed_in_order_whatever_order_they_were_made_in(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    create(&store, [6, 7, 8, 9, 900].map(|number| thing(id(number), id(1)))).await;
    let link = |kind, a, b| Link { kind: text(kind), a: id(a), b: id(b), cost: 1.0 };
    let of_one_end = [("air", 8), ("air", 900), ("jump", 8), ("jump", 900), ("road", 8), ("road", 9)]
        .map(|(kind, b)| link(kind, 7, b));
    let listed: Vec<_> =
        std::iter::once(link("road", 6, 9)).chain(of_one_end).chain([link("air", 8, 9)]).collect();
    for link in listed.iter().rev() {
        apply(&store, [Operation::Link(link.clone())]).await;
    }
    let expected: Vec<_> = listed.into_iter().map(Record::Link).collect();
    for first in 1..=3 {
        assert_eq!(all(&store, RecordSort::Link, first).await, expected, "in pages of {first}");
    }
}

pub async fn a_list_of_large_records_is_the_same_in_pages_of_any_size(store: Shared) {
    let large = Value::Bytes(vec![7; Value::MAX_BYTES].into());
    let names: Vec<_> = (0..15).map(|number| format!("part{number}")).collect();
    let values: Vec<_> = names.iter().map(|name| (name.as_str(), large.clone())).collect();
    let defaults: Vec<_> =
        names.iter().map(|name| (name.as_str(), Value::Bytes(Vec::new().into()))).collect();
    let cargo = publish_component(&store, component("cargo", &defaults)).await;
    create(&store, [world_root(id(1))]).await;
    for number in 2..=20 {
        create(&store, [thing(id(number), id(1)).with(&cargo, &values)]).await;
    }
    let mut seen = Vec::new();
    let mut page = PageRequest::first(20);
    loop {
        let answer = store.records(RecordSort::Entity, page.clone()).await.unwrap().value;
        assert!(!answer.rows.is_empty(), "an empty page is no way on");
        let records: Vec<_> = answer.rows.into_iter().map(|(record, _)| record).collect();
        seen.extend(entities(&records));
        if !answer.more {
            break;
        }
        page.after = answer.end;
    }
    assert_eq!(seen, (1..=20).map(id).collect::<Vec<_>>());
    assert_eq!(get(&store, id(20)).await.components, values_of(&cargo, &values));
}

pub async fn what_moves_and_changes_is_listed_once_all_the_same(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    create(&store, (2..=61).map(|number| thing(id(number), id(1)))).await;
    let mut seen = Vec::new();
    let mut page = PageRequest::first(4);
    loop {
        let answer = store.records(RecordSort::Entity, page.clone()).await.unwrap().value;
        let records: Vec<_> = answer.rows.into_iter().map(|(record, _)| record).collect();
        seen.extend(entities(&records));
        if !answer.more {
            break;
        }
        page.after = answer.end;
        // Those on both sides of the page go to the other side of the tree, and all of them change.
        let (last, low) = (seen[seen.len() - 1].get(), id(2 + seen.len() as u64 % 3));
        if last < 61 {
            let rides = |entity, parent| reparent(entity, parent, NewPose::Ride);
            apply(&store, [rides(id(61), low), rides(low, id(1)), rename(id(last + 1), "moved")]).await;
            apply(&store, [rides(id(61), id(1)), Operation::Change(id(60), ordinal(last as i64))]).await;
        }
    }
    assert_eq!(seen, (1..=61).map(id).collect::<Vec<_>>());
}

fn ordinal(ordinal: i64) -> entitygraph_schema::Patch {
    entitygraph_schema::Patch { ordinal: Some(ordinal), ..Default::default() }
}

pub async fn an_adopted_entity_is_what_it_was_elsewhere(store: Shared) {
    let hull = publish_component(&store, component("hull", &[("hp", Value::Int(1))])).await;
    let ship = publish_container(&store, container("ship", "ship")).await;
    let root = grown(world_root(id(1)).called("Sol"), 12);
    let whole = thing(id(5), id(1)).instance_of(&ship).called("Comet").at(turned(1.0, 2.0, 3.0, 0.5));
    let whole =
        whole.with(&hull, &[("hp", Value::Int(7))]).owned_by("player:1").labelled(&["red"]).in_layer(2);
    let comet = grown(whole.with_zone(9.0).with_radius(4.0).with_ordinal(-3).rooted(), 40);
    apply(&store, [adopt([root.clone()]), adopt([comet.clone()])]).await;
    assert_eq!((get(&store, id(1)).await, get(&store, id(5)).await), (root, comet.clone()));
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
    apply(&store, [rename(id(5), "Comet II")]).await;
    let renamed = get(&store, id(5)).await;
    assert_eq!(renamed.revision, comet.revision.next(), "it goes on from the revision it came with");
}

pub async fn an_adopted_entity_is_told_with_the_revision_it_came_with(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(1))]).await;
    let newer = grown(thing(id(3), id(2)).called("three"), 9);
    let new = grown(thing(id(4), id(3)), 6);
    let same = get(&store, id(2)).await;
    let receipt = apply(&store, [adopt([new.clone(), newer.clone(), same]), rename(id(3), "third")]).await;
    let changes = &commit_at(&store, receipt.cursor).await.changes;
    let [Change::Created(created), Change::Changed { entity, left, delta }] = &changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!((created, *entity, *left), (&new, id(3), Some(id(1))));
    assert_eq!((delta.revision, delta.epoch), (newer.revision, newer.epoch));
    assert_eq!(delta.patch.parent, Some((id(2), None)));
    assert_eq!(delta.patch.name, Some(text("third")));
    assert_eq!(get(&store, id(3)).await.revision, newer.revision);
    // A revision of its own may be all that is new.
    let later = Arc::new(Entity { revision: Revision::from_number(11), ..Entity::clone(&new) });
    let receipt = apply(&store, [adopt([later.clone()])]).await;
    assert_eq!(get(&store, id(4)).await, later);
    let changes = &commit_at(&store, receipt.cursor).await.changes;
    assert!(
        matches!(&changes[..], [Change::Changed { delta, .. }] if delta.revision == later.revision),
        "{changes:?}"
    );
}

pub async fn only_a_newer_revision_takes_the_place_of_another(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    let known = grown(thing(id(2), id(1)), 5);
    apply(&store, [adopt([known.clone()])]).await;
    let newest = *store.newest().borrow();
    assert_eq!(
        apply(&store, [adopt([known.clone()])]).await.cursor,
        newest,
        "the same again changes nothing"
    );
    let older = Arc::new(Entity { revision: Revision::from_number(4), ..Entity::clone(&known) });
    let other = Arc::new(Entity { name: text("other"), ..Entity::clone(&known) });
    for (adopted, revision) in [(older, 4), (other, 5)] {
        let refusal = refused(&store, [adopt([adopted])]).await;
        let (expected, found) = (Revision::from_number(revision), known.revision);
        assert_eq!(refusal, Refusal::StaleRevision { entity: id(2), expected, found });
    }
}

/// 2 and 3 are docks with the ports `a` and `b`; 4 and 5 are attached at 2.
async fn docks(store: &Shared) -> Arc<Container> {
    let port = |name: &str| Port { name: text(name), accepts: BTreeSet::new() };
    let dock = ContainerDraft { ports: vec![port("a"), port("b")], ..container("dock", "dock") };
    let dock = publish_container(store, dock).await;
    let docks = [thing(id(2), id(1)).instance_of(&dock), thing(id(3), id(1)).instance_of(&dock)];
    create(store, [world_root(id(1))].into_iter().chain(docks)).await;
    create(store, [thing(id(4), id(2)).on_port("a"), thing(id(5), id(2)).on_port("b")]).await;
    dock
}

fn free() -> [Transaction; 2] {
    [("a", 2), ("b", 2)].map(|(port, dock)| {
        Transaction::default().expecting(entitygraph_schema::Precondition::PortFree(id(dock), text(port)))
    })
}

pub async fn entities_adopted_together_are_judged_together(store: Shared) {
    docks(&store).await;
    // Children come before their parents, and both occupants change places.
    let swapped = [grown(thing(id(4), id(2)).on_port("b"), 2), grown(thing(id(5), id(2)).on_port("a"), 2)];
    let chain =
        [grown(thing(id(12), id(11)), 3), grown(thing(id(11), id(10)), 3), grown(thing(id(10), id(4)), 3)];
    apply(&store, [adopt(chain.into_iter().chain(swapped))]).await;
    assert_eq!(get(&store, id(4)).await.placement.port, Some(text("b")));
    let occupied = Refusal::PortOccupied { entity: id(2), port: text("a"), occupant: id(5) };
    assert_eq!(denied(store.commit(free()[0].clone()).await), occupied);
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
    // What was above goes below what was below.
    let turned =
        [grown(thing(id(12), id(1)), 4), grown(thing(id(11), id(12)), 4), grown(thing(id(10), id(11)), 4)];
    apply(&store, [adopt(turned)]).await;
    let above = store.ancestors(id(10)).await.unwrap().value;
    assert_eq!(ids(&above), [11, 12, 1].map(id));
    // An occupant leaves, and another takes its port in the same breath.
    let moved = [grown(thing(id(10), id(2)).on_port("b"), 5), grown(thing(id(4), id(1)), 3)];
    apply(&store, [adopt(moved)]).await;
    apply(&store, [bury(id(10))]).await;
    store.commit(free()[1].clone()).await.unwrap();
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}

pub async fn adopted_entities_may_hold_what_could_not_be_written_any_more(store: Shared) {
    let dock = docks(&store).await;
    publish_container(&store, ContainerDraft { ports: Vec::new(), ..dock.draft.clone() }).await;
    let hull =
        publish_component(&store, component("hull", &[("hp", Value::Int(1)), ("old", Value::Int(1))])).await;
    let held = thing(id(6), id(3)).on_port("a").with(&hull, &[("old", Value::Int(4))]);
    let mut retired = component("hull", &[("hp", Value::Int(1))]);
    retired.retire.insert(text("old"));
    publish_component(&store, retired).await;
    let held = grown(held, 2);
    apply(&store, [adopt([held.clone()])]).await;
    assert_eq!(get(&store, id(6)).await, held);
}

pub async fn adopted_entities_that_cannot_be_are_refused(store: Shared) {
    docks(&store).await;
    create(&store, [thing(id(7), id(4)), thing(id(8), id(7)), thing(id(9), id(1))]).await;
    apply(&store, [bury(id(9))]).await;
    let at_port = |number, port| grown(thing(id(number), id(2)).on_port(port), 4);
    let occupied =
        |port, occupant| Refusal::PortOccupied { entity: id(2), port: text(port), occupant: id(occupant) };
    let root_of_others = Entity { zone: None, ..Entity::clone(&grown(world_root(id(20)), 1)) };
    let hull = component("hull", &[("hp", Value::Int(1))]);
    let hull = ComponentType::clone(&*publish_component(&store, hull).await);
    let wrong = [(hull.id, [(hull.variables[0].id, Value::Bool(true))].into())].into();
    let wrong = Entity {
        components: entitygraph_schema::Components(wrong),
        ..Entity::clone(&grown(thing(id(20), id(1)), 1))
    };
    for (adopted, code) in [
        (vec![grown(thing(id(20), id(77)), 1)], "UNKNOWN_ENTITY"),
        (vec![grown(thing(id(9), id(1)), 2)], "ENTITY_BURIED"),
        (vec![grown(thing(id(20), id(1)), 1), grown(thing(id(20), id(1)), 2)], "INVALID"),
        (vec![grown(thing(id(7), id(8)), 2)], "CYCLE"),
        (vec![grown(thing(id(8), id(8)), 2)], "CYCLE"),
        (vec![grown(thing(id(20), id(21)), 2), grown(thing(id(21), id(20)), 2)], "CYCLE"),
        (vec![grown(thing(id(7), id(1)).of_kind("other"), 2)], "INVALID"),
        (vec![grown(world_root(id(7)).of_kind("thing"), 2)], "INVALID"),
        (vec![Arc::new(root_of_others)], "ROOT_NOT_ZONE"),
        (vec![Arc::new(wrong)], "WRONG_KIND"),
    ] {
        assert_eq!(refused(&store, [adopt(adopted.clone())]).await.code(), code, "{adopted:?}");
    }
    assert_eq!(refused(&store, [adopt([at_port(20, "a")])]).await, occupied("a", 4));
    assert_eq!(refused(&store, [adopt([at_port(4, "b")])]).await, occupied("b", 5));
    let both =
        refused(&store, [adopt([at_port(20, "b"), at_port(21, "b"), grown(thing(id(5), id(1)), 4)])]).await;
    assert_eq!(both.code(), "PORT_OCCUPIED");
    assert_eq!(denied(store.commit(free()[1].clone()).await), occupied("b", 5));
}

/// Who is near the origin of a zone, of those from 10 on.
async fn near(store: &Shared, zone: u64) -> Vec<EntityId> {
    let near = entitygraph_schema::query::Near {
        zone: id(zone),
        point: glam::DVec3::ZERO,
        radius: Some(50.0),
        min_angular_size: None,
        layer: Default::default(),
    };
    let found = store.near(&near).await.unwrap().value.into_iter().map(|hit| hit.entity);
    found.filter(|found| found.get() >= 10).collect::<BTreeSet<_>>().into_iter().collect()
}

async fn zone_links(store: &Shared, zone: u64) -> usize {
    rows(store.zone_links(id(zone), everything()).await).len()
}

pub async fn what_is_below_an_adopted_entity_is_in_the_zone_it_comes_to(store: Shared) {
    let far = |number, x| zone(id(number), id(1), 100.0, at(x, 0.0, 0.0));
    create(&store, [world_root(id(1)), far(2, 1e6), far(3, 2e6)]).await;
    // In zone 2: a crate with a box in it, which stands, a room in that, and a mug on the box.
    let parts = [
        thing(id(10), id(2)).at(at(1.0, 0.0, 0.0)),
        thing(id(11), id(10)).at(at(2.0, 0.0, 0.0)),
        zone(id(12), id(11), 3.0, at(4.0, 0.0, 0.0)),
        thing(id(13), id(12)).at(at(0.5, 0.0, 0.0)),
        thing(id(14), id(11)),
    ];
    create(&store, parts).await;
    apply(&store, [jump(id(14), id(1), 1.0), jump(id(13), id(2), 1.0), jump(id(11), id(10), 2.0)]).await;
    assert_eq!((near(&store, 2).await, near(&store, 3).await), ([10, 11, 12, 13].map(id).into(), vec![]));
    assert_eq!((zone_links(&store, 2).await, zone_links(&store, 3).await), (3, 0));
    // It comes to zone 3 with all of them, and one of them is adopted elsewhere in the same step.
    let moved = [
        grown(thing(id(11), id(10)).at(at(7.0, 0.0, 0.0)), 2),
        grown(thing(id(10), id(3)).at(at(3.0, 0.0, 0.0)), 2),
    ];
    apply(&store, [adopt(moved)]).await;
    assert_eq!((near(&store, 2).await, near(&store, 3).await), (vec![], [10, 11, 12, 13].map(id).into()));
    assert_eq!((zone_links(&store, 2).await, zone_links(&store, 3).await), (1, 2));
    assert_eq!(get(&store, id(12)).await.placement.pose, Some(at(4.0, 0.0, 0.0)), "its pose is as it was");
    // It becomes a zone: what stood beside it stands in it.
    let becomes_zone = thing(id(10), id(3)).at(at(40.0, 0.0, 0.0)).with_zone(60.0);
    apply(&store, [adopt([grown(becomes_zone.clone(), 3)])]).await;
    assert_eq!(near(&store, 10).await, [10, 11, 12, 13].map(id));
    assert_eq!(near(&store, 3).await, [10, 11, 12, 13].map(id));
    assert_eq!((zone_links(&store, 3).await, zone_links(&store, 10).await), (0, 2));
    // And it ceases to be one.
    let again = NewEntity { zone: None, ..becomes_zone };
    apply(&store, [adopt([grown(again, 4)])]).await;
    assert_eq!((near(&store, 3).await, zone_links(&store, 3).await), ([10, 11, 12, 13].map(id).into(), 2));
    let model: Shared = Arc::new(MemoryStore::new());
    take_over(&store, &model).await;
    compare_worlds(&model, &store).await;
}

pub async fn an_entombed_id_never_comes_back(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    let leased = store.lease_ids(1).await.unwrap().first;
    let ahead = leased.checked_add(5).unwrap();
    let receipt =
        apply(&store, [Operation::Entomb(ahead), Operation::Entomb(id(9)), Operation::Entomb(id(9))]).await;
    let told = &commit_at(&store, receipt.cursor).await.changes;
    assert_eq!(told[..], [Change::Entombed(id(9)), Change::Entombed(ahead)]);
    let newest = *store.newest().borrow();
    assert_eq!(apply(&store, [Operation::Entomb(id(9))]).await.cursor, newest);
    assert_eq!(refused(&store, [Operation::Entomb(id(1))]).await, Refusal::EntityExists { entity: id(1) });
    let buried = Refusal::EntityBuried { entity: id(9) };
    assert_eq!(refused(&store, [Operation::Create(thing(id(9), id(1)))]).await, buried);
    assert_eq!(refused(&store, [adopt([grown(thing(id(9), id(1)), 2)])]).await, buried);
    let both = [Operation::Entomb(id(10)), Operation::Create(thing(id(10), id(1)))];
    assert_eq!(refused(&store, both).await, Refusal::EntityBuried { entity: id(10) });
    let lease = store.lease_ids(10).await.unwrap();
    assert!(lease.first > ahead || lease.first.checked_add(9).unwrap() < ahead, "{lease:?} holds {ahead}");
    // As if it had been buried.
    create(&store, [thing(id(10), id(1))]).await;
    apply(&store, [bury(id(10))]).await;
    assert_eq!(all(&store, RecordSort::Buried, 1).await, [id(9), id(10), ahead].map(Record::Buried));
}

pub async fn component_types_and_containers_are_taken_over_with_their_numbers(store: Shared) {
    let hull = publish_component(&store, component("hull", &[("hp", Value::Int(1))])).await;
    let ship = publish_container(&store, container("ship", "ship")).await;
    let number = |number| entitygraph_schema::ComponentId::new(number).unwrap();
    let cargo =
        ComponentType { id: number(7), name: text("cargo"), version: 4, ..ComponentType::clone(&hull) };
    let newer = ComponentType { version: 9, ..ComponentType::clone(&hull) };
    let vessel = Container {
        id: entitygraph_schema::ContainerId::new(40).unwrap(),
        version: ContainerVersion::from_number(3),
        draft: container("vessel", "vessel"),
    };
    let take = |component: &ComponentType| Operation::AdoptComponent(component.clone().into());
    let take_container = |container: &Container| Operation::AdoptContainer(container.clone().into());
    let receipt = apply(&store, [take(&cargo), take(&newer), take_container(&vessel)]).await;
    let told = &commit_at(&store, receipt.cursor).await.changes;
    assert!(
        matches!(&told[..], [Change::Component(_), Change::Component(_), Change::Container(_)]),
        "{told:?}"
    );
    let same = apply(&store, [take(&cargo), take(&newer), take_container(&vessel)]).await;
    assert_eq!(same.cursor, receipt.cursor);
    let catalog = store.catalog();
    assert_eq!(**catalog.registry.get(number(7)).unwrap(), cargo);
    assert_eq!(**catalog.registry.by_name("hull").unwrap(), newer);
    assert_eq!(*newest_container(&catalog, "vessel"), vessel);
    let older = ComponentType { version: 1, ..newer.clone() };
    let renamed = ComponentType { name: text("cargo"), version: 10, ..newer.clone() };
    let elsewhere =
        Container { id: vessel.id, version: vessel.version.next(), draft: container("ship", "ship") };
    let of_other_kind = ContainerDraft { kind: text("boat"), ..vessel.draft.clone() };
    let of_other_kind = Container { version: vessel.version.next(), draft: of_other_kind, ..vessel.clone() };
    let other = ContainerDraft { radius: 5.0, ..vessel.draft.clone() };
    let other = Container { draft: other, ..vessel.clone() };
    for refusal in [
        refused(&store, [take(&older)]).await,
        refused(&store, [take(&renamed)]).await,
        refused(&store, [take_container(&elsewhere)]).await,
        refused(&store, [take_container(&of_other_kind)]).await,
        refused(&store, [take_container(&other)]).await,
    ] {
        assert!(matches!(refusal.code(), "INVALID" | "BAD_CONTAINER"), "{refusal}");
    }
    // Numbering goes on behind the highest.
    let next = publish_container(&store, container("next", "next")).await;
    assert!(next.id > vessel.id && ship.id < vessel.id);
    assert!(publish_component(&store, component("next", &[])).await.id > cargo.id);
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}

/// Puts all that one store holds into another, which is empty.
async fn take_over(from: &Shared, to: &Shared) {
    let catalog = from.catalog();
    let mut operations: Vec<_> = catalog.registry.iter().cloned().map(Operation::AdoptComponent).collect();
    operations.extend(catalog.containers().cloned().map(Operation::AdoptContainer));
    let mut adopted = Vec::new();
    for record in all(from, RecordSort::Entity, 7).await {
        let Record::Entity(entity) = record else { panic!("{record:?}") };
        adopted.push(entity);
    }
    operations.push(Operation::Adopt(adopted));
    for sort in [RecordSort::Buried, RecordSort::Link] {
        operations.extend(all(from, sort, 7).await.into_iter().map(|record| match record {
            Record::Buried(id) => Operation::Entomb(id),
            Record::Link(link) => Operation::Link(link),
            Record::Entity(entity) => panic!("{entity:?}"),
        }));
    }
    apply(to, operations).await;
}

pub async fn a_world_taken_over_record_by_record_answers_alike(store: Shared) {
    let model: Shared = Arc::new(MemoryStore::new());
    let mut generator = Generator::new(11);
    let mut world = Snapshot::default();
    for _ in 0..300 {
        let _ = model.commit(generator.next(&world)).await;
        world.follow(&model).await;
    }
    take_over(&model, &store).await;
    compare_worlds(&model, &store).await;
    let roots = rows(store.children(None, ChildOrder::Ordinal, everything()).await).len();
    assert!(roots > 1 && world.entities.len() > 60 && world.links.len() > 5, "the history is too poor");
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}
