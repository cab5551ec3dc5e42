//! The gateway: connections, sessions, what a role may send and how fast. Holds nothing that a new login does not bring back.
//! One for each core; no I/O.

pub mod hello;
pub mod pace;

use std::net::IpAddr;

use bytes::Bytes;
use entitygraph_schema::wire::{
    Kind, Role, VERSION,
    control::{
        self, Control, Message,
        message::{self, Code},
    },
    frame::Frames,
    limits::Limits,
};
use hashbrown::HashMap;

use self::{
    hello::Refusal,
    pace::{Pace, Verdict},
};
use crate::{
    config::Config,
    machine::{Machine, Now},
    message::{Connection, Up},
    replicant::LOAD_MS,
    socket::frame::{Opcode, control as control_frame},
};

/// What happens to the gateway.
#[derive(Debug)]
pub enum Event {
    /// A socket was accepted.
    Connected(Connection, IpAddr),
    /// A binary message came.
    Message(Connection, Bytes),
    /// A Ping of the WebSocket came, with this body.
    Ping(Connection, Bytes),
    /// A Pong of the WebSocket came.
    Pong(Connection),
    /// The socket is gone.
    Ended(Connection),
    /// A second has passed.
    Second,
}

/// What the gateway wants done, in this order.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Whole frames, to be sent as one message.
    Send(Connection, Bytes),
    /// Bytes that have their WebSocket header already.
    Raw(Connection, Bytes),
    /// To the replicant.
    Up(Up),
    /// No reading for this many microseconds.
    Wait(Connection, u64),
    /// `Refused` with this code, then the close; `Ended` follows at once.
    Close(Connection, Code, String),
    /// A close as the peer asked for, 1000; `Ended` follows at once.
    Goodbye(Connection),
}

/// The effects of events.
pub type Out = Vec<Effect>;

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    Waiting { since_us: u64, address: IpAddr },
    /// Hello was good.
    Session { role: Role, limits: Limits },
}

#[derive(Debug)]
struct Peer {
    state: State,
    pace: Pace,
    heard_us: u64,
}

/// The role.
#[derive(Debug)]
pub struct Gateway {
    config: Config,
    /// Number of the hub's start.
    incarnation: u64,
    /// Upper bits of the numbers of its sessions.
    core: u16,
    sessions: u64,
    peers: HashMap<Connection, Peer>,
    waiting: HashMap<IpAddr, usize>,
    waiting_count: usize,
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
            Event::Ended(connection) => self.ended(connection, out),
            Event::Second => self.second(now, out),
        }
    }

    /// Never: the shell says when a second has passed.
    fn wake_us(&self) -> Option<u64> {
        None
    }
}

impl Gateway {
    /// With no connections.
    pub fn new(config: Config, core: u16, incarnation: u64) -> Self {
        let (peers, waiting) = Default::default();
        Self { config, incarnation, core, sessions: 0, peers, waiting, waiting_count: 0 }
    }

    /// Largest message in bytes that the connection may send now.
    pub fn message_bytes_max(&self, connection: Connection) -> u64 {
        let limits = match self.peers.get(&connection) {
            Some(Peer { state: State::Session { limits, .. }, .. }) => *limits,
            _ => self.config.limits(Role::Player),
        };
        limits.message_bytes as u64
    }

    fn connected(&mut self, now: Now, connection: Connection, address: IpAddr, out: &mut Out) {
        let of_address = self.waiting.get(&address).copied().unwrap_or(0);
        let full = self.peers.len() >= self.config.connections_max
            || self.waiting_count >= self.config.waiting_max
            || of_address >= self.config.waiting_per_address_max;
        if full {
            return out.push(Effect::Close(connection, Code::Busy, "no room for another connection".into()));
        }
        *self.waiting.entry(address).or_default() += 1;
        self.waiting_count += 1;
        let state = State::Waiting { since_us: now.shard_us, address };
        self.peers.insert(connection, Peer { state, pace: Pace::default(), heard_us: now.shard_us });
    }

