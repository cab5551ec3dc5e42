//! One core of the gateway: a thread with its connections. It alone reads and writes them, so a message costs no lock, and
//! messages of a moment are written in the order in which their slices were made.

use std::{
    cell::RefCell,
    net::{IpAddr, TcpListener},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use entitygraph_schema::wire::{Class, control::message::Code};
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    task::{LocalSet, spawn_local, yield_now},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    Door,
    connection::{self, Link},
};
use crate::{
    clock::Clock,
    config::Config,
    gateway::{self, Count, Event, Gateway, Refusal, Shared},
    line::channel::{Receiver, Sender},
    machine::Machine,
    message::{Connection, Parcels, Up},
    metrics::{Direction, Metrics},
};

/// Bytes read at once, of whatever connection.
const SCRATCH_BYTES: usize = 64 << 10;

/// Messages written before sockets are read again.
const MESSAGES_AT_ONCE: usize = 64;

/// Beats in a second.
const BEATS: u32 = 4;

/// A connection that was accepted.
#[derive(Debug)]
pub struct Arrival {
    /// Its socket, that does not block.
    pub stream: std::net::TcpStream,
    /// Of the peer.
    pub address: IpAddr,
    /// When its request was answered already: what was read behind it.
    pub upgraded: Option<Bytes>,
}

/// What a core begins with.
pub struct Seat {
    pub number: u16,
    pub config: Config,
    pub clock: Clock,
    pub gateway: Gateway,
    pub shared: Shared,
    pub metrics: Metrics,
    pub up: Sender<Up>,
    /// The same for what sockets take, which overtakes all else.
    pub flow: Sender<Up>,
    pub parcels: Receiver<Parcels>,
    pub arriving: Receiver<Arrival>,
    /// To each core, this one too: connections of it that are to be closed.
    pub orders: Vec<Sender<(Connection, Refusal)>>,
    pub ordered: Receiver<(Connection, Refusal)>,
    /// The core that accepts for all.
    pub accepts: Option<(TcpListener, Door)>,
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
    pub number: u16,
    pub config: Config,
    pub clock: Clock,
    pub gateway: RefCell<Gateway>,
    slots: RefCell<Slots>,
    pub up: Sender<Up>,
    pub flow: Sender<Up>,
    pub orders: Vec<Sender<(Connection, Refusal)>>,
    pub metrics: Metrics,
    shared: Shared,
    /// What was sent since it was added to the figures last, by class.
    sent: RefCell<[Count; Class::ALL.len()]>,
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
    let Seat { mut parcels, mut arriving, mut ordered, accepts, stop, .. } = seat;
    let core = Rc::new(Core {
        number: seat.number,
        config: seat.config,
        clock: seat.clock,
        gateway: RefCell::new(seat.gateway),
        slots: RefCell::default(),
        up: seat.up,
        flow: seat.flow,
        orders: seat.orders,
        metrics: seat.metrics,
        shared: seat.shared,
        sent: RefCell::default(),
        scratch: RefCell::new(vec![0; SCRATCH_BYTES].into()),
    });
    if let Some((listener, door)) = accepts {
        spawn_local(accept(listener, door));
    }
    let mut beat = interval(Duration::from_secs(1) / BEATS);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beats = 0;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            next = parcels.next() => match next {
                Some(next) => core.deliver(&next).await,
                None => break,
            },
            Some((connection, refusal)) = ordered.next() => {
                core.happens(Event::Closing(connection, refusal)).await;
            }
            Some(arrival) = arriving.next() => core.arrived(arrival).await,
            _ = beat.tick() => {
                beats += 1;
                core.happens(Event::Beat).await;
                if beats % BEATS == 0 {
                    core.second().await;
                }
            }
        }
    }
    core.drained();
}

