//! Statements over HTTP: a way to the data that shares nothing with the driver under test.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::StatusCode;
use serde_json::{Map, Value, json};

/// Longest time a statement may take: longer than any test's own limit, so that the harness never is the first to give up.
const STATEMENT_TIME: Duration = Duration::from_secs(120);

/// What a server answers to a transaction.
#[derive(Debug)]
pub enum Answer {
    /// The rows of each statement, each row by column.
    Rows(Vec<Value>),
    /// It does not know this user and password.
    Unauthorized,
}

/// Runs statements in one transaction of a database of the server at `http`.
pub async fn transact(
    http: &str,
    database: &str,
    password: Option<&str>,
    statements: &[String],
) -> Result<Answer> {
    // A client of its own for each call: kept connections belong to the runtime of the test that opened them.
    let client = reqwest::Client::builder().timeout(STATEMENT_TIME).no_proxy().build()?;
    let statements: Vec<Value> = statements.iter().map(|text| json!({ "statement": text })).collect();
    let mut request = client.post(format!("{http}/db/{database}/tx/commit"));
    if let Some(password) = password {
        request = request.basic_auth("neo4j", Some(password));
    }
    let response = request.json(&json!({ "statements": statements })).send().await?;
    if response.status() == StatusCode::UNAUTHORIZED {
        return Ok(Answer::Unauthorized);
    }
    let status = response.status();
    let body = response.text().await?;
    let answer: Value =
        serde_json::from_str(&body).with_context(|| format!("{http} answered {status}: {body}"))?;
    if let Some(error) = answer["errors"].as_array().and_then(|errors| errors.first()) {
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        bail!("{}: {}", text("code"), text("message"));
    }
    let results =
        answer["results"].as_array().with_context(|| format!("an answer without results: {body}"))?;
    results
        .iter()
        .map(|result| rows(result).context("a result without rows"))
        .collect::<Result<_>>()
        .map(Answer::Rows)
}

/// The rows of a result as objects.
fn rows(result: &Value) -> Option<Value> {
    let columns: Vec<&str> =
        result["columns"].as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let row = |data: &Value| {
        let values = data["row"].as_array()?.iter().cloned();
        Some(Value::Object(Map::from_iter(columns.iter().map(|&column| column.to_owned()).zip(values))))
    };
    result["data"].as_array()?.iter().map(row).collect()
}

/// The operators of a statement's plan, each with its details; the statement is not run.
pub async fn operators(http: &str, password: Option<&str>, statement: &str) -> Result<Vec<(String, String)>> {
    let client = reqwest::Client::builder().timeout(STATEMENT_TIME).no_proxy().build()?;
    let mut request = client.post(format!("{http}/db/neo4j/tx/commit"));
    if let Some(password) = password {
        request = request.basic_auth("neo4j", Some(password));
    }
    let body = json!({ "statements": [{ "statement": format!("EXPLAIN {statement}") }] });
    let answer: Value = request.json(&body).send().await?.json().await?;
    if let Some(error) = answer["errors"].as_array().and_then(|errors| errors.first()) {
        bail!("{}", error["message"].as_str().unwrap_or_default());
    }
    let mut found = Vec::new();
    let mut open = vec![&answer["results"][0]["plan"]["root"]];
    while let Some(operator) = open.pop() {
        let text = |name: &str| operator[name].as_str().unwrap_or_default().to_owned();
        let kind = text("operatorType");
        found.push((kind.split('@').next().unwrap_or_default().to_owned(), text("Details")));
        open.extend(operator["children"].as_array().into_iter().flatten());
    }
    Ok(found)
}
