//! Component types and containers: published, shown, refused.

use serde_json::{Value, json};

use crate::world::World;

async fn publish(world: &World, container: Value) -> Value {
    let query = "mutation ($input: ContainerInput!) { publishContainer(input: $input) {
        ... on ContainerPublished { cursor container { name version } } ... on Refusal { code message } } }";
    world.ask(query, json!({ "input": container })).await["publishContainer"].take()
}

async fn publish_component(world: &World, component: Value) -> Value {
    let query = "mutation ($input: ComponentTypeInput!) { publishComponent(input: $input) {
        ... on ComponentPublished { componentType { name version variables { name kind default group send persisted visibility precision } } }
        ... on Refusal { code message } } }";
    world.ask(query, json!({ "input": component })).await["publishComponent"].take()
}

#[tokio::test]
async fn a_component_type_shows_what_its_author_wrote() {
    let world = World::empty();
    let published = publish_component(
        &world,
        json!({ "name": "engine", "variables": [
            { "name": "thrust", "kind": "VECTOR", "default": [0, 0, 1], "group": "flight", "send": "EVERY_TICK", "precision": 0.5 },
            { "name": "serial", "kind": "INT", "default": "9223372036854775807", "visibility": "SERVER_ONLY" },
            { "name": "image", "kind": "BYTES", "default": "AQID", "persisted": false }] }),
    )
    .await;
    assert_eq!(
        published["componentType"],
        json!({ "name": "engine", "version": 1, "variables": [
            { "name": "thrust", "kind": "VECTOR", "default": [0.0, 0.0, 1.0], "group": "flight", "send": "EVERY_TICK",
              "persisted": true, "visibility": "PUBLIC", "precision": 0.5 },
            { "name": "serial", "kind": "INT", "default": "9223372036854775807", "group": null, "send": "ON_CHANGE",
              "persisted": true, "visibility": "SERVER_ONLY", "precision": null },
            { "name": "image", "kind": "BYTES", "default": "AQID", "group": null, "send": "ON_CHANGE",
              "persisted": false, "visibility": "PUBLIC", "precision": null }] })
    );
}

#[tokio::test]
async fn a_variable_keeps_its_kind_and_may_not_be_dropped() {
    let world = World::small().await;
    let refused = publish_component(&world, json!({ "name": "hull", "variables": [] })).await;
    assert_eq!(refused["code"], "VARIABLE_DROPPED");
    let variables = json!([{ "name": "hp", "kind": "TEXT", "default": "" }, { "name": "plates", "kind": "INT", "default": 4 }]);
    let refused = publish_component(&world, json!({ "name": "hull", "variables": variables })).await;
    assert_eq!(refused["code"], "VARIABLE_KIND_CHANGED");
    let variables = json!([{ "name": "hp", "kind": "FLOAT", "default": "full" }]);
    let refused = publish_component(&world, json!({ "name": "paint", "variables": variables })).await;
    assert_eq!(refused["code"], "WRONG_KIND");
    assert_eq!(refused["message"], "variable `paint.hp` is float: send a finite number, not \"full\"");
}

