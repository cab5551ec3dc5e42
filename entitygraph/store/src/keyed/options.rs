//! Limits of the keyed store, each with its unit, default and reason.

use entitygraph_schema::Cursor;

use super::engine::EngineOptions;

/// What can be set when a keyed store is opened.
#[derive(Debug, Clone, Default)]
pub struct KeyedOptions {
    /// Where the change sequence of a new store begins, see [`crate::StoreOptions::begin`]. Default zero.
    pub begin: Cursor,
    /// What the engine underneath may use. Where its keyspaces begin is fixed by the table of keys.
    pub engine: EngineOptions,
    /// How writes are taken together.
    pub writer: WriterOptions,
    /// How much of the change sequence is kept.
    pub retention: Retention,
}

/// How writes are taken together.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// Requests that may wait; the next one gets [`crate::Error::Busy`]. Default 16,384: at the
    /// rate of group commits of a slow disk that is a wait of about a second.
    pub waiting: usize,
    /// Most transactions of one engine batch. Default 1,024.
    pub batch_transactions: usize,
    /// No more transactions join a batch that has this many operations. Default 8,192: a batch takes some milliseconds to
    /// plan and a few megabytes.
    pub batch_operations: usize,
    /// Most operations of one transaction. Default 20,000: two of the largest instances.
    pub transaction_operations: usize,
    /// Most entities and links that one transaction may touch beyond those it names: in a buried subtree, or in a
    /// re-parented one whose frame changes. Default 100,000: about 100 MB while it is planned.
    pub touched: usize,
    /// Memory of the writer's cache of entities, in bytes. Default 32 MiB: the ancestors and hot entities.
    pub cache_bytes: usize,
    /// Rows in the writer's cache of tallies. Default 65,536, about 8 MiB.
    pub cache_tallies: usize,
}

/// How much of the change sequence is kept. A reader that falls further behind must take a snapshot; an operation id is
/// remembered as long as its commit.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Most commits on disk. Default 1,000,000: a day at 10 commits/s, a quarter of an hour at 1,000/s.
    pub commits: u64,
    /// Most bytes of commits on disk. Default 256 MiB, so that the log never outgrows a small world by much.
    pub bytes: u64,
    /// Most recent commits kept decoded in memory. Default 4,096: a second of a very busy shard.
    pub recent_commits: usize,
    /// Most bytes (encoded) of commits kept decoded in memory. Default 8 MiB.
    pub recent_bytes: usize,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            waiting: 16_384,
            batch_transactions: 1_024,
            batch_operations: 8_192,
            transaction_operations: 20_000,
            touched: 100_000,
            cache_bytes: 32 << 20,
            cache_tallies: 65_536,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { commits: 1_000_000, bytes: 256 << 20, recent_commits: 4_096, recent_bytes: 8 << 20 }
    }
}
