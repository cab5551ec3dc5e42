//! Whole worlds out, in and over, killed again and again, and out of a server that runs.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use entitygraph_tests::{
    command::{done, failed, write},
    eve::export,
    process::Server,
};

use crate::killed::SYSTEMS;

const KILLS: u64 = 4;
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/worlds/solar-system");

/// A command that is killed at several places and then left alone; `again` is how it goes on.
fn disturbed(first: &[&str], again: &[&str], data: &Path, whole: u64) -> Result<()> {
    for kill in 1..=KILLS {
        let arguments = if kill == 1 { first } else { again };
        write(arguments, data, whole * kill / (KILLS + 1))
            .with_context(|| format!("kill {kill} of {arguments:?}"))?;
    }
    done(again, data).map(drop)
}

#[test]
fn a_backup_a_restore_and_a_copy_that_are_killed_again_and_again_end_as_if_left_alone() -> Result<()> {
    let (folder, measured) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let world = folder.path();
    done(&["ingest", "eve", &export(world, SYSTEMS)?.to_string_lossy()], world)?;
    let path = |name: &str| world.join(name).to_string_lossy().into_owned();
    let (whole, file) = (path("whole.backup"), path("world.backup"));
    let bytes = write(&["backup", &whole], world, u64::MAX)?;
    disturbed(&["backup", &file], &["backup", &file, "--resume"], world, bytes)?;
    let source = format!("fjall:{}", path("world"));
    done(&["verify", &source, &file], world)?;

    let restored = format!("fjall:{}", path("restored"));
    let restore = ["restore", &file, "--store", &restored];
    let bytes = write(&["restore", &file], measured.path(), u64::MAX)?;
    write(&restore, world, bytes / 2)?;
    for uses in [["export", "-"], ["serve", "--listen=127.0.0.1:0"]] {
        let told = failed(&[&uses[..], &["--store", &restored]].concat(), world)?;
        ensure!(told.contains("holds a part of a world"), "{uses:?}: {told}");
    }
    disturbed(&restore, &restore, world, bytes)?;
    done(&["verify", &restored, &source], world)?;

    let (copied, measure) = (format!("fjall:{}", path("copied")), format!("sled:{}", path("measure")));
    let bytes = write(&["copy", &source, &measure], world, u64::MAX)?;
    let copy = ["copy", &source, &copied];
    disturbed(&copy, &copy, world, bytes)?;
    let said = done(&["verify", &copied, &measure], world)?;
    ensure!(said.contains("are the same"), "{said}");
    ensure!(!world.join("copy.backup").exists(), "the spool is left");

    let other = format!("fjall:{}", path("other"));
    done(&["ingest", "world", SAMPLE, "--store", &other], world)?;
    let told = failed(&["copy", &source, &other], world)?;
    ensure!(told.contains("holds something else"), "{told}");
    ensure!(!world.join("copy.backup").exists(), "a refused copy left a spool");
    Ok(())
}

#[test]
fn a_running_server_gives_a_backup_that_is_its_world() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    done(&["ingest", "world", SAMPLE], data)?;
    let file = data.join("world.backup").to_string_lossy().into_owned();
    let store = format!("fjall:{}", data.join("world").display());
    let server = Server::start(&store, data)?;
    let told = failed(&["backup", &file], data)?;
    ensure!(told.contains("--from http://"), "{told}");
    done(&["backup", &file, "--from", &server.base], data)?;
    server.terminate()?;
    server.wait()?;
    done(&["verify", &file, &store], data)?;
    let told = failed(&["backup", &file, "--from", "http://127.0.0.1:9"], data)?;
    ensure!(told.contains("exists"), "{told}");
    Ok(())
}

#[test]
fn a_cut_or_damaged_backup_is_refused_and_the_target_stays_away() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    done(&["ingest", "world", SAMPLE], data)?;
    let file = data.join("world.backup");
    done(&["backup", &file.to_string_lossy()], data)?;
    let bytes = std::fs::read(&file)?;
    let mut damaged = bytes.clone();
    *damaged.get_mut(bytes.len() / 2).context("an empty backup")? ^= 1;
    for (bad, named) in [(&bytes[..bytes.len() - 9], "is not whole"), (&damaged[..], "is damaged at byte")] {
        std::fs::write(&file, bad)?;
        let target = format!("fjall:{}", data.join("target").display());
        let told = failed(&["restore", &file.to_string_lossy(), "--store", &target], data)?;
        ensure!(told.contains(named), "{told}");
        ensure!(!data.join("target").exists(), "the target was touched");
    }
    std::fs::write(&file, &bytes)?;
    let target = format!("fjall:{}", data.join("target").display());
    let told = failed(&["restore", &file.to_string_lossy(), "--store", &target, "--to", "5"], data)?;
    ensure!(told.contains("any moment from cursor") && told.contains("not 5"), "{told}");
    ensure!(!data.join("target").exists(), "a moment that is not in the file left a store");
    Ok(())
}
