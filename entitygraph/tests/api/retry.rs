//! Operation ids: a retry gets the first outcome, another request under the same id is refused.

use serde_json::{Value, json};

use crate::world::World;

async fn entities(world: &World) -> Value {
    world.data("{ status { entities cursor } }").await
}

#[tokio::test]
async fn a_retried_instantiate_returns_the_first_instance() {
    let world = World::small().await;
    let input = json!({ "container": "ship/hauler", "name": "Argo", "parent": world.id("Sol").await });
    let first = world.attempt("instantiate", "InstantiateInput", input.clone(), Some("spawn-1")).await;
    assert_eq!(first["replayed"], false);
    let after = entities(&world).await;
    let again = world.attempt("instantiate", "InstantiateInput", input, Some("spawn-1")).await;
    assert_eq!(again["replayed"], true);
    for part in ["cursor", "entity", "created"] {
        assert_eq!(again[part], first[part], "{part}");
    }
    assert_eq!(entities(&world).await, after);
}

#[tokio::test]
async fn a_retried_commit_names_the_same_created_entities() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let query = "mutation ($operations: [OperationInput!]!) { commit(operations: $operations, operationId: \"batch\") {
        ... on Committed { replayed entity { id } created { id name } } ... on Refusal { code message } } }";
    let operations = json!([
        { "create": { "name": "one", "kind": "rock", "parent": sol } },
        { "instantiate": { "container": "ship/hauler", "name": "two", "parent": sol } },
        { "label": { "entity": sol, "add": ["seen"] } },
    ]);
    let first = world.ask(query, json!({ "operations": operations })).await;
    let again = world.ask(query, json!({ "operations": operations })).await;
    assert_eq!(first["commit"]["created"].as_array().unwrap().len(), 2);
    assert_eq!(again["commit"]["created"], first["commit"]["created"]);
    assert_eq!((&first["commit"]["entity"], &again["commit"]["entity"]), (&json!(null), &json!(null)));
    assert_eq!((&first["commit"]["replayed"], &again["commit"]["replayed"]), (&json!(false), &json!(true)));
}

#[tokio::test]
async fn the_order_of_fields_and_where_values_stand_make_no_other_request() {
    let world = World::small().await;
    let moon = world.id("Moon").await;
    let one = format!(
        r#"mutation {{ changeEntity(operationId: "rename", input: {{ entity: "{moon}", name: "Luna", root: true }}) {{ ... on Committed {{ replayed }} }} }}"#
    );
    let other = r#"mutation ($input: ChangeEntityInput!) { changeEntity(input: $input, operationId: "rename") { ... on Committed { replayed } } }"#;
    assert_eq!(world.data(&one).await["changeEntity"]["replayed"], false);
    let again = world.ask(other, json!({ "input": { "root": true, "name": "Luna", "entity": moon } })).await;
    assert_eq!(again["changeEntity"]["replayed"], true);
}

#[tokio::test]
async fn another_request_under_a_used_id_is_refused() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let create = |name: &str| json!({ "name": name, "kind": "rock", "parent": sol });
    world.attempt("createEntity", "CreateEntityInput", create("one"), Some("make")).await;
    let refused = world.attempt("createEntity", "CreateEntityInput", create("two"), Some("make")).await;
    assert_eq!(refused["code"], "OPERATION_REUSED");
    let refused = world.attempt("bury", "BuryInput", json!({ "entity": sol }), Some("make")).await;
    assert_eq!(refused["code"], "OPERATION_REUSED");
}

#[tokio::test]
async fn ids_of_moves_are_no_clients() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let input = json!({ "name": "one", "kind": "rock", "parent": sol });
    let refused = world.attempt("createEntity", "CreateEntityInput", input, Some("moved:0:world:1")).await;
    assert!(refused["message"].as_str().unwrap().contains("restore and copy"), "{refused}");
}

#[tokio::test]
async fn a_retried_detach_is_done_once_though_the_world_moved_on() {
    let world = World::small().await;
    let krate = world.id("Crate").await;
    let input = json!({ "entity": krate });
    let ada = world.id("Ada").await;
    world
        .commit(
            "reparent",
            "ReparentInput",
            json!({ "entity": krate, "parent": ada, "pose": { "ride": true } }),
        )
        .await;
    let first = world.attempt("detach", "DetachInput", input.clone(), Some("drop")).await;
    assert_eq!(first["replayed"], false, "{first}");
    world.attempt("bury", "BuryInput", input.clone(), None).await;
    let again = world.attempt("detach", "DetachInput", input, Some("drop")).await;
    assert_eq!((&again["replayed"], &again["cursor"]), (&json!(true), &first["cursor"]));
}

#[tokio::test]
async fn a_refused_request_may_be_mended_under_its_id() {
    let world = World::small().await;
    let (moon, sol) = (world.id("Moon").await, world.id("Sol").await);
    let refused = world.attempt("bury", "BuryInput", json!({ "entity": sol }), Some("op")).await;
    assert_eq!(refused["code"], "HAS_CHILDREN");
    let done = world.attempt("bury", "BuryInput", json!({ "entity": moon }), Some("op")).await;
    assert_eq!(done["replayed"], false);
}
