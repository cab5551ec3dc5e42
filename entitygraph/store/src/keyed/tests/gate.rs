//! An engine that waits and fails when a test says so.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::task::JoinHandle;

use super::*;
use crate::{
    contract::Durable,
    keyed::engine::{Durability, EngineError, View, Visitor, WriteBatch},
};

type Failure = fn() -> EngineError;

#[derive(Default)]
struct Gate {
    closed: bool,
    /// Closed behind the write: its rows are there, the writer does not know it yet.
    closed_behind: bool,
    waits: bool,
    /// Writes before it, the failure, and whether the write is done all the same.
    failure: Option<(usize, Failure, bool)>,
    writes: Vec<Durability>,
    /// How many of the writes were not the writer's thread's.
    by_callers: usize,
    syncs: usize,
}

/// See the module.
pub struct GatedEngine {
    inner: Arc<dyn Engine>,
    gate: Mutex<Gate>,
    moved: Condvar,
    scanned: AtomicUsize,
}

struct CountingView<'a> {
    inner: Box<dyn View + 'a>,
    scanned: &'a AtomicUsize,
}

/// Asks for a commit in a task of its own.
pub fn ask(store: &Arc<KeyedStore>, transaction: Transaction) -> JoinHandle<Result<Durable<Receipt>>> {
    let store = store.clone();
    tokio::spawn(async move { store.commit(transaction).await })
}

impl GatedEngine {
    pub fn over(inner: Arc<dyn Engine>) -> Arc<Self> {
        Arc::new(Self { inner, gate: Mutex::default(), moved: Condvar::new(), scanned: AtomicUsize::new(0) })
    }

    /// Does something while the writer is held in a write of its own, a lease of ids. What is asked for meanwhile waits
    /// in the queue, in order. The test's runtime has one thread, so each task runs until it waits for the writer.
    pub async fn held<T>(self: &Arc<Self>, store: &Arc<KeyedStore>, during: impl FnOnce() -> T) -> T {
        self.gate.lock().closed = true;
        let holder = store.clone();
        let lease = tokio::spawn(async move { holder.lease_ids(1).await });
        let engine = self.clone();
        tokio::task::spawn_blocking(move || engine.wait_for_write()).await.unwrap();
        let outcome = during();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.gate.lock().closed = false;
        self.moved.notify_all();
        lease.await.unwrap().unwrap();
        outcome
    }

    /// Lets the writer take all transactions at once.
    pub async fn in_one_batch(
        self: &Arc<Self>,
        store: &Arc<KeyedStore>,
        transactions: Vec<Transaction>,
    ) -> Vec<Result<Durable<Receipt>>> {
        let ask_all =
            || transactions.into_iter().map(|transaction| ask(store, transaction)).collect::<Vec<_>>();
        let mut outcomes = Vec::new();
        for asked in self.held(store, ask_all).await {
            outcomes.push(asked.await.unwrap());
        }
        outcomes
    }

    /// Does something while a transaction's rows are written and the writer has not published them.
    pub async fn held_behind<T>(
        self: &Arc<Self>,
        store: &Arc<KeyedStore>,
        transaction: Transaction,
        during: impl Future<Output = T>,
    ) -> T {
        self.gate.lock().closed_behind = true;
        let asked = ask(store, transaction);
        let engine = self.clone();
        tokio::task::spawn_blocking(move || engine.wait_for_write()).await.unwrap();
        let outcome = during.await;
        self.gate.lock().closed_behind = false;
        self.moved.notify_all();
        asked.await.unwrap().unwrap();
        outcome
    }

    /// Lets the next write fail.
    pub fn fail_next(&self, failure: Failure) {
        self.gate.lock().failure = Some((0, failure, false));
    }

    /// Lets the write after the next one fail.
    pub fn fail_after_next(&self, failure: Failure) {
        self.gate.lock().failure = Some((1, failure, false));
    }

    /// Lets the next write be done and seem to fail.
    pub fn fail_behind_next(&self, failure: Failure) {
        self.gate.lock().failure = Some((0, failure, true));
    }

    /// The writes so far.
    pub fn writes(&self) -> Vec<Durability> {
        self.gate.lock().writes.clone()
    }

    /// Rows that scans visited.
    pub fn scanned(&self) -> usize {
        self.scanned.load(Ordering::Relaxed)
    }

    /// How many writes callers did themselves.
    pub fn writes_by_callers(&self) -> usize {
        self.gate.lock().by_callers
    }

    /// How often everything was synced.
    pub fn syncs(&self) -> usize {
        self.gate.lock().syncs
    }

    fn wait_for_write(&self) {
        let mut gate = self.gate.lock();
        while !gate.waits {
            self.moved.wait(&mut gate);
        }
    }

    fn pass_behind(&self) {
        let mut gate = self.gate.lock();
        while gate.closed_behind {
            gate.waits = true;
            self.moved.notify_all();
            self.moved.wait(&mut gate);
        }
        gate.waits = false;
    }

    /// Waits while the gate is closed; returns what the write ends in, if not in itself.
    fn pass(&self, durability: Durability) -> Option<(Failure, bool)> {
        let mut gate = self.gate.lock();
        while gate.closed {
            gate.waits = true;
            self.moved.notify_all();
            self.moved.wait(&mut gate);
        }
        gate.waits = false;
        gate.writes.push(durability);
        gate.by_callers += usize::from(std::thread::current().name() != Some("store-writer"));
        match gate.failure.take() {
            Some((0, failure, done)) => Some((failure, done)),
            later => {
                gate.failure = later.map(|(before, failure, done)| (before - 1, failure, done));
                None
            }
        }
    }
}

impl Engine for GatedEngine {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn view(&self) -> Box<dyn View + '_> {
        Box::new(CountingView { inner: self.inner.view(), scanned: &self.scanned })
    }

    fn write(&self, batch: WriteBatch, durability: Durability) -> std::result::Result<(), EngineError> {
        let failure = self.pass(durability);
        if failure.is_none_or(|(_, done)| done) {
            self.inner.write(batch, durability)?;
            self.pass_behind();
        }
        failure.map_or(Ok(()), |(failure, _)| Err(failure()))
    }

    fn sync(&self) -> std::result::Result<(), EngineError> {
        self.gate.lock().syncs += 1;
        self.inner.sync()
    }

    fn compact(&self) -> std::result::Result<(), EngineError> {
        self.inner.compact()
    }

    fn disk_bytes(&self) -> u64 {
        self.inner.disk_bytes()
    }

    fn room(&self) -> std::result::Result<(), EngineError> {
        self.inner.room()
    }

    fn caveat(&self) -> Option<&'static str> {
        self.inner.caveat()
    }
}

impl View for CountingView<'_> {
    fn get(&self, key: &[u8]) -> std::result::Result<Option<Bytes>, EngineError> {
        self.inner.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> std::result::Result<(), EngineError> {
        self.inner.scan(from, to, &mut |key, value| {
            self.scanned.fetch_add(1, Ordering::Relaxed);
            visit(key, value)
        })
    }

    fn scan_reverse(
        &self,
        from: &[u8],
        to: &[u8],
        visit: &mut Visitor<'_>,
    ) -> std::result::Result<(), EngineError> {
        self.inner.scan_reverse(from, to, &mut |key, value| {
            self.scanned.fetch_add(1, Ordering::Relaxed);
            visit(key, value)
        })
    }
}
