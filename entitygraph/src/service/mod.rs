//! The one way to read and write the graph; the APIs translate to and from it and know no rule.

mod convert;
mod find;
mod holders;
pub(crate) mod ids;
mod near;
mod place;
mod read;
mod write;

use std::sync::Arc;

use entitygraph_schema::{Catalog, Cursor};
use entitygraph_store::{Store, StoreInfo};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    Config, Metrics,
    cache::Cache,
    changes::{Follower, Router, Scope, Subscription, SubscriptionOptions},
    service::read::Flights,
};

pub use entitygraph_store::Error;
pub use find::Filter;

/// Result of a service call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A part that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// What writes the store.
    #[error("the store writes no more: the log says why, start the server again")]
    Writer,
    /// What follows the store.
    #[error("nobody tells the cache of commits any more: the log says why, start the server again")]
    Follower,
}

/// Handle to the graph of one shard; cheap to clone, safe to share.
#[derive(Clone)]
pub struct Graph {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    cache: Arc<Cache>,
    router: Arc<Router>,
    flights: Flights,
    ids: Arc<ids::Ids>,
    applied: watch::Receiver<Cursor>,
    /// Cancelled when the store says that it writes no more.
    store_stopped: CancellationToken,
    config: Config,
    metrics: Metrics,
}

impl Graph {
    /// Puts cache and change follower in front of a store. The follower runs until `cancel`; its task is returned to be
    /// awaited at the end. So long, values of variables that changed their kind are converted in the background.
    pub fn start(
        store: Arc<dyn Store>,
        config: Config,
        metrics: Metrics,
        cancel: CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let cache = Arc::new(Cache::new(config.cache.max_bytes, metrics.clone()));
        let router = Arc::new(Router::new(config.limits.subtree_entities));
        let ids = Arc::new(ids::Ids::default());
        let follower =
            Follower::new(store.clone(), cache.clone(), router.clone(), ids.clone(), metrics.clone());
        let applied = follower.applied();
        // Not awaited: cut off anywhere, it leaves nothing half done.
        tokio::spawn(convert::Converter::new(store.clone()).run(cancel.clone()));
        let task = tokio::spawn(follower.run(cancel));
        let (flights, store_stopped) = (Flights::default(), CancellationToken::new());
        let inner = Inner { store, cache, router, flights, ids, applied, store_stopped, config, metrics };
        (Self { inner: Arc::new(inner) }, task)
    }

    /// What the store is.
    pub fn store_info(&self) -> StoreInfo {
        self.inner.store.info()
    }

    /// Bytes of the store on disk.
    pub async fn disk_bytes(&self) -> Result<u64> {
        self.inner.store.disk_bytes().await
    }

    /// The store itself, for what needs no cache: change sequence, bulk loads.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Settings the service runs with.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Figures of the service.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Component types and newest containers.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner.store.catalog()
    }

    /// The newest commit that reads through this handle are sure to see.
    pub fn applied(&self) -> watch::Receiver<Cursor> {
        self.inner.applied.clone()
    }

    /// What ended that this handle cannot do without; it does not come back before a new start.
    pub fn failure(&self) -> Option<Failure> {
        if self.inner.store_stopped.is_cancelled() {
            Some(Failure::Writer)
        } else if self.inner.applied.has_changed().is_err() {
            Some(Failure::Follower)
        } else {
            None
        }
    }

    /// Whether the store takes writes that add something; its error if not.
    pub async fn room(&self) -> Result<()> {
        self.inner.store.room().await
    }

    /// Waits until a write failed because the store has stopped. Stores do not announce that: it is noticed at the next write.
    pub async fn store_stopped(&self) {
        self.inner.store_stopped.cancelled().await;
    }

    /// The outcome of a write of the store; remembers that there will be no other.
    fn written<T>(&self, outcome: Result<T>) -> Result<T> {
        if matches!(outcome, Err(Error::Stopped)) {
            self.inner.store_stopped.cancel();
        }
        outcome
    }

    /// Follows a part of the world; nothing is read before the first [`Subscription::next`].
    pub fn subscribe(&self, scope: Scope, options: SubscriptionOptions) -> Subscription {
        Subscription::new(self.clone(), scope, options)
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.inner.cache
    }

    pub(crate) fn router(&self) -> &Arc<Router> {
        &self.inner.router
    }

    /// Waits until reads through this handle see everything up to the cursor.
    pub(crate) async fn wait_applied(&self, cursor: Cursor) -> Result<()> {
        let mut applied = self.inner.applied.clone();
        applied.wait_for(|applied| *applied >= cursor).await.map(drop).map_err(|_| Error::Stopped)
    }
}
