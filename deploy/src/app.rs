//! The running service: built in order, stopped in reverse.

use std::{io, net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, anyhow};
use entitygraph::{
    Graph, Metrics,
    api::{Api, server},
};
use entitygraph_migrations::restore::target::refuse_unfinished;
use entitygraph_store::{Store, StoreOptions, shown_url};
use tokio::{net::TcpListener, runtime::Handle, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{admin, config::Config};

/// Most that one commit of a world may change which is moved: more would not fit into memory.
const MOVED_AT_ONCE: usize = 10_000_000;

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
    open_url(config, &config.store_url()).await
}

/// The same of another store, with the limits of the settings.
pub async fn open_url(config: &Config, url: &str) -> Result<Arc<dyn Store>> {
    open_with(url, config.store.options()).await
}

/// The same of a store that a world is moved into. A commit of its source goes in as one, however much it changed: the limits are
/// those of whoever wrote it.
pub async fn open_target(config: &Config, url: &str) -> Result<Arc<dyn Store>> {
    let mut options = config.store.options();
    for writer in [&mut options.keyed.writer, &mut options.neo4j.writer] {
        writer.transaction_operations = MOVED_AT_ONCE;
        writer.touched = MOVED_AT_ONCE;
    }
    open_with(url, options).await
}

async fn open_with(url: &str, options: StoreOptions) -> Result<Arc<dyn Store>> {
    let store =
        entitygraph_store::open(url, options).await.with_context(|| format!("opening {}", shown_url(url)))?;
    let info = store.info();
    tracing::info!(engine = info.engine, location = %info.location, cursor = %*store.newest().borrow(), "store open");
    if let Some(caveat) = info.caveat {
        tracing::warn!(engine = info.engine, "{caveat}");
    }
    Ok(store)
}

/// Whether no store is where the settings say, so that opening it begins one. A store in memory begins each time.
pub async fn is_new(config: &Config) -> Result<bool> {
    is_new_at(config, &config.store_url()).await
}

/// The same of another store.
pub async fn is_new_at(config: &Config, url: &str) -> Result<bool> {
    let exists = entitygraph_store::exists(url, &config.store.options()).await;
    Ok(url != "memory:" && !exists.with_context(|| format!("looking for {}", shown_url(url)))?)
}

/// The same of a world that is to be used: one of which a restore or a copy brought only a part yet is refused.
pub async fn open_world(config: &Config) -> Result<Arc<dyn Store>> {
    let store = open_store(config).await?;
    refuse_unfinished(&*store).await?;
    Ok(store)
}

/// The world, if there is one; unlike [`open_world`] this creates nothing.
pub async fn existing_world(config: &Config) -> Result<Option<Arc<dyn Store>>> {
    if is_new(config).await? {
        return Ok(None);
    }
    open_world(config).await.map(Some)
}

impl App {
    /// Listens and serves the store, WebSockets on the runtime of `streams`. Nothing is served before the address is bound.
    pub async fn start(config: &Config, store: Arc<dyn Store>, streams: Handle) -> Result<Self> {
        let listener = bind(config.listen.addresses()).await.with_context(|| {
            format!(
                "listening on {}: is another server running there? choose another address with --listen",
                config.listen
            )
        })?;
        let address = listener.local_addr()?;
        let registry = prometheus::Registry::new();
        let metrics = Metrics::register(&registry)?;
        store.collectors().into_iter().try_for_each(|figures| registry.register(figures))?;
        let stop = CancellationToken::new();
        // Not a child of `stop`: requests that are being finished still need it.
        let follow = CancellationToken::new();
        let (graph, follower) = Graph::start(store, config.service.clone(), metrics, follow.clone());
        let shutdown = stop.clone().cancelled_owned();
        let api = Api::new(graph.clone(), registry, streams);
        let admin = admin::routes(graph.store().clone());
        let server = tokio::spawn(server::serve(listener, api, admin, shutdown));
        Ok(Self { graph, address, stop, follow, follower, server })
    }

    /// Serves until a signal comes, then lets open requests end.
    pub async fn until_stopped(self) -> Result<()> {
        self.until_stopped_after(async { Ok(()) }).await
    }

