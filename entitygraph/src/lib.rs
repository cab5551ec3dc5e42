//! The graph and its API: what happens between a request and the store.
//!
//! Reading order is the way of a request, from the inside out:
//!
//! - [`cache`] keeps what was read lately, in memory, never older than what this process has been told of;
//! - [`changes`] follows the store's change sequence, tells the cache and whoever subscribed;
//! - [`service`] is the one way to read and write: every rule that is not the store's stands there;
//! - [`api`] translates: HTTP, GraphQL, subscriptions, web pages;
//! - [`local`] is the other way in: a hub in the same process.
//!
//! [`metrics`] names every figure the process exports, [`config`] every setting it takes.

pub mod config;
pub mod metrics;

pub mod cache;
pub mod changes;
pub mod service;

pub mod api;
pub mod local;

pub use config::Config;
pub use metrics::Metrics;
pub use service::Graph;
