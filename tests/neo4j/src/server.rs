//! A running Neo4j.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::{
    Options,
    bolt::shake_hands,
    certificate::Certificate,
    cypher::{Answer, transact},
    folder::Folder,
    install::Installed,
    keeper, port,
};

/// Longest time a server may take to answer. It needs six seconds of a core's time, and others may use the core too.
const START_TIME: Duration = Duration::from_secs(180);

/// Longest time a server may take to end by itself.
const STOP_TIME: Duration = Duration::from_secs(60);

/// How often a server that starts or stops is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Bytes of the log that an error quotes.
const LOG_TAIL_BYTES: usize = 4000;

/// A running Neo4j. Dropped, it is killed, and its folder is removed if it was not named.
#[derive(Debug)]
pub struct Server {
    options: Options,
    bolt_port: u16,
    http_port: u16,
    certificate: Option<Certificate>,
    process: Mutex<Option<Child>>,
    folder: Folder, // after the process: removed when that is gone
}

impl Server {
    /// Starts a server and waits until it answers.
    pub async fn start(options: Options) -> Result<Self> {
        let installed = Installed::get().await?;
        let server = Self::prepare(installed, options)?;
        server.launch(installed, &installed.with_classes()).await?;
        Ok(server)
    }

    /// Stops it if it runs, and starts it again: same folder, same ports.
    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        let installed = Installed::get().await?;
        self.launch(installed, &installed.with_classes()).await
    }

    /// Ends it as a power cut would (`SIGKILL`).
    pub fn kill(&self) -> Result<()> {
        if let Some(mut process) = self.process().take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(&self) -> Result<()> {
        let Some(process) = self.process().as_ref().map(Child::id) else { return Ok(()) };
        let process =
            i32::try_from(process).ok().and_then(Pid::from_raw).context("a process without an id")?;
        if self.ended()?.is_none() {
            kill_process(process, Signal::TERM)?;
        }
        let deadline = Instant::now() + STOP_TIME;
        while self.ended()?.is_none() {
            if Instant::now() > deadline {
                self.kill()?;
                bail!("Neo4j did not stop within {STOP_TIME:?} and was killed\n{}", self.log_tail());
            }
            sleep(LOOK_EVERY).await;
        }
        *self.process() = None;
        Ok(())
    }

    /// Whether the process runs.
    pub fn is_running(&self) -> Result<bool> {
        Ok(self.process().is_some() && self.ended()?.is_none())
    }

    /// Its address for drivers: `bolt://127.0.0.1:PORT`, or `bolt+s://127.0.0.1:PORT` with TLS.
    pub fn bolt(&self) -> String {
        let scheme = if self.certificate.is_some() { "bolt+s" } else { "bolt" };
        format!("{scheme}://127.0.0.1:{}", self.bolt_port)
    }

    /// The port of Bolt.
    pub fn bolt_port(&self) -> u16 {
        self.bolt_port
    }

    /// Its address for HTTP: `http://127.0.0.1:PORT`.
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// The port of HTTP.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// The file of the certificate that a client must trust, if it has TLS.
    pub fn certificate(&self) -> Option<&Path> {
        self.certificate.as_ref().map(Certificate::file)
    }

    /// Where its data, configuration and logs are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a statement over HTTP in a transaction of its own: an array with an object for each row, values by column.
    pub async fn cypher(&self, statement: &str) -> Result<Value> {
        let mut rows =
            self.transaction(&[statement.to_owned()]).await.with_context(|| statement.to_owned())?;
        rows.pop().context("no answer to the statement")
    }

    /// Runs statements in one transaction; the rows of each.
    pub(crate) async fn transaction(&self, statements: &[String]) -> Result<Vec<Value>> {
        match transact(&self.http(), "neo4j", self.options.password.as_deref(), statements).await? {
            Answer::Rows(rows) => Ok(rows),
            Answer::Unauthorized => bail!("{} does not know the password it was started with", self.http()),
        }
    }

    /// Notes which classes a server loads, for all that are started later.
    pub(crate) async fn record_classes(installed: &Installed) -> Result<()> {
        let server = Self::prepare(installed, Options::default())?;
        let classes = server.folder().join("classes.jsa");
        server.launch(installed, &format!("-XX:ArchiveClassesAtExit={}", classes.display())).await?;
        server.wipe().await?; // loads what compiles and runs statements
        server.stop().await?;
        fs::rename(&classes, installed.classes())
            .with_context(|| format!("no classes\n{}", server.log_tail()))
    }

    /// Makes folder and configuration.
    fn prepare(installed: &Installed, options: Options) -> Result<Self> {
        ensure!(
            options.password.as_deref() != Some("neo4j"),
            "the password `neo4j` is the one that Neo4j wants changed"
        );
        let folder = match &options.folder {
            Some(path) => Folder::named(path)?,
            None => Folder::temporary(&installed.servers())?,
        };
        let bolt_port = options.bolt_port.map_or_else(port::free, Ok)?;
        let http_port = options.http_port.map_or_else(port::free, Ok)?;
        let certificate = options.tls.then(|| Certificate::of(folder.path())).transpose()?;
        fs::create_dir_all(folder.path().join("conf"))?;
        fs::write(folder.path().join("conf/neo4j.conf"), options.configuration(bolt_port, http_port))?;
        Ok(Self { options, bolt_port, http_port, certificate, process: Mutex::new(None), folder })
    }

    /// Starts the process and waits until it answers.
    async fn launch(&self, installed: &Installed, classes: &str) -> Result<()> {
        let home = self.folder.path();
        let log = File::options().create(true).append(true).open(self.console())?;
        let errors = log.try_clone()?;
        let process = keeper::spawn("java", |java| {
            java.arg(format!("-Xmx{}m", self.options.heap_mib));
            // The least threads and memory, and no slower than the others on two cores.
            java.args(["-XX:+UseSerialGC", classes]);
            for package in ["java.nio", "java.io", "sun.nio.ch"] {
                java.arg(format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
            }
            java.arg("-cp").arg(installed.jars()).arg("org.neo4j.server.CommunityEntryPoint");
            java.arg(format!("--home-dir={}", home.display()));
            java.arg(format!("--config-dir={}", home.join("conf").display()));
            java.current_dir(home).stdin(Stdio::null()).stdout(log).stderr(errors);
        })
        .context("starting java")?;
        *self.process() = Some(process);
        let answer = timeout(START_TIME, self.answers()).await;
        let answer = answer.unwrap_or_else(|_| bail!("no answer within {START_TIME:?}"));
        answer.with_context(|| {
            format!("Neo4j in {} did not start; its log ends with\n{}", home.display(), self.log_tail())
        })
    }

    /// Waits until the database answers over HTTP, as this server's, and Bolt shakes hands.
    async fn answers(&self) -> Result<()> {
        loop {
            if let Some(status) = self.ended()? {
                bail!("it ended by itself: {status}");
            }
            if self.is_online().await? && shake_hands(self.bolt_port, self.certificate.as_ref()).await.is_ok()
            {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Whether the database answers. An answer of another server on this port is an error.
    async fn is_online(&self) -> Result<bool> {
        let home = ["SHOW SETTINGS 'server.directories.neo4j_home' YIELD value".to_owned()];
        let password = self.options.password.as_deref();
        match transact(&self.http(), "neo4j", password, &home).await {
            Ok(Answer::Rows(rows)) => {
                let home = rows[0][0]["value"].as_str().unwrap_or_default();
                ensure!(
                    Path::new(home) == self.folder.path(),
                    "another server answers on {}: {home}",
                    self.http()
                );
                Ok(true)
            }
            Ok(Answer::Unauthorized) => {
                self.set_password().await?;
                Ok(false)
            }
            Err(_) => Ok(false), // not yet listening, or its databases are not yet online
        }
    }

    /// Sets the password of a server that was never started before, which wants the first one changed.
    async fn set_password(&self) -> Result<()> {
        let password =
            self.options.password.as_deref().context("authentication is on, and there is no password")?;
        let quoted = password.replace('\\', r"\\").replace('\'', r"\'");
        let change = [format!("ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO '{quoted}'")];
        match transact(&self.http(), "system", Some("neo4j"), &change).await? {
            Answer::Rows(_) => Ok(()),
            Answer::Unauthorized => bail!("the folder was used with another password"),
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the process ended, if it did.
    fn ended(&self) -> Result<Option<String>> {
        match self.process().as_mut() {
            Some(process) => Ok(process.try_wait()?.map(|status| status.to_string())),
            None => Ok(Some("it was killed".to_owned())),
        }
    }

    /// What the JVM says.
    fn console(&self) -> PathBuf {
        self.folder.path().join("console.log")
    }

    /// The ends of what the JVM said and of Neo4j's own log, which begins once its configuration is read.
    fn log_tail(&self) -> String {
        let tail = |path: &Path| {
            let log = fs::read(path).unwrap_or_default(); // not written yet
            String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
        };
        tail(&self.console()) + &tail(&self.folder.path().join("logs/neo4j.log"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill(); // the kernel does it when this process ends
    }
}
