//! The running service: built in order, stopped in reverse.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use entitygraph::{
    Graph, Metrics,
    api::{Api, server},
};
use entitygraph_store::{Store, StoreOptions};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// A service that listens.
pub struct App {
    /// The graph it serves.
    pub graph: Graph,
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    follow: CancellationToken,
    follower: JoinHandle<()>,
    server: JoinHandle<std::io::Result<server::Stopped>>,
}

/// Opens the store of the settings and says what it is, and what it does not survive.
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>> {
    let url = config.store_url();
    let store = entitygraph_store::open(&url, StoreOptions::default())
        .await
        .with_context(|| format!("opening {url}"))?;
    let info = store.info();
    tracing::info!(engine = info.engine, location = %info.location, cursor = %*store.newest().borrow(), "store open");
    if let Some(caveat) = info.caveat {
        tracing::warn!(engine = info.engine, "{caveat}");
    }
    Ok(store)
}

impl App {
    /// Listens and serves the store. Nothing is served before the address is bound.
    pub async fn start(config: &Config, store: Arc<dyn Store>) -> Result<Self> {
        let listener = TcpListener::bind(config.listen).await.with_context(|| {
            format!(
                "listening on {}: is another server running there? choose another address with --listen",
                config.listen
            )
        })?;
        let address = listener.local_addr()?;
        let registry = prometheus::Registry::new();
        let metrics = Metrics::register(&registry)?;
        let stop = CancellationToken::new();
        // Not a child of `stop`: requests that are being finished still need it.
        let follow = CancellationToken::new();
        let (graph, follower) = Graph::start(store, config.service.clone(), metrics, follow.clone());
        let shutdown = stop.clone().cancelled_owned();
        let server = tokio::spawn(server::serve(listener, Api::new(graph.clone(), registry), shutdown));
        Ok(Self { graph, address, stop, follow, follower, server })
    }

    /// Serves until a signal comes, then lets open requests end.
    pub async fn until_stopped(self) -> Result<()> {
        self.until_stopped_after(async { Ok(()) }).await
    }

    /// The same, and stops something else first.
    pub async fn until_stopped_after(self, first: impl Future<Output = Result<()>>) -> Result<()> {
        signal().await?;
        tracing::info!(
            "stopping: open requests are finished, subscribers are told to come back; a second signal ends at once"
        );
        tokio::spawn(async {
            if signal().await.is_ok() {
                tracing::warn!("ended by a second signal");
                std::process::exit(130);
            }
        });
        first.await?;
        self.stop().await
    }

    /// Stops: first the server, then what follows the store; every acknowledged commit is durable already.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.server.await?.context("the server failed")?;
        self.follow.cancel();
        self.follower.await?;
        self.graph.store().sync().await?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Waits for the interrupt or terminate signal.
async fn signal() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
