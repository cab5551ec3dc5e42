//! The file of a backup: its frames in order, and what it can bring back.

use std::{
    fs::File,
    io::{BufReader, ErrorKind, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    bytes::{FramePlace, HEAD_BYTES, MAGIC, VERSION, decode, next},
    frame::{Base, Begin, End, Frame, Kind},
    state::{State, no_catalog},
};
use crate::moving::{MoveError, Result};

/// All intact frames of a file from its beginning on.
#[derive(Debug)]
pub struct Scan {
    /// In order.
    pub frames: Vec<FramePlace>,
    /// Why there are no more; none when the last one is the end.
    pub fault: Option<MoveError>,
}

impl Scan {
    /// Reads a whole file and compares all checksums.
    pub fn read(path: &Path, mut seen: impl FnMut(u64)) -> Result<Self> {
        let file = File::open(path).map_err(MoveError::file(path, "read"))?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        check_head(path, &mut reader)?;
        let (mut frames, mut stored) = (Vec::new(), Vec::new());
        let mut offset = HEAD_BYTES;
        let fault = loop {
            match next(path, &mut reader, offset, &mut stored) {
                Ok(Some(place)) => {
                    seen(place.end() - offset);
                    offset = place.end();
                    frames.push(place);
                }
                Ok(None) => {
                    let whole = frames.last().is_some_and(|last| last.kind == Kind::End);
                    let lacking = "before its end frame";
                    break (!whole).then(|| MoveError::Cut { path: path.to_owned(), offset, lacking });
                }
                Err(fault) => break Some(fault),
            }
        };
        Ok(Self { frames, fault })
    }
}

fn check_head(path: &Path, reader: &mut impl Read) -> Result<()> {
    let no_backup = |found: String| MoveError::NoBackup { path: path.to_owned(), found };
    let mut head = [0; HEAD_BYTES as usize];
    match reader.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            return Err(no_backup(format!("it is shorter than {HEAD_BYTES} bytes")));
        }
        Err(error) => return Err(MoveError::file(path, "read")(error)),
    }
    if head[..8] != MAGIC {
        return Err(no_backup("it does not begin with EGBACKUP".to_owned()));
    }
    let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    if version != VERSION {
        return Err(no_backup(format!(
            "its format is version {version}, and this program reads version {VERSION}: use the program that wrote it, or a newer one"
        )));
    }
    Ok(())
}

/// Reads frames of a file that was scanned.
pub struct FrameReader {
    path: PathBuf,
    file: File,
    at: u64,
    stored: Vec<u8>,
    content: Vec<u8>,
}

impl FrameReader {
    /// Of this file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(MoveError::file(path, "read"))?;
        Ok(Self { path: path.to_owned(), file, at: 0, stored: Vec::new(), content: Vec::new() })
    }

    /// The frame there.
    pub fn read(&mut self, place: &FramePlace) -> Result<Frame> {
        let path = self.path.clone();
        if self.at != place.offset {
            self.file.seek(SeekFrom::Start(place.offset)).map_err(MoveError::file(&path, "read"))?;
        }
        let found = next(&path, &mut self.file, place.offset, &mut self.stored)?;
        self.at = place.end();
        if found.as_ref() != Some(place) {
            let what = "it changed since it was checked".to_owned();
            return Err(MoveError::Damaged { path, offset: place.offset, what });
        }
        decode(&path, place, &self.stored, &mut self.content)
    }
}

/// A backup whose checksums are right, and which can be brought back.
#[derive(Debug, Clone)]
pub struct BackupFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its frames.
    pub frames: Vec<FramePlace>,
    /// Its first frame.
    pub begin: Begin,
    /// Where the world is whole.
    pub base: Base,
    /// Its last frame; of a file without one, what it would say.
    pub end: End,
    /// The byte at which a file that is not whole is cut or damaged.
    pub cut: Option<u64>,
}

impl BackupFile {
    /// Reads the whole file once and refuses one that is cut or damaged; `seen` is told of the bytes.
    pub fn open(path: &Path, seen: impl FnMut(u64)) -> Result<Self> {
        let Scan { frames, fault } = Scan::read(path, seen)?;
        match fault {
            None => Self::whole(path, frames),
            Some(fault) => Err(fault),
        }
    }

    /// The same of a file that may be cut or damaged: then it ends at its last intact commit. One in which the world was not
    /// read to its end is refused all the same.
    pub fn open_as_far_as_it_goes(path: &Path, seen: impl FnMut(u64)) -> Result<Self> {
        let Scan { frames, fault } = Scan::read(path, seen)?;
        let offset = match fault {
            None => return Self::whole(path, frames),
            Some(MoveError::Cut { offset, .. } | MoveError::Damaged { offset, .. }) => offset,
            Some(fault) => return Err(fault),
        };
        let Some((begin, base, end)) = State::of(path, &frames)?.and_then(State::cut_here) else {
            return Err(MoveError::NoBase { path: path.to_owned(), offset });
        };
        Ok(Self { path: path.to_owned(), frames, begin, base, end, cut: Some(offset) })
    }

    fn whole(path: &Path, frames: Vec<FramePlace>) -> Result<Self> {
        let mut reader = FrameReader::open(path)?;
        let contradiction = |what: &str| MoveError::Contradiction {
            location: path.display().to_string(),
            what: what.to_owned(),
        };
        let mut only = |kind: Kind| {
            let mut found = frames.iter().filter(|frame| frame.kind == kind);
            match (found.next(), found.next()) {
                (Some(place), None) => reader.read(place),
                _ => Err(contradiction("it has not one beginning, one base and one end")),
            }
        };
        let (Frame::Begin(begin), Frame::Base(base), Frame::End(end)) =
            (only(Kind::Begin)?, only(Kind::Base)?, only(Kind::End)?)
        else {
            return Err(contradiction("its frames are of other kinds than they say"));
        };
        let catalog = frames.iter().rfind(|frame| frame.kind == Kind::Catalog);
        match catalog.map(|place| reader.read(place)).transpose()? {
            Some(Frame::Catalog(components, containers))
                if components.is_empty() && containers.is_empty() => {}
            _ => return Err(no_catalog(path)),
        }
        if end.frames + 1 != frames.len() as u64 {
            return Err(contradiction("it has not as many frames as its end says"));
        }
        Ok(Self { path: path.to_owned(), frames, begin, base, end, cut: None })
    }
}
