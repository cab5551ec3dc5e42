//! GraphQL over HTTP beside a bare axum handler that returns the same bytes, in one run: requests per second and ratios.
//!
//! Both servers and the clients that load them share this process and its cores, and take turns, so that whatever else
//! the machine does falls on both. The ratio counts; the figures are printed for the machine they ran on.
//!
//! ```sh
//! cargo bench -p entitygraph --bench graphql
//! ```

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, http::header, routing::post};
use entitygraph::{
    Config, Graph, Metrics,
    api::{Api, router::router},
};
use entitygraph_schema::{
    Aabb, EntityId, EntityName, Kind, Label, NewEntity, Operation, Placement, Pose, Transaction,
};
use entitygraph_store::{Store, memory::MemoryStore};
use glam::DVec3;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

/// Connections of a round, each with one request under way.
const CONNECTIONS: usize = 32;
/// Length of a round.
const ROUND: Duration = Duration::from_millis(1_000);
/// Rounds of each server; the median counts.
const ROUNDS: usize = 7;

/// A question, and the part of the bare handler's speed that it must reach.
struct Case {
    name: &'static str,
    query: &'static str,
    variables: serde_json::Value,
    aim: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let world = World::new().await?;
    let entity = "query Entity($id: EntityId!) { entity(id: $id) { id name kind revision pose { position rotation } labels } }";
    let tree = "query Tree($id: EntityId!) { subtree(id: $id) { nodes { id name kind revision pose { position rotation } } } }";
    let ids: Vec<_> = (0..20).map(|offset| (world.ship.get() + offset).to_string()).collect();
    let many = "query Many($ids: [EntityId!]!) { entities(ids: $ids) { id name kind parent { name } } }";
    let cases = [
        Case {
            name: "entity(id)",
            query: entity,
            variables: json!({ "id": world.ship.to_string() }),
            aim: 0.40,
        },
        Case {
            name: "subtree of 60",
            query: tree,
            variables: json!({ "id": world.ship.to_string() }),
            aim: 0.30,
        },
        Case { name: "20 entities and parents", query: many, variables: json!({ "ids": ids }), aim: 0.0 },
    ];
    println!(
        "{:<26} {:>9} {:>12} {:>12} {:>7} {:>6}",
        "question", "bytes", "bare req/s", "ours req/s", "ratio", "aim"
    );
    for case in cases {
        let body = json!({ "query": case.query, "variables": case.variables }).to_string();
        let ours = world.address;
        let expected = Client::connect(ours).await?.ask(&request(&body)).await?;
        anyhow::ensure!(!expected.contains("\"errors\""), "{expected}");
        let bare = bare(expected.clone()).await?;
        anyhow::ensure!(
            Client::connect(bare).await?.ask(&request(&body)).await? == expected,
            "the two differ"
        );
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (address, rates) in [bare, ours].into_iter().zip(&mut rates) {
                rates.push(round(address, &body).await?);
            }
        }
        let [bare, ours] = rates.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[ROUNDS / 2]
        });
        let (ratio, aim) = (ours / bare, case.aim);
        println!("{:<26} {:>9} {bare:>12.0} {ours:>12.0} {ratio:>7.2} {aim:>6.2}", case.name, expected.len());
    }
    Ok(())
}

/// A ship of 60 entities in a universe of its own, and the server over it.
struct World {
    ship: EntityId,
    address: SocketAddr,
}

impl World {
    async fn new() -> anyhow::Result<Self> {
        let store = Arc::new(MemoryStore::new());
        let first = store.lease_ids(61).await?.first;
        let id = |offset| first.checked_add(offset).expect("the lease holds them");
        let new = |offset: u64, parent: Option<u64>, zone| -> anyhow::Result<NewEntity> {
            Ok(NewEntity {
                id: id(offset),
                name: EntityName::new(format!("Section {offset} of the hauler"))?,
                kind: Kind::new(if offset == 1 { "ship" } else { "room" })?,
                source: None,
                placement: Placement {
                    parent: parent.map(id),
                    port: None,
                    pose: parent
                        .map(|_| Pose::at(DVec3::new(offset as f64 * 1.25, -2.5, 1e3)))
                        .transpose()?,
                },
                radius: 4.0,
                zone,
                root: offset == 1,
                labels: [Label::new("mission/rescue")?].into(),
                owner: None,
                layer: Default::default(),
                ordinal: 0,
                components: Default::default(),
            })
        };
        let mut operations = vec![Operation::Create(new(0, None, Some(Aabb::cube(1e9)?))?)];
        for offset in 1..=60 {
            let parent = if offset == 1 { 0 } else { 1 };
            operations.push(Operation::Create(new(offset, Some(parent), None)?));
        }
        store.commit(Transaction::of(operations)).await?;
        let registry = prometheus::Registry::new();
        let metrics = Metrics::register(&registry)?;
        let (graph, _follower) = Graph::start(store, Config::default(), metrics, CancellationToken::new());
        let address = serve(router(Api::new(graph, registry))).await?;
        Ok(Self { ship: id(1), address })
    }
}

/// What axum can do at best: reads the body, answers with bytes that are there.
async fn bare(answer: String) -> anyhow::Result<SocketAddr> {
    let answer = bytes::Bytes::from(answer);
    let handler =
        move |_body: bytes::Bytes| async move { ([(header::CONTENT_TYPE, "application/json")], answer) };
    serve(Router::new().route("/graphql", post(handler))).await
}

async fn serve(router: Router) -> anyhow::Result<SocketAddr> {
    use axum::serve::ListenerExt;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listener =
        listener.tap_io(|connection| connection.set_nodelay(true).expect("a socket takes TCP_NODELAY"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

fn request(body: &str) -> Vec<u8> {
    let head = "POST /graphql HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\naccept: application/json\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Requests per second of all connections together.
async fn round(address: SocketAddr, body: &str) -> anyhow::Result<f64> {
    let request: Arc<[u8]> = request(body).into();
    let started = Instant::now();
    let clients = (0..CONNECTIONS).map(|_| {
        let request = request.clone();
        tokio::spawn(async move {
            let mut client = Client::connect(address).await?;
            let mut answers = 0_u64;
            while started.elapsed() < ROUND {
                client.exchange(&request).await?;
                answers += 1;
            }
            anyhow::Ok(answers)
        })
    });
    let mut answers = 0;
    for client in clients.collect::<Vec<_>>() {
        answers += client.await??;
    }
    Ok(answers as f64 / started.elapsed().as_secs_f64())
}

/// One connection, one request at a time: as little work as a client can do.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and reads the whole answer; where its body begins.
    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<usize> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            anyhow::ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the server closed the connection"
            );
            let Some(head) = self.buffer.windows(4).position(|part| part == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.buffer[..head])?;
            anyhow::ensure!(text.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.buffer));
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let end =
                head + 4 + length.ok_or_else(|| anyhow::anyhow!("no content length"))?.parse::<usize>()?;
            while self.buffer.len() < end {
                anyhow::ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the answer ended early");
            }
            return Ok(head + 4);
        }
    }

    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<String> {
        let body = self.exchange(request).await?;
        Ok(String::from_utf8(self.buffer[body..].to_vec())?)
    }
}
