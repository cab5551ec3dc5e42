//! The task that follows the store's change sequence and tells the cache, the ids leased ahead and the router, in order, of every commit.

use std::{sync::Arc, time::Duration};

use entitygraph_schema::{Commit, Cursor};
use entitygraph_store::{Feed, Result, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{feed, router::Router, window::Window};
use crate::{Metrics, cache::Cache, service::ids::Ids};

/// Commits read from the store at once: enough to catch up quickly, small enough to stay responsive.
const BATCH_COMMITS: usize = 256;

/// After a read that failed the next one waits this long, twice as long each time up to the longest: writers whose commits
/// are durable wait for it.
const RETRY: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Follows the store from the moment it is made.
pub struct Follower {
    store: Arc<dyn Store>,
    cache: Arc<Cache>,
    router: Arc<Router>,
    ids: Arc<Ids>,
    applied: watch::Sender<Cursor>,
    metrics: Metrics,
}

impl Follower {
    /// Starts at the store's newest commit.
    pub fn new(
        store: Arc<dyn Store>,
        cache: Arc<Cache>,
        router: Arc<Router>,
        ids: Arc<Ids>,
        metrics: Metrics,
    ) -> Self {
        let newest = *store.newest().borrow();
        cache.reset(newest);
        let follower = Self { store, cache, router, ids, applied: watch::Sender::new(newest), metrics };
        follower.tell(newest);
        follower
    }

    /// The newest commit that the cache and subscribers have been told of.
    pub fn applied(&self) -> watch::Receiver<Cursor> {
        self.applied.subscribe()
    }

    /// Follows until cancelled. A read that fails is logged and tried again until it succeeds.
    pub async fn run(self, cancel: CancellationToken) {
        let mut newest = self.store.newest();
        let mut pause = RETRY;
        loop {
            let retry = match self.catch_up().await {
                Ok(()) => None,
                Err(error) => {
                    let cause = &error as &dyn std::error::Error;
                    // The store says when it is away.
                    if error.is_outage() {
                        tracing::debug!(error = cause, ?pause, "the change sequence could not be read");
                    } else {
                        tracing::error!(
                            error = cause,
                            ?pause,
                            "the change sequence could not be read, it is tried again"
                        );
                    }
                    Some(pause)
                }
            };
            pause = retry.map_or(RETRY, |pause| RETRY_MAX.min(pause * 2));
            let more = async {
                match retry {
                    Some(pause) => {
                        tokio::time::sleep(pause).await;
                        true
                    }
                    None => newest.changed().await.is_ok(),
                }
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                more = more => if !more { return },
            }
        }
    }

    async fn catch_up(&self) -> Result<()> {
        loop {
            let after = *self.applied.borrow();
            match feed::commits(&*self.store, after, BATCH_COMMITS).await? {
                Feed::Commits(commits) if commits.is_empty() => return Ok(()),
                Feed::Commits(commits) => {
                    for commit in &commits {
                        self.cache.apply(commit);
                        self.ids.apply(commit);
                    }
                    self.route(&commits).await;
                }
                Feed::Resync { newest, .. } => {
                    tracing::warn!(%after, %newest, "fell behind the retained change sequence, the cache starts again");
                    self.cache.reset(newest);
                    self.router.break_all(newest);
                    self.tell(newest);
                    return Ok(());
                }
            }
        }
    }

    /// Tells followers of the commits, then those who wait for them. Commits that cannot be routed must not stop the
    /// sequence: their followers start again with a snapshot.
    async fn route(&self, commits: &[Arc<Commit>]) {
        let mut window = None;
        if !self.router.is_idle() {
            match Window::load(&self.cache, &*self.store, commits).await {
                Ok(loaded) => window = Some(loaded),
                Err(error) => self.unrouted(commits, &error),
            }
        }
        for commit in commits {
            if let Some(window) = &mut window
                && let Err(error) = self.router.route(commit, window, &*self.store).await
            {
                self.unrouted(std::slice::from_ref(commit), &error);
            }
            self.tell(commit.cursor);
        }
    }

    fn unrouted(&self, commits: &[Arc<Commit>], error: &(dyn std::error::Error + 'static)) {
        let [Some(first), Some(last)] = [commits.first(), commits.last()] else { return };
        let (first, last) = (first.cursor, last.cursor);
        tracing::error!(%first, %last, error, "commits could not be routed, their followers begin again");
        self.router.break_all(last);
    }

    fn tell(&self, cursor: Cursor) {
        self.metrics.applied_cursor.set(i64::try_from(cursor.number()).unwrap_or(i64::MAX));
        self.applied.send_replace(cursor);
    }
}
