//! Changing entities one by one and many at once.

use serde_json::{Value, json};

use crate::world::World;

async fn commit(world: &World, operations: Value, expect: Value) -> Value {
    let query = "mutation ($operations: [OperationInput!]!, $expect: [PreconditionInput!]) {
        commit(operations: $operations, expect: $expect) {
          ... on Committed { cursor entity { name } created { name parent { name } } } ... on Refusal { code message } } }";
    world.ask(query, json!({ "operations": operations, "expect": expect })).await["commit"].take()
}

#[tokio::test]
async fn values_are_set_reset_and_refused_by_name() {
    let world = World::small().await;
    let hermes = world.id("Hermes").await;
    let set = |value: Value| json!({ "entity": hermes, "values": [{ "component": "hull", "variable": "hp", "value": value }] });
    world.commit("setVariables", "SetVariablesInput", set(json!(12.5))).await;
    let query =
        r#"query ($id: EntityId!) { entity(id: $id) { revision value(component: "hull", variable: "hp") } }"#;
    let seen = world.ask(query, json!({ "id": hermes })).await;
    assert_eq!(seen["entity"], json!({ "revision": "2", "value": 12.5 }));
    world.commit("setVariables", "SetVariablesInput", set(json!(null))).await;
    let seen = world.ask(query, json!({ "id": hermes })).await;
    assert_eq!(seen["entity"], json!({ "revision": "3", "value": 800.0 }), "back to the container's");

    let wrong = [json!("full"), json!(true), json!([1]), json!({ "hp": 1 })];
    for value in wrong {
        let (code, message) = world.refused("setVariables", "SetVariablesInput", set(value.clone())).await;
        assert_eq!(code, "WRONG_KIND", "{value}");
        assert!(message.starts_with("variable `hull.hp` is float: send a finite number, not "), "{message}");
    }
    for (component, variable, expected) in
        [("shield", "hp", "UNKNOWN_COMPONENT"), ("hull", "mood", "UNKNOWN_VARIABLE")]
    {
        let input = json!({ "entity": hermes, "values": [{ "component": component, "variable": variable, "value": 1 }] });
        assert_eq!(world.refused("setVariables", "SetVariablesInput", input).await.0, expected);
    }
    let twice = json!({ "component": "hull", "variable": "hp", "value": 1 });
    let input = json!({ "entity": hermes, "values": [twice, twice] });
    assert_eq!(world.refused("setVariables", "SetVariablesInput", input).await.0, "VARIABLE_TWICE");
}

#[tokio::test]
async fn every_kind_of_value_survives_the_way_there_and_back() {
    let world = World::small().await;
    let krate = world.id("Crate").await;
    let kinds = [
        ("BOOL", json!(false), json!(true)),
        ("INT", json!(0), json!("-9223372036854775808")),
        ("FLOAT", json!(0), json!(0.1)),
        ("TEXT", json!(""), json!("Орбита \u{1F680}")),
        ("ENTITY", json!("1"), json!("18446744073709551615")),
        ("VECTOR", json!([0, 0, 0]), json!([1e300, -0.5, 1e-300])),
        ("BYTES", json!(""), json!("AP8Q")),
        ("INT_LIST", json!([]), json!(["9223372036854775807", "-1"])),
        ("FLOAT_LIST", json!([]), json!([1.5, -2.25])),
        ("TEXT_LIST", json!([]), json!(["a", ""])),
    ];
    let variables: Vec<_> = kinds
        .iter()
        .map(|(kind, default, _)| json!({ "name": kind, "kind": kind, "default": default }))
        .collect();
    let publish = "mutation ($input: ComponentTypeInput!) { publishComponent(input: $input) { __typename } }";
    let published = world.ask(publish, json!({ "input": { "name": "all", "variables": variables } })).await;
    assert_eq!(published["publishComponent"]["__typename"], "ComponentPublished");
    let values: Vec<_> = kinds
        .iter()
        .map(|(kind, _, value)| json!({ "component": "all", "variable": kind, "value": value }))
        .collect();
    world.commit("setVariables", "SetVariablesInput", json!({ "entity": krate, "values": values })).await;
    let query = r#"query ($id: EntityId!) { entity(id: $id) { components(names: ["all"]) { own variables { kind value own } } } }"#;
    let seen = world.ask(query, json!({ "id": krate })).await;
    let expected: Vec<_> =
        kinds.iter().map(|(kind, _, value)| json!({ "kind": kind, "value": value, "own": true })).collect();
    assert_eq!(seen["entity"]["components"], json!([{ "own": true, "variables": expected }]));
}

