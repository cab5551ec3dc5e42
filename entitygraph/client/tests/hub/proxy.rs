//! A TCP proxy that can be cut.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{broadcast, watch},
};

/// Leads to a hub.
pub struct Proxy {
    address: SocketAddr,
    to: watch::Sender<SocketAddr>,
    cut: broadcast::Sender<()>,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (to, leads_to) = watch::channel(to);
        let (cut, _) = broadcast::channel(1);
        let connections = Arc::new(AtomicUsize::new(0));
        let (cuts, count) = (cut.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let to = *leads_to.borrow();
                let mut cut = cuts.subscribe();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let Ok(mut to) = TcpStream::connect(to).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut from, &mut to) => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        });
        Self { address, to, cut, connections }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/stream", self.address)
    }

    /// Drops all connections.
    pub fn cut(&self) {
        // Without a connection there is nobody to hear it.
        drop(self.cut.send(()));
    }

    /// New connections go there.
    pub fn lead_to(&self, to: SocketAddr) {
        self.to.send(to).unwrap();
    }

    /// How many there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
