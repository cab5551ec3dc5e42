//! Moving entities under other parents.

use entitygraph_schema::{
    Change, EntityId, NewPose, Operation, Pose, Refusal, Revision,
    query::{ChildOrder, Facet, Near},
};
use glam::DVec3;

use super::{build::*, snapshot::Snapshot};

/// 1 is the world with two turned planets, 2 and 3, and a ship (a zone) 4 in orbit of 2; 9 is another world.
async fn planets(store: &Shared) {
    create(
        store,
        [
            world_root(id(1)),
            zone(id(2), id(1), 1e9, turned(1e11, 0.0, 0.0, 1.0)),
            zone(id(3), id(1), 1e9, turned(-2e11, 5e10, 1e9, -0.7)),
            zone(id(4), id(2), 100.0, turned(1e7, 2e6, 0.0, 0.2)),
            world_root(id(9)),
        ],
    )
    .await;
}

/// Where an entity is in the world, by multiplying all poses above it.
async fn in_world(store: &Shared, entity: EntityId) -> Pose {
    let entity = get(store, entity).await;
    let above = store.ancestors(entity.id).await.unwrap().value;
    let mut pose = entity.placement.pose;
    let mut whole = Pose::IDENTITY;
    for above in above {
        if above.zone.is_some() {
            whole = pose.take().unwrap_or(Pose::IDENTITY).then(&whole);
            pose = above.placement.pose;
        } else {
            pose = pose.or(above.placement.pose);
        }
    }
    whole
}

fn assert_close(one: Pose, other: Pose, metres: f64) {
    let distance = one.translation().distance(other.translation());
    let angle = one.rotation().angle_between(other.rotation());
    assert!(distance <= metres && angle <= 1e-6, "{distance} m and {angle} rad apart: {one:?} {other:?}");
}

fn told(changes: &[Change]) -> Vec<EntityId> {
    let changed = |change: &Change| {
        if let Change::Changed { entity, .. } = change { *entity } else { panic!("{change:?}") }
    };
    changes.iter().map(changed).collect()
}

pub async fn the_place_in_the_world_is_kept_from_zone_to_zone(store: Shared) {
    planets(&store).await;
    create(&store, [thing(id(5), id(4)).at(turned(3.0, -4.0, 5.0, 2.0))]).await;
    for parent in [2, 3, 1, 4, 3, 4] {
        let before = in_world(&store, id(5)).await;
        apply(&store, [reparent(id(5), id(parent), NewPose::KeepWorld)]).await;
        assert_eq!(get(&store, id(5)).await.placement.parent, Some(id(parent)));
        assert_close(in_world(&store, id(5)).await, before, 1e-3);
    }
    // There and back: nothing went through the origin of the world, 1e11 m away.
    assert_close(get(&store, id(5)).await.placement.pose.unwrap(), turned(3.0, -4.0, 5.0, 2.0), 1e-3);
}

pub async fn within_one_zone_the_pose_stays_to_the_last_bit(store: Shared) {
    planets(&store).await;
    let pose = turned(0.1, 0.2, 0.3, 0.4);
    create(&store, [thing(id(5), id(2)), thing(id(6), id(2)).at(pose)]).await;
    apply(&store, [reparent(id(6), id(5), NewPose::KeepWorld)]).await;
    let entity = get(&store, id(6)).await;
    assert_eq!(entity.placement.parent, Some(id(5)));
    assert!(entity.placement.pose.unwrap().same_bits(&pose));
}

pub async fn what_rode_with_its_parent_gets_the_place_where_it_was(store: Shared) {
    planets(&store).await;
    let seat = turned(7.0, 0.0, 0.0, 0.5);
    create(
        &store,
        [thing(id(5), id(4)).at(seat), thing(id(6), id(5)), thing(id(7), id(6)), thing(id(8), id(4))],
    )
    .await;
    let before = in_world(&store, id(7)).await;
    apply(&store, [reparent(id(7), id(4), NewPose::KeepWorld), reparent(id(8), id(5), NewPose::KeepWorld)])
        .await;
    assert_eq!(get(&store, id(7)).await.placement.pose, Some(seat));
    assert_eq!(get(&store, id(8)).await.placement.pose, Some(Pose::IDENTITY));
    assert_close(in_world(&store, id(7)).await, before, 1e-3);
    apply(&store, [reparent(id(6), id(2), NewPose::KeepWorld)]).await;
    assert_close(in_world(&store, id(6)).await, before, 1e-3);
}

pub async fn the_new_pose_can_be_given_or_left_out(store: Shared) {
    planets(&store).await;
    create(&store, [thing(id(5), id(4)).at(at(1.0, 1.0, 1.0))]).await;
    let pose = turned(9.0, 8.0, 7.0, 0.1);
    apply(&store, [reparent(id(5), id(3), NewPose::At(pose))]).await;
    assert!(get(&store, id(5)).await.placement.pose.unwrap().same_bits(&pose));
    apply(&store, [reparent(id(5), id(4), NewPose::Ride)]).await;
    assert_eq!(get(&store, id(5)).await.placement.pose, None);
}

