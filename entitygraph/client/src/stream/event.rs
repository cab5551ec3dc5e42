//! What a peer is told, one by one, in the order in which it came. The local copy is as of the frame that an event came with.

use bytes::Bytes;
use entitygraph_schema::{
    ComponentId, EntityId, Epoch, VariableId,
    wire::{
        Handle,
        control::{
            Control,
            message::{self, unbind},
        },
    },
};

use super::{refusal::StreamError, session::Begun};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A session began or went on. What was asked for before (`enter`, `register`, `follow`) is asked again by itself where it
    /// has to be.
    Begun(Begun),
    /// The connection is lost and will come again by itself.
    Lost {
        /// Why.
        error: StreamError,
        /// When, in milliseconds.
        retry_in_ms: u64,
    },
    /// It will not; without an error after `stop`. Nothing follows.
    Ended(Option<StreamError>),

    /// Load these, parents first; show none of them yet. Where [`Loads::Caller`] was chosen, say `ready` then.
    Bound {
        /// The number of the batch.
        batch: u64,
        /// Its members.
        handles: Vec<Handle>,
    },
    /// Show all of these in one step.
    Activated(Vec<Handle>),
    /// The pose or velocity of something that is shown is new.
    Moved(Handle),
    /// A variable of something has another value, or states none of its own any more; the value stands in the local copy.
    Set {
        /// Of this entity.
        handle: Handle,
        /// Of this component type.
        component: ComponentId,
        /// The variable.
        variable: VariableId,
    },
    /// No more news of these: keep them, hide them or let them stand.
    Paused(Vec<Handle>),
    /// Forget these: they are not in the local copy any more.
    Unbound {
        /// Handle and id of each.
        entities: Vec<(Handle, EntityId)>,
        /// None: the hub is another one, and all handles are void.
        why: Option<unbind::Why>,
    },
    /// Nothing that is active misses a change up to this moment.
    Horizon(u64),
    /// Something happened that is nobody's state: a shot.
    Happened {
        /// The entity it comes from; it is active.
        source: Handle,
        /// An event kind of the catalog.
        kind: u32,
        /// The game's.
        content: Bytes,
    },

    /// To a player: the character is there.
    Entered(Handle),
    /// To a player: the state that comes next has this input in it, and all before it.
    Applied {
        /// The number of the input.
        input: u64,
    },
    /// What became of an action of this peer.
    Result(message::ActionResult),

    /// To a server: it simulates this now.
    Gained {
        /// Root of an aggregate, or host of a territory.
        handle: Handle,
        /// Under this epoch.
        epoch: Epoch,
        /// All that the hub said.
        grant: Box<message::Grant>,
    },
    /// To a server: it does not any more. What it did since its last report is void.
    Taken {
        /// Root of an aggregate, or host of a territory.
        handle: Handle,
        /// The epoch that ended.
        epoch: Epoch,
        /// Why.
        why: Taken,
    },
    /// To a server: stop this and all inside it at the end of this tick, then say `frozen`.
    Freeze {
        /// Number of the hand-over.
        number: u64,
        /// What.
        handle: Handle,
    },
    /// To a server: it goes on with what was frozen.
    Thawed(Handle),
    /// To a server: judge this, and put the receipt into the report of its effects. It comes once.
    Action(message::Action),
    /// To a server: what a player's hands do now.
    Input {
        /// The character.
        character: Handle,
        /// The sender's, ascending.
        number: u64,
        /// The game's.
        content: Bytes,
    },
    /// To a server: everything up to this report is in the store.
    Durable(u64),

    /// A frame was refused, or something was left out.
    Notice(message::Notice),
    /// Any other message.
    Message(Box<Control>),
}

/// Why authority ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The hub took it.
    Revoked,
    /// The lease ended without an answer: another server may have it.
    Lease,
    /// The hub is another one; it is granted again when the server has registered again.
    Session,
}

/// Who says when a batch is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Loads {
    /// At once: there is nothing to load.
    #[default]
    AtOnce,
    /// The caller, with `ready`, within the time that Welcome says.
    Caller,
}
