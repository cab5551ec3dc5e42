//! Reads that see one moment, from a database that reads what is committed row by row.
//!
//! A statement that runs beside a commit may see half of it. So every read is framed: the statement notes how far commits were
//! complete and had begun before it, and how far they had begun after it. No commit at all in between is the common case, and the
//! answer is true. Otherwise each commit in doubt is waited for in the change sequence, and what it touched is compared with what the
//! answer is about. If it touched that, the read is made again, and after some tries under the shard's lock, which no commit
//! passes.

use std::time::Duration;

use async_trait::async_trait;
use entitygraph_schema::{Cursor, Refusal, query::At};
use neo4rs::{Query, Row};

use super::{
    client::Transaction, concern::Concern, shared::Shared, statement::Statement, statements as cypher,
};
use crate::error::{Error, Result};

/// Reads beside commits before one takes the lock.
const TRIES: usize = 6;

/// How long a commit that has begun is waited for: longer than any takes whose writer is alive.
const WAIT: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_millis(1);

/// An answer, or why the question is refused, and what either is about.
pub type Judged<T> = (Concern, std::result::Result<T, Refusal>);

/// A question that can be asked again.
#[async_trait]
pub trait Question: Sync {
    /// What answers it.
    type Answer;

    /// Asks its statements.
    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>>;
}

/// What came of a try.
enum Settled {
    /// The answer is true for this moment.
    At(Cursor),
    /// A commit touched it meanwhile.
    Touched,
    /// There may be a commit of which nothing is known.
    Unknown,
}

/// One try of a read.
pub struct Reading<'a> {
    shared: &'a Shared,
    /// With the lock, when it is held.
    locked: Option<Transaction<'a>>,
    /// All commits up to this one were complete before the first statement.
    complete: u64,
    /// No commit after this one had begun before the last statement ended.
    begun: u64,
    asked: bool,
}

impl<'a> Reading<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self { shared, locked: None, complete: shared.complete(), begun: 0, asked: false }
    }

    /// What the reader shares with the store.
    pub fn shared(&self) -> &'a Shared {
        self.shared
    }

    /// Asks a framed statement.
    pub async fn ask(&mut self, statement: Statement, query: Query) -> Result<Row> {
        let rows = match &mut self.locked {
            Some(transaction) => transaction.ask(statement, query).await?,
            None => self.shared.client.ask(statement, query).await?,
        };
        let row = self.shared.single(rows)?;
        let number = |name| Ok::<_, Error>(self.shared.column::<i64>(&row, name)?.cast_unsigned());
        if !self.asked {
            self.complete = self.complete.max(number("complete")?);
            self.asked = true;
        }
        self.begun = self.begun.max(number("ended")?);
        Ok(row)
    }

    /// Whether an answer about something is true for one moment.
    async fn settle(&self, concern: &Concern) -> Result<Settled> {
        let moment = Cursor::from_number(self.begun.max(self.complete));
        if moment > self.shared.known() && !self.wait_for(moment).await? {
            return Ok(Settled::Unknown);
        }
        if self.begun <= self.complete {
            return Ok(Settled::At(moment));
        }
        let Some(commits) = self.shared.recent(Cursor::from_number(self.complete)) else {
            return Ok(Settled::Unknown);
        };
        let mut doubtful = commits.iter().take_while(|commit| commit.cursor <= moment);
        let touched = doubtful.any(|commit| concern.is_touched_by(commit));
        Ok(if touched { Settled::Touched } else { Settled::At(moment) })
    }

    /// Waits until a commit is known; false if it does not come, because its writer gave up or died.
    async fn wait_for(&self, cursor: Cursor) -> Result<bool> {
        let began = tokio::time::Instant::now();
        while self.shared.catch_up().await? < cursor {
            if began.elapsed() > WAIT {
                return Ok(false);
            }
            tokio::time::sleep(STEP).await;
        }
        Ok(true)
    }
}

impl Shared {
    /// Reads until the answer is true for one moment.
    pub async fn at_one_moment<Q: Question>(&self, question: Q) -> Result<At<Q::Answer>> {
        for _ in 0..TRIES {
            let mut reading = Reading::new(self);
            let (concern, answer) = match question.ask(&mut reading).await {
                Ok(judged) => judged,
                // Half of a commit may look like anything.
                Err(Error::Corrupt { .. }) if reading.begun > reading.complete => continue,
                Err(error) => return Err(error),
            };
            match reading.settle(&concern).await? {
                Settled::At(cursor) => return Ok(At { cursor, value: answer? }),
                Settled::Touched => {}
                // Nobody may be about to commit it, and nothing would come of waiting again.
                Settled::Unknown => break,
            }
        }
        let mut reading = Reading::new(self);
        let (cursor, transaction) = self.locked().await?;
        reading.locked = Some(transaction);
        let (_, answer) = question.ask(&mut reading).await?;
        if let Some(transaction) = reading.locked {
            transaction.rollback().await;
        }
        self.catch_up().await?;
        Ok(At { cursor, value: answer? })
    }

    /// Takes the shard's lock: all commits up to the one returned are complete, and the gate says so again if a writer died
    /// after it announced one.
    async fn locked(&self) -> Result<(Cursor, Transaction<'_>)> {
        let mut transaction = self.client.begin().await?;
        let row = self.single(transaction.ask(cypher::HOLD, cypher::HOLD.query()).await?)?;
        let cursor = self.column::<i64>(&row, "cursor")?;
        self.completed(cursor.cast_unsigned());
        let announce = cypher::ANNOUNCE.query().param("begun", cursor).param("complete", cursor);
        self.client.set(cypher::ANNOUNCE, announce).await?;
        Ok((Cursor::from_number(cursor.cast_unsigned()), transaction))
    }
}
