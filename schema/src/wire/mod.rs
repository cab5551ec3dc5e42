//! The wire forms of the stream: what docs/protocol.md specifies, to the byte.
//!
//! Writers append to a `Vec<u8>` of the caller and allocate nothing beside it; readers borrow the bytes they are given. A
//! reader refuses whatever the page does not allow and says what, at which byte, and why; it never panics and sets no
//! memory aside for a length that it did not compare with the bytes that are there.
//!
//! Read in this order: this table of kinds, then
//! - [`limits`], [`frame`]: kind, length, body, and what lengths are allowed;
//! - [`number`], [`list`]: handles, and the fixed forms that the record form has not;
//! - [`moment`], [`cell`], [`pose`], [`variable`]: when, where, and what is told;
//! - [`row`], [`exact`]: what is told of one entity, rounded and to the last bit;
//! - [`state`], [`report`], [`event`], [`horizon`], [`input`]: the packed frames;
//! - [`control`]: all other frames, which are protobuf messages.

pub mod cell;
pub mod control;
pub mod event;
pub mod exact;
pub mod frame;
pub mod horizon;
pub mod input;
pub mod limits;
pub mod list;
pub mod moment;
pub mod number;
pub mod pose;
pub mod report;
pub mod row;
pub mod state;
pub mod variable;

use std::fmt;

pub use crate::id::Handle;

/// The version of the stream that this module speaks (protocol.md, "Versions").
pub const VERSION: u32 = 1;

/// What the token of a peer says it is (protocol.md, "Roles").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A game server: simulates.
    Server,
    /// A game client.
    Player,
    /// A map, a tool: sees what is public.
    Viewer,
}

/// A set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(u8);

impl Roles {
    /// No role.
    pub const NONE: Self = Self(0);
    /// Game servers.
    pub const SERVERS: Self = Self(1);
    /// Game clients.
    pub const PLAYERS: Self = Self(2);
    /// Maps and tools.
    pub const VIEWERS: Self = Self(4);
    /// Any peer.
    pub const PEERS: Self = Self(7);

    /// The roles of both sets.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the role is in the set.
    pub const fn has(self, role: Role) -> bool {
        let bit = match role {
            Role::Server => Self::SERVERS,
            Role::Player => Self::PLAYERS,
            Role::Viewer => Self::VIEWERS,
        };
        self.0 & bit.0 != 0
    }
}

/// What a frame is queued with, in the order in which a message is filled (protocol.md, "Classes").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Sessions and authority.
    Control,
    /// Actions and commands.
    Action,
    /// The packed frames.
    State,
    /// What is bound, and interest.
    Load,
    /// The catalog.
    Bulk,
}

impl Class {
    /// Every class, in order.
    pub const ALL: [Self; 5] = [Self::Control, Self::Action, Self::State, Self::Load, Self::Bulk];
}

/// How the body of a frame is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A message of `proto/stream.proto` with the name of the kind.
    Proto,
    /// Packed, as the page says.
    Packed,
}

macro_rules! kinds {
    ($($number:literal $name:ident $up:expr, $down:expr, $body:ident;)*) => {
        /// What a frame is (protocol.md, "Frames"); its number is the first byte of the frame.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $(
                #[doc = concat!("Kind ", stringify!($number), ".")]
                $name = $number,
            )*
        }

        impl Kind {
            /// Every kind, by number.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The kind of this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The name in the table of the page.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Who may send it to the hub.
            pub const fn up(self) -> Roles {
                match self {
                    $(Self::$name => $up,)*
                }
            }

            /// To whom the hub may send it.
            pub const fn down(self) -> Roles {
                match self {
                    $(Self::$name => $down,)*
                }
            }

            /// How its body is written.
            pub const fn body(self) -> Body {
                match self {
                    $(Self::$name => Body::$body,)*
                }
            }
        }
    };
}

