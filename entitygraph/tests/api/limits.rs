//! Bad input: each gets a clear error with a next step, and the server goes on.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use entitygraph::Config;
use serde_json::{Value, json};

use crate::world::{Reply, World};

/// The server still answers, and answers right.
async fn still_up(world: &World) {
    assert_eq!(
        world.data("{ roots { nodes { name } } }").await["roots"]["nodes"],
        json!([{ "name": "Universe" }])
    );
}

async fn query(world: &World, text: impl Into<String>) -> Reply {
    world.post(json!({ "query": text.into() }).to_string()).await
}

fn first(reply: &Reply) -> Value {
    reply.json()["errors"][0].clone()
}

#[tokio::test]
async fn ids_that_are_none_are_refused_and_say_what_an_id_is() {
    let world = World::small().await;
    let bad = [
        json!("0"),
        json!(""),
        json!("-1"),
        json!("007"),
        json!("five"),
        json!("18446744073709551616"),
        json!(1.5),
        json!(-3),
        json!(9007199254740993_u64),
        json!(true),
        json!([1]),
        json!({ "id": 1 }),
    ];
    for id in bad {
        let text = "query ($id: EntityId!) { entity(id: $id) { name } }";
        let reply = world.post(json!({ "query": text, "variables": { "id": id } }).to_string()).await;
        let error = first(&reply);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("entity id") || message.contains("EntityId"), "{id}: {message}");
        assert!(["BAD_INPUT", "BAD_DOCUMENT"].contains(&reply.code().as_str()), "{id}: {error}");
        assert_eq!(error["extensions"]["retryable"], false);
    }
    // 1e999 is no number that JSON can carry.
    let reply = world
        .post(
            r#"{"query": "query ($id: EntityId!) { entity(id: $id) { name } }", "variables": {"id": 1e999}}"#,
        )
        .await;
    assert_eq!((reply.status, reply.code()), (StatusCode::BAD_REQUEST, "BAD_REQUEST".to_owned()));
    still_up(&world).await;
}

#[tokio::test]
async fn coordinates_that_are_not_finite_are_refused() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let documents = [
        format!(
            r#"{{ near(zone: "{sol}", at: {{ point: [1e999, 0, 0], radius: 1 }}) {{ nodes {{ distance }} }} }}"#
        ),
        format!(
            r#"{{ near(zone: "{sol}", at: {{ point: [NaN, 0, 0], radius: 1 }}) {{ nodes {{ distance }} }} }}"#
        ),
        format!(
            r#"{{ near(zone: "{sol}", at: {{ point: ["Infinity", 0, 0], radius: 1 }}) {{ nodes {{ distance }} }} }}"#
        ),
        format!(
            r#"{{ near(zone: "{sol}", at: {{ point: [1, 2], radius: 1 }}) {{ nodes {{ distance }} }} }}"#
        ),
        format!(
            r#"mutation {{ moveEntity(input: {{ entity: "{sol}", pose: {{ position: [0, 0, 1e400] }} }}) {{ __typename }} }}"#
        ),
    ];
    for document in documents {
        let reply = query(&world, &document).await;
        assert!(
            ["BAD_INPUT", "BAD_DOCUMENT", "BAD_SYNTAX"].contains(&reply.code().as_str()),
            "{document}: {}",
            reply.text
        );
    }
    let raw = format!(
        r#"{{"query": "mutation ($p: Vector!) {{ moveEntity(input: {{ entity: \"{sol}\", pose: {{ position: $p }} }}) {{ __typename }} }}", "variables": {{"p": [0, 0, 1e999]}}}}"#
    );
    assert_eq!(world.post(raw).await.code(), "BAD_REQUEST");
    let short = format!(
        r#"mutation {{ moveEntity(input: {{ entity: "{sol}", pose: {{ position: [0, 1] }} }}) {{ __typename }} }}"#
    );
    let reply = query(&world, &short).await;
    let message = r#"Invalid value for argument "input.pose.position", expected type "Vector": send three numbers [x, y, z]"#;
    assert_eq!((reply.code(), first(&reply)["message"].as_str()), ("BAD_INPUT".to_owned(), Some(message)));
    let turned = json!({ "entity": sol, "pose": { "position": [0, 0, 0], "rotation": [0, 0, 0, 2] } });
    let (code, message) = world.refused("moveEntity", "MoveInput", turned).await;
    assert_eq!(code, "BAD_COORDINATE");
    assert!(message.contains("length 2"), "{message}");
    let far = json!({ "entity": sol, "pose": { "position": [0, 1e300, 0] } });
    let (code, message) = world.refused("moveEntity", "MoveInput", far).await;
    assert_eq!((&*code, message.contains("1e300 m, at most 1e21 m")), ("BAD_COORDINATE", true), "{message}");
    let near = format!(
        r#"{{ near(zone: "{sol}", at: {{ point: [1e300, 0, 0], radius: 1 }}) {{ nodes {{ distance }} }} }}"#
    );
    assert_eq!(query(&world, &near).await.code(), "BAD_COORDINATE");
    still_up(&world).await;
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_by_its_size() {
    let world = World::small().await;
    let reply = query(&world, "x".repeat(10 * 1024 * 1024)).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE".to_owned()));
    assert!(first(&reply)["message"].as_str().unwrap().contains("4194304 bytes"));
    still_up(&world).await;
}

