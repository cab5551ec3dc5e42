//! Where entities are, and moving them.

use serde_json::{Value, json};

use crate::world::World;

async fn pose_in(world: &World, entity: &str, zone: Value) -> Value {
    let query =
        "query ($id: EntityId!, $zone: EntityId) { entity(id: $id) { parent { name } port pose { position }
        poseIn(zone: $zone) { position rotation } } }";
    world.ask(query, json!({ "id": entity, "zone": zone })).await["entity"].take()
}

#[tokio::test]
async fn a_pose_is_converted_to_any_zone_and_the_world_root() {
    let world = World::small().await;
    let (moon, krate) = (world.id("Moon").await, world.id("Crate").await);
    let (sol, hermes) = (world.id("Sol").await, world.id("Hermes").await);
    assert_eq!(pose_in(&world, &moon, json!(sol)).await["poseIn"]["position"], json!([1.5038e11, 0.0, 0.0]));
    assert_eq!(pose_in(&world, &krate, json!(hermes)).await["poseIn"]["position"], json!([-9.0, 0.0, -1.0]));
    assert_eq!(
        pose_in(&world, &krate, json!(null)).await["poseIn"]["position"],
        json!([149999999991.0, 5e8, -1.0])
    );
    // Through Sol, not through the origin of the universe.
    let seen = pose_in(&world, &moon, json!(hermes)).await;
    assert_eq!(seen["poseIn"]["position"], json!([3.8e8, -5e8, 0.0]));
    let (code, message) = world
        .error(
            "query ($id: EntityId!) { entity(id: $id) { poseIn(zone: $id) { position } } }",
            json!({ "id": moon }),
        )
        .await;
    assert_eq!((code.as_str(), message.ends_with("is no zone host")), ("NOT_A_ZONE", true), "{message}");
}

#[tokio::test]
async fn moving_a_ship_writes_one_row() {
    let world = World::small().await;
    let (hermes, krate, sol) = (world.id("Hermes").await, world.id("Crate").await, world.id("Sol").await);
    world
        .commit("moveEntity", "MoveInput", json!({ "entity": hermes, "pose": { "position": [1, 2, 3] } }))
        .await;
    let seen = pose_in(&world, &krate, json!(sol)).await;
    assert_eq!(seen["poseIn"]["position"], json!([-8.0, 2.0, 2.0]));
    let data = world
        .ask(
            "query ($ids: [EntityId!]!) { entities(ids: $ids) { revision } }",
            json!({ "ids": [hermes, krate] }),
        )
        .await;
    assert_eq!(data["entities"], json!([{ "revision": "2" }, { "revision": "1" }]));
}

#[tokio::test]
async fn reparenting_keeps_the_place_in_the_world_unless_told_otherwise() {
    let world = World::small().await;
    let (krate, sol, earth) = (world.id("Crate").await, world.id("Sol").await, world.id("Earth").await);
    let reparent = async |pose: Value| {
        world
            .commit("reparent", "ReparentInput", json!({ "entity": krate, "parent": earth, "pose": pose }))
            .await;
        pose_in(&world, &krate, json!(sol)).await
    };
    let kept = reparent(json!(null)).await;
    assert_eq!(kept["parent"]["name"], "Earth");
    assert_eq!(kept["poseIn"]["position"], json!([149999999991.0, 5e8, -1.0]));
    assert_eq!(
        reparent(json!({ "at": { "position": [7, 0, 0] } })).await["pose"]["position"],
        json!([7.0, 0.0, 0.0])
    );
    assert_eq!(reparent(json!({ "ride": true })).await["pose"], json!(null));
    let input = json!({ "entity": krate, "parent": earth, "pose": { "ride": false } });
    let (code, message) = world.refused("reparent", "ReparentInput", input).await;
    assert_eq!((code.as_str(), message.contains("choose one")), ("INVALID", true), "{message}");
}

#[tokio::test]
async fn a_crate_is_attached_to_one_port_and_taken_off_where_it_is() {
    let world = World::small().await;
    let (krate, hermes, sol, moon) =
        (world.id("Crate").await, world.id("Hermes").await, world.id("Sol").await, world.id("Moon").await);
    let attach = |entity: &str, port: &str| json!({ "entity": entity, "parent": hermes, "port": port });
    world.commit("attach", "AttachInput", attach(&krate, "clamp")).await;
    let attached = pose_in(&world, &krate, json!(sol)).await;
    assert_eq!((&attached["port"], &attached["pose"]), (&json!("clamp"), &json!(null)));
    let other = world.create(json!({ "kind": "crate", "parent": sol })).await;
    assert_eq!(world.refused("attach", "AttachInput", attach(&other, "clamp")).await.0, "PORT_OCCUPIED");
    assert_eq!(world.refused("attach", "AttachInput", attach(&other, "nose")).await.0, "UNKNOWN_PORT");
    assert_eq!(world.refused("attach", "AttachInput", attach(&moon, "clamp")).await.0, "PORT_REFUSES");

    world.commit("detach", "DetachInput", json!({ "entity": krate })).await;
    let detached = pose_in(&world, &krate, json!(sol)).await;
    assert_eq!(
        (&detached["port"], &detached["parent"]["name"]),
        (&json!(null), &json!("Hermes")),
        "the ship is the zone around it"
    );
    assert_eq!(detached["poseIn"]["position"], attached["poseIn"]["position"]);
    let (code, _) =
        world.refused("detach", "DetachInput", json!({ "entity": world.id("Universe").await })).await;
    assert_eq!(code, "INVALID");
    assert_eq!(
        world.refused("detach", "DetachInput", json!({ "entity": "424242" })).await.0,
        "UNKNOWN_ENTITY"
    );
}

#[tokio::test]
async fn a_parent_below_its_own_child_is_refused() {
    let world = World::small().await;
    let (sol, moon, earth) = (world.id("Sol").await, world.id("Moon").await, world.id("Earth").await);
    let (code, message) =
        world.refused("reparent", "ReparentInput", json!({ "entity": sol, "parent": earth })).await;
    assert_eq!(code, "CYCLE");
    assert!(message.contains(&sol) && message.contains(&earth), "{message}");
    assert_eq!(
        world.refused("reparent", "ReparentInput", json!({ "entity": moon, "parent": moon })).await.0,
        "CYCLE"
    );
}
