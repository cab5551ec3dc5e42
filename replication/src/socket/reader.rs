//! What a client sends, out of the pieces in which it comes.

use super::{
    Fault,
    frame::{HEADER_BYTES_MAX, Header, Opcode, unmask},
};

/// One thing that a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A binary message, whole and without its mask.
    Message(&'a [u8]),
    /// To be answered with a Pong of the same body, at most 125 bytes.
    Ping(&'a [u8]),
    /// An answer to a Ping; says only that the peer is alive.
    Pong,
    /// The client ends the connection, with this code if it said one. Nothing follows.
    Close(Option<u16>),
}

/// Reads the client's side of one connection. Holds no memory while nothing is half there: what came whole is given out of the
/// buffer that it was read into.
#[derive(Debug)]
pub struct Reader {
    /// Largest message in bytes, all parts together.
    message_bytes_max: u64,
    /// A frame of which not all came yet, from its header on, masked.
    half: Vec<u8>,
    /// The parts of a message so far, without masks.
    parts: Option<Vec<u8>>,
    closed: bool,
}

impl Reader {
    /// Of a connection whose messages have at most this many bytes.
    pub fn new(message_bytes_max: u64) -> Self {
        Self { message_bytes_max, half: Vec::new(), parts: None, closed: false }
    }

    /// Sets the limit that holds from the next header on: it depends on the role, which the first message says.
    pub fn limit(&mut self, message_bytes_max: u64) {
        self.message_bytes_max = message_bytes_max;
    }

    /// Takes the next bytes of the socket, which it may change, and gives each item that is whole by now to `take`, in order.
    ///
    /// # Errors
    /// The first thing that is wrong; what came before it was given. Nothing may be fed after it, nor after a `Close`.
    pub fn feed(&mut self, mut bytes: &mut [u8], mut take: impl FnMut(Item<'_>)) -> Result<(), Fault> {
        while !bytes.is_empty() && !self.closed {
            if self.half.is_empty() {
                let whole = self.judged(bytes)?.filter(|(_, end)| *end <= bytes.len() as u64);
                let Some((header, end)) = whole else {
                    self.half.extend_from_slice(bytes);
                    return Ok(());
                };
                let (frame, rest) = bytes.split_at_mut(end as usize);
                self.frame(header, &mut frame[header.bytes..], &mut take)?;
                bytes = rest;
                continue;
            }
            // The header first, then what it says is missing: a byte of the next frame never gets here.
            let missing = match self.judged(&self.half)? {
                Some((_, end)) => end - self.half.len() as u64,
                None => (HEADER_BYTES_MAX - self.half.len()) as u64,
            };
            let header_known = Header::read(&self.half)?.is_some();
            let count = if header_known { missing.min(bytes.len() as u64) as usize } else { 1 };
            let (more, rest) = bytes.split_at_mut(count);
            self.half.extend_from_slice(more);
            bytes = rest;
            if let Some((header, end)) = self.judged(&self.half)?
                && end == self.half.len() as u64
            {
                let mut frame = std::mem::take(&mut self.half);
                self.frame(header, &mut frame[header.bytes..], &mut take)?;
            }
        }
        Ok(())
    }

    /// The header that the bytes begin with, if it is there, and where its frame ends, once that is known to be within the
    /// limit.
    fn judged(&self, bytes: &[u8]) -> Result<Option<(Header, u64)>, Fault> {
        let Some(header) = Header::read(bytes)? else { return Ok(None) };
        let before = self.parts.as_ref().map_or(0, |parts| parts.len() as u64);
        let total = before.saturating_add(header.length);
        if matches!(header.opcode, Opcode::Binary | Opcode::Continuation) && total > self.message_bytes_max {
            return Err(Fault::TooLarge { bytes: total, max: self.message_bytes_max });
        }
        Ok(Some((header, header.bytes as u64 + header.length)))
    }

    fn frame(
        &mut self,
        header: Header,
        body: &mut [u8],
        take: &mut impl FnMut(Item<'_>),
    ) -> Result<(), Fault> {
        unmask(body, header.mask);
        match (header.opcode, self.parts.as_mut(), header.last) {
            // They bring nothing, so nobody would count them.
            (Opcode::Binary | Opcode::Continuation, _, false) if body.is_empty() => {
                return Err(Fault::BadFrame("a part without bytes that is not the last one"));
            }
            (Opcode::Binary, None, true) => take(Item::Message(body)),
            (Opcode::Binary, None, false) => self.parts = Some(body.to_vec()),
            (Opcode::Continuation, Some(parts), false) => parts.extend_from_slice(body),
            (Opcode::Continuation, Some(parts), true) => {
                parts.extend_from_slice(body);
                take(Item::Message(parts));
                self.parts = None;
            }
            (Opcode::Binary, Some(_), _) => return Err(Fault::BadFrame("a message inside another one")),
            (Opcode::Continuation, None, _) => {
                return Err(Fault::BadFrame("the next part of a message that was not begun"));
            }
            (Opcode::Ping, ..) => take(Item::Ping(body)),
            (Opcode::Pong, ..) => take(Item::Pong),
            (Opcode::Close, ..) => {
                let code = match body {
                    [] => None,
                    [high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
                    [_] => return Err(Fault::BadFrame("a close code of one byte")),
                };
                self.closed = true;
                take(Item::Close(code));
            }
        }
        Ok(())
    }
}