#[tokio::test]
async fn a_thousand_levels_are_refused_whatever_they_are_made_of() {
    let world = World::small().await;
    let selections = format!("{{ roots {}{} }}", "{ nodes { parent ".repeat(500), "} }".repeat(500));
    let list = format!("{{ entity(id: {}{}) {{ name }} }}", "[".repeat(100_000), "]".repeat(100_000));
    let object = format!("{{ entity(id: {}1{}) {{ name }} }}", "{a: ".repeat(1_000), "}".repeat(1_000));
    let open = "{ a ".repeat(50_000);
    for document in [selections, list, object, open] {
        assert_eq!(query(&world, document).await.code(), "QUERY_TOO_DEEP");
    }
    // Nested JSON in the variables stops in the JSON parser.
    let deep = format!(
        r#"{{"query": "{{ roots {{ nodes {{ name }} }} }}", "variables": {{"a": {}1{}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(world.post(deep).await.code(), "BAD_REQUEST");
    still_up(&world).await;
}

#[tokio::test]
async fn selections_deeper_than_the_limit_are_refused_with_the_limit() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let document =
        format!("{{ entity(id: \"{sol}\") {{ {} name {} }} }}", "parent { ".repeat(25), "}".repeat(25));
    let reply = query(&world, document).await;
    assert_eq!(reply.code(), "QUERY_TOO_DEEP");
    assert!(first(&reply)["message"].as_str().unwrap().contains("20 levels"), "{}", reply.text);
    still_up(&world).await;
}

#[tokio::test]
async fn fragments_that_hold_themselves_are_refused() {
    let world = World::small().await;
    let document = "{ roots { nodes { ...a } } } fragment a on Entity { parent { ...b } } fragment b on Entity { parent { ...a } }";
    let reply = query(&world, document).await;
    assert_eq!(reply.code(), "QUERY_TOO_DEEP", "{}", reply.text);
    still_up(&world).await;
}

#[tokio::test]
async fn thousands_of_aliases_are_too_long_or_too_complex() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let many = |count: usize, field: &str| {
        (0..count).map(|number| format!("a{number}: {field}")).collect::<String>()
    };
    let long = format!("{{ {} }}", many(5_000, &format!("entity(id: \"{sol}\") {{ name }} ")));
    assert_eq!(query(&world, long).await.code(), "QUERY_TOO_LONG");
    let complex = format!("{{ {} }}", many(1_000, "roots(first: 200) { nodes { name } } "));
    let reply = query(&world, complex).await;
    assert_eq!(reply.code(), "QUERY_TOO_COMPLEX");
    let message = first(&reply)["message"].as_str().unwrap().to_owned();
    assert!(message.contains(": it counts 401000, the limit is 100000;"), "{message}");
    still_up(&world).await;
}

