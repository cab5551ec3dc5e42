//! The database is killed while many write.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use entitygraph_test_neo4j::{Options, Server as Neo4j};
use serde_json::json;
use tokio::time::sleep;

use crate::pair::{Pair, Told, ask, check_sequence, serve};

const WRITERS: u64 = 8;

const CACHED: &str = r#"{ entity(id: "9001") { name } }"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_service_outlives_kills_of_its_database_and_loses_nothing() -> Result<()> {
    let neo4j = Neo4j::start(Options::default()).await?;
    let data = tempfile::tempdir()?;
    let service = serve(&neo4j.bolt(), data.path())?;
    let base = service.base.clone();
    let mut idle = Pair::create(&base, 900).await?;
    ask(&base, CACHED, json!({}), None).await?;

    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for number in 1..=WRITERS {
        let mut pair = Pair::create(&base, number).await?;
        let (base, stop) = (base.clone(), stop.clone());
        writers.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                pair.turn(&base).await?;
            }
            anyhow::Ok(pair)
        }));
    }
    let (mut back, mut random) = (Vec::new(), crate::random());
    for kill in 0..crate::times("NEO4J_KILLS", 10) {
        sleep(Duration::from_millis(random.u64(20..500))).await;
        neo4j.kill()?;
        let told = || format!("after kill {kill}");
        // What is in the cache is answered at once.
        let asked = Instant::now();
        let answer = ask(&base, CACHED, json!({}), None).await.with_context(told)?;
        ensure!(
            answer["data"]["entity"]["name"].as_str() == Some(idle.turn.to_string().as_str()),
            "{}: {answer}",
            told()
        );
        ensure!(asked.elapsed() < Duration::from_secs(2), "a cached read took {:?}", asked.elapsed());
        // A write is refused, soon, as one that may be tried again.
        idle.turn += 1;
        let asked = Instant::now();
        let refused = idle.rename(&base).await?;
        let Told::Failed { code, sure } = refused else { bail!("{}: {refused:?}", told()) };
        ensure!(["STORE_UNREACHABLE", "STORE_FAULT"].contains(&code.as_str()), "{}: {code}", told());
        ensure!(asked.elapsed() < Duration::from_secs(10), "a refusal took {:?}", asked.elapsed());
        neo4j.restart().await.with_context(told)?;
        let restarted = Instant::now();
        idle.finish(&base, sure).await.with_context(told)?;
        back.push(restarted.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let mut pairs = vec![idle];
    for writer in writers {
        pairs.push(writer.await??);
    }
    let newest = check_sequence(&neo4j, &pairs).await?;
    // As the service has it, and as the database has it.
    let fresh = serve(&neo4j.bolt(), data.path())?;
    for pair in &pairs {
        pair.check(&base).await?;
        pair.check(&fresh.base).await?;
    }
    let again: u64 = pairs.iter().map(|pair| pair.again).sum();
    ensure!(again > 0, "no kill disturbed a write");
    println!(
        "{} kills, {newest} commits, {again} tried again; writes went on {back:?} after the start",
        back.len()
    );
    Ok(())
}
