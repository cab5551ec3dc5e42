//! Frames whose body is a protobuf message: sessions, authority, actions, what is bound, the catalog. Their types are made
//! from `proto/stream.proto`, which says what each field means.

use prost::Message as _;

use super::{
    Kind, Role,
    exact::ExactRows,
    frame::{BODY_BYTES_MAX, Open},
};
use crate::codec::CodecError;

/// The messages of `proto/stream.proto`.
#[allow(missing_docs, clippy::all, rustdoc::all)] // generated; the comments of the .proto are its documentation
pub mod message {
    include!(concat!(env!("OUT_DIR"), "/entitygraph.stream.v1.rs"));
}

/// Most bytes of a name or reason (protocol.md, "Limits").
pub const TEXT_BYTES_MAX: usize = 256;

/// A body that is not the message of its kind.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ControlError {
    /// Not to be read by the rules of proto3.
    #[error("the {kind} is no such message: {source}")]
    Decode {
        /// Of what.
        kind: Kind,
        /// Which field, and why.
        source: prost::DecodeError,
    },
    /// A name or reason over [`TEXT_BYTES_MAX`].
    #[error("the {field} of the {kind} has {bytes} bytes, the limit is {TEXT_BYTES_MAX}")]
    Text {
        /// Of what.
        kind: Kind,
        /// Which field.
        field: &'static str,
        /// Bytes of it.
        bytes: usize,
    },
    /// A frame of this kind is packed.
    #[error("the body of {kind} is packed, not a message")]
    Packed {
        /// Which.
        kind: Kind,
    },
}

/// A message that is the body of a frame.
pub trait Message: prost::Message + Default {
    /// Of this kind.
    const KIND: Kind;
}

macro_rules! messages {
    ($($name:ident)*) => {
        $(
            impl Message for message::$name {
                const KIND: Kind = Kind::$name;
            }

            impl From<message::$name> for Control {
                fn from(message: message::$name) -> Self {
                    Self::$name(message)
                }
            }
        )*

        /// Any message that is the body of a frame.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::large_enum_variant)] // it is matched where it is read, and not kept
        #[allow(missing_docs)] // each variant is the message of its name
        pub enum Control {
            $($name(message::$name),)*
        }

        impl Control {
            /// Reads the body of a frame of this kind. Unknown fields are passed over.
            ///
            /// # Errors
            /// Why the bytes are not the message of the kind.
            pub fn read(kind: Kind, body: &[u8]) -> Result<Self, ControlError> {
                let control = match kind {
                    $(Kind::$name => message::$name::decode(body).map(Self::$name),)*
                    _ => return Err(ControlError::Packed { kind }),
                };
                let control = control.map_err(|source| ControlError::Decode { kind, source })?;
                let mut long = None;
                control.texts(&mut |field, text| {
                    if text.len() > TEXT_BYTES_MAX {
                        long = Some(ControlError::Text { kind, field, bytes: text.len() });
                    }
                });
                long.map_or(Ok(control), Err)
            }

            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$name(_) => Kind::$name,)*
                }
            }

            /// Appends the frame.
            pub fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$name(message) => put(message, out),)*
                }
            }
        }
    };
}

messages! {
    Hello Welcome Refused Ping Pong Token Authenticate Goodbye Limits Notice Enter Entered Register Load
    Grant Revoke Prepare Prepared Cross Freeze Frozen Abort Lock Locked Unlock Drain Durable Barrier BarrierDone
    Action ActionResult Command CommandResult
    Bind Ready Activate Pause Unbind Changed Follow Followed Unfollow Unfollowed Seen Owners
    CatalogPart CatalogWanted DigestWanted Digest
}