const NONE: Roles = Roles::NONE;
const PEERS: Roles = Roles::PEERS;
const SERVERS: Roles = Roles::SERVERS;
const PLAYERS: Roles = Roles::PLAYERS;
const ACTORS: Roles = Roles::SERVERS.and(Roles::PLAYERS);
const WATCHERS: Roles = Roles::SERVERS.and(Roles::VIEWERS);

kinds! {
    // number, name, who sends it to the hub, to whom the hub sends it, body
    0x01 Hello PEERS, NONE, Proto;
    0x02 Welcome NONE, PEERS, Proto;
    0x03 Refused NONE, PEERS, Proto;
    0x04 Ping PEERS, PEERS, Proto;
    0x05 Pong PEERS, PEERS, Proto;
    0x06 Token NONE, PEERS, Proto;
    0x07 Authenticate PEERS, NONE, Proto;
    0x08 Goodbye PEERS, PEERS, Proto;
    0x09 Limits PEERS, NONE, Proto;
    0x0A Notice NONE, PEERS, Proto;
    0x0B Enter PLAYERS, NONE, Proto;
    0x0C Entered NONE, PLAYERS, Proto;
    0x0D Register SERVERS, NONE, Proto;
    0x0E Load SERVERS, NONE, Proto;
    0x10 Grant NONE, SERVERS, Proto;
    0x11 Revoke NONE, SERVERS, Proto;
    0x12 Prepare NONE, SERVERS, Proto;
    0x13 Prepared SERVERS, NONE, Proto;
    0x14 Cross SERVERS, NONE, Proto;
    0x15 Freeze NONE, SERVERS, Proto;
    0x16 Frozen SERVERS, NONE, Proto;
    0x17 Abort NONE, SERVERS, Proto;
    0x18 Lock SERVERS, NONE, Proto;
    0x19 Locked NONE, SERVERS, Proto;
    0x1A Unlock SERVERS, NONE, Proto;
    0x1B Drain SERVERS, SERVERS, Proto;
    0x1C Durable NONE, SERVERS, Proto;
    0x1D Barrier SERVERS, NONE, Proto;
    0x1E BarrierDone NONE, SERVERS, Proto;
    0x20 Action ACTORS, SERVERS, Proto;
    0x21 ActionResult NONE, ACTORS, Proto;
    0x22 Command SERVERS, NONE, Proto;
    0x23 CommandResult NONE, SERVERS, Proto;
    0x40 State NONE, PEERS, Packed;
    0x41 Report SERVERS, NONE, Packed;
    0x42 Events NONE, PEERS, Packed;
    0x43 Horizon NONE, PEERS, Packed;
    0x44 Input PLAYERS, NONE, Packed;
    0x45 Inputs NONE, SERVERS, Packed;
    0x46 Applied NONE, PLAYERS, Packed;
    0x60 Bind NONE, PEERS, Proto;
    0x61 Ready PEERS, NONE, Proto;
    0x62 Activate NONE, PEERS, Proto;
    0x63 Pause NONE, PEERS, Proto;
    0x64 Unbind NONE, PEERS, Proto;
    0x65 Changed NONE, PEERS, Proto;
    0x66 Follow WATCHERS, NONE, Proto;
    0x67 Followed NONE, WATCHERS, Proto;
    0x68 Unfollow WATCHERS, NONE, Proto;
    0x69 Unfollowed NONE, SERVERS, Proto;
    0x6A Seen PEERS, NONE, Proto;
    0x6B Owners NONE, WATCHERS, Proto;
    0x80 CatalogPart NONE, PEERS, Proto;
    0x81 CatalogWanted PEERS, NONE, Proto;
    0x82 DigestWanted PEERS, NONE, Proto;
    0x83 Digest NONE, PEERS, Proto;
}

impl Kind {
    /// The first byte of its frames.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The class: the upper three bits of the number.
    pub const fn class(self) -> Class {
        match self.number() >> 5 {
            0 => Class::Control,
            1 => Class::Action,
            2 => Class::State,
            3 => Class::Load,
            _ => Class::Bulk,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
