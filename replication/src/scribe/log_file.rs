//! The files of the scribe's log: segments in a folder of their own, each named by the position that it begins at. For the
//! hub's thread; the machine does no I/O.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::log::{self, Break, Record};

/// Bytes after which a new segment begins.
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// 128 random bits of a hub's start, as its shard entity has them.
pub type HubName = [u8; 16];

/// Names that are kept: those of the last starts.
const HUBS_MAX: usize = 64;

const LOCK: &str = "LOCK";
const HUBS: &str = "HUBS";
const SUFFIX: &str = ".log";

/// What is wrong with the log's folder. `Display` says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another hub has it.
    #[error("{0} is the log of a hub that runs: stop it, or give this one a folder of its own")]
    InUse(PathBuf),
    /// The system refuses something.
    #[error(
        "{operation} failed at {path}: {source}; see that there is room and that the hub may write there"
    )]
    Io {
        /// What was done.
        operation: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// A segment that could not be read to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    /// Its file.
    pub path: PathBuf,
    /// Where and why.
    pub why: Break,
}

/// The log, open to be appended to.
#[derive(Debug)]
pub struct LogFile {
    folder: PathBuf,
    _lock: File,
    /// Where segments begin, oldest first; the last one is appended to.
    segments: Vec<u64>,
    file: Option<File>,
    end: u64,
    segment_bytes: u64,
    hubs: Vec<HubName>,
}

impl LogFile {
    /// Opens the log of a folder, which is made if it is not there, and gives its records in order, each with the position
    /// behind it. A torn end is cut off. At damage in the middle the reading stops: what is behind it is put aside as
    /// `NAME.damaged`, and said.
    ///
    /// # Errors
    /// The folder is in use, or the system refuses something.
    pub fn open(
        folder: &Path,
        segment_bytes: u64,
        mut take: impl FnMut(u64, Record),
    ) -> Result<(Self, Option<Broken>), LogError> {
        fs::create_dir_all(folder).map_err(|error| io_error("making the folder", folder, error))?;
        let lock = lock(folder)?;
        let segments = segments(folder)?;
        let mut log = Self {
            folder: folder.into(),
            _lock: lock,
            segments: Vec::new(),
            file: None,
            end: segments.first().copied().unwrap_or(0),
            segment_bytes,
            hubs: hubs(folder)?,
        };
        let mut broken = None;
        for (index, begin) in segments.iter().copied().enumerate() {
            let path = log.path(begin);
            if broken.is_some() {
                put_aside(&path)?;
                continue;
            }
            let gap = (begin != log.end).then_some(Break::Damaged { position: log.end, next: begin });
            if let Some(why) = gap {
                put_aside(&path)?;
                broken = Some(Broken { path, why });
                continue;
            }
            let bytes = fs::read(&path).map_err(|error| io_error("reading", &path, error))?;
            let mut end = begin;
            let result = log::read(&bytes, begin, |behind, record| {
                end = behind;
                take(behind, record);
            });
            (log.end, log.file) = (end, None);
            log.segments.push(begin);
            let Err(why) = result else { continue };
            let torn = matches!(why, Break::Torn { .. }) && index + 1 == segments.len();
            if !torn {
                let copy = path.with_extension("damaged");
                fs::copy(&path, &copy).map_err(|error| io_error("putting aside", &path, error))?;
            }
            cut(&path, end - begin)?;
            broken = Some(Broken { path, why });
        }
        Ok((log, broken))
    }

    /// Whether this hub, the last one that the shard entity names, wrote the log: only then no other one wrote to the store
    /// since. An empty log is everybody's.
    pub fn is_of(&self, hub: &HubName) -> bool {
        self.size_bytes() == 0 || self.hubs.contains(hub)
    }

