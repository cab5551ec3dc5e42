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
    /// Highest GraphQL complexity; a field counts 1, a page multiplies by its size.
    pub query_complexity: usize,
    /// Largest request body in bytes.
    pub body_bytes: usize,
    /// Longest time one query or mutation may take, in milliseconds.
    pub request_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            page_rows: 1_000,
            subtree_entities: 10_000,
            // A 5,000-entity instance with room beside it.
            transaction_operations: 20_000,
            query_depth: 16,
            query_complexity: 50_000,
            body_bytes: 4 * 1024 * 1024,
            request_ms: 10_000,
        }
    }
}

impl Limits {
    /// [`Self::request_ms`] as a duration.
    pub fn request_time(&self) -> Duration {
        Duration::from_millis(self.request_ms)
    }
}

/// A setting that cannot be.
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

impl Config {
    /// Refuses settings that cannot work, by name.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        let positive = [
            ("limits.page_rows", limits.page_rows as u64),
            ("limits.subtree_entities", limits.subtree_entities as u64),
            ("limits.transaction_operations", limits.transaction_operations as u64),
            ("limits.query_depth", limits.query_depth as u64),
            ("limits.query_complexity", limits.query_complexity as u64),
            ("limits.body_bytes", limits.body_bytes as u64),
            ("limits.request_ms", limits.request_ms),
        ];
        for (name, value) in positive {
            if value == 0 {
                return Err(ConfigError { name, value: value.to_string(), reason: "it must be at least 1" });
            }
        }
        let max = entitygraph_schema::query::PageRequest::MAX_FIRST;
        for (name, value) in [positive[0], positive[1]] {
            if value > max as u64 {
                return Err(ConfigError { name, value: value.to_string(), reason: "a store answers at most 10000 rows at once" });
            }
        }
        Ok(())
    }
}