#[tokio::test]
async fn an_entity_changes_in_all_its_parts_at_once() {
    let world = World::small().await;
    let moon = world.id("Moon").await;
    let change = json!({
        "entity": moon, "expectedRevision": "1", "name": "Luna", "radius": 5, "root": true, "owner": "player:ada", "layer": 3,
        "ordinal": -7, "addLabels": ["a", "b"], "pose": { "position": [1, 2, 3] }, "bounds": { "min": [0, 0, 0], "max": [1, 1, 1] },
        "addComponents": ["cargo"], "values": [{ "component": "hull", "variable": "plates", "value": 2 }],
    });
    world.commit("changeEntity", "ChangeEntityInput", change).await;
    let query =
        "query ($id: EntityId!) { entity(id: $id) { revision name radius root owner layer ordinal labels
        pose { position } zone { bounds { max } } components { name } } }";
    let seen = world.ask(query, json!({ "id": moon })).await;
    assert_eq!(
        seen["entity"],
        json!({ "revision": "2", "name": "Luna", "radius": 5.0, "root": true, "owner": "player:ada", "layer": 3, "ordinal": "-7",
            "labels": ["a", "b"], "pose": { "position": [1.0, 2.0, 3.0] }, "zone": { "bounds": { "max": [1.0, 1.0, 1.0] } },
            "components": [{ "name": "hull" }, { "name": "cargo" }] })
    );
    let change = json!({ "entity": moon, "owner": null, "pose": null, "bounds": null, "removeLabels": ["a"], "removeComponents": ["hull"] });
    world.commit("changeEntity", "ChangeEntityInput", change).await;
    world.commit("label", "LabelInput", json!({ "entity": moon, "add": ["c"], "remove": ["b"] })).await;
    let seen = world.ask(query, json!({ "id": moon })).await;
    let part = |name: &str| seen["entity"][name].clone();
    assert_eq!(
        (part("revision"), part("owner"), part("pose"), part("zone")),
        (json!("4"), json!(null), json!(null), json!(null))
    );
    assert_eq!((part("labels"), part("components")), (json!(["c"]), json!([{ "name": "cargo" }])));
}

#[tokio::test]
async fn a_stale_revision_is_refused_with_the_one_that_was_found() {
    let world = World::small().await;
    let moon = world.id("Moon").await;
    let rename = |revision: &str| json!({ "entity": moon, "expectedRevision": revision, "name": "Luna" });
    world.commit("changeEntity", "ChangeEntityInput", rename("1")).await;
    let (code, message) = world.refused("changeEntity", "ChangeEntityInput", rename("1")).await;
    assert_eq!(code, "STALE_REVISION");
    assert!(message.contains("is at revision 2, not 1: read it again"), "{message}");
}

#[tokio::test]
async fn a_buried_entity_is_gone_for_good() {
    let world = World::small().await;
    let (earth, moon) = (world.id("Earth").await, world.id("Moon").await);
    assert_eq!(world.refused("bury", "BuryInput", json!({ "entity": earth })).await.0, "HAS_CHILDREN");
    let done = world.attempt("bury", "BuryInput", json!({ "entity": earth, "subtree": true }), None).await;
    assert_eq!(done["entity"], json!(null));
    let data = world
        .ask("query ($ids: [EntityId!]!) { entities(ids: $ids) { name } }", json!({ "ids": [earth, moon] }))
        .await;
    assert_eq!(data["entities"], json!([null, null]));
    let again = json!({ "id": moon, "kind": "moon", "parent": world.id("Sol").await });
    assert_eq!(world.refused("createEntity", "CreateEntityInput", again).await.0, "ENTITY_BURIED");
}

