//! Many who follow one scope share an execution; each still hears everything once and in order.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    http::{Request, header},
};
use entitygraph::{Config, metrics::MessageLabel};
use entitygraph_schema::Cursor;
use entitygraph_store::memory::{MemoryConfig, MemoryStore};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::world::World;

const FOLLOW: &str =
    "subscription ($id: EntityId!, $after: Cursor) { changes(scope: { entity: $id }, after: $after) {
    __typename
    ... on Snapshot { cursor entities { name } }
    ... on Transaction { cursor from changes { __typename ... on EntityChanged { name } } }
    ... on Lag { after newest } } }";
const MESSAGE_TIME: Duration = Duration::from_secs(30);

/// A subscription over server-sent events.
pub struct Follower {
    body: BodyDataStream,
    text: String,
}

impl Follower {
    async fn of(world: &World, id: &str, after: Option<u64>) -> Self {
        let after = after.map(|after| after.to_string());
        Self::asking(world, FOLLOW, json!({ "id": id, "after": after })).await
    }

    pub async fn asking(world: &World, query: &str, variables: Value) -> Self {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let request = Request::post("/graphql/stream")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "text/event-stream")
            .body(Body::from(body))
            .unwrap();
        let response = tower::ServiceExt::oneshot(world.router.clone(), request).await.unwrap();
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    pub async fn next(&mut self) -> Value {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
                self.text = rest.to_owned();
                if let Some(data) = data {
                    let mut message: Value = serde_json::from_str(&data).unwrap();
                    assert_eq!(message.get("errors"), None, "{message}");
                    return message["data"]["changes"].take();
                }
            }
            let chunk =
                tokio::time::timeout(MESSAGE_TIME, self.body.next()).await.expect("a message in time");
            self.text.push_str(std::str::from_utf8(&chunk.expect("the stream goes on").unwrap()).unwrap());
        }
    }
}

fn cursor(message: &Value, field: &str) -> u64 {
    message[field].as_str().unwrap_or_else(|| panic!("no {field}: {message}")).parse().unwrap()
}

async fn rename(world: &World, id: &str, name: &str) {
    world.commit("changeEntity", "ChangeEntityInput", json!({ "entity": id, "name": name })).await;
}

/// Reads until the entity is called `last`; every transaction is the one after the message before it, or after a lag.
async fn follow(mut follower: Follower, resumed: Option<u64>, last: &str) -> (u32, u32) {
    let mut position = resumed;
    let (mut lags, mut snapshots) = (0, 0);
    let mut lagged = false;
    loop {
        let message = follower.next().await;
        match message["__typename"].as_str().unwrap() {
            "Snapshot" => {
                assert!(position.is_none() || lagged, "a snapshot without a reason: {message}");
                (position, lagged) = (Some(cursor(&message, "cursor")), false);
                snapshots += 1;
                if message["entities"][0]["name"] == last {
                    return (lags, snapshots);
                }
            }
            "Transaction" => {
                assert!(!lagged, "a transaction before the snapshot: {message}");
                assert_eq!(position, Some(cursor(&message, "from") - 1), "{message}");
                position = Some(cursor(&message, "cursor"));
                if message["changes"][0]["name"] == last {
                    return (lags, snapshots);
                }
            }
            "Lag" => {
                assert_eq!(position, Some(cursor(&message, "after")), "{message}");
                lagged = true;
                lags += 1;
            }
            other => panic!("{other}"),
        }
    }
}

async fn one_entity(retained_commits: usize) -> (Arc<World>, String) {
    let world = World::over(
        Arc::new(MemoryStore::with(MemoryConfig { retained_commits, ..MemoryConfig::default() })),
        Config::default(),
    );
    let id = world
        .create(json!({ "name": "n0", "kind": "world", "bounds": { "min": [-1, -1, -1], "max": [1, 1, 1] } }))
        .await;
    (Arc::new(world), id)
}

