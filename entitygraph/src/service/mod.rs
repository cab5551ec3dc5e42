//! The one way to read and write the graph; the APIs translate to and from it and know no rule.

mod find;
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
    applied: watch::Receiver<Cursor>,
    config: Config,
    metrics: Metrics,
}

impl Graph {
    /// Puts cache and change follower in front of a store. The follower runs until `cancel`; its task is returned to be
    /// awaited at the end.
    pub fn start(
        store: Arc<dyn Store>,
        config: Config,
        metrics: Metrics,
        cancel: CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let cache = Arc::new(Cache::new(config.cache.max_bytes, metrics.clone()));
        let router = Arc::new(Router::new(config.limits.subtree_entities));
        let follower = Follower::new(store.clone(), cache.clone(), router.clone(), metrics.clone());
        let applied = follower.applied();
        let task = tokio::spawn(follower.run(cancel));
        let inner = Inner { store, cache, router, flights: Flights::default(), applied, config, metrics };
        (Self { inner: Arc::new(inner) }, task)
    }

    /// What the store is.
    pub fn store_info(&self) -> StoreInfo {
        self.inner.store.info()
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
