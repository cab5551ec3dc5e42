//! What can go wrong in a store.

use std::path::PathBuf;

use entitygraph_schema::Refusal;

use crate::remedy;

/// Result of a store call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A source of any type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What may have happened to a write that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was applied.
    NotApplied,
    /// It may have been applied: ask again with the same operation id.
    Unknown,
}

/// A failed store call. `Display` says what and what to do; the cause is in the chain.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is at fault; nothing was applied.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too much is waiting; nothing was applied. Try again later.
    #[error("the store is busy: {waiting} transactions are waiting; try again in a moment")]
    Busy {
        /// Transactions in the queue.
        waiting: usize,
    },
    /// The store was stopped.
    #[error(
        "the store is stopping; the outcome of a write in flight is unknown, ask again with its operation id"
    )]
    Stopped,
    /// The data folder is held by another process.
    #[error(
        "{location} is in use by another process: stop it, or choose another folder with --data or --store"
    )]
    InUse {
        /// The folder.
        location: String,
    },
    /// The server of the store cannot be reached.
    #[error("{location} cannot be reached")]
    Unreachable {
        /// The server.
        location: String,
        /// What the driver said.
        #[source]
        source: BoxError,
    },
    /// The server of the store refuses this user.
    #[error("{location} refuses the user: {said}; {advice}")]
    Denied {
        /// The server.
        location: String,
        /// What it said.
        said: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The server of the store is too old.
    #[error(
        "{location} is Neo4j {found}, and this program needs {needed} or newer: upgrade the server, it takes its data over \
         (https://neo4j.com/docs/upgrade-migration-guide/)"
    )]
    OldServer {
        /// The server.
        location: String,
        /// Its version.
        found: String,
        /// The oldest that will do.
        needed: String,
    },
    /// The server of the store did not answer in time.
    #[error("{location} {}", remedy::silent(.operation, *.answers_others))]
    Silent {
        /// The server.
        location: String,
        /// What was being done.
        operation: &'static str,
        /// Whether it answered something else in that time: then it is there, and the question was too large.
        answers_others: bool,
        /// What the driver said.
        #[source]
        source: BoxError,
    },
    /// The server of the store ended what took longer, or waited longer for a lock, than it allows; nothing was applied.
    #[error("{operation} was ended by {location}, {}", remedy::too_long(*.waited))]
    TooLong {
        /// The server.
        location: String,
        /// What was being done.
        operation: &'static str,
        /// Whether it waited for a lock.
        waited: bool,
        /// What the server said.
        #[source]
        source: BoxError,
    },
    /// The server of the store refuses what it was asked, and would again.
    #[error(
        "{location} refuses it when {operation}, and would again: `entitygraph migrate verify --store {location}` (with the account) \
         says whether constraints, indexes and data are as they should be; if they are this is an error of this program, report it"
    )]
    Rejected {
        /// The server.
        location: String,
        /// What was being done.
        operation: &'static str,
        /// What the server said.
        #[source]
        source: BoxError,
    },
    /// The database of the store met an error that it does not survive.
    #[error("the database at {location} stopped by itself{}", remedy::halted(.reason))]
    Halted {
        /// The server.
        location: String,
        /// Why, as far as it is known.
        reason: String,
        /// What may have happened to the write on which it was found.
        outcome: Outcome,
    },
    /// The server has no such database.
    #[error(
        "{location} has no database `{database}`: name one that is there behind the host (bolt://HOST/DATABASE), or none for the \
         server's default"
    )]
    NoDatabase {
        /// The server.
        location: String,
        /// What was asked for.
        database: String,
    },
    /// The folder holds something else.
    #[error("{location} is no EntityGraph store ({found}): {}", remedy::foreign(.location))]
    Foreign {
        /// The folder or database.
        location: String,
        /// What was found there.
        found: String,
    },
    /// The store was written by a newer version of this program.
    #[error("{location} has store format {found}, this program knows up to {known}: use a newer program")]
    NewerFormat {
        /// The folder.
        location: String,
        /// Format of the store.
        found: u32,
        /// Newest format this program reads.
        known: u32,
    },
    /// There is no store where an existing one is needed.
    #[error("there is no store at {location}: {}", remedy::missing(.location))]
    Missing {
        /// Where none is.
        location: String,
    },
    /// The store was written by an older version of this program, or its migration was interrupted.
    #[error(
        "{location} has store format {found}, this program reads {known}: `entitygraph migrate plan --store {location}` says \
         what upgrading it does; {}, then run `entitygraph migrate apply --store {location}`",
        remedy::keep(.location)
    )]
    OlderFormat {
        /// The folder or database.
        location: String,
        /// Format of the store.
        found: u32,
        /// Format this program reads.
        known: u32,
    },
    /// Stored bytes do not decode or disagree with each other.
    #[error("{location} is damaged: {what}; {}", remedy::damaged(.location))]
    Corrupt {
        /// The folder or database.
        location: String,
        /// What does not fit.
        what: String,
        /// What may have happened to the write on which it was found.
        outcome: Outcome,
    },
    /// What was acknowledged is not there any more.
    #[error(
        "{location} lost what it acknowledged: it was durable up to {witnessed}, and what can be read of it ends at {found}, \
         so a journal or a table is damaged or missing; copy the folder away, check the disk, then restore the newest backup \
         or ingest the last export into a new folder; to go on with what is left and give up the rest, delete {witness:?} \
         and start again"
    )]
    Lost {
        /// The folder.
        location: String,
        /// How far it is known to have been durable.
        witnessed: String,
        /// How far it is there.
        found: String,
        /// The file that knows; without it the store opens.
        witness: PathBuf,
    },
    /// No room left.
    #[error(
        "there is no room left at {location}: {free_mib} MiB are free, and the last {reserve_mib} MiB of the disk are kept \
         for the engine (setting store.engine.reserve_bytes); free some and try again"
    )]
    Full {
        /// The folder.
        location: String,
        /// Free space in MiB.
        free_mib: u64,
        /// Space kept free in MiB.
        reserve_mib: u64,
    },
    /// Anything else that the engine reports.
    #[error("{operation} failed at {location}")]
    Backend {
        /// What was being done.
        operation: &'static str,
        /// The folder.
        location: String,
        /// What may have happened.
        outcome: Outcome,
        /// What the engine said.
        #[source]
        source: BoxError,
    },
    /// A read, or a batch of writes, that several callers waited for together failed.
    #[error(transparent)]
    Shared(std::sync::Arc<Error>),
    /// The URL names no store.
    #[error(
        "`{url}` names no store: use fjall:PATH, sled:PATH, bolt://HOST, neo4j://HOST or memory:; a server also has \
             bolt://USER:PASSWORD@HOST:PORT/DATABASE, where a `%` of the password is written %25"
    )]
    UnknownStore {
        /// What was given, without an account.
        url: String,
    },
}