#[tokio::test]
async fn the_same_field_over_and_over_is_one_field_or_refused() {
    let world = World::small().await;
    let reply = query(&world, format!("{{ {} }}", "status { cursor } ".repeat(4_000))).await;
    assert!(reply.json()["data"]["status"]["cursor"].is_string(), "{}", reply.text);
    let spreads = format!("{{ {} }} fragment a on Query {{ status {{ cursor }} }}", "...a ".repeat(9_000));
    assert!(query(&world, spreads).await.json()["data"]["status"]["cursor"].is_string());
    let doubling: String = (0..40)
        .map(|level| format!("fragment f{level} on Query {{ ...f{0} ...f{0} }} ", level + 1))
        .collect();
    let bomb = format!("{{ ...f0 }} {doubling} fragment f40 on Query {{ status {{ cursor }} }}");
    let reply = query(&world, bomb).await;
    assert_eq!(reply.code(), "QUERY_TOO_COMPLEX", "{}", reply.text);
    still_up(&world).await;
}

#[tokio::test]
async fn pages_multiply_without_overflowing() {
    let world = World::small().await;
    let document = format!("{{ roots {} }}", nested_pages(8));
    assert_eq!(query(&world, document).await.code(), "QUERY_TOO_COMPLEX");
    for (first, code) in
        [(0, "INVALID"), (-1, "INVALID"), (2_001, "TOO_MANY"), (i32::MAX, "QUERY_TOO_COMPLEX")]
    {
        let reply =
            query(&world, format!("{{ roots(first: {first}) {{ pageInfo {{ hasNextPage }} }} }}")).await;
        assert_eq!(reply.code(), code, "{first}: {}", reply.text);
    }
    assert_eq!(query(&world, r#"{ roots(after: "%%%") { nodes { id } } }"#).await.code(), "BAD_PAGE_CURSOR");
    still_up(&world).await;
}

fn nested_pages(levels: usize) -> String {
    if levels == 0 {
        "{ nodes { name } }".to_owned()
    } else {
        format!("{{ nodes {{ children(first: 2000) {} }} }}", nested_pages(levels - 1))
    }
}

#[tokio::test]
async fn wrong_types_unknown_fields_and_bad_syntax_name_what_is_wrong() {
    let world = World::small().await;
    let cases = [
        ("{ roots(first: \"many\") { nodes { name } } }", "BAD_DOCUMENT", "first"),
        ("{ roots { nodes { mass } } }", "BAD_DOCUMENT", "mass"),
        ("{ entity { name } }", "BAD_DOCUMENT", "id"),
        ("{ roots { nodes } }", "BAD_DOCUMENT", "nodes"),
        ("{ roots { nodes { name } }", "BAD_SYNTAX", "1:"),
        ("", "BAD_SYNTAX", "1:"),
        ("query A { status { cursor } } query B { status { cursor } }", "BAD_OPERATION", "operationName"),
        (
            "mutation { reparent(input: { entity: 1, parent: 2, pose: { ride: true, keepWorld: true } }) { __typename } }",
            "BAD_DOCUMENT",
            "input.pose",
        ),
    ];
    for (document, code, part) in cases {
        let reply = query(&world, document).await;
        assert_eq!(reply.code(), code, "{document}: {}", reply.text);
        assert!(first(&reply)["message"].as_str().unwrap().contains(part), "{document}: {}", reply.text);
    }
    still_up(&world).await;
}

#[tokio::test]
async fn bodies_that_are_no_request_are_refused_with_the_shape_of_one() {
    let world = World::small().await;
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"query\"",
        "{\"query\": 1}",
        "{}",
        "{\"query\": \"{ a }\", \"variables\": [1]}",
        "\u{0}",
    ] {
        let reply = world.post(body).await;
        assert_eq!(
            (reply.status, reply.code()),
            (StatusCode::BAD_REQUEST, "BAD_REQUEST".to_owned()),
            "{body}: {}",
            reply.text
        );
        assert!(first(&reply)["message"].as_str().unwrap().contains("send {\"query\""), "{}", reply.text);
    }
    let not_utf8 = world.post(vec![b'{', 0xff, 0xfe, b'}']).await;
    assert_eq!(not_utf8.code(), "BAD_REQUEST");
    still_up(&world).await;
}

#[tokio::test]
async fn a_post_that_is_not_json_by_its_header_is_refused() {
    let world = World::small().await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let mut request = Request::post("/graphql");
        if !content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let reply =
            world.send(request.body(Body::from(r#"{"query": "{ status { cursor } }"}"#)).unwrap()).await;
        assert_eq!(
            (reply.status, reply.code()),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_CONTENT_TYPE".to_owned())
        );
    }
}

#[tokio::test]
async fn a_get_takes_queries_only() {
    let world = World::small().await;
    let reply = world.get("/graphql?query=%7Broots%7Bnodes%7Bname%7D%7D%7D").await;
    assert_eq!(reply.json()["data"]["roots"]["nodes"][0]["name"], "Universe");
    let with_variables = "/graphql?query=query(%24n%3AString!)%7Bnamed(prefix%3A%24n)%7Bnodes%7Bname%7D%7D%7D&variables=%7B%22n%22%3A%22moon%22%7D";
    assert_eq!(world.get(with_variables).await.json()["data"]["named"]["nodes"][0]["name"], "Moon");
    let mutation = world.get("/graphql?query=mutation%7BleaseIds%7D").await;
    assert_eq!(
        (mutation.status, mutation.code()),
        (StatusCode::METHOD_NOT_ALLOWED, "NOT_A_QUERY".to_owned())
    );
    let nothing = world.get("/graphql").await;
    assert_eq!(nothing.code(), "BAD_REQUEST");
    assert!(
        nothing.text.contains("the parameter `query` of the URL is missing: GET /graphql?query="),
        "{}",
        nothing.text
    );
    assert_eq!(world.get("/graphql?query=%7Ba%7D&variables=oops").await.code(), "BAD_REQUEST");
}

#[tokio::test]
async fn a_subscription_by_post_says_where_to_subscribe() {
    let world = World::small().await;
    let reply = query(&world, "subscription { changes { cursor } }").await;
    assert_eq!(reply.code(), "NEEDS_A_STREAM");
    assert!(reply.text.contains("/graphql/stream"));
}

#[tokio::test]
async fn paths_and_methods_that_are_not_served_say_what_is() {
    let world = World::small().await;
    let reply = world.get("/grahpql").await;
    assert_eq!((reply.status, reply.code()), (StatusCode::NOT_FOUND, "NOT_FOUND".to_owned()));
    let delete = Request::builder().method(Method::DELETE).uri("/graphql").body(Body::empty()).unwrap();
    let reply = world.send(delete).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::METHOD_NOT_ALLOWED, "BAD_METHOD".to_owned()));
}

#[tokio::test]
async fn a_transaction_with_too_many_operations_is_refused() {
    let mut config = Config::default();
    config.limits.transaction_operations = 3;
    let world = World::with(config);
    let operation = json!({ "bury": { "entity": "1" } });
    let query = "mutation ($operations: [OperationInput!]!) { commit(operations: $operations) { ... on Refusal { code message } } }";
    let data = world.ask(query, json!({ "operations": vec![operation; 4] })).await;
    assert_eq!(
        data["commit"],
        json!({ "code": "TOO_MANY", "message": "too many operations in one transaction: 4, the limit is 3" })
    );
}

#[tokio::test]
async fn a_tree_over_the_limit_is_refused_and_can_be_read_by_pages() {
    let mut config = Config::default();
    config.limits.subtree_entities = 2;
    let world = World::with(config);
    let root = world.create(json!({ "name": "Universe", "kind": "universe", "bounds": { "min": [0, 0, 0], "max": [1, 1, 1] } })).await;
    for name in ["a", "b"] {
        world.create(json!({ "name": name, "kind": "rock", "parent": root })).await;
    }
    let (code, message) =
        world.error("query ($id: EntityId!) { subtree(id: $id) { count } }", json!({ "id": root })).await;
    assert_eq!(code, "TOO_MANY");
    assert!(message.contains("`descendants`"), "{message}");
    let data = world
        .ask(
            "query ($id: EntityId!) { entity(id: $id) { descendants { nodes { name } } } }",
            json!({ "id": root }),
        )
        .await;
    assert_eq!(data["entity"]["descendants"]["nodes"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_answer_has_the_type_that_the_client_accepts() {
    let world = World::small().await;
    let ask = async |accept: &str, text: &str| {
        let request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, accept);
        let body = json!({ "query": text }).to_string();
        let reply = world.send(request.body(Body::from(body)).unwrap()).await;
        (reply.status.as_u16(), reply.content_type.clone(), reply.json().get("data").is_some())
    };
    let new = "application/graphql-response+json; charset=utf-8".to_owned();
    assert_eq!(
        ask("application/graphql-response+json, application/json", "{ status { cursor } }").await,
        (200, new.clone(), true)
    );
    assert_eq!(ask("application/graphql-response+json", "{ nonsense }").await, (400, new, false));
    assert_eq!(ask("*/*", "{ nonsense }").await, (200, "application/json".to_owned(), false));
}

#[tokio::test]
async fn the_introspection_of_the_playground_is_within_the_limits() {
    let world = World::small().await;
    let kind = |levels: usize| {
        (0..levels).fold("kind name".to_owned(), |inner, _| format!("kind name ofType {{ {inner} }}"))
    };
    let document = format!(
        "query IntrospectionQuery {{ __schema {{ description queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }}
           types {{ ...FullType }} directives {{ name description locations args(includeDeprecated: true) {{ ...InputValue }} }} }} }}
         fragment FullType on __Type {{ kind name description specifiedByURL isOneOf
           fields(includeDeprecated: true) {{ name description args(includeDeprecated: true) {{ ...InputValue }} type {{ ...TypeRef }} isDeprecated deprecationReason }}
           inputFields(includeDeprecated: true) {{ ...InputValue }} interfaces {{ ...TypeRef }}
           enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} possibleTypes {{ ...TypeRef }} }}
         fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} defaultValue isDeprecated deprecationReason }}
         fragment TypeRef on __Type {{ {} }}",
        kind(9)
    );
    let data = world.data(&document).await;
    let types = data["__schema"]["types"].as_array().unwrap();
    assert!(types.iter().any(|ty| ty["name"] == "Entity"), "{} types", types.len());
}

