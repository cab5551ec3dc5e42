//! The short ways to an answer give the executor's answer, byte by byte.

use async_graphql::{Variables, parser::parse_query};
use entitygraph::{
    Config,
    api::graphql::straight::{PLAIN_FIELDS, Plan},
    config::Limits,
};
use serde_json::{Value, json};

use crate::world::World;

/// The selection of a plain field.
fn field(name: &str) -> String {
    match name {
        "pose" => "pose { __typename rotation position }".to_owned(),
        "parent" => "parent { id name parent { kind } }".to_owned(),
        name => name.to_owned(),
    }
}

/// Entities of which each has something that another has not.
async fn entities(world: &World) -> Vec<String> {
    let krate = world.id("Crate").await;
    let odd = json!({ "entity": krate, "name": "\"Crate\" \\ Ø\u{1F680}</script>", "owner": "player:ada", "layer": 2147483647_u32,
        "ordinal": "-9223372036854775808", "radius": 1e-7, "addLabels": ["a", "b/c"] });
    world.commit("changeEntity", "ChangeEntityInput", odd).await;
    let mut ids = vec![krate];
    for name in ["Universe", "Earth", "Hermes", "Ada", "Sol Gate"] {
        ids.push(world.id(name).await);
    }
    ids
}

async fn executed(world: &World, query: &str, variables: &Value) -> String {
    world.post(json!({ "query": query, "variables": variables }).to_string()).await.text
}

