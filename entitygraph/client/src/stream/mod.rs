//! The stream, as a peer sees it: the SDK of game servers, players and tools (docs/sdk.md, docs/protocol.md).
//!
//! All but [`connection`] is state machines without I/O: messages and time in, events and messages out. Read in this order:
//! - [`session`], with [`clock`] and [`refusal`]: hello, resume, heartbeats, waits;
//! - [`view`]: the local copy;
//! - [`actions`], [`outbox`]: what is sent;
//! - [`event`], [`peer`]: all of that behind one door;
//! - [`player`], [`viewer`], and [`server`] with [`authority`], [`once`], [`report`]: peers of a role;
//! - [`connection`]: drives one of them on a socket.

pub mod actions;
pub mod authority;
pub mod clock;
pub mod connection;
pub mod event;
pub mod once;
pub mod outbox;
pub mod peer;
pub mod player;
pub mod refusal;
pub mod report;
pub mod server;
pub mod session;
pub mod view;
pub mod viewer;

pub use view::frame;
