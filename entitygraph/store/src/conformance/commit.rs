//! Transactions: all or nothing, one after the other.

use entitygraph_schema::{
    Change, ContainerVersion, Cursor, EntityId, Epoch, NewPose, Operation, Patch, Precondition, Refusal,
    Revision, Transaction, Value,
};

use super::build::*;
use super::snapshot::Snapshot;

pub async fn an_empty_store_is_at_cursor_zero(store: Shared) {
    assert_eq!(Snapshot::take(&store).await, Snapshot::default());
    assert_eq!(store.sync().await.unwrap().0, Cursor::ZERO);
}

pub async fn a_store_says_what_it_is(store: Shared) {
    let info = store.info();
    assert!(!info.engine.is_empty() && !info.location.is_empty(), "{info:?}");
    store.disk_bytes().await.unwrap();
    store.room().await.unwrap();
    store.compact().await.unwrap();
}

pub async fn each_transaction_that_changes_something_has_the_next_cursor(store: Shared) {
    for number in 1..=3 {
        let receipt = create(&store, [world_root(id(number))]).await;
        assert_eq!((receipt.cursor.number(), receipt.replayed), (number, false));
        assert_eq!(*store.newest().borrow(), receipt.cursor);
        assert_eq!(store.entities(&[id(number)]).await.unwrap().cursor, receipt.cursor);
    }
}

pub async fn a_transaction_that_changes_nothing_has_the_cursor_of_the_one_before(store: Shared) {
    let first = create(&store, [world_root(id(1)).called("Sol")]).await;
    assert_eq!(apply(&store, []).await, first);
    assert_eq!(apply(&store, [rename(id(1), "Sol")]).await, first);
    assert_eq!(apply(&store, [rename(id(1), "Sun"), rename(id(1), "Sol")]).await, first);
    assert_eq!(get(&store, id(1)).await.revision, Revision::from_number(1));
    assert_eq!(*store.newest().borrow(), first.cursor);
}

pub async fn a_refused_step_undoes_every_step_before_it(store: Shared) {
    let hull = publish_component(&store, component("hull", &[("points", Value::Int(1))])).await;
    create(&store, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(2)), thing(id(4), id(1))]).await;
    apply(&store, [jump(id(2), id(4), 1.0), jump(id(1), id(3), 2.0)]).await;
    let refusal = refused(
        &store,
        [
            Operation::PublishComponent(component(
                "hull",
                &[("points", Value::Int(2)), ("more", Value::Bool(true))],
            )),
            Operation::PublishContainer(container("box", "box")),
            Operation::Create(thing(id(5), id(3)).with(&hull, &[("points", Value::Int(5))])),
            rename(id(2), "changed"),
            reparent(id(3), id(4), entitygraph_schema::NewPose::Ride),
            jump(id(2), id(4), 9.0),
            jump(id(4), id(5), 1.0),
            jump(id(1), id(2), 4.0),
            Operation::Unlink { kind: text("jump"), a: id(3), b: id(1) },
            bury_all(id(4)),
            rename(id(77), "nobody"),
        ],
    )
    .await;
    assert_eq!(refusal, Refusal::UnknownEntity { entity: id(77) });
    // What was buried on the way lives, and what was made on the way can be made.
    apply(&store, [rename(id(4), "alive"), Operation::Create(thing(id(5), id(3)))]).await;
}

pub async fn later_steps_see_what_earlier_ones_did(store: Shared) {
    apply(
        &store,
        [
            Operation::Create(world_root(id(1))),
            Operation::Create(thing(id(2), id(1))),
            Operation::Create(thing(id(3), id(2))),
            jump(id(2), id(3), 1.0),
            rename(id(3), "third"),
            bury(id(3)),
            bury(id(2)),
        ],
    )
    .await;
    assert_eq!(Snapshot::take(&store).await.entities.into_keys().collect::<Vec<_>>(), [id(1)]);
}

