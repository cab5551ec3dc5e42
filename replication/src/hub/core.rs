//! One core of the gateway: a thread with its connections. It alone reads and writes them, so a message costs no lock, and
//! messages of a moment are written in the order in which their slices were made.

use std::{
    cell::RefCell,
    net::{IpAddr, TcpListener},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use entitygraph_schema::wire::control::message::Code;
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    task::{LocalSet, spawn_local, yield_now},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::connection::{self, Link};
use crate::{
    clock::Clock,
    config::Config,
    gateway::{self, Effect, Event, Gateway, refused},
    line::channel::{Receiver, Sender},
    machine::Machine,
    message::{Connection, Parcels, Up},
    socket::{Fault, accept::NotAccepted, frame::close},
};

/// Bytes read at once, of whatever connection.
const SCRATCH_BYTES: usize = 64 << 10;

/// Messages written before sockets are read again.
const MESSAGES_AT_ONCE: usize = 64;

/// A socket that was accepted.
pub type Arrival = (std::net::TcpStream, IpAddr);

/// What a core begins with.
pub struct Seat {
    pub number: u16,
    pub config: Config,
    pub clock: Clock,
    pub gateway: Gateway,
    pub up: Sender<Up>,
    pub parcels: Receiver<Parcels>,
    pub arriving: Receiver<Arrival>,
    /// The core that accepts for all.
    pub accepts: Option<(TcpListener, Vec<Sender<Arrival>>)>,
    pub stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    link: Option<Rc<Link>>,
}

#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

/// A core, as its tasks share it. Nothing in a cell is borrowed over an await.
#[derive(Debug)]
pub struct Core {
    number: u16,
    config: Config,
    clock: Clock,
    gateway: RefCell<Gateway>,
    slots: RefCell<Slots>,
    up: Sender<Up>,
    pub scratch: RefCell<Box<[u8]>>,
}

/// Runs until it is stopped.
pub fn run(seat: Seat) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => LocalSet::new().block_on(&runtime, drive(seat)),
        Err(error) => tracing::error!(%error, "a core of the gateway cannot run"),
    }
}

async fn drive(seat: Seat) {
    let Seat { number, config, clock, gateway, up, mut parcels, mut arriving, accepts, stop } = seat;
    let core = Rc::new(Core {
        number,
        config,
        clock,
        gateway: RefCell::new(gateway),
        slots: RefCell::default(),
        up,
        scratch: RefCell::new(vec![0; SCRATCH_BYTES].into()),
    });
    if let Some((listener, arrivals)) = accepts {
        spawn_local(accept(listener, arrivals));
    }
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            next = parcels.next() => match next {
                Some(next) => core.deliver(&next).await,
                None => break,
            },
            Some((stream, address)) = arriving.next() => core.arrived(stream, address).await,
            _ = second.tick() => core.second().await,
        }
    }
    core.drained();
}

