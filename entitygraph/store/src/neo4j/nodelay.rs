//! Messages go at once: the driver's sockets are taken out of Nagle's algorithm.
//!
//! The driver leaves it on, and no way leads to its sockets. What it writes of a message behind the first 8 KiB waits in our kernel until
//! the server's has acknowledged those, and that takes 40 ms, since nothing is answered yet. So sockets of this process whose peer has the
//! database's port are looked up among its open files, and `TCP_NODELAY` is set on duplicates of them, which are the same sockets.
//!
//! New connections are found by what they cost: the first statement that takes as long as an acknowledgement has the files looked through
//! again. Where a container forbids duplicates of open files (`pidfd_getfd` needs `CAP_SYS_PTRACE` under some), and in clusters, whose
//! members may have any port, it stays as it was: [`super::message`] makes messages that wait for nothing.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// What an acknowledgement that is put off takes at least, with room for clocks.
const ACKNOWLEDGED: Duration = Duration::from_millis(35);
/// The open files are looked through no more often.
const APART: Duration = Duration::from_secs(1);

/// See the module.
pub struct NoDelay {
    /// Of the database; none where peers may have others.
    port: Option<u16>,
    /// Whether all sockets that were found send at once.
    at_once: AtomicBool,
    /// When the files were looked through last, and the sockets that were done then.
    last: Mutex<Option<Instant>>,
    done: Mutex<HashSet<String>>,
}

impl NoDelay {
    /// Nothing is looked through yet.
    pub fn new(port: Option<u16>) -> Arc<Self> {
        Arc::new(Self {
            port,
            at_once: AtomicBool::new(false),
            last: Mutex::default(),
            done: Mutex::default(),
        })
    }

    /// Whether messages of any length go without waiting, as far as is known.
    pub fn holds(&self) -> bool {
        self.at_once.load(Ordering::Relaxed)
    }

    /// Has the files looked through, beside the caller, if a statement took as long as with a new connection.
    pub fn took(self: &Arc<Self>, time: Duration) {
        if time < ACKNOWLEDGED || self.port.is_none() {
            return;
        }
        let mut last = self.last.lock();
        if last.is_none_or(|last| last.elapsed() > APART) {
            *last = Some(Instant::now());
            let this = self.clone();
            tokio::task::spawn_blocking(move || this.look());
        }
    }

    /// Looks through the open files of the process.
    pub fn look(&self) {
        let Some(port) = self.port else { return };
        match straighten(port, &mut self.done.lock()) {
            Ok(found) => self.at_once.store(found > 0, Ordering::Relaxed),
            Err(error) => {
                self.at_once.store(false, Ordering::Relaxed);
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "connections of the driver keep what is behind 8 KiB back; messages are made so that this costs nothing"
                );
            }
        }
    }
}

/// Sets the option on all sockets with that port at the other end; says how many there are. `done` are those that have it.
#[cfg(target_os = "linux")]
fn straighten(port: u16, done: &mut HashSet<String>) -> std::io::Result<usize> {
    use rustix::{
        net::{SocketAddrAny, sockopt},
        process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
    };

    let process = pidfd_open(getpid(), PidfdFlags::empty())?;
    let mut found = HashSet::new();
    for file in std::fs::read_dir("/proc/self/fd")? {
        let file = file?;
        let Some(number) = file.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that is gone by now is nobody's.
        let Ok(link) = std::fs::read_link(file.path()) else { continue };
        let Some(link) = link.to_str().filter(|link| link.starts_with("socket:")) else { continue };
        if done.contains(link) {
            found.insert(link.to_owned());
            continue;
        }
        let socket = match pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) {
            Ok(socket) => socket,
            Err(rustix::io::Errno::BADF) => continue,
            Err(error) => return Err(error.into()),
        };
        // Sockets of other families have no port, and those that listen no peer.
        let peer = rustix::net::getpeername(&socket).ok().flatten();
        let peer = peer.and_then(|peer: SocketAddrAny| std::net::SocketAddr::try_from(peer).ok());
        if peer.is_some_and(|peer| peer.port() == port) {
            sockopt::set_tcp_nodelay(&socket, true)?;
            found.insert(link.to_owned());
        }
    }
    let count = found.len();
    *done = found;
    Ok(count)
}

#[cfg(not(target_os = "linux"))]
fn straighten(_: u16, _: &mut HashSet<String>) -> std::io::Result<usize> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_to_the_port_send_at_once_and_others_stay() {
        let ours = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = |to: &std::net::TcpListener| {
            let connected = std::net::TcpStream::connect(to.local_addr().unwrap()).unwrap();
            connected.set_nodelay(false).unwrap();
            connected
        };
        let port = ours.local_addr().unwrap().port();
        let nodelay = NoDelay::new(Some(port));
        let (first, foreign) = (connect(&ours), connect(&other));
        assert!(!nodelay.holds());
        nodelay.look();
        if let Err(error) = straighten(port, &mut HashSet::new()) {
            // Where it is forbidden, messages stay small.
            assert!(!nodelay.holds() && !first.nodelay().unwrap(), "{error}");
            return;
        }
        assert!(nodelay.holds() && first.nodelay().unwrap() && !foreign.nodelay().unwrap());
        // A new one is found when a statement took as long as an acknowledgement, and the option is not set twice.
        let second = connect(&ours);
        first.set_nodelay(false).unwrap();
        nodelay.took(Duration::from_millis(1));
        assert!(!second.nodelay().unwrap());
        nodelay.took(Duration::from_millis(41));
        let found = async {
            while !second.nodelay().unwrap() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), found).await.unwrap();
        assert!(!first.nodelay().unwrap(), "looked at again");
    }

    #[tokio::test]
    async fn the_sockets_of_the_driver_are_found_where_that_is_allowed() {
        let (client, _lease) = crate::neo4j::tests::server_client().await;
        crate::neo4j::open::format(&client).await.unwrap();
        client.nodelay.look();
        let port = client.nodelay.port.unwrap();
        let found = straighten(port, &mut HashSet::new());
        assert!(
            found.is_err() || found.is_ok_and(|found| found > 0),
            "the driver has no socket to port {port}"
        );
        assert_eq!(client.nodelay.holds(), straighten(port, &mut HashSet::new()).is_ok());
    }

    #[test]
    fn where_peers_may_have_any_port_nothing_is_done() {
        let nodelay = NoDelay::new(None);
        nodelay.look();
        assert!(!nodelay.holds());
    }
}
