//! The wire forms: golden frames, what is refused, round trips, cost, and that docs/protocol.md says the same.

#![allow(clippy::unwrap_used)] // the helpers of tests are tests too

mod forms;
mod golden;
mod pages;
mod properties;
mod refusals;
mod size;
