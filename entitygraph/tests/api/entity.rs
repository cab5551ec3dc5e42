//! Entities: their fields, what is around them and below them.

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn an_entity_shows_everything_that_it_was_made_with() {
    let world = World::small().await;
    let id = world.id("Hermes").await;
    let data = world
        .ask(
            "query ($id: EntityId!) { entity(id: $id) {
               name kind revision epoch radius port root labels owner layer ordinal
               pose { position rotation } zone { bounds { min max } } container { name version } slot { child } parent { name } } }",
            json!({ "id": id }),
        )
        .await;
    assert_eq!(
        data["entity"],
        json!({
            "name": "Hermes", "kind": "ship", "revision": "1", "epoch": "0", "radius": 40.0, "port": null, "root": true,
            "labels": ["flies", "mission/rescue"], "owner": "player:ada", "layer": 0, "ordinal": "0",
            "pose": { "position": [1.5e11, 5e8, 0.0], "rotation": [0.0, 0.0, 0.0, 1.0] },
            "zone": { "bounds": { "min": [-40.0, -15.0, -8.0], "max": [40.0, 15.0, 8.0] } },
            "container": { "name": "ship/hauler", "version": 1 }, "slot": null, "parent": { "name": "Sol" },
        })
    );
}

#[tokio::test]
async fn an_unknown_id_is_null_and_keeps_its_place_among_many() {
    let world = World::small().await;
    let earth = world.id("Earth").await;
    let data = world
        .ask(
            r#"query ($ids: [EntityId!]!) { entity(id: "18446744073709551615") { id } entities(ids: $ids) { name } }"#,
            json!({ "ids": ["999999", earth, "999998"] }),
        )
        .await;
    assert_eq!(data, json!({ "entity": null, "entities": [null, { "name": "Earth" }, null] }));
}

#[tokio::test]
async fn values_come_from_the_slot_over_the_container_over_the_defaults() {
    let world = World::small().await;
    let (hermes, hold) = (world.id("Hermes").await, world.id("hold").await);
    let data = world
        .ask(
            r#"query ($hermes: EntityId!, $hold: EntityId!) {
              ship: entity(id: $hermes) {
                components { name own variables { name kind value own } }
                hp: value(component: "hull", variable: "hp")
                none: value(component: "cargo", variable: "tons") }
              hold: entity(id: $hold) {
                slot { child container { name } }
                tons: value(component: "cargo", variable: "tons")
                components(names: ["hull"]) { name } } }"#,
            json!({ "hermes": hermes, "hold": hold }),
        )
        .await;
    assert_eq!(
        data,
        json!({
            "ship": {
                "components": [{ "name": "hull", "own": false, "variables": [
                    { "name": "hp", "kind": "FLOAT", "value": 800.0, "own": false },
                    { "name": "plates", "kind": "INT", "value": "4", "own": false } ] }],
                "hp": 800.0, "none": null,
            },
            "hold": { "slot": { "child": "hold", "container": { "name": "ship/hauler" } }, "tons": 12.5, "components": [] },
        })
    );
}

#[tokio::test]
async fn children_come_in_order_and_by_pages() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let page = "query ($id: EntityId!, $order: ChildOrder!, $after: String) { entity(id: $id) {
        children(order: $order, first: 2, after: $after) {
          edges { cursor node { name } } nodes { name } pageInfo { hasNextPage hasPreviousPage endCursor } } } }";
    for (order, expected) in [
        ("ORDINAL", ["Sun", "Hermes", "Sol Gate", "Earth"]),
        ("NAME", ["Earth", "Hermes", "Sol Gate", "Sun"]),
    ] {
        let mut names = Vec::new();
        let mut after = json!(null);
        loop {
            let data = world.ask(page, json!({ "id": sol, "order": order, "after": after })).await;
            let children = &data["entity"]["children"];
            names.extend(
                children["nodes"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|node| node["name"].as_str().unwrap().to_owned()),
            );
            after = children["pageInfo"]["endCursor"].clone();
            assert_eq!(children["edges"][1]["cursor"], after);
            assert_eq!(children["pageInfo"]["hasPreviousPage"], json!(names.len() > 2));
            if children["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
        }
        assert_eq!(names, expected, "{order}");
    }
}

