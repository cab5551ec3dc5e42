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
pub const FORMAT: u32 = 2;

/// The format of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Its number.
    pub number: u32,
    /// The step to it that was begun and is not finished.
    pub step: Option<u32>,
}

impl Format {
    /// The newest format that all of the store has.
    pub fn served(self) -> u32 {
        self.step.map_or(self.number, |step| step.saturating_sub(1))
    }
}

/// The oldest server that knows all the Cypher of the statements, and the oldest that is tested.
const NEEDED: Version = (5, 26);

/// The first two parts of a version of Neo4j; later ones count by the year, as 2025.01.
type Version = (u32, u32);

const VERSION: Statement = Statement {
    name: "VERSION",
    doing: "asking for the server's version",
    text: "CALL dbms.components() YIELD name, versions WHERE name = 'Neo4j Kernel' RETURN versions[0] AS version",
};

/// Refuses servers that are too old, databases of others and of other formats; begins a store in an empty one.
pub async fn open(client: &Client, options: &Neo4jOptions) -> Result<()> {
    check_version(client, NEEDED).await?;
    let location = || client.place.location.clone();
    match format(client).await? {
        Some(found) if found.number > FORMAT => {
            Err(Error::NewerFormat { location: location(), found: found.number, known: FORMAT })
        }
        Some(found) if found.served() < FORMAT => {
            Err(Error::OlderFormat { location: location(), found: found.served(), known: FORMAT })
        }
        Some(_) => Ok(()),
        None => begin(client, options).await,
    }
}

async fn check_version(client: &Client, needed: Version) -> Result<()> {
    let rows = client.ask(VERSION, VERSION.query()).await?;
    let Some(found) = rows.first().and_then(|row| row.get::<String>("version").ok()) else { return Ok(()) };
    if version(&found).is_some_and(|version| version < needed) {
        let needed = format!("{}.{}", needed.0, needed.1);
        return Err(Error::OldServer { location: client.place.location.clone(), found, needed });
    }
    Ok(())
}

/// The version in a text such as `5.26.30` or `2025.01.0-aura`; none if it is none.
fn version(text: &str) -> Option<Version> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
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
pub async fn format(client: &Client) -> Result<Option<Format>> {
    let mut again = true;
    loop {
        let rows = client.ask(cypher::WHOSE, cypher::WHOSE.query()).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let unread = |error: neo4rs::DeError| client.place.corrupt(format!("its format: {error}"));
        if let Some(format) = row.get::<Option<i64>>("format").map_err(unread)? {
            let step = row.get::<Option<i64>>("step").map_err(unread)?;
            let number = |format: i64| u32::try_from(format).unwrap_or(u32::MAX);
            return Ok(Some(Format { number: number(format), step: step.map(number) }));
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

/// Makes the constraints and indexes that are missing.
pub async fn make_schema(client: &Client) -> Result<()> {
    const INDEX: Statement = Statement { name: "INDEX", doing: "making an index", text: "" };
    for statement in SCHEMA {
        match client.set(INDEX, Query::new((*statement).to_owned())).await {
            Err(error) if !is_there(&error) => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    client.set(cypher::READY, cypher::READY.query()).await.map(drop)
}

/// Makes constraints and indexes, then the nodes that a store begins with. Two instances may do so at once.
async fn begin(client: &Client, options: &Neo4jOptions) -> Result<()> {
    make_schema(client).await?;
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
    use super::{super::tests::server_client, *};

    #[test]
    fn a_version_is_read_and_compared_by_its_numbers() {
        for (text, expected) in [
            ("5.26.30", Some((5, 26))),
            ("5.9.0", Some((5, 9))),
            ("4.4.40", Some((4, 4))),
            ("2025.01.0", Some((2025, 1))),
            ("5.26-aura", Some((5, 26))),
            ("unknown", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
        assert!((5, 9) < NEEDED && (2025, 1) > NEEDED);
    }

    #[tokio::test]
    async fn a_server_that_is_too_old_is_told_what_is_needed() {
        let (client, _lease) = server_client().await;
        check_version(&client, NEEDED).await.unwrap();
        let error = check_version(&client, (9, 1)).await.unwrap_err();
        let told = error.to_string();
        assert!(error.code() == "STORE_OLD_SERVER" && !error.retryable(), "{error:?}");
        assert!(told.contains("is Neo4j 5.26.") && told.contains("needs 9.1 or newer"), "{told}");
    }

    #[test]
    fn only_no_time_at_all_is_unlimited() {
        for (value, expected) in
            [("0s", true), ("0", true), ("0ms", true), ("30s", false), ("1m30s", false), ("10m", false)]
        {
            assert_eq!(unlimited(value), expected, "{value}");
        }
    }
}
