//! One connection through the proxy: bytes each way, as the network has it.

use std::{io, net::Ipv4Addr, sync::atomic::Ordering, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{Network, Order, Shared, Side, What};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Chunks under way in each direction: what a network and the buffers at its ends hold.
const CHUNKS_UNDER_WAY: usize = 64;

/// How often a slow network delivers.
const SLOW_STEP: Duration = Duration::from_millis(50);

/// What was read, and when. No bytes: the side has ended.
type Chunk = (Instant, io::Result<Vec<u8>>);

/// Passes bytes until both sides have ended, or the network ends the connection.
pub async fn serve(mut client: TcpStream, shared: Shared) {
    let mut network = shared.network.subscribe();
    let mut server = None;
    let passed = tokio::select! {
        biased;
        _ = network.wait_for(|&network| network == Network::Ended) => Err(io::ErrorKind::ConnectionReset.into()),
        passed = pass(&mut client, &mut server, &shared) => passed,
    };
    // One side was reset, or refused, or the network ended it: the other is reset, too.
    if passed.is_err() {
        for stream in std::iter::once(&client).chain(&server) {
            let _ = stream.set_zero_linger(); // it is closed already
        }
    }
}

async fn pass(client: &mut TcpStream, server: &mut Option<TcpStream>, shared: &Shared) -> io::Result<()> {
    let server = server.insert(TcpStream::connect((Ipv4Addr::LOCALHOST, shared.server_port)).await?);
    for stream in [&*client, &*server] {
        stream.set_nodelay(true)?; // bytes go on as they came
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::try_join!(
        direction(Side::Client, from_client, to_server, shared),
        direction(Side::Server, from_server, to_client, shared),
    )?;
    Ok(())
}

/// One way: reading goes on while what was read before is under way.
async fn direction(side: Side, from: ReadHalf<'_>, to: WriteHalf<'_>, shared: &Shared) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(CHUNKS_UNDER_WAY);
    let read = async {
        read(from, sender).await;
        Ok(())
    };
    tokio::try_join!(read, write(side, receiver, to, shared))?;
    Ok(())
}

async fn read(mut from: ReadHalf<'_>, chunks: mpsc::Sender<Chunk>) {
    loop {
        let mut bytes = Vec::with_capacity(CHUNK_BYTES);
        let chunk = from.read_buf(&mut bytes).await.map(|_| bytes);
        let ended = !chunk.as_ref().is_ok_and(|bytes| !bytes.is_empty());
        if chunks.send((Instant::now(), chunk)).await.is_err() || ended {
            return;
        }
    }
}

async fn write(
    side: Side,
    mut chunks: mpsc::Receiver<Chunk>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
) -> io::Result<()> {
    let mut network = shared.network.subscribe();
    while let Some((read_at, chunk)) = chunks.recv().await {
        let bytes = match chunk {
            Ok(bytes) if !bytes.is_empty() => bytes,
            // The end of a side passes as its bytes do.
            ended => {
                allowed(side, read_at, &[], &mut network, shared).await;
                ended?;
                return to.shutdown().await;
            }
        };
        let mut left = bytes.as_slice();
        while !left.is_empty() {
            let now = allowed(side, read_at, left, &mut network, shared).await;
            // First, so that whoever has received them finds them counted.
            shared.traffic.bytes(side).fetch_add(now as u64, Ordering::Relaxed);
            to.write_all(&left[..now]).await?;
            left = &left[now..];
        }
    }
    Ok(())
}

/// Waits until the network delivers some of these bytes, or the end of the connection, and says how many.
async fn allowed(
    side: Side,
    read_at: Instant,
    bytes: &[u8],
    network: &mut watch::Receiver<Network>,
    shared: &Shared,
) -> usize {
    loop {
        let state = *network.borrow_and_update();
        match state {
            Network::Passes => return bytes.len(),
            Network::Delays(time) => {
                sleep_until(read_at + time).await;
                return bytes.len();
            }
            Network::Slows { bytes_per_second } => {
                let step = (bytes_per_second as f64 * SLOW_STEP.as_secs_f64()).ceil();
                let step = bytes.len().min(step as usize);
                sleep(Duration::from_secs_f64(step as f64 / bytes_per_second as f64)).await;
                return step;
            }
            Network::Limits { side: limited, bytes: limit, .. } if limited == side && !bytes.is_empty() => {
                let left = limit.saturating_sub(shared.traffic.bytes(side).load(Ordering::Relaxed));
                if left > 0 {
                    return bytes.len().min(left as usize);
                }
                let _ = shared.orders.send(Order { what: What::EndAtLimit, done: None }); // or it stops anyway
                // and until it is carried out, which ends this
            }
            Network::Limits { .. } => return bytes.len(),
            Network::Holds | Network::Ended => {}
        }
        let _ = network.changed().await; // the sender is in `shared`
    }
}
