//! Links between zones and routes over them.

use entitygraph_schema::{Change, EntityId, Link, LinkKind, NewPose, Operation, Refusal, Route, link::Hop};

use super::{build::*, snapshot::Snapshot};

fn link(kind: &str, a: u64, b: u64, cost: f64) -> Link {
    Link { kind: text(kind), a: id(a), b: id(b), cost }
}

fn unlink(kind: &str, a: u64, b: u64) -> Operation {
    Operation::Unlink { kind: text(kind), a: id(a), b: id(b) }
}

async fn links(store: &Shared, entity: u64) -> Vec<Link> {
    rows(store.links(id(entity), everything()).await)
}

async fn zone_links(store: &Shared, zone: u64) -> Vec<Link> {
    rows(store.zone_links(id(zone), everything()).await)
}

async fn route(store: &Shared, from: u64, to: u64) -> Option<Route> {
    store.route(id(from), id(to), &text("jump")).await.unwrap().value
}

/// Systems 10, 20, 30, 40 and 50 below galaxy 1; gates 11, 12, ... in them, riding on a carrier in system 20.
async fn galaxy(store: &Shared) {
    create(store, [world_root(id(1))]).await;
    for system in [10, 20, 30, 40, 50] {
        create(
            store,
            [
                zone(id(system), id(1), 1e9, at(1e10 * system as f64, 0.0, 0.0)),
                thing(id(system + 9), id(system)),
            ],
        )
        .await;
        create(
            store,
            (1..=4).map(|gate| thing(id(system + gate), id(if system == 20 { 29 } else { system }))),
        )
        .await;
    }
}

pub async fn a_link_is_the_same_from_both_ends(store: Shared) {
    galaxy(&store).await;
    let receipt = apply(&store, [jump(id(21), id(11), 2.5)]).await;
    assert_eq!(commit_at(&store, receipt.cursor).await.changes, [Change::Linked(link("jump", 11, 21, 2.5))]);
    assert_eq!(links(&store, 11).await, [link("jump", 11, 21, 2.5)]);
    assert_eq!(links(&store, 21).await, links(&store, 11).await);
    assert_eq!(links(&store, 12).await, []);
    assert_eq!(get(&store, id(11)).await.revision.number(), 1, "a link is no change of its ends");
}

pub async fn links_come_by_kind_then_other_end(store: Shared) {
    galaxy(&store).await;
    let made = [("jump", 41), ("jump", 11), ("road", 12), ("jump", 31), ("air", 42)];
    apply(&store, made.map(|(kind, other)| Operation::Link(link(kind, 21, other, 1.0)))).await;
    let listed = [("air", 42), ("jump", 11), ("jump", 31), ("jump", 41), ("road", 12)];
    let listed = listed.map(|(kind, other)| Link::new(text(kind), id(21), id(other), 1.0));
    assert_eq!(links(&store, 21).await, listed);
}

pub async fn a_link_made_again_changes_its_cost_and_nothing_else(store: Shared) {
    galaxy(&store).await;
    let first = apply(&store, [jump(id(11), id(21), 1.0), Operation::Link(link("road", 11, 21, 7.0))]).await;
    assert_eq!(apply(&store, [jump(id(21), id(11), 1.0)]).await.cursor, first.cursor);
    let second = apply(&store, [jump(id(21), id(11), 3.0)]).await;
    assert_eq!(commit_at(&store, second.cursor).await.changes, [Change::Linked(link("jump", 11, 21, 3.0))]);
    assert_eq!(links(&store, 11).await, [link("jump", 11, 21, 3.0), link("road", 11, 21, 7.0)]);
    let undone = [
        unlink("jump", 11, 21),
        jump(id(11), id(21), 3.0),
        jump(id(11), id(31), 1.0),
        unlink("jump", 31, 11),
    ];
    assert_eq!(apply(&store, undone).await.cursor, second.cursor);
}

