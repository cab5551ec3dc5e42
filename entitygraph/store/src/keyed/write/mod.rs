//! The writer: gives all transactions their order and takes them together.
//!
//! It takes every request that waits (up to the limits of a batch), plans each on what the earlier ones left ([`plan`]),
//! turns the differences into rows ([`index`], [`tally`], [`spatial`]), and hands all of them to the engine in one write:
//! that is the group commit. Only then are results published and callers told, so nothing of a batch that failed was ever
//! visible.
//!
//! Requests wait in a queue for the writer's thread, which finds many of them after each write. A caller that is alone
//! has nobody to share a write with: it does the writer's work itself, where it is, and saves two changes of threads,
//! which cost as much as a third of the write.
//!
//! Reading order: [`draft`], [`graph`], [`plan`] and the nouns it speaks of ([`create`], [`change`], [`reparent`],
//! [`bury`], [`links`], [`ports`], [`publish`]), then the rows, then [`batch`] and [`writer`].

mod batch;
mod bury;
mod cache;
mod change;
mod create;
mod draft;
mod graph;
mod index;
mod lease;
mod links;
mod plan;
mod ports;
mod publish;
mod reparent;
mod spatial;
mod tally;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use entitygraph_schema::{Cursor, IdRange, Receipt, Transaction};
use parking_lot::Mutex;
use tokio::{
    runtime::RuntimeFlavor,
    sync::{mpsc, oneshot},
};

use self::writer::Writer;
use super::shared::Shared;
use crate::error::{Error, Outcome, Result};

/// Where the answer to a request goes.
type Reply<T> = oneshot::Sender<Result<T>>;

/// What callers ask of the writer.
enum Request {
    /// Apply a transaction; `durable` answers when it is on the disk, otherwise when it is visible.
    Apply { transaction: Box<Transaction>, durable: bool, reply: Reply<Receipt> },
    /// Lease ids.
    Lease { count: u64, reply: Reply<IdRange> },
    /// Make everything durable.
    Sync { reply: Reply<Cursor> },
}

impl Request {
    /// Tells the caller that nothing was done.
    fn refuse(self, error: Error) {
        match self {
            Self::Apply { reply, .. } => drop(reply.send(Err(error))),
            Self::Lease { reply, .. } => drop(reply.send(Err(error))),
            Self::Sync { reply } => drop(reply.send(Err(error))),
        }
    }
}

/// The way to the writer. Dropping it lets the writer finish what it has taken, and waits for that.
pub struct Handle {
    /// None only while dropping.
    sender: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    writer: Arc<Mutex<Writer>>,
    waiting: AtomicUsize,
    max_waiting: usize,
}

impl Handle {
    /// Starts the writer of a store in the given state.
    pub fn start(shared: Arc<Shared>, state: super::open::State) -> Result<Self> {
        let options = &shared.options.writer;
        let (sender, mut receiver) = mpsc::channel(options.queue.max(1));
        let max_waiting = options.waiting;
        let location = shared.place.location.clone();
        let writer = Arc::new(Mutex::new(Writer::new(shared, state)));
        let own = writer.clone();
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || {
            while let Some(first) = receiver.blocking_recv() {
                own.lock().turn(first, || receiver.try_recv().ok());
            }
            own.lock().finish();
        });
        let thread = thread.map_err(|source| Error::Backend {
            operation: "starting the writer",
            location,
            outcome: Outcome::NotApplied,
            source: source.into(),
        })?;
        let (sender, thread) = (Some(sender), Some(thread));
        Ok(Self { sender, thread, writer, waiting: AtomicUsize::new(0), max_waiting })
    }

    /// Applies a transaction.
    pub async fn apply(&self, transaction: Transaction, durable: bool) -> Result<Receipt> {
        self.ask(|reply| Request::Apply { transaction: Box::new(transaction), durable, reply }).await
    }

    /// Leases ids.
    pub async fn lease(&self, count: u64) -> Result<IdRange> {
        self.ask(|reply| Request::Lease { count, reply }).await
    }

    /// Makes everything accepted so far durable.
    pub async fn sync(&self) -> Result<Cursor> {
        self.ask(|reply| Request::Sync { reply }).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        let _place = Waiting::enter(&self.waiting, self.max_waiting)?;
        let (reply, answer) = oneshot::channel();
        let sender = self.sender.as_ref().ok_or(Error::Stopped)?;
        if let Some(request) = self.serve_alone(request(reply)).await {
            sender.send(request).await.map_err(|_| Error::Stopped)?;
        }
        answer.await.map_err(|_| Error::Stopped)?
    }

    /// Serves the request here and now if nobody else waits; else gives it back.
    async fn serve_alone(&self, request: Request) -> Option<Request> {
        let alone = || self.waiting.load(Ordering::Relaxed) == 1;
        let runtime = tokio::runtime::Handle::try_current();
        if !alone() || !runtime.is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread) {
            return Some(request);
        }
        // Those that come at the same moment show now.
        tokio::task::yield_now().await;
        if !alone() {
            return Some(request);
        }
        let Some(mut writer) = self.writer.try_lock() else { return Some(request) };
        tokio::task::block_in_place(|| writer.turn(request, || None));
        None
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer ended in a panic; what it acknowledged is stored");
        }
    }
}

/// A caller's place among those that wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, max: usize) -> Result<Self> {
        let place = Self(count);
        let waiting = count.fetch_add(1, Ordering::Relaxed);
        if waiting >= max { Err(Error::Busy { waiting }) } else { Ok(place) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
