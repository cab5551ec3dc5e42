//! A server as a user starts it: a child process with its own data folder and a free port.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{OnceLock, mpsc},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// Longest time a server may take to say where it listens.
const START_TIME: Duration = Duration::from_secs(60);

/// Longest time a server may take to end.
const STOP_TIME: Duration = Duration::from_secs(60);

/// A running server; dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub base: String,
}

/// The `entitygraph` program as the sources are now, built like this one: with optimisations or without.
pub fn program() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    BUILT.get_or_init(build).clone().map_err(anyhow::Error::msg)?;
    let this = std::env::current_exe()?;
    // target/PROFILE/deps/this-hash, or target/PROFILE/this
    let found =
        this.ancestors().skip(1).take(2).map(|folder| folder.join("entitygraph")).find(|file| file.is_file());
    found.context("the program `entitygraph` is not where cargo builds it")
}

/// `cargo test` builds no programs of other packages. With the whole workspace, so that the dependencies are those that are
/// built already.
fn build() -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let build = ["build", "--quiet", "--workspace", "--bins", "--profile", profile];
    let output =
        Command::new(cargo).args(build).output().map_err(|error| format!("starting cargo: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("building `entitygraph`:\n{}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Runs the program to its end.
pub fn run(arguments: &[&str], data: &Path) -> Result<Output> {
    Ok(command(arguments, data)?.output()?)
}

/// The program with these arguments, not yet started.
pub fn command(arguments: &[&str], data: &Path) -> Result<Command> {
    let mut command = Command::new(program()?);
    command.args(arguments).arg("--data").arg(data);
    Ok(command)
}

impl Server {
    /// Starts `entitygraph serve` on a store and waits until it answers.
    pub fn start(store: &str, data: &Path) -> Result<Self> {
        Self::start_with(&["serve", "--store", store], data)
    }

    /// Starts the program with these arguments.
    pub fn start_with(arguments: &[&str], data: &Path) -> Result<Self> {
        let mut command = command(arguments, data)?;
        command.args(["--listen", "127.0.0.1:0"]);
        Self::start_command(command)
    }

    /// Starts any server that prints its address, `http://127.0.0.1:PORT`.
    pub fn start_command(mut command: Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().context("no output")?;
        let stderr = child.stderr.take().context("no error output")?;
        for stream in [Box::new(stdout) as Box<dyn std::io::Read + Send>, Box::new(stderr)] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    // The receiver goes when the address is known; the pipe must be read on all the same.
                    drop(sender.send(line));
                }
            });
        }
        drop(sender);
        let mut heard = Vec::new();
        let base = loop {
            match lines.recv_timeout(START_TIME) {
                Ok(line) => {
                    let address =
                        line.split_whitespace().find_map(|word| word.strip_prefix("http://127.0.0.1:"));
                    let port: String =
                        address.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
                    heard.push(line);
                    if !port.is_empty() {
                        break format!("http://127.0.0.1:{port}");
                    }
                }
                Err(_) => {
                    child.kill()?;
                    child.wait()?;
                    bail!("the server did not start:\n{}", heard.join("\n"));
                }
            }
        };
        Ok(Self { child, base })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the process to stop, as an operator or a supervisor does.
    pub fn terminate(&self) -> Result<()> {
        let status = Command::new("kill").arg("-TERM").arg(self.pid().to_string()).status()?;
        ensure!(status.success(), "kill -TERM failed");
        Ok(())
    }

    /// Waits until the process ended of itself.
    pub fn wait(mut self) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(start.elapsed() < STOP_TIME, "the server did not end within {STOP_TIME:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Seconds of processor time that the process has used.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        let after_name = stat.rsplit_once(')').context("an odd /proc/PID/stat")?.1;
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).map(|t| t.parse::<u64>().unwrap_or(0)).sum();
        Ok(ticks as f64 / 100.0)
    }

    /// Resident memory in bytes.
    pub fn memory_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kilobytes: u64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        Ok(kilobytes * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
