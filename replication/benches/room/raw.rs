//! The limit: a plain tokio program that writes as many bytes to as many sockets, each message with one call, and does nothing
//! else.

use std::{
    io::{self, Read},
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mio::{Events, Interest, Poll, Token};
use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    time::{MissedTickBehavior, interval},
};

use crate::{GROUP, Load, Run, TICK_US, counts::Counts, say, usage};

/// Messages begin with their length and the time of the tick, so that the load can say how long they took.
const HEAD_BYTES: usize = 12;

/// Ticks before anything is counted.
const WARM_TICKS: u64 = 20;

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
}

/// Writes messages of this many bytes for a time.
pub fn run(players: usize, seconds: u64, size: usize) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    let writer = std::thread::spawn(move || runtime.block_on(write(listener, players, size.max(HEAD_BYTES))));
    let measured = Load::start("raw-load", address, players, seconds).measured();
    writer.join().expect("the writer ends");
    measured
}

async fn write(listener: TcpListener, players: usize, size: usize) {
    let mut sockets = Vec::with_capacity(players);
    for _ in 0..players {
        let (socket, _) = listener.accept().await.expect("a connection");
        socket.set_nodelay(true).expect("a socket");
        sockets.push(socket);
    }
    let mut message = vec![7; size];
    message[..4].copy_from_slice(&(size as u32).to_le_bytes());
    let mut ticks = interval(Duration::from_micros(TICK_US.into()));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        message[4..HEAD_BYTES].copy_from_slice(&now_us().to_le_bytes());
        for socket in &mut sockets {
            // The load has ended.
            let Ok(()) = socket.write_all(&message).await else { return };
        }
    }
}

/// Reads for a time and says the figures.
pub fn load(address: SocketAddr, players: usize, seconds: u64) {
    let mut poll = Poll::new().expect("epoll");
    let mut sockets: Vec<_> = (0..players)
        .map(|player| {
            let socket = std::net::TcpStream::connect(address).expect("a connection");
            socket.set_nonblocking(true).expect("a socket");
            let mut socket = mio::net::TcpStream::from_std(socket);
            poll.registry().register(&mut socket, Token(player), Interest::READABLE).expect("epoll");
            (socket, Vec::new())
        })
        .collect();
    let (mut events, mut scratch) = (Events::with_capacity(1_024), vec![0; 256 << 10]);
    let mut counts = Counts::new();
    let tick = Duration::from_micros(TICK_US.into());
    let begin = Instant::now() + tick * WARM_TICKS as u32;
    let end = begin + Duration::from_secs(seconds);
    let (mut counting, mut cpu) = (false, 0.0);
    while Instant::now() < end {
        if !counting && Instant::now() >= begin {
            say("begin");
            (counting, cpu) = (true, usage::cpu_s());
        }
        poll.poll(&mut events, Some(Duration::from_millis(10))).expect("epoll");
        for event in &events {
            let (socket, half) = &mut sockets[event.token().0];
            let read = match socket.read(&mut scratch) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => panic!("a socket of raw: {error}"),
            };
            half.extend_from_slice(&scratch[..read]);
            while let Some(size) = half.get(..4).and_then(|size| size.try_into().ok()).map(u32::from_le_bytes)
                && half.len() >= size as usize
            {
                let sent_us = half[4..HEAD_BYTES].try_into().map_or(0, u64::from_le_bytes);
                if counting {
                    counts.deliveries += GROUP as u64;
                    counts.bytes += u64::from(size);
                    counts.took(Duration::from_micros(now_us().saturating_sub(sent_us)));
                }
                half.drain(..size as usize);
            }
        }
    }
    counts.say(usage::cpu_s() - cpu);
}
