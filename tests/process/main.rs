//! The `entitygraph` program as a user runs it: commands to their end, signals, bytes on the wire.

mod examples;
mod frames;
mod ingest;
mod killed;
mod migrate;
mod moving;
mod readme;
mod served;
mod stop;

use std::{path::Path, process::Output};

use anyhow::{Result, ensure};
use entitygraph_tests::process;

/// Runs the program, which must succeed; what it said.
fn done(arguments: &[&str], data: &Path) -> Result<String> {
    said(process::run(arguments, data)?, true)
}

/// Runs the program, which must fail; what it complained of.
fn failed(arguments: &[&str], data: &Path) -> Result<String> {
    said(process::run(arguments, data)?, false)
}

fn said(output: Output, success: bool) -> Result<String> {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success() == success, "{}:\n{out}\n{err}", output.status);
    Ok(if success { out } else { err }.into_owned())
}

/// The world in a data folder, as `entitygraph export` writes it.
fn exported(data: &Path) -> Result<String> {
    done(&["export", "-"], data)
}