#[tokio::test]
async fn a_subtree_comes_parents_first_to_the_depth_asked() {
    let world = World::small().await;
    let (sol, ada) = (world.id("Sol").await, world.id("Ada").await);
    let data = world
        .ask(
            "query ($sol: EntityId!, $ada: EntityId!) {
               one: subtree(id: $sol, depth: 1) { count nodes { name } }
               all: subtree(id: $sol) { nodes { name } }
               ship: aggregate(id: $ada) { nodes { name } }
               none: subtree(id: 12345) { count } }",
            json!({ "sol": sol, "ada": ada }),
        )
        .await;
    let names = |tree: &str| {
        let nodes = data[tree]["nodes"].as_array().unwrap().iter();
        nodes.map(|node| node["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(data["one"]["count"], "5");
    assert_eq!(names("one"), ["Sol", "Sun", "Hermes", "Sol Gate", "Earth"]);
    assert_eq!(
        names("all"),
        ["Sol", "Sun", "Hermes", "bridge", "Ada", "hold", "Crate", "Sol Gate", "Earth", "Moon"]
    );
    assert_eq!(names("ship"), ["Ada"], "she is an aggregate root herself");
    assert_eq!(data["none"], json!(null));
}

#[tokio::test]
async fn descendants_are_the_subtree_by_pages_without_its_root() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let mut names = Vec::new();
    let mut after = json!(null);
    loop {
        let data = world
            .ask(
                "query ($id: EntityId!, $after: String) { entity(id: $id) {
                   descendants(extent: AGGREGATE, first: 1, after: $after) { nodes { name } pageInfo { hasNextPage endCursor } } } }",
                json!({ "id": sol, "after": after }),
            )
            .await;
        let page = &data["entity"]["descendants"];
        assert_eq!(page["nodes"].as_array().unwrap().len(), 1);
        names.push(page["nodes"][0]["name"].as_str().unwrap().to_owned());
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(names, ["Sun", "Sol Gate", "Earth", "Moon"]);
}

#[tokio::test]
async fn what_is_around_an_entity_is_found_from_it() {
    let world = World::small().await;
    let data = world
        .ask(
            "query ($id: EntityId!) { entity(id: $id) {
               ancestors { name } zoneHost { name } aggregateRoot { name } parent { parent { name } } } }",
            json!({ "id": world.id("Crate").await }),
        )
        .await;
    assert_eq!(
        data["entity"],
        json!({
            "ancestors": [{ "name": "hold" }, { "name": "Hermes" }, { "name": "Sol" }, { "name": "Universe" }],
            "zoneHost": { "name": "hold" }, "aggregateRoot": { "name": "Hermes" }, "parent": { "parent": { "name": "Hermes" } },
        })
    );
}

#[tokio::test]
async fn entities_are_found_by_name_owner_and_in_the_roots() {
    let world = World::small().await;
    let data = world
        .data(
            r#"{ named(prefix: "pRoX") { nodes { name } } owned(owner: "player:ada") { nodes { name } }
                 roots { nodes { name counts { total kinds { nodes { name count } }
                   containers { nodes { container { name } count } } labels { nodes { name count } }
                   components { nodes { component { name } count } } } } } }"#,
        )
        .await;
    assert_eq!(data["named"]["nodes"], json!([{ "name": "Proxima" }, { "name": "Proxima Gate" }]));
    assert_eq!(data["owned"]["nodes"], json!([{ "name": "Hermes" }, { "name": "Ada" }]));
    let root = &data["roots"]["nodes"][0];
    assert_eq!(root["name"], "Universe");
    assert_eq!(root["counts"]["total"], "12");
    assert!(
        root["counts"]["kinds"]["nodes"]
            .as_array()
            .unwrap()
            .contains(&json!({ "name": "gate", "count": "2" }))
    );
    assert_eq!(
        root["counts"]["containers"]["nodes"],
        json!([{ "container": { "name": "ship/room" }, "count": "2" }, { "container": { "name": "ship/hauler" }, "count": "1" }])
    );
    assert_eq!(
        root["counts"]["labels"]["nodes"],
        json!([{ "name": "flies", "count": "1" }, { "name": "mission/rescue", "count": "1" }])
    );
    assert_eq!(
        root["counts"]["components"]["nodes"],
        json!([{ "component": { "name": "cargo" }, "count": "1" }])
    );
}

