//! fjall 3, the default engine: a log-structured merge tree with one journal for all keyspaces.

use std::{
    fs,
    io::ErrorKind,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ::fjall::{
    Database, Guard, Iter, Keyspace, KeyspaceCreateOptions, LsmError, OwnedWriteBatch, PersistMode, Readable,
    Snapshot,
};
use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    Durability, Engine, EngineError, EngineOptions, RESERVED_KEY_BYTE, View, Visitor, WriteBatch,
    folder::Folder,
    journals::FullJournals,
    panics::caught,
    pieces::{self, Pairs, PiecedKeys},
};

const NAME: &str = "fjall";

/// One keyspace's memtable. With up to four more waiting to be written this bounds the memory of a bulk load.
/// Larger ones loaded no faster.
const MEMTABLE_BYTES: u64 = 16 << 20;

/// The least that fjall allows. Journals are replayed when a store is opened, so this bounds how long that
/// takes; it makes fjall write out the memtable of a keyspace that holds an old journal back.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Threads that write and compact tables. With one, memtables wait behind compactions: the store then took half
/// as much disk again after a bulk load and ten times as long to open. The first of them takes no compactions: handed one, it
/// puts it back, over and over while the others are busy. With two, that took an eighth of all processor time of a load.
const WORKERS: usize = 3;

/// A reserved key that means nothing.
const TICK: [u8; 2] = [RESERVED_KEY_BYTE, 0xFF];

/// How long to wait for memtables to be written before going on without. They are in the journal in any case.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// The engine `fjall`. Survives a power cut.
pub struct FjallEngine {
    // Dropped in this order: keyspaces, database, then the folder's lock.
    parts: Parts,
    db: Database,
    pieced: Mutex<PiecedKeys>,
    stopped: AtomicBool,
    folder: Folder,
}

impl FjallEngine {
    /// Opens the store in `path`, as [`EngineKind::open`](super::EngineKind::open) does.
    pub fn open(path: &Path, options: &EngineOptions) -> Result<Self, EngineError> {
        let folder = Folder::claim(path, NAME, options.reserve_bytes)?;
        clear_unfinished(&folder)?;
        let at = Place(folder.path());
        let journals =
            FullJournals::find(&folder.data()).map_err(|source| folder.io("reading the journals", source))?;
        let started = caught(|| Self::start(&folder, options), |what| at.corrupt(what, None));
        // Also when it did not start: it may have cut a journal off before it failed.
        let damaged = journals.damaged().map_err(|source| folder.io("reading the journals", source))?;
        if let Some(journal) = damaged {
            return Err(folder.condemn(NAME, &format!("rows are lost, its journal {journal:?} was damaged")));
        }
        let (db, parts, pieced) = started?;
        Ok(Self { parts, db, pieced: Mutex::new(pieced), stopped: AtomicBool::new(false), folder })
    }

    fn start(folder: &Folder, options: &EngineOptions) -> Result<(Database, Parts, PiecedKeys), EngineError> {
        let at = Place(folder.path());
        let db = Database::builder(folder.data())
            .cache_size(options.cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(WORKERS)
            .open()
            .map_err(|error| at.fault("opening", error))?;
        let parts =
            Parts::open(&db, &options.split_at).map_err(|error| at.fault("opening a keyspace", error))?;
        folder.sync_names()?;
        let mut pieced = PiecedKeys::default();
        let (from, to) = PiecedKeys::LISTED;
        for guard in db.snapshot().range(parts.of(&from), from..to) {
            let (key, count) = guard.into_inner().map_err(|error| at.fault("opening", error))?;
            pieced.recall(&key, &count).ok_or_else(|| at.corrupt("a list of pieces is malformed", None))?;
        }
        Ok((db, parts, pieced))
    }

    fn place(&self) -> Place<'_> {
        Place(self.folder.path())
    }

