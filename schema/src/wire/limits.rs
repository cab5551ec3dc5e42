//! Limits of lengths (protocol.md, "Limits").

use super::{Class, Kind, Role};

/// What lengths a receiver allows (protocol.md, "Limits").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of a message, all frames of it together.
    pub message_bytes: usize,
    /// Of the body of a control or action frame.
    pub body_bytes: usize,
    /// The same for frames that carry a game's own state: `Frozen` and `Grant`.
    pub carry_bytes: usize,
}

impl Limits {
    /// The defaults for messages to the hub from a peer of this role.
    pub const fn up(role: Role) -> Self {
        match role {
            Role::Server => Self::SERVER,
            Role::Player | Role::Viewer => Self { message_bytes: 64 << 10, ..Self::OTHERS },
        }
    }

    /// The defaults for messages from the hub to a peer of this role.
    pub const fn down(role: Role) -> Self {
        match role {
            Role::Server => Self::SERVER,
            Role::Player | Role::Viewer => Self::OTHERS,
        }
    }

    const SERVER: Self = Self { message_bytes: 4 << 20, body_bytes: 64 << 10, carry_bytes: 128 << 10 };
    const OTHERS: Self = Self { message_bytes: 256 << 10, body_bytes: 16 << 10, carry_bytes: 16 << 10 };

    /// Most bytes of the body of a frame of this kind.
    pub const fn body(&self, kind: Kind) -> usize {
        match (kind, kind.class()) {
            (Kind::Frozen | Kind::Grant, _) => self.carry_bytes,
            (_, Class::Control | Class::Action) => self.body_bytes,
            _ => self.message_bytes,
        }
    }
}
