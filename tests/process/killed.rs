//! An ingest of an EVE export that is killed again and again.

use anyhow::{Result, ensure};
use entitygraph_tests::{
    command::{done, exported, write},
    eve::export,
};

/// Systems of the export: several batches of the loader.
pub const SYSTEMS: u32 = 1_200;

const KILLS: u64 = 5;

/// Entities and links of an exported world: each has a line.
fn lines(world: &str) -> usize {
    world.lines().count()
}

#[test]
fn an_ingest_that_is_killed_again_and_again_ends_as_one_that_was_left_alone() -> Result<()> {
    let (source, alone, disturbed) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let export = export(source.path(), SYSTEMS)?;
    let export = export.to_string_lossy();
    let ingest = ["ingest", "eve", &export];

    let whole = write(&ingest, alone.path(), u64::MAX)?;
    let world = exported(alone.path())?;
    let all = lines(&world);

    let mut found = Vec::new();
    for kill in 1..=KILLS {
        write(&ingest, disturbed.path(), whole * kill / (KILLS + 1))?;
        found.push(lines(&exported(disturbed.path())?));
    }
    println!("after {KILLS} kills there were {found:?} of {all} lines");
    // The store writes what waits together, so most kills find either little or all of so small an export;
    // `migrations/tests/world_keyed.rs` kills between small batches.
    ensure!(found.iter().any(|found| (1..all).contains(found)), "no kill came in the middle");

    done(&ingest, disturbed.path())?;
    ensure!(exported(disturbed.path())? == world, "the worlds differ");
    let again = done(&ingest, disturbed.path())?;
    ensure!(again.contains("\nnothing changed: all "), "{again}");
    Ok(())
}
