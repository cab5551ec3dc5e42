//! One WebSocket header before a list of shared slices, and one vectored write: no copy, no memory set aside for a message.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;

use super::frame::{Opcode, ServerHeader};

/// Slices in one call to the kernel; a message of more is written by several. Kept on the stack, 1 KiB.
const SLICES_MAX: usize = 64;

/// Something that takes bytes now or not at all.
pub trait Vectored {
    /// Takes a part of the bytes, at least one.
    ///
    /// # Errors
    /// `WouldBlock` when it takes none now, anything else when it never will again.
    fn write_now(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

impl Vectored for TcpStream {
    fn write_now(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_vectored(slices)
    }
}

/// The server's side of one connection: what the socket did not take yet. Nothing is set aside while nothing waits.
#[derive(Debug, Default)]
pub struct Writer {
    /// The rest of the message that was begun: nothing may come between.
    begun: VecDeque<Bytes>,
    /// Whole messages that go before all others that were not begun: answers and tokens, not to wait behind a crowd.
    first: VecDeque<Bytes>,
    /// Slices of whole messages, in order.
    rest: VecDeque<Bytes>,
    /// How many slices each of them has.
    counts: VecDeque<usize>,
    left_bytes: usize,
}

impl Writer {
    /// Bytes that wait for the socket.
    pub fn left_bytes(&self) -> usize {
        self.left_bytes
    }

    /// Messages that wait before all others.
    pub fn first_count(&self) -> usize {
        self.first.len()
    }

    /// Writes a message of these slices, as far as the socket takes it. The rest is kept as clones of the slices' pointers and
    /// goes out with [`Self::flush`]; while anything is left a message is queued behind it.
    ///
    /// # Errors
    /// The socket's, after which the connection is of no use.
    pub fn message<'s>(
        &mut self,
        socket: &impl Vectored,
        length: usize,
        slices: impl Iterator<Item = &'s Bytes> + Clone,
    ) -> io::Result<()> {
        let header = ServerHeader::new(Opcode::Binary, length);
        let mut written = 0;
        if self.left_bytes == 0 {
            let mut list = [IoSlice::new(&[]); SLICES_MAX];
            list[0] = IoSlice::new(header.as_bytes());
            let mut count = 1;
            for (place, slice) in list[1..].iter_mut().zip(slices.clone()) {
                *place = IoSlice::new(slice);
                count += 1;
            }
            written = taken(socket.write_now(&list[..count]))?;
            if written == header.as_bytes().len() + length {
                return Ok(());
            }
        }
        let left = if written > 0 { &mut self.begun } else { &mut self.rest };
        let before = left.len();
        if written < header.as_bytes().len() {
            left.push_back(Bytes::copy_from_slice(&header.as_bytes()[written..]));
        }
        let mut skip = written.saturating_sub(header.as_bytes().len());
        for slice in slices {
            if skip >= slice.len() {
                skip -= slice.len();
            } else {
                left.push_back(slice.slice(skip..));
                skip = 0;
            }
        }
        self.left_bytes += header.as_bytes().len() + length - written;
        if written == 0 {
            self.counts.push_back(left.len() - before);
            return Ok(());
        }
        // A message of more slices than one call takes is not stuck for that: the socket may take more.
        self.flush(socket).map(drop)
    }

    /// Writes whole messages that have their header already, before all others that were not begun.
    ///
    /// # Errors
    /// The socket's.
    pub fn first(&mut self, socket: &impl Vectored, bytes: Bytes) -> io::Result<()> {
        if self.left_bytes > 0 {
            self.left_bytes += bytes.len();
            self.first.push_back(bytes);
            return self.flush(socket).map(drop);
        }
        let written = taken(socket.write_now(&[IoSlice::new(&bytes)]))?;
        if written < bytes.len() {
            self.left_bytes = bytes.len() - written;
            self.begun.push_back(bytes.slice(written..));
        }
        Ok(())
    }

    /// Writes the last bytes of the connection: what was not begun is left out for them.
    ///
    /// # Errors
    /// The socket's.
    pub fn last(&mut self, socket: &impl Vectored, bytes: Bytes) -> io::Result<()> {
        self.first.clear();
        self.rest.clear();
        self.counts.clear();
        self.left_bytes = self.begun.iter().map(Bytes::len).sum();
        self.first(socket, bytes)
    }

    /// Writes what is left; `true` when nothing is any more.
    ///
    /// # Errors
    /// The socket's.
    pub fn flush(&mut self, socket: &impl Vectored) -> io::Result<bool> {
        while self.left_bytes > 0 {
            let mut list = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            let left = self.begun.iter().chain(&self.first).chain(&self.rest);
            for (place, slice) in list.iter_mut().zip(left) {
                *place = IoSlice::new(slice);
                count += 1;
            }
            let written = taken(socket.write_now(&list[..count]))?;
            if written == 0 {
                return Ok(false);
            }
            self.strike(written);
        }
        for queue in [&mut self.begun, &mut self.first, &mut self.rest] {
            *queue = VecDeque::new();
        }
        self.counts = VecDeque::new();
        Ok(true)
    }

    /// Takes out what was written; what is begun by it goes to [`Self::begun`].
    fn strike(&mut self, mut written: usize) {
        self.left_bytes -= written;
        while written > 0 {
            if self.begun.is_empty() {
                match self.first.pop_front() {
                    Some(message) => self.begun.push_back(message),
                    None => {
                        let count = self.counts.pop_front().unwrap_or(self.rest.len());
                        self.begun.extend(self.rest.drain(..count.min(self.rest.len())));
                    }
                }
            }
            let Some(slice) = self.begun.front_mut() else { return };
            if written < slice.len() {
                return slice.advance(written);
            }
            written -= slice.len();
            self.begun.pop_front();
        }
    }
}

fn taken(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use proptest::prelude::*;

    use super::*;

    /// Takes as many bytes as the next number of the list says; 0 is "not now".
    struct Narrow {
        room: RefCell<Vec<usize>>,
        got: RefCell<Vec<u8>>,
        calls: Cell<usize>,
    }

    impl Vectored for Narrow {
        fn write_now(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.calls.set(self.calls.get() + 1);
            let mut room = self.room.borrow_mut().pop().unwrap_or(usize::MAX);
            let mut count = 0;
            for slice in slices {
                let part = slice.len().min(room);
                self.got.borrow_mut().extend_from_slice(&slice[..part]);
                (room, count) = (room - part, count + part);
            }
            if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
        }
    }

    /// Messages out of what was written, by their headers.
    fn messages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        while let Some(&short) = bytes.get(1) {
            let (at, length) = match short {
                126 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
                short => (2, usize::from(short)),
            };
            messages.push(bytes[at..at + length].to_vec());
            bytes = &bytes[at + length..];
        }
        messages
    }