#[tokio::test]
async fn a_search_joins_its_conditions_and_sees_inherited_components() {
    let world = World::small().await;
    let universe = world.id("Universe").await;
    let found = async |conditions: &str| {
        let query = format!(r#"{{ find(below: "{universe}", {conditions}) {{ nodes {{ name }} }} }}"#);
        let data = world.data(&query).await;
        let nodes = data["find"]["nodes"].as_array().unwrap().iter();
        let mut names: Vec<_> = nodes.map(|node| node["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(found(r#"kinds: ["planet", "moon"]"#).await, "Earth Moon");
    assert_eq!(found(r#"containers: ["ship/room"]"#).await, "bridge hold");
    assert_eq!(found(r#"labels: ["mission/rescue"]"#).await, "Hermes");
    // From a container, from a slot's override, and the entity's own.
    assert_eq!(found(r#"components: ["hull"]"#).await, "Hermes");
    assert_eq!(found(r#"components: ["cargo"]"#).await, "Crate hold");
    assert_eq!(found(r#"components: ["cargo", "hull"], kinds: ["ship", "crate"]"#).await, "Crate Hermes");
    assert_eq!(found(r#"kinds: ["moon"], labels: ["flies"]"#).await, "");
    let (code, message) = world.error("{ find { nodes { id } } }", json!({})).await;
    assert_eq!(code, "INVALID");
    assert!(message.contains("at least one kind"), "{message}");
}

#[tokio::test]
async fn a_search_goes_on_page_by_page_over_what_does_not_match() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    for number in 0..30 {
        let kind = if number % 10 == 9 { "beacon" } else { "rock" };
        let labels = if number % 2 == 1 { json!(["lit"]) } else { json!([]) };
        world
            .create(
                json!({ "name": format!("thing {number}"), "kind": kind, "parent": sol, "labels": labels }),
            )
            .await;
    }
    let mut names = Vec::new();
    let mut after = json!(null);
    loop {
        let data = world
            .ask(
                r#"query ($after: String) { find(kinds: ["rock", "beacon"], labels: ["lit"], first: 4, after: $after) {
                    nodes { name } pageInfo { hasNextPage endCursor } } }"#,
                json!({ "after": after }),
            )
            .await;
        let page = &data["find"];
        names.extend(
            page["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap().to_owned()),
        );
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    let expected: Vec<_> =
        (0..30).filter(|number| number % 2 == 1).map(|number| format!("thing {number}")).collect();
    assert_eq!(names, expected);
    let (code, _) =
        world.error(r#"{ find(kinds: ["rock"], after: "AAAA") { nodes { id } } }"#, json!({})).await;
    assert_eq!(code, "BAD_PAGE_CURSOR");
}

#[tokio::test]
async fn fields_are_answered_in_the_order_of_the_query_also_those_that_had_to_be_waited_for() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let query = format!(
        r#"query Order {{ sol: entity(id: "{sol}") {{
             children(first: 1) {{ nodes {{ parent {{ name }} name }} }} name ...Rest ... on Entity {{ radius }} kind }}
           __typename }}
           fragment Rest on Entity {{ ancestors {{ name }} kind }}"#
    );
    let expected = r#"{"data":{"sol":{"children":{"nodes":[{"parent":{"name":"Sol"},"name":"Sun"}]},"name":"Sol","ancestors":[{"name":"Universe"}],"kind":"system","radius":0.0},"__typename":"Query"}}"#;
    // Nothing is in the cache the first time, everything the second.
    let cold = world.cold();
    for _ in 0..2 {
        assert_eq!(cold.post(json!({ "query": query }).to_string()).await.text, expected);
    }
}

#[tokio::test]
async fn counts_come_by_pages() {
    let world = World::small().await;
    let query = "query ($first: Int, $after: String) { counts {
        kinds(first: $first, after: $after) { nodes { name count } pageInfo { hasNextPage endCursor } } } }";
    let all = world.ask(query, json!({ "first": 100 })).await["counts"]["kinds"]["nodes"].take();
    let all = all.as_array().unwrap();
    let names: Vec<_> = all.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted() && names.len() == 10, "{names:?}");
    let (mut after, mut found) = (Value::Null, Vec::new());
    for _ in 0..3 {
        let page = world.ask(query, json!({ "first": 4, "after": after })).await["counts"]["kinds"].take();
        found.extend(page["nodes"].as_array().unwrap().clone());
        after = page["pageInfo"]["endCursor"].clone();
        assert_eq!(page["pageInfo"]["hasNextPage"], found.len() < all.len());
    }
    assert_eq!(&found, all);
    assert_eq!(world.error(query, json!({ "first": 2_001 })).await.0, "TOO_MANY");
    assert_eq!(world.error("{ counts(below: 77) { total } }", json!({})).await.0, "UNKNOWN_ENTITY");
}
