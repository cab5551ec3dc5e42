//! What is near, and which zones are at a point.

use entitygraph_schema::{
    EntityId, Layer, NewEntity, NewPose, Operation, Patch, Refusal,
    query::{Hit, Near},
    space::angular_size,
};
use glam::DVec3;

use super::build::*;

fn around(zone: u64, point: [f64; 3], radius: f64) -> Near {
    let radius = Some(radius);
    Near { zone: id(zone), point: point.into(), radius, min_angular_size: None, layer: Layer::ZERO }
}

fn seen(zone: u64, point: [f64; 3], angle: f64) -> Near {
    Near { radius: None, min_angular_size: Some(angle), ..around(zone, point, 0.0) }
}

async fn hits(store: &Shared, near: Near) -> Vec<Hit> {
    store.near(&near).await.unwrap().value
}

async fn found(store: &Shared, near: Near) -> Vec<EntityId> {
    hits(store, near).await.iter().map(|hit| hit.entity).collect()
}

async fn zones(store: &Shared, zone: u64, point: [f64; 3]) -> Vec<u64> {
    store.zones_at(id(zone), point.into()).await.unwrap().value.iter().map(|zone| zone.get()).collect()
}

pub async fn what_is_near_comes_nearest_first_then_by_id(store: Shared) {
    let places = [(5, 3.0), (4, 1.0), (3, -1.0), (2, 2.0), (6, 100.0)];
    create(&store, [world_root(id(1))]).await;
    create(&store, places.map(|(number, x)| thing(id(number), id(1)).at(at(x, 0.0, 0.0)).with_radius(0.0)))
        .await;
    let found = hits(&store, around(1, [0.0; 3], 3.0)).await;
    let expected = [(3, 1.0), (4, 1.0), (2, 2.0), (5, 3.0)];
    assert_eq!(found, expected.map(|(number, distance)| Hit { entity: id(number), distance, radius: 0.0 }));
}

pub async fn an_entity_is_near_when_its_ball_is(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1)).at(at(1000.0, 0.0, 0.0)).with_radius(900.0)])
        .await;
    assert_eq!(found(&store, around(1, [0.0; 3], 100.0)).await, [id(2)], "on the border");
    assert_eq!(found(&store, around(1, [0.0; 3], 99.99)).await, []);
    assert_eq!(found(&store, around(1, [1000.0, 0.0, 0.0], 0.0)).await, [id(2)], "inside");
    apply(&store, [Operation::Change(id(2), Patch { radius: Some(950.0), ..Patch::default() })]).await;
    assert_eq!(found(&store, around(1, [0.0; 3], 60.0)).await, [id(2)]);
}

pub async fn a_moon_is_seen_from_afar_and_a_mug_beside_it_is_not(store: Shared) {
    let moon = thing(id(2), id(1)).at(at(5e7, 0.0, 0.0)).with_radius(3e5);
    let mug = thing(id(3), id(1)).at(at(5e7, 3.1e5, 0.0)).with_radius(0.05);
    create(&store, [world_root(id(1)), moon, mug]).await;
    assert_eq!(found(&store, seen(1, [0.0; 3], 0.01)).await, [id(2)]);
    let size = angular_size(3e5, 5e7);
    assert_eq!(found(&store, seen(1, [0.0; 3], size)).await, [id(2)], "just large enough");
    assert_eq!(found(&store, seen(1, [0.0; 3], size * 1.001)).await, []);
    assert_eq!(found(&store, seen(1, [5e7, 3.1e5 + 1.0, 0.0], 0.01)).await, [id(3), id(2)]);
    let both = Near { radius: Some(1e6), ..seen(1, [0.0; 3], 0.001) };
    assert_eq!(found(&store, both).await, [], "every limit given is kept");
}