async fn accept(listener: TcpListener, arrivals: Vec<Sender<Arrival>>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the stream cannot be listened for"),
    };
    for core in arrivals.iter().cycle() {
        match listener.accept().await {
            Ok((stream, address)) => {
                if let Ok(stream) = stream.into_std() {
                    core.sent((stream, address.ip())).await;
                }
            }
            Err(error) => {
                // Out of files, most likely: some will be given back.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

impl Core {
    pub fn handle(&self, event: Event, out: &mut gateway::Out) {
        self.gateway.borrow_mut().handle(self.clock.now(), event, out);
    }

    pub fn message_bytes_max(&self, connection: Connection) -> u64 {
        self.gateway.borrow().message_bytes_max(connection)
    }

    /// What is not to be read as WebSocket closes the connection.
    pub fn fault(&self, connection: Connection, fault: Fault, out: &mut gateway::Out) {
        let code = match fault {
            Fault::BadFrame(_) => Code::BadFrame,
            Fault::TooLarge { .. } => Code::TooLarge,
        };
        out.push(Effect::Close(connection, code, fault.to_string()));
        self.handle(Event::Ended(connection), out);
    }

    async fn arrived(self: &Rc<Self>, stream: std::net::TcpStream, address: IpAddr) {
        let Ok(stream) = TcpStream::from_std(stream) else { return };
        let buffer = SockRef::from(&stream).set_send_buffer_size(self.config.send_buffer_bytes);
        if let Err(error) = buffer.and_then(|()| stream.set_nodelay(true)) {
            return tracing::debug!(%error, "a connection was gone before it began");
        }
        let link = self.seated(address, stream);
        let mut out = gateway::Out::new();
        self.handle(Event::Connected(link.id, address), &mut out);
        self.apply(out).await;
        if !link.closed.get() {
            spawn_local(connection::read(self.clone(), link));
        }
    }

    fn seated(&self, address: IpAddr, stream: TcpStream) -> Rc<Link> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.free.pop().unwrap_or_else(|| {
            slots.slots.push(Slot::default());
            slots.slots.len() as u32 - 1
        });
        let seat = &mut slots.slots[slot as usize];
        seat.generation += 1;
        let id = Connection { core: self.number, slot, generation: seat.generation };
        let link = Rc::new(Link::new(id, address, stream));
        seat.link = Some(link.clone());
        link
    }

    fn link(&self, id: Connection) -> Option<Rc<Link>> {
        let slots = self.slots.borrow();
        slots.slots.get(id.slot as usize)?.link.as_ref().filter(|link| link.id == id).cloned()
    }

    /// Writes what a moment made.
    async fn deliver(self: &Rc<Self>, parcels: &Parcels) {
        let mut written = 0;
        for (parcel, frames) in parcels.iter() {
            written += 1;
            if written % MESSAGES_AT_ONCE == 0 {
                yield_now().await;
            }
            let Some(link) = self.link(parcel.connection) else { continue };
            let result = link.writer.borrow_mut().message(&link.stream, parcel.length as usize, frames);
            self.wrote(&link, result).await;
        }
        for (connection, code, reason) in &parcels.closes {
            let mut out = vec![Effect::Close(*connection, *code, reason.clone())];
            self.handle(Event::Ended(*connection), &mut out);
            self.apply(out).await;
        }
    }

    /// What follows from a write: nothing, in almost all cases.
    async fn wrote(self: &Rc<Self>, link: &Rc<Link>, result: std::io::Result<()>) {
        if result.is_err() {
            return self.ended(link).await;
        }
        let left = link.writer.borrow().left_bytes();
        if left == 0 || link.closed.get() {
            return;
        }
        if left > self.config.left_bytes_max {
            let mut out = vec![Effect::Close(link.id, Code::TooSlow, "too much waits for the socket".into())];
            self.handle(Event::Ended(link.id), &mut out);
            return Box::pin(self.apply(out)).await;
        }
        if !link.flushing.replace(true) {
            link.took_us.set(self.clock.now().shard_us);
            spawn_local(flush(self.clone(), link.clone()));
        }
    }

    /// Does what the gateway wants done.
    pub async fn apply(self: &Rc<Self>, effects: gateway::Out) {
        for effect in effects {
            match effect {
                Effect::Up(up) => drop(self.up.sent(up).await),
                Effect::Send(id, frames) => {
                    let Some(link) = self.link(id) else { continue };
                    let one = std::iter::once(&frames);
                    let result = link.writer.borrow_mut().message(&link.stream, frames.len(), one);
                    Box::pin(self.wrote(&link, result)).await;
                }
                Effect::Raw(id, bytes) => {
                    let Some(link) = self.link(id) else { continue };
                    let result = link.writer.borrow_mut().raw(&link.stream, bytes);
                    Box::pin(self.wrote(&link, result)).await;
                }
                Effect::Wait(id, us) => {
                    if let Some(link) = self.link(id) {
                        link.wait_us.set(us);
                    }
                }
                Effect::Close(id, code, reason) => {
                    if let Some(link) = self.link(id) {
                        self.close(&link, code, &reason);
                    }
                }
                Effect::Goodbye(id) => {
                    if let Some(link) = self.link(id) {
                        self.end(&link, close(1000, ""));
                        let mut out = gateway::Out::new();
                        self.handle(Event::Ended(id), &mut out);
                        Box::pin(self.apply(out)).await;
                    }
                }
            }
        }
    }

    /// Says why, and ends the connection; the gateway knows it already.
    fn close(self: &Rc<Self>, link: &Rc<Link>, code: Code, reason: &str) {
        tracing::debug!(connection = ?link.id, address = %link.address, code = code.name(), reason, "closed");
        if !link.upgraded.get() {
            let busy = NotAccepted { status: 503, reason: "no room for another connection" };
            return self.end(link, busy.answer().into());
        }
        let frame = refused(code, reason);
        // Whether it can still be told is the socket's affair: the connection ends either way.
        drop(link.writer.borrow_mut().message(&link.stream, frame.len(), std::iter::once(&frame)));
        self.end(link, close(code.close().unwrap_or(4500), reason));
    }

    fn end(self: &Rc<Self>, link: &Rc<Link>, last: Bytes) {
        drop(link.writer.borrow_mut().raw(&link.stream, last));
        self.linger(link);
    }

    /// Takes the connection out of its slot; what is left is written and read by a task of its own.
    pub fn linger(&self, link: &Rc<Link>) {
        if !link.closed.replace(true) {
            self.unseated(link);
            link.gone.notify_one();
            spawn_local(connection::linger(link.clone()));
        }
    }

    fn unseated(&self, link: &Rc<Link>) {
        let mut slots = self.slots.borrow_mut();
        if let Some(slot) = slots.slots.get_mut(link.id.slot as usize)
            && slot.generation == link.id.generation
            && slot.link.take().is_some()
        {
            slots.free.push(link.id.slot);
        }
    }

    /// The socket is gone.
    pub async fn ended(self: &Rc<Self>, link: &Rc<Link>) {
        if !link.closed.replace(true) {
            self.unseated(link);
            link.gone.notify_one();
        }
        let mut out = gateway::Out::new();
        self.handle(Event::Ended(link.id), &mut out);
        Box::pin(self.apply(out)).await;
    }

    async fn second(self: &Rc<Self>) {
        let mut out = gateway::Out::new();
        self.handle(Event::Second, &mut out);
        let now_us = self.clock.now().shard_us;
        let stuck = |link: &&Rc<Link>| {
            link.flushing.get() && now_us.saturating_sub(link.took_us.get()) >= self.config.stuck_ms * 1_000
        };
        let ids: Vec<Connection> = {
            let slots = self.slots.borrow();
            slots
                .slots
                .iter()
                .filter_map(|slot| slot.link.as_ref())
                .filter(stuck)
                .map(|link| link.id)
                .collect()
        };
        for id in ids {
            out.push(Effect::Close(id, Code::TooSlow, "the socket takes nothing".into()));
            self.handle(Event::Ended(id), &mut out);
        }
        self.apply(out).await;
    }

    /// The hub stops.
    fn drained(self: &Rc<Self>) {
        let links: Vec<Rc<Link>> =
            self.slots.borrow().slots.iter().filter_map(|slot| slot.link.clone()).collect();
        links.iter().for_each(|link| self.close(link, Code::Draining, "this hub stops"));
    }
}

/// Writes what waits as the socket takes it; the replicant makes nothing for it meanwhile.
async fn flush(core: Rc<Core>, link: Rc<Link>) {
    core.up.sent(Up::Full(link.id)).await;
    while !link.closed.get() {
        if link.stream.writable().await.is_err() {
            break;
        }
        let (before, result, after) = {
            let mut writer = link.writer.borrow_mut();
            let before = writer.left_bytes();
            let result = writer.flush(&link.stream);
            (before, result, writer.left_bytes())
        };
        match result {
            Err(_) => return core.ended(&link).await,
            Ok(true) => {
                link.flushing.set(false);
                core.up.sent(Up::Takes(link.id)).await;
                return;
            }
            Ok(false) if after < before => link.took_us.set(core.clock.now().shard_us),
            Ok(false) => {}
        }
    }
}
