//! Pairs of entities that each transaction renames together: half of one would show, and so would one that is applied twice.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use entitygraph_schema::{Commit, Cursor};
use entitygraph_store::{Feed, StoreOptions};
use entitygraph_test_neo4j::Server as Neo4j;
use entitygraph_tests::process::Server;
use serde_json::{Value, json};

/// Longest time for one answer: far more than any limit of the service.
pub const PATIENCE: Duration = Duration::from_secs(60);

const CREATE: &str = r#"mutation($id: EntityId!) { createEntity(input: {
    id: $id, name: "0", kind: "world", labels: ["pair"], bounds: { min: [-1, -1, -1], max: [1, 1, 1] }
}) { __typename } }"#;
const RENAME: &str = r#"mutation($a: EntityId!, $b: EntityId!, $name: String!, $operation: String!) {
    commit(operations: [{ change: { entity: $a, name: $name } }, { change: { entity: $b, name: $name } }], operationId: $operation) {
        __typename ... on Committed { cursor replayed } ... on Refusal { code message } } }"#;
const READ: &str = "query($ids: [EntityId!]!) { entities(ids: $ids) { name revision } }";

/// Serves a store in Neo4j, giving up soon.
pub fn serve(url: &str, data: &Path) -> Result<Server> {
    let settings = ["store.neo4j.retry_ms=1000", "store.neo4j.answer_timeout_ms=4000"];
    Server::start_with(&["serve", "--store", url, "--set", settings[0], "--set", settings[1]], data)
}

/// What a write is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It is durable.
    Committed { cursor: u64, replayed: bool },
    /// It failed; whether it is sure that nothing was applied.
    Failed { code: String, sure: bool },
    /// No answer: the instance is gone.
    Nothing,
}

/// Asks one GraphQL request of an instance, by a client that wants to see a commit.
pub async fn ask(base: &str, query: &str, variables: Value, cursor: Option<u64>) -> Result<Value> {
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    ask_by(&client, base, query, variables, cursor).await
}

/// The same over connections that are kept.
pub async fn ask_by(
    client: &reqwest::Client,
    base: &str,
    query: &str,
    variables: Value,
    cursor: Option<u64>,
) -> Result<Value> {
    let mut request = client.post(format!("{base}/graphql"));
    if let Some(cursor) = cursor {
        request = request.header("entitygraph-cursor", cursor.to_string());
    }
    Ok(request.json(&json!({ "query": query, "variables": variables })).send().await?.json().await?)
}

/// Two entities and how often they were renamed.
#[derive(Debug, Clone)]
pub struct Pair {
    pub number: u64,
    pub turn: u64,
    /// Acknowledged transactions: their cursors by operation id.
    pub acknowledged: BTreeMap<String, u64>,
    /// Transactions that were tried more than once.
    pub again: u64,
}

impl Pair {
    /// Makes the entities.
    pub async fn create(base: &str, number: u64) -> Result<Self> {
        let pair = Self { number, turn: 0, acknowledged: BTreeMap::new(), again: 0 };
        for id in pair.ids() {
            let answer = ask(base, CREATE, json!({ "id": id }), None).await?;
            ensure!(answer["data"]["createEntity"]["__typename"] == "Committed", "{answer}");
        }
        Ok(pair)
    }

    fn ids(&self) -> [String; 2] {
        [1, 2].map(|end| (self.number * 10 + end).to_string())
    }

    /// The operation id of this turn's transaction.
    pub fn operation(&self) -> String {
        format!("{}-{}", self.number, self.turn)
    }

    /// Sends the transaction of this turn.
    pub async fn rename(&self, base: &str) -> Result<Told> {
        let [a, b] = self.ids();
        let variables =
            json!({ "a": a, "b": b, "name": self.turn.to_string(), "operation": self.operation() });
        let Ok(answer) = ask(base, RENAME, variables, None).await else { return Ok(Told::Nothing) };
        let commit = &answer["data"]["commit"];
        if commit["__typename"] == "Committed" {
            let cursor =
                commit["cursor"].as_str().and_then(|cursor| cursor.parse().ok()).context("no cursor")?;
            return Ok(Told::Committed { cursor, replayed: commit["replayed"] == true });
        }
        let error = &answer["errors"][0]["extensions"];
        ensure!(error["retryable"] == true, "a failure that may not be tried again: {answer}");
        let code = error["code"].as_str().unwrap_or_default().to_owned();
        match error["outcome"].as_str() {
            Some("NOT_APPLIED") => Ok(Told::Failed { code, sure: true }),
            Some("UNKNOWN") => Ok(Told::Failed { code, sure: false }),
            _ => bail!("a failure without an outcome: {answer}"),
        }
    }

