//! Subscribers of several instances hear the commits of all of them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use entitygraph_test_neo4j::shared;
use entitygraph_tests::socket::Socket;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::pair::{PATIENCE, Pair, Told, ask, serve};

/// Writers at each instance.
const WRITERS: u64 = 2;
/// Commits of each writer.
const COMMITS: u64 = 150;

const FOLLOW: &str = r#"subscription { changes(scope: { label: "pair" }) {
    __typename ... on Snapshot { cursor } ... on Transaction { from cursor operationId } ... on Lag { after } } }"#;

/// Hears every commit up to the last one: when each came.
async fn follow(mut socket: Socket, mut last: u64, count: u64) -> Result<BTreeMap<u64, Instant>> {
    let mut heard = BTreeMap::new();
    while (heard.len() as u64) < count {
        let text =
            timeout(PATIENCE, socket.text()).await.with_context(|| format!("silence after {last}"))??;
        let now = Instant::now();
        let message: Value = serde_json::from_str(&text)?;
        let told = &message["payload"]["data"]["changes"];
        ensure!(told["__typename"] == "Transaction", "{text}");
        let number = |name: &str| told[name].as_str().and_then(|text| text.parse().ok());
        let (from, cursor): (u64, u64) =
            (number("from").context("no from")?, number("cursor").context("no cursor")?);
        ensure!(from == last + 1 && cursor >= from, "{from} to {cursor} comes after {last}");
        for cursor in from..=cursor {
            heard.insert(cursor, now);
        }
        last = cursor;
    }
    Ok(heard)
}

/// Follows from now on; the cursor that it begins after.
async fn begin(base: &str) -> Result<(Socket, u64)> {
    let mut socket = Socket::connect(base).await?;
    socket.subscribe("1", FOLLOW, json!({})).await?;
    let text = timeout(PATIENCE, socket.text()).await.context("no snapshot comes")??;
    let message: Value = serde_json::from_str(&text)?;
    let cursor = message["payload"]["data"]["changes"]["cursor"].as_str().and_then(|text| text.parse().ok());
    Ok((socket, cursor.with_context(|| text.to_string())?))
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_of_two_instances_hear_every_commit_of_both_in_one_order() -> Result<()> {
    let neo4j = shared().await?;
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let instances = [serve(&neo4j.bolt(), folders[0].path())?, serve(&neo4j.bolt(), folders[1].path())?];
    let mut pairs = Vec::new();
    for number in 1..=2 * WRITERS {
        let base = instances[(number % 2) as usize].base.clone();
        pairs.push((number as usize % 2, Pair::create(&base, number).await?));
    }
    let count = COMMITS * pairs.len() as u64;
    // Each instance knows all of them.
    let newest = neo4j.cypher("MATCH (s:Shard) RETURN s.cursor AS cursor").await?[0]["cursor"].as_u64();
    let mut followers = Vec::new();
    for instance in &instances {
        ask(&instance.base, "{ status { cursor } }", json!({}), newest).await?;
        let (socket, first) = begin(&instance.base).await?;
        followers.push(tokio::spawn(follow(socket, first, count)));
    }
    let mut writers = Vec::new();
    for (instance, mut pair) in pairs {
        let base = instances[instance].base.clone();
        writers.push(tokio::spawn(async move {
            let mut answered = Vec::new();
            for _ in 0..COMMITS {
                pair.turn += 1;
                let told = pair.rename(&base).await?;
                let Told::Committed { cursor, .. } = told else { anyhow::bail!("{told:?}") };
                answered.push((cursor, Instant::now()));
            }
            Ok((instance, answered))
        }));
    }
    let mut heard = Vec::new();
    let mut answered = Vec::new();
    for writer in writers {
        answered.push(writer.await??);
    }
    for follower in followers {
        heard.push(follower.await??);
    }
    ensure!(heard[0].keys().eq(heard[1].keys()), "they did not hear the same commits");
    let mut delays = Vec::new();
    for (instance, commits) in answered {
        for (cursor, answered) in commits {
            let heard =
                heard[1 - instance].get(&cursor).with_context(|| format!("{cursor} was not heard"))?;
            delays.push(heard.saturating_duration_since(answered));
        }
    }
    delays.sort();
    let at = |percent: usize| delays[(delays.len() - 1) * percent / 100];
    println!(
        "{} commits: heard at the other instance p50 {:?}, p99 {:?}, at most {:?} after their answers",
        delays.len(),
        at(50),
        at(99),
        at(100)
    );
    ensure!(at(99) < Duration::from_secs(2), "commits come to the other instance only after {:?}", at(99));
    Ok(())
}
