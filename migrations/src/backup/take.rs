//! Making a backup of a store that is being written to.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, ErrorKind, Write},
    path::Path,
    sync::Arc,
};

use entitygraph_schema::{
    Cursor, EntityId,
    codec::encoded,
    query::{PageCursor, PageRequest, Record, RecordSort},
};
use entitygraph_store::{Feed, Store};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    file::{FrameReader, FrameWriter, Scan},
    frame::{Base, Begin, End, Frame, Mark},
};
use crate::{
    load::Progress,
    moving::{MoveError, Result},
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

/// A frame of the catalog or of commits holds about as many bytes.
const FRAME_BYTES: usize = 4 << 20;

/// Frames that wait to be written: the store is read on while one is compressed.
const WAITING: usize = 4;

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
    /// It goes on with the commits until this is done.
    Until(std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>>),
}

/// Writes a backup of the store into a file. With `resume` goes on with an unfinished one, or brings a whole one up to date;
/// without it a file that exists is refused.
pub async fn backup(
    store: &Arc<dyn Store>,
    path: &Path,
    resume: bool,
    follow: Follow<'_>,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
) -> Result<Taken> {
    let location = store.info().location;
    let exists = path.try_exists().map_err(MoveError::file(path, "read"))?;
    if exists && !resume {
        return Err(MoveError::Exists { path: path.to_owned() });
    }
    let (writer, state) = match if exists { go_on(path, &location)? } else { None } {
        Some(begun) => begun,
        None => {
            let file = OpenOptions::new().write(true).create(true).truncate(true).open(path);
            let file = file.map_err(MoveError::file(path, "created"))?;
            let writer = FrameWriter::begin(BufWriter::with_capacity(1 << 20, file));
            (writer.map_err(MoveError::file(path, "written"))?, None)
        }
    };
    let mut taking = Taking::start(store.clone(), state, sink(writer, path), options, progress).await?;
    taking.read_world().await?;
    if let Follow::Until(stop) = follow {
        taking.follow(stop).await?;
    }
    let (taken, writer) = taking.finish().await?;
    let file = writer
        .into_inner()
        .into_inner()
        .map_err(|error| MoveError::file(path, "written")(error.into_error()))?;
    file.sync_all().map_err(MoveError::file(path, "written"))?;
    Ok(taken)
}

/// Writes a backup of the store to anything that takes bytes.
pub async fn stream(
    store: &Arc<dyn Store>,
    out: impl Write + Send + 'static,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
) -> Result<Taken> {
    let path = Path::new("the stream");
    let writer = FrameWriter::begin(out).map_err(MoveError::file(path, "written"))?;
    let mut taking = Taking::start(store.clone(), None, sink(writer, path), options, progress).await?;
    taking.read_world().await?;
    Ok(taking.finish().await?.0)
}

/// How the backup in a file begins, whole or not; none when there is no file, or nothing in it because its writer was killed
/// before the first bytes reached it.
pub fn begun(path: &Path) -> Result<Option<Begin>> {
    match path.metadata() {
        Ok(file) if file.len() == 0 => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(MoveError::file(path, "read")(error)),
    }
    let first = Scan::read(path, |_| {})?.frames.into_iter().next();
    let Some(first) = first else { return Ok(None) };
    match FrameReader::open(path)?.read(&first)? {
        Frame::Begin(begin) => Ok(Some(begin)),
        _ => {
            let what = "its first frame is not the beginning".to_owned();
            Err(MoveError::Contradiction { location: path.display().to_string(), what })
        }
    }
}

type FileWriter = FrameWriter<BufWriter<File>>;

/// What an unfinished backup holds, and a writer behind its last intact frame; none when nothing of use is in it.
fn go_on(path: &Path, location: &str) -> Result<Option<(FileWriter, Option<State>)>> {
    if path.metadata().map_err(MoveError::file(path, "read"))?.len() == 0 {
        return Ok(None);
    }
    let scan = Scan::read(path, |_| {})?;
    let mut frames = &scan.frames[..];
    if let [before @ .., last] = frames
        && last.kind == 8
    {
        frames = before;
    }
    let mut reader = FrameReader::open(path)?;
    let mut state = None;
    for place in frames {
        match (reader.read(place)?, &mut state) {
            (Frame::Begin(begin), None) => state = Some(State::new(begin)),
            (frame, Some(state)) => state.note(&frame),
            (_, None) => {
                let what = "its first frame is not the beginning".to_owned();
                return Err(MoveError::Contradiction { location: path.display().to_string(), what });
            }
        }
    }
    if let Some(state) = &state
        && state.begin.source != location
    {
        let (began, given) = (state.begin.source.clone(), location.to_owned());
        return Err(MoveError::OtherSource { path: path.to_owned(), began, given });
    }
    let file = OpenOptions::new().write(true).open(path).map_err(MoveError::file(path, "written"))?;
    let end = frames.last().map_or(super::file::HEAD_BYTES, super::file::FramePlace::end);
    file.set_len(end).map_err(MoveError::file(path, "written"))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    std::io::Seek::seek(&mut out, std::io::SeekFrom::End(0)).map_err(MoveError::file(path, "written"))?;
    Ok(Some((FrameWriter::resume(out, frames.len() as u64), state)))
}

