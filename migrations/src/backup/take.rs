//! Making a backup of a store that is being written to.

use std::{path::Path, pin::Pin, sync::Arc};

use entitygraph_schema::{
    Commit, Cursor, EntityId,
    codec::encoded,
    query::{PageRequest, RecordSort},
};
use entitygraph_store::Feed;

use super::{
    frame::{Base, Begin, End, Frame},
    parts,
    sink::Sink,
    state::{Begun, State, begun},
};
use crate::{
    load::Progress,
    moving::{MoveError, Result, blocking},
    patience::patiently,
    source::{Cataloged, Source},
};

/// How a backup is taken.
#[derive(Debug, Clone, Copy)]
pub struct BackupOptions {
    /// Records of one page. Default 4,000: a frame of some hundred kilobytes.
    pub page: usize,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self { page: 4_000 }
    }
}

/// Commits read at once.
const COMMITS: usize = 1_024;

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The first moment that it can bring back.
    pub from: Cursor,
    /// The last one.
    pub to: Cursor,
    /// Entities read.
    pub entities: u64,
    /// Links read.
    pub links: u64,
    /// Bytes before compression, of this run.
    pub logical_bytes: u64,
}

/// Whether a backup ends when the world is in it.
pub enum Follow<'a> {
    /// It ends.
    No,
    /// It goes on with the commits until this is done; before the world is in it, it is interrupted by that.
    Until(Pin<Box<dyn Future<Output = ()> + Send + 'a>>),
}

/// Refuses a file that is in the way: before a source is asked, which may take long.
///
/// # Errors
/// [`MoveError::Exists`] without `resume`, and when it cannot be told.
pub fn keep_existing(path: &Path, resume: bool) -> Result<()> {
    let exists = path.try_exists().map_err(MoveError::file(path, "read"))?;
    if exists && !resume {
        return Err(MoveError::Exists { path: path.to_owned() });
    }
    Ok(())
}

/// Writes a backup of the source into a file. With `resume` goes on with an unfinished one, or brings a whole one up to date;
/// without it a file that exists is refused. One that was whole stays so, whatever fails.
pub async fn backup(
    source: &dyn Source,
    path: &Path,
    resume: bool,
    follow: Follow<'_>,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
) -> Result<Taken> {
    keep_existing(path, resume)?;
    let before = {
        let path = path.to_owned();
        blocking(move || begun(&path)).await?
    };
    let (state, end) = match before {
        Some(Begun { state, end }) => {
            same_source(source, path, &state, &*progress).await?;
            has_more(source, &state, &*progress).await?;
            (state, Some(end))
        }
        None => {
            let after = patiently(&*progress, || source.newest()).await?;
            (State::new(Begin { id: fastrand::u64(..), source: source.location(), after }), None)
        }
    };
    let sink = Sink::open(path, end)?;
    let mut taking = Taking { source, state, sink, options, progress, counts_commits: false };
    let taken = taking.take(follow).await;
    // Also after a failure, so that what is in it can be brought back.
    let ended = taking.finish(taken.as_ref().ok().map(|(_, leased)| *leased)).await;
    let (base, _) = taken?;
    let (to, logical_bytes) = ended?;
    Ok(Taken { from: base.cursor, to, entities: base.entities, links: base.links, logical_bytes })
}

/// Refuses a source that is not the one a file was begun from: it has the file's last commit. Where that cannot be told,
/// because there is none yet or the source keeps it no more, their names decide.
pub async fn same_source(
    source: &dyn Source,
    path: &Path,
    state: &State,
    progress: &dyn Progress,
) -> Result<()> {
    let other = |differs: String| MoveError::OtherSource { path: path.to_owned(), differs };
    if let Some(last) = &state.last {
        let before = Cursor::from_number(last.cursor.number().saturating_sub(1));
        let feed = patiently(progress, || source.changes(before, 1)).await?;
        if let Feed::Commits(found) = feed
            && let Some(found) = found.first()
        {
            let same = encoded::<Commit>(found) == encoded::<Commit>(last);
            let differs =
                || other(format!("{} has another commit {} than the file", source.location(), last.cursor));
            return if same { Ok(()) } else { Err(differs()) };
        }
    }
    let (began, given) = (&state.begin.source, source.location());
    if *began == given { Ok(()) } else { Err(other(format!("it was begun from {began}, not from {given}"))) }
}

/// Refuses a source that has not all commits after the last one of a file.
async fn has_more(source: &dyn Source, state: &State, progress: &dyn Progress) -> Result<()> {
    let feed = patiently(progress, || source.changes(state.at, 1)).await?;
    after(source, state.at, feed).map(drop)
}

/// The commits of a feed that was asked for those after `needed`.
fn after(source: &dyn Source, needed: Cursor, feed: Feed) -> Result<Vec<Arc<Commit>>> {
    match feed {
        Feed::Commits(commits) => Ok(commits),
        Feed::Resync { newest, .. } if newest < needed => {
            Err(MoveError::Ahead { location: source.location(), needed, newest })
        }
        Feed::Resync { oldest, newest } => Err(MoveError::Trimmed {
            location: source.location(),
            needed,
            oldest,
            newest,
            remedy: "begin a new backup (for a copy: delete the file between source and target and empty the target), and if that \
                     ends in the same way raise store.retention.commits of the store; a file that is whole stays as it is",
        }),
    }
}

