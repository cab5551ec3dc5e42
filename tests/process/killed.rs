//! An ingest of an EVE export that is killed again and again.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Result, ensure};
use entitygraph_tests::process;

use crate::{done, exported};

/// The small export that the tests of the ingest read.
pub const EXPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/tests/eve");
const REGION: &str = "sde/universe/eve/Yon";

/// Systems added to it, with a star, a planet, a station and a gate each: several batches of the loader.
const SYSTEMS: u32 = 1_200;
/// They are read by constellations of so many.
const NEIGHBOURS: u32 = 20;

const KILLS: u64 = 5;

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// The export with more systems: copies of one of its systems, whose gates lead from each second one to the next.
pub fn export(folder: &Path) -> Result<PathBuf> {
    let export = folder.join("export");
    copy(Path::new(EXPORT), &export)?;
    let region = export.join(REGION);
    let constellation = fs::read_to_string(region.join("FarGroup/constellation.yaml"))?;
    let system = fs::read_to_string(region.join("FarGroup/Cee/solarsystem.yaml"))?;
    let mut names = fs::OpenOptions::new().append(true).open(export.join("sde/bsd/invNames.yaml"))?;
    for number in 0..SYSTEMS {
        let group = number / NEIGHBOURS;
        let folder = region.join(format!("Group{group}/{number}"));
        fs::create_dir_all(&folder)?;
        // Ids of the model, and those of its copy.
        let mut ids = vec![
            ("30000003", 30_001_000 + number),
            ("40000021", 40_100_000 + 2 * number),
            ("40000022", 40_100_001 + 2 * number),
            ("50000004", 50_001_000 + number),
            ("60000002", 60_001_000 + number),
        ];
        if number % NEIGHBOURS == 0 {
            ids.push(("20000002", 20_001_000 + group));
            fs::write(folder.with_file_name("constellation.yaml"), renumbered(&constellation, &ids))?;
        }
        let there = format!("destination: {}", 50_001_000 + (number ^ 1));
        let text = renumbered(&system, &ids).replace("destination: 50000003", &there);
        fs::write(folder.join("solarsystem.yaml"), text)?;
        for (_, id) in ids {
            writeln!(names, "- itemID: {id}\n  itemName: Copy {id}")?;
        }
    }
    Ok(export)
}

fn renumbered(model: &str, ids: &[(&str, u32)]) -> String {
    ids.iter().fold(model.to_owned(), |text, (from, to)| text.replace(from, &to.to_string()))
}

/// Entities and links of an exported world: each has a line.
fn lines(world: &str) -> usize {
    world.lines().count()
}

/// Runs the program until it has written so many bytes, then kills it; says how many it wrote.
pub fn write(arguments: &[&str], data: &Path, bytes: u64) -> Result<u64> {
    let mut child = process::command(arguments, data)?.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut written = 0;
    loop {
        if let Some(ended) = child.try_wait()? {
            ensure!(ended.success(), "it ended by itself, {ended}");
            break;
        }
        // The file is gone for a moment before the process is.
        let counters = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap_or_default();
        let counter = counters.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok());
        written = counter.unwrap_or(written).max(written);
        if written >= bytes {
            child.kill()?;
            child.wait()?;
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(written)
}

#[test]
fn an_ingest_that_is_killed_again_and_again_ends_as_one_that_was_left_alone() -> Result<()> {
    let (source, alone, disturbed) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let export = export(source.path())?;
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
