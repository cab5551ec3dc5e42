//! A world goes into a database that cannot be reached for a while.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use entitygraph_test_neo4j::{Proxy, Side, shared};
use entitygraph_tests::process;

/// Longer than what a store asks again by itself.
const AWAY: Duration = Duration::from_secs(15);

/// What a client sends before the network fails: in the middle of the world.
const SENT: u64 = 40_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_outlasts_a_database_that_is_away_for_a_quarter_of_a_minute() -> Result<()> {
    let neo4j = shared().await?;
    let proxy = Proxy::start(neo4j.bolt_port())?;
    let data = tempfile::tempdir()?;
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/worlds/solar-system");
    let done = |arguments: &[&str]| -> Result<()> {
        let output = process::run(arguments, data.path())?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    done(&["ingest", "world", sample])?;
    let source = format!("fjall:{}", data.path().join("world").display());
    let target = proxy.bolt();
    let mut command = process::command(&["copy", &source, &target], data.path())?;
    let before = proxy.bytes(Side::Client);
    proxy.cut_after(Side::Client, SENT)?;
    let copying = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let ended = tokio::task::spawn_blocking(move || copying.wait_with_output());
    tokio::time::sleep(AWAY).await;
    ensure!(!ended.is_finished(), "{:?}", ended.await??);
    ensure!(proxy.bytes(Side::Client) >= before + SENT, "the network did not fail");
    proxy.heal()?;
    let ended =
        tokio::time::timeout(Duration::from_secs(120), ended).await.context("the copy hangs")???;
    let said = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "{said}");
    done(&["verify", &source, &target])
}
