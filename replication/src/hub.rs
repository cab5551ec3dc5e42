//! All roles in one process, on channels: a thread for the replicant, and one for each core of the gateway, which owns its
//! connections and alone writes to them.

mod apply;
mod connection;
mod core;
mod hold;
mod role;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use tokio_util::sync::CancellationToken;

pub use self::core::Arrival;
use crate::{
    clock::Clock,
    config::Config,
    gateway::{
        Gateway, Shared,
        token::{ShardKey, ShardKeyError},
    },
    line::channel::{Sender, line},
    message::{Parcels, Up},
    metrics::Metrics,
    replicant::{Replicant, RoomError, world::World},
};

/// Moments that may wait for a core to write them, beside the one that it writes. The replicant makes no more while they do, so
/// that what comes meanwhile is told once, as it is then, and not in turn.
const PARCELS_MAX: usize = 1;

/// Connections that may wait for a core to take them.
const ARRIVALS_MAX: usize = 64;

/// Closes of connections of other cores that may wait for a core.
const ORDERS_MAX: usize = 256;

/// Why a hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Its world fits into no room.
    #[error("the world cannot be served")]
    Room(#[from] RoomError),
    /// There is no key for resume tokens.
    #[error(transparent)]
    Key(#[from] ShardKeyError),
    /// Its figures.
    #[error("the figures of the stream cannot be registered")]
    Metrics(#[from] prometheus::Error),
    /// Its socket or its threads.
    #[error("the hub cannot be started")]
    Io(#[from] io::Error),
    /// Without keys for tokens everybody who can connect is whoever they say.
    #[error("{0} is not a loopback address: without keys the stream is served on loopback only")]
    NotLoopback(SocketAddr),
}

/// The roles, without a socket of their own to listen on: connections come through the [`Door`].
#[derive(Debug)]
pub struct Roles {
    door: Door,
    stop: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

/// Where connections come in. Whoever has it must keep others out where no keys are configured.
#[derive(Debug, Clone)]
pub struct Door {
    cores: Arc<[Sender<Arrival>]>,
    next: Arc<AtomicUsize>,
}

impl Door {
    /// Gives a connection to the next core; waits while that has too many to take. `false` when the hub has stopped.
    pub async fn enter(&self, arrival: Arrival) -> bool {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        match self.cores.get(next % self.cores.len().max(1)) {
            Some(core) => core.sent(arrival).await,
            None => false,
        }
    }
}

impl Roles {
    /// Starts them with a world.
    ///
    /// # Errors
    /// What is wrong with settings or world, or that the system gives no thread; nothing runs then.
    pub fn start(config: &Config, world: World, metrics: &Metrics) -> Result<Self, HubError> {
        Self::listening(config, None, world, metrics)
    }

    fn listening(
        config: &Config,
        mut listener: Option<TcpListener>,
        world: World,
        metrics: &Metrics,
    ) -> Result<Self, HubError> {
        let replicant = Replicant::new(config.room, world)?;
        let key = config.shard_key.clone().map_or_else(ShardKey::random, Ok)?;
        let clock = Clock::start(config.tick_us);
        let incarnation = clock.now().shard_us;
        let shared = Shared::new(config, key.clone(), incarnation);
        let stop = CancellationToken::new();
        let (up, ups) = line::<Up>(config.line_messages_max);
        let (flow, flows) = line::<Up>(config.line_messages_max);
        let (mut downs, mut cores, mut orders, mut seats) = (vec![], vec![], vec![], vec![]);
        for number in 0..config.cores.max(1) {
            let (down, parcels) = line::<Parcels>(PARCELS_MAX);
            let (arrive, arriving) = line(ARRIVALS_MAX);
            let (order, ordered) = line(ORDERS_MAX);
            downs.push(down);
            cores.push(arrive);
            orders.push(order);
            seats.push((number, parcels, arriving, ordered));
        }
        let door = Door { cores: cores.into(), next: Arc::default() };
        // Threads that run already end with it, whatever goes wrong.
        let mut roles = Self { door, stop, threads: Vec::new() };
        for (number, parcels, arriving, ordered) in seats {
            let seat = core::Seat {
                number,
                config: config.clone(),
                clock,
                gateway: Gateway::new(config.clone(), key.clone(), incarnation, shared.clone()),
                shared: shared.clone(),
                metrics: metrics.clone(),
                up: up.clone(),
                flow: flow.clone(),
                parcels,
                arriving,
                orders: orders.clone(),
                ordered,
                accepts: listener.take().map(|listener| (listener, roles.door.clone())),
                stop: roles.stop.clone(),
            };
            roles.spawn(format!("gateway-{number}"), move || core::run(seat))?;
        }
        let stop = roles.stop.clone();
        roles.spawn("replicant".into(), move || role::run(replicant, clock, flows, ups, downs, stop))?;
        Ok(roles)
    }

    fn spawn(&mut self, name: String, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(std::thread::Builder::new().name(name).spawn(run)?);
        Ok(())
    }

    /// Where connections come in.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Closes all connections (1001) and waits for the threads.
    pub fn stop(mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the hub ended by a panic");
            }
        }
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A hub that listens itself.
#[derive(Debug)]
pub struct Hub {
    address: SocketAddr,
    roles: Roles,
}

impl Hub {
    /// Serves a world at `/stream` on a socket that listens already; without keys for tokens on loopback only.
    ///
    /// # Errors
    /// What is wrong with socket, settings or world; nothing runs then.
    pub fn start(config: &Config, listener: TcpListener, world: World) -> Result<Self, HubError> {
        Self::start_measured(config, listener, world, &Metrics::register(&prometheus::Registry::new())?)
    }

    /// The same, with figures that somebody exports.
    ///
    /// # Errors
    /// The same.
    pub fn start_measured(
        config: &Config,
        listener: TcpListener,
        world: World,
        metrics: &Metrics,
    ) -> Result<Self, HubError> {
        let address = listener.local_addr()?;
        if config.keys.is_empty() && !address.ip().is_loopback() {
            return Err(HubError::NotLoopback(address));
        }
        listener.set_nonblocking(true)?;
        let roles = Roles::listening(config, Some(listener), world, metrics)?;
        tracing::info!(%address, cores = config.cores, "the stream is served");
        Ok(Self { address, roles })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections (1001) and waits for its threads.
    pub fn stop(self) {
        self.roles.stop();
    }
}