pub async fn what_is_in_other_zones_is_near_through_all_their_poses(store: Shared) {
    // A planet turned by a quarter, a station on it turned again, a crate in the station; a buoy outside.
    let quarter = std::f64::consts::FRAC_PI_2;
    create(
        &store,
        [
            world_root(id(1)),
            zone(id(2), id(1), 1e7, turned(1e9, 0.0, 0.0, quarter)).with_radius(1e6),
            zone(id(3), id(2), 1e3, turned(100.0, 0.0, 0.0, quarter)).with_radius(10.0),
            thing(id(4), id(3)).at(at(0.0, 7.0, 0.0)),
            thing(id(5), id(1)).at(at(1e9, 90.0, 0.0)),
        ],
    )
    .await;
    // The crate is at (93, 0, 0) on the planet and at (1e9, 93, 0) in the world.
    for (zone, point) in [(1, [1e9, 93.0, 0.0]), (2, [93.0, 0.0, 0.0]), (3, [0.0, 7.0, 0.0])] {
        let found = hits(&store, around(zone, point, 5.0)).await;
        let order: Vec<_> = found.iter().map(|hit| hit.entity.get()).collect();
        assert_eq!(order, [4, 5, 3, 2], "from zone {zone}");
        for (hit, distance) in found.iter().zip([0.0, 3.0, 7.0, 93.0]) {
            assert!((hit.distance - distance).abs() < 1e-5, "{hit:?} is {distance} m away");
        }
    }
    // The whole stack moves with one write.
    apply(&store, [moved(id(2), turned(-1e9, 0.0, 0.0, quarter))]).await;
    assert_eq!(found(&store, around(1, [1e9, 93.0, 0.0], 5.0)).await, [id(5)]);
    assert_eq!(found(&store, around(1, [-1e9, 93.0, 0.0], 5.0)).await, [4, 3, 2].map(id));
}

pub async fn a_zone_that_rides_is_where_its_carrier_is(store: Shared) {
    let carrier = thing(id(2), id(1)).at(turned(50.0, 0.0, 0.0, std::f64::consts::PI));
    let mut riding = zone(id(3), id(2), 10.0, at(0.0, 0.0, 0.0));
    riding.placement.pose = None;
    create(&store, [world_root(id(1)), carrier, riding, thing(id(4), id(3)).at(at(1.0, 0.0, 0.0))]).await;
    assert_eq!(found(&store, around(1, [49.0, 0.0, 0.0], 0.5)).await, [4, 2].map(id));
    assert_eq!(zones(&store, 1, [45.0, 0.0, 0.0]).await, [1, 3]);
    apply(&store, [moved(id(2), at(-50.0, 0.0, 0.0))]).await;
    assert_eq!(found(&store, around(1, [-49.0, 0.0, 0.0], 0.5)).await, [4, 2].map(id));
    assert_eq!(zones(&store, 1, [-45.0, 0.0, 0.0]).await, [1, 3]);
    // The carrier's carrier counts as well.
    create(&store, [thing(id(5), id(1)).at(at(0.0, 90.0, 0.0))]).await;
    apply(&store, [reparent(id(2), id(5), NewPose::Ride)]).await;
    assert_eq!(found(&store, around(1, [1.0, 90.0, 0.0], 0.5)).await, [id(4), id(5)]);
    assert_eq!(zones(&store, 1, [0.0, 95.0, 0.0]).await, [1, 3]);
}

pub async fn only_what_has_a_pose_is_near_and_only_in_its_own_world_and_layer(store: Shared) {
    create(
        &store,
        [
            world_root(id(1)),
            thing(id(2), id(1)).at(at(1.0, 0.0, 0.0)),
            thing(id(3), id(1)),
            thing(id(4), id(2)),
            thing(id(5), id(1)).at(at(1.0, 0.0, 0.0)).in_layer(7),
            world_root(id(6)),
            thing(id(7), id(6)).at(at(1.0, 0.0, 0.0)),
        ],
    )
    .await;
    assert_eq!(found(&store, around(1, [0.0; 3], 10.0)).await, [id(2)]);
    assert_eq!(
        found(&store, Near { layer: Layer::from_number(7), ..around(1, [0.0; 3], 10.0) }).await,
        [id(5)]
    );
    assert_eq!(found(&store, around(6, [0.0; 3], 10.0)).await, [id(7)]);
    let to_layer = |layer| Patch { layer: Some(Layer::from_number(layer)), ..Patch::default() };
    apply(&store, [Operation::Change(id(5), to_layer(0)), Operation::Change(id(2), to_layer(7))]).await;
    apply(&store, [moved(id(3), at(2.0, 0.0, 0.0))]).await;
    assert_eq!(found(&store, around(1, [0.0; 3], 10.0)).await, [5, 3].map(id));
}

