//! What is near, zones at a point, links and routes.

use serde_json::{Value, json};

use crate::world::World;

fn names(hits: &Value) -> Vec<String> {
    hits["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["entity"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn near_finds_by_radius_through_nested_zones_nearest_first() {
    let world = World::small().await;
    let (sol, earth) = (world.id("Sol").await, world.id("Earth").await);
    let data = world
        .ask(
            "query ($sol: EntityId!, $earth: EntityId!) {
               around: near(zone: $sol, at: { point: [1.5e11, 0, 0], radius: 6e8 }) { nodes { distance radius entity { name } } }
               moons: near(zone: $sol, at: { point: [1.5e11, 0, 0], radius: 6e8, kinds: [\"moon\", \"ship\"] }) { nodes { entity { name } } }
               layer: near(zone: $sol, at: { point: [1.5e11, 0, 0], radius: 6e8, layer: 7 }) { nodes { entity { name } } }
               inside: near(zone: $earth, at: { point: [0, 0, 0], radius: 1 }) { nodes { entity { name } } } }",
            json!({ "sol": sol, "earth": earth }),
        )
        .await;
    assert_eq!(names(&data["around"])[..3], ["Earth", "Moon", "Hermes"]);
    assert_eq!(
        data["around"]["nodes"][1],
        json!({ "distance": 3.8e8, "radius": 1.7e6, "entity": { "name": "Moon" } })
    );
    assert_eq!(names(&data["moons"]), ["Moon", "Hermes"]);
    assert_eq!(names(&data["layer"]), Vec::<String>::new());
    assert!(names(&data["inside"]).contains(&"Earth".to_owned()));
}

#[tokio::test]
async fn near_by_angular_size_sees_the_sun_and_not_the_ship() {
    let world = World::small().await;
    let query = "query ($sol: EntityId!) { near(zone: $sol, at: { point: [1.5e11, 1e9, 0], minAngularSize: 0.005 }) { nodes { entity { name } } } }";
    let data = world.ask(query, json!({ "sol": world.id("Sol").await })).await;
    let seen = names(&data["near"]);
    assert!(seen.contains(&"Sun".to_owned()) && seen.contains(&"Earth".to_owned()), "{seen:?}");
    assert!(!seen.contains(&"Hermes".to_owned()), "{seen:?}");
}

#[tokio::test]
async fn near_goes_on_by_pages_whatever_is_filtered() {
    let world = World::small().await;
    let earth = world.id("Earth").await;
    for number in 0..25 {
        let kind = if number % 3 == 0 { "rock" } else { "dust" };
        world
            .create(json!({ "name": format!("{number}"), "kind": kind, "parent": earth, "pose": { "position": [1000 * (number / 2 + 1), 0, 0] } }))
            .await;
    }
    let query = "query ($zone: EntityId!, $after: String) { near(zone: $zone, at: { point: [0, 0, 0], radius: 1e5, kinds: [\"rock\"] }, first: 2, after: $after) {
        nodes { entity { name } } pageInfo { hasNextPage endCursor } } }";
    let (mut found, mut after) = (Vec::new(), json!(null));
    loop {
        let data = world.ask(query, json!({ "zone": earth, "after": after })).await;
        found.extend(names(&data["near"]));
        after = data["near"]["pageInfo"]["endCursor"].clone();
        if data["near"]["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(found, ["0", "3", "6", "9", "12", "15", "18", "21", "24"]);
}

#[tokio::test]
async fn a_question_about_no_place_is_refused() {
    let world = World::small().await;
    let (sol, moon) = (world.id("Sol").await, world.id("Moon").await);
    let cases = [
        (format!(r#"near(zone: "{sol}", at: {{ point: [0, 0, 0] }})"#), "INVALID"),
        (format!(r#"near(zone: "{moon}", at: {{ point: [0, 0, 0], radius: 1 }})"#), "NOT_A_ZONE"),
        (format!(r#"near(zone: "{sol}", at: {{ point: [0, 0, 0], radius: -1 }})"#), "BAD_COORDINATE"),
        (r#"near(zone: "4711", at: { point: [0, 0, 0], radius: 1 })"#.to_owned(), "UNKNOWN_ENTITY"),
    ];
    for (field, expected) in cases {
        let (code, _) = world.error(&format!("{{ {field} {{ nodes {{ distance }} }} }}"), json!({})).await;
        assert_eq!(code, expected, "{field}");
    }
}

#[tokio::test]
async fn zones_at_a_point_go_inwards() {
    let world = World::small().await;
    let query = "query ($zone: EntityId!) { zonesAt(zone: $zone, point: [150000000030, 5e8, 2]) { name } }";
    let data = world.ask(query, json!({ "zone": world.id("Sol").await })).await;
    let zones: Vec<_> =
        data["zonesAt"].as_array().unwrap().iter().map(|zone| zone["name"].as_str().unwrap()).collect();
    assert_eq!(zones[0], "Sol");
    assert!(zones.contains(&"Earth") || zones.contains(&"Hermes"), "{zones:?}");
}

#[tokio::test]
async fn links_and_routes_lead_to_other_zones() {
    let world = World::small().await;
    let data = world
        .ask(
            r#"query ($sol: EntityId!, $proxima: EntityId!, $gate: EntityId!) {
              entity(id: $gate) { links { nodes { kind cost to { name zoneHost { name } } } } }
              zone: entity(id: $sol) { zone { links { nodes { kind a { name } b { name } } } } }
              route(from: $sol, to: $proxima) { cost from { name } length hops { nodes { cost from { name } to { name } zone { name } } } }
              none: route(from: $sol, to: $proxima, kind: "road") { cost } }"#,
            json!({ "sol": world.id("Sol").await, "proxima": world.id("Proxima").await, "gate": world.id("Sol Gate").await }),
        )
        .await;
    assert_eq!(
        data["entity"]["links"]["nodes"],
        json!([{ "kind": "jump", "cost": 2.0, "to": { "name": "Proxima Gate", "zoneHost": { "name": "Proxima" } } }])
    );
    assert_eq!(
        data["zone"]["zone"]["links"]["nodes"],
        json!([{ "kind": "jump", "a": { "name": "Sol Gate" }, "b": { "name": "Proxima Gate" } }])
    );
    assert_eq!(
        data["route"],
        json!({ "cost": 2.0, "from": { "name": "Sol" },
            "length": 1, "hops": { "nodes": [{ "cost": 2.0, "from": { "name": "Sol Gate" }, "to": { "name": "Proxima Gate" }, "zone": { "name": "Proxima" } }] } })
    );
    assert_eq!(data["none"], json!(null));
    let (a, b) = (world.id("Sol Gate").await, world.id("Proxima Gate").await);
    let unlink =
        "mutation ($input: UnlinkInput!) { unlink(input: $input) { __typename ... on Refusal { code } } }";
    for expected in
        [json!({ "__typename": "Committed" }), json!({ "__typename": "Refusal", "code": "UNKNOWN_LINK" })]
    {
        assert_eq!(world.ask(unlink, json!({ "input": { "a": a, "b": b } })).await["unlink"], expected);
    }
}
