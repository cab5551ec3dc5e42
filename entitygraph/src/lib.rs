//! The graph and its API: cache, change feed, rules, GraphQL, subscriptions.

pub mod api;
