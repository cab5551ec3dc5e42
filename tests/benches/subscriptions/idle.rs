//! What idle subscriptions cost.

use std::time::Duration;

use anyhow::{Context, Result};
use entitygraph_tests::{graphql::Client, process::Server, socket::Socket};
use futures_util::future::try_join_all;
use serde_json::json;

use crate::{FOLLOW, OPENING, created};

const IDLE: usize = 10_000;

/// Ten thousand subscriptions of ten thousand entities on as many connections, and nothing happens.
pub async fn run(server: &Server, client: &Client) -> Result<()> {
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
