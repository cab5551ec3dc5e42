//! What a scribe does in a second of one core: `cargo bench -p entitygraph-replication --bench scribe`.
//!
//! Ten thousand entities in aggregates of five, told 30 times a second for ten seconds of simulated time; the graph takes 20 ms
//! for a batch and does nothing. Beside it, in the same run, what no log can do without: the same rows encoded with their
//! checksums.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use entitygraph_replication::{
    machine::{Machine, Now},
    scribe::{
        Scribe, Start,
        config::Config,
        fence,
        log::{self, Row},
        log_file::{LogFile, SEGMENT_BYTES},
        message::{Effect, Event, Out},
        replay::Replay,
        values::Values,
    },
};
use entitygraph_schema::{Cursor, EntityId, Epoch, Pose, Receipt};
use glam::{DQuat, DVec3};

const ENTITIES: u64 = 10_000;
const AGGREGATE: u64 = 5;
const ROWS: u64 = 500;
const TICKS: u64 = 300;
const TICK_US: u64 = 33_333;
const SYNC_US: u64 = 50_000;
const GRAPH_US: u64 = 20_000;

fn id(number: u64) -> Option<EntityId> {
    EntityId::new((1 << 40) + number)
}

/// The rows of a report: ships that fly, told with their crews.
fn rows(tick: u64, from: u64) -> Vec<Row> {
    let row = |number: u64| {
        let pose = Pose::new(DVec3::new(tick as f64 * 3.7 + number as f64, 12.5, -3.0), DQuat::IDENTITY);
        let (root, entity) = (id(number / AGGREGATE * AGGREGATE + 10)?, id(number + 10)?);
        Some(Row { root, entity, values: Values::pose(pose.ok()?) })
    };
    (from..from + ROWS).filter_map(row).collect()
}

struct Bench {
    scribe: Scribe,
    answers: BinaryHeap<Reverse<(u64, u64)>>,
    out: Out,
    commits: u64,
    busy: Duration,
}

impl Bench {
    fn handle(&mut self, now_us: u64, event: Event) {
        let now = Now { shard_us: now_us, tick_us: TICK_US as u32 };
        let begin = Instant::now();
        self.scribe.handle(now, event, &mut self.out);
        self.busy += begin.elapsed();
        for effect in self.out.effects.drain(..) {
            if let Effect::Ask { ask, .. } = effect {
                self.answers.push(Reverse((now_us + GRAPH_US, ask)));
            }
        }
    }

    /// What is due until then.
    fn until(&mut self, end_us: u64) {
        loop {
            let answer = self.answers.peek().map_or(u64::MAX, |Reverse((at_us, _))| *at_us);
            let wake = self.scribe.wake_us().unwrap_or(u64::MAX);
            if answer.min(wake) >= end_us {
                return;
            }
            if wake < answer {
                self.handle(wake, Event::Woken);
                continue;
            }
            let Some(Reverse((at_us, ask))) = self.answers.pop() else { return };
            self.commits += 1;
            let receipt = Receipt { cursor: Cursor::from_number(self.commits), replayed: false };
            self.handle(at_us, Event::Answered { ask, outcome: Ok(receipt) });
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (Some(shard), Some(zone)) = (id(1), id(2)) else { return Err("ids begin at 1".into()) };
    let start = Start { shard, term: Epoch::from_number(1), cursor: Cursor::ZERO, log_end: 0 };
    let mut out = Out::default();
    let scribe = Scribe::new(Config::default(), start, Replay::default(), &mut out);
    let (answers, out) = (BinaryHeap::new(), Out::default());
    let mut bench = Bench { scribe, answers, out, commits: 0, busy: Duration::ZERO };
    let row = |around| fence::Row { around, epoch: Epoch::from_number(1) };
    bench.handle(0, Event::Fence { entity: zone, row: row(None) });
    for entity in (0..ENTITIES / AGGREGATE).filter_map(|aggregate| id(aggregate * AGGREGATE + 10)) {
        bench.handle(0, Event::Fence { entity, row: row(Some(zone)) });
    }
    bench.busy = Duration::ZERO;

    let folder = tempfile::tempdir()?;
    let (mut file, _) = LogFile::open(folder.path(), SEGMENT_BYTES, |_, _| {})?;
    let (mut disk, mut encoding, mut synced_us, mut lag_us) = (Duration::ZERO, Duration::ZERO, 0, 0);
    for tick in 1..=TICKS {
        let now_us = tick * TICK_US;
        bench.until(now_us);
        for from in (0..ENTITIES).step_by(ROWS as usize) {
            let rows = rows(tick, from);
            let (mut bytes, begin) = (Vec::new(), Instant::now());
            log::put_accepted(tick, zone, &rows, 0, &mut bytes);
            encoding += begin.elapsed();
            bench.handle(now_us, Event::Accepted { tick, zone, rows });
        }
        lag_us = bench.scribe.lag_us(Now { shard_us: now_us, tick_us: TICK_US as u32 }).max(lag_us);
        let begin = Instant::now();
        file.append(&bench.out.log)?;
        bench.out.log.clear();
        if now_us >= synced_us + SYNC_US {
            synced_us = now_us;
            let position = file.sync()?;
            disk += begin.elapsed();
            bench.handle(now_us, Event::Synced(position));
        } else {
            disk += begin.elapsed();
        }
    }

    let counts = bench.scribe.counts();
    let per_s = |busy: Duration| counts.accepted as f64 / busy.as_secs_f64() / 1e6;
    println!(
        "entities                      {ENTITIES} in {} aggregates, {TICKS} ticks",
        ENTITIES / AGGREGATE
    );
    println!("rows accepted                 {}", counts.accepted);
    println!("  a second of one core        {:.2} million", per_s(bench.busy));
    println!("  encoded with checksum only  {:.2} million", per_s(encoding));
    println!(
        "  appended and synced         {:.2} million, {:.0} MB/s",
        per_s(disk),
        counts.logged_bytes as f64 / disk.as_secs_f64() / 1e6
    );
    println!(
        "log                           {:.1} bytes a row",
        counts.logged_bytes as f64 / counts.accepted as f64
    );
    println!("entities written              {} in {} transactions", counts.written, counts.commits);
    println!("  rows for one written        {:.1}", counts.accepted as f64 / counts.written.max(1) as f64);
    println!("longest lag                   {:.2} s", lag_us as f64 / 1e6);
    Ok(())
}
