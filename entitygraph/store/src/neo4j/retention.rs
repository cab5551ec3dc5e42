//! What is beyond the retention goes, in the background: no writer waits for it, and an instance that does not write does it too.

use std::{sync::Weak, time::Duration};

use entitygraph_schema::Cursor;

use super::{shared::Shared, statement::Statement, statements as cypher};
use crate::{error::Result, keyed::options::Retention};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);

/// Pages, and outcomes of operations, removed in one transaction: some milliseconds.
const STEP: u64 = 1_024;

/// Trims until the store is dropped.
pub async fn keep(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(shared) = shared.upgrade() else { return };
        if let Err(error) = shared.trim().await {
            let cause = &error as &dyn std::error::Error;
            // That the database is away is told by whoever follows it.
            if error.is_outage() {
                tracing::debug!(error = cause, "the change sequence could not be trimmed");
            } else {
                tracing::warn!(
                    error = cause,
                    "the change sequence could not be trimmed; trying again in a moment"
                );
            }
        }
    }
}

/// How much of the change sequence there is.
struct Length {
    newest: u64,
    first: u64,
    /// Bytes of all commits before the first one kept, and of all commits.
    bytes: (u64, u64),
    /// Outcomes on record of operations that changed nothing.
    idle: u64,
}

impl Length {
    /// The first commit and the bytes before it that are to be kept, where enough is beyond that for a step.
    fn excess(&self, keep: &Retention) -> Option<(u64, u64)> {
        let commits = (self.newest + 1).saturating_sub(self.first);
        let bytes = self.bytes.1.saturating_sub(self.bytes.0);
        let exceeds = commits > keep.commits.saturating_add((keep.commits / 4).min(STEP))
            || bytes > keep.bytes.saturating_add(keep.bytes / 16);
        let first = (self.newest + 1).saturating_sub(keep.commits);
        (exceeds && commits > 1).then(|| (first, self.bytes.1.saturating_sub(keep.bytes)))
    }
}

impl Shared {
    /// Removes what is beyond the retention, step by step.
    pub async fn trim(&self) -> Result<()> {
        let keep = &self.options.retention;
        let mut length = self.length().await?;
        while let Some((first, end)) = length.excess(keep) {
            let query = cypher::TRIM
                .query()
                .param("first", first.cast_signed())
                .param("end", end.cast_signed())
                .param("limit", STEP.cast_signed());
            let row = self.single(self.client.set(cypher::TRIM, query).await?)?;
            let first = self.column::<i64>(&row, "first")?.cast_unsigned();
            self.trimmed(Cursor::from_number(first));
            while self.step(cypher::TRIM_OPERATIONS).await? == STEP {}
            if first == length.first {
                // Its first page is the newest one.
                break;
            }
            length = self.length().await?;
        }
        let idle = length.idle.saturating_sub(keep.commits);
        for _ in 0..idle / STEP {
            if self.step(cypher::TRIM_IDLE).await? < STEP {
                break;
            }
        }
        Ok(())
    }

    /// Runs a statement that removes as many as a step has, and says how many it removed.
    async fn step(&self, statement: Statement) -> Result<u64> {
        let query = statement.query().param("limit", STEP.cast_signed());
        let row = self.single(self.client.set(statement, query).await?)?;
        self.column::<i64>(&row, "count").map(i64::cast_unsigned)
    }

    async fn length(&self) -> Result<Length> {
        let row = self.single(self.client.ask(cypher::LENGTH, cypher::LENGTH.query()).await?)?;
        let number = |name| self.column::<i64>(&row, name).map(i64::cast_unsigned);
        Ok(Length {
            newest: number("cursor")?,
            first: number("first")?,
            bytes: (number("start")?, number("end")?),
            idle: number("idle")?.saturating_sub(number("idleGone")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_by_commits_and_by_bytes() {
        let keep = Retention { commits: 100, bytes: 1_600, ..Retention::default() };
        let length = |first, start| Length { newest: 1_000, first, bytes: (start, 90_000), idle: 0 };
        assert_eq!(length(900, 89_000).excess(&keep), None);
        assert_eq!(length(800, 89_000).excess(&keep), Some((901, 88_400)));
        assert_eq!(length(990, 88_000).excess(&keep), Some((901, 88_400)));
        // The newest one stays, however large it is.
        assert_eq!(length(1_000, 0).excess(&keep), None);
    }
}
