//! What roles say to each other.

use std::sync::Arc;

use bytes::Bytes;
use entitygraph_schema::wire::{Kind, Role, control::message::Code};

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
        /// What the token says.
        role: Role,
        /// Account or server.
        subject: String,
    },
    /// The connection is lost; its session may come back.
    Detached(Connection),
    /// A session came back on another connection, in the same incarnation: what it lacks is sent again, nothing else.
    Resumed {
        /// Its connection before.
        old: Connection,
        /// Its connection now.
        new: Connection,
        /// Highest number of the load frames that came, as the peer says.
        seen: u64,
        /// Of the last Horizon that came, as the peer says.
        horizon_moment: u64,
    },
    /// The session that the connection had has ended; nothing more is for it.
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
