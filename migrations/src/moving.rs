//! What can go wrong when a world is moved: by backup, restore, copy or comparison.

use std::{io, path::PathBuf};

use entitygraph_schema::{Cursor, codec::CodecError};
use entitygraph_store::Error;

/// Result of moving something.
pub type Result<T, E = MoveError> = std::result::Result<T, E>;

/// A move that could not go on. `Display` says what and what to do; the cause is in the chain.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The store could not be read or written.
    #[error("{location} failed while {doing}")]
    Store {
        /// Which.
        location: String,
        /// What was being done.
        doing: &'static str,
        /// What it said.
        #[source]
        source: Box<Error>,
    },
    /// A file could not be read or written.
    #[error("{path} could not be {doing}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// `read`, `written`...
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is something else.
    #[error("{path} is no backup: {found}", path = path.display())]
    NoBackup {
        /// Which.
        path: PathBuf,
        /// What is wrong with its beginning.
        found: String,
    },
    /// The file ends before its end.
    #[error(
        "{path} is not whole: it ends at byte {offset}, {lacking}; nothing was written. Go on with it where it stopped: \
         entitygraph backup {path} --resume; or, if its source is lost, take what is in it: --as-far-as-it-goes",
        path = path.display()
    )]
    Cut {
        /// Which.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What should be there.
        lacking: &'static str,
    },
    /// Something in the file is not what was written.
    #[error(
        "{path} is damaged at byte {offset}: {what}; nothing was written. Use another backup, and check the disk that \
         this one is on; without another one, --as-far-as-it-goes takes what is before that byte",
        path = path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Where the frame begins.
        offset: u64,
        /// What does not fit.
        what: String,
    },
    /// A file that is not whole has no world in it.
    #[error(
        "{path} is not whole: it ends at byte {offset}, before all of the world had been read, so that nothing can be brought back \
         from it; nothing was written. Go on with it where it stopped: entitygraph backup {path} --resume",
        path = path.display()
    )]
    NoBase {
        /// Which.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
    /// The source has not come as far as what was read of it before.
    #[error(
        "{location} ends at commit {newest}, and those after {needed} are needed: it is another store, or an older state of it \
         was brought back. Name the right one, or begin anew: a new file for a backup, an empty target and another --spool for a copy"
    )]
    Ahead {
        /// The source.
        location: String,
        /// Where it was to be gone on.
        needed: Cursor,
        /// What it has.
        newest: Cursor,
    },
    /// The change sequence does not reach back far enough.
    #[error(
        "{location} keeps its commits from {oldest} to {newest}, and those after {needed} are needed: {remedy}"
    )]
    Trimmed {
        /// The source.
        location: String,
        /// Where it was to be gone on.
        needed: Cursor,
        /// What it has.
        oldest: Cursor,
        /// What it has.
        newest: Cursor,
        /// What to do.
        remedy: &'static str,
    },
    /// A backup that was begun is of another store.
    #[error("{path} is a backup of another store: {differs}. Name another file, or that store", path = path.display())]
    OtherSource {
        /// Which.
        path: PathBuf,
        /// How that is known.
        differs: String,
    },
    /// A server that was asked for its world did not give it.
    #[error("{url} {failed}")]
    Server {
        /// Which.
        url: String,
        /// What it did instead, and what to do.
        failed: String,
        /// Whether the same call may come through later.
        retryable: bool,
    },
    /// A person stopped it.
    #[error(
        "interrupted before all was in {target} and durable there: the same command goes on where it stopped (for a backup with \
         --resume)"
    )]
    Interrupted {
        /// What is not finished.
        target: String,
    },
    /// A file is in the way.
    #[error("{path} exists: go on with it by --resume, or choose another file", path = path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// The target holds something else.
    #[error(
        "{location} holds something else ({found}): move into an empty store, or go on with what was interrupted there"
    )]
    Occupied {
        /// The target.
        location: String,
        /// What was found.
        found: String,
    },
    /// A restore or a copy was interrupted there.
    #[error(
        "{location} holds a part of a world: a restore or a copy into it did not come to its end. Run that command again, it goes on \
         where it stopped; or empty the store"
    )]
    Unfinished {
        /// The target.
        location: String,
    },
    /// Somebody else writes into the target of a move, or did.
    #[error(
        "somebody else wrote into {location} after a move into it had begun, so that it is the world of neither: stop what writes there, \
         such as a service over the same database, empty it and move into it again"
    )]
    Mixed {
        /// The target.
        location: String,
    },
    /// The backup does not reach there.
    #[error(
        "the backup can bring back any moment from cursor {from} to {to}, not {asked}: choose one of these with --to"
    )]
    OutOfReach {
        /// What was asked for.
        asked: Cursor,
        /// The first moment.
        from: Cursor,
        /// The last one.
        to: Cursor,
    },
    /// Its own records contradict each other: the program that wrote it had a fault.
    #[error(
        "{location} contradicts itself: {what}; nothing more was written. Make a new backup, and keep this one to report the fault"
    )]
    Contradiction {
        /// The file or the store.
        location: String,
        /// What does not fit.
        what: String,
    },
}

impl MoveError {
    /// Whether the same call may come through later.
    pub fn retryable(&self) -> bool {
        match self {
            // A store of this process that was stopped stays so.
            Self::Store { source, .. } => source.retryable() && !matches!(**source, Error::Stopped),
            Self::Server { retryable, .. } => *retryable,
            _ => false,
        }
    }

    /// For `map_err` of calls to a store.
    pub fn store(location: &str, doing: &'static str) -> impl FnOnce(Error) -> Self + use<> {
        let location = location.to_owned();
        move |source| Self::Store { location, doing, source: Box::new(source) }
    }

    /// For `map_err` of calls to the file system.
    pub fn file(path: &std::path::Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, doing, source }
    }

    /// Bytes that do not decode though their checksum is right.
    pub fn undecodable(path: &std::path::Path, offset: u64, fault: &CodecError) -> Self {
        Self::Damaged { path: path.to_owned(), offset, what: fault.to_string() }
    }
}

/// Runs work that waits for files.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(MoveError::File {
                path: "the backup".into(),
                doing: "read",
                source: io::Error::other(error.to_string()),
            }),
        },
    }
}
