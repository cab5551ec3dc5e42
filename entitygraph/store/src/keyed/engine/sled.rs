//! sled 0.34, the engine that the project was asked to carry: a B+ tree over a log.
//!
//! One tree, because only batches of one tree are cheap. sled has no snapshots, so a view holds a read lock
//! that the (in-memory) application of a batch takes for writing.

use std::{
    fs::File,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use ::sled::{
    Config, Db, IVec, Iter,
    transaction::{TransactionError, TransactionalTree},
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::{
    Durability, Engine, EngineError, EngineOptions, View, Visitor, WriteBatch, barrier,
    folder::{Folder, patiently},
    panics::caught,
    pieces::{self, Pairs, PiecedKeys},
};

const NAME: &str = "sled";

/// sled puts a tree node over a quarter of a segment into a file that it never syncs. A node is written with
/// up to 27 entries, so of at most 100 KiB here. Segments of sled's default 512 KiB would do; with larger ones it
/// loads faster, because a segment is also its write buffer.
const SEGMENT_BYTES: usize = 4 << 20;

/// How often sled's own thread writes buffered data and rewrites pages to free segments. It frees them only
/// there.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// The engine `sled`. A view holds writers up. Survives a power cut where [`Engine::caveat`] says nothing else.
pub struct SledEngine {
    db: Db,
    /// Views hold it for reading, a batch for writing while it is applied.
    applied: RwLock<()>,
    writer: Mutex<PiecedKeys>,
    stopped: AtomicBool,
    /// Whether sled's own sync is a real one, see `barrier`.
    honest_sync: bool,
    folder: Folder,
}

impl SledEngine {
    /// Opens the store in `path`, as [`EngineKind::open`](super::EngineKind::open) does.
    ///
    /// On Linux this makes `sync_file_range` unavailable in the whole process and in the
    /// children it starts (a seccomp filter, which also means `no_new_privs`), so that sled syncs with `fsync`.
    pub fn open(path: &Path, options: &EngineOptions) -> Result<Self, EngineError> {
        let folder = Folder::claim(path, NAME, options.reserve_bytes)?;
        let honest_sync = barrier::install();
        let at = Place(folder.path());
        caught(|| Self::start(&folder, options), |what| at.corrupt(what, None)).map(|(db, pieced)| Self {
            db,
            applied: RwLock::new(()),
            writer: Mutex::new(pieced),
            stopped: AtomicBool::new(false),
            honest_sync,
            folder,
        })
    }

    fn start(folder: &Folder, options: &EngineOptions) -> Result<(Db, PiecedKeys), EngineError> {
        let at = Place(folder.path());
        let config = Config::new()
            .path(folder.data())
            .cache_capacity(options.cache_bytes)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(u64::try_from(FLUSH_EVERY.as_millis()).ok());
        // sled has a lock of its own, which its threads may give back after the `Db` is gone.
        let db = patiently(is_locked, || config.open()).map_err(|error| at.fault("opening", error))?;
        // sled syncs neither its settings file nor the folder they are all in.
        let settings = folder.data().join("conf");
        File::open(settings)
            .and_then(|file| file.sync_all())
            .map_err(|source| folder.io("syncing", source))?;
        folder.sync_names()?;
        let mut pieced = PiecedKeys::default();
        let (from, to) = PiecedKeys::LISTED;
        for pair in db.range(from..to) {
            let (key, count) = pair.map_err(|error| at.fault("opening", error))?;
            pieced.recall(&key, &count).ok_or_else(|| at.corrupt("a list of pieces is malformed", None))?;
        }
        Ok((db, pieced))
    }

    fn place(&self) -> Place<'_> {
        Place(self.folder.path())
    }

    fn refuse_if_stopped(&self) -> Result<(), EngineError> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(EngineError::stopped(self.folder.path(), NAME));
        }
        Ok(())
    }

    /// Runs a call that changes something; after a failure nothing more is written.
    fn changing<T>(&self, call: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
        caught(call, |what| self.place().corrupt(what, None)).inspect_err(|error| {
            if !self.stopped.swap(true, Ordering::AcqRel) {
                tracing::error!(error = error as &dyn std::error::Error, "the store takes no more writes");
            }
        })
    }

    fn flush(&self) -> Result<(), EngineError> {
        self.db.flush().map_err(|error| self.place().fault("syncing", error))?;
        if !self.honest_sync {
            let log = self.folder.data().join("db");
            File::open(log)
                .and_then(|log| log.sync_all())
                .map_err(|source| self.folder.io("syncing", source))?;
        }
        Ok(())
    }
}

