//! The examples of the playground, run as they are.

use entitygraph::api::web::examples;
use serde_json::{Value, json};

use crate::world::World;

/// Every list of the answer that has rows.
fn rows(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.len() + list.iter().map(rows).sum::<usize>(),
        Value::Object(object) => object.values().map(rows).sum(),
        _ => 0,
    }
}

#[tokio::test]
async fn every_example_runs_and_shows_something() {
    let examples = examples().unwrap();
    assert!(examples.len() >= 12, "{}", examples.len());
    let world = World::small().await;
    for example in examples.iter().filter(|example| example.kind != "subscription") {
        let body = json!({ "query": example.query, "operationName": example.operation }).to_string();
        let reply = world.post(body).await.json();
        assert_eq!(reply.get("errors"), None, "{}: {reply}", example.name);
        let shows =
            rows(&reply["data"]) > 0 || example.kind == "mutation" || example.name == "how-is-the-server";
        assert!(shows, "{}: {reply}", example.name);
        assert!(!reply.to_string().contains("\"code\":"), "{}: {reply}", example.name);
    }
}
