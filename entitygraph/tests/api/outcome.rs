//! What an error says may have happened to a write: nothing, perhaps something, or that it is done.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Request, header},
};
use entitygraph::Config;
use serde_json::{Value, json};

use crate::{support::GatedStore, world::World};

async fn post(world: &World, path: &str, query: &str) -> Value {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    let reply = world.send(request.body(Body::from(json!({ "query": query }).to_string())).unwrap()).await;
    let text =
        reply.text.split("data: ").nth(1).and_then(|event| event.lines().next()).unwrap_or(&reply.text);
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {}", reply.text))
}

fn first(reply: &Value) -> &Value {
    &reply["errors"][0]["extensions"]
}

const BOUNDS: &str = "{ min: [-1, -1, -1], max: [1, 1, 1] }";

fn narrow() -> Config {
    let mut config = Config::default();
    config.limits.page_rows = 2;
    config
}

#[tokio::test]
async fn all_that_a_commit_created_is_answered_however_much_it_is() {
    let world = World::with(narrow());
    let creates: Vec<_> = (0..5)
        .map(|n| format!(r#"{{ create: {{ name: "rock {n}", kind: "rock", bounds: {BOUNDS} }} }}"#))
        .collect();
    let query = format!(
        "mutation {{ commit(operations: [{}]) {{ ... on Committed {{ created {{ name }} }} }} }}",
        creates.join(", ")
    );
    let data = world.data(&query).await;
    let names: Vec<_> = (0..5).map(|n| json!({ "name": format!("rock {n}") })).collect();
    assert_eq!(data["commit"]["created"], json!(names));
}

#[tokio::test]
async fn a_fault_below_a_committed_mutation_says_that_it_is_applied() {
    let world = World::with(narrow());
    let query = format!(
        r#"mutation {{ createEntity(input: {{ name: "a", kind: "rock", bounds: {BOUNDS} }}) {{
            ... on Committed {{ entity {{ id children(first: 3) {{ nodes {{ id }} }} }} }} }} }}"#
    );
    for path in ["/graphql", "/graphql/stream"] {
        let reply = post(&world, path, &query).await;
        assert_eq!(
            (&first(&reply)["code"], &first(&reply)["outcome"]),
            (&json!("TOO_MANY"), &json!("APPLIED")),
            "{path}: {reply}"
        );
    }
    let counted = world.data("{ status { entities } }").await;
    assert_eq!(counted["status"]["entities"], "2", "both were done");
    let reply = post(&world, "/graphql", "{ roots(first: 3) { nodes { id } } }").await;
    assert_eq!(first(&reply)["outcome"], "NOT_APPLIED", "a query writes nothing: {reply}");
}

#[tokio::test]
async fn a_timeout_knows_a_query_from_a_mutation_on_every_transport() {
    let mut config = Config::default();
    config.limits.request_ms = 100;
    let store = GatedStore::closed();
    let world = World::over(store as Arc<dyn entitygraph_store::Store>, config);
    let query = r#"{ entity(id: "1") { name } }"#;
    let mutation = r#"mutation { detach(input: { entity: "1" }) { ... on Committed { entity { children { nodes { id } } } } } }"#;
    for path in ["/graphql", "/graphql/stream"] {
        for (document, outcome) in [(query, "NOT_APPLIED"), (mutation, "UNKNOWN")] {
            let reply = post(&world, path, document).await;
            assert_eq!(
                (&first(&reply)["code"], &first(&reply)["outcome"]),
                (&json!("TIMEOUT"), &json!(outcome)),
                "{path} {document}: {reply}"
            );
        }
    }
}
