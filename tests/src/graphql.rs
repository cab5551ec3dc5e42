//! GraphQL over HTTP.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    /// For the server at `base`.
    pub fn new(base: &str) -> Self {
        Self { http: reqwest::Client::new(), url: format!("{base}/graphql") }
    }

    /// Runs an operation; its data, or its errors as an error.
    pub async fn run(&self, query: &str, variables: Value) -> Result<Value> {
        let mut answer = self.answer(query, variables).await?;
        if let Some(errors) = answer.get("errors") {
            bail!("{errors}");
        }
        answer.get_mut("data").map(Value::take).context("an answer without data")
    }

    /// Runs an operation; the whole answer, errors and all.
    pub async fn answer(&self, query: &str, variables: Value) -> Result<Value> {
        let body = json!({ "query": query, "variables": variables });
        Ok(self.http.post(&self.url).json(&body).send().await?.json().await?)
    }
}
