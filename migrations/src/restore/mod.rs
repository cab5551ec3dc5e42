//! A backup into a store.
//!
//! The store must be empty, or hold what an interrupted restore of the same backup left there. How far that got is read from
//! the store itself: every transaction of a restore carries as its operation id which backup it comes from and where it
//! stands ([`place`]), and the newest commit of a store is never forgotten. So there is no file beside it that could be lost or
//! speak of another store, and a power cut that takes the last transactions takes what they said along.
//!
//! First the world as it was when the reading ended, parents before children ([`world`]); then the commits since, some at a time
//! ([`commits`]).

pub mod commits;
pub mod place;
pub mod target;
pub mod world;

use std::sync::Arc;

use entitygraph_schema::Cursor;
use entitygraph_store::Store;

use self::place::Stand;
pub use self::target::Target;
use crate::{
    backup::BackupFile,
    load::Progress,
    moving::{MoveError, Result},
};

/// What a restore did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// The moment of the source that the store is at.
    pub at: Cursor,
    /// Entities put in by this run.
    pub entities: u64,
    /// Commits replayed by this run.
    pub commits: u64,
}

/// The moment to bring back: that which is asked for, by default the last one. One that the backup does not reach is refused, before
/// there is a store to bring it back into.
///
/// # Errors
/// [`MoveError::OutOfReach`].
pub fn moment(backup: &BackupFile, asked: Option<Cursor>) -> Result<Cursor> {
    let (from, to) = (backup.base.cursor, backup.end.cursor);
    match asked.unwrap_or(to) {
        asked if asked < from || asked > to => Err(MoveError::OutOfReach { asked, from, to }),
        asked => Ok(asked),
    }
}

/// Brings the moment `to` of a backup back, by default its last one.
pub async fn restore(
    backup: &BackupFile,
    store: Arc<dyn Store>,
    to: Option<Cursor>,
    progress: Arc<dyn Progress>,
) -> Result<Restored> {
    let to = moment(backup, to)?;
    let mut target = Target::open(store, backup.begin.id, progress).await?;
    target.lease_past(backup.end.leased).await?;
    let at = match target.stand {
        Stand::Empty | Stand::World => world::load(backup, &mut target).await?,
        Stand::At(at) => at,
    };
    if at > to {
        return Err(MoveError::Occupied {
            location: target.location,
            found: format!("a restore of this backup that is at cursor {at} already, past {to}"),
        });
    }
    replay(backup, target, at, to).await
}

/// Brings a store that is at the moment `at` of a backup to its last one.
pub async fn restore_from(
    backup: &BackupFile,
    store: Arc<dyn Store>,
    at: Cursor,
    progress: Arc<dyn Progress>,
) -> Result<Restored> {
    let target = Target::open(store, backup.begin.id, progress).await?;
    target.lease_past(backup.end.leased).await?;
    replay(backup, target, at, backup.end.cursor).await
}

async fn replay(backup: &BackupFile, mut target: Target, mut at: Cursor, to: Cursor) -> Result<Restored> {
    target.progress.stage(&format!("replaying into {}", target.location));
    target.progress.counts("commits", Some(to.number().saturating_sub(at.number())));
    let mut commits = 0;
    for read in backup.commits(at)? {
        let mut read = read?;
        read.retain(|commit| commit.cursor <= to);
        commits += read.len() as u64;
        commits::apply(&mut target, &read).await?;
        at = read.last().map_or(at, |last| last.cursor);
    }
    target.sync().await?;
    target.progress.finish();
    Ok(Restored { at, entities: target.entities, commits })
}
