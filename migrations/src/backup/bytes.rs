//! Frames as bytes: each with its length and checksum, compressed.

use std::{
    io::{self, ErrorKind, Read, Write},
    path::Path,
};

use super::frame::{Frame, Kind};
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
    /// Bytes before compression of the frames written so far.
    pub logical_bytes: u64,
}

impl<W: Write> FrameWriter<W> {
    /// Begins a backup.
    pub fn begin(mut out: W) -> io::Result<Self> {
        out.write_all(&MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        Ok(Self::resume(out))
    }

    /// Goes on behind other frames.
    pub fn resume(out: W) -> Self {
        Self { out, content: Vec::new(), stored: Vec::new(), logical_bytes: 0 }
    }

    /// Appends a frame.
    pub fn write(&mut self, frame: &Frame) -> io::Result<()> {
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
        self.logical_bytes += u64::from(length);
        Ok(())
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

fn head(kind: Kind, length: u32, stored: &[u8]) -> [u8; FRAME_HEAD_BYTES] {
    let mut head = [0; FRAME_HEAD_BYTES];
    head[0] = kind.number();
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
    /// What it is.
    pub kind: Kind,
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

/// The frame at an offset, its stored bytes in `stored`; none at the end of the file.
pub fn next(
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
    let (length, stored_length) = (number(1), number(5));
    let most = lz4_flex::block::get_maximum_output_size(MAX_FRAME_BYTES as usize);
    if length > MAX_FRAME_BYTES || stored_length as usize > most {
        return Err(damaged("the length of the frame cannot be".to_owned()));
    }
    stored.clear();
    read(stored, u64::from(stored_length), reader)?;
    if stored.len() < stored_length as usize {
        return Err(cut("in the middle of a frame"));
    }
    if checksum(&head[..9], stored) != number(9) {
        return Err(damaged("the checksum of the frame is wrong".to_owned()));
    }
    let kind = Kind::of(head[0]);
    let kind = kind.ok_or_else(|| damaged(format!("a frame of kind {} is unknown", head[0])))?;
    Ok(Some(FramePlace { kind, offset, length, stored: stored_length }))
}

/// The frame whose stored bytes are given; `content` is room for its content.
pub fn decode(path: &Path, place: &FramePlace, stored: &[u8], content: &mut Vec<u8>) -> Result<Frame> {
    let damaged = |what: &str| MoveError::Damaged {
        path: path.to_owned(),
        offset: place.offset,
        what: what.to_owned(),
    };
    content.resize(place.length as usize, 0);
    let length = lz4_flex::block::decompress_into(stored, content)
        .map_err(|_| damaged("the frame does not decompress"))?;
    if length != content.len() {
        return Err(damaged("the frame is shorter than it says"));
    }
    Frame::take(place.kind, content).map_err(|fault| MoveError::undecodable(path, place.offset, &fault))
}

/// All frames of some bytes that came from elsewhere; `path` says where from.
pub fn frames(path: &Path, mut bytes: &[u8]) -> Result<Vec<Frame>> {
    let (mut frames, mut stored, mut content) = (Vec::new(), Vec::new(), Vec::new());
    let mut offset = 0;
    while let Some(place) = next(path, &mut bytes, offset, &mut stored)? {
        frames.push(decode(path, &place, &stored, &mut content)?);
        offset = place.end();
    }
    Ok(frames)
}