#[tokio::test]
async fn a_commit_does_all_of_its_operations_or_none() {
    let world = World::small().await;
    let (sol, earth) = (world.id("Sol").await, world.id("Earth").await);
    let before = world.data("{ status { cursor entities } }").await;
    let operations = json!([
        { "create": { "name": "Depot", "kind": "station", "parent": earth } },
        { "reparent": { "entity": sol, "parent": earth } },
    ]);
    assert_eq!(commit(&world, operations, json!(null)).await["code"], "CYCLE");
    assert_eq!(world.data("{ status { cursor entities } }").await, before);

    let id = world.data("mutation { leaseIds }").await["leaseIds"].clone();
    let operations = json!([
        { "create": { "id": id, "name": "Depot", "kind": "station", "parent": earth } },
        { "instantiate": { "container": "ship/hauler", "name": "Argo", "parent": sol } },
        { "create": { "name": "Clerk", "kind": "character", "parent": id } },
        { "setVariables": { "entity": id, "values": [{ "component": "cargo", "variable": "tons", "value": 3 }] } },
    ]);
    let done = commit(&world, operations, json!(null)).await;
    assert_eq!(
        done["created"],
        json!([{ "name": "Depot", "parent": { "name": "Earth" } }, { "name": "Argo", "parent": { "name": "Sol" } },
               { "name": "Clerk", "parent": { "name": "Depot" } }])
    );
    let after = world.data("{ status { cursor } }").await;
    assert_eq!(after["status"]["cursor"], done["cursor"]);
    let number = |data: &Value| data["status"]["cursor"].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(number(&after), number(&before) + 1, "one transaction");
}

#[tokio::test]
async fn each_precondition_is_checked_before_anything_is_done() {
    let world = World::small().await;
    let (earth, hermes, krate) = (world.id("Earth").await, world.id("Hermes").await, world.id("Crate").await);
    world
        .commit("attach", "AttachInput", json!({ "entity": krate, "parent": hermes, "port": "clamp" }))
        .await;
    let cases = [
        (json!({ "exists": "4711" }), "UNKNOWN_ENTITY"),
        (json!({ "absent": earth }), "ENTITY_EXISTS"),
        (json!({ "revision": { "entity": earth, "revision": 9 } }), "STALE_REVISION"),
        (json!({ "portFree": { "entity": hermes, "port": "clamp" } }), "PORT_OCCUPIED"),
        (json!({ "containerVersion": { "container": "ship/room", "version": 7 } }), "STALE_CONTAINER"),
    ];
    let operations = json!([{ "label": { "entity": earth, "add": ["marked"] } }]);
    for (precondition, expected) in cases {
        let refused = commit(&world, operations.clone(), json!([precondition])).await;
        assert_eq!(refused["code"], expected, "{precondition}");
    }
    let epoch = |epoch: u64| json!([{ "epoch": { "entity": earth, "epoch": epoch } }]);
    assert!(commit(&world, operations.clone(), epoch(5)).await["cursor"].is_string());
    assert_eq!(
        commit(&world, json!([{ "label": { "entity": earth, "add": ["x"] } }]), epoch(4)).await["code"],
        "STALE_EPOCH"
    );
    let seen = world
        .ask("query ($id: EntityId!) { entity(id: $id) { epoch labels } }", json!({ "id": earth }))
        .await;
    assert_eq!(seen["entity"], json!({ "epoch": "5", "labels": ["marked"] }));
}

#[tokio::test]
async fn ids_above_two_to_the_53_are_exact() {
    let world = World::small().await;
    let id = "9007199254740993";
    world.create(json!({ "id": id, "name": "far", "kind": "rock", "parent": world.id("Sol").await })).await;
    let data = world.ask("query ($id: EntityId!) { entity(id: $id) { id name } }", json!({ "id": id })).await;
    assert_eq!(data["entity"], json!({ "id": id, "name": "far" }));
}
