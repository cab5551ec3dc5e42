//! GraphQL over HTTP beside a bare axum handler that returns the same bytes, in one run: requests per second and ratios.
//!
//! Both servers and the clients that load them share this process and its cores, and take turns, so that whatever else
//! the machine does falls on both. The ratio counts; the figures are printed for the machine they ran on.
//!
//! ```sh
//! cargo bench -p entitygraph --bench graphql
//! ```

mod belt;
mod client;
mod ship;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, http::header, routing::post};
use entitygraph::{
    Config, Graph, Metrics,
    api::{Api, router::router},
};
use entitygraph_schema::EntityId;
use entitygraph_store::Store;
use serde_json::json;
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, request, round};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let world = ship::world().await?;
    let entity = "query Entity($id: EntityId!) { entity(id: $id) { id name kind revision pose { position rotation } labels } }";
    let tree = "query Tree($id: EntityId!) { subtree(id: $id) { nodes { id name kind revision pose { position rotation } } } }";
    let ids: Vec<_> = (0..20).map(|offset| (world.first.get() + offset).to_string()).collect();
    let many = "query Many($ids: [EntityId!]!) { entities(ids: $ids) { id name kind parent { name } } }";
    let cases = [
        Case {
            name: "entity(id)",
            query: entity,
            variables: json!({ "id": world.first.to_string() }),
            aim: 0.40,
        },
        Case {
            name: "subtree of 60",
            query: tree,
            variables: json!({ "id": world.first.to_string() }),
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
    belt::near().await
}

/// A world that is served.
struct World {
    /// Its first entity; the others have the numbers after it.
    first: EntityId,
    address: SocketAddr,
}

/// The whole server over a store.
async fn serve_store(store: Arc<dyn Store>) -> anyhow::Result<SocketAddr> {
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry)?;
    let (graph, _follower) = Graph::start(store, Config::default(), metrics, CancellationToken::new());
    serve(router(Api::new(graph, registry, Handle::current()))).await
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
