//! The raw engines side by side: `cargo bench -p entitygraph-store --bench engine [-- ROWS [ENGINE]]`.
//!
//! Each engine is loaded in a process of its own, which is then killed with `kill -9`; a second process opens
//! what it left, measures and closes; a third one opens again.

mod support;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use entitygraph_store::keyed::engine::{Engine, EngineKind, EngineOptions};

const TIME: Duration = Duration::from_secs(3);
const BATCH_ROWS: u64 = 1_000;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [child, task, kind, path, rows] = &args[..]
        && child == "child"
    {
        return run_child(task, kind.parse()?, Path::new(path), rows.parse()?);
    }
    let rows = args.first().map_or(Ok(1_000_000), |rows| rows.parse())?;
    println!(
        "{rows} rows of {} bytes in 3 entries each, {} in batches of {BATCH_ROWS}",
        support::row_bytes(),
        rows
    );
    for kind in EngineKind::ALL.into_iter().filter(|kind| args.get(1).is_none_or(|name| *name == kind.name()))
    {
        println!("\n{kind}");
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("store");
        child("load", kind, &path, rows)?;
        child("measure", kind, &path, rows)?;
        child("open", kind, &path, rows)?;
    }
    Ok(())
}

/// Runs a task in a process of its own and kills it as soon as it says that it has finished.
fn child(task: &str, kind: EngineKind, path: &Path, rows: u64) -> Result {
    let mut process = Command::new(std::env::current_exe()?)
        .args(["child", task, kind.name()])
        .arg(path)
        .arg(rows.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut finished = false;
    for line in BufReader::new(process.stdout.take().ok_or("no output")?).lines() {
        match line?.as_str() {
            "finished" => {
                finished = true;
                process.kill()?;
            }
            line => println!("  {line}"),
        }
    }
    process.wait()?;
    if finished { Ok(()) } else { Err(format!("the {task} process of {kind} failed").into()) }
}

fn run_child(task: &str, kind: EngineKind, path: &Path, rows: u64) -> Result {
    let start = Instant::now();
    let engine = kind.open(path, &EngineOptions::default())?;
    let opened = start.elapsed();
    match task {
        "load" => {
            let rate = support::load(&*engine, rows, BATCH_ROWS)?;
            println!("bulk load                {:>9.1} K rows/s", rate / 1e3);
            println!("peak memory while so     {:>9} MiB", support::memory_mib("VmHWM"));
            println!("disk after it            {:>9} MiB", engine.disk_bytes() >> 20);
        }
        "measure" => {
            println!("reopen after kill -9     {:>9.0} ms", opened.as_secs_f64() * 1e3);
            measure(&*engine, rows)?;
            println!("peak memory while so     {:>9} MiB", support::memory_mib("VmHWM"));
            let start = Instant::now();
            drop(engine);
            println!("close                    {:>9.0} ms", start.elapsed().as_secs_f64() * 1e3);
        }
        "open" => {
            println!("reopen after close       {:>9.0} ms", opened.as_secs_f64() * 1e3);
            println!("memory after it          {:>9} MiB", support::memory_mib("VmRSS"));
        }
        other => return Err(format!("unknown task {other}").into()),
    }
    println!("finished");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

fn measure(engine: &dyn Engine, rows: u64) -> Result {
    let show = |what: &str, rate: support::Rate| {
        let (p50, p99) = (rate.p50.as_secs_f64() * 1e6, rate.p99.as_secs_f64() * 1e6);
        println!("{what:<24} {:>9.0} /s   p50 {p50:.1} us, p99 {p99:.1} us", rate.per_second);
    };
    for round in ["cold", "warm"] {
        show(&format!("random gets, {round}"), support::gets(engine, rows, 1, TIME)?);
        show(&format!("scans of 100, {round}"), support::scans(engine, rows, 2, TIME)?);
    }
    println!(
        "random gets, 4 threads   {:>9.0} /s",
        support::in_threads(4, |s| support::gets(engine, rows, s, TIME))?
    );
    println!(
        "scans, 4 threads         {:>9.0} /s",
        support::in_threads(4, |s| support::scans(engine, rows, s, TIME))?
    );
    show("durable, groups of 1", support::durable_commits(engine, 1, rows, TIME)?);
    show("durable, groups of 64", support::durable_commits(engine, 64, rows * 2, TIME)?);
    Ok(())
}
