//! How quickly a change reaches its subscribers, and what idle subscriptions cost.
//!
//! ```text
//! cargo bench -p entitygraph-tests --bench subscriptions
//! ```
//!
//! A real server process; this process is the clients, one WebSocket each. The latency runs from the moment the writer
//! sends the mutation to the moment a subscriber has read the message: it holds the durable commit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use entitygraph_tests::{graphql::Client, process::Server, socket::Socket};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SUBSCRIBERS: usize = 1_000;
const COMMITS_PER_SECOND: u32 = 100;
const SECONDS: u32 = 10;
const IDLE: usize = 10_000;
/// Connections opened at a time.
const OPENING: usize = 100;

const FOLLOW: &str = "subscription ($id: EntityId!) { changes(scope: { entity: $id }) { __typename
  ... on Snapshot { cursor entities { id } }
  ... on Transaction { cursor changes { __typename
    ... on EntityChanged { revision components { name variables { name value } } } } } } }";

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = format!("fjall:{}", folder.path().join("world").display());
    let server = Server::start(&store, folder.path())?;
    let client = Client::new(&server.base);
    let entity = prepare(&client).await?;

    println!("# Subscriptions, {} cores", std::thread::available_parallelism()?);
    hot(&server, &client, &entity).await?;
    idle(&server, &client).await?;
    Ok(())
}

async fn prepare(client: &Client) -> Result<String> {
    client
        .run(
            r#"mutation { publishComponent(input: { name: "probe", variables: [{ name: "step", kind: INT, default: 0 }] }) { __typename } }"#,
            json!({}),
        )
        .await?;
    created(client, json!({ "name": "Bench", "kind": "universe", "bounds": { "min": [-1e6, -1e6, -1e6], "max": [1e6, 1e6, 1e6] } })).await
}

async fn created(client: &Client, entity: Value) -> Result<String> {
    let query = "mutation ($entity: CreateEntityInput!) { createEntity(input: $entity) { __typename
        ... on Committed { entity { id } } ... on Refusal { message } } }";
    let answer = client.run(query, json!({ "entity": entity })).await?;
    Ok(answer["createEntity"]["entity"]["id"].as_str().with_context(|| answer.to_string())?.to_owned())
}

/// One hot entity, a thousand subscribers, a hundred commits a second.
async fn hot(server: &Server, client: &Client, entity: &str) -> Result<()> {
    let mut sockets = Vec::new();
    for _ in 0..SUBSCRIBERS / OPENING {
        let opened = (0..OPENING).map(async |_| {
            let mut socket = Socket::connect(&server.base).await?;
            socket.subscribe("1", FOLLOW, json!({ "id": entity })).await?;
            socket.text().await?;
            anyhow::Ok(socket)
        });
        sockets.extend(try_join_all(opened).await?);
    }
    let total = u64::from(COMMITS_PER_SECOND * SECONDS);
    let start = Instant::now();
    let sent: Arc<Vec<AtomicU64>> = Arc::new((0..=total).map(|_| AtomicU64::new(0)).collect());
    let readers: Vec<_> = sockets
        .into_iter()
        .map(|mut socket| {
            let sent = sent.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::with_capacity(total as usize);
                loop {
                    let text = socket.text().await?;
                    let step = step(&text).with_context(|| format!("no step in {text}"))?;
                    let sent = sent[step as usize].load(Ordering::Acquire);
                    latencies.push(start.elapsed().as_micros() as u64 - sent);
                    if step == total {
                        return anyhow::Ok(latencies);
                    }
                }
            })
        })
        .collect();
    let cpu = server.cpu_seconds()?;
    let mut beat = tokio::time::interval(Duration::from_secs(1) / COMMITS_PER_SECOND);
    let set = "mutation ($id: EntityId!, $step: Value!) { setVariables(input: { entity: $id, values: [{ component: \"probe\", variable: \"step\", value: $step }] }) { __typename ... on Refusal { message } } }";
    let mut writes = Vec::new();
    for step in 1..=total {
        beat.tick().await;
        sent[step as usize].store(start.elapsed().as_micros() as u64, Ordering::Release);
        let (client, entity) = (client.clone(), entity.to_owned());
        writes
            .push(tokio::spawn(async move { client.run(set, json!({ "id": entity, "step": step })).await }));
    }
    for write in writes {
        let answer = write.await??;
        anyhow::ensure!(answer["setVariables"]["__typename"] == "Committed", "{answer}");
    }
    let mut latencies = Vec::new();
    for reader in readers {
        latencies.extend(reader.await??);
    }
    let (cpu, wall) = (server.cpu_seconds()? - cpu, start.elapsed().as_secs_f64());
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
    println!(
        "{SUBSCRIBERS} subscribers of one entity, {COMMITS_PER_SECOND} commits/s for {SECONDS} s: {} messages, \
         p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms; server {cpu:.1} CPU s in {wall:.1} s, {:.0} messages per CPU second",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        latencies.len() as f64 / cpu,
    );
    Ok(())
}

/// The number after the last `"step","value":`.
fn step(text: &str) -> Option<u64> {
    let digits = text.rsplit_once(r#""step","value":"#)?.1.trim_start_matches('"');
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// Ten thousand subscriptions of ten thousand entities on as many connections, and nothing happens.
async fn idle(server: &Server, client: &Client) -> Result<()> {
    let root = created(
        client,
        json!({ "name": "Idle", "kind": "universe", "bounds": { "min": [-1, -1, -1], "max": [1, 1, 1] } }),
    )
    .await?;
    let mut entities = Vec::new();
    for _ in 0..IDLE / 1_000 {
        let made = (0..1_000).map(|_| json!({ "create": { "kind": "item", "parent": root } }));
        let query =
            "mutation ($operations: [OperationInput!]!) { commit(operations: $operations) { __typename
            ... on Committed { created { id } } ... on Refusal { message } } }";
        let answer = client.run(query, json!({ "operations": made.collect::<Vec<_>>() })).await?;
        let created = answer["commit"]["created"].as_array().with_context(|| answer.to_string())?.clone();
        entities.extend(created.into_iter().filter_map(|entity| entity["id"].as_str().map(str::to_owned)));
    }
    anyhow::ensure!(entities.len() == IDLE, "{} of {IDLE} entities were made", entities.len());
    let before = server.memory_bytes()?;
    let mut sockets = Vec::new();
    for batch in entities.chunks(OPENING) {
        let opened = batch.iter().map(async |entity| {
            let mut socket = Socket::connect(&server.base).await?;
            socket.subscribe("1", FOLLOW, json!({ "id": entity })).await?;
            socket.text().await?;
            anyhow::Ok(socket)
        });
        sockets.extend(try_join_all(opened).await?);
    }
    let each = (server.memory_bytes()?.saturating_sub(before)) as f64 / IDLE as f64 / 1024.0;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let cpu = server.cpu_seconds()?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let cpu = server.cpu_seconds()? - cpu;
    println!(
        "{IDLE} idle subscriptions, a connection and an entity each: {each:.1} KiB each, {cpu:.2} CPU s in 10 s"
    );
    drop(sockets);
    Ok(())
}