/// A backup in progress.
struct Taking<'a> {
    source: &'a dyn Source,
    state: State,
    sink: Sink,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
    /// Whether commits are what is counted: not while the world is read.
    counts_commits: bool,
}

impl Taking<'_> {
    /// Reads what is missing; returns the base, and an id that the source leases then.
    async fn take(&mut self, follow: Follow<'_>) -> Result<(Base, EntityId)> {
        if self.state.frames == 0 {
            self.put(Frame::Begin(self.state.begin.clone())).await?;
        }
        if !self.state.catalog {
            self.catalog().await?;
        }
        let base = match (follow, self.state.base) {
            (Follow::No, _) => self.read_world().await?,
            (Follow::Until(stop), Some(base)) => {
                self.follow(stop).await?;
                base
            }
            (Follow::Until(mut stop), None) => {
                let base = tokio::select! {
                    biased;
                    () = &mut stop => return Err(MoveError::Interrupted { target: "the backup".to_owned() }),
                    base = self.read_records() => base?,
                };
                self.follow(stop).await?;
                base
            }
        };
        Ok((base, self.lease().await?))
    }

    async fn put(&mut self, frame: Frame) -> Result<()> {
        self.sink.put(frame, &mut self.state).await
    }

    async fn catalog(&mut self) -> Result<()> {
        let Cataloged { components, containers } =
            patiently(&*self.progress, || self.source.catalog()).await?;
        for part in parts::catalog(components, containers) {
            self.put(part).await?;
        }
        // Says that these were all.
        self.put(Frame::Catalog(Vec::new(), Vec::new())).await
    }

    /// Reads all records that are missing, and the commits up to now: also where all records were read before a kill.
    async fn read_world(&mut self) -> Result<Base> {
        let base = match self.state.base {
            Some(base) => base,
            None => self.read_records().await?,
        };
        let newest = patiently(&*self.progress, || self.source.newest()).await?;
        self.progress.stage(&format!("adding from {}", self.source.location()));
        self.count_commits(Some(newest.number().saturating_sub(self.state.at.number())));
        self.drain(newest).await?;
        Ok(base)
    }

    /// Reads all records, and the commits up to a moment from which the world is whole.
    async fn read_records(&mut self) -> Result<Base> {
        self.progress.stage(&format!("reading {}", self.source.location()));
        let total = patiently(&*self.progress, || self.source.total()).await?;
        for sort in RecordSort::ALL {
            let read = self.state.reading(sort).count;
            match sort {
                RecordSort::Entity => {
                    self.progress.counts("entities", total.map(|total| total.saturating_sub(read)))
                }
                RecordSort::Buried => self.progress.counts("buried ids", None),
                RecordSort::Link => self.progress.counts("links", None),
            }
            while !self.state.reading(sort).done {
                self.page(sort).await?;
                self.drain(self.state.pages_at).await?;
            }
        }
        let base = self.state.base_here(self.lease().await?);
        self.put(Frame::Base(base)).await?;
        Ok(base)
    }

    async fn page(&mut self, sort: RecordSort) -> Result<()> {
        let request = PageRequest { first: self.options.page, after: self.state.reading(sort).next.clone() };
        let page = patiently(&*self.progress, || self.source.records(sort, request.clone())).await?;
        self.progress.items(page.records.len() as u64);
        self.put(parts::page(sort, page)).await
    }

    /// Takes the commits up to `to`, or a few more.
    async fn drain(&mut self, to: Cursor) -> Result<()> {
        while self.state.at < to {
            let at = self.state.at;
            let feed = patiently(&*self.progress, || self.source.changes(at, COMMITS)).await?;
            let commits = after(self.source, at, feed)?;
            if commits.is_empty() {
                return Ok(());
            }
            if self.counts_commits {
                self.progress.items(commits.len() as u64);
            }
            for part in parts::commits(commits) {
                self.put(part).await?;
            }
        }
        Ok(())
    }

    /// Takes commits as they come until told to stop, then those that are there.
    async fn follow(&mut self, mut stop: Pin<Box<dyn Future<Output = ()> + Send + '_>>) -> Result<()> {
        self.progress.stage(&format!("following {}", self.source.location()));
        self.count_commits(None);
        loop {
            let at = self.state.at;
            let next = patiently(&*self.progress, || self.source.newest_after(at));
            let newest = tokio::select! {
                biased;
                () = &mut stop => break,
                newest = next => newest?,
            };
            self.drain(newest).await?;
        }
        let newest = self.source.newest().await?;
        self.drain(newest).await
    }

    fn count_commits(&mut self, of: Option<u64>) {
        self.counts_commits = true;
        self.progress.counts("commits", of);
    }

    async fn lease(&self) -> Result<EntityId> {
        patiently(&*self.progress, || self.source.lease()).await
    }

    /// Makes the file whole, if the world is in it; returns its last moment, and the bytes of this run before compression.
    async fn finish(mut self, leased: Option<EntityId>) -> Result<(Cursor, u64)> {
        if !self.state.ended
            && let Some(known) = self.state.end_here()
        {
            let leased = known.leased.max(leased.unwrap_or(known.leased));
            self.put(Frame::End(End { leased, ..known })).await?;
        }
        let logical_bytes = self.sink.finish().await?;
        self.progress.finish();
        Ok((self.state.at, logical_bytes))
    }
}
