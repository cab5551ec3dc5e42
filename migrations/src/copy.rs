//! A world from any store into any other, while the source is written to.
//!
//! First a backup of the source into a file, then that into the target ([`crate::restore`]) while the commits that come
//! meanwhile are appended to the file, then those, and then the source's commits as they come, until there are none left. Between
//! them lies a file because a target may be slow, and the source keeps its commits for a time only: however long the target
//! takes, the file has them. An interrupted copy goes on with the file, or where the target stands when it is past that.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use entitygraph_schema::Cursor;
use entitygraph_store::{Feed, Store};
use tokio::sync::oneshot;

use crate::{
    backup::{self, BackupFile, BackupOptions, Follow, state::Begun, take::same_source},
    load::{NotesOnly, Progress},
    moving::{MoveError, Result, blocking},
    patience::patiently,
    restore::{
        self, Restored, Target, commits,
        place::Stand,
        target::{Move, last_move, refuse_occupied},
    },
    source::Source,
};

/// Longest time that a copy which was interrupted takes to make durable what it has.
const SETTLE: Duration = Duration::from_secs(5);

/// What a copy did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The moment of the source that the target is at.
    pub at: Cursor,
    /// Commits that the source had after it at the end: none, unless the copy was interrupted or others write.
    pub behind: u64,
    /// Entities put in by this run.
    pub entities: u64,
    /// Whether it came to its end; not when it was interrupted before.
    pub done: bool,
}

/// Told how far a copy is behind its source, and tells it when to end.
#[async_trait]
pub trait Watch: Send + Sync {
    /// How many commits the target is behind, after each step of catching up. Says whether to end.
    fn lag(&self, commits: u64) -> bool;
    /// Comes when the copy is to end as soon as it can, however far it is behind.
    async fn interrupted(&self) {
        std::future::pending().await
    }
    /// Whether this is the last run, after which the target takes the source's place: then the file between them goes.
    fn finishes(&self) -> bool;
}

/// Ends as soon as the target is up to date.
#[derive(Debug, Default)]
pub struct Once;

impl Watch for Once {
    fn lag(&self, commits: u64) -> bool {
        commits == 0
    }
    fn finishes(&self) -> bool {
        true
    }
}

/// Copies the source into the target, which must be empty or hold what an earlier run left. `spool` is where the file
/// between them is.
pub async fn copy(
    source: &dyn Source,
    target: Arc<dyn Store>,
    spool: &Path,
    watch: &dyn Watch,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
) -> Result<Copied> {
    let ready = async {
        match standing(source, &*target, spool, &*progress).await? {
            Some((id, at)) => Ok((id, at, 0)),
            None => {
                let (id, loaded) = load(source, &target, spool, options, progress.clone()).await?;
                Ok((id, loaded.at, loaded.entities))
            }
        }
    };
    let (id, mut at, entities) = tokio::select! {
        biased;
        () = watch.interrupted() => return Err(MoveError::Interrupted { target: target.info().location }),
        ready = ready => ready?,
    };
    let mut follower = Target::open(target, id, progress.clone()).await?;
    progress.stage(&format!("following {}", source.location()));
    progress.counts("commits", None);
    let interrupted = tokio::select! {
        biased;
        () = watch.interrupted() => true,
        followed = follow(source, &mut follower, &mut at, watch, &*progress) => followed.map(|()| false)?,
    };
    let settle = async {
        follower.lease_past(patiently(&*progress, || source.lease()).await?).await?;
        follower.sync().await?;
        source.newest().await
    };
    let newest = match interrupted {
        false => settle.await?,
        true => {
            let settled = tokio::time::timeout(SETTLE, settle).await;
            settled.map_err(|_| MoveError::Interrupted { target: follower.location.clone() })??
        }
    };
    progress.finish();
    let behind = newest.number().saturating_sub(at.number());
    // One that was told to end when nothing was left to do is done.
    let done = !interrupted || behind == 0;
    if watch.finishes() && done && spool.exists() {
        std::fs::remove_file(spool).map_err(MoveError::file(spool, "deleted"))?;
    }
    Ok(Copied { at, behind, entities: entities + follower.entities, done })
}

/// Which copy the target is of, and where it stands, when it can go on with the source's own commits from there. No two
/// stores have the same cursors, so that it is of this source.
async fn standing(
    source: &dyn Source,
    target: &dyn Store,
    spool: &Path,
    progress: &dyn Progress,
) -> Result<Option<(u64, Cursor)>> {
    let file = spool.to_owned();
    let begun = blocking(move || backup::begun(&file)).await?;
    if let Some(Begun { state, .. }) = &begun {
        same_source(source, spool, state, progress).await?;
    }
    let Some(Move { id, stand: Stand::At(at), is_newest: true }) = last_move(target).await? else {
        return Ok(None);
    };
    if begun.is_some_and(|begun| begun.state.begin.id != id) {
        return Ok(None);
    }
    match patiently(progress, || source.changes(at, 1)).await? {
        Feed::Commits(_) => Ok(Some((id, at))),
        Feed::Resync { newest, .. } if newest < at => {
            Err(MoveError::Ahead { location: source.location(), needed: at, newest })
        }
        Feed::Resync { .. } => Ok(None),
    }
}

/// Brings the source into the file and the file into the target.
async fn load(
    source: &dyn Source,
    target: &Arc<dyn Store>,
    spool: &Path,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
) -> Result<(u64, Restored)> {
    let file = spool.to_owned();
    if blocking(move || backup::begun(&file)).await?.is_none() {
        refuse_occupied(&**target).await?;
    }
    // A file that is there goes on, or is brought up to date.
    backup::backup(source, spool, true, Follow::No, options, progress.clone()).await?;
    let file = open(spool).await?;
    let (done, stop) = oneshot::channel::<()>();
    let until = Follow::Until(Box::pin(async { drop(stop.await) }));
    let beside = Arc::new(NotesOnly(progress.clone()));
    let keep = backup::backup(source, spool, true, until, options, beside);
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
    source: &dyn Source,
    target: &mut Target,
    at: &mut Cursor,
    watch: &dyn Watch,
    progress: &dyn Progress,
) -> Result<()> {
    let mut newest = patiently(progress, || source.newest()).await?;
    loop {
        let from = *at;
        match patiently(progress, || source.changes(from, commits::AT_ONCE)).await? {
            Feed::Commits(some) if some.is_empty() => {
                if watch.lag(0) {
                    return Ok(());
                }
                target.sync().await?;
                newest = patiently(progress, || source.newest_after(from)).await?;
            }
            Feed::Commits(some) => {
                commits::apply(target, &some).await?;
                *at = some.last().map_or(from, |last| last.cursor);
                if newest <= *at {
                    newest = patiently(progress, || source.newest()).await?;
                }
                let behind = newest.number().saturating_sub(at.number());
                if behind > 0 && watch.lag(behind) {
                    return Ok(());
                }
                // An interruption is seen between two steps, also where neither store ever waits.
                tokio::task::yield_now().await;
            }
            Feed::Resync { oldest, newest } => {
                return Err(MoveError::Trimmed {
                    location: source.location(),
                    needed: from,
                    oldest,
                    newest,
                    remedy: "what is in the target is true for its moment but cannot be brought up to date: copy again into an empty store, \
                             and if that ends in the same way raise store.retention.commits of the source",
                });
            }
        }
    }
}

async fn open(path: &Path) -> Result<BackupFile> {
    let path = path.to_owned();
    blocking(move || BackupFile::open(&path, |_| {})).await
}
