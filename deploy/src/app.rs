//! The running service: built in order, stopped in reverse.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use entitygraph::{Graph, Metrics, api};
use entitygraph_store::{Store, StoreOptions};
use std::sync::Arc;
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
    follower: JoinHandle<()>,
    server: JoinHandle<std::io::Result<()>>,
}

/// Opens the store of the settings and says what it is, and what it does not survive.
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>> {
    let url = config.store_url();
    let store = entitygraph_store::open(&url, StoreOptions::default()).await.with_context(|| format!("opening {url}"))?;
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
            format!("listening on {}: is another server running there? choose another address with --listen", config.listen)
        })?;
        let address = listener.local_addr()?;
        let registry = prometheus::Registry::new();
        let metrics = Metrics::register(&registry)?;
        let stop = CancellationToken::new();
        let (graph, follower) = Graph::start(store, config.service.clone(), metrics, stop.child_token());
        let drain = Duration::from_millis(config.drain_ms);
        let server = tokio::spawn(api::serve(listener, graph.clone(), registry, stop.child_token(), drain));
        Ok(Self { graph, address, stop, follower, server })
    }

    /// Serves until a signal comes, then lets open requests end.
    pub async fn until_stopped(self) -> Result<()> {
        signal().await?;
        tracing::info!("stopping: open requests are finished, subscribers are told to come back; a second signal ends at once");
        tokio::spawn(async {
            if signal().await.is_ok() {
                tracing::warn!("ended by a second signal");
                std::process::exit(130);
            }
        });
        self.stop().await
    }

    /// Stops: first the server, then what follows the store; every acknowledged commit is durable already.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.server.await?.context("the server failed")?;
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
