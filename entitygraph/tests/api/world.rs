//! A small world to ask, and how to ask it.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use entitygraph::{
    Config, Graph, Metrics,
    api::{Api, router::router},
};
use entitygraph_store::{Store, memory::MemoryStore};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A server without a socket.
pub struct World {
    pub api: Api,
    pub router: Router,
}

/// What HTTP says.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub content_type: String,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The code of the first error.
    pub fn code(&self) -> String {
        let json = self.json();
        json["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no code: {json}"))
            .to_owned()
    }
}

impl World {
    /// Nothing in it.
    pub fn empty() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        Self::over(Arc::new(MemoryStore::new()), config)
    }

    /// Another server over the same store, that has read nothing yet.
    pub fn cold(&self) -> Self {
        Self::over(self.api.graph().store().clone(), Config::default())
    }

    /// A server over this store.
    pub fn over(store: Arc<dyn Store>, config: Config) -> Self {
        Self::on(store, config, Handle::current())
    }

    /// A server over this store with WebSockets on this runtime.
    pub fn on(store: Arc<dyn Store>, config: Config, streams: Handle) -> Self {
        config.validate().unwrap();
        let registry = prometheus::Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let (graph, _follower) = Graph::start(store, config, metrics, CancellationToken::new());
        let api = Api::new(graph, registry, streams);
        Self { router: router(api.clone()), api }
    }

    /// Two systems, a planet with a moon, a ship of a container with two rooms, a jump point; names are ids in `ids`.
    ///
    /// ```text
    /// Universe ─┬─ Sol ─┬─ Sun
    ///           │       ├─ Earth ── Moon
    ///           │       ├─ Hermes (ship/hauler) ─┬─ bridge ── Ada
    ///           │       │                        └─ hold ── Crate
    ///           │       └─ Sol Gate ─ jump ─┐
    ///           └─ Proxima ── Proxima Gate ─┘
    /// ```
    pub async fn small() -> Self {
        let world = Self::empty();
        world
            .data(
                r#"mutation {
                  component: publishComponent(input: { name: "hull", variables: [
                    { name: "hp", kind: FLOAT, default: 100 }, { name: "plates", kind: INT, default: "4" }] }) { __typename }
                  cargo: publishComponent(input: { name: "cargo", variables: [
                    { name: "tons", kind: FLOAT, default: 0 }, { name: "contents", kind: TEXT_LIST, default: [] }] }) { __typename }
                  room: publishContainer(input: { name: "ship/room", kind: "room", radius: 3,
                    bounds: { min: [-5, -5, -2], max: [5, 5, 2] } }) { __typename }
                  hauler: publishContainer(input: { name: "ship/hauler", kind: "ship", radius: 40, root: true,
                    bounds: { min: [-40, -15, -8], max: [40, 15, 8] }, labels: ["flies"],
                    ports: [{ name: "clamp", accepts: ["crate"] }],
                    values: [{ component: "hull", variable: "hp", value: 800 }],
                    children: [
                      { name: "bridge", container: "ship/room", pose: { position: [30, 0, 2] } }
                      { name: "hold", container: "ship/room", pose: { position: [-10, 0, 0] },
                        values: [{ component: "cargo", variable: "tons", value: 12.5 }] }] }) { __typename }
                }"#,
            )
            .await;
        let bounds = |half: f64| json!({ "min": [-half, -half, -half], "max": [half, half, half] });
        // The id that the sample world's universe has, which the playground's examples name.
        let universe = world
            .create(json!({ "id": "14688661257054625784", "name": "Universe", "kind": "universe", "bounds": bounds(1e18) }))
            .await;
        let sol = world
            .create(json!({ "name": "Sol", "kind": "system", "parent": universe, "bounds": bounds(1e13), "pose": { "position": [0, 0, 0] } }))
            .await;
        let proxima = world
            .create(json!({ "name": "Proxima", "kind": "system", "parent": universe, "bounds": bounds(1e13), "pose": { "position": [4e16, 0, 0] } }))
            .await;
        world.create(json!({ "name": "Sun", "kind": "star", "parent": sol, "radius": 7e8, "pose": { "position": [0, 0, 0] } })).await;
        let earth = world
            .create(json!({ "name": "Earth", "kind": "planet", "parent": sol, "radius": 6.4e6, "bounds": bounds(1e9),
                "pose": { "position": [1.5e11, 0, 0] }, "ordinal": "3" }))
            .await;
        world
            .create(json!({ "name": "Moon", "kind": "moon", "parent": earth, "radius": 1.7e6, "pose": { "position": [3.8e8, 0, 0] } }))
            .await;
        let hermes = world
            .commit(
                "instantiate",
                "InstantiateInput",
                json!({ "container": "ship/hauler", "name": "Hermes", "parent": sol, "owner": "player:ada",
                    "labels": ["mission/rescue"], "pose": { "position": [1.5e11, 5e8, 0] } }),
            )
            .await;
        let rooms = world
            .data(&format!(r#"{{ entity(id: "{hermes}") {{ children {{ nodes {{ id name }} }} }} }}"#))
            .await;
        let room = |index: usize| rooms["entity"]["children"]["nodes"][index]["id"].clone();
        world.create(json!({ "name": "Ada", "kind": "character", "parent": room(0), "root": true, "radius": 1, "owner": "player:ada" })).await;
        world
            .create(json!({ "name": "Crate", "kind": "crate", "parent": room(1), "radius": 1, "pose": { "position": [1, 0, -1] },
                "values": [{ "component": "cargo", "variable": "contents", "value": ["ore", "tea"] }] }))
            .await;
        let gate = |name: &str, parent: &str| json!({ "name": name, "kind": "gate", "parent": parent, "radius": 100, "pose": { "position": [1e12, 0, 0] } });
        let (near, far) =
            (world.create(gate("Sol Gate", &sol)).await, world.create(gate("Proxima Gate", &proxima)).await);
        world
            .data(&format!(
                r#"mutation {{ link(input: {{ a: "{near}", b: "{far}", cost: 2 }}) {{ __typename }} }}"#
            ))
            .await;
        world
    }

    /// The id of the one entity of this name.
    pub async fn id(&self, name: &str) -> String {
        let data = self.data(&format!(r#"{{ named(prefix: "{name}") {{ nodes {{ id name }} }} }}"#)).await;
        let nodes = data["named"]["nodes"].as_array().unwrap().clone();
        let found: Vec<_> = nodes.iter().filter(|node| node["name"] == name).collect();
        assert_eq!(found.len(), 1, "{name}: {nodes:?}");
        found[0]["id"].as_str().unwrap().to_owned()
    }

    pub async fn create(&self, input: Value) -> String {
        self.commit("createEntity", "CreateEntityInput", input).await
    }

    /// Runs a mutation that must be done; the id of the entity that it is about.
    pub async fn commit(&self, mutation: &str, ty: &str, input: Value) -> String {
        let done = self.attempt(mutation, ty, input.clone(), None).await;
        done["entity"]["id"].as_str().unwrap_or_else(|| panic!("{mutation} {input}: {done}")).to_owned()
    }

    /// Runs a mutation that must be refused; the code and the message.
    pub async fn refused(&self, mutation: &str, ty: &str, input: Value) -> (String, String) {
        let refusal = self.attempt(mutation, ty, input, None).await;
        let text =
            |name: &str| refusal[name].as_str().unwrap_or_else(|| panic!("{mutation}: {refusal}")).to_owned();
        (text("code"), text("message"))
    }

    pub async fn attempt(&self, mutation: &str, ty: &str, input: Value, operation_id: Option<&str>) -> Value {
        let query = format!(
            "mutation ($input: {ty}!, $id: String) {{ {mutation}(input: $input, operationId: $id) {{
               ... on Committed {{ cursor replayed entity {{ id }} created {{ id }} }} ... on Refusal {{ code message }} }} }}"
        );
        let mut data = self.ask(&query, json!({ "input": input, "id": operation_id })).await;
        data[mutation].take()
    }

    /// The data of an answer without errors.
    pub async fn data(&self, query: &str) -> Value {
        self.ask(query, json!({})).await
    }

    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        let mut reply = self.post(json!({ "query": query, "variables": variables }).to_string()).await.json();
        assert_eq!(reply.get("errors"), None, "{query} {variables}");
        reply["data"].take()
    }

    /// The code of the first error of an answer.
    pub async fn error(&self, query: &str, variables: Value) -> (String, String) {
        let reply = self.post(json!({ "query": query, "variables": variables }).to_string()).await;
        (reply.code(), reply.json()["errors"][0]["message"].as_str().unwrap().to_owned())
    }

    pub async fn post(&self, body: impl Into<Body>) -> Reply {
        let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.map_or("", |value| value.to_str().unwrap()).to_owned();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Reply { status, content_type, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// Reads of the store so far, by question.
    pub fn store_reads(&self, question: &str) -> u64 {
        self.api.graph().metrics().store_reads.with_label_values(&[question]).get()
    }
}