pub async fn everything_below_moves_along_and_a_zone_is_one_write(store: Shared) {
    planets(&store).await;
    create(
        &store,
        [
            thing(id(5), id(4)).at(at(1.0, 2.0, 3.0)),
            thing(id(6), id(5)),
            thing(id(7), id(4)).at(at(5.0, 0.0, 0.0)),
        ],
    )
    .await;
    let receipt = apply(&store, [reparent(id(4), id(3), NewPose::KeepWorld)]).await;
    let commit = commit_at(&store, receipt.cursor).await;
    match &commit.changes[..] {
        [Change::Changed { entity, left, delta }] => {
            assert_eq!((*entity, *left, delta.revision), (id(4), Some(id(2)), Revision::from_number(2)));
            assert_eq!(delta.patch.parent, Some((id(3), None)));
            assert!(delta.patch.pose.is_some());
        }
        other => panic!("{other:?}"),
    }
    let above = store.ancestors(id(6)).await.unwrap().value;
    assert_eq!(ids(&above), [id(5), id(4), id(3), id(1)]);
    assert_eq!(get(&store, id(5)).await.placement.pose, Some(at(1.0, 2.0, 3.0)));
}

pub async fn what_stands_below_something_that_is_no_zone_keeps_its_place_and_is_told(store: Shared) {
    planets(&store).await;
    create(
        &store,
        [
            thing(id(5), id(4)).at(at(1.0, 0.0, 0.0)),
            thing(id(6), id(5)),
            thing(id(7), id(6)).at(at(2.0, 0.0, 0.0)),
            zone(id(8), id(6), 5.0, at(3.0, 0.0, 0.0)),
            thing(id(10), id(8)).at(at(4.0, 0.0, 0.0)),
        ],
    )
    .await;
    let mut before = Vec::new();
    for number in [5, 7, 8, 10] {
        before.push((id(number), in_world(&store, id(number)).await));
    }
    let receipt = apply(&store, [reparent(id(5), id(3), NewPose::KeepWorld)]).await;
    let mut changed = told(&commit_at(&store, receipt.cursor).await.changes);
    changed.sort();
    assert_eq!(changed, [id(5), id(7), id(8)]);
    for (entity, pose) in before {
        assert_close(in_world(&store, entity).await, pose, 1e-3);
    }
    assert_eq!(get(&store, id(10)).await.placement.pose, Some(at(4.0, 0.0, 0.0)));
    // Even when the carrier itself is put elsewhere.
    let stands = in_world(&store, id(7)).await;
    apply(&store, [reparent(id(5), id(2), NewPose::At(at(0.0, 0.0, 0.0)))]).await;
    assert_close(in_world(&store, id(7)).await, stands, 1e-3);
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}

pub async fn a_cycle_is_refused_however_long(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(2)), thing(id(4), id(3))]).await;
    for parent in [2, 3, 4] {
        for pose in [NewPose::KeepWorld, NewPose::Ride, NewPose::At(Pose::IDENTITY)] {
            let refusal = refused(&store, [reparent(id(2), id(parent), pose)]).await;
            assert_eq!(refusal, Refusal::Cycle { entity: id(2), parent: id(parent) });
        }
    }
    let root = refused(&store, [reparent(id(1), id(4), NewPose::Ride)]).await;
    assert_eq!(root, Refusal::Cycle { entity: id(1), parent: id(4) });
    // What earlier steps did counts: after the swap 2 is below 4.
    let swap = [reparent(id(4), id(1), NewPose::Ride), reparent(id(2), id(4), NewPose::Ride)];
    apply(&store, swap).await;
    let refusal = refused(&store, [reparent(id(4), id(3), NewPose::Ride)]).await;
    assert_eq!(refusal, Refusal::Cycle { entity: id(4), parent: id(3) });
}

pub async fn nobody_moves_or_is_moved_to_who_is_not_there(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(1))]).await;
    apply(&store, [bury(id(3))]).await;
    for number in [3, 77] {
        let unknown = Refusal::UnknownEntity { entity: id(number) };
        assert_eq!(refused(&store, [reparent(id(number), id(1), NewPose::Ride)]).await, unknown);
        assert_eq!(refused(&store, [reparent(id(2), id(number), NewPose::Ride)]).await, unknown);
    }
}

