//! One server for the many small tests of a process.

use std::ops::Deref;

use anyhow::{Context, Result};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use crate::{Options, Server};

/// The process's one server, for whoever holds this, alone.
#[derive(Debug)]
pub struct Lease {
    server: MappedMutexGuard<'static, Server>,
}

/// The server that the tests of this process share, empty; waits until no other test holds it.
///
/// It is started by the first that asks. One that a test stopped, killed or left with data is no trouble to the next.
pub async fn shared() -> Result<Lease> {
    // Of this lock it is known that it works across runtimes, and each test has its own.
    static SHARED: Mutex<Option<Server>> = Mutex::const_new(None);
    let mut shared = SHARED.lock().await;
    match shared.as_ref() {
        Some(server) => {
            if !server.is_running()? {
                server.restart().await?;
            }
            server.wipe().await.context("wiping what the test before left")?;
        }
        None => *shared = Some(Server::start(Options::default()).await?),
    }
    let server = MutexGuard::try_map(shared, Option::as_mut).ok().context("a server was started just now")?;
    Ok(Lease { server })
}

impl Deref for Lease {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}
