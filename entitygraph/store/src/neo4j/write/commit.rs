//! The end of a batch: it is announced to readers, written and committed, and its fate is found out if the answer is lost.

use super::{
    batch::Batch,
    lower::Rows,
    scene::{Scene, ShardRow},
    seal::Seal,
    writer::Writer,
};
use crate::{
    error::{Error, Outcome, Result},
    neo4j::{
        client::{CommitError, Transaction},
        statements as cypher,
    },
};

/// A batch that touches more is no part of a run: it takes too long for readers to wait until it is done.
const SMALL: usize = 256;

impl Writer {
    /// Writes a batch and commits it; in a run it announces the next one and takes its turn.
    pub(super) async fn commit(
        &mut self,
        mut transaction: Transaction,
        batch: &mut Batch,
        scene: &Scene,
        rows: &mut Rows,
        shard: &ShardRow,
    ) -> Result<()> {
        let shared = self.shared.clone();
        let newest = batch.newest();
        let expects_more = self.run.lasts() && !batch.commits.is_empty() && batch.touched.len() <= SMALL;
        let seal = Seal { before: &scene.shard, after: shard, expects_more };
        if let Err(error) = self.write_announced(&mut transaction, batch, scene, rows, seal).await {
            transaction.rollback().await;
            return Err(error);
        }
        // The lock ends with the commit, and others may write before its answer is here.
        shared.release();
        match transaction.commit().await {
            Ok(()) => {}
            Err(CommitError::Failed(error)) => return Err(error),
            Err(CommitError::Lost(error)) => self.resolve(newest, &shard.mark, error).await?,
        }
        shared.client.figures.batches.inc();
        shared.client.figures.batch_commits.inc_by(batch.commits.len() as u64);
        if expects_more {
            self.run.go_on();
        }
        Ok(())
    }

    /// Writes a batch and announces it to readers, if that was not done with the one before.
    async fn write_announced(
        &self,
        transaction: &mut Transaction,
        batch: &mut Batch,
        scene: &Scene,
        rows: &mut Rows,
        seal: Seal<'_>,
    ) -> Result<()> {
        let first = scene.shard.cursor + 1;
        let announced = batch.commits.is_empty() || scene.shard.begun >= first;
        let (expects_more, takes_long) = (seal.expects_more, batch.touched.len() > SMALL);
        let announce = async {
            if announced {
                return Ok(());
            }
            let query = cypher::ANNOUNCE
                .query()
                .param("begun", first.cast_signed())
                .param("complete", scene.shard.cursor.cast_signed());
            self.shared.client.set(cypher::ANNOUNCE, query).await.map(drop)
        };
        let write = batch.write(transaction, scene, rows, seal);
        if takes_long {
            // Readers wait from the announcement on.
            write.await?;
            announce.await
        } else if expects_more {
            // Both write to the gate, which the transaction then holds until its end.
            announce.await?;
            write.await
        } else {
            // Neither is given up when the other fails.
            let (announced, written) = tokio::join!(announce, write);
            written.and(announced)
        }
    }

    /// Finds out what became of a commit that was not answered. If nobody can be asked in time, its outcome is unknown.
    async fn resolve(&self, cursor: u64, mark: &str, lost: Error) -> Result<()> {
        // Not worth a line of the log: the figure `commits_lost` counts it, and who waits for it is told.
        tracing::debug!(
            error = &lost as &dyn std::error::Error,
            "the answer to a commit is lost, asking what became of it"
        );
        let query = cypher::FATE.query().param("cursor", cursor.cast_signed()).param("mark", mark);
        let asked = async {
            let row = self.shared.single(self.shared.client.set(cypher::FATE, query).await?)?;
            self.shared.column::<bool>(&row, "applied")
        };
        match asked.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(not_applied(lost)),
            Err(_) => Err(lost),
        }
    }
}

/// The failure of a commit of which it is known that nothing was applied.
fn not_applied(lost: Error) -> Error {
    match lost {
        Error::Backend { operation, location, source, .. } => {
            Error::Backend { operation, location, outcome: Outcome::NotApplied, source }
        }
        Error::Halted { location, reason, .. } => {
            Error::Halted { location, reason, outcome: Outcome::NotApplied }
        }
        other => other,
    }
}