pub async fn preconditions_are_judged_before_the_first_step(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    let made = Transaction::of([Operation::Create(thing(id(2), id(1)))]);
    let exists = made.clone().expecting(Precondition::Exists(id(2)));
    assert_eq!(refused_whole(&store, exists).await, Refusal::UnknownEntity { entity: id(2) });
    store.commit(made.expecting(Precondition::Absent(id(2)))).await.unwrap();
}

pub async fn preconditions_about_existence_and_revision_are_kept(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1))]).await;
    apply(&store, [rename(id(2), "renamed"), bury(id(2)), Operation::Create(thing(id(3), id(1)))]).await;
    let holding = [
        Precondition::Exists(id(1)),
        Precondition::Absent(id(2)),
        Precondition::Absent(id(9)),
        Precondition::Revision(id(3), Revision::from_number(1)),
    ];
    store.commit(Transaction { preconditions: holding.into(), ..Transaction::default() }).await.unwrap();
    let stale = |expected| {
        let (expected, found) = (Revision::from_number(expected), Revision::from_number(1));
        Refusal::StaleRevision { entity: id(3), expected, found }
    };
    let broken = [
        (Precondition::Exists(id(2)), Refusal::UnknownEntity { entity: id(2) }),
        (Precondition::Exists(id(9)), Refusal::UnknownEntity { entity: id(9) }),
        (Precondition::Absent(id(1)), Refusal::EntityExists { entity: id(1) }),
        (Precondition::Revision(id(9), Revision::from_number(1)), Refusal::UnknownEntity { entity: id(9) }),
        (Precondition::Revision(id(3), Revision::ZERO), stale(0)),
        (Precondition::Revision(id(3), Revision::from_number(2)), stale(2)),
    ];
    for (precondition, refusal) in broken {
        let transaction = Transaction::of([rename(id(1), "never")]).expecting(precondition);
        assert_eq!(refused_whole(&store, transaction).await, refusal);
    }
}

pub async fn a_newer_epoch_is_taken_over_with_the_write_and_an_older_one_is_refused(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1))]).await;
    let under = |epoch, name: &str| {
        Transaction::of([rename(id(2), name)])
            .expecting(Precondition::Epoch(id(2), Epoch::from_number(epoch)))
    };
    store.commit(under(0, "zero")).await.unwrap();
    assert_eq!(get(&store, id(2)).await.epoch, Epoch::ZERO);
    let receipt = store.commit(under(7, "seven")).await.unwrap().0;
    let entity = get(&store, id(2)).await;
    assert_eq!((entity.epoch, entity.revision), (Epoch::from_number(7), Revision::from_number(3)));
    match &commit_at(&store, receipt.cursor).await.changes[..] {
        [Change::Changed { delta, .. }] => assert_eq!(delta.epoch, Epoch::from_number(7)),
        other => panic!("{other:?}"),
    }
    // Who does not know about epochs writes on, under the one that is.
    apply(&store, [rename(id(2), "anyone")]).await;
    assert_eq!(get(&store, id(2)).await.epoch, Epoch::from_number(7));
    let (given, found) = (Epoch::from_number(6), Epoch::from_number(7));
    assert_eq!(
        refused_whole(&store, under(6, "six")).await,
        Refusal::StaleEpoch { entity: id(2), given, found }
    );
    let unknown = Transaction::default().expecting(Precondition::Epoch(id(9), Epoch::ZERO));
    assert_eq!(refused_whole(&store, unknown).await, Refusal::UnknownEntity { entity: id(9) });
}

pub async fn a_write_of_what_is_there_already_still_takes_a_newer_epoch_over(store: Shared) {
    create(&store, [world_root(id(1)).called("Sol")]).await;
    let epoch = |number| Precondition::Epoch(id(1), Epoch::from_number(number));
    // A precondition alone writes nothing.
    store.commit(Transaction::default().expecting(epoch(5))).await.unwrap();
    assert_eq!(get(&store, id(1)).await.epoch, Epoch::ZERO);
    let touch = Transaction::of([Operation::Change(id(1), Patch::default())]);
    let receipt = store.commit(touch.clone().expecting(epoch(5))).await.unwrap().0;
    assert_eq!(receipt.cursor.number(), 2);
    assert_eq!(get(&store, id(1)).await.epoch, Epoch::from_number(5));
    assert_eq!(store.commit(touch.expecting(epoch(5))).await.unwrap().0.cursor, receipt.cursor);
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}