    proptest! {
        #[test]
        fn answers_go_before_what_was_not_begun_and_nothing_comes_between(
            steps in prop::collection::vec((any::<bool>(), prop::collection::vec(1_u8..60, 1..70)), 1..20),
            room in prop::collection::vec(0_usize..90, 0..80),
        ) {
            let socket = Narrow { room: RefCell::new(room), got: RefCell::default(), calls: Cell::default() };
            let mut writer = Writer::default();
            let (mut answers, mut others) = (Vec::new(), Vec::new());
            for (number, (is_answer, sizes)) in steps.into_iter().enumerate() {
                let slices: Vec<Bytes> = sizes.iter().map(|size| vec![number as u8; (*size).into()].into()).collect();
                let body = slices.concat();
                if is_answer {
                    let mut bytes = ServerHeader::new(Opcode::Binary, body.len()).as_bytes().to_vec();
                    bytes.extend_from_slice(&body);
                    writer.first(&socket, bytes.into()).unwrap();
                    answers.push(body);
                    // Ahead of it are only what was begun and other answers.
                    let waits: usize = writer.begun.iter().chain(&writer.first).map(Bytes::len).sum();
                    prop_assert!(writer.first.is_empty() || waits >= answers.last().unwrap().len());
                } else {
                    writer.message(&socket, body.len(), slices.iter()).unwrap();
                    others.push(body);
                }
            }
            while !writer.flush(&socket).unwrap() {}
            let got = messages(&socket.got.borrow());
            let of = |wanted: &Vec<Vec<u8>>| got.iter().filter(|body| wanted.contains(body)).cloned().collect::<Vec<_>>();
            prop_assert_eq!(got.len(), answers.len() + others.len());
            prop_assert_eq!(of(&answers), answers);
            prop_assert_eq!(of(&others), others);
        }

        #[test]
        fn however_little_the_socket_takes_the_bytes_come_whole_and_in_order(
            messages in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..90), 1..4),
            room in prop::collection::vec(0_usize..200, 0..60),
        ) {
            let socket = Narrow { room: RefCell::new(room), got: RefCell::default(), calls: Cell::default() };
            let mut writer = Writer::default();
            let mut wanted = Vec::new();
            for slices in messages {
                let slices: Vec<Bytes> = slices.into_iter().map(Bytes::from).collect();
                let length = slices.iter().map(Bytes::len).sum();
                wanted.extend_from_slice(ServerHeader::new(Opcode::Binary, length).as_bytes());
                slices.iter().for_each(|slice| wanted.extend_from_slice(slice));
                writer.message(&socket, length, slices.iter()).unwrap();
                prop_assert_eq!(writer.left_bytes(), wanted.len() - socket.got.borrow().len());
            }
            while !writer.flush(&socket).unwrap() {}
            prop_assert_eq!(writer.left_bytes(), 0);
            prop_assert_eq!(&*socket.got.borrow(), &wanted);
        }
    }

    #[test]
    fn a_message_is_one_call() {
        let socket = Narrow { room: RefCell::default(), got: RefCell::default(), calls: Cell::default() };
        let slices = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        Writer::default().message(&socket, 6, slices.iter()).unwrap();
        assert_eq!(socket.calls.get(), 1);
        assert_eq!(&*socket.got.borrow(), b"\x82\x06onetwo");
    }

    #[test]
    fn an_answer_overtakes_all_but_the_message_under_way_and_a_close_all_that_waits() {
        let socket = Narrow {
            room: RefCell::new(vec![0, 0, 0, 0, 3]),
            got: RefCell::default(),
            calls: Cell::default(),
        };
        let mut writer = Writer::default();
        let slices = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        writer.message(&socket, 6, slices.iter()).unwrap();
        writer.message(&socket, 6, slices.iter()).unwrap();
        writer.first(&socket, Bytes::from_static(b"\x82\x02hi")).unwrap();
        let mut closed =
            Writer { begun: writer.begun.clone(), left_bytes: writer.left_bytes, ..Writer::default() };
        closed.rest = writer.rest.clone();
        closed.counts = writer.counts.clone();
        while !writer.flush(&socket).unwrap() {}
        assert_eq!(&*socket.got.borrow(), b"\x82\x06onetwo\x82\x02hi\x82\x06onetwo");
        socket.got.borrow_mut().clear();
        closed.last(&socket, Bytes::from_static(b"\x88\x00")).unwrap();
        assert_eq!(&*socket.got.borrow(), b"netwo\x88\x00");
    }
}
