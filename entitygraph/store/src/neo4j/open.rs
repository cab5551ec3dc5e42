//! Opening a store: whose database it is, and beginning one in an empty database.

use entitygraph_schema::EntityId;
use neo4rs::Query;

use super::{
    client::Client,
    options::Neo4jOptions,
    statement::Statement,
    statements::{self as cypher, SCHEMA},
};
use crate::error::{Error, Result};

/// The format that this program writes.
pub const FORMAT: u32 = 1;

/// Refuses databases of others and of other formats; begins a store in an empty one.
pub async fn open(client: &Client, options: &Neo4jOptions) -> Result<()> {
    let location = || client.place.location.clone();
    match format(client).await? {
        Some(found) if found > FORMAT => {
            Err(Error::NewerFormat { location: location(), found, known: FORMAT })
        }
        Some(found) if found < FORMAT => {
            Err(Error::OlderFormat { location: location(), found, known: FORMAT })
        }
        Some(_) => Ok(()),
        None => begin(client, options).await,
    }
}

/// Warns of a server that never gives up a transaction: a machine that vanishes while it writes would hold the shard's lock for ever.
pub async fn warn_of_endless_transactions(client: &Client) {
    match client.ask(cypher::PATIENCE, cypher::PATIENCE.query()).await {
        Ok(rows) => {
            let value = rows.first().and_then(|row| row.get::<String>("value").ok());
            if value.is_some_and(|value| unlimited(&value)) {
                tracing::warn!(
                    location = client.place.location,
                    "the server never ends a transaction by itself: should a machine vanish while it writes, nobody can write; set \
                     db.transaction.timeout=30s in its neo4j.conf"
                );
            }
        }
        // Not every account may ask.
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "settings of the server are not known")
        }
    }
}

/// Whether a duration as Neo4j writes it, `0s` or `1m30s`, means none.
fn unlimited(value: &str) -> bool {
    value.trim_end_matches(char::is_alphabetic).parse() == Ok(0.0)
}

/// The format of the store in the database; none for an empty one. Refuses a database that holds something else.
pub async fn format(client: &Client) -> Result<Option<u32>> {
    let mut again = true;
    loop {
        let rows = client.ask(cypher::WHOSE, cypher::WHOSE.query()).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let unread = |error: neo4rs::DeError| client.place.corrupt(format!("its format: {error}"));
        if let Some(format) = row.get::<Option<i64>>("format").map_err(unread)? {
            return Ok(Some(u32::try_from(format).unwrap_or(u32::MAX)));
        }
        let found: Vec<Vec<String>> = row.get("found").map_err(unread)?;
        let Some(labels) = found.first() else { return Ok(None) };
        // Begun by another instance after the statement had looked for its node Shard: that is there now.
        let begun = labels.iter().any(|label| label == "Shard" || label == "Gate");
        if !std::mem::take(&mut again) || !begun {
            return Err(Error::Foreign {
                location: client.place.location.clone(),
                found: format!(
                    "there are nodes of others in the database, such as one with the labels {labels:?}"
                ),
            });
        }
    }
}

/// Makes constraints and indexes, then the nodes that a store begins with. Two instances may do so at once.
async fn begin(client: &Client, options: &Neo4jOptions) -> Result<()> {
    const INDEX: Statement = Statement { name: "INDEX", doing: "making an index", text: "" };
    for statement in SCHEMA {
        match client.set(INDEX, Query::new((*statement).to_owned())).await {
            Err(error) if !is_there(&error) => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    client.set(cypher::READY, cypher::READY.query()).await?;
    let begin = cypher::BEGIN
        .query()
        .param("format", i64::from(FORMAT))
        .param("begin", options.begin.number().cast_signed())
        .param("lease", EntityId::FIRST_LEASED.get().cast_signed());
    client.set(cypher::BEGIN, begin).await.map(drop)
}

/// Whether a constraint or an index was not made because it is there: `IF NOT EXISTS` does not see one that another instance is about
/// to make.
fn is_there(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    matches!(source, Some(neo4rs::Error::Neo4j(said))
        if said.code() == "Neo.ClientError.Schema.EquivalentSchemaRuleAlreadyExists")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_no_time_at_all_is_unlimited() {
        for (value, expected) in
            [("0s", true), ("0", true), ("0ms", true), ("30s", false), ("1m30s", false), ("10m", false)]
        {
            assert_eq!(unlimited(value), expected, "{value}");
        }
    }
}
