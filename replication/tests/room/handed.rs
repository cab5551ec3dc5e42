//! Connections that an HTTP server accepted and upgraded, given to the hub with what was read of them: how the service will serve the
//! stream on its one address.

use std::convert::Infallible;

use bytes::Bytes;
use entitygraph_replication::{
    hub::{Arrival, Door, Roles},
    metrics::Metrics,
    socket::accept,
};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::{Builder, upgrade::downcast},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

/// Answers a request for the stream; the connection goes to the hub behind the answer.
async fn answer(mut request: Request<Incoming>, door: Door) -> Result<Response<String>, Infallible> {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let judged = match accept::judged(&headers.collect::<Vec<_>>()) {
        Ok(judged) => judged,
        Err(refused) => {
            let response = Response::builder().status(refused.status).body(refused.reason.to_owned());
            return Ok(response.unwrap());
        }
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let parts = downcast::<TokioIo<TcpStream>>(upgrade.await.unwrap()).unwrap();
        let stream = parts.io.into_inner();
        let address = stream.peer_addr().unwrap().ip();
        let (stream, upgraded) = (stream.into_std().unwrap(), Some(parts.read_buf));
        assert!(door.enter(Arrival { stream, address, upgraded }).await);
    });
    let mut response = Response::builder().status(101);
    for (name, value) in judged {
        response = response.header(name, value);
    }
    Ok(response.body(String::new()).unwrap())
}

async fn serve(listener: tokio::net::TcpListener, door: Door) {
    while let Ok((stream, _)) = listener.accept().await {
        let door = door.clone();
        let service = service_fn(move |request| answer(request, door.clone()));
        tokio::spawn(async move {
            let http = Builder::new(TokioExecutor::new());
            let _ = http.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

#[tokio::test]
async fn a_connection_of_an_http_server_is_handed_over_with_what_was_read_of_it() {
    let zone = Entity::created(testing::world(ZONE_ID, 1e6), Epoch::ZERO);
    let world = World::new(zone, vec![walker(100, DVec3::ZERO)]).unwrap();
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let roles = Roles::start(&config(), world, &metrics).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve(listener, roles.door()));
    let mut peer = Peer::login(address, Role::Player, "player-100").await;
    peer.send(&message::Enter { character: 100 }).await;
    peer.until(Kind::Entered).await;

    // Hello comes with the request, before it is answered.
    let mut eager = TcpStream::connect(address).await.unwrap();
    let mut bytes = format!(
        "GET /stream HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: \
         dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes();
    let frames = entitygraph_client::stream::view::frame(&hello(Role::Viewer, "eager"));
    bytes.extend_from_slice(&[0x82, 0x80 | u8::try_from(frames.len()).unwrap(), 0, 0, 0, 0]);
    bytes.extend_from_slice(&frames);
    eager.write_all(&bytes).await.unwrap();
    let mut told = Vec::new();
    let is_welcomed = |told: &[u8]| {
        let body = told.windows(4).position(|end| end == b"\r\n\r\n").map(|end| end + 4);
        body.and_then(|body| told.get(body..body + 5)).map(|header| header[0] == 0x82 && header[4] == 2)
    };
    while is_welcomed(&told).is_none() {
        assert!(eager.read_buf(&mut told).await.unwrap() > 0, "it is not closed");
    }
    assert_eq!(is_welcomed(&told), Some(true), "a Welcome comes first: {:?}", Bytes::from(told));
    serving.abort();
    roles.stop();
    assert_eq!(peer.until_closed().await, (Code::Draining, 1001));
}
