//! What is nobody's state, and who may write: actions, inputs, events, authority.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod actions;
mod authority;
mod run;
