//! The writer: takes all requests that wait, plans them on the part of the world that they name, and writes them in one transaction.
//!
//! Reading order: [`needs`] is what a batch must know, [`scene`] reads it under the shard's lock, the rules are those of the memory
//! store, [`tally`] and [`spatial`] follow what they did through the indexes, [`lower`] turns all of it into rows, [`batch`] plans
//! and writes, [`create`] what is new and [`seal`] the end, [`commit`] announces and commits it, [`run`] prepares the next one,
//! [`writer`] is the task around all.

mod batch;
mod commit;
mod create;
mod lower;
mod needs;
mod rows;
mod run;
mod scene;
mod seal;
mod spatial;
mod tally;
mod writer;

use std::sync::Arc;

use entitygraph_schema::{IdRange, Receipt, Transaction};
use tokio::sync::{mpsc, oneshot};

use super::shared::Shared;
use crate::error::{Error, Result};

/// Where the answer to a request goes.
type Reply<T> = oneshot::Sender<Result<T>>;

/// What callers ask of the writer.
enum Request {
    /// Apply a transaction.
    Apply { transaction: Box<Transaction>, reply: Reply<Receipt> },
    /// Lease ids.
    Lease { count: u64, reply: Reply<IdRange> },
}

impl Request {
    fn refuse(self, error: Error) {
        match self {
            Self::Apply { reply, .. } => drop(reply.send(Err(error))),
            Self::Lease { reply, .. } => drop(reply.send(Err(error))),
        }
    }

    /// How many operations it has.
    fn operations(&self) -> usize {
        match self {
            Self::Apply { transaction, .. } => transaction.weight(),
            Self::Lease { .. } => 1,
        }
    }

    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Apply { reply, .. } => reply.is_closed(),
            Self::Lease { reply, .. } => reply.is_closed(),
        }
    }
}

/// The way to the writer. When it is dropped the writer finishes what waits and ends.
pub struct Handle {
    requests: mpsc::Sender<Request>,
    waiting: usize,
}

impl Handle {
    /// Starts the writer of a store.
    pub fn start(shared: Arc<Shared>) -> Self {
        let waiting = shared.options.writer.waiting.max(1);
        let (requests, waits) = mpsc::channel(waiting);
        tokio::spawn(writer::Writer::new(shared).serve(waits));
        Self { requests, waiting }
    }

    /// Applies a transaction.
    pub async fn apply(&self, transaction: Transaction) -> Result<Receipt> {
        self.ask(|reply| Request::Apply { transaction: Box::new(transaction), reply }).await
    }

    /// Leases ids.
    pub async fn lease(&self, count: u64) -> Result<IdRange> {
        self.ask(|reply| Request::Lease { count, reply }).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        match self.requests.try_send(request(reply)) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(Error::Busy { waiting: self.waiting }),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Error::Stopped),
        }
        answer.await.unwrap_or(Err(Error::Stopped))
    }
}
