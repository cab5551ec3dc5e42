//! A network that fails on demand.

mod connection;

use std::{
    future::pending,
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc as std_mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    net::TcpListener,
    runtime,
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::port;

/// Stands on a port of its own in front of a server, and passes bytes until it is told otherwise. All its methods have taken
/// effect when they return.
///
/// It has a thread of its own, so that it does what it was told whatever runtime the test has, and however busy.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    traffic: Arc<Traffic>,
    orders: mpsc::UnboundedSender<Order>,
    thread: Option<JoinHandle<()>>,
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that connected.
    Client,
    /// The one behind the proxy.
    Server,
}

/// What the network does to bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    Passes,
    Delays(Duration),
    Slows {
        bytes_per_second: u64,
    },
    Holds,
    /// Ends all connections when a side sends more than `bytes` in all since the proxy began.
    Limits {
        side: Side,
        bytes: u64,
        then: End,
    },
    Ended,
}

/// How connections are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// New ones are refused.
    Cut,
    /// New ones pass.
    Reset,
}

#[derive(Debug)]
struct Order {
    what: What,
    /// Told when it took effect.
    done: Option<std_mpsc::Sender<io::Result<()>>>,
}

#[derive(Debug)]
enum What {
    Become(Network),
    End(End),
    /// Of a connection that came to the limit. Another one may have said so before, or the proxy was healed.
    EndAtLimit,
    Stop,
}

/// What passed.
#[derive(Debug, Default)]
struct Traffic {
    connections: AtomicU64,
    from_client: AtomicU64,
    from_server: AtomicU64,
}

impl Traffic {
    fn bytes(&self, from: Side) -> &AtomicU64 {
        match from {
            Side::Client => &self.from_client,
            Side::Server => &self.from_server,
        }
    }
}

impl Proxy {
    /// Starts a proxy in front of what listens on this loopback port, or will.
    pub fn start(server_port: u16) -> Result<Self> {
        let port = port::free()?;
        let traffic = Arc::new(Traffic::default());
        let (orders, received) = mpsc::unbounded_channel();
        let shared = Shared {
            server_port,
            traffic: traffic.clone(),
            orders: orders.clone(),
            network: watch::Sender::new(Network::Passes),
        };
        let gate = Gate { port, shared, listener: None, connections: JoinSet::new() };
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || runtime.block_on(gate.run(received)))?;
        let proxy = Self { port, traffic, orders, thread: Some(thread) };
        proxy.heal()?; // it listens when this returns
        Ok(proxy)
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address for drivers: `bolt://127.0.0.1:PORT`.
    pub fn bolt(&self) -> String {
        format!("bolt://127.0.0.1:{}", self.port)
    }

    /// Passes everything, and takes connections again. What was held back is delivered.
    pub fn heal(&self) -> Result<()> {
        self.order(What::Become(Network::Passes))
    }

    /// Delivers bytes so much later than they were sent, each way.
    pub fn delay(&self, time: Duration) -> Result<()> {
        self.order(What::Become(Network::Delays(time)))
    }

    /// Delivers no more bytes a second than this, each way of each connection.
    pub fn slow(&self, bytes_per_second: u64) -> Result<()> {
        self.order(What::Become(Network::Slows { bytes_per_second: bytes_per_second.max(1) }))
    }

    /// Takes connections and bytes, and delivers neither bytes nor ends of connections: as a cable that was pulled, or a machine that
    /// is gone. TCP delivers what it kept when the cable is put in again, and so does [`Self::heal`].
    pub fn half_open(&self) -> Result<()> {
        self.order(What::Become(Network::Holds))
    }

    /// Resets all connections and refuses new ones until [`Self::heal`]: as a process that died.
    pub fn cut(&self) -> Result<()> {
        self.order(What::End(End::Cut))
    }

    /// Resets all connections, and takes new ones: as a load balancer that was started anew.
    pub fn reset(&self) -> Result<()> {
        self.order(What::End(End::Reset))
    }

    /// Lets so many more bytes of this side pass, all connections together, and cuts where it sends more ([`Self::cut`]).
    ///
    /// `cut_after(Side::Server, 0)` before a commit is the commit that was done, and never answered.
    pub fn cut_after(&self, side: Side, bytes: u64) -> Result<()> {
        self.limit(side, bytes, End::Cut)
    }

    /// As [`Self::cut_after`], and takes new connections at once ([`Self::reset`]).
    pub fn reset_after(&self, side: Side, bytes: u64) -> Result<()> {
        self.limit(side, bytes, End::Reset)
    }

    /// Connections that it took so far.
    pub fn connections(&self) -> u64 {
        self.traffic.connections.load(Ordering::Relaxed)
    }

    /// Bytes of this side that it delivered so far.
    pub fn bytes(&self, from: Side) -> u64 {
        self.traffic.bytes(from).load(Ordering::Relaxed)
    }

    fn limit(&self, side: Side, bytes: u64, then: End) -> Result<()> {
        self.order(What::Become(Network::Limits { side, bytes: self.bytes(side) + bytes, then }))
    }

    fn order(&self, what: What) -> Result<()> {
        let (done, answer) = std_mpsc::channel();
        let gone = "the proxy's thread is gone";
        self.orders.send(Order { what, done: Some(done) }).ok().context(gone)?;
        answer.recv().context(gone)?.with_context(|| format!("listening on port {}", self.port))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.orders.send(Order { what: What::Stop, done: None }); // if it panicked it has stopped
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // and whoever gave it an order was told
        }
    }
}

/// What all connections see.
#[derive(Debug, Clone)]
struct Shared {
    server_port: u16,
    traffic: Arc<Traffic>,
    orders: mpsc::UnboundedSender<Order>,
    network: watch::Sender<Network>,
}

/// The proxy's own side of an order.
struct Gate {
    port: u16,
    shared: Shared,
    listener: Option<TcpListener>,
    connections: JoinSet<()>,
}

impl Gate {
    /// Takes connections and carries out orders until it is told to stop.
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            let accept = async {
                match &self.listener {
                    Some(listener) => listener.accept().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                order = orders.recv() => {
                    let Some(Order { what, done }) = order else { return };
                    if matches!(what, What::Stop) {
                        return;
                    }
                    let result = self.carry_out(what).await;
                    if let Some(done) = done {
                        let _ = done.send(result); // whoever asked is gone
                    }
                }
                accepted = accept => if let Ok((client, _)) = accepted {
                    self.shared.traffic.connections.fetch_add(1, Ordering::Relaxed);
                    self.connections.spawn(connection::serve(client, self.shared.clone()));
                },
                Some(_) = self.connections.join_next() => {} // so that ended ones do not pile up
            }
        }
    }

    async fn carry_out(&mut self, what: What) -> io::Result<()> {
        match what {
            What::Become(network) => {
                if self.listener.is_none() {
                    self.listener = Some(TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await?);
                }
                self.shared.network.send_replace(network);
            }
            What::End(end) => self.end(end).await,
            What::EndAtLimit => {
                let network = *self.shared.network.borrow();
                if let Network::Limits { then, .. } = network {
                    self.end(then).await;
                }
            }
            What::Stop => {}
        }
        Ok(())
    }

    /// Resets all connections.
    async fn end(&mut self, end: End) {
        if end == End::Cut {
            self.listener = None; // so that the kernel refuses them
        }
        self.shared.network.send_replace(Network::Ended);
        while self.connections.join_next().await.is_some() {}
        self.shared.network.send_replace(Network::Passes);
    }
}
