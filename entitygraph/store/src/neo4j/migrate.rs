//! Migrating a store in Neo4j.
//!
//! Formats of Neo4j stores count for themselves: this is the first one, so there is no step yet. [`Migration::verify`] looks whether
//! everything is there that a store of this format promises.

use std::sync::Arc;

use async_trait::async_trait;
use neo4rs::Row;

use super::{
    address::Address,
    client::Client,
    open::{FORMAT, format},
    options::Neo4jOptions,
    statement::Statement,
    statements::SCHEMA,
};
use crate::{
    error::{Error, Result},
    migrate::{Migrate, Plan, Status, Watch},
};

/// See the module.
pub struct Migration {
    client: Client,
    format: u32,
}

impl Migration {
    /// Opens the store in a database for migrating it; refuses a database without one, and one of a newer format.
    pub async fn open(address: Address, options: &Neo4jOptions) -> Result<Self> {
        let client = Client::new(address, options)?;
        let location = || client.place.location.clone();
        match format(&client).await? {
            None => Err(Error::Missing { location: location() }),
            Some(found) if found > FORMAT => {
                Err(Error::NewerFormat { location: location(), found, known: FORMAT })
            }
            Some(format) => Ok(Self { client, format }),
        }
    }
}

/// What must find nothing, or what is wrong with what it finds. These read everything, so they scan.
const CHECKS: &[(Statement, &str)] = &[
    (
        Statement {
            name: "CHECK",
            doing: "looking for entities without their one parent",
            text: "MATCH (e:Entity) OPTIONAL MATCH (e)-[:IN]->(p:Entity) WITH e, collect(p.id) AS parents \
                   WHERE parents <> CASE e.parent WHEN 0 THEN [] ELSE [e.parent] END \
                   RETURN count(e) AS found",
        },
        "entities have another parent in their relationship than in their properties",
    ),
    (
        Statement {
            name: "CHECK",
            doing: "looking for labels of what has something below it",
            text: "MATCH (e:Entity) WHERE (e:Inner) <> EXISTS { (e)<-[:IN]-() } OR (e:Inner) <> (e.census IS NOT NULL) \
                   RETURN count(e) AS found",
        },
        "entities have no right mark of whether something is below them",
    ),
    (
        Statement {
            name: "CHECK",
            doing: "looking for links whose zones are none",
            text: "MATCH ()-[l:LINKED]->() WHERE NOT EXISTS { (:Zone {id: l.from}) } OR NOT EXISTS { (:Zone {id: l.to}) } \
                   RETURN count(l) AS found",
        },
        "links lead from or to what is no zone",
    ),
    (
        Statement {
            name: "CHECK",
            doing: "looking for entities that are buried",
            text: "MATCH (e:Entity) WHERE EXISTS { (:Buried {id: e.id}) } RETURN count(e) AS found",
        },
        "entities live and are buried at once",
    ),
    (
        Statement {
            name: "CHECK",
            doing: "looking for gaps of the change sequence",
            text: "MATCH (s:Shard {number: 0}) MATCH (l:Log {number: 0}) OPTIONAL MATCH (c:Commit) \
                   WITH s, l, sum(c.cursor - c.first + 1) AS commits RETURN abs(s.cursor - l.first + 1 - commits) AS found",
        },
        "commits are missing in the change sequence, or are there that should not be",
    ),
];

const INDEXES: Statement = Statement {
    name: "INDEXES",
    doing: "looking for constraints and indexes",
    text: "SHOW INDEXES YIELD name, state RETURN collect([name, state]) AS found",
};

#[async_trait]
impl Migrate for Migration {
    async fn status(&self) -> Result<Status> {
        let location = self.client.place.location.clone();
        Ok(Status { location, format: self.format, known: FORMAT, under_way: None })
    }

    async fn plan(&self) -> Result<Plan> {
        Ok(Plan { status: self.status().await?, steps: Vec::new() })
    }

    async fn apply(&self, _watch: Arc<dyn Watch>) -> Result<Status> {
        self.status().await
    }

    async fn verify(&self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let row = self.single(INDEXES).await?;
        let found: Vec<(&str, &str)> = self.column(&row)?;
        for statement in SCHEMA {
            let name = statement.split_whitespace().nth(2).unwrap_or_default();
            match found.iter().find(|(known, _)| *known == name) {
                None => wrong.push(format!("{name} is missing; make it with: {statement}")),
                Some((_, "ONLINE")) => {}
                Some((_, state)) => wrong.push(format!("the index of {name} is {state}, not ONLINE")),
            }
        }
        for (statement, what) in CHECKS {
            let row = self.single(*statement).await?;
            let count: i64 = self.column(&row)?;
            if count != 0 {
                wrong.push(format!("{count} {what}"));
            }
        }
        Ok(wrong)
    }
}

impl Migration {
    async fn single(&self, statement: Statement) -> Result<Row> {
        let rows = self.client.ask(statement, statement.query()).await?;
        rows.into_iter()
            .next()
            .ok_or_else(|| self.client.place.corrupt(format!("no answer when {}", statement.doing)))
    }

    fn column<'a, T: serde::Deserialize<'a>>(&self, row: &'a Row) -> Result<T> {
        row.get("found").map_err(|error| self.client.place.corrupt(format!("an answer of a check: {error}")))
    }
}
