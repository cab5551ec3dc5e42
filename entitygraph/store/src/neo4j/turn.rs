//! A turn at the shard: a transaction that holds its lock.

use std::time::Instant;

use super::{client::Transaction, shared::Shared, statements as cypher};
use crate::error::{Error, Result};

/// See the module. Who drops it gives up the lock.
pub struct Turn {
    /// With the lock.
    pub transaction: Transaction,
    /// The newest commit: it is complete, and none is under way.
    pub cursor: u64,
    /// Names the batch that left the shard as it is.
    pub mark: String,
    /// The commit that readers take for possibly begun.
    pub begun: u64,
}

impl Turn {
    /// Waits for the lock.
    pub async fn take(shared: &Shared) -> Result<Self> {
        let began = Instant::now();
        let mut transaction = shared.client.begin().await?;
        let row = shared.single(transaction.ask(cypher::HOLD, cypher::HOLD.query()).await?)?;
        shared.check_format(&row)?;
        shared.client.figures.lock_wait_seconds.observe(began.elapsed().as_secs_f64());
        Ok(Self {
            cursor: shared.column::<i64>(&row, "cursor")?.cast_unsigned(),
            mark: shared.column::<Option<String>>(&row, "mark")?.unwrap_or_default(),
            begun: shared.column::<i64>(&row, "begun")?.cast_unsigned(),
            transaction,
        })
    }

    /// Tells readers that all commits are complete and none is under way, and gives up the lock.
    pub async fn settle(mut self) {
        let query = cypher::SETTLE.query().param("cursor", self.cursor.cast_signed());
        let told = match self.transaction.run(cypher::SETTLE, query).await {
            Ok(()) => self.transaction.commit().await.map_err(Error::from),
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            // Whoever waits finds out by taking the lock.
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "readers were not told that commits are complete"
            );
        }
    }
}
