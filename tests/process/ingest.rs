//! `entitygraph ingest` and `entitygraph export`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use entitygraph_tests::command::{done, exported, failed};

const WORLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/worlds/solar-system");

/// A file with a world of one zone and so many rocks in it.
fn rocks(folder: &Path, count: usize) -> Result<PathBuf> {
    let mut text =
        "format: 1\nworld: rocks\nentities:\n  - key: belt\n    kind: belt\n    zone: { cube: 1e6 }\n"
            .to_owned();
    for rock in 0..count {
        text += &format!("  - key: belt/{rock}\n    kind: rock\n    parent: belt\n");
    }
    let file = folder.join("rocks.yaml");
    fs::write(&file, text)?;
    Ok(file)
}

#[test]
fn a_second_ingest_changes_nothing_and_says_so() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ingest = || done(&["ingest", "world", WORLD], data.path());
    let first = ingest()?;
    ensure!(first.contains(" created, 0 updated, 0 unchanged; "), "{first}");
    let world = exported(data.path())?;
    ensure!(world.contains("Sol") && world.contains("Proxima"), "{world}");
    let second = ingest()?;
    ensure!(second.contains("\nnothing changed: all "), "{second}");
    ensure!(exported(data.path())? == world, "the second ingest changed the world");
    Ok(())
}

#[test]
fn a_dry_run_changes_nothing_and_says_what_it_would_do() -> Result<()> {
    let data = tempfile::tempdir()?;
    let try_out = |file: &Path| done(&["ingest", "world", &file.to_string_lossy(), "--dry-run"], data.path());
    let said = try_out(&rocks(data.path(), 3)?)?;
    ensure!(said.contains("dry run, nothing was written: 4 would be created"), "{said}");
    ensure!(
        failed(&["export", "-"], data.path())?.contains("there is no world in"),
        "a dry run made a store"
    );

    let few = rocks(data.path(), 3)?;
    done(&["ingest", "world", &few.to_string_lossy()], data.path())?;
    let before = exported(data.path())?;
    let said = try_out(&rocks(data.path(), 5)?)?;
    ensure!(said.contains("2 would be created, 0 updated, 4 are unchanged"), "{said}");
    ensure!(exported(data.path())? == before, "the dry run changed the world");
    Ok(())
}

#[test]
fn an_export_goes_in_again_and_comes_out_the_same() -> Result<()> {
    let (data, copy) = (tempfile::tempdir()?, tempfile::tempdir()?);
    done(&["ingest", "world", WORLD], data.path())?;
    let file = data.path().join("export.yaml");
    done(&["export", &file.to_string_lossy()], data.path())?;
    done(&["ingest", "world", &file.to_string_lossy()], copy.path())?;
    ensure!(exported(copy.path())? == fs::read_to_string(&file)?, "the copy differs");
    Ok(())
}