    /// The same, and stops something else first.
    ///
    /// # Errors
    /// At once when the server, what follows the store or what writes it ended of itself: a process without one of them
    /// looks alive and is of no use. Everything acknowledged is stored.
    pub async fn until_stopped_after(mut self, first: impl Future<Output = Result<()>>) -> Result<()> {
        tokio::select! {
            signalled = signal() => signalled?,
            ended = &mut self.server => {
                return Err(early("the server", ended.map_err(Into::into).and_then(|ended| Ok(ended.map(drop)?))));
            }
            ended = &mut self.follower => {
                return Err(early("what follows the store", ended.map_err(Into::into)));
            }
            () = self.graph.store_stopped() => return Err(early("what writes the store", Ok(()))),
        }
        tracing::info!(
            "stopping: open requests are finished, subscribers are told to come back; a second signal ends at once"
        );
        exit_at_second_signal();
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

/// Binds the first address that this machine has. One that is in use is an error: whoever asks for `localhost` would reach one
/// server or the other.
async fn bind(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut missing = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => missing = error,
            bound => return bound,
        }
    }
    Err(missing)
}

/// The error of a part that ended before it was told to.
fn early(what: &str, ended: Result<()>) -> anyhow::Error {
    let reason = ended.err().unwrap_or_else(|| anyhow!("it gave no reason; the log may"));
    reason.context(format!("{what} ended; everything acknowledged is stored, start again"))
}

/// Puts a store in order in which much was written. Everything is in it before, so a signal only ends the ordering.
pub async fn put_in_order(store: &dyn Store) -> Result<()> {
    // A server does that by itself.
    if !store.info().location.contains("://") {
        eprintln!("putting {} in order, so that it answers fast", store.info().location);
    }
    tokio::select! {
        biased;
        ordered = store.compact() => ordered?,
        signalled = signal() => {
            signalled?;
            eprintln!("left as it is: everything is in it, and it answers more slowly at first");
        }
    }
    Ok(())
}

/// Lets a second signal end the process at once.
pub fn exit_at_second_signal() {
    tokio::spawn(async {
        if signal().await.is_ok() {
            tracing::warn!("ended by a second signal");
            std::process::exit(130);
        }
    });
}

/// Waits for the interrupt or terminate signal.
pub async fn signal() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use entitygraph_store::MemoryStore;

    use super::*;

    async fn app() -> App {
        let config = Config { listen: "127.0.0.1:0".parse().unwrap(), ..Config::default() };
        App::start(&config, Arc::new(MemoryStore::new()), Handle::current()).await.unwrap()
    }

    /// How the process ends after `what` ended, without a signal.
    async fn end_without(what: impl FnOnce(&App)) -> String {
        let app = app().await;
        what(&app);
        let ended = tokio::time::timeout(Duration::from_secs(5), app.until_stopped()).await;
        format!("{:#}", ended.expect("the process ends").unwrap_err())
    }

    #[tokio::test]
    async fn an_address_in_use_is_not_passed_over_for_the_next_of_its_name() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let first = taken.local_addr().unwrap();
        let next = SocketAddr::from(([127, 0, 0, 2], first.port()));
        assert_eq!(bind(&[first, next]).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        // An address that is not this machine's.
        let missing = SocketAddr::from(([192, 0, 2, 1], first.port()));
        assert_eq!(bind(&[missing, next]).await.unwrap().local_addr().unwrap(), next);
    }

    #[tokio::test]
    async fn the_process_ends_when_a_part_that_it_cannot_do_without_ends() {
        let error = end_without(|app| app.server.abort()).await;
        assert!(error.starts_with("the server ended"), "{error}");
        let error = end_without(|app| app.follower.abort()).await;
        assert!(error.starts_with("what follows the store ended"), "{error}");
        let error = end_without(|app| app.follow.cancel()).await;
        assert!(error.starts_with("what follows the store ended"), "{error}");
    }

    #[tokio::test]
    async fn a_stop_ends_everything_in_order() {
        app().await.stop().await.unwrap();
    }
}