pub async fn another_world_has_no_same_place(store: Shared) {
    planets(&store).await;
    create(
        &store,
        [
            thing(id(5), id(4)).at(at(1.0, 0.0, 0.0)),
            thing(id(6), id(4)),
            thing(id(7), id(6)).at(at(1.0, 0.0, 0.0)),
        ],
    )
    .await;
    for entity in [4, 5, 6] {
        let refusal = refused(&store, [reparent(id(entity), id(9), NewPose::KeepWorld)]).await;
        assert!(matches!(refusal, Refusal::Invalid { .. }), "{refusal:?}");
    }
    // 7 stands below 6, and has no same place there either.
    let refusal = refused(&store, [reparent(id(6), id(9), NewPose::Ride)]).await;
    assert!(matches!(refusal, Refusal::Invalid { .. }), "{refusal:?}");
    apply(&store, [reparent(id(4), id(9), NewPose::At(at(0.0, 0.0, 0.0)))]).await;
    assert_eq!(ids(&store.ancestors(id(7)).await.unwrap().value), [id(6), id(4), id(9)]);
}

pub async fn a_world_root_can_be_put_into_another_world(store: Shared) {
    planets(&store).await;
    create(&store, [thing(id(10), id(9)).at(at(1.0, 0.0, 0.0))]).await;
    let refusal = refused(&store, [reparent(id(9), id(1), NewPose::KeepWorld)]).await;
    assert!(matches!(refusal, Refusal::Invalid { .. }), "{refusal:?}");
    let receipt = apply(&store, [reparent(id(9), id(1), NewPose::At(at(5.0, 0.0, 0.0)))]).await;
    assert!(matches!(
        &commit_at(&store, receipt.cursor).await.changes[..],
        [Change::Changed { left: None, .. }]
    ));
    assert_eq!(rows(store.children(None, ChildOrder::Ordinal, everything()).await), [id(1)]);
    assert_close(in_world(&store, id(10)).await, at(6.0, 0.0, 0.0), 1e-9);
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}

pub async fn a_move_to_where_it_is_changes_nothing(store: Shared) {
    planets(&store).await;
    create(&store, [thing(id(5), id(4)).at(at(1.0, 0.0, 0.0)), thing(id(6), id(4))]).await;
    let newest = *store.newest().borrow();
    let same = [
        reparent(id(5), id(4), NewPose::KeepWorld),
        reparent(id(5), id(4), NewPose::At(at(1.0, 0.0, 0.0))),
        reparent(id(6), id(4), NewPose::Ride),
    ];
    assert_eq!(apply(&store, same).await.cursor, newest);
    let there_and_back = [
        reparent(id(5), id(2), NewPose::At(at(2.0, 0.0, 0.0))),
        reparent(id(5), id(4), NewPose::At(at(1.0, 0.0, 0.0))),
    ];
    assert_eq!(apply(&store, there_and_back).await.cursor, newest);
}

pub async fn every_question_finds_the_moved_at_its_new_place_only(store: Shared) {
    planets(&store).await;
    create(
        &store,
        [thing(id(5), id(2)).at(at(10.0, 0.0, 0.0)).of_kind("crate"), thing(id(6), id(5)).of_kind("nut")],
    )
    .await;
    apply(&store, [reparent(id(5), id(3), NewPose::At(at(20.0, 0.0, 0.0)))]).await;
    let nuts = [Facet::Kind(text("nut"))];
    for (zone, expected) in [(2, false), (3, true), (1, true)] {
        let found = rows(store.find(Some(id(zone)), &nuts, everything()).await);
        assert_eq!(found == [id(6)], expected, "below {zone}: {found:?}");
        let counts = store.counts(Some(id(zone))).await.unwrap().value;
        assert_eq!(counts.contains(&(Facet::Kind(text("nut")), 1)), expected, "below {zone}: {counts:?}");
    }
    let near = |zone, x| Near {
        zone: id(zone),
        point: DVec3::new(x, 0.0, 0.0),
        radius: Some(1.0),
        min_angular_size: None,
        layer: entitygraph_schema::Layer::ZERO,
    };
    assert_eq!(store.near(&near(2, 10.0)).await.unwrap().value, []);
    assert_eq!(store.near(&near(3, 20.0)).await.unwrap().value.len(), 1);
    assert!(!rows(store.children(Some(id(2)), ChildOrder::Name, everything()).await).contains(&id(5)));
    assert_eq!(rows(store.children(Some(id(3)), ChildOrder::Name, everything()).await), [id(5)]);
}

pub async fn a_place_that_a_conversion_takes_too_far_is_refused(store: Shared) {
    create(&store, [world_root(id(1)), zone(id(2), id(1), 1.0, at(0.9e21, 0.0, 0.0))]).await;
    create(&store, [thing(id(3), id(2)).at(at(0.9e21, 0.0, 0.0))]).await;
    let step: Operation = reparent(id(3), id(1), NewPose::KeepWorld);
    assert!(matches!(refused(&store, [step]).await, Refusal::Space(_)));
}
