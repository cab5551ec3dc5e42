//! A proxy before a server that answers each byte with the same byte.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use entitygraph_test_neo4j::{Proxy, Side};

/// Longer than anything takes that is not held back, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Long enough to see that nothing comes.
const SILENCE: Duration = Duration::from_millis(300);

/// A server that echoes, and a proxy before it.
fn echo() -> Result<Proxy> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });
    Proxy::start(port)
}

fn connect(proxy: &Proxy) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends bytes and reads as many.
fn ask(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(bytes)?;
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn is_silent(mut stream: &TcpStream) -> Result<bool> {
    stream.set_read_timeout(Some(SILENCE))?;
    let answer = stream.read(&mut [0]);
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(answer.is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
}

#[test]
fn it_passes_all_bytes_and_the_end_of_each_side_and_counts_them() -> Result<()> {
    let proxy = echo()?;
    let stream = connect(&proxy)?;
    let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    let mut writer = stream.try_clone()?;
    let bytes = sent.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&bytes)?;
        writer.shutdown(std::net::Shutdown::Write)
    });
    let mut received = Vec::new();
    (&stream).read_to_end(&mut received)?;
    writing.join().unwrap()?;
    assert!(received == sent);
    assert_eq!((proxy.bytes(Side::Client), proxy.bytes(Side::Server)), (1_000_000, 1_000_000));
    assert_eq!(ask(&connect(&proxy)?, b"a")?, b"a");
    assert_eq!(proxy.connections(), 2);
    Ok(())
}

#[test]
fn a_delay_is_taken_once_each_way_however_much_is_sent() -> Result<()> {
    let proxy = echo()?;
    let stream = connect(&proxy)?;
    let delay = Duration::from_millis(200);
    proxy.delay(delay)?;
    for bytes in [&b"a"[..], &[7; 600_000]] {
        let start = Instant::now();
        assert_eq!(ask(&stream, bytes)?, bytes);
        let taken = start.elapsed();
        assert!(taken >= 2 * delay, "{taken:?}");
        assert!(taken < 4 * delay + Duration::from_secs(2), "{taken:?}");
    }
    Ok(())
}

#[test]
fn a_slow_network_delivers_so_many_bytes_a_second() -> Result<()> {
    let proxy = echo()?;
    let mut stream = connect(&proxy)?;
    proxy.slow(10_000)?;
    stream.write_all(&[7; 5_000])?;
    let start = Instant::now();
    stream.read_exact(&mut [0; 5_000])?;
    assert!(start.elapsed() >= Duration::from_millis(450), "{:?}", start.elapsed());
    Ok(())
}

#[test]
fn a_cut_resets_connections_and_refuses_new_ones_until_it_heals() -> Result<()> {
    let proxy = echo()?;
    let stream = connect(&proxy)?;
    assert_eq!(ask(&stream, b"a")?, b"a");
    proxy.cut()?;
    assert_eq!((&stream).read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(connect(&proxy).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    proxy.heal()?;
    assert_eq!(ask(&connect(&proxy)?, b"b")?, b"b");
    Ok(())
}

#[test]
fn a_half_open_connection_delivers_nothing_not_even_its_end_until_it_heals() -> Result<()> {
    let proxy = echo()?;
    let before = connect(&proxy)?;
    assert_eq!(ask(&before, b"a")?, b"a");
    proxy.half_open()?;
    let after = connect(&proxy)?;
    for mut stream in [&before, &after] {
        stream.write_all(b"b")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        assert!(is_silent(stream)?);
    }
    proxy.heal()?;
    for mut stream in [&before, &after] {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest)?;
        assert_eq!(rest, b"b");
    }
    Ok(())
}

#[test]
fn a_cut_after_some_bytes_delivers_exactly_those() -> Result<()> {
    let proxy = echo()?;
    for side in [Side::Server, Side::Client] {
        let mut stream = connect(&proxy)?;
        assert_eq!(ask(&stream, b"hello")?, b"hello");
        let before = [Side::Client, Side::Server].map(|side| proxy.bytes(side));
        proxy.cut_after(side, 3)?;
        stream.write_all(b"12345")?;
        let mut received = Vec::new();
        let error = stream.read_to_end(&mut received).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let after = [Side::Client, Side::Server].map(|side| proxy.bytes(side));
        match side {
            Side::Server => {
                assert_eq!((after[0] - before[0], after[1] - before[1]), (5, 3));
                assert_eq!(received, b"123");
            }
            Side::Client => assert_eq!(after[0] - before[0], 3),
        }
        assert_eq!(connect(&proxy).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        proxy.heal()?;
    }
    Ok(())
}

#[test]
fn a_reset_takes_new_connections_at_once() -> Result<()> {
    let proxy = echo()?;
    let mut stream = connect(&proxy)?;
    assert_eq!(ask(&stream, b"a")?, b"a");
    proxy.reset_after(Side::Server, 0)?;
    stream.write_all(b"b")?;
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(ask(&connect(&proxy)?, b"c")?, b"c");
    Ok(())
}
