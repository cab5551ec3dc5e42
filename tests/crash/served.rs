//! A service on a full disk, as its callers see it.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use entitygraph_tests::{
    disk::{Mount, fill},
    graphql::Client,
    process::Server,
};
use serde_json::{Value, json};

const CREATE: &str = r#"mutation { createEntity(input: {
    kind: "world", bounds: { min: [-1, -1, -1], max: [1, 1, 1] }
}) { __typename } }"#;
const COUNT: &str = "{ status { entities } }";

/// Serves a store on a disk of which so much is kept free.
fn serve(engine: &str, data: &Path, reserve: u64) -> Result<Server> {
    let store = format!("{engine}:{}", data.join("store").display());
    let reserve = format!("store.engine.reserve_bytes={reserve}");
    Server::start_with(&["serve", "--store", &store, "--set", &reserve], data)
}

async fn readiness(server: &Server) -> Result<(u16, Value)> {
    let answer = reqwest::get(format!("{}/readyz", server.base)).await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

/// A write is refused with its reason and what to do, reads are answered, readiness tells both.
async fn is_full(server: &Server, entities: &str) -> Result<()> {
    let client = Client::new(&server.base);
    let answer = client.answer(CREATE, json!({})).await?;
    let error = &answer["errors"][0];
    let told = error["message"].as_str().unwrap_or_default();
    ensure!(told.contains("no room left") && told.contains("free some"), "{answer}");
    let expected = json!({ "code": "STORE_FULL", "retryable": true, "outcome": "NOT_APPLIED" });
    ensure!(error["extensions"] == expected, "{answer}");
    ensure!(client.run(COUNT, json!({})).await?["status"]["entities"] == entities);
    let (status, body) = readiness(server).await?;
    ensure!(
        status == 200 && body["status"] == "read-only" && body["code"] == "STORE_FULL",
        "{status} {body}"
    );
    Ok(())
}

async fn is_well(server: &Server, entities: &str) -> Result<()> {
    let client = Client::new(&server.base);
    let answer = client.run(CREATE, json!({})).await?;
    ensure!(answer["createEntity"]["__typename"] == "Committed", "{answer}");
    ensure!(client.run(COUNT, json!({})).await?["status"]["entities"] == entities);
    ensure!(readiness(server).await? == (200, json!({ "status": "ready" })));
    Ok(())
}

#[tokio::test]
async fn a_server_without_room_says_so_answers_reads_and_writes_again_with_room() -> Result<()> {
    for engine in ["fjall", "sled"] {
        let data = tempfile::tempdir()?;
        let server = serve(engine, data.path(), 0)?;
        is_well(&server, "1").await?;
        server.kill()?;
        // More than any disk has.
        let server = serve(engine, data.path(), 1 << 60)?;
        is_full(&server, "1").await?;
        server.kill()?;
        is_well(&serve(engine, data.path(), 0)?, "2").await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs root to mount a disk of its own; tests/run says when it cannot be run"]
async fn a_server_whose_disk_fills_up_writes_again_when_there_is_room() -> Result<()> {
    const DISK: u64 = 512 << 20;
    const RESERVE: u64 = 96 << 20;
    for engine in ["fjall", "sled"] {
        let folder = tempfile::tempdir()?;
        let disk = Mount::memory(DISK, &folder.path().join("disk"))?;
        let ballast = disk.folder().join("ballast");
        let server = serve(engine, disk.folder(), RESERVE)?;
        is_well(&server, "1").await?;
        fill(&ballast, disk.free_bytes()? - RESERVE / 2)?;
        is_full(&server, "1").await?;
        fs::remove_file(&ballast)?;
        is_well(&server, "2").await?;
    }
    Ok(())
}
