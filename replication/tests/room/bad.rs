//! Peers that do what they must not, beside one that plays: each gets what protocol.md, "Refusals", says, and the neighbour goes on
//! being told.

use std::{io::ErrorKind, net::SocketAddr, time::Instant};

use entitygraph_replication::metrics::Metrics;
use prometheus::{Registry, TextEncoder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};

use super::*;

/// Longest pause between two messages of the neighbour, which is told 30 times a second: scheduling of a machine that is busy with other
/// tests is in it, being starved by a bad peer for as long as it is bad is not.
const PAUSE_MAX: Duration = Duration::from_millis(1_500);

/// A hub with a game server that moves everything 30 times a second, and a player who is told of it.
struct Played {
    hub: Hub,
    registry: Registry,
    server: JoinHandle<Simulation>,
    neighbour: JoinHandle<(Peer, Duration, u64)>,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Played {
    async fn start(config: &Config, walkers: u32) -> Self {
        let zone = Entity::created(testing::world(ZONE_ID, 1e6), Epoch::ZERO);
        let place_m = |number: u32| DVec3::new(f64::from(number % 40), f64::from(number / 40), 1.0);
        let walkers = (0..walkers).map(|number| walker(100 + u64::from(number), place_m(number))).collect();
        let (registry, listener) = (Registry::new(), TcpListener::bind("127.0.0.1:0").unwrap());
        let metrics = Metrics::register(&registry).unwrap();
        let world = World::new(zone, walkers).unwrap();
        let hub = Hub::start_measured(config, listener, world, &metrics).unwrap();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mut server = Simulation::start(hub.address()).await;
        let mut peer = player(hub.address(), 100).await;
        settled(&mut peer).await;
        let stopping = stopped.clone();
        let server = tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_micros(TICK_US.into()));
            let mut by = 0.1;
            while !*stopping.borrow() {
                tick.tick().await;
                by = -by;
                server.step(|_, _| DVec3::new(by, by, 0.0)).await;
            }
            server
        });
        let neighbour = tokio::spawn(async move {
            let (mut pause, mut messages, mut last) = (Duration::ZERO, 0, Instant::now());
            while !*stopped.borrow() && peer.closed.is_none() {
                if peer.take(Duration::from_millis(100)).await {
                    (pause, messages, last) = (pause.max(last.elapsed()), messages + 1, Instant::now());
                }
                pause = pause.max(last.elapsed());
            }
            (peer, pause, messages)
        });
        Self { hub, registry, server, neighbour, stop }
    }

    /// How many connections were closed with this code.
    fn refused(&self, code: Code) -> u64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let start = format!("entitygraph_stream_refused_total{{code=\"{}\"}} ", code.name());
        let line = text.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
        line.parse().unwrap()
    }

    async fn until_refused(&self, code: Code, count: u64) {
        let waited = Instant::now();
        while self.refused(code) < count {
            assert!(waited.elapsed() < Duration::from_secs(20), "{} of {count} {code:?}", self.refused(code));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The neighbour was told of everything all the time.
    async fn neighbour_noticed_nothing(self) {
        // What the bad peers left behind would show in this second.
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.stop.send(true).unwrap();
        let server = self.server.await.unwrap();
        let (mut peer, pause, messages) = self.neighbour.await.unwrap();
        settled(&mut peer).await;
        assert!(pause < PAUSE_MAX && messages > 10, "a pause of {pause:?} in {messages} messages");
        for (handle, id) in &server.walkers {
            if let Some(seen) = peer.view.entity(*handle) {
                let off = (seen.position_m.unwrap() - server.place_of(*id)).abs().max_element();
                assert!(off <= 0.5 / 64.0 + 1e-9, "{handle} is off by {off} m");
            }
        }
        self.hub.stop();
    }
}

/// Connects from an address of this machine that nobody else comes from.
async fn from(last: u8, to: SocketAddr, receive_bytes: Option<u32>) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    receive_bytes.into_iter().for_each(|bytes| socket.set_recv_buffer_size(bytes).unwrap());
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    socket.connect(to).await.unwrap()
}

/// Sends bytes behind the request for the stream, and reads until the hub ends the connection.
async fn after_upgrade(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /stream HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: \
         dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    socket.write_all(&[request.as_bytes(), bytes].concat()).await.unwrap();
    let mut answer = Vec::new();
    // The hub waits for the peer to close first, for a second.
    while !answer.windows(3).any(|bytes| bytes[0] == 0x88 && bytes[2] == 0x11) {
        match timeout(Duration::from_secs(10), socket.read_buf(&mut answer)).await.expect("it is closed") {
            Ok(0) => break,
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
            Err(_) => break,
            Ok(_) => {}
        }
    }
    answer
}

/// Whether what the hub said ends with a close of this code.
fn ends_with(answer: &[u8], code: u16) -> bool {
    let code = code.to_be_bytes();
    answer.windows(4).any(|bytes| bytes[0] == 0x88 && bytes[2..] == code)
}

