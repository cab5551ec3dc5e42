//! Frames: kind, length, body (protocol.md, "Framing").

use super::{Kind, limits::Limits};

/// Most bytes that a body can have: what a length of four bytes can say.
pub const BODY_BYTES_MAX: usize = (1 << 28) - 1;

/// Bytes of a length at most.
const LENGTH_BYTES_MAX: usize = 4;

/// A message that is not whole frames within the limits. Offsets are bytes of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message without a frame.
    #[error("the message has no frame")]
    Empty,
    /// A message over its limit.
    #[error("the message has {bytes} bytes, the limit is {max}")]
    Message {
        /// Bytes of it.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A kind that this version has not.
    #[error("byte {offset} of the message: {number:02X} is no kind of frame")]
    Kind {
        /// Where.
        offset: usize,
        /// What was found.
        number: u8,
    },
    /// A length that is spelled too long.
    #[error(
        "byte {offset} of the message: the length of the {kind} is not as short as possible, or over four bytes"
    )]
    Length {
        /// Where.
        offset: usize,
        /// Of what.
        kind: Kind,
    },
    /// A body over its limit.
    #[error("byte {offset} of the message: the {kind} is to have {length} bytes, the limit is {max}")]
    TooLarge {
        /// Where.
        offset: usize,
        /// Of what.
        kind: Kind,
        /// The length announced.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// A frame that the message does not hold whole.
    #[error("byte {offset} of the message: {needed} bytes of a frame are needed, {left} are left")]
    Short {
        /// Where.
        offset: usize,
        /// Bytes that are needed, at least.
        needed: usize,
        /// Bytes that are there.
        left: usize,
    },
}

impl FrameError {
    /// Whether it is refused as too large (`TOO_LARGE`, 4413), not as unreadable (`BAD_FRAME`, 4400).
    pub const fn is_too_large(&self) -> bool {
        matches!(self, Self::Message { .. } | Self::TooLarge { .. })
    }
}

/// Kind and length of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What it is.
    pub kind: Kind,
    /// Bytes of kind and length, 2 to 5: where the body begins.
    pub bytes: usize,
    /// Bytes of the body.
    pub length: usize,
}

impl Head {
    /// Reads the head of the frame that begins at `offset` of a message, as soon as `bytes`, what is there of it, has all
    /// of it: before that none. So a length is judged before its body has come.
    ///
    /// # Errors
    /// An unknown kind, a length that is spelled too long or over the limit.
    pub fn read(bytes: &[u8], offset: usize, limits: &Limits) -> Result<Option<Self>, FrameError> {
        let Some((&number, rest)) = bytes.split_first() else { return Ok(None) };
        let kind = Kind::from_number(number).ok_or(FrameError::Kind { offset, number })?;
        let offset = offset + 1;
        let mut length = 0;
        for (index, &byte) in rest.iter().take(LENGTH_BYTES_MAX).enumerate() {
            length |= usize::from(byte & 0x7f) << (7 * index);
            if byte >= 0x80 {
                continue;
            }
            let max = limits.body(kind);
            return match (byte, index) {
                (0, 1..) => Err(FrameError::Length { offset, kind }),
                _ if length > max => Err(FrameError::TooLarge { offset, kind, length, max }),
                _ => Ok(Some(Self { kind, bytes: index + 2, length })),
            };
        }
        if rest.len() < LENGTH_BYTES_MAX { Ok(None) } else { Err(FrameError::Length { offset, kind }) }
    }
}

/// One frame of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: Kind,
    /// The body.
    pub body: &'a [u8],
    /// Where the body begins in the message, in bytes: errors of packed frames count from there.
    pub offset: usize,
}

/// The frames of a message, in order. After an error nothing follows.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    message: &'a [u8],
    at: usize,
    limits: Limits,
}

impl<'a> Frames<'a> {
    /// The frames of this message.
    ///
    /// # Errors
    /// A message that is empty or over its limit.
    pub fn new(message: &'a [u8], limits: Limits) -> Result<Self, FrameError> {
        match message.len() {
            0 => Err(FrameError::Empty),
            bytes if bytes > limits.message_bytes => {
                Err(FrameError::Message { bytes, max: limits.message_bytes })
            }
            _ => Ok(Self { message, at: 0, limits }),
        }
    }

    fn take(&mut self) -> Result<Frame<'a>, FrameError> {
        let rest = &self.message[self.at..];
        let short = |needed| FrameError::Short { offset: self.at, needed, left: rest.len() };
        let head = Head::read(rest, self.at, &self.limits)?.ok_or_else(|| short(rest.len() + 1))?;
        let end = head.bytes + head.length;
        let body = rest.get(head.bytes..end).ok_or_else(|| short(end))?;
        let offset = self.at + head.bytes;
        self.at += end;
        Ok(Frame { kind: head.kind, body, offset })
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.message.len() {
            return None;
        }
        let frame = self.take();
        if frame.is_err() {
            self.at = self.message.len();
        }
        Some(frame)
    }
}

