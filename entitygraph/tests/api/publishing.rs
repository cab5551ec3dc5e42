//! What subscribers see of what is published and linked, as clients ask for it.

use serde_json::json;

use crate::{followers::Follower, world::World};

const FOLLOW: &str = r#"subscription ($id: EntityId!) { changes(scope: { entity: $id }) { ... on Transaction { changes {
    ... on ContainerChanged { container { name version
        components { name variables { name value } } children(first: 5) { nodes { name container { name } overrides { name } } } } }
    ... on ComponentTypeChanged { componentType { name version variables { name default } } }
    ... on LinkChanged { kind a b cost }
    ... on LinkRemoved { kind a b } } } } }"#;

/// All that clients could ask for before there was more than entities in a transaction.
const FOLLOW_ENTITIES: &str = "subscription ($id: EntityId!) { changes(scope: { entity: $id }) { ... on Transaction { changes {
    __typename ... on EntityEntered { entity { id } } ... on EntityChanged { id name } ... on EntityLeft { id buried } } } } }";

#[tokio::test]
async fn a_follower_sees_the_values_that_were_published() {
    let world = World::small().await;
    let id = world.id("Hermes").await;
    let mut follower = Follower::asking(&world, FOLLOW, json!({ "id": id })).await;
    let mut old = Follower::asking(&world, FOLLOW_ENTITIES, json!({ "id": id })).await;
    for follower in [&mut follower, &mut old] {
        follower.next().await;
    }
    let hauler = json!({ "name": "ship/hauler", "kind": "ship", "radius": 40, "root": true,
        "bounds": { "min": [-40, -15, -8], "max": [40, 15, 8] },
        "children": [{ "name": "hold", "container": "ship/room",
            "values": [{ "component": "cargo", "variable": "tons", "value": 3 }] }],
        "values": [{ "component": "hull", "variable": "hp", "value": 900 }] });
    world
        .ask(
            "mutation ($input: ContainerInput!) { publishContainer(input: $input) { __typename } }",
            json!({ "input": hauler }),
        )
        .await;
    let hull = json!({ "name": "hull", "variables": [{ "name": "hp", "value": 900.0 }, { "name": "plates", "value": "4" }] });
    let told = follower.next().await;
    assert_eq!(
        told["changes"],
        json!([{ "container": { "name": "ship/hauler", "version": 2, "components": [hull],
            "children": { "nodes": [{ "name": "hold", "container": { "name": "ship/room" }, "overrides": [{ "name": "cargo" }] }] } } }])
    );
    world
        .data(
            r#"mutation { publishComponent(input: { name: "hull", variables: [
                { name: "hp", kind: FLOAT, default: 50 }, { name: "plates", kind: INT, default: "6" }] }) { __typename } }"#,
        )
        .await;
    assert_eq!(
        follower.next().await["changes"],
        json!([{ "componentType": { "name": "hull", "version": 2, "variables": [
            { "name": "hp", "default": 50.0 }, { "name": "plates", "default": "6" }] } }])
    );
    assert_eq!(old.next().await["changes"], json!([{ "__typename": "ContainerChanged" }]));
    assert_eq!(old.next().await["changes"], json!([{ "__typename": "ComponentTypeChanged" }]));
}

#[tokio::test]
async fn a_follower_sees_links_come_and_go() {
    let world = World::small().await;
    let (sun, moon) = (world.id("Sun").await, world.id("Moon").await);
    let mut follower = Follower::asking(&world, FOLLOW, json!({ "id": sun })).await;
    follower.next().await;
    let both = format!(r#"a: "{sun}", b: "{moon}""#);
    world.data(&format!("mutation {{ link(input: {{ {both}, cost: 3 }}) {{ __typename }} }}")).await;
    world.data(&format!("mutation {{ unlink(input: {{ {both} }}) {{ __typename }} }}")).await;
    let number = |id: &String| id.parse::<u64>().unwrap();
    let (a, b) = if number(&sun) < number(&moon) { (&sun, &moon) } else { (&moon, &sun) };
    let kind = "jump";
    assert_eq!(follower.next().await["changes"], json!([{ "kind": kind, "a": a, "b": b, "cost": 3.0 }]));
    assert_eq!(follower.next().await["changes"], json!([{ "kind": kind, "a": a, "b": b }]));
}
