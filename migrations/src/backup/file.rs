//! Frames as bytes: each with its length and checksum, compressed.

use std::{
    fs::File,
    io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::frame::{Begin, End, Frame};
use crate::moving::{MoveError, Result};

/// What every backup begins with.
pub const MAGIC: [u8; 8] = *b"EGBACKUP";

/// The version of the format that this program writes, and the only one it reads.
pub const VERSION: u32 = 1;

/// Bytes before the first frame: magic and version.
pub const HEAD_BYTES: u64 = 12;

/// Bytes of a frame before its content: kind, length of the content, length as stored, checksum.
pub const FRAME_HEAD_BYTES: usize = 13;

/// Longest content of a frame: a bound for what damaged lengths make a reader allocate. Frames that hold one commit or one
/// page of large entities come nowhere near.
pub const MAX_FRAME_BYTES: u32 = 1 << 30;

/// Writes frames.
pub struct FrameWriter<W> {
    out: W,
    content: Vec<u8>,
    stored: Vec<u8>,
    /// Frames written so far.
    pub frames: u64,
    /// Their bytes before compression.
    pub logical_bytes: u64,
}

impl<W: Write> FrameWriter<W> {
    /// Begins a backup.
    pub fn begin(mut out: W) -> io::Result<Self> {
        out.write_all(&MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        Ok(Self::resume(out, 0))
    }

    /// Goes on behind so many frames.
    pub fn resume(out: W, frames: u64) -> Self {
        Self { out, content: Vec::new(), stored: Vec::new(), frames, logical_bytes: 0 }
    }

    /// Appends a frame; returns the bytes of its content.
    pub fn write(&mut self, frame: &Frame) -> io::Result<u64> {
        self.content.clear();
        frame.put(&mut self.content);
        let length = u32::try_from(self.content.len()).ok().filter(|length| *length <= MAX_FRAME_BYTES);
        let length = length.ok_or_else(|| {
            let bytes = self.content.len();
            io::Error::new(
                ErrorKind::InvalidData,
                format!("a part of {bytes} bytes is too long for a backup"),
            )
        })?;
        self.stored.resize(lz4_flex::block::get_maximum_output_size(self.content.len()), 0);
        let stored =
            lz4_flex::block::compress_into(&self.content, &mut self.stored).map_err(io::Error::other)?;
        let stored = &self.stored[..stored];
        let head = head(frame.kind(), length, stored);
        self.out.write_all(&head)?;
        self.out.write_all(stored)?;
        self.frames += 1;
        self.logical_bytes += u64::from(length);
        Ok(u64::from(length))
    }

    /// What it writes to.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// What it writes to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }
}

fn head(kind: u8, length: u32, stored: &[u8]) -> [u8; FRAME_HEAD_BYTES] {
    let mut head = [0; FRAME_HEAD_BYTES];
    head[0] = kind;
    head[1..5].copy_from_slice(&length.to_le_bytes());
    // Compression makes it a little longer at worst.
    head[5..9].copy_from_slice(&(stored.len() as u32).to_le_bytes());
    let sum = checksum(&head[..9], stored);
    head[9..].copy_from_slice(&sum.to_le_bytes());
    head
}

fn checksum(head: &[u8], stored: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(head);
    sum.update(stored);
    sum.finalize()
}

/// Where a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramePlace {
    /// See [`Frame::kind`].
    pub kind: u8,
    /// Where it begins.
    pub offset: u64,
    /// Length of its content.
    pub length: u32,
    /// Length as stored.
    pub stored: u32,
}

impl FramePlace {
    /// Where the next one begins.
    pub fn end(&self) -> u64 {
        self.offset + FRAME_HEAD_BYTES as u64 + u64::from(self.stored)
    }
}

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
                    let whole = frames.last().is_some_and(|last| last.kind == END);
                    let lacking = "before its end frame";
                    break (!whole).then(|| MoveError::Cut { path: path.to_owned(), offset, lacking });
                }
                Err(fault) => break Some(fault),
            }
        };
        Ok(Self { frames, fault })
    }

    /// Where the last intact frame ends.
    pub fn end(&self) -> u64 {
        self.frames.last().map_or(HEAD_BYTES, FramePlace::end)
    }
}

