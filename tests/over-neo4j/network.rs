//! The network between an instance and its database fails.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use entitygraph_test_neo4j::{Proxy, Side, shared};

use crate::pair::{Pair, Told, check_sequence, serve};

/// The limits of [`serve`] and what comes on top: a batch under way, the retries, and asking what became of it.
const LONGEST: Duration = Duration::from_secs(20);

const FAULTS: [&str; 6] = ["cut", "half open", "answer cut off", "reset", "slow", "delayed"];

fn break_it(proxy: &Proxy, fault: &str, random: &mut fastrand::Rng) -> Result<()> {
    match fault {
        "cut" => proxy.cut(),
        "half open" => proxy.half_open(),
        "answer cut off" => proxy.cut_after(Side::Server, random.u64(0..1500)),
        "reset" => proxy.reset_after(Side::Server, random.u64(0..1500)),
        "slow" => proxy.slow(2_000),
        "delayed" => proxy.delay(Duration::from_millis(400)),
        other => bail!("no fault `{other}`"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_network_that_fails_each_write_has_one_effect_and_nothing_hangs() -> Result<()> {
    let neo4j = shared().await?;
    let proxy = Proxy::start(neo4j.bolt_port())?;
    let data = tempfile::tempdir()?;
    let service = serve(&proxy.bolt(), data.path())?;
    let mut pair = Pair::create(&service.base, 1).await?;
    let mut random = crate::random();
    for round in 0..crate::times("NEO4J_FAULTS", 4) {
        for fault in FAULTS {
            pair.turn += 1;
            let asked = Instant::now();
            let writing = pair.clone();
            let base = service.base.clone();
            let writing = tokio::spawn(async move { writing.rename(&base).await });
            tokio::time::sleep(Duration::from_micros(random.u64(0..20_000))).await;
            break_it(&proxy, fault, &mut random)?;
            let told = writing.await??;
            let took = asked.elapsed();
            ensure!(took < LONGEST, "round {round}, {fault}: told {told:?} after {took:?}");
            proxy.heal()?;
            let healed = Instant::now();
            match told {
                Told::Committed { cursor, .. } => pair.acknowledge(cursor),
                Told::Failed { sure, .. } => pair.finish(&service.base, sure).await?,
                Told::Nothing => bail!("round {round}, {fault}: no answer at all"),
            }
            ensure!(healed.elapsed() < LONGEST, "round {round}, {fault}: {:?} to go on", healed.elapsed());
            println!("round {round}, {fault}: {told:?} after {took:?}, again after {:?}", healed.elapsed());
        }
    }
    pair.check(&service.base).await?;
    check_sequence(&neo4j, std::slice::from_ref(&pair)).await.map(drop)
}
