//! Subscribers that go from one instance to another, by WebSocket and by a stream of events, with the cursor of what they know.

use anyhow::{Context, Result, ensure};
use entitygraph_test_neo4j::shared;
use entitygraph_tests::{process::Server, socket::Socket};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::pair::{PATIENCE, Pair, Told, serve};

const FOLLOW: &str = r#"subscription { changes(scope: { label: "pair" }) { __typename
    ... on Snapshot { cursor entities { name } } ... on Transaction { cursor operationId } } }"#;

/// A rename through one instance: the cursor of its commit.
async fn renamed(pair: &mut Pair, at: &Server) -> Result<String> {
    pair.turn += 1;
    let Told::Committed { cursor, .. } = pair.rename(&at.base).await? else { anyhow::bail!("not renamed") };
    Ok(cursor.to_string())
}

/// A snapshot has what was written elsewhere up to the cursor that was sent; then comes what is written elsewhere.
async fn hears(mut told: impl AsyncFnMut() -> Result<Value>, pair: &mut Pair, other: &Server) -> Result<()> {
    let snapshot = told().await?;
    let name = pair.turn.to_string();
    ensure!(snapshot["entities"] == json!([{ "name": name }, { "name": name }]), "{snapshot}");
    let cursor = renamed(pair, other).await?;
    let next = told().await?;
    let expected = json!({ "__typename": "Transaction", "cursor": cursor, "operationId": pair.operation() });
    ensure!(next == expected, "{next}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_with_a_cursor_begins_no_earlier_at_any_instance() -> Result<()> {
    let neo4j = shared().await?;
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let one = serve(&neo4j.bolt(), folders[0].path())?;
    let other = serve(&neo4j.bolt(), folders[1].path())?;
    let mut pair = Pair::create(&one.base, 1).await?;

    let cursor = renamed(&mut pair, &one).await?;
    let mut socket = Socket::connect_with(&other.base, json!({ "entitygraph-cursor": cursor })).await?;
    socket.subscribe("1", FOLLOW, json!({})).await?;
    let by_socket = async || {
        let text = timeout(PATIENCE, socket.text()).await.context("silence")??;
        let message: Value = serde_json::from_str(&text)?;
        Ok(message["payload"]["data"]["changes"].clone())
    };
    hears(by_socket, &mut pair, &one).await?;

    let cursor = renamed(&mut pair, &one).await?;
    let request = reqwest::Client::new()
        .post(format!("{}/graphql/stream", other.base))
        .header("accept", "text/event-stream")
        .header("entitygraph-cursor", cursor);
    let mut answer = request.json(&json!({ "query": FOLLOW })).send().await?.error_for_status()?;
    let mut heard = String::new();
    let by_events = async || {
        loop {
            if let Some((event, rest)) = heard.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                heard = rest;
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: {")) {
                    let message: Value = serde_json::from_str(&format!("{{{data}"))?;
                    return Ok(message["data"]["changes"].clone());
                }
            } else {
                let bytes = timeout(PATIENCE, answer.chunk()).await.context("silence")??;
                heard.push_str(std::str::from_utf8(&bytes.context("the stream ended")?)?);
            }
        }
    };
    hears(by_events, &mut pair, &one).await
}