pub async fn an_epoch_is_raised_from_what_is_known_of_it(store: Shared) {
    create(&store, [world_root(id(1)).called("Sol")]).await;
    let epoch = |number| Precondition::Epoch(id(1), Epoch::from_number(number));
    let raise = |known, to| {
        let touch = Transaction::of([Operation::Change(id(1), Patch::default())]);
        touch.expecting(epoch(known)).expecting(epoch(to))
    };
    store.commit(raise(0, 5)).await.unwrap();
    assert_eq!(get(&store, id(1)).await.epoch, Epoch::from_number(5));
    // Somebody raised it meanwhile: whoever does not know that is refused, however high the number is that he wants.
    let (given, found) = (Epoch::from_number(4), Epoch::from_number(5));
    let refusal = refused_whole(&store, raise(4, 9)).await;
    assert_eq!(refusal, Refusal::StaleEpoch { entity: id(1), given, found });
    store.commit(raise(5, 9)).await.unwrap();
    assert_eq!(get(&store, id(1)).await.epoch, Epoch::from_number(9));
}

pub async fn a_container_version_is_a_precondition(store: Shared) {
    let first = publish_container(&store, container("box", "box")).await;
    let expecting = |version| {
        let version = ContainerVersion::from_number(version);
        Transaction::default().expecting(Precondition::ContainerVersion(first.id, version))
    };
    store.commit(expecting(1)).await.unwrap();
    let mut second = container("box", "box");
    second.radius = 2.0;
    publish_container(&store, second).await;
    store.commit(expecting(2)).await.unwrap();
    let (expected, found) = (ContainerVersion::from_number(1), ContainerVersion::from_number(2));
    let stale = Refusal::StaleContainer { container: text("box"), expected, found };
    assert_eq!(refused_whole(&store, expecting(1)).await, stale);
    let nobody = entitygraph_schema::ContainerId::new(99).unwrap();
    let unknown = Transaction::default().expecting(Precondition::ContainerVersion(nobody, expected));
    assert!(matches!(refused_whole(&store, unknown).await, Refusal::UnknownContainer { .. }));
}

pub async fn an_entity_changed_often_in_one_transaction_is_told_once(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(1))]).await;
    let receipt = apply(
        &store,
        [
            rename(id(2), "a"),
            rename(id(3), "b"),
            rename(id(2), "c"),
            moved(id(2), at(1.0, 2.0, 3.0)),
            rename(id(3), ""),
        ],
    )
    .await;
    match &commit_at(&store, receipt.cursor).await.changes[..] {
        [Change::Changed { entity, left: None, delta }] => {
            assert_eq!((*entity, delta.revision), (id(2), Revision::from_number(2)));
            let pose = Some(Some(at(1.0, 2.0, 3.0)));
            assert_eq!(delta.patch, Patch { name: Some(text("c")), pose, ..Patch::default() });
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(get(&store, id(3)).await.revision, Revision::from_number(1));
}

pub async fn an_entity_made_and_changed_in_one_transaction_is_told_as_it_came_out(store: Shared) {
    let receipt = apply(
        &store,
        [
            Operation::Create(world_root(id(1))),
            Operation::Create(thing(id(2), id(1))),
            Operation::Create(thing(id(3), id(1))),
            rename(id(2), "second"),
            reparent(id(2), id(3), entitygraph_schema::NewPose::Ride),
        ],
    )
    .await;
    let told: Vec<_> = commit_at(&store, receipt.cursor).await.changes.clone();
    let made: Vec<_> =
        told.iter().map(|change| if let Change::Created(made) = change { made.id } else { id(99) }).collect();
    assert_eq!(made, [id(1), id(3), id(2)], "parents first");
    let entity = get(&store, id(2)).await;
    assert_eq!((entity.name.as_str(), entity.revision), ("second", Revision::from_number(1)));
    assert!(told.contains(&Change::Created(entity)));
}

pub async fn an_entity_made_and_buried_in_one_transaction_is_told_as_buried(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    let made = thing(id(2), id(1)).called("short-lived");
    let receipt = apply(&store, [Operation::Create(made.clone()), bury(id(2))]).await;
    let last = entitygraph_schema::Entity::created(made, Epoch::ZERO);
    assert_eq!(commit_at(&store, receipt.cursor).await.changes, [Change::Buried(last.into())]);
    let again = refused(&store, [Operation::Create(thing(id(2), id(1)))]).await;
    assert_eq!(again, Refusal::EntityBuried { entity: id(2) });
}

pub async fn an_entity_changed_and_buried_in_one_transaction_is_told_as_readers_knew_it(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(1))]).await;
    let away = reparent(id(3), id(2), entitygraph_schema::NewPose::Ride);
    let known = get(&store, id(3)).await;
    let receipt = apply(&store, [rename(id(3), "late"), away, bury(id(3))]).await;
    assert_eq!(commit_at(&store, receipt.cursor).await.changes, [Change::Buried(known)]);
}

