//! One connection of a core: its socket, what waits for it, and the task that reads it.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{net::TcpStream, sync::Notify, time};

use super::core::Core;
use crate::{
    gateway,
    message::Connection,
    socket::{
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
    /// A task waits for the socket to take more.
    pub flushing: Cell<bool>,
    /// When the socket took something last, while something waits for it; microseconds of the shard clock.
    pub took_us: Cell<u64>,
    /// Microseconds for which it is not read.
    pub wait_us: Cell<u64>,
    pub closed: Cell<bool>,
    /// Ends the reader of a connection that is closed.
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
            flushing: Cell::new(false),
            took_us: Cell::new(0),
            wait_us: Cell::new(0),
            closed: Cell::new(false),
            gone: Notify::new(),
        }
    }
}

/// Reads a connection until it ends.
pub async fn read(core: Rc<Core>, link: Rc<Link>) {
    tokio::select! {
        () = link.gone.notified() => {}
        () = until_end(&core, &link) => core.ended(&link).await,
    }
}

async fn until_end(core: &Rc<Core>, link: &Rc<Link>) {
    let Some(mut first) = upgraded(core, link).await else { return };
    let mut reader = Reader::new(0);
    if !first.is_empty() {
        let Some(effects) = take(core, link, &mut reader, &mut first) else { return };
        core.apply(effects).await;
    }
    while !link.closed.get() {
        let wait_us = link.wait_us.replace(0);
        if wait_us > 0 {
            time::sleep(Duration::from_micros(wait_us)).await;
        }
        if link.stream.readable().await.is_err() {
            return;
        }
        let Some(effects) = some(core, link, &mut reader) else { return };
        core.apply(effects).await;
    }
}

/// Answers the request; gives what came behind it, or nothing if it did not become a WebSocket.
async fn upgraded(core: &Rc<Core>, link: &Rc<Link>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        link.stream.readable().await.ok()?;
        match link.stream.try_read_buf(&mut bytes) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        }
        match accept(&bytes) {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                link.writer.borrow_mut().raw(&link.stream, accepted.answer.into()).ok()?;
                link.upgraded.set(true);
                return Some(bytes.split_off(accepted.request_bytes));
            }
            Err(refused) => {
                link.writer.borrow_mut().raw(&link.stream, refused.answer().into()).ok()?;
                core.linger(link);
                return None;
            }
        }
    }
}

/// Reads what the socket has into the memory that all connections of the core share; `None` at the end.
fn some(core: &Rc<Core>, link: &Rc<Link>, reader: &mut Reader) -> Option<gateway::Out> {
    let mut scratch = core.scratch.borrow_mut();
    match link.stream.try_read(&mut scratch) {
        Ok(0) => None,
        Ok(count) => take(core, link, reader, &mut scratch[..count]),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Some(gateway::Out::new()),
        Err(_) => None,
    }
}

/// Gives the gateway what came; `None` when the peer ended the connection.
fn take(core: &Rc<Core>, link: &Rc<Link>, reader: &mut Reader, bytes: &mut [u8]) -> Option<gateway::Out> {
    let mut out = gateway::Out::new();
    let mut ended = false;
    reader.limit(core.message_bytes_max(link.id));
    let fed = reader.feed(bytes, |item| match item {
        Item::Message(body) => {
            core.handle(gateway::Event::Message(link.id, Bytes::copy_from_slice(body)), &mut out);
        }
        Item::Ping(body) => {
            core.handle(gateway::Event::Ping(link.id, Bytes::copy_from_slice(body)), &mut out);
        }
        Item::Pong => core.handle(gateway::Event::Pong(link.id), &mut out),
        Item::Close(_) => ended = true,
    });
    match fed {
        Err(fault) => core.fault(link.id, fault, &mut out),
        Ok(()) if ended => out.push(gateway::Effect::Goodbye(link.id)),
        Ok(()) => {}
    }
    Some(out)
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