pub async fn millimetres_count_at_the_far_end_of_the_world(store: Shared) {
    let far = 1e15;
    create(&store, [world_root(id(1)), zone(id(2), id(1), 1e6, at(far, far, -far))]).await;
    let places = [(3, 0.001), (4, 0.003)];
    create(&store, places.map(|(number, x)| thing(id(number), id(2)).at(at(x, 0.0, 0.0)).with_radius(0.0)))
        .await;
    assert_eq!(found(&store, around(2, [0.0; 3], 0.002)).await, [2, 3].map(id));
}

pub async fn positions_on_every_border_are_found_like_any_others(store: Shared) {
    // Powers of two are where cells of a spatial index meet.
    let mut expected = Vec::new();
    let mut made: Vec<NewEntity> = vec![world_root(id(1))];
    let point = DVec3::new(64.0, 0.0, -64.0);
    for (number, exponent) in (2..).zip((-10..20).flat_map(|exponent| [exponent; 6])) {
        let edge = 2f64.powi(exponent);
        let sides = [(edge, 0.0, 0.0), (0.0, -edge, 0.0), (-edge, edge, -edge), (edge, edge, edge)];
        let beside = [(edge - 1e-9, 0.0, -64.0), (-edge + 1e-9, edge, 0.0)];
        let (x, y, z) = sides.into_iter().chain(beside).nth(number as usize % 6).unwrap();
        let radius = if number % 5 == 0 { edge } else { 0.0 };
        made.push(thing(id(number), id(1)).at(at(x, y, z)).with_radius(radius));
        expected.push((DVec3::new(x, y, z).distance(point), radius, id(number)));
    }
    create(&store, made).await;
    for radius in [0.0, 0.5, 64.0, 90.0, 128.0, 1000.0, 1e6] {
        let mut near: Vec<_> =
            expected.iter().filter(|(distance, ball, _)| *distance <= radius + ball).collect();
        near.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.2.cmp(&other.2)));
        let near: Vec<_> = near.into_iter().map(|(_, _, id)| *id).collect();
        assert_eq!(found(&store, around(1, point.to_array(), radius)).await, near, "within {radius} m");
    }
    for angle in [1e-6, 0.01, 0.5, 3.0, std::f64::consts::PI] {
        let mut large: Vec<_> =
            expected.iter().filter(|(distance, ball, _)| angular_size(*ball, *distance) >= angle).collect();
        large.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.2.cmp(&other.2)));
        let large: Vec<_> = large.into_iter().map(|(_, _, id)| *id).collect();
        assert_eq!(found(&store, seen(1, point.to_array(), angle)).await, large, "under {angle} rad");
    }
}

pub async fn questions_about_places_that_make_no_sense_are_refused(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1))]).await;
    let unlimited = Near { radius: None, ..around(1, [0.0; 3], 1.0) };
    assert!(matches!(denied(store.near(&unlimited).await), Refusal::Invalid { .. }));
    for angle in [0.0, -1.0, 3.2, f64::NAN, f64::INFINITY] {
        let refusal = denied(store.near(&seen(1, [0.0; 3], angle)).await);
        assert!(matches!(refusal, Refusal::Invalid { .. }), "{angle}: {refusal:?}");
    }
    let broken = [
        around(1, [f64::NAN, 0.0, 0.0], 1.0),
        around(1, [0.0, f64::INFINITY, 0.0], 1.0),
        around(1, [0.0; 3], f64::NAN),
        around(1, [0.0; 3], f64::INFINITY),
        around(1, [0.0; 3], -1.0),
    ];
    for near in broken {
        let refusal = denied(store.near(&near).await);
        assert!(matches!(refusal, Refusal::Space(_)), "{near:?}: {refusal:?}");
    }
    assert!(matches!(denied(store.zones_at(id(1), DVec3::NAN).await), Refusal::Space(_)));
    for (zone, refusal) in
        [(2, Refusal::NotAZone { entity: id(2) }), (9, Refusal::UnknownEntity { entity: id(9) })]
    {
        assert_eq!(denied(store.near(&around(zone, [0.0; 3], 1.0)).await), refusal);
        assert_eq!(denied(store.zones_at(id(zone), DVec3::ZERO).await), refusal);
    }
}