impl Engine for SledEngine {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view(&self) -> Box<dyn View + '_> {
        Box::new(SledView { engine: self, _applied: self.applied.read() })
    }

    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), EngineError> {
        pieces::check(&batch)?;
        let mut pieced = self.writer.lock();
        self.refuse_if_stopped()?;
        self.folder.admit(batch.only_deletes())?;
        let mut sink = Sink::default();
        let changes = pieced.lower(&batch, self, &mut sink)?;
        drop(batch);
        self.changing(|| {
            let applied = self.applied.write();
            // A transaction and not a batch: sled frees memory as it reads, and a transaction reads each key.
            // Loading a million rows in batches of a thousand took 7 GB, in transactions a few hundred MB.
            let tree: &::sled::Tree = &self.db;
            tree.transaction(|tree| sink.apply(tree)).map_err(|error| match error {
                TransactionError::Storage(error) => self.place().fault("writing", error),
                TransactionError::Abort(never) => match never {},
            })?;
            drop(applied);
            if durability == Durability::Synced { self.flush() } else { Ok(()) }
        })?;
        pieced.apply(changes);
        Ok(())
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.refuse_if_stopped()?;
        self.changing(|| self.flush())
    }

    /// sled frees space in a thread of its own and uses it again; its file shrinks at most when it is opened.
    fn compact(&self) -> Result<(), EngineError> {
        self.sync()
    }

    fn disk_bytes(&self) -> u64 {
        self.folder.disk_bytes()
    }

    fn room(&self) -> Result<(), EngineError> {
        self.refuse_if_stopped()?;
        self.folder.admit(false)
    }

    fn caveat(&self) -> Option<&'static str> {
        (!self.honest_sync).then_some(
            "this system lets sled sync with sync_file_range only: a power cut or a crash of the machine can \
             leave the store unreadable or without the last commits (a crash of the process cannot)",
        )
    }
}

impl Pairs for SledEngine {
    type Stored = IVec;

    fn get_stored(&self, key: &[u8]) -> Result<Option<IVec>, EngineError> {
        let at = self.place();
        let get = || self.db.get(key).map_err(|error| at.fault("reading", error));
        caught(get, |what| at.corrupt(what, None))
    }

    fn corrupt(&self, what: &'static str) -> EngineError {
        self.place().corrupt(what, None)
    }
}

struct SledView<'a> {
    engine: &'a SledEngine,
    _applied: RwLockReadGuard<'a, ()>,
}

impl SledView<'_> {
    fn visit(
        &self,
        (from, to): (&[u8], &[u8]),
        next: impl Fn(&mut Iter) -> Option<::sled::Result<(IVec, IVec)>>,
        visit: &mut Visitor<'_>,
    ) -> Result<(), EngineError> {
        let at = self.engine.place();
        let mut pairs = self.engine.db.range(from..to);
        loop {
            let pair = caught(
                || next(&mut pairs).transpose().map_err(|error| at.fault("reading", error)),
                |what| at.corrupt(what, None),
            )?;
            let Some((key, stored)) = pair else { return Ok(()) };
            if self.engine.visit_stored(&key, &stored, visit)?.is_break() {
                return Ok(());
            }
        }
    }
}

impl View for SledView<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.engine.get_value(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError> {
        let Some(bounds) = pieces::bounds(from, to) else { return Ok(()) };
        self.visit(bounds, Iter::next, visit)
    }

    fn scan_reverse(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError> {
        let Some(bounds) = pieces::bounds(from, to) else { return Ok(()) };
        self.visit(bounds, Iter::next_back, visit)
    }
}

/// Writes in order; `None` deletes.
#[derive(Default)]
struct Sink(Vec<(IVec, Option<IVec>)>);

impl Sink {
    fn apply(
        &self,
        tree: &TransactionalTree,
    ) -> ::sled::transaction::ConflictableTransactionResult<(), std::convert::Infallible> {
        for (key, stored) in &self.0 {
            match stored {
                Some(stored) => tree.insert(key.clone(), stored.clone())?,
                None => tree.remove(key.clone())?,
            };
        }
        Ok(())
    }
}

impl pieces::Sink for Sink {
    fn put(&mut self, key: &[u8], stored: &[u8]) {
        self.0.push((key.into(), Some(stored.into())));
    }

    fn delete(&mut self, key: &[u8]) {
        self.0.push((key.into(), None));
    }
}

/// Whether sled found its lock taken. It makes an error of its own from the system's and keeps only the text.
fn is_locked(opened: &::sled::Result<Db>) -> bool {
    matches!(opened, Err(::sled::Error::Io(error)) if error.to_string().starts_with("could not acquire lock"))
}

/// Where an error happened.
#[derive(Clone, Copy)]
struct Place<'a>(&'a Path);

impl Place<'_> {
    fn fault(self, operation: &'static str, error: ::sled::Error) -> EngineError {
        match error {
            ::sled::Error::Io(source) => EngineError::Io { path: self.0.to_owned(), operation, source },
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
}
