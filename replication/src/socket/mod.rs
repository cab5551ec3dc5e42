//! WebSocket (RFC 6455), the server's side, of our own: a library's message is one buffer, ours is a list of shared ones.
//!
//! All of it but [`writer`]'s one call to the kernel is without I/O: bytes go in, items or a named [`Fault`] come out. Nothing a
//! peer sends makes it panic, or set memory aside for a length that was not judged and has not come.
//!
//! - [`accept`]: the HTTP request that becomes a WebSocket;
//! - [`frame`]: the header of one frame, read and written;
//! - [`reader`]: messages and control frames out of what the socket gives;
//! - [`writer`]: one header before a list of shared slices, and one vectored write.

pub mod accept;
pub mod frame;
pub mod reader;
pub mod writer;

pub use frame::Fault;
