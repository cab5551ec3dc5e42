//! Settings of the store: where the world is kept, and within which limits. Reasons of the defaults stand with the options
//! of the store itself.

use std::time::Duration;

use entitygraph::config::{Config as ServiceConfig, ConfigError};
use entitygraph_store::{
    MemoryConfig as MemoryOptions, StoreOptions,
    keyed::{
        engine::EngineOptions,
        options::{KeyedOptions, Retention, WriterOptions},
    },
    neo4j::options::{CONNECTIONS_MIN, Neo4jOptions, Secret},
};
use serde::{Deserialize, Serialize};

/// Where the world is kept, and within which limits. What the chosen store does not have is not looked at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `fjall:PATH`, `sled:PATH`, `bolt://HOST`, `neo4j://HOST` or `memory:`; none is `fjall:` in the data folder. Printed without
    /// an account.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "without_account")]
    pub url: Option<String>,
    /// What the engine underneath may use.
    pub engine: EngineConfig,
    /// How writes are taken together.
    pub writer: WriterConfig,
    /// How much of the change sequence is kept.
    pub retention: RetentionConfig,
    /// Of `memory:` alone.
    pub memory: MemoryConfig,
    /// Of `bolt://` and `neo4j://` alone.
    pub neo4j: Neo4jConfig,
}

/// How a Neo4j server is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Neo4jConfig {
    /// Who connects, where the URL has no account.
    pub user: String,
    /// Password of that user; printed nowhere.
    #[serde(skip_serializing)]
    pub password: Secret,
    /// Connections kept open; at least 4.
    pub connections: usize,
    /// How long the server may take to connect, or to begin an answer.
    pub answer_timeout_ms: u64,
    /// How long transient failures are tried again before a caller hears of them.
    pub retry_ms: u64,
    /// How often the commits of other instances are looked for.
    pub poll_ms: u64,
}

fn without_account<S: serde::Serializer>(url: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let shown = |url| entitygraph_store::shown_url(url).replacen("//...@", "//", 1);
    url.as_deref().map(shown).serialize(serializer)
}

/// What the engine underneath may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Memory for cached blocks, in bytes.
    pub cache_bytes: u64,
    /// Free bytes of the disk below which writes that add data are refused.
    pub reserve_bytes: u64,
}

/// How writes are taken together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WriterConfig {
    /// Requests that may wait; the next one is told that the store is busy.
    pub waiting: usize,
    /// Most transactions of one batch.
    pub batch_transactions: usize,
    /// No more transactions join a batch that has this many operations.
    pub batch_operations: usize,
    /// Most operations of one transaction.
    pub transaction_operations: usize,
    /// Most entities that one transaction may touch beyond those it names.
    pub touched: usize,
    /// Memory of the writer's cache of entities, in bytes.
    pub cache_bytes: usize,
    /// Rows in the writer's cache of tallies.
    pub cache_tallies: usize,
}

/// How much of the change sequence is kept. A reader that falls further behind takes a snapshot; an operation id is
/// remembered as long as its commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Most commits on disk.
    pub commits: u64,
    /// Most bytes of commits on disk.
    pub bytes: u64,
    /// Most recent commits kept decoded in memory.
    pub recent_commits: usize,
    /// Most bytes of commits kept decoded in memory.
    pub recent_bytes: usize,
}

/// Limits of the memory store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryConfig {
    /// Commits that the change sequence keeps.
    pub retained_commits: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let EngineOptions { cache_bytes, reserve_bytes, .. } = EngineOptions::default();
        Self { cache_bytes, reserve_bytes }
    }
}

impl Default for WriterConfig {
    fn default() -> Self {
        let options = WriterOptions::default();
        Self {
            waiting: options.waiting,
            batch_transactions: options.batch_transactions,
            batch_operations: options.batch_operations,
            transaction_operations: options.transaction_operations,
            touched: options.touched,
            cache_bytes: options.cache_bytes,
            cache_tallies: options.cache_tallies,
        }
    }
}

