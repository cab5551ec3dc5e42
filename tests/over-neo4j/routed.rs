//! A service that asks the server who leads, by `neo4j://`, and names the database.

use anyhow::{Result, ensure};
use entitygraph_test_neo4j::{Options, Server as Neo4j};

use crate::pair::{Pair, check_sequence, serve};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_asks_for_the_leader_works_beside_one_that_does_not_and_outlives_a_kill() -> Result<()>
{
    let neo4j = Neo4j::start(Options::default()).await?;
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let routed = format!("{}/neo4j", neo4j.bolt().replacen("bolt:", "neo4j:", 1));
    let (one, other) = (serve(&routed, folders[0].path())?, serve(&neo4j.bolt(), folders[1].path())?);
    let mut pairs = [Pair::create(&one.base, 1).await?, Pair::create(&other.base, 2).await?];
    for (first, second) in [(&one, &other), (&other, &one), (&one, &other)] {
        pairs[0].turn(&first.base).await?;
        pairs[1].turn(&second.base).await?;
    }
    neo4j.kill()?;
    neo4j.restart().await?;
    for pair in &mut pairs {
        pair.turn(&one.base).await?;
        pair.check(&one.base).await?;
    }
    ensure!(check_sequence(&neo4j, &pairs).await? > 0);
    Ok(())
}
