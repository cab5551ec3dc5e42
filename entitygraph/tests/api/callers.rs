//! Who may call: pages of this server under its own names, and programs; no page of another site.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use entitygraph::{Config, api::server::serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::world::{Reply, World};

async fn mutate(world: &World, host: &str, origin: Option<&str>) -> Reply {
    let mut request =
        Request::post("/graphql").header(header::CONTENT_TYPE, "application/json").header(header::HOST, host);
    if let Some(origin) = origin {
        request = request.header(header::ORIGIN, origin);
    }
    world.send(request.body(Body::from(r#"{"query":"mutation { leaseIds }"}"#)).unwrap()).await
}

/// The first line of the answer to a WebSocket handshake.
async fn shake_hands(address: std::net::SocketAddr, host: &str, origin: Option<&str>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let origin = origin.map_or(String::new(), |origin| format!("origin: {origin}\r\n"));
    let head = format!(
        "GET /graphql HTTP/1.1\r\nhost: {host}\r\n{origin}connection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_socket() {
    let world = World::empty();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _server =
        tokio::spawn(serve(listener, world.api.clone(), axum::Router::new(), std::future::pending()));
    let host = address.to_string();
    let own = format!("http://{host}");
    for origin in ["http://evil.example", "https://127.0.0.1", "http://localhost:1", "null", "file://"] {
        let answer = shake_hands(address, &host, Some(origin)).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{origin}: {answer}");
    }
    for origin in [None, Some(own.as_str())] {
        let answer = shake_hands(address, &host, origin).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{origin:?}: {answer}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let world = World::empty();
    let reply = mutate(&world, "127.0.0.1:4000", Some("http://evil.example")).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, "FOREIGN_ORIGIN".to_owned()));
    assert!(reply.text.contains("http://evil.example"), "{}", reply.text);
    let reply = mutate(&world, "LOCALHOST:4000", Some("http://localhost:4000")).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
}

#[tokio::test]
async fn a_name_that_somebody_pointed_at_this_machine_is_refused() {
    let world = World::empty();
    for host in
        ["evil.example:4000", "evil.example", "10.0.0.1", "127.0.0.1.evil.example", "localhost.evil.example"]
    {
        let reply = mutate(&world, host, Some(&format!("http://{host}"))).await;
        assert_eq!(
            (reply.status, reply.code()),
            (StatusCode::MISDIRECTED_REQUEST, "FOREIGN_HOST".to_owned()),
            "{host}"
        );
    }
    for host in ["127.0.0.1:4000", "127.1.2.3", "localhost", "[::1]:4000"] {
        assert_eq!(mutate(&world, host, None).await.status, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn the_name_of_a_proxy_is_a_setting() {
    let mut config = Config::default();
    config.server.hosts = vec!["worlds.example".to_owned()];
    let world = World::with(config);
    for (host, origin) in
        [("worlds.example", "https://worlds.example"), ("Worlds.example:8443", "https://worlds.example:8443")]
    {
        assert_eq!(mutate(&world, host, Some(origin)).await.status, StatusCode::OK, "{host}");
    }
    assert_eq!(mutate(&world, "other.example", None).await.code(), "FOREIGN_HOST");
    for host in ["https://worlds.example", "worlds.example:443", ""] {
        let mut config = Config::default();
        config.server.hosts = vec![host.to_owned()];
        assert_eq!(config.validate().unwrap_err().name, "service.server.hosts", "{host}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_asks_nothing_without_an_origin_either() {
    let world = World::empty();
    let ask = async |path: &str, site: &str| {
        let request = Request::get(path).header(header::HOST, "localhost").header("sec-fetch-site", site);
        world.send(request.body(Body::empty()).unwrap()).await
    };
    for path in ["/graphql?query=%7Bstatus%7Bcursor%7D%7D", "/graphql/stream?query=%7Bstatus%7Bcursor%7D%7D"]
    {
        for site in ["cross-site", "same-site"] {
            assert_eq!(ask(path, site).await.code(), "FOREIGN_ORIGIN", "{path} {site}");
        }
        for site in ["same-origin", "none"] {
            assert_eq!(ask(path, site).await.status, StatusCode::OK, "{path} {site}");
        }
    }
    assert_eq!(ask("/playground", "cross-site").await.status, StatusCode::OK, "pages may be linked to");
}
