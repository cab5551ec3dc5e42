//! What can go wrong below the keyed store.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use super::folder::free_bytes;

/// A failure of an engine. The message says what, where and what to do; causes are in the source chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Another process has the data folder open.
    #[error(
        "the data folder {path:?} is in use by another process{holder}; stop that one, or name another folder"
    )]
    Busy {
        /// The data folder.
        path: PathBuf,
        /// ` (process 123)` if the holder left its number.
        holder: String,
    },

    /// The folder has contents that are not ours.
    #[error(
        "the folder {path:?} holds other files ({found:?}) and no EntityGraph store; \
         nothing in it was touched, name a new or an empty folder"
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// One of the files.
        found: String,
    },

    /// The folder holds the store of another engine.
    #[error(
        "the store in {path:?} was made by {found}, not by {wanted}; open it with `--store {found}:PATH`"
    )]
    OtherEngine {
        /// The data folder.
        path: PathBuf,
        /// The engine that made it.
        found: String,
        /// The engine that was asked for.
        wanted: &'static str,
    },

    /// The engine read something that it cannot have written.
    #[error(
        "the {engine} store in {path:?} is damaged: {what}; copy the folder away before anything else, \
         check the disk, then restore the newest backup into an empty folder"
    )]
    Corrupt {
        /// The data folder.
        path: PathBuf,
        /// The engine.
        engine: &'static str,
        /// What was found.
        what: String,
        /// The engine's own error, if it gave one.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },

    /// The disk has too little space left. Refused before anything was written.
    #[error(
        "the disk of {path:?} has {free_mib} MiB free and {reserve_mib} MiB of it are kept for the engine; \
         nothing of this write was stored. Free some space and try again, no restart is needed"
    )]
    Full {
        /// The data folder.
        path: PathBuf,
        /// Free space in MiB.
        free_mib: u64,
        /// Space kept free in MiB.
        reserve_mib: u64,
    },

    /// The operating system refused to read or write.
    #[error("{operation} failed in the data folder {path:?}; {}", io_hint(source))]
    Io {
        /// The data folder.
        path: PathBuf,
        /// What the engine was doing.
        operation: &'static str,
        /// The reason.
        #[source]
        source: io::Error,
    },

    /// An earlier failure left it open what is on the disk, so no more is written.
    #[error(
        "the {engine} store in {path:?} takes no more writes since one failed or the engine's own work did (see \
         the log); {remedy}: everything that was acknowledged is there"
    )]
    Stopped {
        /// The data folder.
        path: PathBuf,
        /// The engine.
        engine: &'static str,
        /// What to do.
        remedy: &'static str,
    },

    /// A key that engines do not take.
    #[error("a key of {len} bytes starting with {first:?} cannot be stored; this is a fault of the caller")]
    Key {
        /// Its length.
        len: usize,
        /// Its first byte.
        first: Option<u8>,
    },
}

/// Below this a full disk is the likely cause of a failure: an engine writes tables and journals of up to this size, and
/// gives the room of one that failed back.
const SCARCE_BYTES: u64 = 64 << 20;

impl EngineError {
    /// The refusal of a store that stopped writing. Its engine may not say why, so this looks whether the disk is full.
    pub(super) fn stopped(path: &Path, engine: &'static str) -> Self {
        let scarce = free_bytes(path).is_ok_and(|free| free < SCARCE_BYTES);
        let remedy = if scarce {
            "the disk is full or nearly so: free some space, then restart"
        } else {
            "mend the cause, then restart"
        };
        Self::Stopped { path: path.to_owned(), engine, remedy }
    }

    /// Whether a write that ended in this error may be found after a restart. If not, it certainly is not.
    pub fn may_have_been_applied(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Corrupt { .. })
    }
}

fn io_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "let this user read and write the folder and all that is in it",
        io::ErrorKind::StorageFull => "the disk is full: free some space, then restart",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only: mount it writable",
        io::ErrorKind::NotADirectory => "the path is a file: name a folder",
        io::ErrorKind::NotFound => "it is not there, or no folder can be made there: name another",
        _ => "check the disk and the system log, then restart",
    }
}
