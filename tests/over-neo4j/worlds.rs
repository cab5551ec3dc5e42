//! Whole worlds into a database, out of it and over, killed in the middle: what comes out is what went in.

use std::{fs::File, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use entitygraph_test_neo4j::{Server as Neo4j, shared};
use entitygraph_tests::{
    command::{done, exported, failed},
    eve::export,
    process::command,
};

/// Systems of the world: several batches of the loader.
const SYSTEMS: u32 = 600;

async fn entities(neo4j: &Neo4j) -> Result<u64> {
    let rows = neo4j.cypher("MATCH (e:Entity) RETURN count(e) AS count").await?;
    rows[0]["count"].as_u64().context("no count")
}

/// Runs a command that fills the database, kills it when a quarter of the entities are there, and runs it again to its end; how many
/// there were.
async fn disturbed(arguments: &[&str], data: &Path, neo4j: &Neo4j, whole: u64) -> Result<u64> {
    let mut child = command(arguments, data)?.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    while entities(neo4j).await? < whole / 4 {
        ensure!(child.try_wait()?.is_none(), "{arguments:?} ended by itself");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    child.kill()?;
    child.wait()?;
    let found = entities(neo4j).await?;
    println!("{arguments:?}: killed with {found} of {whole} entities");
    done(arguments, data)?;
    Ok(found)
}

/// Runs a command and kills it as soon as a file or folder is there that it makes.
fn begun(arguments: &[&str], data: &Path, made: &Path) -> Result<()> {
    let mut child = command(arguments, data)?.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    while !made.exists() {
        ensure!(child.try_wait()?.is_none(), "{arguments:?} ended by itself");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_goes_in_out_and_over_killed_in_the_middle_and_stays_the_same() -> Result<()> {
    let (neo4j, folder) = (shared().await?, tempfile::tempdir()?);
    let (data, url) = (folder.path(), neo4j.bolt());
    let path = |name: &str| data.join(name).to_string_lossy().into_owned();
    let same = |one: &str, other: &str| {
        let said = done(&["verify", one, other], data)?;
        ensure!(said.contains("are the same"), "{said}");
        anyhow::Ok(())
    };
    // The same world in the embedded store.
    let export = export(data, SYSTEMS)?.to_string_lossy().into_owned();
    done(&["ingest", "eve", &export], data)?;
    let embedded = format!("fjall:{}", path("world"));
    let said = done(&["backup", &path("embedded.backup")], data)?;
    let whole = said.split_once(" entities").and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok());
    let whole = whole.context(said)?;

    let ingest = ["ingest", "eve", &export, "--store", &url];
    let mut found = vec![disturbed(&ingest, data, &neo4j, whole).await?];
    let again = done(&ingest, data)?;
    ensure!(again.contains("\nnothing changed: all "), "{again}");
    ensure!(done(&["export", "-", "--store", &url], data)? == exported(data)?, "the exports differ");
    same(&url, &embedded)?;

    for (command, words) in [
        ("status", "has format 2, that of this program"),
        ("plan", "has format 2, that of this program"),
        ("apply", "has format 2, that of this program; 0 rows were written"),
        ("verify", "is sound: all its rows agree"),
    ] {
        let said = done(&["migrate", command, "--store", &url], data)?;
        ensure!(said.contains(words), "migrate {command}: {said}");
    }

    let file = path("world.backup");
    begun(&["backup", &file, "--store", &url], data, Path::new(&file))?;
    let resume = ["backup", &file, "--resume", "--store", &url];
    done(&resume, data)?;
    // As if it had been killed later: it is written in large pieces.
    let cut = File::options().write(true).open(&file)?;
    cut.set_len(cut.metadata()?.len() / 2)?;
    let told = failed(&["verify", &file], data)?;
    ensure!(told.contains("is not whole"), "{told}");
    done(&resume, data)?;
    same(&file, &url)?;

    let copied = format!("fjall:{}", path("copied"));
    let copy = ["copy", &url, &copied];
    begun(&copy, data, &data.join("copied"))?;
    done(&copy, data)?;
    same(&copied, &url)?;

    neo4j.wipe().await?;
    found.push(disturbed(&["restore", &file, "--store", &url], data, &neo4j, whole).await?);
    same(&url, &file)?;

    neo4j.wipe().await?;
    found.push(disturbed(&["copy", &copied, &url], data, &neo4j, whole).await?);
    same(&url, &copied)?;
    ensure!(!data.join("copy.backup").exists(), "the spool is left");
    ensure!(found.iter().any(|found| *found < whole), "no kill came in the middle: {found:?} of {whole}");
    Ok(())
}