impl Default for RetentionConfig {
    fn default() -> Self {
        let Retention { commits, bytes, recent_commits, recent_bytes } = Retention::default();
        Self { commits, bytes, recent_commits, recent_bytes }
    }
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { retained_commits: MemoryOptions::default().retained_commits }
    }
}

impl Default for Neo4jConfig {
    fn default() -> Self {
        let options = Neo4jOptions::default();
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            user: options.user,
            password: Secret::default(),
            connections: options.connections,
            answer_timeout_ms: ms(options.answer_timeout),
            retry_ms: ms(options.retry),
            poll_ms: ms(options.poll),
        }
    }
}

impl StoreConfig {
    /// What the store is opened with.
    pub fn options(&self) -> StoreOptions {
        let Self { engine, writer, retention, memory, neo4j, .. } = self;
        let writer_options = WriterOptions {
            waiting: writer.waiting,
            batch_transactions: writer.batch_transactions,
            batch_operations: writer.batch_operations,
            transaction_operations: writer.transaction_operations,
            touched: writer.touched,
            cache_bytes: writer.cache_bytes,
            cache_tallies: writer.cache_tallies,
        };
        let retention = Retention {
            commits: retention.commits,
            bytes: retention.bytes,
            recent_commits: retention.recent_commits,
            recent_bytes: retention.recent_bytes,
        };
        StoreOptions {
            neo4j: Neo4jOptions {
                user: neo4j.user.clone(),
                password: neo4j.password.clone(),
                connections: neo4j.connections,
                answer_timeout: Duration::from_millis(neo4j.answer_timeout_ms),
                retry: Duration::from_millis(neo4j.retry_ms),
                poll: Duration::from_millis(neo4j.poll_ms),
                writer: writer_options.clone(),
                retention: retention.clone(),
                ..Neo4jOptions::default()
            },
            keyed: KeyedOptions {
                engine: EngineOptions {
                    cache_bytes: engine.cache_bytes,
                    reserve_bytes: engine.reserve_bytes,
                    ..EngineOptions::default()
                },
                writer: writer_options,
                retention,
                ..KeyedOptions::default()
            },
            memory: MemoryOptions { retained_commits: memory.retained_commits, ..MemoryOptions::default() },
            ..StoreOptions::default()
        }
    }

    /// Refuses limits that cannot work, by themselves or with those of the service.
    pub fn validate(&self, service: &ServiceConfig) -> Result<(), ConfigError> {
        let Self { writer, retention, memory, neo4j, .. } = self;
        let positive = [
            ("store.neo4j.answer_timeout_ms", neo4j.answer_timeout_ms),
            ("store.neo4j.poll_ms", neo4j.poll_ms),
            ("store.writer.waiting", writer.waiting as u64),
            ("store.writer.batch_transactions", writer.batch_transactions as u64),
            ("store.writer.batch_operations", writer.batch_operations as u64),
            ("store.writer.transaction_operations", writer.transaction_operations as u64),
            ("store.writer.touched", writer.touched as u64),
            ("store.retention.commits", retention.commits),
            ("store.retention.bytes", retention.bytes),
            ("store.memory.retained_commits", memory.retained_commits as u64),
        ];
        ConfigError::refuse_zero(&positive)?;
        if neo4j.connections < CONNECTIONS_MIN {
            return Err(ConfigError {
                name: "store.neo4j.connections",
                value: neo4j.connections.to_string(),
                reason: "it must be at least 4: a write needs two at once, and so may a read that runs beside it",
            });
        }
        let asked = service.limits.transaction_operations;
        if asked > writer.transaction_operations {
            return Err(ConfigError {
                name: "service.limits.transaction_operations",
                value: asked.to_string(),
                reason: "the store takes fewer: it must be at most store.writer.transaction_operations",
            });
        }
        Ok(())
    }
}
