//! How quickly a change reaches its subscribers, and what idle subscriptions cost.
//!
//! ```text
//! cargo bench -p entitygraph-tests --bench subscriptions
//! ```
//!
//! A real server process; this process is the clients. The latency runs from the moment the writer sends the mutation to the
//! moment a subscriber has read the message: it holds the durable commit. Beside it, in the same run and with the same clients,
//! stands a server that does nothing but hand on bytes.

mod bare;
mod hot;
mod idle;

use std::{process::Command, sync::Arc};

use anyhow::{Context, Result};
use entitygraph_tests::{graphql::Client, process::Server, socket::Socket};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections opened at a time.
const OPENING: usize = 100;

const FOLLOW: &str = "subscription ($id: EntityId!) { changes(scope: { entity: $id }) { __typename
  ... on Snapshot { cursor entities { id } }
  ... on Transaction { cursor changes { __typename
    ... on EntityChanged { revision components { name variables { name value } } } } } } }";

const SET: &str = "mutation ($id: EntityId!, $step: Value!) { setVariables(input: { entity: $id,
  values: [{ component: \"probe\", variable: \"step\", value: $step }] }) { __typename ... on Refusal { message } } }";

#[tokio::main]
async fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--bare") {
        return bare::serve().await;
    }
    let folder = tempfile::tempdir()?;
    let store = format!("fjall:{}", folder.path().join("world").display());
    let server = Server::start(&store, folder.path())?;
    let client = Client::new(&server.base);
    let entity = prepare(&client).await?;
    let message = message(&server, &client, &entity).await?;
    let bare = {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--bare");
        Server::start_command(command)?
    };

    println!(
        "# Subscriptions, {} cores, messages of {} bytes",
        std::thread::available_parallelism()?,
        message.len()
    );
    for _ in 0..2 {
        hot::run("entitygraph", &server, &entity, 1_000, commits(&server, &entity)).await?;
        hot::run("bare server", &bare, &entity, 1_000, texts(&bare, &message)).await?;
    }
    hot::run("entitygraph", &server, &entity, 20, commits(&server, &entity)).await?;
    idle::run(&server, &client).await
}

/// Commits a step, over connections of its own.
fn commits(server: &Server, entity: &str) -> hot::Change {
    let (client, entity) = (Client::new(&server.base), entity.to_owned());
    Arc::new(move |step| {
        let (client, entity) = (client.clone(), entity.clone());
        Box::pin(async move { commit(&client, &entity, step).await })
    })
}

async fn commit(client: &Client, entity: &str, step: u64) -> Result<()> {
    let answer = client.run(SET, json!({ "id": entity, "step": step })).await?;
    anyhow::ensure!(answer["setVariables"]["__typename"] == "Committed", "{answer}");
    Ok(())
}

/// Hands the message of a step to everybody.
fn texts(bare: &Server, message: &str) -> hot::Change {
    let (http, url, message) = (reqwest::Client::new(), format!("{}/say", bare.base), message.to_owned());
    Arc::new(move |step| {
        let value = format!(r#""step","value":"{step}""#);
        let say = http.post(&url).body(message.replace(r#""step","value":"1""#, &value));
        Box::pin(async move {
            say.send().await?.error_for_status()?;
            Ok(())
        })
    })
}

/// What a subscriber is told of the first step.
async fn message(server: &Server, client: &Client, entity: &str) -> Result<String> {
    let mut socket = Socket::connect(&server.base).await?;
    socket.subscribe("0", FOLLOW, json!({ "id": entity })).await?;
    socket.text().await?;
    commit(client, entity, 1).await?;
    let message = socket.text().await?.to_string();
    anyhow::ensure!(message.contains(r#""step","value":"1""#), "{message}");
    Ok(message)
}

async fn prepare(client: &Client) -> Result<String> {
    client
        .run(
            r#"mutation { publishComponent(input: { name: "probe", variables: [{ name: "step", kind: INT, default: 0 }] }) { __typename } }"#,
            json!({}),
        )
        .await?;
    created(client, json!({ "name": "Bench", "kind": "universe", "bounds": { "min": [-1e6, -1e6, -1e6], "max": [1e6, 1e6, 1e6] } })).await
}

async fn created(client: &Client, entity: Value) -> Result<String> {
    let query = "mutation ($entity: CreateEntityInput!) { createEntity(input: $entity) { __typename
        ... on Committed { entity { id } } ... on Refusal { message } } }";
    let answer = client.run(query, json!({ "entity": entity })).await?;
    Ok(answer["createEntity"]["entity"]["id"].as_str().with_context(|| answer.to_string())?.to_owned())
}
