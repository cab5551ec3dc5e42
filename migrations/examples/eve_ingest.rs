//! Takes an EVE static data export into a store and prints figures: time, rate, memory, size, and who used the processor.
//!
//! `cargo run --release -p entitygraph-migrations --example eve_ingest DIR STORE`, where STORE is `fjall:PATH`, `sled:PATH`
//! or `memory:`.

use std::{collections::BTreeMap, fs, time::Instant};

use anyhow::Context;
use entitygraph_migrations::{
    eve::{Export, ingest},
    load::{LoadOptions, for_terminal},
};
use entitygraph_store::{StoreOptions, open};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let usage = "usage: eve_ingest DIR STORE";
    let mut arguments = std::env::args().skip(1);
    let (dir, url) = (arguments.next().context(usage)?, arguments.next().context(usage)?);
    let started = Instant::now();
    let export = Export::open(dir.as_ref())?;
    let bytes = export.total_bytes();
    let store = open(&url, StoreOptions::default()).await?;
    let opened = started.elapsed().as_secs_f64();
    let report = ingest(store.clone(), export, LoadOptions::default(), for_terminal()).await?;
    println!("{report}");
    let seconds = started.elapsed().as_secs_f64();
    let disk = store.disk_bytes().await?;
    println!("opened in {opened:.2} s, all in {seconds:.1} s, {:.1} MB of YAML per second", mb(bytes) / seconds);
    println!("store: {:.1} MB; {}", mb(disk), memory());
    println!("processor seconds by thread, of threads that are still there:");
    for (name, (threads, seconds)) in by_thread() {
        println!("{seconds:>8.2}  {name} ({threads})");
    }
    drop(store);
    println!("closed after {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Peak memory, where the system tells (Linux).
fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "peak memory unknown".to_owned(), |peak| format!("peak memory {}", peak.trim()))
}

/// Threads and their processor seconds by name, where the system tells (Linux, 100 ticks a second).
fn by_thread() -> BTreeMap<String, (u32, f64)> {
    let mut all: BTreeMap<String, (u32, f64)> = BTreeMap::new();
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    for stat in tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok()) {
        let Some((name, rest)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')) else { continue };
        let ticks: f64 = rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
        let entry = all.entry(name.to_owned()).or_default();
        *entry = (entry.0 + 1, entry.1 + ticks / 100.0);
    }
    all
}
