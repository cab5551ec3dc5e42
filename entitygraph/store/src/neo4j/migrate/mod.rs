//! Migrating a store in Neo4j: one file a step.
//!
//! Formats of Neo4j stores count for themselves. A step works in batches, each a transaction of its own that can be done again. The
//! first one sets the new format number and a mark ([`Status::under_way`]), so that from then on no older program takes the store for its
//! own, nor does one that is running write on; the last one takes the mark away that keeps newer programs from serving it.
//! [`Migration::verify`] looks whether everything is there that a store of this format promises.

mod pages;

use std::sync::Arc;

use async_trait::async_trait;
use neo4rs::Row;

use super::{
    address::Address,
    client::Client,
    open::{FORMAT, format, make_schema},
    options::Neo4jOptions,
    statement::Statement,
    statements::SCHEMA,
};
use crate::{
    error::{Error, Result},
    migrate::{Migrate, Plan, Planned, Status, Step, Watch},
};

/// Every step, each to the format after that of the one before; the first leads to format 2.
const STEPS: [Work; FORMAT as usize - 1] = [pages::WORK];

/// Nodes of a batch.
const BATCH_NODES: i64 = 10_000;

/// A step and how it is done.
struct Work {
    step: Step,
    /// How many nodes it has to write, as `found`.
    rows: Statement,
    /// What comes first; each can be done again.
    before: &'static [Statement],
    /// Writes at most `limit` nodes that are not done yet, and says how many as `found`.
    batch: Statement,
    /// What comes last, and takes the mark `step` away.
    after: Statement,
}

const BEGIN: Statement = Statement {
    name: "MIGRATE_BEGIN",
    doing: "beginning a step",
    text: "MATCH (s:Shard {number: 0}) SET s.format = $format, s.step = $format",
};

/// See the module.
pub struct Migration {
    client: Client,
}

impl Migration {
    /// Opens the store in a database for migrating it; refuses a database without one, and one of a newer format.
    pub async fn open(address: Address, options: &Neo4jOptions) -> Result<Self> {
        let client = Client::new(address, options)?;
        let location = || client.place.location.clone();
        match format(&client).await? {
            None => Err(Error::Missing { location: location() }),
            Some(found) if found.number > FORMAT => {
                Err(Error::NewerFormat { location: location(), found: found.number, known: FORMAT })
            }
            Some(_) => Ok(Self { client }),
        }
    }

    async fn planned(&self, work: &Work) -> Result<Planned> {
        let rows: i64 = self.column(&self.single(work.rows).await?)?;
        Ok(Planned { step: work.step, rows: rows.unsigned_abs() })
    }

    /// Whether the step is finished; not if it was stopped.
    async fn apply_one(&self, work: &Work, watch: &dyn Watch) -> Result<bool> {
        for statement in work.before {
            self.client.set(*statement, statement.query()).await?;
        }
        make_schema(&self.client).await?;
        loop {
            if watch.stops() {
                return Ok(false);
            }
            let batch = work.batch.query().param("limit", BATCH_NODES);
            let rows = self.client.set(work.batch, batch).await?;
            let written: i64 = self.column(&self.first(work.batch, rows)?)?;
            watch.written(written.unsigned_abs());
            if written < BATCH_NODES {
                self.client.set(work.after, work.after.query()).await?;
                return Ok(true);
            }
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
        let found =
            format(&self.client).await?.ok_or_else(|| Error::Missing { location: location.clone() })?;
        Ok(Status { location, format: found.served(), known: FORMAT, under_way: found.step })
    }

    async fn plan(&self) -> Result<Plan> {
        let status = self.status().await?;
        let mut steps = Vec::new();
        for work in STEPS.iter().filter(|work| work.step.number > status.format) {
            steps.push(self.planned(work).await?);
        }
        Ok(Plan { status, steps })
    }

    async fn apply(&self, watch: Arc<dyn Watch>) -> Result<Status> {
        let status = self.status().await?;
        for work in STEPS.iter().filter(|work| work.step.number > status.format) {
            watch.begins(&self.planned(work).await?);
            if status.under_way != Some(work.step.number) {
                if watch.stops() {
                    break;
                }
                let begin = BEGIN.query().param("format", i64::from(work.step.number));
                self.client.set(BEGIN, begin).await?;
            }
            if !self.apply_one(work, &*watch).await? {
                break;
            }
        }
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
        self.first(statement, rows)
    }

    fn first(&self, statement: Statement, rows: Vec<Row>) -> Result<Row> {
        rows.into_iter()
            .next()
            .ok_or_else(|| self.client.place.corrupt(format!("no answer when {}", statement.doing)))
    }

    fn column<'a, T: serde::Deserialize<'a>>(&self, row: &'a Row) -> Result<T> {
        row.get("found").map_err(|error| self.client.place.corrupt(format!("an answer of a check: {error}")))
    }
}
