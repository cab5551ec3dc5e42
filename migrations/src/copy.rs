//! A world from any store into any other, while the source is written to.
//!
//! First a backup of the source into a file, then that into the target ([`crate::restore`]) while the commits that come
//! meanwhile are appended to the file, then those, and then the source's commits as they come, until there are none left. Between
//! them lies a file because a target may be slow, and the source keeps its commits for a time only: however long the target
//! takes, the file has them. An interrupted copy goes on with the file, or where the target stands when it is past that.

use std::{path::Path, sync::Arc, time::Duration};

use entitygraph_schema::{Cursor, EntityId};
use entitygraph_store::{Feed, Store};
use tokio::sync::oneshot;

use crate::{
    backup::{self, BackupFile, BackupOptions, Follow},
    load::{Progress, Silent},
    moving::{MoveError, Result},
    restore::{self, Restored, Target, commits, place::Stand, target::last_move},
};

/// How long a follower waits for commits before it looks whether it is to stop: it is woken by each.
const LOOK: Duration = Duration::from_millis(200);

/// What a copy did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The moment of the source that the target is at.
    pub at: Cursor,
    /// Entities put in by this run.
    pub entities: u64,
}

/// Told how far a copy is behind its source.
pub trait Watch: Send + Sync {
    /// How many commits the target is behind, after each step of catching up. At 0, says whether to end.
    fn lag(&self, commits: u64) -> bool;
    /// Whether this is the last run, after which the target takes the source's place: then the file between them goes.
    fn finishes(&self) -> bool;
}

/// Ends as soon as the target is up to date.
#[derive(Debug, Default)]
pub struct Once;

impl Watch for Once {
    fn lag(&self, _: u64) -> bool {
        true
    }
    fn finishes(&self) -> bool {
        true
    }
}

/// Copies the source into the target, which must be empty or hold what an earlier run left. `spool` is where the file
/// between them is.
pub async fn copy(
    source: Arc<dyn Store>,
    target: Arc<dyn Store>,
    spool: &Path,
    watch: &dyn Watch,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
) -> Result<Copied> {
    let location = source.info().location;
    let mut entities = 0;
    let (id, mut at) = match standing(&*source, &*target, spool).await? {
        Some(standing) => standing,
        None => {
            let loaded = load(&source, &target, spool, options, progress.clone()).await?;
            entities = loaded.1.entities;
            (loaded.0, loaded.1.at)
        }
    };
    let mut follower = Target::open(target, id, progress.clone()).await?;
    progress.stage("commits");
    at = follow(&source, &location, &mut follower, at, watch).await?;
    follower.lease_past(leased(&*source, &location).await?).await?;
    follower.sync().await?;
    progress.finish();
    if watch.finishes() && spool.exists() {
        std::fs::remove_file(spool).map_err(MoveError::file(spool, "deleted"))?;
    }
    Ok(Copied { at, entities: entities + follower.entities })
}

/// Which copy the target is of, and where it stands, when it can go on with the source's own commits from there. No two
/// stores have the same cursors, so that it is of this source.
async fn standing(source: &dyn Store, target: &dyn Store, spool: &Path) -> Result<Option<(u64, Cursor)>> {
    let location = source.info().location;
    let begin = backup::begun(spool)?;
    if let Some(begin) = begin.as_ref().filter(|begin| begin.source != location) {
        let began = begin.source.clone();
        return Err(MoveError::OtherSource { path: spool.to_owned(), began, given: location });
    }
    let Some((id, Stand::At(at))) = last_move(target).await? else { return Ok(None) };
    if begin.is_some_and(|begin| begin.id != id) {
        return Ok(None);
    }
    let feed = source.changes(at, 1).await.map_err(MoveError::store(&location, "reading its commits"))?;
    Ok(matches!(feed, Feed::Commits(_)).then_some((id, at)))
}

/// Brings the source into the file and the file into the target.
async fn load(
    source: &Arc<dyn Store>,
    target: &Arc<dyn Store>,
    spool: &Path,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
) -> Result<(u64, Restored)> {
    // A file that is there goes on, or is brought up to date.
    backup::backup(source, spool, true, Follow::No, options, progress.clone()).await?;
    let file = open(spool).await?;
    let (done, stop) = oneshot::channel::<()>();
    let until = Follow::Until(Box::pin(async { drop(stop.await) }));
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    let keep = backup::backup(source, spool, true, until, options, silent);
    let load = async {
        let restored = restore::restore(&file, target.clone(), None, progress.clone()).await;
        drop(done);
        restored
    };
    let (restored, kept) = tokio::join!(load, keep);
    let (restored, _) = (restored?, kept?);
    let file = open(spool).await?;
    let caught = restore::restore_from(&file, target.clone(), restored.at, progress).await?;
    Ok((file.begin.id, Restored { entities: restored.entities + caught.entities, ..caught }))
}

async fn follow(
    source: &Arc<dyn Store>,
    location: &str,
    target: &mut Target,
    mut at: Cursor,
    watch: &dyn Watch,
) -> Result<Cursor> {
    let mut newest = source.newest();
    loop {
        match source
            .changes(at, commits::AT_ONCE)
            .await
            .map_err(MoveError::store(location, "reading its commits"))?
        {
            Feed::Commits(some) if some.is_empty() => {
                if watch.lag(0) {
                    return Ok(at);
                }
                target.sync().await?;
                // Nothing more comes from a store whose writer is gone.
                let _ = tokio::time::timeout(LOOK, newest.changed()).await;
            }
            Feed::Commits(some) => {
                commits::apply(target, &some).await?;
                at = some.last().map_or(at, |last| last.cursor);
                watch.lag(newest.borrow_and_update().number().saturating_sub(at.number()));
            }
            Feed::Resync { oldest, newest } => {
                return Err(MoveError::Trimmed {
                    location: location.to_owned(),
                    needed: at,
                    oldest,
                    newest,
                    remedy: "what is in the target is true for its moment but cannot be brought up to date: copy again into an empty store, \
                             and if that ends in the same way raise store.retention.commits of the source",
                });
            }
        }
    }
}

async fn leased(store: &dyn Store, location: &str) -> Result<EntityId> {
    let leased = store.lease_ids(1).await.map_err(MoveError::store(location, "leasing an id"))?;
    Ok(leased.first)
}

async fn open(path: &Path) -> Result<BackupFile> {
    let file = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || BackupFile::open(&file, |_| {})).await;
    opened.map_err(|error| MoveError::file(path, "read")(std::io::Error::other(error)))?
}
