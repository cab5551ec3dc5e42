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

/// The server's side of one connection: what the socket did not take yet.
#[derive(Debug, Default)]
pub struct Writer {
    /// Whole messages and rests of them, in order.
    left: VecDeque<Bytes>,
    left_bytes: usize,
}

impl Writer {
    /// Bytes that wait for the socket.
    pub fn left_bytes(&self) -> usize {
        self.left_bytes
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
        if self.left.is_empty() {
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
        if written < header.as_bytes().len() {
            self.keep(Bytes::copy_from_slice(&header.as_bytes()[written..]));
        }
        let mut skip = written.saturating_sub(header.as_bytes().len());
        for slice in slices {
            if skip >= slice.len() {
                skip -= slice.len();
            } else {
                self.keep(slice.slice(skip..));
                skip = 0;
            }
        }
        // A message of more slices than one call takes is not stuck for that: the socket may take more.
        if written == 0 { Ok(()) } else { self.flush(socket).map(drop) }
    }

    /// Writes bytes that have their header already, such as a control frame.
    ///
    /// # Errors
    /// The socket's.
    pub fn raw(&mut self, socket: &impl Vectored, bytes: Bytes) -> io::Result<()> {
        self.keep(bytes);
        self.flush(socket).map(drop)
    }

    /// Writes what is left; `true` when nothing is any more.
    ///
    /// # Errors
    /// The socket's.
    pub fn flush(&mut self, socket: &impl Vectored) -> io::Result<bool> {
        while !self.left.is_empty() {
            let mut list = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            for (place, slice) in list.iter_mut().zip(&self.left) {
                *place = IoSlice::new(slice);
                count += 1;
            }
            let written = taken(socket.write_now(&list[..count]))?;
            if written == 0 {
                return Ok(false);
            }
            self.strike(written);
        }
        Ok(true)
    }

    fn keep(&mut self, bytes: Bytes) {
        self.left_bytes += bytes.len();
        self.left.push_back(bytes);
    }

    fn strike(&mut self, mut written: usize) {
        self.left_bytes -= written;
        while let Some(first) = self.left.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.left.pop_front();
        }
        self.left.shrink_to(8);
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

    proptest! {
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
}