/// How far a sort of records is read.
#[derive(Debug, Clone, Default)]
struct Reading {
    next: Option<PageCursor>,
    done: bool,
    count: u64,
}

/// How far a backup is.
#[derive(Debug, Clone)]
struct State {
    begin: Begin,
    catalog: bool,
    entities: Reading,
    buried: Reading,
    links: Reading,
    /// The last commit in the file.
    at: Cursor,
    /// The moment of the latest page.
    pages_at: Cursor,
    base: Option<Base>,
}

impl State {
    fn new(begin: Begin) -> Self {
        let (at, pages_at) = (begin.after, begin.after);
        let (entities, buried, links) = Default::default();
        Self { begin, catalog: false, entities, buried, links, at, pages_at, base: None }
    }

    fn note(&mut self, frame: &Frame) {
        let (reading, mark, count) = match frame {
            Frame::Entities(entities, mark) => (&mut self.entities, mark, entities.len()),
            Frame::Buried(ids, mark) => (&mut self.buried, mark, ids.len()),
            Frame::Links(links, mark) => (&mut self.links, mark, links.len()),
            Frame::Commits(commits) => {
                self.at = commits.last().map_or(self.at, |last| last.cursor);
                return;
            }
            Frame::Base(base) => {
                self.base = Some(*base);
                return;
            }
            Frame::Catalog(..) => {
                self.catalog = true;
                return;
            }
            Frame::Begin(_) | Frame::End(_) => return,
        };
        *reading = Reading {
            next: mark.next.clone(),
            done: mark.next.is_none(),
            count: reading.count + count as u64,
        };
        self.pages_at = self.pages_at.max(mark.cursor);
    }

    fn reading(&self, sort: RecordSort) -> &Reading {
        match sort {
            RecordSort::Entity => &self.entities,
            RecordSort::Buried => &self.buried,
            RecordSort::Link => &self.links,
        }
    }
}

/// Where frames go: a thread of their own, because compressing and disks take time.
struct Sink<W> {
    frames: mpsc::Sender<Frame>,
    writer: JoinHandle<Result<FrameWriter<W>>>,
}

fn sink<W: Write + Send + 'static>(mut writer: FrameWriter<W>, path: &Path) -> Sink<W> {
    let (frames, mut waiting) = mpsc::channel::<Frame>(WAITING);
    let path = path.to_owned();
    let writer = tokio::task::spawn_blocking(move || {
        while let Some(frame) = waiting.blocking_recv() {
            writer.write(&frame).map_err(MoveError::file(&path, "written"))?;
        }
        Ok(writer)
    });
    Sink { frames, writer }
}

/// A backup in progress.
struct Taking<W> {
    store: Arc<dyn Store>,
    location: String,
    state: State,
    sink: Sink<W>,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
}