pub async fn a_question_that_finds_too_much_is_refused(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    for start in [0, 10_000] {
        let numbers = (2..).take(10_000).map(|number| number + start);
        create(&store, numbers.map(|number| thing(id(number), id(1)).at(at(number as f64, 0.0, 0.0)))).await;
    }
    let all = around(1, [0.0; 3], 1e6);
    assert_eq!(found(&store, all.clone()).await.len(), Near::MAX_HITS);
    create(&store, [thing(id(30_000), id(1)).at(at(1.0, 0.0, 0.0))]).await;
    assert!(matches!(denied(store.near(&all).await), Refusal::TooMany { max: 20_000, .. }));
    assert_eq!(
        found(&store, around(1, [0.0; 3], 0.0)).await,
        [id(30_000)],
        "a narrower question is answered"
    );
}

pub async fn any_number_of_things_at_one_point_is_found(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    // All in one cell of any index, as things and as zones.
    let numbers = 2..5_002;
    create(&store, numbers.clone().map(|number| zone(id(number), id(1), 10.0, at(7.0, 7.0, 7.0)))).await;
    let last = id(numbers.end - 1);
    apply(&store, [Operation::Change(last, resized(5.0))]).await;
    create(&store, [thing(id(9_000), last).at(at(0.0, 0.0, 0.0))]).await;
    let expected: Vec<_> = numbers.chain([9_000]).map(id).collect();
    assert_eq!(found(&store, around(1, [7.0; 3], 0.5)).await, expected);
    assert_eq!(zones(&store, 1, [7.0; 3]).await, [1, last.get()]);
}

pub async fn zones_at_a_point_go_inwards_through_the_smallest(store: Shared) {
    create(
        &store,
        [
            world_root(id(1)),
            zone(id(2), id(1), 100.0, at(1000.0, 0.0, 0.0)),
            zone(id(3), id(1), 50.0, at(1000.0, 0.0, 0.0)),
            zone(id(4), id(3), 10.0, at(20.0, 0.0, 0.0)),
            zone(id(5), id(2), 10.0, at(-80.0, 0.0, 0.0)),
            thing(id(6), id(4)),
            zone(id(7), id(6), 2.0, turned(5.0, 0.0, 0.0, 0.785)),
        ],
    )
    .await;
    let expected = [
        (1, [0.0, 0.0, 0.0], vec![1]),
        (1, [1000.0, 0.0, 0.0], vec![1, 3]),
        (1, [1050.0, 0.0, 0.0], vec![1, 3]),
        (1, [1050.1, 0.0, 0.0], vec![1, 2]),
        (1, [1030.0, 9.0, 0.0], vec![1, 3, 4]),
        (1, [1025.0, 0.0, 0.0], vec![1, 3, 4, 7]),
        (1, [1025.0, 2.5, 0.0], vec![1, 3, 4, 7]),
        (1, [1026.9, 1.9, 0.0], vec![1, 3, 4]),
        (1, [920.0, 0.0, 0.0], vec![1, 2, 5]),
        (3, [25.0, 0.0, 0.0], vec![3, 4, 7]),
        (3, [1e9, 0.0, 0.0], vec![3]),
    ];
    for (zone, point, inwards) in expected {
        assert_eq!(zones(&store, zone, point).await, inwards, "at {point:?} of {zone}");
    }
    apply(&store, [moved(id(3), at(0.0, 0.0, 0.0)), Operation::Change(id(5), resized(30.0))]).await;
    assert_eq!(zones(&store, 1, [1000.0, 0.0, 0.0]).await, [1, 2]);
    assert_eq!(zones(&store, 1, [25.0, 0.0, 0.0]).await, [1, 3, 4, 7]);
    assert_eq!(zones(&store, 1, [945.0, 0.0, 0.0]).await, [1, 2, 5]);
}

fn resized(half_edge: f64) -> Patch {
    Patch { zone: Some(Some(cube(half_edge))), ..Patch::default() }
}
