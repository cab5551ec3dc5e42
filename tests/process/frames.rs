//! WebSocket frames that no client may send (RFC 6455): each costs its own connection and nothing else.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use entitygraph_tests::{graphql::Client, process::Server, socket::Socket};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);

const FOLLOW: &str = r#"subscription { changes(scope: { label: "x" }) { __typename } }"#;
const CREATE: &str = r#"mutation { createEntity(input: {
    kind: "world", labels: ["x"], bounds: { min: [-1, -1, -1], max: [1, 1, 1] }
}) { __typename } }"#;

const TEXT: u8 = 0x1;
const PING: u8 = 0x9;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
/// A mask of zeros leaves the payload as it is.
const MASK: [u8; 4] = [0; 4];

/// What is wrong, its bytes, and the status codes with which RFC 6455 lets it be closed.
fn malformed() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let frame =
        |first: u8, payload: &[u8]| [&[first, MASKED | payload.len() as u8], &MASK[..], payload].concat();
    let long = |first: u8, length: u64| [&[first, MASKED | 127], &length.to_be_bytes()[..], &MASK].concat();
    vec![
        ("a reserved bit", frame(FINAL | 0x40 | TEXT, b"{}"), &[1002]),
        ("an unknown opcode", frame(FINAL | 0x3, b"{}"), &[1002]),
        ("an unknown control opcode", frame(FINAL | 0xB, b""), &[1002]),
        ("no mask", [&[FINAL | TEXT, 2], &b"{}"[..]].concat(), &[1002]),
        ("a length of 2^62 bytes", long(FINAL | TEXT, 1 << 62), &[1002, 1009]),
        ("a length with its highest bit set", long(FINAL | TEXT, u64::MAX), &[1002, 1009]),
        ("a control frame in parts", frame(PING, b""), &[1002]),
        (
            "a control frame of 126 bytes",
            [&[FINAL | PING, MASKED | 126, 0, 126], &MASK[..], &[0; 126]].concat(),
            &[1002],
        ),
        ("a continuation of nothing", frame(FINAL, b"{}"), &[1002]),
        ("a message inside a message", [frame(TEXT, b"{"), frame(TEXT, b"}")].concat(), &[1002]),
        ("text that is no UTF-8", frame(FINAL | TEXT, &[0xC3, 0x28]), &[1002, 1007]),
    ]
}

/// A connection with a subscription that is live.
fn subscribed(base: &str) -> Result<TcpStream> {
    let address = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /graphql HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )?;
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": FOLLOW } });
    for message in [json!({ "type": "connection_init" }), subscribe] {
        let text = message.to_string();
        let length = u16::try_from(text.len())?.to_be_bytes();
        stream.write_all(&[&[FINAL | TEXT, MASKED | 126], &length[..], &MASK, text.as_bytes()].concat())?;
    }
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("Snapshot") {
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes)?;
        ensure!(read > 0, "the server hung up: {}", String::from_utf8_lossy(&heard));
        heard.extend(&bytes[..read]);
    }
    Ok(stream)
}

/// Reads until the server closes; the status of its close frame, if it sent one.
fn closed(stream: &mut TcpStream) -> Result<Option<u16>> {
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => return Err(error).context(format!("the server does not hang up after {heard:?}")),
    }
    match heard.as_slice() {
        [] => Ok(None),
        [0x88, _, high, low, ..] => Ok(Some(u16::from_be_bytes([*high, *low]))),
        other => bail!("no close frame: {other:?}"),
    }
}

/// Waits until so many subscriptions are open.
async fn subscriptions(base: &str, open: usize) -> Result<()> {
    let start = Instant::now();
    let line = format!("entitygraph_subscriptions {open}");
    loop {
        let figures = reqwest::get(format!("{base}/metrics")).await?.text().await?;
        if figures.lines().any(|found| found == line) {
            return Ok(());
        }
        ensure!(start.elapsed() < PATIENCE, "not {open} subscriptions:\n{figures}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_frame_ends_its_own_connection_and_no_other() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start("memory:", data.path())?;
    let mut healthy = Socket::connect(&server.base).await?;
    healthy.subscribe("1", FOLLOW, json!({})).await?;
    ensure!(healthy.text().await?.contains("Snapshot"));
    for (what, bytes, codes) in malformed() {
        let mut stream = subscribed(&server.base)?;
        subscriptions(&server.base, 2).await?;
        stream.write_all(&bytes)?;
        let code = closed(&mut stream).context(what)?;
        ensure!(code.is_some_and(|code| codes.contains(&code)), "{what}: closed with {code:?}");
        subscriptions(&server.base, 1).await.context(what)?;
    }
    let mut cut_off = subscribed(&server.base)?;
    cut_off.write_all(&[FINAL | TEXT, MASKED | 100, 0, 0, 0, 0, b'{'])?;
    cut_off.shutdown(Shutdown::Write)?;
    closed(&mut cut_off).context("a frame that breaks off")?;
    subscriptions(&server.base, 1).await.context("a frame that breaks off")?;

    Client::new(&server.base).run(CREATE, json!({})).await?;
    let told = healthy.text().await?;
    ensure!(told.contains("Transaction"), "{told}");
    Ok(())
}
