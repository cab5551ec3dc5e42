//! Settings of the service. Every limit has a name, a unit and a reason, and is on by default.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of the service, by concern.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is kept in memory.
    pub cache: CacheConfig,
    /// What one caller may ask for.
    pub limits: Limits,
    /// How the server is called, and how it stops.
    pub server: ServerConfig,
}

/// How the server is called, and how it stops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Names under which the server may be called besides `localhost` and loopback addresses, such as that of a proxy in
    /// front of it; without scheme and port.
    pub hosts: Vec<String>,
    /// Milliseconds from `/readyz` going down to the closing of the listener, in which load balancers notice.
    pub notice_ms: u64,
    /// Longest time for requests under way, in milliseconds.
    pub drain_ms: u64,
    /// Most connections at a time; those beyond it wait to be accepted. Each takes a file descriptor.
    pub connections: usize,
    /// Longest time until a connection has sent the head of its next request, in milliseconds; one that says nothing is closed
    /// then, unless it is a WebSocket or waits for events.
    pub header_ms: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        // As long as a request may take.
        Self { hosts: Vec::new(), notice_ms: 0, drain_ms: 10_000, connections: 16_384, header_ms: 30_000 }
    }
}

/// What is kept in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// Bytes of entities and subtrees, as estimated by their content.
    pub max_bytes: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        // A quarter of a million typical entities; small beside the memory of any server.
        Self { max_bytes: 256 * 1024 * 1024 }
    }
}

/// What one caller may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest page.
    pub page_rows: usize,
    /// Most entities of a subtree that is answered in one piece.
    pub subtree_entities: usize,
    /// Most operations of one transaction.
    pub transaction_operations: usize,
    /// Deepest GraphQL selection.
    pub query_depth: usize,
    /// Highest GraphQL complexity; a field counts 1, a search or a route more, a page multiplies by its size.
    pub query_complexity: usize,
    /// Longest GraphQL document in lexical tokens; thousands of aliases end here before they cost a parse.
    pub query_tokens: usize,
    /// Largest request body in bytes.
    pub body_bytes: usize,
    /// Longest time one query or mutation may take, in milliseconds.
    pub request_ms: u64,
    /// Longest time that a request waits for commits of other instances which it wants to see (`entitygraph-cursor`), in
    /// milliseconds.
    pub behind_ms: u64,
    /// Most operations under way on one connection.
    pub connection_operations: usize,
    /// Time for a WebSocket to say `connection_init`, in milliseconds.
    pub connection_init_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // What is around a player at once, with room.
            page_rows: 2_000,
            subtree_entities: 10_000,
            // A 5,000-entity instance with room beside it.
            transaction_operations: 20_000,
            // The introspection query of GraphiQL has 15 levels.
            query_depth: 20,
            query_complexity: 100_000,
            query_tokens: 20_000,
            body_bytes: 4 * 1024 * 1024,
            request_ms: 10_000,
            // A hundred times what commits take from one instance to another.
            behind_ms: 2_000,
            // A tool that follows every ship of a fleet on its own.
            connection_operations: 1_000,
            connection_init_ms: 10_000,
        }
    }
}

impl Limits {
    /// [`Self::request_ms`] as a duration.
    pub fn request_time(&self) -> Duration {
        Duration::from_millis(self.request_ms)
    }

    /// [`Self::behind_ms`] as a duration.
    pub fn behind_time(&self) -> Duration {
        Duration::from_millis(self.behind_ms)
    }
}

/// An invalid setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting `{name}` is {value}: {reason}")]
pub struct ConfigError {
    /// Dotted name of the setting.
    pub name: &'static str,
    /// What was given.
    pub value: String,
    /// What would be accepted.
    pub reason: &'static str,
}

impl ConfigError {
    /// Refuses the first of the named settings that is zero.
    pub fn refuse_zero(settings: &[(&'static str, u64)]) -> Result<(), Self> {
        match settings.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(Self { name, value: "0".to_owned(), reason: "it must be at least 1" }),
            None => Ok(()),
        }
    }
}

impl Config {
    /// Refuses settings that cannot work, by name.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        let positive = [
            ("service.limits.page_rows", limits.page_rows as u64),
            ("service.limits.subtree_entities", limits.subtree_entities as u64),
            ("service.limits.transaction_operations", limits.transaction_operations as u64),
            ("service.limits.query_depth", limits.query_depth as u64),
            ("service.limits.query_complexity", limits.query_complexity as u64),
            ("service.limits.query_tokens", limits.query_tokens as u64),
            ("service.limits.body_bytes", limits.body_bytes as u64),
            ("service.limits.request_ms", limits.request_ms),
            ("service.server.connections", self.server.connections as u64),
            ("service.server.header_ms", self.server.header_ms),
        ];
        ConfigError::refuse_zero(&positive)?;
        for host in &self.server.hosts {
            if host.is_empty() || host.contains(|c: char| !(c.is_ascii_alphanumeric() || "-._".contains(c))) {
                let reason = "it must be a host name without scheme and port, such as worlds.example";
                return Err(ConfigError { name: "service.server.hosts", value: format!("`{host}`"), reason });
            }
        }
        let max = entitygraph_schema::query::PageRequest::MAX_FIRST as u64;
        // A page of descendants takes one row more from the store than it has.
        for ((name, value), max) in [(positive[0], max - 1), (positive[1], max)] {
            if value > max {
                let reason =
                    "a store answers at most 10000 rows at once, and a page may need one more than it has";
                return Err(ConfigError { name, value: value.to_string(), reason });
            }
        }
        Ok(())
    }
}
