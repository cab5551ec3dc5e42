//! What a raw engine does, measured: the yardstick for the store above it. The store's benchmark calls these
//! functions in the same run, so that machine and moment are the same.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use entitygraph_store::keyed::engine::{Durability, Engine, EngineError, WriteBatch};

/// First key bytes of the three entries of a row.
const RECORD: u8 = 0x10;
const CHILD: u8 = 0x20;
const CELL: u8 = 0x30;
/// Bytes of a row's record.
pub const ROW_BYTES: usize = 200;
/// Children of a parent.
pub const CHILDREN: u64 = 100;

/// xorshift64*, so that a run can be repeated.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// The next number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Adds a row: a record of 200 half compressible bytes, a parent-child key and a key in a random cell.
pub fn put_row(batch: &mut WriteBatch, id: u64) {
    let mut random = Random::new(id);
    let mut record = [0u8; ROW_BYTES];
    for word in record[..ROW_BYTES / 2].chunks_exact_mut(8) {
        word.copy_from_slice(&random.next().to_be_bytes());
    }
    batch.put(&key(RECORD, &[id]), &record);
    batch.put(&key(CHILD, &[id / CHILDREN, id]), b"");
    batch.put(&key(CELL, &[random.next(), id]), b"");
}

/// Bytes of keys and values of one row.
pub fn row_bytes() -> usize {
    let mut batch = WriteBatch::new();
    put_row(&mut batch, 0);
    batch.byte_len()
}

/// Loads rows `0..rows` buffered, in batches of `batch_rows`, syncs, and returns rows per second.
pub fn load(engine: &dyn Engine, rows: u64, batch_rows: u64) -> Result<f64, EngineError> {
    let start = Instant::now();
    for first in (0..rows).step_by(batch_rows as usize) {
        let mut batch = WriteBatch::new();
        (first..(first + batch_rows).min(rows)).for_each(|id| put_row(&mut batch, id));
        engine.write(batch, Durability::Buffered)?;
    }
    engine.sync()?;
    Ok(rows as f64 / start.elapsed().as_secs_f64())
}

/// Calls per second and how long they took.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Calls (or transactions) per second.
    pub per_second: f64,
    /// Median of one call.
    pub p50: Duration,
    /// 99th percentile of one call.
    pub p99: Duration,
}

/// Commits one-row transactions durably for a while, `group` of them in each write: 1 is a single writer, 64
/// is what group commit makes of 64 waiting writers. Row numbers start at `first_id`.
pub fn durable_commits(
    engine: &dyn Engine,
    group: u64,
    first_id: u64,
    time: Duration,
) -> Result<Rate, EngineError> {
    let mut id = first_id;
    let rate = repeat(time, || {
        let mut batch = WriteBatch::new();
        (id..id + group).for_each(|id| put_row(&mut batch, id));
        id += group;
        engine.write(batch, Durability::Synced)
    })?;
    Ok(Rate { per_second: rate.per_second * group as f64, ..rate })
}

/// Gets random records of `0..rows`, each in a view of its own.
pub fn gets(engine: &dyn Engine, rows: u64, seed: u64, time: Duration) -> Result<Rate, EngineError> {
    let mut random = Random::new(seed);
    repeat(time, || {
        let record = engine.view().get(&key(RECORD, &[random.below(rows)]))?;
        assert_eq!(record.map_or(0, |record| record.len()), ROW_BYTES);
        Ok(())
    })
}

/// Lists the 100 children of random parents, each in a view of its own.
pub fn scans(engine: &dyn Engine, rows: u64, seed: u64, time: Duration) -> Result<Rate, EngineError> {
    let mut random = Random::new(seed);
    repeat(time, || {
        let parent = random.below(rows / CHILDREN);
        let mut children = 0;
        engine.view().scan(&key(CHILD, &[parent]), &key(CHILD, &[parent + 1]), &mut |_, _| {
            children += 1;
            ControlFlow::Continue(())
        })?;
        assert_eq!(children, CHILDREN);
        Ok(())
    })
}

/// Runs a measurement in `threads` threads at once and adds their rates up.
pub fn in_threads(
    threads: u64,
    measure: impl Fn(u64) -> Result<Rate, EngineError> + Sync,
) -> Result<f64, EngineError> {
    std::thread::scope(|scope| {
        let measure = &measure;
        let running: Vec<_> = (0..threads).map(|seed| scope.spawn(move || measure(seed + 1))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("a reader panicked").map(|rate| rate.per_second))
            .sum()
    })
}

fn repeat(time: Duration, mut call: impl FnMut() -> Result<(), EngineError>) -> Result<Rate, EngineError> {
    let mut took = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time {
        let before = Instant::now();
        call()?;
        took.push(before.elapsed());
    }
    let per_second = took.len() as f64 / start.elapsed().as_secs_f64();
    took.sort_unstable();
    Ok(Rate { per_second, p50: took[took.len() / 2], p99: took[took.len() * 99 / 100] })
}

fn key(kind: u8, parts: &[u64]) -> Vec<u8> {
    let mut key = vec![kind];
    parts.iter().for_each(|part| key.extend_from_slice(&part.to_be_bytes()));
    key
}

/// A figure of this process from `/proc/self/status` in MiB, such as `VmHWM`; 0 where there is none.
pub fn memory_mib(figure: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(figure)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}