pub async fn a_link_is_taken_away_once(store: Shared) {
    galaxy(&store).await;
    apply(&store, [jump(id(11), id(21), 1.0), Operation::Link(link("road", 11, 21, 1.0))]).await;
    let receipt = apply(&store, [unlink("jump", 21, 11)]).await;
    let told = Change::Unlinked { kind: text("jump"), a: id(11), b: id(21) };
    assert_eq!(commit_at(&store, receipt.cursor).await.changes, [told]);
    assert_eq!(links(&store, 11).await, [link("road", 11, 21, 1.0)]);
    for (kind, a, b) in [("jump", 11, 21), ("road", 11, 31), ("road", 11, 99)] {
        let refusal = refused(&store, [unlink(kind, a, b)]).await;
        assert!(matches!(refusal, Refusal::UnknownLink { .. }), "{refusal:?}");
    }
}

pub async fn links_that_cannot_be_are_refused(store: Shared) {
    galaxy(&store).await;
    for cost in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refusal = refused(&store, [jump(id(11), id(21), cost)]).await;
        assert!(matches!(refusal, Refusal::BadLink { .. }), "{cost}: {refusal:?}");
    }
    assert!(matches!(refused(&store, [jump(id(11), id(11), 1.0)]).await, Refusal::BadLink { .. }));
    for (a, b) in [(11, 99), (99, 11)] {
        assert_eq!(
            refused(&store, [jump(id(a), id(b), 1.0)]).await,
            Refusal::UnknownEntity { entity: id(99) }
        );
    }
}

pub async fn links_die_with_either_end_and_are_told(store: Shared) {
    galaxy(&store).await;
    let made = [(11, 21), (12, 31), (22, 32), (31, 41)];
    apply(&store, made.map(|(a, b)| jump(id(a), id(b), 1.0))).await;
    let receipt = apply(&store, [bury(id(11)), bury_all(id(30))]).await;
    let told = commit_at(&store, receipt.cursor).await;
    for (a, b) in made {
        let gone = Change::Unlinked { kind: text("jump"), a: id(a), b: id(b) };
        assert!(told.changes.contains(&gone), "{gone:?} is not in {told:?}");
    }
    for entity in [12, 21, 22, 41] {
        assert_eq!(links(&store, entity).await, [], "at {entity}");
    }
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}

pub async fn a_zone_has_the_links_with_an_end_in_it(store: Shared) {
    galaxy(&store).await;
    apply(&store, [jump(id(21), id(11), 1.0), jump(id(20), id(31), 1.0), jump(id(22), id(23), 1.0)]).await;
    apply(&store, [Operation::Link(link("air", 24, 41, 1.0)), jump(id(1), id(42), 1.0)]).await;
    let listed = [
        link("air", 24, 41, 1.0),
        link("jump", 11, 21, 1.0),
        link("jump", 20, 31, 1.0),
        link("jump", 22, 23, 1.0),
    ];
    assert_eq!(zone_links(&store, 20).await, listed);
    assert_eq!(zone_links(&store, 10).await, [link("jump", 11, 21, 1.0)]);
    assert_eq!(zone_links(&store, 1).await, [link("jump", 1, 42, 1.0)], "nested zones have their own");
    assert_eq!(denied(store.zone_links(id(29), everything()).await), Refusal::NotAZone { entity: id(29) });
}

pub async fn links_follow_their_ends_into_other_zones(store: Shared) {
    galaxy(&store).await;
    apply(&store, [jump(id(21), id(11), 1.0), jump(id(22), id(31), 1.0)]).await;
    // The carrier takes its gates along.
    apply(&store, [reparent(id(29), id(40), NewPose::KeepWorld)]).await;
    assert_eq!(zone_links(&store, 20).await, []);
    assert_eq!(zone_links(&store, 40).await, [link("jump", 11, 21, 1.0), link("jump", 22, 31, 1.0)]);
    assert_eq!(route(&store, 10, 20).await, None);
    assert_eq!(route(&store, 10, 30).await.unwrap().cost, 2.0);
    // An end that becomes a zone host is a zone of its own.
    let zone = entitygraph_schema::Patch { zone: Some(Some(cube(1.0))), ..Default::default() };
    apply(&store, [Operation::Change(id(21), zone)]).await;
    assert_eq!(zone_links(&store, 21).await, [link("jump", 11, 21, 1.0)]);
    assert_eq!(zone_links(&store, 40).await, [link("jump", 22, 31, 1.0)]);
    assert_eq!(route(&store, 10, 30).await, None);
}

