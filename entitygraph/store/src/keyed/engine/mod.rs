//! Ordered key-value engines, behind one trait.
//!
//! The keyed store asks little of an engine: ordered keys, atomic batches, consistent views and an honest
//! `fsync`. Two engines give that: [`FjallEngine`] (the default) and [`SledEngine`] (`--store sled:PATH`).
//! What both need and neither has (the data folder's lock, the disk reserve, values of any size) is in
//! `folder` and `pieces`, so that an engine is an adaptor of a page or two.

mod barrier;
mod batch;
mod error;
mod fjall;
mod folder;
mod journals;
#[cfg(test)]
pub mod map;
mod panics;
mod pieces;
mod sled;
#[cfg(test)]
mod tests;

use std::{fmt, ops::ControlFlow, path::Path, str::FromStr, sync::Arc};

use bytes::Bytes;

pub use self::{batch::WriteBatch, error::EngineError, fjall::FjallEngine, sled::SledEngine};

/// Longest key in bytes. With it every journal entry of fjall stays below a disk page of 4 KiB, see `pieces`.
pub const MAX_KEY_BYTES: usize = 512;

/// The first key byte that engines keep for themselves; keys of the layer above start with a lower one.
pub const RESERVED_KEY_BYTE: u8 = 0xFF;

/// How far a write must have come when [`Engine::write`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Handed to the operating system or still in a buffer of the engine: lost in a power cut (sled: perhaps
    /// in a crash of the process too). For bulk loads. The next `Synced` batch or [`Engine::sync`] makes it
    /// durable; what survives before that is a prefix of the batches in the order they were written.
    Buffered,
    /// On the disk: it survives all that [`Engine::caveat`] does not except.
    Synced,
}

/// An ordered key-value engine: one key space, atomic batches, consistent views.
///
/// Keys are 1 to [`MAX_KEY_BYTES`] bytes, ordered bytewise, and start with a byte below [`RESERVED_KEY_BYTE`];
/// values have any length (small ones are cheap, those over 3 KiB are stored in pieces). All calls block
/// on the disk and are meant for blocking threads. Batches of several threads are applied one after the
/// other; group commit is the caller's: merge transactions into one [`WriteBatch`].
pub trait Engine: Send + Sync + 'static {
    /// The name in `--store NAME:PATH` and in metrics.
    fn name(&self) -> &'static str;

    /// A consistent read view: it sees all or nothing of every batch, and no batch that came after it.
    ///
    /// Keep it short. An old view keeps deleted entries on the disk (fjall) or holds up every write (sled),
    /// and a thread that holds a view of sled must neither write nor open another view: it would wait for itself.
    fn view(&self) -> Box<dyn View + '_>;

    /// Applies the batch atomically and, if `Synced`, returns when it and all batches before it are durable.
    ///
    /// After an error [`EngineError::may_have_been_applied`] tells whether the batch can show up later.
    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), EngineError>;

    /// Makes every batch written so far durable.
    fn sync(&self) -> Result<(), EngineError>;

    /// Gives the space of deleted entries back to the file system now, as far as the engine can, instead of
    /// little by little. Rewrites up to the whole store; reads and writes go on meanwhile. sled's file never
    /// shrinks while it is open, it only uses the space again.
    fn compact(&self) -> Result<(), EngineError>;

    /// Bytes that the data folder occupies on the disk.
    fn disk_bytes(&self) -> u64;

    /// The error with which a write that adds data would be refused now: [`EngineError::Full`], or that the engine writes no
    /// more.
    fn room(&self) -> Result<(), EngineError>;

    /// What the engine does not survive, in one sentence for an operator; `None` if it survives a power cut.
    fn caveat(&self) -> Option<&'static str>;
}

/// A consistent read view of an [`Engine`].
pub trait View {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Calls `visit(key, value)` for each pair with `from <= key < to`, ascending, until it breaks.
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError>;

    /// As [`View::scan`], over the same pairs, descending.
    fn scan_reverse(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError>;
}

/// What a scan calls for each pair of key and value; `Break` ends the scan.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// What can be set when an engine is opened.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Memory for cached blocks, in bytes. The engine needs about 150 MiB on top of it while it is loaded in
    /// bulk. Default 64 MiB: the working set of a busy zone; warm reads are served by the cache above.
    pub cache_bytes: u64,
    /// Writes that add data are refused with [`EngineError::Full`] while the disk has less free than this, so
    /// that the engine's own background work never meets a full disk (neither engine recovers from that
    /// without a restart). Batches that only delete may use half of it. Default 256 MiB.
    pub reserve_bytes: u64,
    /// First key bytes at which a new keyspace begins (fjall only, fixed when the store is created). Keys
    /// written and deleted in another rhythm than the rest, such as a change log, want their own. Ascending.
    pub split_at: Vec<u8>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, reserve_bytes: 256 << 20, split_at: Vec::new() }
    }
}

/// The engines that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// An LSM tree; the default.
    Fjall,
    /// sled 0.34.
    Sled,
}

impl EngineKind {
    /// Every engine, for tests and benchmarks that go over all of them.
    pub const ALL: [Self; 2] = [Self::Fjall, Self::Sled];

    /// Opens the store in `path`, which is created if it does not exist.
    ///
    /// Fails, and changes nothing, when the folder is in use, holds foreign files or another engine's store,
    /// or is damaged.
    pub fn open(self, path: &Path, options: &EngineOptions) -> Result<Arc<dyn Engine>, EngineError> {
        Ok(match self {
            Self::Fjall => Arc::new(FjallEngine::open(path, options)?),
            Self::Sled => Arc::new(SledEngine::open(path, options)?),
        })
    }

    /// Whether a store was ever begun in the folder, by any engine. Looks at names only.
    pub fn is_begun(path: &Path) -> bool {
        folder::is_marked(path)
    }

    /// The name in `--store NAME:PATH`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fjall => "fjall",
            Self::Sled => "sled",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EngineKind {
    type Err = UnknownEngine;

    fn from_str(name: &str) -> Result<Self, UnknownEngine> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownEngine(name.to_owned()))
    }
}

/// The name of an engine that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("there is no store engine {0:?}; choose fjall or sled")]
pub struct UnknownEngine(String);
