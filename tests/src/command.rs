//! Commands of the program, run to their end or killed in the middle.

use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Result, ensure};

use crate::process::{command, run};

/// Runs the program, which must succeed; what it said.
pub fn done(arguments: &[&str], data: &Path) -> Result<String> {
    said(run(arguments, data)?, true)
}

/// Runs the program, which must fail; what it complained of.
pub fn failed(arguments: &[&str], data: &Path) -> Result<String> {
    said(run(arguments, data)?, false)
}

fn said(output: Output, success: bool) -> Result<String> {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success() == success, "{}:\n{out}\n{err}", output.status);
    Ok(if success { out } else { err }.into_owned())
}

/// The world in a data folder, as `entitygraph export` writes it.
pub fn exported(data: &Path) -> Result<String> {
    done(&["export", "-"], data)
}

/// Runs the program until it has written so many bytes to files, then kills it; says how many it wrote.
pub fn write(arguments: &[&str], data: &Path, bytes: u64) -> Result<u64> {
    let mut child = command(arguments, data)?.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
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
