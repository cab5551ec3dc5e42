//! An instance is killed in the middle of requests: asked again at another, each has the effect of one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use entitygraph_test_neo4j::{Server as Neo4j, shared};
use tokio::time::sleep;

use crate::pair::{PATIENCE, Pair, Told, check_sequence, serve};

const WRITERS: u64 = 6;

/// Waits until the database holds the outcomes of all these operations, and no longer: their answers are on the way.
async fn done(neo4j: &Neo4j, operations: &[String]) -> Result<()> {
    let began = Instant::now();
    let count = format!("MATCH (o:Operation) WHERE o.id IN {operations:?} RETURN count(o) AS count");
    while neo4j.cypher(&count).await?[0]["count"].as_u64() != Some(operations.len() as u64) {
        ensure!(began.elapsed() < PATIENCE, "they are never done");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_instance_did_not_answer_is_asked_again_at_another_and_done_once() -> Result<()> {
    let neo4j = shared().await?;
    let (data, other_data) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let other = serve(&neo4j.bolt(), other_data.path())?;
    let mut pairs = Vec::new();
    for number in 1..=WRITERS {
        pairs.push(Pair::create(&other.base, number).await?);
    }
    let (mut unanswered, mut replays) = (0, 0);
    let mut random = crate::random();
    for round in 0..crate::times("NEO4J_RETRIES", 15) {
        let doomed = serve(&neo4j.bolt(), data.path())?;
        let (mut asked, mut operations) = (Vec::new(), Vec::new());
        for mut pair in pairs.drain(..) {
            pair.turn += 1;
            operations.push(pair.operation());
            let base = doomed.base.clone();
            asked.push(tokio::spawn(async move {
                let told = pair.rename(&base).await;
                (pair, told)
            }));
        }
        if round % 2 == 0 {
            sleep(Duration::from_micros(random.u64(0..400_000))).await;
        } else {
            done(&neo4j, &operations).await.with_context(|| format!("round {round}"))?;
        }
        doomed.kill()?;
        for asked in asked {
            let (mut pair, told) = asked.await?;
            let again = pair.rename(&other.base).await?;
            let Told::Committed { cursor, replayed } = again else {
                anyhow::bail!("round {round}: asked again it is {again:?}")
            };
            ensure!(replayed || round % 2 == 0, "round {round}: what was done was done again");
            match told? {
                Told::Committed { cursor: first, .. } => {
                    ensure!(
                        replayed && cursor == first,
                        "round {round}: {first} became {cursor}, {replayed}"
                    );
                }
                Told::Nothing => {
                    unanswered += 1;
                    replays += u64::from(replayed);
                }
                failed @ Told::Failed { .. } => anyhow::bail!("round {round}: {failed:?}"),
            }
            pair.acknowledge(cursor);
            pairs.push(pair);
        }
    }
    for pair in &pairs {
        pair.check(&other.base).await.context("at the instance that lived")?;
    }
    check_sequence(&neo4j, &pairs).await?;
    ensure!(unanswered > 0, "no kill came in the middle");
    println!("{unanswered} requests were not answered, {replays} of them had been done");
    Ok(())
}
