//! A database whose disk is full.

use std::{fs, time::Instant};

use anyhow::{Result, bail, ensure};
use entitygraph_test_neo4j::{Options, Server as Neo4j};
use entitygraph_tests::disk::{Mount, fill};
use serde_json::json;

use crate::pair::{Pair, Told, ask, check_sequence, serve};

/// Neo4j takes some megabytes when it is empty.
const DISK: u64 = 96 << 20;
/// What is left for the writes that fill it.
const LEFT: u64 = 2 << 20;
/// Far more than that takes.
const TURNS: u64 = 20_000;

const CACHED: &str = r#"{ entity(id: "11") { name } }"#;
const UNKNOWN: &str = r#"{ entity(id: "4711") { name } }"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root to mount a disk of its own; tests/run says when it cannot be run"]
async fn a_full_disk_of_the_database_is_told_and_costs_nothing_that_was_acknowledged() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let disk = Mount::memory(DISK, &folder.path().join("disk"))?;
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let neo4j = Neo4j::start(Options {
        folder: Some(disk.folder().join("neo4j")),
        settings: vec![setting("db.tx_log.rotation.size", "1m"), setting("db.checkpoint", "CONTINUOUS")],
        ..Options::default()
    })
    .await?;
    let data = tempfile::tempdir()?;
    let service = serve(&neo4j.bolt(), data.path())?;
    let mut pair = Pair::create(&service.base, 1).await?;
    let ballast = disk.folder().join("ballast");
    fill(&ballast, disk.free_bytes()? - LEFT)?;

    let told = loop {
        ensure!(pair.turn < TURNS, "the disk is never full");
        pair.turn += 1;
        match pair.rename(&service.base).await? {
            Told::Committed { cursor, .. } => pair.acknowledge(cursor),
            told => break told,
        }
    };
    println!("turn {}: {told:?}", pair.turn);
    let Told::Failed { code, sure } = told else { bail!("no answer") };
    ensure!(code == "STORE_HALTED", "{code}");

    let answer = ask(&service.base, CACHED, json!({}), None).await?;
    let expected = json!({ "entity": { "name": (pair.turn - 1).to_string() } });
    ensure!(answer["data"] == expected, "not as in the cache: {answer}");
    let begun = Instant::now();
    let answer = ask(&service.base, UNKNOWN, json!({}), None).await?;
    println!("not cached, after {:?}: {answer}", begun.elapsed());
    let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
    ensure!(
        message.contains("the disk of its server is full: make room there, then restart Neo4j"),
        "{answer}"
    );

    fs::remove_file(&ballast)?;
    // Room alone is not enough.
    let answer = ask(&service.base, UNKNOWN, json!({}), None).await?;
    ensure!(answer["errors"][0]["extensions"]["code"] == "STORE_HALTED", "{answer}");
    neo4j.kill()?;
    neo4j.restart().await?;
    pair.finish(&service.base, sure).await?;
    for _ in 0..20 {
        pair.turn(&service.base).await?;
    }
    pair.check(&service.base).await?;
    let newest = check_sequence(&neo4j, std::slice::from_ref(&pair)).await?;
    println!("{newest} commits, {} acknowledged", pair.acknowledged.len());
    Ok(())
}