impl Error {
    /// The error of a read that several callers waited for; a refusal stays one.
    pub fn from_shared(error: std::sync::Arc<Self>) -> Self {
        match &*error {
            Self::Refused(refusal) => Self::Refused(refusal.clone()),
            _ => Self::Shared(error),
        }
    }

    /// Whether the same call may succeed later without anybody changing the request.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Shared(error) => error.retryable(),
            _ => matches!(
                self,
                Self::Busy { .. }
                    | Self::Stopped
                    | Self::Full { .. }
                    | Self::Backend { .. }
                    | Self::Unreachable { .. }
                    | Self::Silent { .. }
                    | Self::TooLong { waited: true, .. }
                    | Self::Halted { .. }
            ),
        }
    }

    /// Whether the server of the store is away, whatever it is asked: that passes once somebody brings it back, and a service goes
    /// on by itself then. The store says in the log when it begins and ends.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Shared(error) => error.is_outage(),
            Self::Unreachable { .. } | Self::Silent { answers_others: false, .. } | Self::Halted { .. } => {
                true
            }
            Self::Backend { source, .. } => {
                source.downcast_ref().is_some_and(crate::neo4j::fault::is_transient)
            }
            _ => false,
        }
    }

    /// What to look at where a server is not found at the start.
    pub fn checks(&self) -> Option<&'static str> {
        match self {
            Self::Shared(error) => error.checks(),
            Self::Unreachable { .. } | Self::Silent { answers_others: false, .. } => Some(remedy::CHECKS),
            _ => None,
        }
    }

    /// What may have happened to the write.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Stopped => Outcome::Unknown,
            Self::Shared(error) => error.outcome(),
            Self::Backend { outcome, .. } | Self::Corrupt { outcome, .. } | Self::Halted { outcome, .. } => {
                *outcome
            }
            _ => Outcome::NotApplied,
        }
    }

    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Busy { .. } => "STORE_BUSY",
            Self::Stopped => "STORE_STOPPED",
            Self::InUse { .. } => "STORE_IN_USE",
            Self::Unreachable { .. } => "STORE_UNREACHABLE",
            Self::Denied { .. } => "STORE_DENIED",
            Self::NoDatabase { .. } => "STORE_NO_DATABASE",
            Self::OldServer { .. } => "STORE_OLD_SERVER",
            Self::Silent { .. } => "STORE_SILENT",
            Self::TooLong { .. } => "STORE_TOO_LONG",
            Self::Rejected { .. } => "STORE_REJECTED",
            Self::Halted { .. } => "STORE_HALTED",
            Self::Foreign { .. } => "STORE_FOREIGN",
            Self::NewerFormat { .. } => "STORE_NEWER_FORMAT",
            Self::Missing { .. } => "STORE_MISSING",
            Self::OlderFormat { .. } => "STORE_OLDER_FORMAT",
            Self::Corrupt { .. } => "STORE_CORRUPT",
            Self::Lost { .. } => "STORE_LOST",
            Self::Full { .. } => "STORE_FULL",
            Self::Backend { .. } => "STORE_FAULT",
            Self::Shared(error) => error.code(),
            Self::UnknownStore { .. } => "UNKNOWN_STORE",
        }
    }
}
