//! How many reads of the store common queries cost: one a level, never one a row.

use serde_json::{Value, json};

use crate::world::World;

/// A parent with this many children, and a server that has read none of them.
async fn wide(children: usize) -> (World, String) {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let parent = world.create(json!({ "name": "Belt", "kind": "belt", "parent": sol })).await;
    let operations: Vec<_> = (0..children)
        .map(|number| json!({ "create": { "name": format!("rock {number}"), "kind": "rock", "parent": parent } }))
        .collect();
    let query =
        "mutation ($operations: [OperationInput!]!) { commit(operations: $operations) { __typename } }";
    assert_eq!(
        world.ask(query, json!({ "operations": operations })).await["commit"]["__typename"],
        "Committed"
    );
    (world.cold(), parent)
}

/// Reads by question that the query costs, and its answer.
async fn cost(world: &World, query: &str, variables: Value) -> (Vec<(&'static str, u64)>, Value) {
    const QUESTIONS: [&str; 14] = [
        "entities",
        "children",
        "ancestors",
        "subtree",
        "find",
        "counts",
        "counts_of",
        "counts_by",
        "total",
        "owned",
        "named",
        "near",
        "links",
        "route",
    ];
    let before = QUESTIONS.map(|question| world.store_reads(question));
    let data = world.ask(query, variables).await;
    let after = QUESTIONS
        .into_iter()
        .zip(before)
        .map(|(question, before)| (question, world.store_reads(question) - before));
    (after.filter(|(_, reads)| *reads > 0).collect(), data)
}

#[tokio::test]
async fn a_page_of_children_is_two_reads_whatever_its_size() {
    for children in [5, 200] {
        let (world, parent) = wide(children).await;
        let query = "query ($id: EntityId!) { entity(id: $id) { children(first: 500) { nodes { id name kind revision } } } }";
        let (reads, data) = cost(&world, query, json!({ "id": parent })).await;
        assert_eq!(data["entity"]["children"]["nodes"].as_array().unwrap().len(), children);
        assert_eq!(reads, [("entities", 2), ("children", 1)], "itself, the list and its rows: {children}");
    }
}

#[tokio::test]
async fn the_parents_of_many_are_one_read() {
    let (world, _) = wide(100).await;
    let found = world.data(r#"{ named(prefix: "rock", first: 200) { nodes { id } } }"#).await;
    let ids: Vec<_> =
        found["named"]["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect();
    let world = world.cold();
    let query = "query ($ids: [EntityId!]!) { entities(ids: $ids) { parent { name } } }";
    let (reads, _) = cost(&world, query, json!({ "ids": ids })).await;
    assert_eq!(reads, [("entities", 2)], "one for all of them, one for the parent of all");
}

#[tokio::test]
async fn a_subtree_is_one_read_cold_and_none_warm() {
    let (world, parent) = wide(60).await;
    let query = "query ($id: EntityId!) { subtree(id: $id) { nodes { id name parent { id } } } }";
    let (cold, data) = cost(&world, query, json!({ "id": parent })).await;
    assert_eq!(data["subtree"]["nodes"].as_array().unwrap().len(), 61);
    assert_eq!(cold, [("subtree", 1)], "the parent of its root is not in it, but its id is known");
    assert_eq!(cost(&world, query, json!({ "id": parent })).await.0, []);
}

#[tokio::test]
async fn an_entity_that_was_read_is_answered_from_the_cache() {
    let (world, parent) = wide(1).await;
    let query = "query ($id: EntityId!) { entity(id: $id) { name } }";
    assert_eq!(cost(&world, query, json!({ "id": parent })).await.0, [("entities", 1)]);
    assert_eq!(cost(&world, query, json!({ "id": parent })).await.0, []);
}

#[tokio::test]
async fn near_is_one_search_and_one_read_of_its_rows() {
    let (world, _) = wide(1).await;
    let world = world.cold();
    let query = "query ($zone: EntityId!) { near(zone: $zone, at: { point: [0, 0, 0], radius: 1e13 }) { nodes { entity { name } } } }";
    let (reads, _) = cost(&world, query, json!({ "zone": world.id("Sol").await })).await;
    assert_eq!(reads, [("entities", 1), ("near", 1)]);
}

#[tokio::test]
async fn a_search_by_one_property_is_one_search_and_one_read_of_its_rows() {
    let (world, _) = wide(100).await;
    let (reads, data) =
        cost(&world, r#"{ find(kinds: ["rock"], first: 50) { nodes { name } } }"#, json!({})).await;
    assert_eq!(data["find"]["nodes"].as_array().unwrap().len(), 50);
    assert_eq!(reads, [("entities", 1), ("find", 1)]);
}

#[tokio::test]
async fn the_instances_of_a_page_of_containers_are_counted_together() {
    let (world, _) = wide(1).await;
    let publish: String = (0..48)
        .map(|n| {
            format!(
                r#"c{n}: publishContainer(input: {{ name: "part/{n}", kind: "part" }}) {{ __typename }} "#
            )
        })
        .collect();
    world.data(&format!("mutation {{ {publish} }}")).await;
    let query = "{ containers(first: 50) { nodes { name instanceCount } } }";
    let (reads, data) = cost(&world, query, json!({})).await;
    let rows = data["containers"]["nodes"].as_array().unwrap();
    assert_eq!(rows.len(), 50);
    assert_eq!(rows.last().unwrap(), &json!({ "name": "ship/room", "instanceCount": "2" }));
    assert_eq!(rows[0]["instanceCount"], "0");
    // The loader waits a millisecond for others: on a busy machine a few come too late.
    assert!(matches!(reads[..], [("counts_of", 1..=5)]), "{reads:?} for 50 rows");

    let (sol, moon) = (world.id("Sol").await, world.id("Moon").await);
    let query = "query ($sol: EntityId!, $moon: EntityId!) { containers(prefix: \"ship/\") { nodes {
        everywhere: instanceCount here: instanceCount(below: $sol) there: instanceCount(below: $moon) } } }";
    let (reads, data) = cost(&world, query, json!({ "sol": sol, "moon": moon })).await;
    let room = json!({ "everywhere": "2", "here": "2", "there": "0" });
    assert_eq!(data["containers"]["nodes"][1], room);
    assert!(matches!(reads[..], [("counts_of", 3..=6)]), "{reads:?} for three nodes that are asked about");
}

#[tokio::test]
async fn how_many_entities_there_are_is_one_figure_for_status_and_health() {
    let (world, _) = wide(10).await;
    let (reads, data) = cost(&world, "{ status { entities } }", json!({})).await;
    assert_eq!((data["status"]["entities"].as_str(), reads), (Some("24"), vec![("total", 1)]));
    let health = world.get("/healthz").await.json();
    assert_eq!((health["entities"].as_str(), world.store_reads("total")), (Some("24"), 2));
    assert_eq!(world.store_reads("counts"), 0);
}
