//! Settings: bounds with their units. Defaults are those of docs/protocol.md, "Limits".

use entitygraph_schema::wire::{Role, limits::Limits};

use crate::gateway::{jwt::Key, token::ShardKey};

/// All of it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Number of the shard: tokens are for one.
    pub shard: u64,
    /// Keys that logins are signed with. Without any, subjects are taken as they say who they are, on loopback only.
    pub keys: Vec<Key>,
    /// The key of the shard, the same for all its gateways, that resume tokens are signed with. Without one each start makes its own,
    /// and no session outlives it.
    pub shard_key: Option<ShardKey>,
    /// Length of a tick, in microseconds.
    pub tick_us: u32,
    /// Threads that own sockets.
    pub cores: u16,
    /// Connections at once; more are answered `BUSY`.
    pub connections_max: usize,
    /// Connections that have not said Hello yet, of all addresses together.
    pub waiting_max: usize,
    /// The same of one address.
    pub waiting_per_address_max: usize,
    /// Milliseconds until Hello.
    pub hello_ms: u64,
    /// Milliseconds of silence after which the connection of a player or viewer is lost.
    pub silence_ms: u64,
    /// Milliseconds that a server owns for after a Ping, and of silence after which its connection is lost.
    pub lease_ms: u32,
    /// Milliseconds for which a session outlives its connection, and a resume token is good.
    pub resume_ms: u32,
    /// Sessions at once, detached ones with them.
    pub sessions_max: usize,
    /// Milliseconds in which a socket must take something when something waits for it.
    pub stuck_ms: u64,
    /// Milliseconds below a quarter of `budget_bytes_per_s_min`, while something waits, after which a connection is closed.
    pub slow_ms: u64,
    /// Bytes a second that a player or viewer is sent at most.
    pub player_budget_bytes_per_s: u32,
    /// The same of a server.
    pub server_budget_bytes_per_s: u32,
    /// The least budget that a peer may ask for.
    pub budget_bytes_per_s_min: u32,
    /// Bytes that may wait for one socket.
    pub left_bytes_max: usize,
    /// Bytes that the kernel may keep for one socket: what is in there is told however old it is, so it is little.
    pub send_buffer_bytes: usize,
    /// Messages on a line between two roles.
    pub line_messages_max: usize,
    /// What players and viewers may send in a second.
    pub player_rate: Rate,
    /// What servers may send in a second.
    pub server_rate: Rate,
    /// What the replicant does.
    pub room: Room,
}

/// What a peer may send in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Frames.
    pub frames_per_s: u32,
    /// Bytes of messages.
    pub bytes_per_s: u32,
    /// Milliseconds over the rate after which the peer is closed (4429).
    pub flood_ms: u64,
}

/// One space that is watched from its characters, by one grid of cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// Cells have an edge of 2^level metres.
    pub level: i8,
    /// Positions are told in steps of 2^step metres.
    pub step: i8,
    /// A player is told of cells that begin within this many metres of its character, and keeps them a tenth farther.
    pub radius_m: f64,
    /// Entities in one batch.
    pub batch_entities_max: usize,
    /// Batches of one player that are not Ready.
    pub player_batches_max: usize,
    /// The same of a server.
    pub server_batches_max: usize,
    /// Milliseconds between two Horizons of one peer.
    pub horizon_ms: u64,
}

impl Config {
    /// Limits of messages from a peer of this role.
    pub const fn limits(&self, role: Role) -> Limits {
        Limits::up(role)
    }

    /// Milliseconds between two Pings of a peer of this role that sends nothing else.
    pub const fn ping_ms(&self, role: Role) -> u32 {
        match role {
            Role::Server => self.lease_ms / 4,
            Role::Player | Role::Viewer => 20_000,
        }
    }

    /// Bytes a second that a peer of this role is sent at most: what it asks for, between the least budget and that of its role.
    pub fn budget(&self, role: Role, asked: Option<u32>) -> u32 {
        let most = match role {
            Role::Server => self.server_budget_bytes_per_s,
            Role::Player | Role::Viewer => self.player_budget_bytes_per_s,
        };
        asked.map_or(most, |asked| asked.max(self.budget_bytes_per_s_min).min(most))
    }

    /// What a peer of this role may send in a second.
    pub const fn rate(&self, role: Role) -> Rate {
        match role {
            Role::Server => self.server_rate,
            Role::Player | Role::Viewer => self.player_rate,
        }
    }
}

impl Room {
    /// Batches of a peer of this role that are not Ready.
    pub const fn batches_max(&self, role: Role) -> usize {
        match role {
            Role::Server => self.server_batches_max,
            Role::Player | Role::Viewer => self.player_batches_max,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            shard: 1,
            keys: Vec::new(),
            shard_key: None,
            tick_us: 33_333,
            cores: 1,
            connections_max: 16_384,
            waiting_max: 1_024,
            waiting_per_address_max: 32,
            hello_ms: 5_000,
            silence_ms: 45_000,
            lease_ms: 1_000,
            resume_ms: 300_000,
            sessions_max: 65_536,
            stuck_ms: 10_000,
            slow_ms: 30_000,
            player_budget_bytes_per_s: 512 << 10,
            server_budget_bytes_per_s: 64 << 20,
            budget_bytes_per_s_min: 64 << 10,
            left_bytes_max: 1 << 20,
            send_buffer_bytes: 128 << 10,
            line_messages_max: 1_024,
            player_rate: Rate { frames_per_s: 200, bytes_per_s: 64 << 10, flood_ms: 10_000 },
            server_rate: Rate { frames_per_s: 20_000, bytes_per_s: 32 << 20, flood_ms: 10_000 },
            room: Room::default(),
        }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self {
            level: 5,
            step: -6,
            radius_m: 229.0,
            batch_entities_max: 500,
            player_batches_max: 4,
            server_batches_max: 32,
            horizon_ms: 500,
        }
    }
}
