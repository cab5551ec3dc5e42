//! One connection of a core: its socket, what waits for it, and the task that reads it.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use entitygraph_schema::wire::control::message::Code;
use tokio::{net::TcpStream, sync::Notify, time};

use super::core::Core;
use crate::{
    gateway::{self, Effect, Event, Refusal, pace::Credit},
    message::Connection,
    socket::{
        Fault,
        accept::accept,
        reader::{Item, Reader},
        writer::Writer,
    },
};

/// How long what a peer still sends is read and thrown away after its close, so that the close reaches it.
const LINGER: Duration = Duration::from_secs(1);

/// A connection, as its tasks share it.
#[derive(Debug)]
pub struct Link {
    pub id: Connection,
    pub address: IpAddr,
    pub stream: TcpStream,
    /// Borrowed for one write, never over an await.
    pub writer: RefCell<Writer>,
    /// The request was answered: what is sent are WebSocket frames.
    pub upgraded: Cell<bool>,
    /// The replicant makes nothing for it, until the socket takes more and the budget carries more.
    pub held: Cell<bool>,
    /// What it may be sent, and its budget in bytes a second; none before Hello.
    pub credit: Cell<Option<(Credit, u32)>>,
    /// When the socket took something last, while something waits for it; microseconds of the shard clock.
    pub took_us: Cell<u64>,
    /// Bytes that the socket took since the last second.
    pub taken_bytes: Cell<u64>,
    /// Something waited for the socket since then.
    pub waited: Cell<bool>,
    /// Since when each second was too slow.
    pub slow_since_us: Cell<Option<u64>>,
    /// Microseconds for which it is not read.
    pub wait_us: Cell<u64>,
    pub closed: Cell<bool>,
    /// Wakes whoever waits for a connection that is closed.
    pub gone: Notify,
}

impl Link {
    pub fn new(id: Connection, address: IpAddr, stream: TcpStream) -> Self {
        Self {
            id,
            address,
            stream,
            writer: RefCell::default(),
            upgraded: Cell::new(false),
            held: Cell::new(false),
            credit: Cell::new(None),
            took_us: Cell::new(0),
            taken_bytes: Cell::new(0),
            waited: Cell::new(false),
            slow_since_us: Cell::new(None),
            wait_us: Cell::new(0),
            closed: Cell::new(false),
            gone: Notify::new(),
        }
    }

    /// Waits until there is something to read; `false` when nobody is to read it any more.
    async fn readable(&self) -> bool {
        let wait_us = self.wait_us.replace(0);
        // Only here may it end: what was read is dealt with.
        self.unless_gone(async {
            if wait_us > 0 {
                time::sleep(Duration::from_micros(wait_us)).await;
            }
            self.stream.readable().await.is_ok()
        })
        .await
    }

    /// Waits for something, but not when the connection is closed; `false` then.
    pub async fn unless_gone(&self, something: impl Future<Output = bool>) -> bool {
        if self.closed.get() {
            return false;
        }
        tokio::select! {
            () = self.gone.notified() => false,
            done = something => done && !self.closed.get(),
        }
    }
}

/// Reads a connection until it ends. `upgraded` is what was read behind a request that was answered already.
pub async fn read(core: Rc<Core>, link: Rc<Link>, upgraded: Option<Bytes>) {
    let first = match upgraded {
        Some(first) => Some(first.into()),
        None => self::upgraded(&core, &link).await,
    };
    if let Some(first) = first {
        until_end(&core, &link, first).await;
    }
    if !link.closed.get() {
        core.ended(&link).await;
    }
}

async fn until_end(core: &Rc<Core>, link: &Rc<Link>, mut first: Vec<u8>) {
    let mut reader = Reader::new(0);
    if !first.is_empty() {
        core.apply(take(core, link, &mut reader, &mut first)).await;
    }
    // Not kept for as long as the connection lives.
    drop(first);
    while !link.closed.get() && link.readable().await {
        let Some(effects) = some(core, link, &mut reader) else { return };
        core.apply(effects).await;
    }
}

/// Answers the request; gives what came behind it, or nothing if it did not become a WebSocket.
async fn upgraded(core: &Rc<Core>, link: &Rc<Link>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while link.readable().await {
        match link.stream.try_read_buf(&mut bytes) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        }
        match accept(&bytes, core.config.keys.is_empty()) {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                link.writer.borrow_mut().first(&link.stream, accepted.answer.into()).ok()?;
                link.upgraded.set(true);
                return Some(bytes.split_off(accepted.request_bytes));
            }
            Err(refused) => {
                core.end(link, refused.answer().into());
                core.happens(Event::Ended(link.id)).await;
                return None;
            }
        }
    }
    None
}

/// Reads what the socket has into the memory that all connections of the core share; `None` at the end.
fn some(core: &Rc<Core>, link: &Rc<Link>, reader: &mut Reader) -> Option<gateway::Out> {
    let mut scratch = core.scratch.borrow_mut();
    match link.stream.try_read(&mut scratch) {
        Ok(0) => None,
        Ok(count) => Some(take(core, link, reader, &mut scratch[..count])),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Some(gateway::Out::new()),
        Err(_) => None,
    }
}

/// Gives the gateway what came.
fn take(core: &Rc<Core>, link: &Rc<Link>, reader: &mut Reader, bytes: &mut [u8]) -> gateway::Out {
    let mut out = gateway::Out::new();
    let mut ended = false;
    reader.limit(core.gateway.borrow().message_bytes_max(link.id));
    let fed = reader.feed(bytes, |item| match item {
        Item::Message(body) => {
            core.handle(Event::Message(link.id, Bytes::copy_from_slice(body)), &mut out);
        }
        Item::Ping(body) => core.handle(Event::Ping(link.id, Bytes::copy_from_slice(body)), &mut out),
        Item::Pong => core.handle(Event::Pong(link.id), &mut out),
        Item::Close(_) => ended = true,
    });
    if let Err(fault) = fed {
        let code = match fault {
            Fault::BadFrame(_) => Code::BadFrame,
            Fault::TooLarge { .. } => Code::TooLarge,
        };
        core.handle(Event::Closing(link.id, Refusal::new(code, fault.to_string())), &mut out);
    } else if ended {
        // A close of the WebSocket says less than Goodbye: the session may go on in another connection.
        out.push(Effect::Goodbye(link.id));
        core.handle(Event::Ended(link.id), &mut out);
    }
    out
}

/// Reads and throws away what still comes, for at most [`LINGER`], after everything that waits was written.
pub async fn linger(link: Rc<Link>) {
    let end = async {
        let mut bytes = [0; 4 << 10];
        loop {
            let done = link.writer.borrow_mut().flush(&link.stream);
            let more = match done {
                Ok(true) => link.stream.readable().await,
                Ok(false) => link.stream.writable().await,
                Err(_) => return,
            };
            match link.stream.try_read(&mut bytes) {
                Ok(0) => return,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                _ if more.is_err() => return,
                _ => {}
            }
        }
    };
    // Out of patience is an end as good as any other.
    drop(time::timeout(LINGER, end).await);
}