#[tokio::test]
async fn lists_of_unknown_length_multiply_what_is_asked_of_each_row() {
    let world = World::small().await;
    let page = "children(first: 2000) { nodes { id name } }";
    let sol = world.id("Sol").await;
    let documents = [
        format!(
            r#"{{ entity(id: "{sol}") {{ counts {{ containers(first: 50) {{ nodes {{ container {{ instances(first: 2000) {{ nodes {{ id }} }} }} }} }} }} }} }}"#
        ),
        format!(
            r#"{{ entity(id: "{sol}") {{ counts {{ containers(first: 500) {{ nodes {{ container {{
               children {{ nodes {{ container {{ children {{ nodes {{ name }} }} }} }} }} }} }} }} }} }} }}"#
        ),
        format!(
            r#"mutation {{ createEntity(input: {{ name: "x", kind: "rock", parent: "{sol}" }}) {{
               ... on Committed {{ created {{ {page} }} }} }} }}"#
        ),
    ];
    for document in documents {
        assert_eq!(query(&world, &document).await.code(), "QUERY_TOO_COMPLEX", "{document}");
    }
    let follow = format!(
        r#"subscription {{ changes(scope: {{ subtree: "{sol}" }}) {{ ... on Snapshot {{ entities {{ {page} }} }} }} }}"#
    );
    let request = Request::post("/graphql/stream").header(header::CONTENT_TYPE, "application/json");
    let body = Body::from(json!({ "query": follow }).to_string());
    // A stream that is not refused would not end.
    let reply =
        tokio::time::timeout(std::time::Duration::from_secs(5), world.send(request.body(body).unwrap()));
    let text = reply.await.expect("the subscription is refused").text;
    assert!(text.contains("QUERY_TOO_COMPLEX") && text.contains(": it counts "), "{text}");
    assert!(!text.contains("more than"), "the cost is not told: {text}");

    let modest = format!(
        r#"{{ entity(id: "{sol}") {{ counts {{ total kinds {{ nodes {{ name count }} }} labels {{ nodes {{ name count }} }}
           containers {{ nodes {{ container {{ name }} count }} }} components {{ nodes {{ component {{ name }} count }} }} }} }} }}"#
    );
    world.data(&modest).await;
    still_up(&world).await;
}