async fn accept(listener: TcpListener, door: Door) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the stream cannot be listened for"),
    };
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                if let Ok(stream) = stream.into_std() {
                    door.enter(Arrival { stream, address: address.ip(), upgraded: None }).await;
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

    /// Has the gateway handle an event, and does what follows.
    pub async fn happens(self: &Rc<Self>, event: Event) {
        let mut out = gateway::Out::new();
        self.handle(event, &mut out);
        self.apply(out).await;
    }

    async fn arrived(self: &Rc<Self>, arrival: Arrival) {
        let Arrival { stream, address, upgraded } = arrival;
        let Ok(stream) = TcpStream::from_std(stream) else { return };
        let buffer = SockRef::from(&stream).set_send_buffer_size(self.config.send_buffer_bytes);
        if let Err(error) = buffer.and_then(|()| stream.set_nodelay(true)) {
            return tracing::debug!(%error, "a connection was gone before it began");
        }
        let link = self.seated(address, stream);
        link.upgraded.set(upgraded.is_some());
        self.happens(Event::Connected(link.id, address)).await;
        if !link.closed.get() {
            spawn_local(connection::read(self.clone(), link, upgraded));
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

    pub fn link(&self, id: Connection) -> Option<Rc<Link>> {
        let slots = self.slots.borrow();
        slots.slots.get(id.slot as usize)?.link.as_ref().filter(|link| link.id == id).cloned()
    }

    fn links(&self) -> Vec<Rc<Link>> {
        self.slots.borrow().slots.iter().filter_map(|slot| slot.link.clone()).collect()
    }

    /// Takes the connection out of its slot; says whether it was there.
    pub fn unseated(&self, link: &Rc<Link>) -> bool {
        if link.closed.replace(true) {
            return false;
        }
        let mut slots = self.slots.borrow_mut();
        if let Some(slot) = slots.slots.get_mut(link.id.slot as usize)
            && slot.generation == link.id.generation
            && slot.link.take().is_some()
        {
            slots.free.push(link.id.slot);
        }
        link.gone.notify_waiters();
        true
    }

    /// Writes what a moment made.
    async fn deliver(self: &Rc<Self>, parcels: &Parcels) {
        let mut written = 0;
        let mut now_us = self.clock.now().shard_us;
        for (parcel, frames) in parcels.iter() {
            written += 1;
            if written % MESSAGES_AT_ONCE == 0 {
                yield_now().await;
                now_us = self.clock.now().shard_us;
            }
            let Some(link) = self.link(parcel.connection) else { continue };
            self.count(frames.clone());
            let before = link.writer.borrow().left_bytes();
            let result = link.writer.borrow_mut().message(&link.stream, parcel.length as usize, frames);
            self.wrote(&link, now_us, before, parcel.length as usize, result);
        }
        for (connection, code, reason) in &parcels.closes {
            self.happens(Event::Closing(*connection, Refusal::new(*code, reason.as_str()))).await;
        }
    }

    /// Counts frames that are sent, by the class in their first byte.
    pub fn count<'f>(&self, frames: impl Iterator<Item = &'f Bytes>) {
        let mut sent = self.sent.borrow_mut();
        for frame in frames {
            let class = frame.first().map_or(0, |kind| kind >> 5);
            if let Some(of) = sent.get_mut(usize::from(class)) {
                *of = Count { frames: of.frames + 1, bytes: of.bytes + frame.len() as u64 };
            }
        }
    }

    /// The socket is gone.
    pub async fn ended(self: &Rc<Self>, link: &Rc<Link>) {
        self.unseated(link);
        self.happens(Event::Ended(link.id)).await;
    }

    async fn second(self: &Rc<Self>) {
        self.happens(Event::Second).await;
        let now_us = self.clock.now().shard_us;
        let slow: Vec<(Connection, &str)> = self
            .links()
            .iter()
            .filter_map(|link| Some((link.id, link.too_slow(now_us, &self.config)?)))
            .collect();
        for (id, reason) in slow {
            self.happens(Event::Closing(id, Refusal::new(Code::TooSlow, reason))).await;
        }
        let (live, detached, waiting) = self.shared.counts();
        self.metrics.sessions(live, detached, waiting);
        self.metrics.frames(Direction::Up, &self.gateway.borrow_mut().take_counts());
        self.metrics.frames(Direction::Down, &self.sent.take());
    }

    /// The hub stops.
    fn drained(self: &Rc<Self>) {
        for link in self.links() {
            self.close(&link, &Refusal::new(Code::Draining, "this hub stops"));
        }
    }
}
