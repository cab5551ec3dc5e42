//! The demo in a database.

use anyhow::{Result, ensure};
use entitygraph_test_neo4j::shared;
use entitygraph_tests::{examples, process::Server};

#[tokio::test(flavor = "multi_thread")]
async fn every_example_runs_against_the_demo_in_neo4j() -> Result<()> {
    let (neo4j, data) = (shared().await?, tempfile::tempdir()?);
    let demo = Server::start_with(&["demo", "--store", &neo4j.bolt()], data.path())?;
    examples::run(&demo).await?;
    // Nothing of it is kept anywhere else.
    let ships = neo4j.cypher("MATCH (s:ship)-[:IN]->(:Zone) RETURN count(s) AS count").await?;
    ensure!(ships[0]["count"].as_u64() > Some(0), "{ships}");
    ensure!(std::fs::read_dir(data.path())?.next().is_none(), "something is in the data folder");
    Ok(())
}