/// They join while it changes, at their own time, some to read only when all is over, some to resume.
async fn crowd(world: &Arc<World>, id: &str, changes: u32) -> (u32, u32) {
    let mut followers = tokio::task::JoinSet::new();
    let last = format!("n{changes}");
    for change in 1..=changes {
        rename(world, id, &format!("n{change}")).await;
        if change % 8 == 1 {
            // The entity was made by the first transaction and is all that ever changes.
            let resumed = (change % 24 == 1).then_some(u64::from(change / 2 + 1));
            let follower = Follower::of(world, id, resumed).await;
            if change % 16 == 1 {
                let last = last.clone();
                followers.spawn(async move { follow(follower, resumed, &last).await });
            } else {
                let (world, last) = (world.clone(), last.clone());
                followers.spawn(async move {
                    let mut applied = world.api.graph().applied();
                    applied.wait_for(|applied| applied.number() > u64::from(changes)).await.unwrap();
                    follow(follower, resumed, &last).await
                });
            }
        }
    }
    let told = followers.join_all().await;
    told.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_that_joins_at_all_times_misses_nothing_and_hears_nothing_twice() {
    let (world, id) = one_entity(10_000).await;
    let (lags, _) = crowd(&world, &id, 400).await;
    assert_eq!(lags, 0, "everything is retained");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_lags_gets_a_snapshot_and_goes_on() {
    let (world, id) = one_entity(20).await;
    let (lags, snapshots) = crowd(&world, &id, 400).await;
    assert!(lags > 0, "nobody lagged");
    assert!(snapshots >= lags);
}

#[tokio::test]
async fn what_is_open_and_what_was_sent_is_counted() {
    let (world, id) = one_entity(100).await;
    let metrics = world.api.graph().metrics().clone();
    let mut followers = Vec::new();
    for _ in 0..3 {
        let mut follower = Follower::of(&world, &id, None).await;
        assert_eq!(follower.next().await["__typename"], "Snapshot");
        followers.push(follower);
    }
    assert_eq!(metrics.subscriptions.get(), 3);
    rename(&world, &id, "n1").await;
    for follower in &mut followers {
        assert_eq!(follower.next().await["__typename"], "Transaction");
    }
    let messages = |kind| metrics.subscription_messages(kind).get();
    assert_eq!(MessageLabel::ALL.map(messages), [3, 3, 0]);
    drop(followers);
    assert_eq!(metrics.subscriptions.get(), 0);
}

#[tokio::test]
async fn the_metric_of_the_cursor_is_right_from_the_start() {
    let config = MemoryConfig { begin: Cursor::from_number(7), ..MemoryConfig::default() };
    let world = World::over(Arc::new(MemoryStore::with(config)), Config::default());
    assert_eq!(world.api.graph().metrics().applied_cursor.get(), 7);
}

#[tokio::test]
async fn a_sphere_that_cannot_be_is_refused_at_once() {
    let world = World::small().await;
    let crate_ = world.id("Crate").await;
    let sol = world.id("Sol").await;
    for (sphere, code) in [
        (json!({ "zone": "5", "point": [0, 0, 0], "radius": 5 }), "UNKNOWN_ENTITY"),
        (json!({ "zone": crate_, "point": [0, 0, 0], "radius": 5 }), "NOT_A_ZONE"),
        (json!({ "zone": sol, "point": [0, 0, 0] }), "INVALID"),
    ] {
        let query =
            "subscription ($sphere: SphereInput!) { changes(scope: { sphere: $sphere }) { __typename } }";
        let body = json!({ "query": query, "variables": { "sphere": sphere } }).to_string();
        let request = Request::post("/graphql/stream")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap();
        let reply = tokio::time::timeout(MESSAGE_TIME, world.send(request)).await.expect("the stream ends");
        assert!(reply.text.contains(&format!("\"code\":\"{code}\"")), "{sphere}: {}", reply.text);
    }
}
