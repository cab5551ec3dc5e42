//! How far a backup is, told by the frames that are in it.

use std::{io::ErrorKind, path::Path, sync::Arc};

use entitygraph_schema::{
    Change, Commit, Cursor, EntityId,
    query::{PageCursor, RecordSort},
};

use super::{
    bytes::{FramePlace, HEAD_BYTES},
    file::{FrameReader, Scan},
    frame::{Base, Begin, End, Frame, Kind},
};
use crate::moving::{MoveError, Result};

/// How far ids of one lease may lie apart, see [`entitygraph_store::Store::lease_ids`].
const LONGEST_LEASE: u64 = 1 << 32;

/// How far a sort of records is read.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Where the list goes on.
    pub next: Option<PageCursor>,
    /// Whether its last page is read.
    pub done: bool,
    /// Records read.
    pub count: u64,
}

/// How far a backup is.
#[derive(Debug, Clone)]
pub struct State {
    /// Its first frame.
    pub begin: Begin,
    /// Frames in it, an end not counted.
    pub frames: u64,
    /// Whether all parts of the catalog are in it.
    pub catalog: bool,
    entities: Reading,
    buried: Reading,
    links: Reading,
    /// The last commit in it, or where they begin.
    pub at: Cursor,
    /// The last commit in it.
    pub last: Option<Arc<Commit>>,
    /// The moment of the latest page.
    pub pages_at: Cursor,
    /// Where the world is whole.
    pub base: Option<Base>,
    /// The highest id known to have been leased.
    leased: Option<EntityId>,
    /// Whether its last frame is its end.
    pub ended: bool,
}

impl State {
    /// Of a backup that begins.
    pub fn new(begin: Begin) -> Self {
        let (at, pages_at) = (begin.after, begin.after);
        let (entities, buried, links) = Default::default();
        let (base, last, leased, ended) = (None, None, None, false);
        Self {
            begin,
            frames: 0,
            catalog: false,
            entities,
            buried,
            links,
            at,
            last,
            pages_at,
            base,
            leased,
            ended,
        }
    }

    /// What frames of a file make together; none of none. One with a base and no complete catalog is refused.
    pub fn of(path: &Path, frames: &[FramePlace]) -> Result<Option<Self>> {
        let mut reader = FrameReader::open(path)?;
        let mut state: Option<Self> = None;
        for place in frames {
            let frame = reader.read(place)?;
            match (&mut state, &frame) {
                (Some(state), _) => state.note(&frame),
                (None, Frame::Begin(begin)) => state.insert(Self::new(begin.clone())).note(&frame),
                (None, _) => {
                    let what = "its first frame is not the beginning".to_owned();
                    return Err(MoveError::Contradiction { location: path.display().to_string(), what });
                }
            }
        }
        match &state {
            Some(state) if state.base.is_some() && !state.catalog => Err(no_catalog(path)),
            _ => Ok(state),
        }
    }

    /// Takes account of the next frame.
    pub fn note(&mut self, frame: &Frame) {
        self.ended = frame.kind() == Kind::End;
        self.frames += u64::from(!self.ended);
        match frame {
            Frame::Begin(_) => {}
            // The empty one is its last. Parts that are read again after a kill are the same, or newer by a commit behind them.
            Frame::Catalog(components, containers) => {
                self.catalog |= components.is_empty() && containers.is_empty();
            }
            Frame::Entities(entities, mark) => self.entities.turn(entities.len(), &mark.next),
            Frame::Buried(ids, mark) => self.buried.turn(ids.len(), &mark.next),
            Frame::Links(links, mark) => self.links.turn(links.len(), &mark.next),
            Frame::Commits(commits) => commits.iter().for_each(|commit| self.commit(commit)),
            Frame::Base(base) => {
                self.base = Some(*base);
                self.leased = self.leased.max(Some(base.leased));
            }
            Frame::End(end) => self.leased = self.leased.max(Some(end.leased)),
        }
        if let Frame::Entities(_, mark) | Frame::Buried(_, mark) | Frame::Links(_, mark) = frame {
            self.pages_at = self.pages_at.max(mark.cursor);
        }
    }

    fn commit(&mut self, commit: &Arc<Commit>) {
        self.at = commit.cursor;
        self.last = Some(commit.clone());
        for change in &commit.changes {
            let Change::Created(made) = change else { continue };
            // One that is farther away than a lease reaches was brought by its maker.
            self.leased = self.leased.map(|leased| match made.id.get().checked_sub(leased.get()) {
                Some(1..=LONGEST_LEASE) => made.id,
                _ => leased,
            });
        }
    }

    /// How far a sort is read.
    pub fn reading(&self, sort: RecordSort) -> &Reading {
        match sort {
            RecordSort::Entity => &self.entities,
            RecordSort::Buried => &self.buried,
            RecordSort::Link => &self.links,
        }
    }

    /// The base, if the world has been read, for now.
    pub fn base_here(&self, leased: EntityId) -> Base {
        Base {
            cursor: self.at,
            leased,
            entities: self.entities.count,
            buried: self.buried.count,
            links: self.links.count,
        }
    }

    /// An end that says what is known without asking the source; none before the world has been read.
    pub fn end_here(&self) -> Option<End> {
        let leased = self.leased.filter(|_| self.base.is_some())?;
        Some(End { cursor: self.at, leased, frames: self.frames })
    }

    /// What a file without an end can bring back; none before the world has been read.
    pub fn cut_here(self) -> Option<(Begin, Base, End)> {
        let (base, end) = (self.base?, self.end_here()?);
        Some((self.begin, base, end))
    }
}

impl Reading {
    fn turn(&mut self, count: usize, next: &Option<PageCursor>) {
        self.count += count as u64;
        self.done = next.is_none();
        self.next.clone_from(next);
    }
}

/// A file whose world is whole, but for component types and containers.
pub fn no_catalog(path: &Path) -> MoveError {
    MoveError::Contradiction {
        location: path.display().to_string(),
        what: "its catalog has no end: it was cut there, and gone on with by a program that did not notice"
            .to_owned(),
    }
}

/// A backup that was begun.
#[derive(Debug)]
pub struct Begun {
    /// How far it is.
    pub state: State,
    /// Where its next frame goes: behind all others, in the place of an end.
    pub end: u64,
}

/// The backup in a file, whole or cut; none when there is no file, or nothing in it because its writer was killed before the
/// first frame reached it. Only reads; a damaged one is refused, because what is behind the damage would be lost.
pub fn begun(path: &Path) -> Result<Option<Begun>> {
    match path.metadata() {
        Ok(file) if file.len() == 0 => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(MoveError::file(path, "read")(error)),
    }
    let Scan { frames, fault } = Scan::read(path, |_| {})?;
    match fault {
        None | Some(MoveError::Cut { .. }) => {}
        Some(fault) => return Err(fault),
    }
    let kept = match &frames[..] {
        [before @ .., last] if last.kind == Kind::End => before,
        all => all,
    };
    let end = kept.last().map_or(HEAD_BYTES, FramePlace::end);
    Ok(State::of(path, &frames)?.map(|state| Begun { state, end }))
}