pub async fn accepted_transactions_are_visible_at_once_and_durable_after_sync(store: Shared) {
    let accepted = store.accept(Transaction::of([Operation::Create(world_root(id(1)))])).await.unwrap().0;
    assert_eq!(accepted.cursor.number(), 1);
    get(&store, id(1)).await;
    assert_eq!(*store.newest().borrow(), accepted.cursor);
    assert_eq!(store.sync().await.unwrap().0, accepted.cursor);
    assert_eq!(create(&store, [world_root(id(2))]).await.cursor.number(), 2);
}

pub async fn what_left_its_parent_and_was_buried_with_it_is_told_before_it(store: Shared) {
    let things = [thing(id(2), id(1)), thing(id(3), id(1)), thing(id(4), id(2)), thing(id(5), id(4))];
    create(&store, [world_root(id(1))].into_iter().chain(things)).await;
    // 4 goes from 2 to 3 with 5 in it; readers are not told, because it is gone when they are.
    let moved = reparent(id(4), id(3), NewPose::Ride);
    let receipt = apply(&store, [moved, bury(id(2)), bury_all(id(3))]).await;
    let changes = &commit_at(&store, receipt.cursor).await.changes;
    let told: Vec<_> = changes
        .iter()
        .map(|change| if let Change::Buried(last) = change { last.id.get() } else { 0 })
        .collect();
    assert_eq!(told, [5, 4, 2, 3]);
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}

pub async fn among_many_new_entities_one_whose_id_was_used_is_refused(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(1)), thing(id(4), id(2))]).await;
    apply(&store, [bury(id(3))]).await;
    let many = |from: u64, one: EntityId, parent: EntityId| -> Vec<_> {
        let new = (from..from + 100).map(id).chain([one]);
        new.map(|new| Operation::Create(thing(new, parent))).collect()
    };
    let in_use = Refusal::EntityExists { entity: id(4) };
    assert_eq!(refused(&store, many(100, id(4), id(1))).await, in_use);
    assert_eq!(refused(&store, many(100, id(3), id(1))).await, Refusal::EntityBuried { entity: id(3) });
    // Nor when what is made goes again with its parent, in the same transaction.
    let made = vec![Operation::Create(thing(id(99), id(1)))];
    let gone = [made, many(100, id(4), id(99)), vec![bury_all(id(99))]].concat();
    assert_eq!(refused(&store, gone).await, in_use);
    // What is asked beside it is done.
    let (good, bad) = tokio::join!(
        store.commit(Transaction::of(many(300, id(400), id(1)))),
        store.commit(Transaction::of(many(500, id(4), id(1)))),
    );
    good.unwrap();
    assert_eq!(denied(bad), in_use);
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}