fn planned(world: &World, query: &str, variables: &Value) -> Option<String> {
    let plan = Plan::compile(&parse_query(query).unwrap())?;
    let answer = plan.answer(world.api.graph(), &Variables::from_json(variables.clone()))?;
    Some(String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn every_plain_field_of_every_sort_of_entity_is_written_as_the_executor_writes_it() {
    let world = World::small().await;
    let ids = entities(&world).await;
    for name in PLAIN_FIELDS {
        let query =
            format!("query ($ids: [EntityId!]!) {{ entities(ids: $ids) {{ {} alias: id }} }}", field(name));
        let variables = json!({ "ids": ids });
        // The executor has to be first: it fills the cache.
        let executed = executed(&world, &query, &variables).await;
        assert!(!executed.contains("errors"), "{executed}");
        assert_eq!(planned(&world, &query, &variables), Some(executed), "{name}");
    }
}

#[tokio::test]
async fn every_plan_answers_as_the_executor_does() {
    let world = World::small().await;
    let (sol, hermes) = (world.id("Sol").await, world.id("Hermes").await);
    let queries = [
        "query ($id: EntityId!) { entity(id: $id) { name } }".to_owned(),
        "query A($id: EntityId!) { one: entity(id: $id) { id name } two: entity(id: $id) { kind } }".to_owned(),
        format!("{{ entity(id: \"{sol}\") {{ name }} entities(ids: [\"{sol}\", {hermes}]) {{ name }} }}"),
        "query ($id: EntityId!) { subtree(id: $id) { count nodes { id name parent { name } pose { position } } cursor } }".to_owned(),
        "query ($id: EntityId!) { subtree(id: $id, depth: 1) { nodes { name } } subtree2: subtree(id: $id, depth: 0) { count } }".to_owned(),
        "query ($id: EntityId!) { subtree(extent: AGGREGATE, id: $id) { nodes { name labels } } }".to_owned(),
    ];
    for query in queries {
        let variables = json!({ "id": sol });
        let executed = executed(&world, &query, &variables).await;
        assert_eq!(planned(&world, &query, &variables), Some(executed.clone()), "{query}");
        let again = world.post(json!({ "query": query, "variables": variables }).to_string()).await;
        assert_eq!((again.text, again.content_type.as_str()), (executed, "application/json"));
    }
}

#[tokio::test]
async fn a_plan_costs_what_the_executor_counts() {
    let small = World::small().await;
    let (sol, hermes) = (small.id("Sol").await, small.id("Hermes").await);
    let over = |query_complexity| {
        let limits = Limits { query_complexity, ..Limits::default() };
        World::over(small.api.graph().store().clone(), Config { limits, ..Config::default() })
    };
    // Each with a cheaper question that brings what it needs into the cache.
    let questions = [
        (
            format!(r#"{{ entity(id: "{sol}") {{ id name pose {{ position rotation }} }} }}"#),
            format!(r#"{{ entity(id: "{sol}") {{ id }} }}"#),
        ),
        (
            format!(r#"{{ entities(ids: ["{sol}", {hermes}]) {{ id name kind }} }}"#),
            format!(r#"{{ entities(ids: ["{sol}", {hermes}]) {{ id }} }}"#),
        ),
        (
            format!(r#"{{ subtree(id: "{sol}") {{ count nodes {{ id name }} }} }}"#),
            format!(r#"{{ subtree(id: "{sol}") {{ count }} }}"#),
        ),
    ];
    for (query, cheaper) in questions {
        // The lowest limit with which the executor answers.
        let (mut below, mut cost) = (0, Limits::default().query_complexity);
        while below + 1 < cost {
            let limit = below.midpoint(cost);
            let refused = executed(&over(limit), &query, &json!({})).await.contains("errors");
            if refused { below = limit } else { cost = limit }
        }
        for (limit, expected) in [(cost, true), (cost - 1, false)] {
            let world = over(limit);
            assert!(!executed(&world, &cheaper, &json!({})).await.contains("errors"));
            assert_eq!(planned(&world, &query, &json!({})).is_some(), expected, "{limit} for {query}");
        }
    }
}

#[tokio::test]
async fn what_is_not_plain_is_left_to_the_executor() {
    let queries = [
        "{ status { cursor } }",
        "{ __typename }",
        "mutation { leaseIds }",
        "query ($id: EntityId!) { entity(id: $id) { children { nodes { id } } } }",
        "query ($id: EntityId!) { entity(id: $id) { value(component: \"hull\", variable: \"hp\") } }",
        "query ($id: EntityId!, $x: Boolean!) { entity(id: $id) { id @skip(if: $x) } }",
        "query ($id: EntityId!) { entity(id: $id) { id } entity(id: $id) { name } }",
        "query ($id: EntityId!) { entity(id: $id) { id id } }",
        "query ($id: EntityId!) { entity(id: $id) { ... on Entity { id } } }",
        "query ($id: EntityId!) { entity(id: $id) { ...a } } fragment a on Entity { id }",
        "query ($id: EntityId!, $depth: Int) { subtree(id: $id, depth: $depth) { count } }",
        "query A { entity(id: 1) { id } } query B { entity(id: 1) { id } }",
    ];
    for query in queries {
        assert!(Plan::compile(&parse_query(query).unwrap()).is_none(), "{query}");
    }
}

#[tokio::test]
async fn a_plan_declines_what_is_unknown_wrong_or_too_much() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let one = "query ($id: EntityId!) { entity(id: $id) { name } }";
    for id in [json!("4711"), json!("x"), json!(null), json!({}), json!(1.5)] {
        assert_eq!(planned(&world, one, &json!({ "id": id })), None, "{id}");
    }
    assert_eq!(planned(&world, one, &json!({})), None);
    let many = "query ($ids: [EntityId!]!) { entities(ids: $ids) { name } }";
    assert!(planned(&world, many, &json!({ "ids": [sol] })).is_some());
    assert_eq!(planned(&world, many, &json!({ "ids": vec![sol.clone(); 2_001] })), None);
    assert_eq!(planned(&world, many, &json!({ "ids": sol })), None);
}

#[tokio::test]
async fn a_plan_never_shows_what_was_changed_since() {
    let world = World::small().await;
    let hermes = world.id("Hermes").await;
    let tree = "query ($id: EntityId!) { subtree(id: $id) { nodes { name revision } } }";
    for round in 0..3 {
        let variables = json!({ "id": hermes });
        for _ in 0..2 {
            let data: Value = serde_json::from_str(&executed(&world, tree, &variables).await).unwrap();
            assert_eq!(data["data"]["subtree"]["nodes"][0]["revision"], (round + 1).to_string());
        }
        world
            .commit("changeEntity", "ChangeEntityInput", json!({ "entity": hermes, "ordinal": round + 1 }))
            .await;
    }
}

#[tokio::test]
async fn lists_are_written_as_the_executor_writes_them() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    entities(&world).await;
    let all: Vec<_> = PLAIN_FIELDS.into_iter().map(field).collect();
    let all = all.join(" ");
    let lists = [
        format!("entity(id: \"{sol}\") {{ children {{ pageInfo {{ endCursor }} nodes {{ SELECTION }} }} }}"),
        "named(prefix: \"\") { nodes { SELECTION } }".to_owned(),
        "roots { nodes { descendants { nodes { SELECTION } } } }".to_owned(),
        format!("subtree(id: \"{sol}\") {{ nodes {{ SELECTION }} }}"),
    ];
    for list in lists {
        let straight = format!("query {{ {} }}", list.replace("SELECTION", &all));
        let by_executor =
            format!("query {{ {} }} fragment all on Entity {{ {all} }}", list.replace("SELECTION", "...all"));
        let expected = executed(&world, &by_executor, &json!({})).await;
        assert!(!expected.contains("errors") && expected.contains("Sol Gate"), "{expected}");
        assert_eq!(executed(&world, &straight, &json!({})).await, expected, "{list}");
    }
    let near = format!(
        "near(zone: \"{sol}\", at: {{ point: [0, 0, 0], radius: 1e13 }}) {{ nodes {{ SELECTION }} }}"
    );
    let hit = "__typename radius distance entity { name parent { name } }";
    let straight = format!("{{ {} }}", near.replace("SELECTION", hit));
    let by_executor =
        format!("{{ {} }} fragment hit on Hit {{ {hit} }}", near.replace("SELECTION", "...hit"));
    assert_eq!(
        executed(&world, &straight, &json!({})).await,
        executed(&world, &by_executor, &json!({})).await
    );
}

#[tokio::test]
async fn fields_that_are_asked_twice_are_merged() {
    let world = World::small().await;
    let data = world.data("{ roots { nodes { id } } roots { nodes { name } } }").await;
    let node = &data["roots"]["nodes"][0];
    assert!(node["id"].is_string() && node["name"] == "Universe", "{data}");
    let data = world.data("{ ...a ...b } fragment a on Query { roots { nodes { kind } } } fragment b on Query { roots { nodes { name } } }").await;
    assert_eq!(data["roots"]["nodes"], json!([{ "kind": "universe", "name": "Universe" }]));
}
