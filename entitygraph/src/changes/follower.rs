//! The task that follows the store's change sequence and tells the cache and the router, in order, of every commit.

use std::sync::Arc;

use entitygraph_schema::{Commit, Cursor};
use entitygraph_store::{Feed, Result, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{router::Router, window::Window};
use crate::{Metrics, cache::Cache};

/// Commits read from the store at once: enough to catch up quickly, small enough to stay responsive.
const BATCH_COMMITS: usize = 256;

/// Follows the store from the moment it is made.
pub struct Follower {
    store: Arc<dyn Store>,
    cache: Arc<Cache>,
    router: Arc<Router>,
    applied: watch::Sender<Cursor>,
    metrics: Metrics,
}

impl Follower {
    /// Starts at the store's newest commit.
    pub fn new(store: Arc<dyn Store>, cache: Arc<Cache>, router: Arc<Router>, metrics: Metrics) -> Self {
        let newest = *store.newest().borrow();
        cache.reset(newest);
        Self { store, cache, router, applied: watch::Sender::new(newest), metrics }
    }

    /// The newest commit that the cache and subscribers have been told of.
    pub fn applied(&self) -> watch::Receiver<Cursor> {
        self.applied.subscribe()
    }

    /// Follows until cancelled; a read that fails is logged and tried again with the next commit.
    pub async fn run(self, cancel: CancellationToken) {
        let mut newest = self.store.newest();
        loop {
            if let Err(error) = self.catch_up().await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the change sequence could not be read"
                );
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                changed = newest.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn catch_up(&self) -> Result<()> {
        loop {
            let after = *self.applied.borrow();
            match self.store.changes(after, BATCH_COMMITS).await? {
                Feed::Commits(commits) if commits.is_empty() => return Ok(()),
                Feed::Commits(commits) => {
                    let mut window = Window::new(&self.cache, &*self.store, &commits);
                    for commit in &commits {
                        self.cache.apply(commit);
                        if !self.router.is_idle() {
                            self.route(commit, &mut window).await;
                        }
                        self.tell(commit.cursor);
                    }
                }
                Feed::Resync { newest, .. } => {
                    tracing::warn!(%after, %newest, "fell behind the retained change sequence, the cache starts again");
                    self.cache.reset(newest);
                    self.router.break_all();
                    self.tell(newest);
                }
            }
        }
    }

    /// A commit that cannot be routed must not stop the sequence: its followers start again with a snapshot.
    async fn route(&self, commit: &Arc<Commit>, window: &mut Window<'_>) {
        if let Err(error) = self.router.route(commit, window, &*self.store).await {
            let cursor = commit.cursor;
            tracing::error!(%cursor, error = &error as &dyn std::error::Error, "a commit could not be routed");
            self.router.break_all();
        }
    }

    fn tell(&self, cursor: Cursor) {
        self.metrics.applied_cursor.set(i64::try_from(cursor.number()).unwrap_or(i64::MAX));
        self.applied.send_replace(cursor);
    }
}