/// A client's binary message, masked with zeros.
fn message(body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x82, 0xFE];
    bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(body);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_huge_lengths_and_wrong_versions() {
    let played = Played::start(&config(), 40).await;
    let address = played.hub.address();
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..60 {
        // Random bytes as WebSocket, then random frames within a good message: what is not closed at once says no Hello.
        let mut noise: Vec<u8> = (0..200).map(|_| random.u8(..)).collect();
        noise[0] |= 0x70;
        assert!(ends_with(&after_upgrade(address, &noise).await, 4400), "noise {round}");
        let frames: Vec<u8> = (0..200).map(|_| random.u8(..)).collect();
        let answer = after_upgrade(address, &message(&frames)).await;
        assert!(ends_with(&answer, 4400) || ends_with(&answer, 4413), "frames {round}");
    }
    let terabyte = [0x82, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert!(ends_with(&after_upgrade(address, &terabyte).await, 4413));
    // A body of 2 MiB in a message of 126 bytes, and one over the limit of its kind.
    let long = [&[0x01, 0xFF, 0xFF, 0x7F][..], &[0; 122]].concat();
    assert!(ends_with(&after_upgrade(address, &message(&long)).await, 4413));
    let mut peer = Peer::connect(address, Role::Player).await;
    peer.send(&message::Hello { version_min: 7, version_max: 9, ..hello(Role::Player, "x") }).await;
    assert_eq!(peer.until_closed().await, (Code::Version, 4406));
    assert!(played.refused(Code::BadFrame) >= 60 && played.refused(Code::Version) == 1);
    played.neighbour_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_with_its_view_and_a_replayed_token_does_not() {
    let played = Played::start(&config(), 40).await;
    let address = played.hub.address();
    let mut first = Peer::connect(address, Role::Player).await;
    let begun = first.greet("player-101").await;
    first.send(&message::Enter { character: 101 }).await;
    first.until(Kind::Entered).await;
    for _ in 0..20 {
        first.take(Duration::from_secs(1)).await;
    }
    let bound = first.view.entities().count();
    first.cut();
    // Its socket is lost, and with it what was on the way.
    let mut second = Peer::connect(address, Role::Player).await;
    let resumed = second.resume(&begun.resume_token, first, begun.incarnation).await;
    assert!(resumed.resumed && resumed.session == begun.session);
    for _ in 0..10 {
        let login = Some(message::hello::Login::Resume(begun.resume_token.to_vec()));
        let mut thief = Peer::connect(address, Role::Player).await;
        thief
            .send(&message::Hello { login, incarnation: begun.incarnation, ..hello(Role::Player, "") })
            .await;
        assert_eq!(thief.until_closed().await, (Code::ResumeUsed, 4409));
    }
    while second.view.rows_applied() < 2_000 {
        assert!(second.take(Duration::from_secs(2)).await, "it is told no more; closed: {:?}", second.closed);
    }
    assert!(second.view.entities().count() >= bound, "what was bound is bound");
    assert!(second.view.entities().all(|(_, seen)| seen.active));
    let forged = [7; 90];
    let login = Some(message::hello::Login::Resume(forged.to_vec()));
    let mut thief = Peer::connect(address, Role::Player).await;
    thief.send(&message::Hello { login, ..hello(Role::Player, "") }).await;
    assert_eq!(thief.until_closed().await, (Code::SessionGone, 4410));
    played.neighbour_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_throttled_closed_and_its_address_waits() {
    let mut config = config();
    config.player_rate.flood_ms = 1_500;
    let played = Played::start(&config, 40).await;
    let address = played.hub.address();
    let mut peer = Peer::over(from(9, address, None).await, address, Role::Player).await;
    peer.greet("player-102").await;
    let flood = Instant::now();
    // Not Pings: it would not read the answers, and be closed for that.
    let pongs = entitygraph_client::stream::view::frame(&message::Pong::default()).repeat(50);
    while played.refused(Code::Flood) == 0 && flood.elapsed() < Duration::from_secs(20) {
        // A send that does not end is what throttling looks like.
        let _ = timeout(Duration::from_millis(50), peer.try_send(pongs.clone())).await;
    }
    assert!(flood.elapsed() > Duration::from_millis(1_400), "it was read at its rate before it was closed");
    let mut again = from(9, address, None).await;
    again.write_all(b"GET /stream HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = again.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("Retry-After: "), "{answer}");
    Peer::login(address, Role::Viewer, "from another address").await;
    played.neighbour_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_at_one_percent_or_not_at_all_is_closed() {
    let config =
        Config { stuck_ms: 1_500, slow_ms: 3_000, send_buffer_bytes: 8 << 10, hello_ms: 30_000, ..config() };
    let played = Played::start(&config, 400).await;
    let address = played.hub.address();
    // 400 rows of 8 bytes 30 times a second are 96 KB: 1 % of that are 4 KB in four seconds.
    let mut slow = Peer::over(from(8, address, Some(4 << 10)).await, address, Role::Player).await;
    slow.greet("player-103").await;
    slow.send(&message::Enter { character: 103 }).await;
    slow.until(Kind::Entered).await;
    let mut socket = slow.into_socket();
    let reading = tokio::spawn(async move {
        let mut bytes = [0; 40];
        while socket.read(&mut bytes).await.is_ok_and(|count| count > 0) {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    });
    let mut stuck = Vec::new();
    for number in 104..107_u64 {
        let mut peer = Peer::over(from(8, address, Some(4 << 10)).await, address, Role::Player).await;
        peer.greet(&format!("player-{number}")).await;
        peer.send(&message::Enter { character: number }).await;
        peer.until(Kind::Entered).await;
        stuck.push(peer);
    }
    played.until_refused(Code::TooSlow, 4).await;
    reading.abort();
    played.neighbour_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_say_nothing_are_few_and_closed_in_time() {
    let config = Config { hello_ms: 1_500, waiting_per_address_max: 8, ..config() };
    let played = Played::start(&config, 40).await;
    let address = played.hub.address();
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(from(7, address, None).await);
    }
    let mut busy = 0;
    for mut socket in silent {
        let mut answer = String::new();
        let _ =
            timeout(Duration::from_secs(10), socket.read_to_string(&mut answer)).await.expect("it is closed");
        busy += usize::from(answer.starts_with("HTTP/1.1 503 "));
    }
    assert!(busy >= 32, "{busy} were told that there is no room");
    played.until_refused(Code::Timeout, 1).await;
    played.neighbour_noticed_nothing().await;
}
