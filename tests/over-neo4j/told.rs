//! What a person is told while the database is away: by a service once, by a command with its own next step.

use std::{
    fs::File,
    net::TcpListener,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use entitygraph_test_neo4j::{Options, Server as Neo4j};
use entitygraph_tests::{command::failed, process::command};
use serde_json::{Value, json};

use crate::pair::ask;

/// Longest time until the service sees that its database is there, away, or back: on a busy machine it starts slowly.
const SOON: Duration = Duration::from_secs(90);

/// Longest line of the log that a person reads at a glance.
const GLANCE: usize = 220;

const QUESTION: &str = "{ counts { total } }";

/// A process that ends with this.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Asks until the answer is as it should be.
async fn until(base: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
    let began = Instant::now();
    loop {
        match ask(base, QUESTION, json!({}), None).await {
            Ok(answer) if fits(&answer) => return Ok(answer),
            last if began.elapsed() > SOON => bail!("it does not come: {last:?}"),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_once_by_a_service_and_with_the_next_step_by_a_command() -> Result<()> {
    let neo4j = Neo4j::start(Options::default()).await?;
    let data = tempfile::tempdir()?;
    let log = data.path().join("log");
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let base = format!("http://{listen}");
    let store = neo4j.bolt();
    let set = "store.neo4j.retry_ms=500";
    let mut serve = command(&["serve", "--store", &store, "--listen", &listen, "--set", set], data.path())?;
    let _service = Killed(serve.stdout(Stdio::null()).stderr(File::create(&log)?).spawn()?);
    until(&base, |answer| answer["errors"].is_null()).await?;

    neo4j.kill()?;
    for _ in 0..5 {
        let refused = until(&base, |answer| !answer["errors"].is_null()).await?;
        let message = refused["errors"][0]["message"].as_str().context("no message")?;
        ensure!(message.contains("goes on by itself") && !message.contains("ask for less"), "{message}");
    }
    let file = data.path().join("world.backup").to_string_lossy().into_owned();
    let told = failed(&["backup", &file, "--store", &store, "--set", set], data.path())?;
    ensure!(
        told.contains("cannot be reached") && told.contains("What to look at: is Neo4j running"),
        "{told}"
    );
    ensure!(!told.contains("goes on by itself") && !told.contains("WARN"), "{told}");
    let began = Instant::now();
    while !std::fs::read_to_string(&log)?.contains("the database is away") {
        ensure!(began.elapsed() < SOON, "{}", std::fs::read_to_string(&log)?);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    neo4j.restart().await?;
    until(&base, |answer| answer["errors"].is_null()).await?;
    let began = Instant::now();
    while !std::fs::read_to_string(&log)?.contains("the database is back") {
        ensure!(began.elapsed() < SOON, "{}", std::fs::read_to_string(&log)?);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = std::fs::read_to_string(&log)?;
    for (line, count) in [("the database is away", 1), ("the database is back", 1), ("ERROR", 0)] {
        ensure!(log.matches(line).count() == count, "not {count} times `{line}`:\n{log}");
    }
    // What is said at the start of a server that never ends a transaction is longer.
    let long = log.lines().find(|line| line.len() > GLANCE && !line.contains("db.transaction.timeout"));
    ensure!(long.is_none(), "{long:?}");
    Ok(())
}
