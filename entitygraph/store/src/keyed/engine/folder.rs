//! The data folder: whose it is, who has it open, how full its disk is.
//!
//! ```text
//! PATH/ENGINE   the name of the engine that made the store
//! PATH/LOCK     locked while a process has the store open; holds its process number
//! PATH/DAMAGED  says that opening the store found it damaged and lost the trace of it; with it the store does not open
//! PATH/data/    the engine's own files
//! PATH/WITNESS  how far the store was durable: the layer above keeps it, see `keyed::witness`
//! ```

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::EngineError;

const MARKER: &str = "ENGINE";
const MARKER_DRAFT: &str = "ENGINE.new";
const LOCK: &str = "LOCK";
const DAMAGED: &str = "DAMAGED";
const DATA: &str = "data";

/// How long to wait for somebody else's lock: the kernel takes a moment to end a process that was killed, and a lock
/// outlives its file in a child that was forked and has not yet started its own program.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// A data folder that this process has for itself until the value is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    reserve_bytes: u64,
    _lock: File,
}

impl Folder {
    /// Takes the folder for `engine`, and creates it if need be. Touches nothing in a folder that is not ours.
    pub(super) fn claim(path: &Path, engine: &'static str, reserve_bytes: u64) -> Result<Self, EngineError> {
        let failed = |operation| move |source| EngineError::Io { path: path.to_owned(), operation, source };
        fs::create_dir_all(path).map_err(failed("creating the folder"))?;
        if let Some(found) = foreign_file(path).map_err(failed("listing the folder"))? {
            return Err(EngineError::Foreign { path: path.to_owned(), found });
        }
        let lock = lock(path).map_err(failed("locking"))?;
        let Some(lock) = lock else {
            return Err(EngineError::Busy { path: path.to_owned(), holder: holder(path) });
        };
        let found = marker(path).map_err(failed("reading ENGINE"))?;
        match found {
            None => mark(path, engine).map_err(failed("writing ENGINE"))?,
            Some(found) if found == engine => {}
            Some(found) => {
                return Err(EngineError::OtherEngine { path: path.to_owned(), found, wanted: engine });
            }
        }
        let folder = Self { path: path.to_owned(), reserve_bytes, _lock: lock };
        match fs::read_to_string(folder.path.join(DAMAGED)) {
            Ok(what) => Err(folder.condemned(engine, what.trim())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(folder),
            Err(error) => Err(folder.io("reading DAMAGED", error)),
        }
    }

    /// Keeps a damaged store from being opened again, when the engine has removed what the damage could be seen by.
    pub(super) fn condemn(&self, engine: &'static str, what: &str) -> EngineError {
        let write = || {
            let mut file = File::create(self.path.join(DAMAGED))?;
            writeln!(file, "{what}")?;
            file.sync_all()
        };
        match write().map_err(|source| self.io("writing DAMAGED", source)).and_then(|()| self.sync_names()) {
            Ok(()) => self.condemned(engine, what),
            Err(error) => error,
        }
    }

    fn condemned(&self, engine: &'static str, what: &str) -> EngineError {
        let file = self.path.join(DAMAGED);
        let what = format!("{what} (those who want what is left all the same delete {file:?})");
        EngineError::Corrupt { path: self.path.clone(), engine, what, source: None }
    }

    /// The folder as the operator named it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the engine keeps its files.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join(DATA)
    }

    /// Refuses a write while the disk has less than the reserve (half of it for batches that only delete).
    pub(super) fn admit(&self, only_deletes: bool) -> Result<(), EngineError> {
        let reserve = if only_deletes { self.reserve_bytes / 2 } else { self.reserve_bytes };
        let free = free_bytes(&self.path).map_err(|source| self.io("measuring free space", source))?;
        if free < reserve {
            return Err(EngineError::Full {
                path: self.path.clone(),
                free_mib: free >> 20,
                reserve_mib: reserve >> 20,
            });
        }
        Ok(())
    }

    /// Bytes that all files occupy, not counting holes.
    pub(super) fn disk_bytes(&self) -> u64 {
        occupied(&self.path)
    }

    /// Makes the names of new files durable. The engines sync the contents of their files, not all of them
    /// sync the folders.
    pub(super) fn sync_names(&self) -> Result<(), EngineError> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        for folder in [Some(self.data().as_path()), Some(&self.path), parent].into_iter().flatten() {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|source| self.io("syncing the folder", source))?;
        }
        Ok(())
    }

    pub(super) fn io(&self, operation: &'static str, source: io::Error) -> EngineError {
        EngineError::Io { path: self.path.clone(), operation, source }
    }
}

/// A file that shows that the folder is not (and is not becoming) a store.
fn foreign_file(path: &Path) -> io::Result<Option<String>> {
    let mut foreign = None;
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name == MARKER {
            return Ok(None);
        }
        if name != LOCK && name != MARKER_DRAFT {
            foreign.get_or_insert(name);
        }
    }
    Ok(foreign)
}

/// Tries until `held` no longer says that somebody else has the lock, for a second. Gives the last outcome.
pub(super) fn patiently<T>(held: impl Fn(&T) -> bool, mut attempt: impl FnMut() -> T) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        let outcome = attempt();
        if !held(&outcome) || Instant::now() >= end {
            return outcome;
        }
        thread::sleep(BETWEEN_TRIES);
    }
}

/// The lock file, or `None` if another process has it locked.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let mut file =
        File::options().create(true).truncate(false).read(true).write(true).open(path.join(LOCK))?;
    match patiently(|outcome| matches!(outcome, Err(fs::TryLockError::WouldBlock)), || file.try_lock()) {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    file.write_all(std::process::id().to_string().as_bytes())?;
    Ok(Some(file))
}

/// Who holds the lock, as far as the lock file tells.
fn holder(path: &Path) -> String {
    let pid = fs::read_to_string(path.join(LOCK)).ok().and_then(|text| text.trim().parse::<u32>().ok());
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// Whether a folder has the name of an engine in it.
pub(super) fn is_marked(path: &Path) -> bool {
    path.join(MARKER).is_file()
}

fn marker(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    match File::open(path.join(MARKER)) {
        Ok(file) => file.take(100).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(text.trim().to_owned()))
}

fn mark(path: &Path, engine: &str) -> io::Result<()> {
    let draft = path.join(MARKER_DRAFT);
    let mut file = File::create(&draft)?;
    writeln!(file, "{engine}")?;
    file.sync_all()?;
    fs::rename(draft, path.join(MARKER))
}

/// Room that this process may use on the disk of the path.
#[cfg(unix)]
pub(super) fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(not(unix))]
pub(super) fn free_bytes(_: &Path) -> io::Result<u64> {
    Ok(u64::MAX)
}

/// Files may come and go while this walks; those count as nothing.
fn occupied(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => occupied(&entry.path()),
        Ok(meta) => allocated(&meta),
        Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(unix)]
fn allocated(meta: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(meta) * 512
}

#[cfg(not(unix))]
fn allocated(meta: &fs::Metadata) -> u64 {
    meta.len()
}
