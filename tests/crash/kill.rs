//! `kill -9` in the middle of writes (AC 2.15.3).

use std::time::Duration;

use anyhow::{Context, Result};
use entitygraph_store::keyed::engine::EngineKind;
use entitygraph_tests::crash::{self, script::Load};

use crate::{judge::Judge, victim::Victim};

/// Writers at once, in turn.
const WRITERS: [usize; 4] = [1, 4, 8, 16];

#[test]
fn fjall_keeps_what_it_acknowledged_when_it_is_killed() -> Result<()> {
    one_life_with_many_kills(EngineKind::Fjall)
}

#[test]
fn sled_keeps_what_it_acknowledged_when_it_is_killed() -> Result<()> {
    one_life_with_many_kills(EngineKind::Sled)
}

/// One store, written and killed again and again.
#[tokio::main(flavor = "current_thread")]
async fn one_life_with_many_kills(engine: EngineKind) -> Result<()> {
    let seed = crate::seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store");
    let mut judge = Judge::new(seed, Load::Small, 16);
    let mut lived = 0;
    for cycle in 0..crate::cycles(8) {
        let writers = WRITERS[cycle as usize % WRITERS.len()];
        let told = || format!("{engine}, cycle {cycle}, {writers} writers");
        let begins = &judge.positions()[..writers];
        let mut victim = Victim::start(engine, &path, folder.path(), seed, Load::Small, begins)?;
        // Now and then while it opens the store, otherwise while it writes.
        if cycle % 8 != 5 {
            victim.wait_until(|report| report.ready).with_context(told)?;
        }
        let before_the_kill = Duration::from_micros(random.u64(1_000..300_000));
        std::thread::sleep(before_the_kill);
        let report = victim.kill().with_context(told)?;
        let store = crash::open(engine, &path).with_context(told)?;
        let newest = judge.examine(&store, &report).await.with_context(told)?;
        judge.count_leases(&report).with_context(told)?;
        judge.ask_again(&store, &report).await.with_context(told)?;
        println!(
            "{}: killed after {before_the_kill:?}, {} acknowledged, {} commits in all",
            told(),
            report.acknowledged.len(),
            newest
        );
        lived += report.acknowledged.len();
    }
    anyhow::ensure!(lived > 0, "no writer ever got to acknowledge anything");
    Ok(())
}