#[tokio::test]
async fn searches_count_for_what_they_look_through_and_are_refused_before_any_read() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    let point = "point: [0, 0, 0]";
    let near = format!("near(at: {{ {point}, radius: 1 }}, first: 1) {{ nodes {{ distance }} }}");
    let many = |count: usize, field: &str| {
        let fields: String = (0..count).map(|number| format!("a{number}: {field} ")).collect();
        format!("{{ {fields} }}")
    };
    let documents = [
        format!(r#"{{ find(kinds: ["ship"], first: 2000) {{ nodes {{ zone {{ {near} }} }} }} }}"#),
        many(1_000, &format!(r#"route(from: "{sol}", to: "{sol}") {{ cost }}"#)),
        many(1_000, &format!(r#"zonesAt(zone: "{sol}", {point}) {{ id }}"#)),
        many(600, r#"find(kinds: ["a"], labels: ["b"], first: 1) { nodes { id } }"#),
        many(3_000, "counts { total }"),
        "{ named(prefix: \"\", first: 2000) { nodes { counts { kinds(first: 1) { nodes { name } } } } } }"
            .to_owned(),
        format!(
            "{{ container(name: \"ship/room\") {} }}",
            many(2_100, &format!(r#"instanceCount(below: "{sol}")"#))
        ),
    ];
    let asked = || world.api.graph().metrics().store_read_seconds.get_sample_count();
    let before = asked();
    for document in documents {
        let reply = query(&world, &document).await;
        assert_eq!(reply.code(), "QUERY_TOO_COMPLEX", "{}", &document[..60]);
    }
    assert_eq!(asked(), before);
    // What a tool asks for of each of its ships is not.
    world
        .data(&format!(r#"{{ find(kinds: ["ship"], first: 100) {{ nodes {{ zone {{ {near} }} }} }} }}"#))
        .await;
    still_up(&world).await;
}

#[tokio::test]
async fn numbers_that_cannot_be_are_refused_with_the_range() {
    let world = World::small().await;
    let sol = world.id("Sol").await;
    for query in [
        format!(r#"{{ subtree(id: "{sol}", depth: -1) {{ count }} }}"#),
        format!(
            r#"{{ near(zone: "{sol}", at: {{ point: [0, 0, 0], radius: 1, layer: -1 }}) {{ nodes {{ distance }} }} }}"#
        ),
        "mutation { leaseIds(count: -5) }".to_owned(),
    ] {
        let reply = world.post(json!({ "query": query }).to_string()).await.text;
        assert!(reply.contains("is not from 0 to 2147483647"), "{query}: {reply}");
    }
}

#[tokio::test]
async fn a_beginning_longer_than_any_name_is_refused() {
    let world = World::empty();
    let query = "query ($prefix: String!) { named(prefix: $prefix) { nodes { id } } }";
    let (code, message) = world.error(query, json!({ "prefix": "a".repeat(70_000) })).await;
    assert_eq!(code, "BAD_TEXT", "{message}");
}

#[tokio::test]
async fn an_entity_has_so_many_labels_and_no_more() {
    let world = World::small().await;
    let earth = world.id("Earth").await;
    let label = async |first: usize, count: usize| {
        let labels: Vec<_> = (first..first + count).map(|number| format!("l{number}")).collect();
        let query = "mutation ($input: LabelInput!) { label(input: $input) { __typename ... on Refusal { code message } } }";
        world.ask(query, json!({ "input": { "entity": earth, "add": labels } })).await["label"].take()
    };
    assert_eq!(label(0, 200).await["__typename"], "Committed");
    let refused = label(200, 57).await;
    assert_eq!(refused["code"], "TOO_MANY", "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("too many labels of one entity"), "{refused}");
}
