//! The header of a WebSocket frame (RFC 6455, 5.2), as far as a server reads and writes it.

use bytes::Bytes;

/// Most bytes that a header takes: from a client two, eight of length, four of mask.
pub const HEADER_BYTES_MAX: usize = 14;

/// Most bytes in the body of a control frame.
pub const CONTROL_BYTES_MAX: usize = 125;

/// Why a peer's bytes are refused. The connection is closed with [`Fault::close`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not what RFC 6455 and protocol.md allow.
    #[error("{0}")]
    BadFrame(&'static str),
    /// Longer than the peer may send; nothing was set aside for it.
    #[error("a message of {bytes} bytes or more, at most {max} are taken")]
    TooLarge {
        /// What was said, or has come so far.
        bytes: u64,
        /// The limit.
        max: u64,
    },
}

impl Fault {
    /// The close code of protocol.md, "Refusals".
    pub const fn close(self) -> u16 {
        match self {
            Self::BadFrame(_) => 4400,
            Self::TooLarge { .. } => 4413,
        }
    }
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// The next part of a message that was begun.
    Continuation,
    /// A binary message, or its first part.
    Binary,
    /// The end of the connection.
    Close,
    /// To be answered with its own body.
    Ping,
    /// An answer.
    Pong,
}

impl Opcode {
    const fn number(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    const fn is_control(self) -> bool {
        self.number() & 0x8 != 0
    }
}

/// A client's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whether the message ends with this frame.
    pub last: bool,
    /// What it is.
    pub opcode: Opcode,
    /// Bytes of the body.
    pub length: u64,
    /// Each byte of the body is combined with one of these, in turn.
    pub mask: [u8; 4],
    /// Bytes of the header itself.
    pub bytes: usize,
}

impl Header {
    /// Reads the header that `bytes` begin with; `None` when there are too few of them to say.
    ///
    /// # Errors
    /// What a server must not accept: a frame without mask, reserved bits, text, an unknown opcode, a longer spelling of the
    /// length than needed, a control frame that is long or in parts. Each is said as soon as the byte that is wrong is there.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let last = first & 0x80 != 0;
        if first & 0x70 != 0 {
            return Err(Fault::BadFrame(
                "a WebSocket frame with reserved bits: extensions were not agreed on",
            ));
        }
        let opcode = match first & 0x0F {
            0x0 => Opcode::Continuation,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xA => Opcode::Pong,
            0x1 => return Err(Fault::BadFrame("a text message: the stream is binary")),
            _ => return Err(Fault::BadFrame("an unknown WebSocket opcode")),
        };
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        if second & 0x80 == 0 {
            return Err(Fault::BadFrame("a client's WebSocket frame without a mask"));
        }
        let short = second & 0x7F;
        if opcode.is_control() && (!last || usize::from(short) > CONTROL_BYTES_MAX) {
            return Err(Fault::BadFrame("a WebSocket control frame that is long or in parts"));
        }
        let (length, at) = match short {
            126 => match bytes.get(2..4) {
                Some(wide) => (u64::from(u16::from_be_bytes([wide[0], wide[1]])), 4),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10).and_then(|wide| <[u8; 8]>::try_from(wide).ok()) {
                Some(wide) => (u64::from_be_bytes(wide), 10),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        let least = match short {
            126 => 126,
            127 => 1 << 16,
            _ => 0,
        };
        if length < least {
            return Err(Fault::BadFrame("a WebSocket length that is spelled longer than needed"));
        }
        let Some(mask) = bytes.get(at..at + 4).and_then(|mask| <[u8; 4]>::try_from(mask).ok()) else {
            return Ok(None);
        };
        Ok(Some(Self { last, opcode, length, mask, bytes: at + 4 }))
    }
}

/// Takes a client's mask off, or puts it on.
pub fn unmask(body: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let mut chunks = body.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(eight) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// A server's header: it masks nothing and sends messages in one frame.
#[derive(Debug, Clone, Copy)]
pub struct ServerHeader {
    bytes: [u8; 10],
    count: u8,
}

impl ServerHeader {
    /// Before a body of `length` bytes.
    pub fn new(opcode: Opcode, length: usize) -> Self {
        let mut bytes = [0; 10];
        bytes[0] = 0x80 | opcode.number();
        let count = if length < 126 {
            bytes[1] = length as u8;
            2
        } else if length <= usize::from(u16::MAX) {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            4
        } else {
            bytes[1] = 127;
            bytes[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            10
        };
        Self { bytes, count }
    }

    /// What is sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.count)]
    }
}

/// A whole control frame of the server; the body is cut to [`CONTROL_BYTES_MAX`].
pub fn control(opcode: Opcode, body: &[u8]) -> Bytes {
    let body = &body[..body.len().min(CONTROL_BYTES_MAX)];
    let mut frame = Vec::with_capacity(2 + body.len());
    frame.extend_from_slice(ServerHeader::new(opcode, body.len()).as_bytes());
    frame.extend_from_slice(body);
    frame.into()
}

/// A whole close frame with a code of protocol.md and its text, cut to what a control frame holds.
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(CONTROL_BYTES_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut body = code.to_be_bytes().to_vec();
    body.extend_from_slice(&reason.as_bytes()[..end]);
    control(Opcode::Close, &body)
}