pub async fn the_route_is_the_cheapest_not_the_shortest(store: Shared) {
    galaxy(&store).await;
    apply(&store, [jump(id(11), id(21), 10.0), jump(id(12), id(31), 2.0), jump(id(41), id(32), 3.0)]).await;
    apply(&store, [jump(id(42), id(22), 4.5), jump(id(13), id(23), 12.0)]).await;
    let hop = |from, to, zone, cost| Hop { from: id(from), to: id(to), zone: id(zone), cost };
    let hops = vec![hop(12, 31, 30, 2.0), hop(32, 41, 40, 3.0), hop(42, 22, 20, 4.5)];
    assert_eq!(route(&store, 10, 20).await, Some(Route { from: id(10), hops, cost: 9.5 }));
    let back = route(&store, 20, 10).await.unwrap();
    let zones: Vec<EntityId> = back.hops.iter().map(|hop| hop.zone).collect();
    assert_eq!((back.cost, zones), (9.5, vec![id(40), id(30), id(10)]));
    apply(&store, [jump(id(11), id(21), 9.0)]).await;
    assert_eq!(route(&store, 10, 20).await.unwrap().hops, [hop(11, 21, 20, 9.0)]);
    apply(&store, [unlink("jump", 11, 21), unlink("jump", 32, 41)]).await;
    assert_eq!(route(&store, 10, 20).await.unwrap().hops, [hop(13, 23, 20, 12.0)]);
}

pub async fn there_may_be_no_route_or_no_need_of_one(store: Shared) {
    galaxy(&store).await;
    apply(
        &store,
        [jump(id(11), id(21), 1.0), Operation::Link(link("road", 21, 31, 1.0)), jump(id(12), id(13), 1.0)],
    )
    .await;
    assert_eq!(route(&store, 10, 30).await, None, "a road is no jump");
    assert_eq!(route(&store, 10, 50).await, None);
    assert_eq!(route(&store, 10, 1).await, None, "a zone around is not reached without a link");
    assert_eq!(route(&store, 10, 10).await, Some(Route { from: id(10), hops: Vec::new(), cost: 0.0 }));
    let nothing: LinkKind = text("nothing");
    assert_eq!(store.route(id(10), id(20), &nothing).await.unwrap().value, None);
    for (from, to) in [(10, 11), (11, 10)] {
        let refusal = denied(store.route(id(from), id(to), &text("jump")).await);
        assert_eq!(refusal, Refusal::NotAZone { entity: id(11) });
    }
    for (from, to) in [(10, 99), (99, 10)] {
        let refusal = denied(store.route(id(from), id(to), &text("jump")).await);
        assert_eq!(refusal, Refusal::UnknownEntity { entity: id(99) });
    }
}

pub async fn a_route_leads_past_zones_with_very_many_links(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    let systems =
        [10, 20, 30, 40, 50].map(|system| zone(id(system), id(1), 1e9, at(system as f64, 0.0, 0.0)));
    create(&store, systems).await;
    // 18 gates in each of two systems, each linked to each; one gate in the others.
    let gates = |system: u64| system * 10..system * 10 + 18;
    let inside = |system: u64| gates(system).map(move |gate| thing(id(gate), id(system)));
    create(&store, inside(20).chain(inside(30))).await;
    create(&store, [10, 40, 50].map(|system| thing(id(system * 10), id(system)))).await;
    let many = gates(20).flat_map(|a| gates(30).map(move |b| jump(id(a), id(b), 1.0)));
    apply(&store, many.collect::<Vec<_>>()).await;
    apply(&store, [(100, 200), (100, 500), (300, 400)].map(|(a, b)| jump(id(a), id(b), 1.0))).await;
    let found = route(&store, 10, 40).await.unwrap();
    let zones: Vec<_> = found.hops.iter().map(|hop| hop.zone.get()).collect();
    assert_eq!((found.cost, zones), (3.0, vec![20, 30, 40]));
    assert_eq!(zone_links(&store, 20).await.len(), 18 * 18 + 1);
}