/// A frame that is being written: whoever began it appends the body and ends it.
#[derive(Debug)]
#[must_use = "a frame that is not ended has no length"]
pub struct Open {
    body: usize,
}

/// Most frames have a length of two bytes; others are moved when they end.
const LENGTH_BYTES_GUESSED: usize = 2;

impl Open {
    /// Appends kind and room for the length.
    pub fn begin(kind: Kind, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(&[kind.number(), 0, 0]);
        Self { body: out.len() }
    }

    /// Bytes of the frame so far.
    pub fn bytes(&self, out: &[u8]) -> usize {
        let (_, length_bytes) = length_bytes(out.len() - self.body);
        1 + length_bytes + out.len() - self.body
    }

    /// Writes the length of what was appended to `out` since the beginning. A body is at most [`BODY_BYTES_MAX`] long.
    pub fn end(self, out: &mut Vec<u8>) {
        let length = out.len() - self.body;
        debug_assert!(length <= BODY_BYTES_MAX, "a body of {length} bytes");
        let (bytes, count) = length_bytes(length);
        let start = self.body - LENGTH_BYTES_GUESSED;
        if count < LENGTH_BYTES_GUESSED {
            out.copy_within(self.body.., start + count);
            out.truncate(start + count + length);
        } else if count > LENGTH_BYTES_GUESSED {
            out.resize(start + count + length, 0);
            out.copy_within(self.body..self.body + length, start + count);
        }
        out[start..start + count].copy_from_slice(&bytes[..count]);
    }
}

/// Appends a frame with this body, at most [`BODY_BYTES_MAX`] long.
pub fn put(kind: Kind, body: &[u8], out: &mut Vec<u8>) {
    debug_assert!(body.len() <= BODY_BYTES_MAX, "a body of {} bytes", body.len());
    let (bytes, count) = length_bytes(body.len());
    out.push(kind.number());
    out.extend_from_slice(&bytes[..count]);
    out.extend_from_slice(body);
}

fn length_bytes(mut length: usize) -> ([u8; LENGTH_BYTES_MAX], usize) {
    let mut bytes = [0; LENGTH_BYTES_MAX];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = (length & 0x7f) as u8;
        length >>= 7;
        if length == 0 {
            return (bytes, index + 1);
        }
        *byte |= 0x80;
    }
    (bytes, LENGTH_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Role;

    #[test]
    fn frames_of_every_length_are_read_as_written() {
        let limits = Limits { message_bytes: BODY_BYTES_MAX, ..Limits::up(Role::Server) };
        for length in [0, 1, 127, 128, 300, 16_383, 16_384, 70_000, 2_097_151, 2_097_152] {
            let body = vec![7; length];
            let mut message = vec![];
            put(Kind::State, &body, &mut message);
            let open = Open::begin(Kind::Report, &mut message);
            message.extend_from_slice(&body);
            open.end(&mut message);
            let frames: Vec<_> = Frames::new(&message, limits).unwrap().map(Result::unwrap).collect();
            assert_eq!(frames.iter().map(|f| f.kind).collect::<Vec<_>>(), [Kind::State, Kind::Report]);
            assert!(frames.iter().all(|frame| frame.body == body), "{length}");
        }
    }

    #[test]
    fn lengths_are_judged_before_the_body_is_there() {
        let limits = Limits::up(Role::Player);
        let read = |bytes: &[u8]| Head::read(bytes, 10, &limits);
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[0x20, 0x80]), Ok(None));
        assert_eq!(read(&[0x20, 0x85, 0x01]), Ok(Some(Head { kind: Kind::Action, bytes: 3, length: 133 })));
        let kind = Kind::Action;
        let too_large = FrameError::TooLarge { offset: 11, kind, length: 16_385, max: 16_384 };
        assert_eq!(read(&[0x20, 0x81, 0x80, 0x01]), Err(too_large));
        let long = FrameError::Length { offset: 11, kind };
        assert_eq!(read(&[0x20, 0x81, 0x00]), Err(long.clone()));
        assert_eq!(read(&[0x20, 0xff, 0xff, 0xff, 0xff]), Err(long));
        assert_eq!(read(&[0x0f]), Err(FrameError::Kind { offset: 10, number: 0x0f }));
        assert_eq!(read(&[0xe0]), Err(FrameError::Kind { offset: 10, number: 0xe0 }));
    }

    #[test]
    fn half_frames_and_empty_messages_are_refused_and_end_the_message() {
        let limits = Limits::down(Role::Viewer);
        assert_eq!(Frames::new(&[], limits).unwrap_err(), FrameError::Empty);
        let mut frames = Frames::new(&[0x40, 1, 9, 0x43, 2, 1], limits).unwrap();
        assert_eq!(frames.next(), Some(Ok(Frame { kind: Kind::State, body: &[9], offset: 2 })));
        assert_eq!(frames.next(), Some(Err(FrameError::Short { offset: 3, needed: 4, left: 3 })));
        assert_eq!(frames.next(), None);
        let long = vec![0; limits.message_bytes + 1];
        assert!(Frames::new(&long, limits).unwrap_err().is_too_large());
    }
}