/// The holders of the retired variables of `hull`, a page of one entity, with all page cursors.
async fn holders(world: &World) -> Vec<(String, Value)> {
    let query = "query ($after: String) { componentType(name: \"hull\") { retired { name kind
        holders(first: 1, after: $after) { nodes { entity { name } value } pageInfo { hasNextPage endCursor } } } } }";
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let answer = world.ask(query, json!({ "after": after })).await;
        let retired = &answer["componentType"]["retired"][0];
        let page = &retired["holders"];
        for holder in page["nodes"].as_array().into_iter().flatten() {
            let variable = format!("{} {} of {}", retired["kind"], retired["name"], holder["entity"]["name"]);
            found.push((variable.replace('"', ""), holder["value"].clone()));
        }
        if page["pageInfo"]["hasNextPage"] != json!(true) {
            return found;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

#[tokio::test]
async fn a_renamed_variable_keeps_its_values_and_a_retired_one_is_listed_with_its_holders() {
    // AC 2.1.4.
    let world = World::small().await;
    let (hermes, earth) = (world.id("Hermes").await, world.id("Earth").await);
    let set = |entity: String, variable: &'static str, value: Value| {
        let query = "mutation ($input: SetVariablesInput!) { setVariables(input: $input) { __typename ... on Refusal { code } } }";
        let values = json!([{ "component": "hull", "variable": variable, "value": value }]);
        (query, json!({ "input": { "entity": entity, "values": values } }))
    };
    for (entity, variable, value) in
        [(&hermes, "hp", json!(7.5)), (&hermes, "plates", json!(3)), (&earth, "plates", json!(5))]
    {
        let (query, input) = set(entity.clone(), variable, value);
        assert_eq!(world.ask(query, input).await["setVariables"]["__typename"], "Committed");
    }
    let evolved = json!({ "name": "hull", "retire": ["plates"],
        "variables": [{ "name": "health", "renamedFrom": "hp", "kind": "FLOAT", "default": 100 }] });
    let published = publish_component(&world, evolved.clone()).await;
    assert_eq!(published["componentType"]["version"], 2);
    assert_eq!(
        publish_component(&world, evolved).await["componentType"]["version"],
        2,
        "a retry changes nothing"
    );
    let read = "query ($id: EntityId!) { entity(id: $id) { components { name variables { name value } } } }";
    let hull = world.ask(read, json!({ "id": hermes })).await["entity"]["components"].take();
    let hull = hull.as_array().unwrap().iter().find(|component| component["name"] == "hull").unwrap().clone();
    assert_eq!(hull["variables"], json!([{ "name": "health", "value": 7.5 }]));

    let mut held = holders(&world).await;
    held.sort_by_key(|(variable, _)| variable.clone());
    let expected =
        [("INT plates of Earth".to_owned(), json!("5")), ("INT plates of Hermes".to_owned(), json!("3"))];
    assert_eq!(held, expected);
    let (query, input) = set(earth.clone(), "plates", json!(6));
    assert_eq!(world.ask(query, input).await["setVariables"]["code"], "UNKNOWN_VARIABLE");
    let (query, input) = set(earth, "plates", Value::Null);
    assert_eq!(world.ask(query, input).await["setVariables"]["__typename"], "Committed");
    assert_eq!(holders(&world).await, expected[1..]);

    let back = json!({ "name": "hull", "variables": [
        { "name": "health", "kind": "FLOAT", "default": 100 }, { "name": "plates", "kind": "INT", "default": 4 }] });
    assert_eq!(publish_component(&world, back).await["componentType"]["version"], 3);
    assert_eq!(holders(&world).await, []);
    let hull = world.ask(read, json!({ "id": hermes })).await["entity"]["components"].take();
    assert!(hull.to_string().contains(r#"{"name":"plates","value":"3"}"#), "{hull}");
}

#[tokio::test]
async fn a_new_version_changes_every_value_that_nobody_overrode() {
    let world = World::small().await;
    let (hermes, sol) = (world.id("Hermes").await, world.id("Sol").await);
    let mine = world
        .commit(
            "instantiate",
            "InstantiateInput",
            json!({ "container": "ship/hauler", "name": "Mine", "parent": sol,
                "values": [{ "component": "hull", "variable": "hp", "value": 1 }] }),
        )
        .await;
    let draft = json!({ "name": "ship/hauler", "kind": "ship", "radius": 40, "root": true,
        "bounds": { "min": [-40, -15, -8], "max": [40, 15, 8] },
        "values": [{ "component": "hull", "variable": "hp", "value": 900 }, { "component": "hull", "variable": "plates", "value": "8" }] });
    let published = publish(&world, draft.clone()).await;
    assert_eq!(published["container"], json!({ "name": "ship/hauler", "version": 2 }));
    assert_eq!(publish(&world, draft).await["container"]["version"], 2, "the same again changes nothing");
    let data = world
        .ask(
            r#"query ($ids: [EntityId!]!) { entities(ids: $ids) { revision
                hp: value(component: "hull", variable: "hp") plates: value(component: "hull", variable: "plates") } }"#,
            json!({ "ids": [hermes, mine] }),
        )
        .await;
    assert_eq!(
        data["entities"],
        json!([{ "revision": "1", "hp": 900.0, "plates": "8" }, { "revision": "1", "hp": 1.0, "plates": "8" }])
    );
}

