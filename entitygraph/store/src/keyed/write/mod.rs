//! The writer: gives all transactions their order and takes them together.
//!
//! It takes every request that waits (up to the limits of a batch), plans each on what the earlier ones left ([`plan`]),
//! turns the differences into rows ([`index`], [`tally`], [`spatial`]), and hands all of them to the engine in one write:
//! that is the group commit. Only then are results published and callers told, so nothing of a batch that failed was ever
//! visible.
//!
//! Requests wait in a [`queue`]. The first request for a durable write that finds nobody writing takes charge: it yields
//! once, so that those of the same moment join (not if the last batch was a single fast write), and writes the batch on
//! its own thread. That saves two or three changes of threads, as much as a third of the write. The writer's thread serves
//! all other requests: those that came during a write, and bulk loads, which have something better to do meanwhile.
//!
//! Reading order: [`draft`], [`graph`], [`plan`] and the nouns it speaks of ([`create`], [`change`], [`reparent`],
//! [`bury`], [`links`], [`ports`], [`publish`], [`adopt`]), then the rows, then [`batch`] and [`writer`].

mod adopt;
mod batch;
mod bury;
pub(crate) mod cache;
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
mod queue;
mod reparent;
mod spatial;
mod tally;
mod writer;

use std::{sync::Arc, thread::JoinHandle};

use entitygraph_schema::{Cursor, IdRange, Receipt, Transaction};
use parking_lot::Mutex;
use tokio::{runtime::RuntimeFlavor, sync::oneshot};

use self::{queue::Queue, writer::Writer};
use super::{fault::Place, shared::Shared};
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
    queue: Arc<Queue>,
    writer: Arc<Mutex<Writer>>,
    place: Place,
    /// None only while dropping.
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Starts the writer of a store in the given state.
    pub fn start(
        shared: Arc<Shared>,
        state: super::open::State,
        witness: Option<super::witness::Witness>,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::new(shared.options.writer.waiting));
        let place = shared.place.clone();
        let writer = Arc::new(Mutex::new(Writer::new(shared, state, witness)));
        let (requests, own) = (queue.clone(), writer.clone());
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || {
            while let Some(mut charge) = requests.wait() {
                own.lock().turn(|| charge.next());
            }
            own.lock().finish();
        });
        let thread = thread.map_err(|source| Error::Backend {
            operation: "starting the writer",
            location: place.location.clone(),
            outcome: Outcome::NotApplied,
            source: source.into(),
        })?;
        Ok(Self { queue, writer, place, thread: Some(thread) })
    }

    /// Applies a transaction.
    pub async fn apply(&self, transaction: Transaction, durable: bool) -> Result<Receipt> {
        let request = |reply| Request::Apply { transaction: Box::new(transaction), durable, reply };
        self.ask(request, durable).await
    }

    /// Leases ids.
    pub async fn lease(&self, count: u64) -> Result<IdRange> {
        self.ask(|reply| Request::Lease { count, reply }, false).await
    }

    /// Makes everything accepted so far durable.
    pub async fn sync(&self) -> Result<Cursor> {
        self.ask(|reply| Request::Sync { reply }, false).await
    }

    /// The request has its place in the order once this was polled. A caller that `serves` may do the writer's work, where
    /// the runtime has other threads for the other tasks.
    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request, serves: bool) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let runtime = || tokio::runtime::Handle::try_current();
        let serves =
            serves && runtime().is_ok_and(|here| here.runtime_flavor() == RuntimeFlavor::MultiThread);
        if let Some(mut charge) = self.queue.push(request(reply), serves)? {
            if charge.expects_company() {
                // Those that come at the same moment join now.
                tokio::task::yield_now().await;
            }
            tokio::task::block_in_place(|| self.writer.lock().turn(|| charge.next()));
        }
        // The writer is there as long as this handle is: an answer that does not come fell victim to a panic.
        answer.await.unwrap_or_else(|_| {
            Err(Error::Backend {
                operation: "writing",
                location: self.place.location.clone(),
                outcome: Outcome::Unknown,
                source: "the writer panicked (see the log) and goes on; ask again with the operation id"
                    .into(),
            })
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer ended in a panic; what it acknowledged is stored");
        }
    }
}
