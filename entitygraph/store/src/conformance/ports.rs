//! Attaching at ports: a port is defined by the parent's container and holds one.

use std::{collections::BTreeSet, sync::Arc};

use entitygraph_schema::{
    Container, ContainerDraft, Kind, NewPose, Operation, Port, Precondition, Refusal, Transaction,
};

use super::{build::*, snapshot::Snapshot};

fn port(name: &str, accepts: &[&str]) -> Port {
    Port { name: text(name), accepts: accepts.iter().map(|kind| text(kind)).collect::<BTreeSet<Kind>>() }
}

/// 2 is a ship with a `gun` port for guns and turrets and a `hook` for anything; 3 and 4 are guns, 5 a thing, beside it.
async fn hangar(store: &Shared) -> Arc<Container> {
    let ports = vec![port("gun", &["gun", "turret"]), port("hook", &[])];
    let ship = publish_container(store, ContainerDraft { ports, ..container("ship", "ship") }).await;
    create(
        store,
        [
            world_root(id(1)),
            thing(id(2), id(1)).instance_of(&ship),
            thing(id(3), id(1)).of_kind("gun"),
            thing(id(4), id(1)).of_kind("gun"),
            thing(id(5), id(1)),
        ],
    )
    .await;
    ship
}

pub async fn a_port_holds_one_at_a_time(store: Shared) {
    hangar(&store).await;
    apply(&store, [attach(id(3), id(2), "gun")]).await;
    assert_eq!(get(&store, id(3)).await.placement.port, Some(text("gun")));
    let occupied = Refusal::PortOccupied { entity: id(2), port: text("gun"), occupant: id(3) };
    assert_eq!(refused(&store, [attach(id(4), id(2), "gun")]).await, occupied);
    let made = thing(id(6), id(2)).of_kind("gun").on_port("gun");
    assert_eq!(refused(&store, [Operation::Create(made)]).await, occupied);
    let free = Transaction::default().expecting(Precondition::PortFree(id(2), text("gun")));
    assert_eq!(refused_whole(&store, free).await, occupied);
    // Who is there already may be put there again.
    let newest = *store.newest().borrow();
    assert_eq!(apply(&store, [attach(id(3), id(2), "gun")]).await.cursor, newest);
}

pub async fn a_port_is_free_again_when_its_occupant_leaves_or_dies(store: Shared) {
    hangar(&store).await;
    let free = Transaction::default().expecting(Precondition::PortFree(id(2), text("gun")));
    store.commit(free.clone()).await.unwrap();
    apply(&store, [attach(id(3), id(2), "gun")]).await;
    apply(&store, [reparent(id(3), id(2), NewPose::Ride), attach(id(4), id(2), "gun")]).await;
    assert_eq!(get(&store, id(3)).await.placement.port, None);
    apply(&store, [attach(id(4), id(2), "hook"), attach(id(3), id(2), "gun")]).await;
    apply(&store, [bury(id(3))]).await;
    store.commit(free).await.unwrap();
    create(&store, [thing(id(6), id(2)).of_kind("turret").on_port("gun")]).await;
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}

pub async fn occupants_swap_in_one_transaction(store: Shared) {
    hangar(&store).await;
    apply(&store, [attach(id(3), id(2), "gun"), attach(id(4), id(2), "hook")]).await;
    let both = [attach(id(3), id(2), "hook"), attach(id(4), id(2), "gun")];
    assert!(matches!(refused(&store, both).await, Refusal::PortOccupied { .. }));
    let by_hand = reparent(id(3), id(1), NewPose::Ride);
    apply(&store, [by_hand, attach(id(4), id(2), "gun"), attach(id(3), id(2), "hook")]).await;
    assert_eq!(get(&store, id(3)).await.placement.port, Some(text("hook")));
    assert_eq!(get(&store, id(4)).await.placement.port, Some(text("gun")));
}

pub async fn a_port_takes_only_the_kinds_that_it_accepts(store: Shared) {
    hangar(&store).await;
    for step in [attach(id(5), id(2), "gun"), Operation::Create(thing(id(6), id(2)).on_port("gun"))] {
        match refused(&store, [step]).await {
            Refusal::PortRefuses { entity, port, accepts, kind } => {
                assert_eq!((entity, port, kind), (id(2), text("gun"), text("thing")));
                assert!(accepts.contains("gun") && accepts.contains("turret"), "{accepts}");
            }
            other => panic!("{other:?}"),
        }
    }
    apply(&store, [attach(id(5), id(2), "hook")]).await;
}

pub async fn a_port_is_one_of_the_parents_container(store: Shared) {
    let ship = hangar(&store).await;
    let plain = publish_container(&store, container("plain", "ship")).await;
    create(&store, [thing(id(6), id(1)).instance_of(&plain)]).await;
    for (parent, name) in [(1, "gun"), (2, "nose"), (5, "gun"), (6, "gun")] {
        for step in
            [attach(id(3), id(parent), name), Operation::Create(thing(id(7), id(parent)).on_port(name))]
        {
            match refused(&store, [step]).await {
                Refusal::UnknownPort { entity, port, known } => {
                    assert_eq!((entity, port), (id(parent), text(name)));
                    assert_eq!(known.contains("gun") && known.contains("hook"), parent == 2, "{known}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
    // Ports are those of the newest version; who is attached stays.
    apply(&store, [attach(id(3), id(2), "gun")]).await;
    let ports = vec![port("nose", &[])];
    publish_container(&store, ContainerDraft { ports, ..ship.draft.clone() }).await;
    assert_eq!(get(&store, id(3)).await.placement.port, Some(text("gun")));
    apply(&store, [attach(id(4), id(2), "nose")]).await;
    assert!(matches!(refused(&store, [attach(id(5), id(2), "hook")]).await, Refusal::UnknownPort { .. }));
}

pub async fn a_free_port_is_asked_of_a_living_entity(store: Shared) {
    let free = Transaction::default().expecting(Precondition::PortFree(id(9), text("gun")));
    assert_eq!(refused_whole(&store, free).await, Refusal::UnknownEntity { entity: id(9) });
}

pub async fn instances_come_with_their_children_attached(store: Shared) {
    publish_container(&store, container("cannon", "gun")).await;
    let child = entitygraph_schema::Child {
        name: text("main"),
        container: text("cannon"),
        pose: None,
        port: Some(text("gun")),
        overrides: Default::default(),
        labels: Default::default(),
    };
    let ports = vec![port("gun", &["gun"])];
    let draft = ContainerDraft { ports, children: vec![child], ..container("armed", "ship") };
    let armed = publish_container(&store, draft).await;
    create(&store, [world_root(id(1)), thing(id(5), id(1)).of_kind("gun")]).await;
    let placement = entitygraph_schema::Placement { parent: Some(id(1)), port: None, pose: None };
    let made =
        store.catalog().instantiate(&armed, id(2), text("Idris"), placement, Default::default()).unwrap();
    create(&store, made).await;
    let occupied = Refusal::PortOccupied { entity: id(2), port: text("gun"), occupant: id(3) };
    assert_eq!(refused(&store, [attach(id(5), id(2), "gun")]).await, occupied);
}