    /// Sends the next transaction until it is acknowledged. That it was applied must not be a surprise to who was told it was not.
    pub async fn turn(&mut self, base: &str) -> Result<()> {
        self.turn += 1;
        self.finish(base, true).await
    }

    /// Sends the transaction of this turn until it is acknowledged; `sure` when it is known not to be applied yet.
    pub async fn finish(&mut self, base: &str, mut sure: bool) -> Result<()> {
        for attempt in 0.. {
            ensure!(attempt < 600, "{} is never acknowledged", self.operation());
            match self.rename(base).await? {
                Told::Committed { cursor, replayed } => {
                    ensure!(!(replayed && sure), "{} was applied, and said not to be", self.operation());
                    self.acknowledge(cursor);
                    return Ok(());
                }
                Told::Failed { sure: told, .. } => sure &= told,
                Told::Nothing => sure = false,
            }
            self.again += u64::from(attempt == 0);
            // The database starts meanwhile.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Notes that the transaction of this turn is acknowledged.
    pub fn acknowledge(&mut self, cursor: u64) {
        self.acknowledged.insert(self.operation(), cursor);
    }

    /// Both entities are as the last acknowledged transaction left them, and were renamed once by each.
    pub async fn check(&self, base: &str) -> Result<()> {
        let answer = ask(base, READ, json!({ "ids": self.ids() }), None).await?;
        let expected = json!({ "name": self.turn.to_string(), "revision": (self.turn + 1).to_string() });
        ensure!(
            answer["data"]["entities"] == json!([expected, expected]),
            "pair {} after turn {}: {answer}",
            self.number,
            self.turn
        );
        Ok(())
    }
}

/// The change sequence in the database has no gap, each operation once, and all that was acknowledged.
pub async fn check_sequence(neo4j: &Neo4j, pairs: &[Pair]) -> Result<u64> {
    let pages = "MATCH (c:Commit) RETURN c.first AS first, c.cursor AS cursor ORDER BY c.cursor";
    let answer = neo4j.cypher(pages).await?;
    let mut last = None;
    for page in answer.as_array().context("no rows")? {
        let first = page["first"].as_u64().context("a page without a first commit")?;
        ensure!(last.is_none_or(|last| last + 1 == first), "a gap between {last:?} and {first}");
        last = Some(page["cursor"].as_u64().context("a page without a last commit")?);
    }
    let mut operations = BTreeMap::new();
    for commit in commits(neo4j).await? {
        if let Some(operation) = &commit.operation_id {
            let before = operations.insert(operation.as_str().to_owned(), commit.cursor.number());
            ensure!(before.is_none(), "{operation} was applied twice: {before:?} and {}", commit.cursor);
        }
    }
    for (operation, cursor) in pairs.iter().flat_map(|pair| &pair.acknowledged) {
        ensure!(operations.get(operation) == Some(cursor), "{operation} of {cursor} is lost");
    }
    let acknowledged: usize = pairs.iter().map(|pair| pair.acknowledged.len()).sum();
    ensure!(operations.len() == acknowledged, "{} operations, {acknowledged} asked for", operations.len());
    let newest = neo4j.cypher("MATCH (s:Shard) RETURN s.cursor AS cursor").await?[0]["cursor"].as_u64();
    ensure!(newest == last, "the shard is at {newest:?}, the change sequence ends at {last:?}");
    last.context("no commit at all")
}

/// The whole change sequence, as the store itself reads it.
async fn commits(neo4j: &Neo4j) -> Result<Vec<Arc<Commit>>> {
    let store = entitygraph_store::open(&neo4j.bolt(), StoreOptions::default()).await?;
    let Feed::Resync { oldest, newest } = store.changes(Cursor::ZERO, 1).await? else {
        bail!("no beginning")
    };
    let mut commits: Vec<Arc<Commit>> = Vec::new();
    loop {
        let after = commits.last().map_or(oldest, |commit| commit.cursor);
        if after == newest {
            return Ok(commits);
        }
        let Feed::Commits(more) = store.changes(after, 10_000).await? else { bail!("nothing after {after}") };
        commits.extend(more);
    }
}
