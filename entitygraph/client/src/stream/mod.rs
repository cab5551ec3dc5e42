//! The stream, as a peer sees it.

pub mod view;
