//! The example operations of the playground, run as they are.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{graphql::Client, process::Server, socket::Socket};

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs each against a demo that has just begun.
pub async fn run(demo: &Server) -> Result<()> {
    let examples: Vec<Value> =
        reqwest::get(format!("{}/assets/examples.json", demo.base)).await?.json().await?;
    let client = Client::new(&demo.base);
    let mut kinds = [0; 3];
    for example in &examples {
        let text = |field: &str| example[field].as_str().with_context(|| format!("no {field}: {example}"));
        let (name, query) = (text("name")?, text("query")?);
        match text("kind")? {
            "subscription" => {
                kinds[0] += 1;
                follow(demo, query).await.with_context(|| name.to_owned())?;
            }
            kind => {
                kinds[if kind == "mutation" { 1 } else { 2 }] += 1;
                let answer = client.run(query, json!({})).await.with_context(|| name.to_owned())?;
                ensure!(!answer.to_string().contains("\"code\":"), "{name} is refused: {answer}");
                ensure!(kind == "mutation" || shows(&answer), "{name} finds nothing: {answer}");
            }
        }
    }
    ensure!(kinds.iter().all(|count| *count > 0), "subscriptions, mutations, queries: {kinds:?}");
    Ok(())
}

/// The scope is there, and something happens in it.
async fn follow(demo: &Server, query: &str) -> Result<()> {
    let mut socket = Socket::connect(&demo.base).await?;
    socket.subscribe("1", query, json!({})).await?;
    for expected in ["Snapshot", "Transaction"] {
        let text =
            timeout(PATIENCE, socket.text()).await.with_context(|| format!("no {expected} comes"))??;
        let message: Value = serde_json::from_str(&text)?;
        ensure!(message["type"] == "next" && message["payload"].get("errors").is_none(), "{text}");
        let told = &message["payload"]["data"]["changes"];
        ensure!(told["__typename"] == expected && shows(told), "no {expected} with something in it: {text}");
    }
    Ok(())
}

/// Whether an answer has a list with rows, or a figure of the server.
fn shows(answer: &Value) -> bool {
    match answer {
        Value::Array(rows) => !rows.is_empty(),
        Value::Object(fields) => fields.iter().any(|(name, value)| name == "status" || shows(value)),
        _ => false,
    }
}
