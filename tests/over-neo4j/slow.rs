//! Questions and writes that take longer than the limits of the server and of the service: which one it was, and what to set.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use entitygraph_test_neo4j::{Options, Server as Neo4j};
use entitygraph_tests::process::Server;
use serde_json::{Value, json};

use crate::pair::{Pair, Told, ask};

/// Rooms in each other.
const DEPTH: u64 = 16;
/// More than the limits of both, less than twice as much.
const SOON: Duration = Duration::from_secs(25);

const WORLD: &str = r#"mutation($id: EntityId!) { createEntity(input: {
    id: $id, name: "0", kind: "world", bounds: { min: [-1, -1, -1], max: [1, 1, 1] } }) { __typename } }"#;
const ROOM: &str = r#"mutation($id: EntityId!, $parent: EntityId!) { createEntity(input: {
    id: $id, kind: "room", parent: $parent }) { __typename } }"#;
const ANCESTORS: &str = "query($id: EntityId!) { entity(id: $id) { ancestors { id } } }";

/// An answer is the error of a code, soon, with all these words.
fn refused(answer: &Value, begun: Instant, code: &str, retryable: bool, words: &[&str]) -> Result<()> {
    let took = begun.elapsed();
    let error = &answer["errors"][0];
    let expected = json!({ "code": code, "retryable": retryable, "outcome": "NOT_APPLIED" });
    ensure!(error["extensions"] == expected, "{answer}");
    let message = error["message"].as_str().unwrap_or_default();
    for word in words {
        ensure!(message.contains(word), "no `{word}` in {message}");
    }
    ensure!(took < SOON, "told after {took:?}");
    println!("{code} after {took:?}: {message}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_told_with_the_limit_and_its_setting() -> Result<()> {
    let limits = [("db.transaction.timeout", "6s"), ("db.transaction.monitor.check.interval", "500ms")];
    let settings = limits.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    // What a question collects until it is ended must have room.
    let neo4j = Neo4j::start(Options { heap_mib: 2048, settings, ..Options::default() }).await?;
    let data = [tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?];
    let maker = serve(&neo4j, data[0].path(), 30_000)?;
    let mut writing = Pair { number: 1, turn: 0, acknowledged: BTreeMap::new(), again: 0 };
    for id in ["11", "12"] {
        make(&maker, WORLD, json!({ "id": id })).await?;
    }
    for id in 1_000..1_000 + DEPTH {
        let parent = if id == 1_000 { 11 } else { id - 1 };
        let room = json!({ "id": id.to_string(), "parent": parent.to_string() });
        make(&maker, ROOM, room).await?;
    }
    // Somebody made four ways from each room to the one around it, and so millions from the innermost one to the world.
    neo4j.cypher("MATCH (e:room)-[:IN]->(p) UNWIND range(1, 3) AS n CREATE (e)-[:IN]->(p)").await?;
    let innermost = json!({ "id": (999 + DEPTH).to_string() });

    let patient = serve(&neo4j, data[1].path(), 30_000)?;
    let begun = Instant::now();
    let answer = ask(&patient.base, ANCESTORS, innermost.clone(), None).await?;
    let words = ["reading ancestors was ended", "db.transaction.timeout", "ask for less"];
    refused(&answer, begun, "STORE_TOO_LONG", false, &words)?;

    let hasty = serve(&neo4j, data[2].path(), 3_000)?;
    let begun = Instant::now();
    let answer = ask(&hasty.base, ANCESTORS, innermost, None).await?;
    let words = ["did not answer in the time", "store.neo4j.answer_timeout_ms", "ask for less"];
    refused(&answer, begun, "STORE_SILENT", true, &words)?;

    // A write that waits for the lock of another.
    writing.turn += 1;
    let held = hold(&neo4j).await?;
    let begun = Instant::now();
    let told = writing.rename(&patient.base).await?;
    println!("a write: {told:?} after {:?}", begun.elapsed());
    ensure!(told == Told::Failed { code: "STORE_TOO_LONG".to_owned(), sure: true }, "{told:?}");
    ensure!(begun.elapsed() < SOON, "told after {:?}", begun.elapsed());
    reqwest::Client::new().delete(held).send().await?.error_for_status()?;
    writing.finish(&patient.base, true).await?;
    writing.check(&patient.base).await
}

/// Makes an entity: on a busy machine a new server needs longer than its limit to plan the first statements.
async fn make(maker: &Server, mutation: &str, variables: Value) -> Result<()> {
    for _ in 0..10 {
        let answer = ask(&maker.base, mutation, variables.clone(), None).await?;
        if answer["data"]["createEntity"]["__typename"] == "Committed" {
            return Ok(());
        }
        ensure!(answer["errors"][0]["extensions"]["code"] == "STORE_TOO_LONG", "{answer}");
    }
    bail!("nothing can be made")
}

/// Serves the store, with so many milliseconds for an answer.
fn serve(neo4j: &Neo4j, data: &Path, answer_ms: u64) -> Result<Server> {
    let answer = format!("store.neo4j.answer_timeout_ms={answer_ms}");
    let set = ["--set", &answer, "--set", "store.neo4j.retry_ms=1000"];
    Server::start_with(&[&["serve", "--store", &neo4j.bolt()][..], &set].concat(), data)
}

/// Takes the shard's lock in a transaction that may live longer than those of the service; its address.
async fn hold(neo4j: &Neo4j) -> Result<String> {
    let statement = json!({ "statements": [{ "statement": "MATCH (s:Shard) SET s.lock = true" }] });
    let request = reqwest::Client::new().post(format!("{}/db/neo4j/tx", neo4j.http()));
    let answer = request.header("max-execution-time", "60000").json(&statement).send().await?;
    let held = answer.headers().get("location").context("no transaction")?.to_str()?.to_owned();
    let answer: Value = answer.json().await?;
    ensure!(answer["errors"] == json!([]), "{answer}");
    Ok(held)
}