    fn snapshot(&self) -> FjallView<'_> {
        FjallView { engine: self, snapshot: self.db.snapshot() }
    }

    /// Remembers that the engine cannot go on writing.
    fn stop(&self, error: EngineError) -> EngineError {
        if !self.stopped.swap(true, Ordering::AcqRel) {
            tracing::error!(error = &error as &dyn std::error::Error, "the store takes no more writes");
        }
        error
    }

    /// Writes all memtables to tables and waits for that.
    ///
    /// Not done at close: a journal is read through when the store is opened, whether its entries are needed
    /// or not, so that closing would take longer and opening no less.
    fn flush_memtables(&self) -> Result<(), ::fjall::Error> {
        for keyspace in self.parts.all() {
            keyspace.rotate_memtable()?;
        }
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        while self.parts.all().any(|keyspace| keyspace.sealed_memtable_count() > 0)
            && Instant::now() < deadline
        {
            // Fails once a worker of fjall has failed: nobody would write the rest.
            self.db.persist(PersistMode::Buffer)?;
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// fjall removes the files of tables that were compacted away when it next rotates a memtable that is not
    /// empty, so this makes one.
    fn drop_old_tables(&self) -> Result<(), ::fjall::Error> {
        self.parts.of(&TICK).insert(TICK, [])?;
        self.flush_memtables()
    }
}

impl Engine for FjallEngine {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view(&self) -> Box<dyn View + '_> {
        Box::new(self.snapshot())
    }

    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), EngineError> {
        pieces::check(&batch)?;
        let mut pieced = self.pieced.lock();
        if self.stopped.load(Ordering::Acquire) {
            return Err(self.place().stopped());
        }
        self.folder.admit(batch.only_deletes())?;
        let mode = match durability {
            Durability::Buffered => PersistMode::Buffer,
            Durability::Synced => PersistMode::SyncData,
        };
        let mut sink = Sink {
            parts: &self.parts,
            batch: OwnedWriteBatch::with_capacity(self.db.clone(), batch.len()).durability(Some(mode)),
        };
        let changes = pieced.lower(&batch, &self.snapshot(), &mut sink)?;
        drop(batch);
        caught(
            || sink.batch.commit().map_err(|error| self.place().fault("writing", error)),
            |what| self.place().corrupt(what, None),
        )
        .map_err(|error| self.stop(error))?;
        pieced.apply(changes);
        Ok(())
    }

    fn sync(&self) -> Result<(), EngineError> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(self.place().stopped());
        }
        self.db
            .persist(PersistMode::SyncData)
            .map_err(|error| self.stop(self.place().fault("syncing", error)))
    }

    fn compact(&self) -> Result<(), EngineError> {
        self.flush_memtables().map_err(|error| self.place().fault("writing memtables", error))?;
        for keyspace in self.parts.all() {
            keyspace.major_compact().map_err(|error| self.place().fault("compacting", error))?;
        }
        self.drop_old_tables().map_err(|error| self.place().fault("removing old tables", error))
    }

    fn disk_bytes(&self) -> u64 {
        self.folder.disk_bytes()
    }

    fn room(&self) -> Result<(), EngineError> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(self.place().stopped());
        }
        self.folder.admit(false)
    }

    fn caveat(&self) -> Option<&'static str> {
        None
    }
}

struct FjallView<'a> {
    engine: &'a FjallEngine,
    snapshot: Snapshot,
}

impl Pairs for FjallView<'_> {
    type Stored = ::fjall::Slice;

    fn get_stored(&self, key: &[u8]) -> Result<Option<::fjall::Slice>, EngineError> {
        let at = self.engine.place();
        let get =
            || self.snapshot.get(self.engine.parts.of(key), key).map_err(|error| at.fault("reading", error));
        caught(get, |what| at.corrupt(what, None))
    }

    fn corrupt(&self, what: &'static str) -> EngineError {
        self.engine.place().corrupt(what, None)
    }
}

