//! A writer in a process of its own, to be stopped, continued and killed.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use entitygraph_store::keyed::engine::EngineKind;
use entitygraph_tests::crash::{report::Report, script::Load};

/// Longest wait for something that takes milliseconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The process; dropped, it is killed.
pub struct Victim {
    child: Child,
    said: PathBuf,
    complained: PathBuf,
}

impl Victim {
    /// Starts `crash-writer` with one writer for each of `begins`. What it says is kept in `notes`.
    pub fn start(
        engine: EngineKind,
        store: &Path,
        notes: &Path,
        seed: u64,
        load: Load,
        begins: &[u64],
    ) -> Result<Self> {
        let (said, complained) = (notes.join("said"), notes.join("complained"));
        let child = Command::new(env!("CARGO_BIN_EXE_crash-writer"))
            .arg(engine.name())
            .arg(store)
            .args([&seed.to_string(), load.name()])
            .args(begins.iter().map(u64::to_string))
            .stdout(File::create(&said)?)
            .stderr(File::create(&complained)?)
            .spawn()
            .context("starting crash-writer")?;
        Ok(Self { child, said, complained })
    }

    /// What it has said so far.
    pub fn report(&self) -> Result<Report> {
        Report::read(&self.said)
    }

    /// Waits until what it said fits.
    pub fn wait_until(&mut self, fits: impl Fn(&Report) -> bool) -> Result<()> {
        let start = Instant::now();
        while !fits(&self.report()?) {
            ensure!(self.child.try_wait()?.is_none(), "the writer ended by itself: {}", self.complaints());
            ensure!(start.elapsed() < PATIENCE, "the writer did not get on: {:?}", self.report()?);
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Ends it as `kill -9` does; returns all it ever said.
    pub fn kill(mut self) -> Result<Report> {
        self.child.kill()?;
        let status = self.child.wait()?;
        ensure!(
            status.signal() == Some(9),
            "the writer had ended by itself ({status}): {}",
            self.complaints()
        );
        self.report()
    }

    /// Freezes it, and waits until none of its threads is inside the kernel any more.
    pub fn freeze(&self) -> Result<()> {
        self.signal("STOP")?;
        let start = Instant::now();
        while !self.is_frozen()? {
            ensure!(start.elapsed() < PATIENCE, "the writer does not freeze");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) -> Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Result<()> {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status()?;
        ensure!(status.success(), "kill -{name} failed: {}", self.complaints());
        Ok(())
    }

    fn is_frozen(&self) -> Result<bool> {
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = fs::read_to_string(task?.path().join("stat"))?;
            let state = stat.rsplit_once(") ").context("an odd /proc/PID/task/TID/stat")?.1;
            if !state.starts_with('T') {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn complaints(&self) -> String {
        fs::read_to_string(&self.complained).unwrap_or_default()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
