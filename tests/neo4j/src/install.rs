//! The installed Neo4j.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use tokio::{sync::OnceCell, task::spawn_blocking};

use crate::Server;

/// Where Neo4j is installed.
#[derive(Debug)]
pub struct Installed {
    jars: PathBuf,
}

impl Installed {
    /// The Neo4j of this build; installed now if it was not.
    pub async fn get() -> Result<&'static Self> {
        static INSTALLED: OnceCell<Installed> = OnceCell::const_new();
        let install = || async {
            let installed = Self { jars: spawn_blocking(install).await?? };
            if !installed.classes().exists() {
                Server::record_classes(&installed).await?;
            }
            Ok(installed)
        };
        INSTALLED.get_or_try_init(install).await
    }

    /// The class path.
    pub fn jars(&self) -> PathBuf {
        self.jars.join("*")
    }

    /// Where temporary folders of servers are.
    pub fn servers(&self) -> PathBuf {
        self.jars.with_file_name("servers")
    }

    /// What tells a JVM to use the recorded classes. One that they do not fit leaves them aside.
    pub fn with_classes(&self) -> String {
        format!("-XX:SharedArchiveFile={}", self.classes().display())
    }

    /// The classes that a server loads, recorded ready for the JVM: with them a start takes half the work.
    pub fn classes(&self) -> PathBuf {
        self.jars.with_extension("jsa")
    }
}

/// The script knows whether anything is left to do, and does it once for all processes that ask.
fn install() -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install");
    let output = Command::new(&script).output().with_context(|| format!("starting {}", script.display()))?;
    if !output.status.success() {
        bail!("{} failed:\n{}", script.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}
