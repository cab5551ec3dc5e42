//! What can be set for a Neo4j store.

use std::{fmt, time::Duration};

use entitygraph_schema::Cursor;
use serde::Deserialize;

use crate::keyed::options::{Retention, WriterOptions};

/// A text that is shown nowhere.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

/// Fewest connections that a store works with: a writer holds one for its transaction and needs a second beside it, and so does a
/// read that takes the shard's lock.
pub const CONNECTIONS_MIN: usize = 4;

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "(secret)" })
    }
}

/// Limits of a Neo4j store, each with its unit, default and reason.
#[derive(Debug, Clone)]
pub struct Neo4jOptions {
    /// Who connects, where the URL has no account. Default `neo4j`, the user that each server has.
    pub user: String,
    /// Password of that user. Default none.
    pub password: Secret,
    /// Connections kept open, at least [`CONNECTIONS_MIN`]. Default 16: more in flight makes a server of a few cores no faster.
    pub connections: usize,
    /// How long the server may take to connect, or to begin an answer. Default 30 s.
    pub answer_timeout: Duration,
    /// How long transient failures are tried again before the caller hears of them. Default 5 s.
    pub retry: Duration,
    /// How often the commits of other instances are looked for. Default 20 ms: a fifth of the delay that their subscribers
    /// may see.
    pub poll: Duration,
    /// How writes are taken together. Of its caches only that of entities is used, and batches have no more than 2,048
    /// operations.
    pub writer: WriterOptions,
    /// How much of the change sequence is kept.
    pub retention: Retention,
    /// Where the change sequence of a new store begins, see [`crate::StoreOptions::begin`].
    pub begin: Cursor,
}

impl Default for Neo4jOptions {
    fn default() -> Self {
        Self {
            user: "neo4j".to_owned(),
            password: Secret::default(),
            connections: 16,
            answer_timeout: Duration::from_secs(30),
            retry: Duration::from_secs(5),
            poll: Duration::from_millis(20),
            writer: WriterOptions::default(),
            retention: Retention::default(),
            begin: Cursor::ZERO,
        }
    }
}