#[tokio::test]
async fn a_container_shows_its_children_ports_and_instances() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let data = world
        .ask(
            r#"query ($sol: EntityId!) {
              container(name: "ship/hauler") { version kind radius root transient labels bounds { max }
                ports { name accepts } components { name variables { name value own } }
                children { nodes { name container { name kind } pose { position } port labels overrides { name variables { name value own } } } }
                instanceEntities instanceCount(below: $sol) instances(below: $sol) { nodes { name } } }
              containers(prefix: "ship/") { nodes { name } } none: container(name: "ship/none") { name }
              componentTypes(first: 1) { nodes { name } pageInfo { hasNextPage } } }"#,
            json!({ "sol": sol }),
        )
        .await;
    let hull = json!({ "name": "hull", "variables": [
        { "name": "hp", "value": 800.0, "own": true }, { "name": "plates", "value": "4", "own": false }] });
    assert_eq!(
        data["container"],
        json!({
            "version": 1, "kind": "ship", "radius": 40.0, "root": true, "transient": false, "labels": ["flies"],
            "bounds": { "max": [40.0, 15.0, 8.0] }, "ports": [{ "name": "clamp", "accepts": ["crate"] }], "components": [hull],
            "children": { "nodes": [
                { "name": "bridge", "container": { "name": "ship/room", "kind": "room" }, "pose": { "position": [30.0, 0.0, 2.0] },
                  "port": null, "labels": [], "overrides": [] },
                { "name": "hold", "container": { "name": "ship/room", "kind": "room" }, "pose": { "position": [-10.0, 0.0, 0.0] },
                  "port": null, "labels": [], "overrides": [{ "name": "cargo", "variables": [
                    { "name": "tons", "value": 12.5, "own": true }, { "name": "contents", "value": [], "own": false }] }] }] },
            "instanceEntities": "3", "instanceCount": "1", "instances": { "nodes": [{ "name": "Hermes" }] },
        })
    );
    assert_eq!(data["containers"]["nodes"], json!([{ "name": "ship/hauler" }, { "name": "ship/room" }]));
    assert_eq!(data["none"], json!(null));
    assert_eq!(
        data["componentTypes"],
        json!({ "nodes": [{ "name": "cargo" }], "pageInfo": { "hasNextPage": true } })
    );
}

#[tokio::test]
async fn containers_that_cannot_be_are_refused_by_name() {
    let world = World::small().await;
    let cases = [
        (
            json!({ "name": "loop", "kind": "a", "children": [{ "name": "x", "container": "loop" }] }),
            "CONTAINER_CYCLE",
            "`loop`",
        ),
        (
            json!({ "name": "ship/room", "kind": "room", "children": [{ "name": "x", "container": "ship/hauler" }] }),
            "CONTAINER_CYCLE",
            "ship/hauler",
        ),
        (
            json!({ "name": "a", "kind": "a", "children": [{ "name": "x", "container": "none" }] }),
            "UNKNOWN_CONTAINER",
            "`none`",
        ),
        (json!({ "name": "ship/room", "kind": "hall" }), "BAD_CONTAINER", "cannot become `hall`"),
        (json!({ "name": "a b", "kind": "a" }), "BAD_TEXT", "' '"),
        (json!({ "name": "a", "kind": "a", "components": ["shield"] }), "UNKNOWN_COMPONENT", "`shield`"),
        (json!({ "name": "a", "kind": "a", "radius": -1 }), "BAD_CONTAINER", "negative"),
        (
            json!({ "name": "a", "kind": "a", "bounds": { "min": [1, 0, 0], "max": [0, 0, 0] } }),
            "BAD_COORDINATE",
            "x axis",
        ),
    ];
    for (draft, code, part) in cases {
        let refused = publish(&world, draft.clone()).await;
        assert_eq!(refused["code"], code, "{draft}");
        assert!(refused["message"].as_str().unwrap().contains(part), "{draft}: {refused}");
    }
}

#[tokio::test]
async fn the_children_of_a_container_come_by_pages_in_the_order_of_its_author() {
    let world = World::small().await;
    let names = ["e", "a", "d", "b", "c"];
    let children = names.map(|name| json!({ "name": name, "container": "ship/room" }));
    publish(&world, json!({ "name": "deck", "kind": "deck", "children": children })).await;
    let query = "query ($after: String) { container(name: \"deck\") {
        children(first: 2, after: $after) { nodes { name } pageInfo { hasNextPage endCursor } } } }";
    let (mut after, mut found, mut pages) = (Value::Null, Vec::new(), 0);
    loop {
        let page = world.ask(query, json!({ "after": after })).await["container"]["children"].take();
        let nodes = page["nodes"].as_array().unwrap();
        found.extend(nodes.iter().map(|child| child["name"].as_str().unwrap().to_owned()));
        pages += 1;
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!((found, pages), (names.map(str::to_owned).to_vec(), 3));
    publish(&world, json!({ "name": "deck", "kind": "deck" })).await;
    assert_eq!(world.error(query, json!({ "after": after })).await.0, "BAD_PAGE_CURSOR");
}

#[tokio::test]
async fn a_node_that_is_not_there_is_the_error_of_the_count_that_asks_about_it() {
    let world = World::small().await;
    let query = r#"{ container(name: "ship/room") { all: instanceCount none: instanceCount(below: "77") } }"#;
    let reply = world.post(json!({ "query": query }).to_string()).await;
    let errors = reply.json()["errors"].as_array().unwrap().clone();
    assert_eq!((errors.len(), reply.code()), (1, "UNKNOWN_ENTITY".to_owned()));
    assert_eq!(errors[0]["path"], json!(["container", "none"]));
}
