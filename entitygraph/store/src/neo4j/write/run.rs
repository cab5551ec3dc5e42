//! Runs: batches that follow each other so closely that each can prepare the next.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle};

use super::Request;
use crate::{
    error::{Error, Result},
    neo4j::{shared::Shared, turn::Turn},
};

/// Batches that follow each other within this time are a run.
const PAUSE: Duration = Duration::from_millis(4);

/// See the module.
pub struct Run {
    shared: Arc<Shared>,
    /// The last batch came soon after the one before.
    lasts: bool,
    /// The turn of the next batch, being taken while the callers of the last one are told.
    ahead: Option<JoinHandle<Result<Turn>>>,
    /// The turn of this batch, where it was taken ahead.
    turn: Option<Turn>,
    /// Readers were not told yet that all commits are complete.
    unsettled: bool,
    /// Tells them.
    settling: Option<JoinHandle<()>>,
}

impl Run {
    /// None yet.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, lasts: false, ahead: None, turn: None, unsettled: false, settling: None }
    }

    /// The next request; none when nobody can make one any more. When none comes for a moment the run is over.
    pub async fn next(&mut self, waits: &mut mpsc::Receiver<Request>) -> Option<Request> {
        self.turn = None;
        if self.unsettled {
            self.lasts = true;
            if let Ok(next) = tokio::time::timeout(PAUSE, waits.recv()).await {
                return next;
            }
            self.settle();
        }
        self.lasts = false;
        waits.recv().await
    }

    /// Waits for the turn of the next batch, if it is being taken.
    pub async fn ready(&mut self) {
        if let Some(ahead) = self.ahead.take() {
            // One that failed is tried again by whoever needs it.
            self.turn = ahead.await.ok().and_then(Result::ok);
        }
    }

    /// The turn of this batch, if it was taken ahead.
    pub fn turn(&mut self) -> Option<Turn> {
        self.turn.take()
    }

    /// Whether another batch is expected soon.
    pub fn lasts(&self) -> bool {
        self.lasts
    }

    /// Notes that commits are about to be announced.
    pub fn unsettle(&mut self) {
        self.unsettled = true;
    }

    /// Begins to take the next turn.
    pub fn go_on(&mut self) {
        let shared = self.shared.clone();
        self.ahead = Some(tokio::spawn(async move { Turn::take(&shared).await }));
    }

    /// Gives up what was taken ahead.
    pub fn give_up(&mut self) {
        (self.ahead, self.turn) = (None, None);
    }

    /// Tells readers, beside whatever comes next, that all commits are complete and none is under way.
    fn settle(&mut self) {
        let (shared, ahead) = (self.shared.clone(), self.ahead.take());
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        self.settling = Some(tokio::spawn(async move {
            let turn = match ahead {
                Some(ahead) => ahead.await.unwrap_or(Err(Error::Stopped)),
                None => Turn::take(&shared).await,
            };
            match turn {
                Ok(turn) => turn.settle().await,
                Err(error) => tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "readers were not told that commits are complete"
                ),
            }
        }));
    }

    /// Ends it, and returns when readers were told.
    pub async fn end(mut self) {
        self.settle();
        if let Some(settling) = self.settling.take() {
            let _ = settling.await;
        }
    }
}
