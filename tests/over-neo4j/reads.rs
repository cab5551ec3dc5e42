//! Clients that write through one instance and read through another never see their world go back.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use entitygraph_test_neo4j::shared;
use serde_json::{Value, json};

use crate::pair::{Pair, ask_by, serve};

const CLIENTS: u64 = 8;
/// A cursor that no world comes to.
const NEVER: u64 = 1 << 62;
const ENTITIES: u64 = 4;

const WRITE: &str = r#"mutation($id: EntityId!, $ordinal: Int64!) { changeEntity(input: { entity: $id, ordinal: $ordinal }) {
    __typename ... on Committed { entity { revision } } } }"#;
const HEADER: &str = "entitygraph-cursor";
const READ: &str = "query($id: EntityId!) { entity(id: $id) { revision } }";

/// What a client knows: the newest cursor it was told, and the highest revision of each entity.
struct Client {
    cursor: u64,
    revisions: BTreeMap<String, u64>,
    http: reqwest::Client,
}

impl Client {
    /// One write or read through one of the instances; the answer must not be older than what the client knows.
    async fn operate(&mut self, base: &str, ordinal: u64, random: &mut fastrand::Rng) -> Result<()> {
        let id = (random.u64(1..=ENTITIES) * 10 + 1).to_string();
        let (query, variables) = if random.u8(..) < 80 {
            (WRITE, json!({ "id": id, "ordinal": ordinal.to_string() }))
        } else {
            (READ, json!({ "id": id }))
        };
        let request = self.http.post(format!("{base}/graphql")).header(HEADER, self.cursor.to_string());
        let answer = request.json(&json!({ "query": query, "variables": variables })).send().await?;
        let cursor = answer.headers().get(HEADER).and_then(|cursor| cursor.to_str().ok()?.parse().ok());
        let answer: Value = answer.json().await?;
        let data = &answer["data"];
        let entity = if query == WRITE { &data["changeEntity"]["entity"] } else { &data["entity"] };
        let revision: Option<u64> = entity["revision"].as_str().and_then(|text| text.parse().ok());
        let revision = revision.with_context(|| answer.to_string())?;
        let known = self.revisions.entry(id.clone()).or_default();
        ensure!(
            revision >= *known,
            "entity {id} at {base} is at revision {revision}, and was at {known} (cursor {})",
            self.cursor
        );
        *known = revision;
        self.cursor = self.cursor.max(cursor.context("an answer without a cursor")?);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_carries_its_cursor_reads_its_own_writes_at_any_instance() -> Result<()> {
    let neo4j = shared().await?;
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let instances = [serve(&neo4j.bolt(), folders[0].path())?, serve(&neo4j.bolt(), folders[1].path())?];
    for number in 1..=ENTITIES {
        Pair::create(&instances[0].base, number).await?;
    }
    // The entities are there.
    let first = neo4j.cypher("MATCH (s:Shard) RETURN s.cursor AS cursor").await?[0]["cursor"].as_u64();
    let first = first.context("no cursor")?;
    let bases: Arc<Vec<String>> = Arc::new(instances.iter().map(|instance| instance.base.clone()).collect());
    let operations = crate::times("NEO4J_READS", 10_000) / CLIENTS;
    let (mut clients, mut random) = (Vec::new(), crate::random());
    for client in 0..CLIENTS {
        let bases = bases.clone();
        let mut random = random.fork();
        clients.push(tokio::spawn(async move {
            let http = reqwest::Client::new();
            let mut reader = Client { cursor: first, revisions: BTreeMap::new(), http };
            for number in 0..operations {
                let base = &bases[random.usize(..bases.len())];
                reader.operate(base, client * operations + number + 1, &mut random).await?;
            }
            anyhow::Ok(())
        }));
    }
    for client in clients {
        client.await??;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_has_not_come_so_far_says_so_and_does_not_answer() -> Result<()> {
    let neo4j = shared().await?;
    let folder = tempfile::tempdir()?;
    let instance = serve(&neo4j.bolt(), folder.path())?;
    let http = reqwest::Client::new();
    let answer = ask_by(&http, &instance.base, "{ status { cursor } }", json!({}), Some(NEVER)).await?;
    let error = &answer["errors"][0];
    let expected = json!({ "code": "BEHIND", "retryable": true, "outcome": "NOT_APPLIED" });
    ensure!(error["extensions"] == expected, "{answer}");
    let Some(message) = error["message"].as_str() else { bail!("{answer}") };
    ensure!(message.contains(&NEVER.to_string()) && message.contains("try again"), "{message}");
    Ok(())
}
