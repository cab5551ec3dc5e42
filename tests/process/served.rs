//! Worlds that go out of a server while it serves them.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use entitygraph_tests::{
    command::{done, failed, write},
    eve::export,
    graphql::Client,
    process::{self, Server},
};
use serde_json::json;

use crate::killed::SYSTEMS;

/// Longest time for anything that comes soon.
const PATIENCE: Duration = Duration::from_secs(60);

const WRITE: &str = r#"mutation($id: EntityId!, $name: String!) {
    createEntity(input: { id: $id, name: $name, kind: "world", bounds: { min: [-1, -1, -1], max: [1, 1, 1] } }) { __typename }
}"#;

/// Those who write to a server all the while, also to one that is started anew.
struct Writers {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Writers {
    fn start(base: &str) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = Client::new(base);
        let task = {
            let (stop, written) = (stop.clone(), written.clone());
            tokio::spawn(async move {
                for number in 1u64.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let id = ((1u64 << 40) + number).to_string();
                    match client.run(WRITE, json!({ "id": id, "name": format!("written {number}") })).await {
                        Ok(_) => drop(written.fetch_add(1, Ordering::Relaxed)),
                        Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
            })
        };
        Self { stop, written, task }
    }

    /// Waits until more was written.
    async fn more(&self) -> Result<()> {
        let (before, start) = (self.written.load(Ordering::Relaxed), Instant::now());
        while self.written.load(Ordering::Relaxed) < before + 20 {
            ensure!(start.elapsed() < PATIENCE, "nobody writes any more");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await?;
        Ok(self.written.load(Ordering::Relaxed))
    }
}

/// A command that goes on until it is interrupted.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    fn start(arguments: &[&str], data: &Path) -> Result<Self> {
        let mut command = process::command(arguments, data)?;
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().context("no error output")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        Ok(Self { child, lines })
    }

