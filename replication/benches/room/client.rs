//! A connection of the load process: as little work as possible, because it shares the machine with what is measured.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
};

use entitygraph_client::stream::view::frame;
use entitygraph_replication::socket::accept::SUBPROTOCOL;
use entitygraph_schema::wire::{
    Role, VERSION,
    control::{Message, message},
};
use mio::net::TcpStream;

/// A socket that became a WebSocket, and what is half there of a message.
pub struct Client {
    pub socket: TcpStream,
    half: Vec<u8>,
}

impl Client {
    /// Connects, asks for the stream, waits for the answer.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let mut socket = std::net::TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let request = format!(
            "GET /stream HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: \
             dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        );
        socket.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            socket.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
        socket.set_nonblocking(true)?;
        Ok(Self { socket: TcpStream::from_std(socket), half: Vec::new() })
    }

    /// Sends frames as one message, with a mask of zeros.
    pub fn send(&mut self, body: &[u8]) -> io::Result<()> {
        let mut bytes = vec![0x82];
        match body.len() {
            short @ 0..=125 => bytes.push(0x80 | short as u8),
            wide @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&(wide as u16).to_be_bytes());
            }
            wide => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&(wide as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(body);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match self.socket.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends one control frame.
    pub fn say(&mut self, message: &impl Message) -> io::Result<()> {
        self.send(&frame(message))
    }

    /// Logs in.
    pub fn hello(&mut self, role: Role, name: &str) -> io::Result<()> {
        let subject = message::Subject { name: name.into(), role: message::Role::from(role).into() };
        self.say(&message::Hello {
            version_min: VERSION,
            version_max: VERSION,
            login: Some(message::hello::Login::Subject(subject)),
            ..Default::default()
        })
    }

    /// Reads what is there and gives each whole message, with the bytes of its WebSocket header.
    pub fn read(
        &mut self,
        scratch: &mut [u8],
        mut take: impl FnMut(&mut Self, &[u8], usize),
    ) -> io::Result<()> {
        loop {
            let count = match self.socket.read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let mut joined = std::mem::take(&mut self.half);
            let mut bytes = if joined.is_empty() {
                &scratch[..count]
            } else {
                joined.extend_from_slice(&scratch[..count]);
                &joined[..]
            };
            while let Some((header, length)) = header(bytes)
                && header + length <= bytes.len()
            {
                take(self, &bytes[header..header + length], header);
                bytes = &bytes[header + length..];
            }
            self.half = bytes.to_vec();
            // Less than there was room for: the socket is empty, and will say when it is not.
            if count < scratch.len() {
                return Ok(());
            }
        }
    }
}

/// Bytes of a server's header, and of the body behind it.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes {
        [_, 126, high, low, ..] => Some((4, usize::from(u16::from_be_bytes([*high, *low])))),
        [_, 127, rest @ ..] if rest.len() >= 8 => {
            Some((10, u64::from_be_bytes(rest[..8].try_into().ok()?) as usize))
        }
        [_, short @ 0..=125, ..] => Some((2, usize::from(*short))),
        _ => None,
    }
}