impl Control {
    /// Names and reasons, each with the name of its field.
    fn texts(&self, see: &mut impl FnMut(&'static str, &str)) {
        match self {
            Self::Hello(hello) => {
                see("software", &hello.software);
                if let Some(message::hello::Login::Subject(subject)) = &hello.login {
                    see("subject", &subject.name);
                }
            }
            Self::Refused(refused) => see("reason", &refused.reason),
            Self::Goodbye(goodbye) => {
                see("address", &goodbye.address);
                see("reason", &goodbye.reason);
            }
            Self::Notice(notice) => see("reason", &notice.reason),
            Self::Register(register) => {
                see("post", &register.post);
                register.actions.iter().for_each(|name| see("actions", name));
                register.events.iter().for_each(|name| see("events", name));
            }
            Self::Grant(grant) => see("post", &grant.post),
            Self::Revoke(revoke) => see("post", &revoke.post),
            Self::Abort(abort) => see("reason", &abort.reason),
            Self::Command(command) => see("operation_id", &command.operation_id),
            Self::CommandResult(result) => {
                see("operation_id", &result.operation_id);
                see("refusal", &result.refusal);
                see("reason", &result.reason);
            }
            Self::Ready(ready) => ready.failed.iter().for_each(|failed| see("reason", &failed.reason)),
            Self::Owners(owners) => owners.owners.iter().for_each(|owner| see("post", &owner.post)),
            Self::CatalogPart(part) => {
                part.events.iter().chain(&part.actions).for_each(|kind| see("name", &kind.name));
            }
            _ => {}
        }
    }
}

/// Appends the frame of a message, whose body is at most [`BODY_BYTES_MAX`] long.
pub fn put<M: Message>(message: &M, out: &mut Vec<u8>) {
    let open = Open::begin(M::KIND, out);
    let encoded = message.encode(out);
    debug_assert!(encoded.is_ok(), "a vector has room for {BODY_BYTES_MAX} bytes");
    open.end(out);
}

impl message::ExactRows {
    /// The rows it holds, borrowed and judged.
    ///
    /// # Errors
    /// Where and why the bytes are not that many handles and rows.
    pub fn read(&self) -> Result<ExactRows<'_>, CodecError> {
        ExactRows::read(&self.handles, self.count, &self.rows)
    }
}

impl message::Code {
    /// The stable text of the page, such as `BAD_FRAME`.
    pub fn name(self) -> &'static str {
        let name = self.as_str_name();
        name.strip_prefix("CODE_").unwrap_or(name)
    }

    /// The close code of the WebSocket, for codes of `Refused`; those of a `Notice` alone have none.
    pub const fn close(self) -> Option<u16> {
        Some(match self {
            Self::Draining => 1001,
            Self::BadFrame => 4400,
            Self::Unauthenticated => 4401,
            Self::Forbidden => 4403,
            Self::Version => 4406,
            Self::Timeout => 4408,
            Self::ResumeUsed | Self::SessionReplaced => 4409,
            Self::SessionGone => 4410,
            Self::TooLarge => 4413,
            Self::Flood => 4429,
            Self::Fault => 4500,
            Self::Busy => 4503,
            Self::TooSlow => 4504,
            _ => return None,
        })
    }
}

impl From<Role> for message::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Server => Self::Server,
            Role::Player => Self::Player,
            Role::Viewer => Self::Viewer,
        }
    }
}

impl message::Role {
    /// The role, if one was said.
    pub const fn role(self) -> Option<Role> {
        match self {
            Self::Unspecified => None,
            Self::Server => Some(Role::Server),
            Self::Player => Some(Role::Player),
            Self::Viewer => Some(Role::Viewer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Body;

    #[test]
    fn every_kind_that_is_a_message_can_be_read_and_no_other() {
        for &kind in Kind::ALL {
            match (kind.body(), Control::read(kind, &[])) {
                (Body::Proto, Ok(control)) => assert_eq!(control.kind(), kind),
                (Body::Packed, Err(error)) => assert_eq!(error, ControlError::Packed { kind }),
                (_, read) => panic!("{kind}: {read:?}"),
            }
        }
    }

    #[test]
    fn long_texts_and_broken_messages_are_refused_by_name() {
        let refused = |control: Control| {
            let mut frame = vec![];
            control.put(&mut frame);
            Control::read(control.kind(), &frame[3..]).unwrap_err().to_string()
        };
        let goodbye = message::Goodbye { reason: "x".repeat(257), ..Default::default() };
        assert_eq!(refused(goodbye.into()), "the reason of the Goodbye has 257 bytes, the limit is 256");
        let broken = Control::read(Kind::Ping, &[0x08, 0xff]).unwrap_err().to_string();
        assert!(broken.starts_with("the Ping is no such message: "), "{broken}");
        assert!(Control::read(Kind::Ping, &[0x70, 1]).is_ok(), "unknown fields are passed over");
    }
}
