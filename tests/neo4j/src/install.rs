//! The installed Neo4j: its class path, and a place for the folders of servers.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Error, Result};

/// Where Neo4j is installed; installed now if it was not.
pub async fn installed() -> Result<&'static Path> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = tokio::task::spawn_blocking(|| FOLDER.get_or_init(install)).await?;
    folder.as_deref().map_err(|error| Error::msg(error.clone()))
}

/// The script knows whether anything is left to do, and does it once for all processes that ask.
fn install() -> Result<PathBuf, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/install");
    let output = Command::new(script).output().map_err(|error| format!("starting {script}: {error}"))?;
    if output.status.success() {
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
    } else {
        Err(format!("{script} failed:\n{}", String::from_utf8_lossy(&output.stderr)))
    }
}
