//! What roles say to each other.

use std::sync::Arc;

use bytes::Bytes;
use entitygraph_schema::{
    EntityId, Epoch,
    wire::{Kind, Role, control::message::Code},
};

/// A connection of a gateway. Never given twice, so what is late for one that is gone reaches nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Connection {
    /// Which core of the gateway owns its socket.
    pub core: u16,
    /// Its place there.
    pub slot: u32,
    /// How many had the place before.
    pub generation: u32,
}

/// From the gateway to the replicant.
#[derive(Debug, Clone, PartialEq)]
pub enum Up {
    /// A session began on a connection.
    Joined {
        /// Which.
        connection: Connection,
        /// Its number: that of Welcome.
        session: u64,
        /// What the token says.
        role: Role,
        /// Account or server.
        subject: String,
    },
    /// The socket is gone, the session may be resumed: what is bound stays bound, nothing is made for it. What a server owned
    /// is nobody's from now on.
    Detached(Connection),
    /// A session goes on in another connection, whether it was detached or not. The replicant sends the load frames above `seen`
    /// again, then whatever active changed after `horizon_moment` (protocol.md, "A session", 4). A session that it does not
    /// know is closed with `SESSION_GONE`.
    Resumed {
        /// The connection that it had.
        old: Connection,
        /// The one that it has now.
        new: Connection,
        /// Highest number of load frames that came, without a gap.
        seen: u64,
        /// That of the last Horizon that came.
        horizon_moment: u64,
        /// The last report that was accepted, as Welcome said; the next one is the one after it.
        batch: u64,
    },
    /// The session is over, attached or not; nothing more is for it.
    Gone(Connection),
    /// A frame for the replicant. Its kind was judged by the role of the peer.
    Frame {
        /// From whom.
        connection: Connection,
        /// What.
        kind: Kind,
        /// Its body.
        body: Bytes,
    },
    /// The socket takes no more: nothing is to be made for it until [`Up::Takes`].
    Full(Connection),
    /// The socket takes again.
    Takes(Connection),
}

/// From whoever decides about authority to the replicant: who may write what. What is said was made durable before, so it is in
/// force as soon as it is taken. An *anchor* is the root of an aggregate or the host of a zone; it stands for everything below it
/// but what is below an anchor of its own (docs/authority.md, "The rules").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// A session owns what the anchor stands for. It is bound to it first, then it is told (`Grant`).
    Grant {
        /// What.
        anchor: EntityId,
        /// Whose it is.
        connection: Connection,
        /// Above each that the anchor had.
        epoch: Epoch,
        /// Name of the post, may be empty.
        post: String,
        /// What the former owner kept in no variable.
        carry: Bytes,
        /// The former owner had kept something, and it is lost.
        carry_lost: bool,
    },
    /// The anchor is nobody's, until it is granted again. Its owner, if there is one, is told (`Revoke`).
    Revoke {
        /// What.
        anchor: EntityId,
        /// Under which epoch it stands from now on: not below that of the last grant. Reports under lower ones are dropped.
        epoch: Epoch,
        /// Name of the post that gets it, empty: nobody.
        post: String,
    },
}

/// From the replicant to one core of the gateway, at the end of a moment: who gets which frames.
#[derive(Debug, Clone, Default)]
pub struct Parcels {
    /// Whole frames, most of them for many.
    pub frames: Arc<Vec<Bytes>>,
    /// Places in `frames`, message after message.
    pub picks: Vec<u32>,
    /// The messages, in the order in which they are to be written.
    pub messages: Vec<Parcel>,
    /// Who is to be closed afterwards, and why.
    pub closes: Vec<(Connection, Code, String)>,
}

/// One message for one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parcel {
    /// For whom.
    pub connection: Connection,
    /// Where its picks end; they begin where those of the message before end.
    pub picks_end: u32,
    /// Bytes of its frames.
    pub length: u32,
}

impl Parcels {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.closes.is_empty()
    }

    /// Each message with the frames that it is made of.
    pub fn iter(&self) -> impl Iterator<Item = (&Parcel, impl Iterator<Item = &Bytes> + Clone)> {
        let mut from = 0;
        self.messages.iter().map(move |parcel| {
            let picks = self.picks.get(from..parcel.picks_end as usize).unwrap_or(&[]);
            from = parcel.picks_end as usize;
            (parcel, picks.iter().filter_map(|&pick| self.frames.get(pick as usize)))
        })
    }
}