    /// Takes note, durably, that a hub writes from here on; before the shard entity gets its name.
    ///
    /// # Errors
    /// The system refuses it: the hub is not to start.
    pub fn begin(&mut self, hub: HubName) -> Result<(), LogError> {
        self.hubs.push(hub);
        self.hubs.drain(..self.hubs.len().saturating_sub(HUBS_MAX));
        let text: String =
            self.hubs.iter().map(|hub| format!("{:032x}\n", u128::from_be_bytes(*hub))).collect();
        let (path, new) = (self.folder.join(HUBS), self.folder.join("HUBS.new"));
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| io_error("writing", &new, error))?;
        fs::rename(&new, &path).map_err(|error| io_error("writing", &path, error))?;
        sync_folder(&self.folder)
    }

    /// Position behind the last record that was appended.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Bytes that are kept.
    pub fn size_bytes(&self) -> u64 {
        self.end - self.segments.first().copied().unwrap_or(self.end)
    }

    /// Appends whole records that begin at [`Self::end`]. They survive the process then, and from the next [`Self::sync`] on
    /// the machine's stop.
    ///
    /// # Errors
    /// The system took not all of it: then nothing of it is in the log, and the same may be tried again.
    pub fn append(&mut self, records: &[u8]) -> Result<(), LogError> {
        let full = self.segments.last().is_some_and(|begin| self.end - begin >= self.segment_bytes);
        if full || self.segments.is_empty() {
            self.begin_segment()?;
        }
        let begin = self.segments.last().copied().unwrap_or(0);
        let (path, offset) = (self.path(begin), self.end - begin);
        let file = self.file()?;
        let written = file.seek(SeekFrom::Start(offset)).and_then(|_| file.write_all(records));
        if let Err(error) = written {
            // What went in partly would be a torn end before newer records. If it cannot be cut off either, the next
            // attempt writes over it from the same place.
            drop(file.set_len(offset));
            return Err(io_error("appending", &path, error));
        }
        self.end += records.len() as u64;
        Ok(())
    }

    /// Makes all that was appended survive a power cut; gives the position up to which that holds.
    ///
    /// # Errors
    /// The system refuses: what was appended since the last sync may be lost, and this log is not to be gone on with.
    pub fn sync(&mut self) -> Result<u64, LogError> {
        if let Some(file) = &self.file {
            file.sync_data().map_err(|error| io_error("syncing", &self.folder, error))?;
        }
        Ok(self.end)
    }

    /// Gives up what is before a position: whole segments only.
    ///
    /// # Errors
    /// A file cannot be removed; the others are gone.
    pub fn release(&mut self, position: u64) -> Result<(), LogError> {
        while let [oldest, next, ..] = self.segments[..]
            && next <= position
        {
            let path = self.path(oldest);
            fs::remove_file(&path).map_err(|error| io_error("removing", &path, error))?;
            self.segments.remove(0);
        }
        Ok(())
    }

    /// Puts all of it aside, as `NAME.foreign`, and goes on with an empty log at the same position: for one that another hub
    /// wrote to the store after.
    ///
    /// # Errors
    /// A file cannot be renamed.
    pub fn set_aside(&mut self) -> Result<(), LogError> {
        self.file = None;
        for begin in std::mem::take(&mut self.segments) {
            let path = self.path(begin);
            let aside = path.with_extension("foreign");
            fs::rename(&path, aside).map_err(|error| io_error("putting aside", &path, error))?;
        }
        self.hubs.clear();
        sync_folder(&self.folder)
    }

    fn begin_segment(&mut self) -> Result<(), LogError> {
        // What is behind a torn end would not be read: an older segment is whole before a newer one begins.
        self.sync()?;
        let path = self.path(self.end);
        let made = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
        self.file = Some(made.map_err(|error| io_error("making", &path, error))?);
        sync_folder(&self.folder)?;
        self.segments.push(self.end);
        Ok(())
    }

    fn file(&mut self) -> Result<&mut File, LogError> {
        let path = self.path(self.segments.last().copied().unwrap_or(0));
        match &mut self.file {
            Some(file) => Ok(file),
            none => {
                let opened = OpenOptions::new().write(true).open(&path);
                Ok(none.insert(opened.map_err(|error| io_error("opening", &path, error))?))
            }
        }
    }

    fn path(&self, begin: u64) -> PathBuf {
        self.folder.join(format!("{begin:016x}{SUFFIX}"))
    }
}

fn lock(folder: &Path) -> Result<File, LogError> {
    let path = folder.join(LOCK);
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let lock = lock.map_err(|error| io_error("opening", &path, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(LogError::InUse(folder.into())),
        Err(TryLockError::Error(error)) => Err(io_error("locking", &path, error)),
    }
}

fn segments(folder: &Path) -> Result<Vec<u64>, LogError> {
    let read = |error| io_error("listing", folder, error);
    let mut begins = Vec::new();
    for file in fs::read_dir(folder).map_err(read)? {
        let name = file.map_err(read)?.file_name();
        let begin = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        begins.extend(begin.and_then(|begin| u64::from_str_radix(begin, 16).ok()));
    }
    begins.sort_unstable();
    Ok(begins)
}

fn hubs(folder: &Path) -> Result<Vec<HubName>, LogError> {
    let path = folder.join(HUBS);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text
            .lines()
            .filter_map(|line| u128::from_str_radix(line, 16).ok())
            .map(u128::to_be_bytes)
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(io_error("reading", &path, error)),
    }
}

fn cut(path: &Path, bytes: u64) -> Result<(), LogError> {
    let cut = |file: File| file.set_len(bytes).and_then(|()| file.sync_all());
    let opened = OpenOptions::new().write(true).open(path);
    opened.and_then(cut).map_err(|error| io_error("cutting off the end", path, error))
}

fn put_aside(path: &Path) -> Result<(), LogError> {
    let aside = path.with_extension("damaged");
    fs::rename(path, aside).map_err(|error| io_error("putting aside", path, error))
}

fn sync_folder(folder: &Path) -> Result<(), LogError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| io_error("syncing", folder, error))
}

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> LogError {
    LogError::Io { operation, path: path.into(), source }
}

#[cfg(test)]
mod tests;
