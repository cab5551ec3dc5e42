//! The gateway: connections, sessions, what a role may send and how fast. Holds nothing that a resume or a new login does not bring
//! back. One for each core; no I/O. What all cores must agree on is in [`Shared`].

mod addresses;
mod event;
mod heartbeat;
mod hello;
pub mod jwt;
pub mod pace;
mod refusal;
pub mod session;
pub mod sessions;
pub mod token;

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use entitygraph_schema::{
    codec::Input,
    wire::{
        Class, Kind, Role,
        control::{
            self, Control, Message,
            message::{self, Code},
        },
        frame::Frames,
    },
};
use hashbrown::HashMap;
use parking_lot::{Mutex, MutexGuard};

use self::{
    addresses::Addresses,
    pace::{Pace, Verdict},
    session::{Act, Event as Happening, closed},
    sessions::Sessions,
    token::ShardKey,
};
pub use self::{
    event::{Effect, Event, Out},
    refusal::Refusal,
};
use crate::{
    config::Config,
    machine::{Machine, Now},
    message::{Connection, Up},
    socket::frame::{Opcode, control as control_frame},
};

/// What the cores of a hub's gateway agree on: asked when connections and sessions begin and end, never for a message.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<Known>>);

#[derive(Debug)]
struct Known {
    sessions: Sessions,
    addresses: Addresses,
}

impl Shared {
    /// Of a hub that nobody has come to. `incarnation` is the number of its start: the shard clock then, in microseconds.
    pub fn new(config: &Config, key: ShardKey, incarnation: u64) -> Self {
        let resume_us = u64::from(config.resume_ms) * 1_000;
        let sessions = Sessions::new(key, incarnation, resume_us, config.sessions_max);
        Self(Arc::new(Mutex::new(Known { sessions, addresses: Addresses::default() })))
    }

    /// Sessions that are live, those that are detached or remembered, and connections that wait for a Hello.
    pub fn counts(&self) -> (usize, usize, usize) {
        let known = self.lock();
        let (live, detached) = known.sessions.counts();
        (live, detached, known.addresses.waiting())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock()
    }
}

/// A session, as the gateway of its connection knows it.
#[derive(Debug)]
struct Live {
    number: u64,
    role: Role,
    subject: Arc<str>,
    /// When the login ends, in microseconds of the shard clock.
    until_us: Option<u64>,
    /// When it gets its next resume token.
    renew_us: u64,
    /// The last report that was taken; servers.
    batch: u64,
}

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    Waiting { since_us: u64 },
    /// Hello was good.
    Session(Live),
}

#[derive(Debug)]
struct Peer {
    state: State,
    address: IpAddr,
    pace: Pace,
    heard_us: u64,
}

impl Peer {
    fn role(&self) -> Role {
        match &self.state {
            State::Session(live) => live.role,
            State::Waiting { .. } => Role::Player,
        }
    }
}

/// Frames, and bytes of their bodies, that came in a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Frames.
    pub frames: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The role.
#[derive(Debug)]
pub struct Gateway {
    config: Config,
    key: ShardKey,
    /// Number of the hub's start.
    incarnation: u64,
    shared: Shared,
    peers: HashMap<Connection, Peer>,
    servers: Vec<Connection>,
    counts: [Count; Class::ALL.len()],
}

impl Machine for Gateway {
    type Event = Event;
    type Out = Out;

    fn handle(&mut self, now: Now, event: Event, out: &mut Out) {
        match event {
            Event::Connected(connection, address) => self.connected(now, connection, address, out),
            Event::Message(connection, message) => self.message(now, connection, &message, out),
            Event::Ping(connection, body) => {
                if self.paced(now, connection, 1, body.len(), out) {
                    out.push(Effect::Raw(connection, control_frame(Opcode::Pong, &body)));
                }
            }
            Event::Pong(connection) => drop(self.paced(now, connection, 1, 0, out)),
            Event::Ended(connection) => self.ended(now, connection, Happening::Lost, out),
            Event::Closing(connection, refusal) => {
                if self.peers.contains_key(&connection) {
                    self.close(now, connection, refusal, out);
                }
            }
            Event::Beat => self.beat(now, out),
            Event::Second => self.second(now, out),
        }
    }

    /// Never: the shell says when a second has passed.
    fn wake_us(&self) -> Option<u64> {
        None
    }
}

impl Gateway {
    /// With no connections. `incarnation` is that of `shared`.
    pub fn new(config: Config, key: ShardKey, incarnation: u64, shared: Shared) -> Self {
        let (peers, servers, counts) = Default::default();
        Self { config, key, incarnation, shared, peers, servers, counts }
    }

    /// Largest message in bytes that the connection may send now.
    pub fn message_bytes_max(&self, connection: Connection) -> u64 {
        let role = self.peers.get(&connection).map_or(Role::Player, Peer::role);
        self.config.limits(role).message_bytes as u64
    }

    /// What came since this was asked last, by class.
    pub fn take_counts(&mut self) -> [Count; Class::ALL.len()] {
        std::mem::take(&mut self.counts)
    }

    fn live(&mut self, connection: Connection) -> Option<&mut Live> {
        match &mut self.peers.get_mut(&connection)?.state {
            State::Session(live) => Some(live),
            State::Waiting { .. } => None,
        }
    }

