//! Reads that see one moment, from a database that reads what is committed row by row.
//!
//! A statement that runs beside a commit may see half of it. So every read is framed: the statement notes before it how far commits
//! were complete, and after it which one could have begun by then. When that is none the answer is true: the common case. Otherwise
//! the batch that begins with that commit is waited for in the change sequence, or the word that there is none, and what the commits
//! in doubt touched is compared with what the answer is about. If they touched that, the read is made again, and after some tries
//! under the shard's lock, which no commit passes.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use entitygraph_schema::{Cursor, Refusal, query::At};
use neo4rs::{Query, Row};

use super::{concern::Concern, shared::Shared, statement::Statement, turn::Turn};
use crate::error::{Error, Result};

/// Reads beside commits before one takes the lock.
const TRIES: usize = 6;

/// How long a batch that may have begun is waited for, before it is waited for at the lock.
const WAIT: Duration = Duration::from_millis(500);

/// How often the database is asked for it: this instance's own batches are heard of at once.
const STEP: Duration = Duration::from_millis(4);

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
    locked: Option<Turn>,
    /// All commits up to this one were complete before the first statement.
    complete: u64,
    /// The last statement ended before a commit behind the batch of this one could have begun.
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
            Some(turn) => turn.transaction.ask(statement, query).await?,
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
        let complete = Cursor::from_number(self.complete);
        let Some(moment) = self.moment().await? else { return Ok(Settled::Unknown) };
        if self.begun <= self.complete {
            return Ok(Settled::At(complete));
        }
        let Some(commits) = self.shared.recent(complete) else { return Ok(Settled::Unknown) };
        let mut doubtful = commits.iter().take_while(|commit| commit.cursor <= moment);
        let touched = doubtful.any(|commit| concern.is_touched_by(commit));
        Ok(if touched { Settled::Touched } else { Settled::At(moment) })
    }

    /// A moment at which every commit is known that can have been seen, none if one does not come, because its writer is slow, gave up
    /// or died.
    async fn moment(&self) -> Result<Option<Cursor>> {
        let shared = self.shared;
        let (complete, begun) = (Cursor::from_number(self.complete), Cursor::from_number(self.begun));
        let mut newest = shared.newest.subscribe();
        let known = |newest: &Cursor| *newest >= complete.max(begun);
        let until = Instant::now() + WAIT;
        loop {
            if let Ok(known) = tokio::time::timeout(STEP, newest.wait_for(known)).await {
                // The store itself holds the sender.
                return Ok(Some(known.map_or_else(|_| shared.known(), |known| *known)));
            }
            if Instant::now() > until {
                return Ok(None);
            }
            // One asks for all who wait.
            let Ok(_looking) = shared.looking.try_lock() else { continue };
            let under_way = shared.look().await?;
            let known = shared.known();
            // Under the lock it was seen that the batch had not begun: all before it is complete.
            if under_way < self.begun && known >= complete && known.next() >= begun {
                return Ok(Some(known));
            }
        }
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
                Settled::Touched => self.client.figures.reads_repeated.inc(),
                // Nobody may be about to commit it, and nothing would come of waiting again.
                Settled::Unknown => break,
            }
        }
        self.under_the_lock(question).await
    }

    /// Reads with the shard's lock: all commits are complete. The gate says so again, should a writer have died after it announced one.
    async fn under_the_lock<Q: Question>(&self, question: Q) -> Result<At<Q::Answer>> {
        let _one = self.locking.lock().await;
        self.client.figures.reads_locked.inc();
        let turn = Turn::take(self).await?;
        let cursor = turn.cursor;
        self.completed(cursor);
        let mut reading = Reading::new(self);
        reading.locked = Some(turn);
        let (_, answer) = question.ask(&mut reading).await?;
        if let Some(turn) = reading.locked {
            turn.settle().await;
        }
        self.catch_up().await?;
        Ok(At { cursor: Cursor::from_number(cursor), value: answer? })
    }
}