impl FjallView<'_> {
    /// Visits what `next` takes from the range in each keyspace, in the order of `parts`.
    fn visit<'p>(
        &self,
        (from, to): (&[u8], &[u8]),
        parts: impl Iterator<Item = &'p Keyspace>,
        next: impl Fn(&mut Iter) -> Option<Guard>,
        visit: &mut Visitor<'_>,
    ) -> Result<(), EngineError> {
        let at = self.engine.place();
        for keyspace in parts {
            let mut pairs = self.snapshot.range(keyspace, from..to);
            loop {
                let mut pair = || next(&mut pairs).map(Guard::into_inner).transpose();
                let pair = caught(
                    || pair().map_err(|error| at.fault("reading", error)),
                    |what| at.corrupt(what, None),
                )?;
                let Some((key, stored)) = pair else { break };
                if self.visit_stored(&key, &stored, visit)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl View for FjallView<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        if key.is_empty() {
            return Ok(None);
        }
        self.get_value(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError> {
        let Some(bounds) = pieces::bounds(from, to) else { return Ok(()) };
        self.visit(bounds, self.engine.parts.between(bounds), Iter::next, visit)
    }

    fn scan_reverse(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError> {
        let Some(bounds) = pieces::bounds(from, to) else { return Ok(()) };
        self.visit(bounds, self.engine.parts.between(bounds).rev(), Iter::next_back, visit)
    }
}

/// The keyspaces and the first key byte at which each begins, ascending from 0.
struct Parts(Vec<(u8, Keyspace)>);

impl Parts {
    /// Opens the keyspaces of an existing store, or creates those of a new one. Each is named by its first byte.
    fn open(db: &Database, split_at: &[u8]) -> Result<Self, ::fjall::Error> {
        let existing = db.list_keyspace_names();
        let mut starts: Vec<u8> =
            existing.iter().filter_map(|name| u8::from_str_radix(name, 16).ok()).collect();
        // The one at 0 is created last: without it creation was cut short, and nothing can be in the others.
        if !starts.contains(&0) {
            starts.extend(split_at.iter().rev().filter(|start| **start != 0));
            starts.push(0);
        }
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let mut parts = Vec::with_capacity(starts.len());
        for start in starts {
            parts.push((start, db.keyspace(&format!("{start:02x}"), options)?));
        }
        parts.sort_by_key(|(start, _)| *start);
        parts.dedup_by_key(|(start, _)| *start);
        Ok(Self(parts))
    }

    fn all(&self) -> impl Iterator<Item = &Keyspace> {
        self.0.iter().map(|(_, keyspace)| keyspace)
    }

    /// The keyspace of a key.
    fn of(&self, key: &[u8]) -> &Keyspace {
        &self.0[self.position(key)].1
    }

    /// The keyspaces that keys between the bounds can be in, in key order.
    fn between(&self, (from, to): (&[u8], &[u8])) -> impl DoubleEndedIterator<Item = &Keyspace> {
        self.0[self.position(from)..=self.position(to)].iter().map(|(_, keyspace)| keyspace)
    }

    fn position(&self, key: &[u8]) -> usize {
        let first = key.first().copied().unwrap_or(0);
        self.0.partition_point(|(start, _)| *start <= first).saturating_sub(1)
    }
}

struct Sink<'a> {
    parts: &'a Parts,
    batch: OwnedWriteBatch,
}

impl pieces::Sink for Sink<'_> {
    fn put(&mut self, key: &[u8], stored: &[u8]) {
        self.batch.insert(self.parts.of(key), key, stored);
    }

    fn delete(&mut self, key: &[u8]) {
        self.batch.remove(self.parts.of(key), key);
    }
}

/// Bytes of the file `version`: "FJL" and a number.
const VERSION_BYTES: u64 = 4;

/// Removes what a process left that ended while it created the store, which fjall would stumble over. fjall writes `version` last
/// of all, in two pieces, and data only after it: so without a whole one there is no data, or something is wrong.
fn clear_unfinished(folder: &Folder) -> Result<(), EngineError> {
    let data = folder.data();
    let failed = |source| folder.io("looking for an unfinished store", source);
    if !data.try_exists().map_err(failed)? {
        return Ok(());
    }
    match data.join("version").metadata() {
        Ok(version) if version.len() >= VERSION_BYTES => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let keyspaces = data.join("keyspaces");
    if keyspaces.try_exists().map_err(failed)? && fs::read_dir(keyspaces).map_err(failed)?.next().is_some() {
        return Err(Place(folder.path()).corrupt("its file `data/version` is missing or cut", None));
    }
    fs::remove_dir_all(data).map_err(failed)
}

/// Where an error happened.
#[derive(Clone, Copy)]
struct Place<'a>(&'a Path);

impl Place<'_> {
    fn fault(self, operation: &'static str, error: ::fjall::Error) -> EngineError {
        use ::fjall::Error;
        match error {
            Error::Io(source) | Error::Storage(LsmError::Io(source)) => {
                EngineError::Io { path: self.0.to_owned(), operation, source }
            }
            Error::Locked => EngineError::Busy { path: self.0.to_owned(), holder: String::new() },
            Error::Poisoned => self.stopped(),
            other => self.corrupt(format!("{operation} failed"), Some(Box::new(other))),
        }
    }

    fn corrupt(
        self,
        what: impl Into<String>,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> EngineError {
        EngineError::Corrupt { path: self.0.to_owned(), engine: NAME, what: what.into(), source }
    }

    fn stopped(self) -> EngineError {
        EngineError::stopped(self.0, NAME)
    }
}
