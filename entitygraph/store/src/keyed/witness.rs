//! The witness: a small file beside the engine's that says how far the store was durable.
//!
//! An engine takes a damaged end of its journal for the torn end of the last write before a crash, cuts it off and goes on
//! with what is left. It cannot tell the two apart; this file can. It names a commit that was synced before the file was
//! written, so it is never ahead of what a sound disk holds: a store that ends before it has lost what it acknowledged.
//!
//! Nobody waits for it. A thread of its own writes it, at most once a [`PACE`] and when the store is closed; while nothing
//! is committed it sleeps. So it does not know of what was committed within a pace before a crash.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use entitygraph_schema::Cursor;
use parking_lot::{Condvar, Mutex};

use super::fault::Place;
use crate::error::{Error, Outcome, Result};

const FILE: &str = "WITNESS";
const DRAFT: &str = "WITNESS.new";

/// The least time between two writings. Each costs an fsync of its own, beside the hundreds that commits need meanwhile.
const PACE: Duration = Duration::from_secs(1);

/// How far a store has come. Neither part ever goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The newest commit.
    pub newest: Cursor,
    /// No id above this one was leased.
    pub leased: u64,
}

impl Mark {
    /// Whether something that the other one has is missing in this one.
    fn lacks(&self, other: &Self) -> bool {
        self.newest < other.newest || self.leased < other.leased
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cursor {} and leased id {}", self.newest, self.leased)
    }
}

/// Demands that a store that was opened has all that the witness in its folder knows of.
pub fn examine(folder: &Path, place: &Place, found: Mark) -> Result<()> {
    let file = folder.join(FILE);
    let text = match fs::read(&file) {
        Ok(text) => text,
        // It is a new store, or one from before there were witnesses, or the loss was accepted.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(Error::Backend {
                operation: "reading WITNESS",
                location: place.location.clone(),
                outcome: Outcome::NotApplied,
                source: source.into(),
            });
        }
    };
    match read(&text) {
        Some(witnessed) if found.lacks(&witnessed) => Err(Error::Lost {
            location: place.location.clone(),
            witnessed: witnessed.to_string(),
            found: found.to_string(),
            witness: file,
        }),
        Some(_) => Ok(()),
        None => {
            tracing::warn!(
                ?file,
                store = place.location,
                "the witness is damaged, so it is not known whether this store lost something that it acknowledged; \
                 check the disk. The next durable write replaces the file"
            );
            Ok(())
        }
    }
}

/// Writes the witness of an open store; dropped, it writes what it was told last.
pub struct Witness {
    desk: Arc<Desk>,
    /// None only while dropping.
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Desk {
    note: Mutex<Note>,
    /// Wakes the thread when it has nothing to write. While it paces nobody waits here, so telling it is cheap.
    told: Condvar,
    closing: Condvar,
}

#[derive(Default)]
struct Note {
    durable: Option<Mark>,
    closed: bool,
}

impl Witness {
    /// The witness of the store in a folder that this process has for itself.
    pub fn start(folder: PathBuf, place: &Place) -> Result<Self> {
        let desk = Arc::<Desk>::default();
        let own = desk.clone();
        let thread = thread::Builder::new().name("store-witness".into()).spawn(move || own.serve(&folder));
        let thread = thread.map_err(|source| Error::Backend {
            operation: "starting the witness",
            location: place.location.clone(),
            outcome: Outcome::NotApplied,
            source: source.into(),
        })?;
        Ok(Self { desk, thread: Some(thread) })
    }

    /// So far all is synced.
    pub fn tell(&self, durable: Mark) {
        let mut note = self.desk.note.lock();
        if note.durable != Some(durable) {
            note.durable = Some(durable);
            self.desk.told.notify_one();
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.desk.note.lock().closed = true;
        self.desk.told.notify_one();
        self.desk.closing.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's witness ended in a panic; the store itself is sound");
        }
    }
}

impl Desk {
    fn serve(&self, folder: &Path) {
        let (mut written, mut failing) = (None, false);
        let mut note = self.note.lock();
        loop {
            while note.durable == written && !note.closed {
                self.told.wait(&mut note);
            }
            if let Some(mark) = note.durable.filter(|mark| written != Some(*mark)) {
                parking_lot::MutexGuard::unlocked(&mut note, || {
                    let outcome = write(folder, mark);
                    if let Err(error) = &outcome
                        && !failing
                    {
                        tracing::warn!(?folder, %error, "WITNESS cannot be written; the store goes on without");
                    }
                    failing = outcome.is_err();
                });
                if !failing {
                    written = Some(mark);
                }
            }
            // One that fails is tried again as long as the store is open.
            if note.closed && (failing || note.durable == written) {
                return;
            }
            self.closing.wait_while_for(&mut note, |note| !note.closed, PACE);
        }
    }
}

/// Replaces the file whole or not at all, however the process or the machine ends.
fn write(folder: &Path, mark: Mark) -> io::Result<()> {
    let draft = folder.join(DRAFT);
    let mut file = File::create(&draft)?;
    file.write_all(form(mark).as_bytes())?;
    file.sync_data()?;
    fs::rename(draft, folder.join(FILE))
}

/// A line for the mark and one for its checksum.
fn form(mark: Mark) -> String {
    let line = format!("durable {} {}\n", mark.newest.number(), mark.leased);
    let checksum = crc32fast::hash(line.as_bytes());
    format!("{line}crc32 {checksum:08x}\n")
}

/// The mark, if the bytes are just those that this program writes for it.
fn read(text: &[u8]) -> Option<Mark> {
    let line = std::str::from_utf8(text).ok()?.lines().next()?;
    let (newest, leased) = line.strip_prefix("durable ")?.split_once(' ')?;
    let mark = Mark { newest: Cursor::from_number(newest.parse().ok()?), leased: leased.parse().ok()? };
    (form(mark).as_bytes() == text).then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_reads_as_it_was_written_and_no_flipped_bit_goes_unseen() {
        let mark = Mark { newest: Cursor::from_number(1_882_596_922_320_439), leased: 1 << 40 };
        let text = form(mark).into_bytes();
        assert_eq!(read(&text), Some(mark));
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&flipped), None, "bit {bit}");
        }
        for end in 0..text.len() {
            assert_eq!(read(&text[..end]), None, "cut off at {end}");
        }
    }
}