impl<W: Write + Send + 'static> Taking<W> {
    async fn start(
        store: Arc<dyn Store>,
        state: Option<State>,
        sink: Sink<W>,
        options: BackupOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<Self> {
        let location = store.info().location;
        let begun = state.is_some();
        let state = state.unwrap_or_else(|| {
            let after = *store.newest().borrow();
            State::new(Begin { id: fastrand::u64(..), source: location.clone(), after })
        });
        let mut taking = Self { store, location, state, sink, options, progress };
        if !begun {
            taking.put(Frame::Begin(taking.state.begin.clone())).await?;
        }
        if !taking.state.catalog {
            taking.catalog().await?;
        }
        Ok(taking)
    }

    async fn put(&mut self, frame: Frame) -> Result<()> {
        self.state.note(&frame);
        if self.sink.frames.send(frame).await.is_ok() {
            return Ok(());
        }
        // The writer ended early: it says why.
        let (closed, _) = mpsc::channel(1);
        self.sink.frames = closed;
        match (&mut self.sink.writer).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) => Err(stopped("it took no more frames")),
            Err(error) => Err(stopped(&error.to_string())),
        }
    }

    async fn catalog(&mut self) -> Result<()> {
        let catalog = self.store.catalog();
        let mut containers: Vec<_> = catalog.containers().cloned().collect();
        containers.sort_by_key(|container| container.id);
        let components: Vec<_> = catalog.registry.iter().cloned().collect();
        for part in cut(components, |component| encoded(&**component).len()) {
            self.put(Frame::Catalog(part, Vec::new())).await?;
        }
        for part in cut(containers, |container| encoded(&**container).len()) {
            self.put(Frame::Catalog(Vec::new(), part)).await?;
        }
        // Also when there is none, so that nobody reads it again.
        self.put(Frame::Catalog(Vec::new(), Vec::new())).await
    }

    /// Reads all records, and the commits up to a moment from which the world is whole.
    async fn read_world(&mut self) -> Result<()> {
        if self.state.base.is_none() {
            self.progress.stage("entities");
            for sort in RecordSort::ALL {
                while !self.state.reading(sort).done {
                    self.page(sort).await?;
                    let newest = *self.store.newest().borrow();
                    self.drain(newest).await?;
                }
            }
            self.drain(self.state.pages_at).await?;
            let base = Base {
                cursor: self.state.at,
                leased: self.lease().await?,
                entities: self.state.entities.count,
                buried: self.state.buried.count,
                links: self.state.links.count,
            };
            return self.put(Frame::Base(base)).await;
        }
        let newest = *self.store.newest().borrow();
        self.drain(newest).await
    }

    async fn page(&mut self, sort: RecordSort) -> Result<()> {
        let request = PageRequest { first: self.options.page, after: self.state.reading(sort).next.clone() };
        let page = self.store.records(sort, request).await;
        let page = page.map_err(MoveError::store(&self.location, "listing its records"))?;
        let mark = Mark { cursor: page.cursor, next: page.value.end.filter(|_| page.value.more) };
        let records = page.value.rows.into_iter().map(|(record, _)| record);
        let (mut entities, mut buried, mut links) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            match record {
                Record::Entity(entity) => entities.push(entity),
                Record::Buried(id) => buried.push(id),
                Record::Link(link) => links.push(link),
            }
        }
        self.progress.items((entities.len() + links.len()) as u64);
        self.put(match sort {
            RecordSort::Entity => Frame::Entities(entities, mark),
            RecordSort::Buried => Frame::Buried(buried, mark),
            RecordSort::Link => Frame::Links(links, mark),
        })
        .await
    }

    /// Takes the commits up to `to`, or a few more.
    async fn drain(&mut self, to: Cursor) -> Result<()> {
        while self.state.at < to {
            let feed = self.store.changes(self.state.at, COMMITS).await;
            match feed.map_err(MoveError::store(&self.location, "reading its commits"))? {
                Feed::Commits(commits) if commits.is_empty() => return Ok(()),
                Feed::Commits(commits) => {
                    for part in cut(commits, |commit| 64 * commit.changes.len()) {
                        self.put(Frame::Commits(part)).await?;
                    }
                }
                Feed::Resync { oldest, newest } => {
                    return Err(MoveError::Trimmed {
                        location: self.location.clone(),
                        needed: self.state.at,
                        oldest,
                        newest,
                        remedy: "begin a new backup, and if that ends in the same way raise store.retention.commits of the store",
                    });
                }
            }
        }
        Ok(())
    }

    /// Takes commits as they come until told to stop, then those that are there.
    async fn follow(
        &mut self,
        mut stop: std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>,
    ) -> Result<()> {
        self.progress.stage("commits");
        let mut newest = self.store.newest();
        loop {
            let to = *newest.borrow_and_update();
            self.drain(to).await?;
            tokio::select! {
                biased;
                () = &mut stop => break,
                changed = newest.changed() => if changed.is_err() { break },
            }
        }
        let to = *newest.borrow();
        self.drain(to).await
    }

    async fn lease(&self) -> Result<EntityId> {
        let leased = self.store.lease_ids(1).await;
        Ok(leased.map_err(MoveError::store(&self.location, "leasing an id"))?.first)
    }

    async fn finish(self) -> Result<(Taken, FrameWriter<W>)> {
        let leased = self.lease().await?;
        let Some(base) = self.state.base else { return Err(stopped("the world was not read")) };
        let Self { state, sink: Sink { frames, writer }, progress, .. } = self;
        drop(frames);
        let mut writer = writer.await.map_err(|error| stopped(&error.to_string()))??;
        let end = End { cursor: state.at, leased, frames: writer.frames };
        // Here too, because what it writes to may wait.
        let ending = move || {
            writer.write(&Frame::End(end))?;
            writer.get_mut().flush()?;
            Ok(writer)
        };
        let ended = tokio::task::spawn_blocking(ending).await;
        let writer = ended
            .map_err(|error| stopped(&error.to_string()))?
            .map_err(MoveError::file(Path::new("the backup"), "written"))?;
        progress.finish();
        let taken = Taken {
            from: base.cursor,
            to: state.at,
            entities: base.entities,
            links: base.links,
            logical_bytes: writer.logical_bytes,
        };
        Ok((taken, writer))
    }
}

fn stopped(why: &str) -> MoveError {
    let source = std::io::Error::new(ErrorKind::BrokenPipe, why.to_owned());
    MoveError::File { path: "the backup".into(), doing: "written", source }
}

/// Parts of about [`FRAME_BYTES`]; none of nothing.
fn cut<T>(items: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut parts, mut size) = (Vec::<Vec<T>>::new(), FRAME_BYTES);
    for item in items {
        if size >= FRAME_BYTES {
            parts.push(Vec::new());
            size = 0;
        }
        size += bytes(&item);
        if let Some(part) = parts.last_mut() {
            part.push(item);
        }
    }
    parts
}