    /// Waits until it says something.
    fn says(&self, what: &str) -> Result<()> {
        let start = Instant::now();
        let mut heard = Vec::new();
        while let Some(left) = PATIENCE.checked_sub(start.elapsed()) {
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(what) => return Ok(()),
                Ok(line) => heard.push(line),
                Err(_) => break,
            }
        }
        bail!("it does not say `{what}`, but\n{}", heard.join("\n"))
    }

    /// Interrupts it, as Ctrl-C does; it must end well, and soon.
    fn interrupt(mut self) -> Result<()> {
        let signalled = Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status()?;
        ensure!(signalled.success(), "kill -INT failed");
        let start = Instant::now();
        loop {
            if let Some(ended) = self.child.try_wait()? {
                let said: Vec<_> = self.lines.iter().collect();
                ensure!(ended.success(), "{ended}: {}", said.join("\n"));
                return Ok(());
            }
            ensure!(start.elapsed() < Duration::from_secs(10), "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A large world in a data folder.
fn ingested(data: &Path) -> Result<String> {
    done(&["ingest", "eve", &export(data, SYSTEMS)?.to_string_lossy()], data)?;
    Ok(format!("fjall:{}", data.join("world").display()))
}

/// The server of a store on the port that it had before.
fn again(store: &str, base: &str, data: &Path) -> Result<Server> {
    let address = base.strip_prefix("http://").context("no address")?;
    Server::start_command(process::command(&["serve", "--store", store, "--listen", address], data)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_that_is_served_and_written_to_is_copied_and_takes_the_place_of_its_source() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let store = ingested(data)?;
    let server = Server::start(&store, data)?;
    let base = server.base.clone();
    let writers = Writers::start(&base);
    let target = format!("sled:{}", data.join("target").display());
    let told = failed(&["copy", &store, &target], data)?;
    ensure!(told.contains("http://ADDRESS"), "{told}");

    // Killed while the world is read, and while it is loaded.
    let copy = ["copy", &base, &target, "--follow"];
    for bytes in [100_000, 2_000_000] {
        writers.more().await?;
        write(&copy, data, bytes)?;
    }
    ensure!(data.join("copy.backup").exists(), "there is no spool");
    let following = Running::start(&copy, data)?;
    following.says("commits behind")?;
    // The server is killed and comes back: the copy waits for it.
    server.kill()?;
    following.says("asked again")?;
    let server = again(&store, &base, data)?;
    following.says("it answers again")?;
    writers.more().await?;
    following.interrupt()?;

    writers.more().await?;
    let written = writers.stop().await?;
    println!("{written} commits came meanwhile");
    let said = done(&["copy", &base, &target], data)?;
    ensure!(!said.contains("later than that"), "{said}");
    ensure!(!data.join("copy.backup").exists(), "the spool is left");
    let said = done(&["verify", &base, &target], data)?;
    ensure!(said.contains("are the same"), "{said}");
    server.terminate()?;
    server.wait()?;
    done(&["verify", &store, &target], data)?;
    // The switch: what is served now is the target.
    let server = Server::start(&target, data)?;
    let named = r#"{ named(prefix: "written 1", first: 1) { nodes { name } } }"#;
    let found = Client::new(&server.base).run(named, json!({})).await?;
    ensure!(found.to_string().contains("written 1"), "{found}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_from_a_server_goes_on_where_it_was_killed_and_is_brought_up_to_date() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let store = ingested(data)?;
    let server = Server::start(&store, data)?;
    let writers = Writers::start(&server.base);
    let file = data.join("world.backup").to_string_lossy().into_owned();
    let bytes =
        write(&["backup", &data.join("whole").to_string_lossy(), "--from", &server.base], data, u64::MAX)?;
    let backup = ["backup", &file, "--from", &server.base, "--resume"];
    for part in 1..4 {
        writers.more().await?;
        write(&backup, data, bytes * part / 4)?;
    }
    let told = failed(&backup[..4], data)?;
    ensure!(told.contains("--resume"), "{told}");
    let follow = Running::start(&[&backup[..], &["--follow"]].concat(), data)?;
    follow.says("following")?;
    writers.more().await?;
    follow.interrupt()?;
    writers.stop().await?;
    done(&backup, data)?;
    let said = done(&["verify", &server.base, &file], data)?;
    ensure!(said.contains("are the same"), "{said}");
    server.terminate()?;
    server.wait()?;
    // It is a backup of the store, whoever had that open.
    done(&["backup", &file, "--resume"], data)?;
    done(&["verify", &store, &file], data)?;
    Ok(())
}

#[test]
fn what_is_no_such_server_is_told_of_and_what_to_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let target = format!("sled:{}", data.join("target").display());
    let told = |source: &str| failed(&["copy", source, &target], data);
    let nobody = told("http://127.0.0.1:9")?;
    ensure!(nobody.contains("is it running, and there?"), "{nobody}");
    for no_address in ["https://127.0.0.1:4000", "http://", "http://127.0.0.1:4000/graphql"] {
        let told = told(no_address)?;
        ensure!(told.contains("give one such as http://127.0.0.1:4000"), "{told}");
    }
    for (answer, named) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n", "is it an EntityGraph of this version?"),
        ("HTTP/1.1 200 OK\r\n\r\n<html>", "update the older of the two"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1 fj", "the answer ended early"),
        ("SSH-2.0-x\r\n", "its first line is"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let other = std::thread::spawn(move || -> Result<()> {
            let (mut caller, _) = listener.accept()?;
            ensure!(caller.read(&mut [0; 1_000])? > 0, "nothing is asked");
            caller.write_all(answer.as_bytes())?;
            Ok(())
        });
        let told = told(&url)?;
        ensure!(told.contains(named), "{answer}: {told}");
        other.join().map_err(|_| anyhow::anyhow!("the other server panicked"))??;
    }
    let into = failed(&["copy", &target, "http://127.0.0.1:4000"], data)?;
    ensure!(into.contains("not into one"), "{into}");
    Ok(())
}
