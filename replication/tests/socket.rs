//! The WebSocket of our own against a library's client, and against garbage.

#![allow(clippy::unwrap_used)] // helpers of tests stand outside of tests

use bytes::Bytes;
use entitygraph_replication::socket::{
    Fault, accept,
    frame::{self, Opcode},
    reader::{Item, Reader},
    writer::Writer,
};
use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// Answers every binary message with the same bytes, cut into slices of `cut` bytes.
async fn echo(listener: TcpListener, cut: usize) {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    let accepted = loop {
        socket.read_buf(&mut bytes).await.unwrap();
        if let Some(accepted) = accept::accept(&bytes, true).unwrap() {
            break accepted;
        }
    };
    socket.write_all(&accepted.answer).await.unwrap();
    bytes.drain(..accepted.request_bytes);
    let (mut reader, mut writer) = (Reader::new(1 << 20), Writer::default());
    let mut ended = false;
    while !ended {
        reader.feed(&mut bytes, |item| ended |= answer(&socket, &mut writer, item, cut)).unwrap();
        while !writer.flush(&socket).unwrap() {
            socket.writable().await.unwrap();
        }
        bytes.clear();
        if !ended && socket.read_buf(&mut bytes).await.unwrap() == 0 {
            return;
        }
    }
}

fn answer(socket: &TcpStream, writer: &mut Writer, item: Item<'_>, cut: usize) -> bool {
    match item {
        Item::Message(body) => {
            let slices: Vec<Bytes> = body.chunks(cut).map(Bytes::copy_from_slice).collect();
            writer.message(socket, body.len(), slices.iter()).unwrap();
        }
        Item::Ping(body) => writer.first(socket, frame::control(Opcode::Pong, body)).unwrap(),
        Item::Pong => {}
        Item::Close(_) => {
            writer.first(socket, frame::close(1000, "as asked")).unwrap();
            return true;
        }
    }
    false
}

async fn round_trip(messages: Vec<Vec<u8>>, cut: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(echo(listener, cut));
    let mut request = format!("ws://{address}/stream").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", accept::SUBPROTOCOL.parse().unwrap());
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut client, answer) = client_async(request, socket).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], accept::SUBPROTOCOL);
    for message in messages {
        client.send(Message::Ping(Bytes::from_static(b"alive"))).await.unwrap();
        client.send(Message::Binary(message.clone().into())).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"alive")));
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Binary(message.into()));
    }
    client.close(None).await.unwrap();
    while let Some(Ok(_)) = client.next().await {}
    server.await.unwrap();
}

/// What a client sends for this message, in parts of these sizes.
fn masked(body: &[u8], opcode: u8, last: bool, mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![opcode | if last { 0x80 } else { 0 }];
    match body.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        wide @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(wide as u16).to_be_bytes());
        }
        wide => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(wide as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(body.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn feed_in_pieces(reader: &mut Reader, bytes: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, Fault> {
    let mut messages = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.feed(&mut piece.to_vec(), |item| {
            if let Item::Message(body) = item {
                messages.push(body.to_vec());
            }
        })?;
    }
    Ok(messages)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_library_client_and_we_understand_each_other(
        messages in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                (65_530_usize..65_545).prop_map(|length| vec![7; length]),
                Just(vec![9; 400_000]),
            ],
            1..5,
        ),
        cut in 1_usize..5_000,
    ) {
        let cut = if messages.iter().any(|message| message.len() > 1_000) { cut.max(100) } else { cut };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(round_trip(messages, cut));
    }
}

proptest! {
    #[test]
    fn garbage_never_panics_and_nothing_is_kept_beyond_the_limit(
        bytes in prop::collection::vec(any::<u8>(), 0..2_000), piece in 1_usize..200,
    ) {
        let _ = feed_in_pieces(&mut Reader::new(500), &bytes, piece);
        let _ = accept::accept(&bytes, true);
    }

    #[test]
    fn messages_come_whole_however_they_are_cut(
        messages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..400), 1_usize..5), 1..6),
        mask in any::<[u8; 4]>(),
        piece in 1_usize..300,
    ) {
        let mut bytes = Vec::new();
        for (message, parts) in &messages {
            let size = message.len().div_ceil(*parts).max(1);
            let mut chunks = message.chunks(size).peekable();
            bytes.extend(masked(chunks.next().unwrap_or(&[]), 2, chunks.peek().is_none(), mask));
            while let Some(chunk) = chunks.next() {
                // Control frames may stand between the parts of a message.
                bytes.extend(masked(b"still there?", 9, true, mask));
                bytes.extend(masked(chunk, 0, chunks.peek().is_none(), mask));
            }
        }
        let got = feed_in_pieces(&mut Reader::new(400), &bytes, piece).unwrap();
        prop_assert_eq!(got, messages.into_iter().map(|(message, _)| message).collect::<Vec<_>>());
    }
}

#[test]
fn what_a_server_must_not_accept_is_refused_at_that_byte() {
    let refused = |bytes: &[u8]| feed_in_pieces(&mut Reader::new(1_000), bytes, 1).expect_err("is refused");
    assert_eq!(refused(&[0x82, 0x05]).close(), 4400, "no mask");
    assert_eq!(refused(&[0x81]).close(), 4400, "text");
    assert_eq!(refused(&[0xC2]).close(), 4400, "a compressed message");
    assert_eq!(refused(&[0x89, 0x80 | 126]).close(), 4400, "a long ping");
    assert_eq!(refused(&[0x09, 0x80]).close(), 4400, "a ping in parts");
    assert_eq!(refused(&[0x80, 0x80, 0, 0, 0, 0]).close(), 4400, "a part of nothing");
    assert_eq!(refused(&[0x02, 0x80, 0, 0, 0, 0]).close(), 4400, "a first part without bytes");
    let empty = [masked(&[1], 2, false, [1; 4]), masked(&[], 0, false, [1; 4])].concat();
    assert_eq!(refused(&empty).close(), 4400, "another part without bytes");
    assert_eq!(refused(&[0x82, 0xFE, 0, 5, 0, 0, 0, 0]).close(), 4400, "a length spelled longer than needed");
    assert_eq!(refused(&[0x82, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]).close(), 4413, "a terabyte");
    let halves = [masked(&[1; 600], 2, false, [1; 4]), masked(&[1; 401], 0, true, [1; 4])].concat();
    assert_eq!(refused(&halves), Fault::TooLarge { bytes: 1_001, max: 1_000 });
}