    fn connected(&mut self, now: Now, connection: Connection, address: IpAddr, out: &mut Out) {
        let now_us = now.shard_us;
        let arrived = if self.peers.len() >= self.config.connections_max {
            Err(Refusal::new(Code::Busy, "no room for another connection"))
        } else {
            self.shared.lock().addresses.arrives(now_us, address, &self.config)
        };
        if let Err(refusal) = arrived {
            return out.push(Effect::Close(connection, refusal));
        }
        let state = State::Waiting { since_us: now_us };
        self.peers.insert(connection, Peer { state, address, pace: Pace::default(), heard_us: now_us });
    }

    fn message(&mut self, now: Now, connection: Connection, message: &Bytes, out: &mut Out) {
        let Some(peer) = self.peers.get(&connection) else { return };
        let limits = self.config.limits(peer.role());
        let mut count = 0;
        let frames = match Frames::new(message, limits) {
            Ok(frames) => frames,
            Err(error) => {
                let refusal = Refusal::new(code(error.is_too_large()), error.to_string());
                return self.close(now, connection, refusal, out);
            }
        };
        for frame in frames {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    let refusal = Refusal::new(code(error.is_too_large()), error.to_string());
                    return self.close(now, connection, refusal, out);
                }
            };
            count += 1;
            if let Some(of) = self.counts.get_mut(frame.kind.class() as usize) {
                *of = Count { frames: of.frames + 1, bytes: of.bytes + frame.body.len() as u64 };
            }
            if !self.frame(now, connection, frame.kind, message.slice_ref(frame.body), out) {
                return;
            }
        }
        self.paced(now, connection, count, message.len(), out);
    }

    /// Takes one frame; says whether the next one may follow.
    fn frame(&mut self, now: Now, connection: Connection, kind: Kind, body: Bytes, out: &mut Out) -> bool {
        let Some(live) = self.live(connection) else {
            return self.peers.contains_key(&connection) && self.hello(now, connection, kind, &body, out);
        };
        let role = live.role;
        if !kind.up().has(role) || kind == Kind::Hello {
            let reason = format!("a {role:?} may not send {kind} here");
            self.close(now, connection, Refusal::new(Code::Forbidden, reason), out);
            return false;
        }
        match kind {
            Kind::Ping | Kind::Pong | Kind::Goodbye | Kind::Authenticate | Kind::Limits => {}
            _ => {
                if kind == Kind::Report {
                    // The replicant takes only the next one, and what it was given before the connection ends.
                    let batch = Input::new("Report", &body).number().unwrap_or(0);
                    live.batch += u64::from(batch == live.batch + 1);
                }
                out.push(Effect::Up(Up::Frame { connection, kind, body }));
                return true;
            }
        }
        match Control::read(kind, &body) {
            Ok(Control::Ping(ping)) => {
                let (sender_us, shard_clock_us) = (ping.sender_us, now.shard_us);
                let pong = message::Pong { sender_us, shard_clock_us, tick: now.tick() };
                out.push(Effect::Send(connection, frame(&pong)));
                true
            }
            Ok(Control::Limits(limits)) => {
                let asked = Some(limits.down_bytes_per_s).filter(|bytes| *bytes > 0);
                out.push(Effect::Budget(connection, self.config.budget(role, asked)));
                // The radius is the replicant's.
                out.push(Effect::Up(Up::Frame { connection, kind, body }));
                true
            }
            Ok(Control::Authenticate(next)) => self.authenticate(now, connection, &next.token, out),
            Ok(Control::Goodbye(_)) => {
                out.push(Effect::Goodbye(connection));
                self.ended(now, connection, Happening::Left, out);
                false
            }
            Ok(_) => true,
            Err(error) => {
                self.close(now, connection, Refusal::new(Code::BadFrame, error.to_string()), out);
                false
            }
        }
    }

    /// Counts what came; says whether the connection is still there.
    fn paced(
        &mut self,
        now: Now,
        connection: Connection,
        frames: usize,
        bytes: usize,
        out: &mut Out,
    ) -> bool {
        let Some(peer) = self.peers.get_mut(&connection) else { return false };
        peer.heard_us = now.shard_us;
        let (role, address) = (peer.role(), peer.address);
        match peer.pace.take(now.shard_us, frames, bytes, &self.config.rate(role)) {
            Verdict::Go => true,
            Verdict::Wait(us) => {
                out.push(Effect::Wait(connection, us));
                true
            }
            Verdict::Flood => {
                let refusal = self.shared.lock().addresses.flooded(now.shard_us, address);
                self.close(now, connection, refusal, out);
                false
            }
        }
    }

    fn close(&mut self, now: Now, connection: Connection, refusal: Refusal, out: &mut Out) {
        let happening = closed(refusal.code);
        out.push(Effect::Close(connection, refusal));
        self.ended(now, connection, happening, out);
    }

    fn ended(&mut self, now: Now, connection: Connection, happening: Happening, out: &mut Out) {
        let Some(peer) = self.peers.remove(&connection) else { return };
        let mut shared = self.shared.lock();
        let State::Session(live) = peer.state else {
            return shared.addresses.waits_no_more(peer.address);
        };
        if live.role == Role::Server {
            self.servers.retain(|server| *server != connection);
        }
        match shared.sessions.ended(now.shard_us, live.number, connection, happening, live.batch) {
            Act::Keep => out.push(Effect::Up(Up::Detached(connection))),
            Act::Forget | Act::End => out.push(Effect::Up(Up::Gone(connection))),
            _ => {}
        }
    }
}

fn code(too_large: bool) -> Code {
    if too_large { Code::TooLarge } else { Code::BadFrame }
}

fn frame(message: &impl Message) -> Bytes {
    let mut bytes = Vec::new();
    control::put(message, &mut bytes);
    bytes.into()
}

#[cfg(test)]
mod tests;
