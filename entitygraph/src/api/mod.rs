//! What the service offers to the outside, one module for each kind of client.

pub mod live;
pub mod web;