    fn message(&mut self, now: Now, connection: Connection, message: &Bytes, out: &mut Out) {
        let Some(peer) = self.peers.get(&connection) else { return };
        let limits = match &peer.state {
            State::Waiting { .. } => self.config.limits(Role::Player),
            State::Session { limits, .. } => *limits,
        };
        let mut count = 0;
        let frames = match Frames::new(message, limits) {
            Ok(frames) => frames,
            Err(error) => return self.close(connection, code(error.is_too_large()), error.to_string(), out),
        };
        for frame in frames {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    return self.close(connection, code(error.is_too_large()), error.to_string(), out);
                }
            };
            count += 1;
            if !self.frame(now, connection, frame.kind, message.slice_ref(frame.body), out) {
                return;
            }
        }
        self.paced(now, connection, count, message.len(), out);
    }

    /// Takes one frame; says whether the next one may follow.
    fn frame(&mut self, now: Now, connection: Connection, kind: Kind, body: Bytes, out: &mut Out) -> bool {
        let Some(peer) = self.peers.get(&connection) else { return false };
        let State::Session { role, .. } = peer.state else {
            return self.hello(now, connection, kind, &body, out);
        };
        if !kind.up().has(role) || kind == Kind::Hello {
            let reason = format!("a {role:?} may not send {kind} here");
            self.close(connection, Code::Forbidden, reason, out);
            return false;
        }
        match kind {
            Kind::Ping | Kind::Pong | Kind::Goodbye => match Control::read(kind, &body) {
                Ok(Control::Ping(ping)) => {
                    let (sender_us, shard_clock_us) = (ping.sender_us, now.shard_us);
                    let pong = message::Pong { sender_us, shard_clock_us, tick: now.tick() };
                    out.push(Effect::Send(connection, frame(&pong)));
                }
                Ok(Control::Goodbye(_)) => {
                    out.push(Effect::Goodbye(connection));
                    self.ended(connection, out);
                    return false;
                }
                Ok(_) => {}
                Err(error) => {
                    self.close(connection, Code::BadFrame, error.to_string(), out);
                    return false;
                }
            },
            _ => out.push(Effect::Up(Up::Frame { connection, kind, body })),
        }
        true
    }

    fn hello(&mut self, now: Now, connection: Connection, kind: Kind, body: &[u8], out: &mut Out) -> bool {
        let hello = match Control::read(kind, body) {
            Ok(Control::Hello(hello)) => hello,
            Ok(_) => {
                self.close(connection, Code::BadFrame, format!("{kind} before Hello"), out);
                return false;
            }
            Err(error) => {
                self.close(connection, Code::BadFrame, error.to_string(), out);
                return false;
            }
        };
        let (role, subject) = match hello::judged(&hello) {
            Ok(judged) => judged,
            Err(Refusal { code, reason }) => {
                self.close(connection, code, reason, out);
                return false;
            }
        };
        let limits = self.config.limits(role);
        let Some(peer) = self.peers.get_mut(&connection) else { return false };
        if let State::Waiting { address, .. } =
            std::mem::replace(&mut peer.state, State::Session { role, limits })
        {
            self.waits_no_more(address);
        }
        self.sessions += 1;
        let session = u64::from(self.core) << 48 | self.sessions;
        out.push(Effect::Send(connection, frame(&self.welcome(now, role, session))));
        out.push(Effect::Up(Up::Joined { connection, session, role, subject }));
        true
    }

    fn welcome(&self, now: Now, role: Role, session: u64) -> message::Welcome {
        let (limits, rate) = (self.config.limits(role), self.config.rate(role));
        message::Welcome {
            version: VERSION,
            session,
            role: message::Role::from(role).into(),
            incarnation: self.incarnation,
            tick_us: now.tick_us,
            tick: now.tick(),
            shard_clock_us: now.shard_us,
            ping_ms: 20_000,
            bounds: Some(message::Bounds {
                message_bytes: limits.message_bytes as u32,
                body_bytes: limits.body_bytes as u32,
                frames_per_s: rate.frames_per_s,
                bytes_per_s: rate.bytes_per_s,
                actions_waiting: self.config.room.actions_max(role) as u32,
                batches_waiting: self.config.room.batches_max(role) as u32,
                load_ms: LOAD_MS,
            }),
            ..Default::default()
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
        let role = match peer.state {
            State::Session { role, .. } => role,
            State::Waiting { .. } => Role::Player,
        };
        match peer.pace.take(now.shard_us, frames, bytes, &self.config.rate(role)) {
            Verdict::Go => true,
            Verdict::Wait(us) => {
                out.push(Effect::Wait(connection, us));
                true
            }
            Verdict::Flood => {
                self.close(connection, Code::Flood, "more than the rate that Welcome said".into(), out);
                false
            }
        }
    }

    fn second(&mut self, now: Now, out: &mut Out) {
        let over = |since_us: u64, limit_ms: u64| now.shard_us.saturating_sub(since_us) >= limit_ms * 1_000;
        let late: Vec<(Connection, &str)> = self
            .peers
            .iter()
            .filter_map(|(connection, peer)| match peer.state {
                State::Waiting { since_us, .. } if over(since_us, self.config.hello_ms) => {
                    Some((*connection, "no Hello in time"))
                }
                _ if over(peer.heard_us, self.config.silence_ms) => Some((*connection, "silence")),
                _ => None,
            })
            .collect();
        for (connection, reason) in late {
            self.close(connection, Code::Timeout, reason.into(), out);
        }
    }

    fn close(&mut self, connection: Connection, code: Code, reason: String, out: &mut Out) {
        out.push(Effect::Close(connection, code, reason));
        self.ended(connection, out);
    }

    fn ended(&mut self, connection: Connection, out: &mut Out) {
        match self.peers.remove(&connection).map(|peer| peer.state) {
            Some(State::Waiting { address, .. }) => self.waits_no_more(address),
            Some(State::Session { .. }) => out.push(Effect::Up(Up::Gone(connection))),
            None => {}
        }
    }

    fn waits_no_more(&mut self, address: IpAddr) {
        self.waiting_count -= 1;
        if let Some(count) = self.waiting.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(&address);
            }
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

/// The last frame before a close.
pub fn refused(code: Code, reason: &str) -> Bytes {
    let retry_after_ms = match code {
        Code::Busy => 1_000,
        Code::Flood => 10_000,
        _ => 0,
    };
    let mut reason = reason.to_owned();
    reason.truncate(reason.floor_char_boundary(control::TEXT_BYTES_MAX));
    let (version_min, version_max) = if code == Code::Version { (VERSION, VERSION) } else { (0, 0) };
    frame(&message::Refused { code: code.into(), reason, retry_after_ms, version_min, version_max })
}

#[cfg(test)]
mod tests;