/// The kind of an end.
const END: u8 = 8;

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

/// The frame at an offset, its stored bytes in `stored`; none at the end of the file.
fn next(
    path: &Path,
    reader: &mut impl Read,
    offset: u64,
    stored: &mut Vec<u8>,
) -> Result<Option<FramePlace>> {
    let cut = |lacking| MoveError::Cut { path: path.to_owned(), offset, lacking };
    let damaged = |what: String| MoveError::Damaged { path: path.to_owned(), offset, what };
    let mut head = Vec::with_capacity(FRAME_HEAD_BYTES);
    let read = |bytes: &mut Vec<u8>, count: u64, reader: &mut dyn Read| {
        reader.take(count).read_to_end(bytes).map_err(MoveError::file(path, "read"))
    };
    read(&mut head, FRAME_HEAD_BYTES as u64, reader)?;
    if head.is_empty() {
        return Ok(None);
    }
    let Some(head) = head.first_chunk::<FRAME_HEAD_BYTES>() else {
        return Err(cut("in the head of a frame"));
    };
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let place = FramePlace { kind: head[0], offset, length: number(1), stored: number(5) };
    let most = lz4_flex::block::get_maximum_output_size(MAX_FRAME_BYTES as usize);
    if place.length > MAX_FRAME_BYTES || place.stored as usize > most {
        return Err(damaged("the length of the frame cannot be".to_owned()));
    }
    stored.clear();
    read(stored, u64::from(place.stored), reader)?;
    if stored.len() < place.stored as usize {
        return Err(cut("in the middle of a frame"));
    }
    if checksum(&head[..9], stored) != number(9) {
        return Err(damaged("the checksum of the frame is wrong".to_owned()));
    }
    Ok(Some(place))
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
        let damaged = |what: &str| MoveError::Damaged {
            path: path.clone(),
            offset: place.offset,
            what: what.to_owned(),
        };
        if found.as_ref() != Some(place) {
            return Err(damaged("it changed since it was checked"));
        }
        self.content.resize(place.length as usize, 0);
        let length = lz4_flex::block::decompress_into(&self.stored, &mut self.content)
            .map_err(|_| damaged("the frame does not decompress"))?;
        if length != self.content.len() {
            return Err(damaged("the frame is shorter than it says"));
        }
        match Frame::take(place.kind, &self.content) {
            Some(frame) => frame.map_err(|fault| MoveError::undecodable(&path, place.offset, &fault)),
            None => Err(damaged(&format!("a frame of kind {} is unknown", place.kind))),
        }
    }
}

/// A whole backup whose checksums are right.
#[derive(Debug, Clone)]
pub struct BackupFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its frames.
    pub frames: Vec<FramePlace>,
    /// Its first frame.
    pub begin: Begin,
    /// Where the world is whole.
    pub base: super::frame::Base,
    /// Its last frame.
    pub end: End,
}

impl BackupFile {
    /// Reads the whole file once and refuses one that is cut or damaged; `seen` is told of the bytes.
    pub fn open(path: &Path, seen: impl FnMut(u64)) -> Result<Self> {
        let Scan { frames, fault } = Scan::read(path, seen)?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        let mut reader = FrameReader::open(path)?;
        let contradiction = |what: &str| MoveError::Contradiction {
            location: path.display().to_string(),
            what: what.to_owned(),
        };
        let mut only = |kind: u8| {
            let mut found = frames.iter().filter(|frame| frame.kind == kind);
            match (found.next(), found.next()) {
                (Some(place), None) => reader.read(place),
                _ => Err(contradiction("it has not one beginning, one base and one end")),
            }
        };
        let (Frame::Begin(begin), Frame::Base(base), Frame::End(end)) = (only(1)?, only(7)?, only(END)?)
        else {
            return Err(contradiction("its frames are of other kinds than they say"));
        };
        if end.frames + 1 != frames.len() as u64 {
            return Err(contradiction("it has not as many frames as its end says"));
        }
        Ok(Self { path: path.to_owned(), frames, begin, base, end })
    }
}
