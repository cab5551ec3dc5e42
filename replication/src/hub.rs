//! All roles in one process, on channels: a thread for the replicant, and one for each core of the gateway, which owns its
//! connections and alone writes to them.

mod connection;
mod core;
mod role;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    thread::JoinHandle,
};

use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::Config,
    gateway::Gateway,
    line::channel::line,
    message::{Parcels, Up},
    replicant::{Replicant, RoomError, world::World},
};

/// Moments that may wait for a core to write them, beside the one that it writes. The replicant makes no more while they do, so
/// that what comes meanwhile is told once, as it is then, and not in turn.
const PARCELS_MAX: usize = 1;

/// A hub that runs.
#[derive(Debug)]
pub struct Hub {
    address: SocketAddr,
    stop: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

/// Why a hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Its world fits into no room.
    #[error("the world cannot be served")]
    Room(#[from] RoomError),
    /// Its socket or its threads.
    #[error("the hub cannot be started")]
    Io(#[from] io::Error),
    /// Without keys for tokens everybody who can connect is whoever they say.
    #[error("{0} is not a loopback address: without keys the stream is served on loopback only")]
    NotLoopback(SocketAddr),
}

impl Hub {
    /// Serves a world at `/stream` on a socket that listens already, on loopback.
    ///
    /// # Errors
    /// What is wrong with socket, settings or world; nothing runs then.
    pub fn start(config: &Config, listener: TcpListener, world: World) -> Result<Self, HubError> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(HubError::NotLoopback(address));
        }
        listener.set_nonblocking(true)?;
        let replicant = Replicant::new(config.room, world)?;
        let clock = Clock::start(config.tick_us);
        let incarnation = clock.now().shard_us;
        let stop = CancellationToken::new();
        let cores = config.cores.max(1);
        let (up, ups) = line::<Up>(config.line_messages_max);
        let (mut downs, mut arrivals, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        let mut seats = Vec::new();
        for number in 0..cores {
            let (down, parcels) = line::<Parcels>(PARCELS_MAX);
            let (arrive, arriving) = line(64);
            downs.push(down);
            arrivals.push(arrive);
            seats.push((number, parcels, arriving));
        }
        let mut start = |name: String, run: Box<dyn FnOnce() + Send>| -> io::Result<()> {
            threads.push(std::thread::Builder::new().name(name).spawn(run)?);
            Ok(())
        };
        let mut listener = Some(listener);
        for (number, parcels, arriving) in seats {
            let gateway = Gateway::new(config.clone(), number, incarnation);
            let (config, up, stop) = (config.clone(), up.clone(), stop.clone());
            let accepts = listener.take().map(|listener| (listener, arrivals.clone()));
            start(
                format!("gateway-{number}"),
                Box::new(move || {
                    core::run(core::Seat {
                        number,
                        config,
                        clock,
                        gateway,
                        up,
                        parcels,
                        arriving,
                        accepts,
                        stop,
                    });
                }),
            )?;
        }
        let role_stop = stop.clone();
        start("replicant".into(), Box::new(move || role::run(replicant, clock, ups, downs, role_stop)))?;
        tracing::info!(%address, cores, "the stream is served");
        Ok(Self { address, stop, threads })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections (1001) and waits for its threads.
    pub fn stop(mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the hub ended by a panic");
            }
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
