//! A thousand subscribers of one scope, a hundred changes a second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use entitygraph_tests::{process::Server, socket::Socket};
use futures_util::future::{BoxFuture, try_join_all};
use serde_json::json;

use crate::{FOLLOW, OPENING};

const SUBSCRIBERS: usize = 1_000;
const CHANGES_PER_SECOND: u32 = 100;
const SECONDS: u32 = 10;

/// Makes the change that subscribers hear of as this step.
pub type Change = Arc<dyn Fn(u64) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// Runs and prints it, with the subscribers spread over so many connections.
pub async fn run(
    what: &str,
    server: &Server,
    entity: &str,
    connections: usize,
    change: Change,
) -> Result<()> {
    let each = SUBSCRIBERS / connections;
    let sockets = subscribe(server, entity, connections, each).await?;
    let total = u64::from(CHANGES_PER_SECOND * SECONDS);
    let start = Instant::now();
    let sent: Arc<Vec<AtomicU64>> = Arc::new((0..=total).map(|_| AtomicU64::new(0)).collect());
    let readers: Vec<_> =
        sockets.into_iter().map(|socket| tokio::spawn(read(socket, each, start, sent.clone()))).collect();
    let cpu = server.cpu_seconds()?;
    let writer = std::thread::spawn(move || write(total, start, &sent, &change));
    // A change that fails ends all of it: its subscribers would wait for ever.
    let written = async {
        let ended = tokio::task::spawn_blocking(move || writer.join()).await?;
        ended.map_err(|_| anyhow::anyhow!("the writer panicked"))?
    };
    let read = async {
        let mut latencies = Vec::new();
        for reader in readers {
            latencies.extend(reader.await??);
        }
        anyhow::Ok(latencies)
    };
    let ((), mut latencies) = tokio::try_join!(written, read)?;
    let (cpu, wall) = (server.cpu_seconds()? - cpu, start.elapsed().as_secs_f64());
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
    println!(
        "{what:<12} {connections:>5} connections of {each:>3}: {} messages, p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms; \
         server {cpu:.1} CPU s in {wall:.1} s, {:.0} messages per CPU second",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        latencies.len() as f64 / cpu,
    );
    Ok(())
}

/// Makes the changes, as a client of its own that does not wait behind the subscribers' work.
fn write(total: u64, start: Instant, sent: &[AtomicU64], change: &Change) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut beat = tokio::time::interval(Duration::from_secs(1) / CHANGES_PER_SECOND);
        let mut changes = Vec::new();
        for step in 1..=total {
            beat.tick().await;
            sent[step as usize].store(start.elapsed().as_micros() as u64, Ordering::Release);
            changes.push(tokio::spawn(change(step)));
        }
        for change in changes {
            change.await??;
        }
        Ok(())
    })
}

async fn subscribe(server: &Server, entity: &str, connections: usize, each: usize) -> Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for first in (0..connections).step_by(OPENING) {
        let opened = (first..connections.min(first + OPENING)).map(async |_| {
            let mut socket = Socket::connect(&server.base).await?;
            for id in 0..each {
                socket.subscribe(&id.to_string(), FOLLOW, json!({ "id": entity })).await?;
                socket.text().await?;
            }
            anyhow::Ok(socket)
        });
        sockets.extend(try_join_all(opened).await?);
    }
    Ok(sockets)
}

/// Reads to the last step of each subscription; how long after its change each message came, in microseconds.
async fn read(
    mut socket: Socket,
    each: usize,
    start: Instant,
    sent: Arc<Vec<AtomicU64>>,
) -> Result<Vec<u64>> {
    let last = sent.len() as u64 - 1;
    let mut latencies = Vec::with_capacity(sent.len() * each);
    let mut over = 0;
    while over < each {
        let text = socket.text().await?;
        let step = step(&text).with_context(|| format!("no step in {text}"))?;
        let sent = sent[step as usize].load(Ordering::Acquire);
        latencies.push(start.elapsed().as_micros() as u64 - sent);
        over += usize::from(step == last);
    }
    Ok(latencies)
}

/// The number after the last `"step","value":`.
fn step(text: &str) -> Option<u64> {
    let digits = text.rsplit_once(r#""step","value":"#)?.1.trim_start_matches('"');
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}
