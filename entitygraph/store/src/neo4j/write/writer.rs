//! The task that writes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entitygraph_schema::{Cursor, EntityId, Refusal};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Request,
    batch::Batch,
    lower::{Rows, lower},
    needs::Needs,
    scene::{Node, Scene, ShardRow, TooMany},
};
use crate::{
    error::{Error, Outcome, Result},
    keyed::{options::Retention, write::cache::Cache},
    neo4j::{
        client::{CommitError, Transaction},
        fault::is_taken,
        shared::Shared,
        statements as cypher,
    },
};

/// The first pause before a batch is tried again, doubled each time up to the longest.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Commits trimmed in one step.
const TRIM_STEP: u64 = 1_024;

/// See the module.
pub struct Writer {
    shared: Arc<Shared>,
    /// Nodes that are true for `shard`.
    nodes: Cache<EntityId, Node>,
    /// How far the shard was after the last batch of this instance.
    shard: Option<ShardRow>,
    /// Names this instance's batches.
    instance: String,
    batches: u64,
    /// New ids were found to be in use: it is looked whose they are.
    careful: bool,
    /// Tells that the last batch is complete.
    telling: Option<JoinHandle<()>>,
}

/// How a try to write a batch ended.
enum Ended {
    /// Its callers may be told.
    Done(Batch),
    /// What is below what moves or dies is more than may be touched.
    TooMany,
}

impl Writer {
    /// The writer of a store.
    pub fn new(shared: Arc<Shared>) -> Self {
        let nodes = Cache::new(shared.options.writer.cache_bytes);
        let instance = format!("{:016x}", entropy());
        Self { shared, nodes, shard: None, instance, batches: 0, careful: false, telling: None }
    }

    /// Serves requests until nobody can make one any more.
    pub async fn run(mut self, mut waits: mpsc::Receiver<Request>) {
        while let Some(first) = waits.recv().await {
            // Those that come at the same moment join.
            tokio::task::yield_now().await;
            let options = &self.shared.options.writer;
            let (most, operations_max) = (options.batch_transactions, options.batch_operations);
            let mut operations = first.operations();
            let mut requests = vec![first];
            while requests.len() < most && operations < operations_max {
                let Ok(next) = waits.try_recv() else { break };
                operations += next.operations();
                requests.push(next);
            }
            requests.retain(|request| !request.is_abandoned());
            if !requests.is_empty() {
                self.turn(requests).await;
                self.tell_complete(waits.is_empty());
                self.trim().await;
            }
        }
        if let Some(telling) = self.telling.take() {
            let _ = telling.await;
        }
    }

    /// Writes requests and tells their callers.
    async fn turn(&mut self, requests: Vec<Request>) {
        let began = Instant::now();
        let mut pause = PAUSE;
        self.careful = false;
        loop {
            let written = self.write(&requests).await;
            self.shared.release();
            match written {
                Ok(Ended::Done(batch)) => return batch.answer(requests),
                Ok(Ended::TooMany) if requests.len() > 1 => {
                    // Whose it is shows when each is alone.
                    for request in requests {
                        Box::pin(self.turn(vec![request])).await;
                    }
                    return;
                }
                Ok(Ended::TooMany) => {
                    let max = self.shared.options.writer.touched as u64;
                    let what = "entities and links around those that one transaction moves or buries (take them in parts)";
                    return refuse(requests, Refusal::TooMany { what, count: max + 1, max }.into());
                }
                Err(error) if is_taken(&error) && !self.careful => {
                    self.forget();
                    self.careful = true;
                }
                Err(error) => {
                    self.forget();
                    let again = error.outcome() == Outcome::NotApplied
                        && error.retryable()
                        && began.elapsed() + pause < self.shared.options.retry;
                    if !again {
                        tracing::error!(error = &error as &dyn std::error::Error, "a batch of writes failed");
                        return refuse(requests, error);
                    }
                    tokio::time::sleep(pause).await;
                    pause = PAUSE_MAX.min(pause * 2);
                }
            }
        }
    }

    /// After a failure what is in the database counts.
    fn forget(&mut self) {
        self.nodes.clear();
        self.shard = None;
    }

    async fn write(&mut self, requests: &[Request]) -> Result<Ended> {
        let shared = self.shared.clone();
        let mut needs = Needs::default();
        let mut operations = Vec::new();
        for request in requests {
            if let Request::Apply { transaction, .. } = request {
                needs.add(transaction);
                operations.extend(&transaction.operation_id);
            }
        }
        let trusted = !self.careful && needs.trusts_new_ids();
        let mut transaction = shared.client.begin().await?;
        let mut scene = self.scene(&mut transaction, &needs, &operations, trusted).await?;
        let touched = shared.options.writer.touched;
        if let Err(TooMany) = scene.load_below(&shared, &mut transaction, &needs, touched).await? {
            transaction.rollback().await;
            return Ok(Ended::TooMany);
        }
        scene.set_up();
        let mut batch = Batch::new(&scene);
        for request in requests {
            match request {
                Request::Apply { transaction: body, .. } => {
                    batch.apply(&mut scene, body, shared.options.writer.transaction_operations);
                }
                Request::Lease { count, .. } => {
                    batch.lease(&shared, &mut transaction, &scene, *count).await?;
                }
            }
        }
        if batch.is_empty() {
            transaction.rollback().await;
            return Ok(Ended::Done(batch));
        }
        let mut rows = lower(&scene, &batch.touched, &mut shared.facets.write());
        self.batches += 1;
        let mark = format!("{}-{}", self.instance, self.batches);
        let shard = batch.shard(&shared, &scene, rows.census.take(), mark);
        let written = self.commit(transaction, &batch, &scene, &mut rows, &shard, trusted).await;
        if let Err(error) = written {
            shared.facets.write().truncate(scene.shard.facet_sets);
            return Err(error);
        }
        if let Err(error) = self.publish(&batch, shard, rows).await {
            // It is durable: it must neither be written again nor be said to have failed. Whoever polls takes it over.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a commit could not be taken over at once"
            );
            self.forget();
        }
        Ok(Ended::Done(batch))
    }

    /// Takes the lock and reads what is needed.
    async fn scene(
        &mut self,
        transaction: &mut Transaction<'_>,
        needs: &Needs,
        operations: &[&entitygraph_schema::OperationId],
        trusted: bool,
    ) -> Result<Scene> {
        let shared = self.shared.clone();
        let catalog = || shared.catalog.read().clone();
        let nodes = &mut self.nodes;
        if let Some(shard) = &self.shard
            && let Some(scene) = Scene::cached(shard, needs, operations, |id| nodes.get(&id), catalog())
        {
            let row = shared.single(transaction.ask(cypher::HOLD, cypher::HOLD.query()).await?)?;
            if shared.column::<Option<&str>>(&row, "mark")? == Some(&shard.mark) {
                shared.hold();
                return Ok(scene);
            }
        }
        let scene =
            Scene::load(&shared, transaction, needs, operations, trusted, |id| nodes.get(&id), catalog())
                .await?;
        let cursor = scene.shard.cursor;
        if let Some(last) = scene.shard.facet_sets.checked_sub(1) {
            shared.know_sets([last]).await?;
        }
        if self.shard.as_ref().is_some_and(|shard| shard.cursor == cursor) {
            shared.hold();
            return Ok(scene);
        }
        // Others wrote: their commits come first, with what they published.
        self.forget();
        shared.completed(cursor);
        if shared.catch_up().await?.number() < cursor {
            let newest = shared.known();
            return Err(shared.client.place.corrupt(format!(
                "its newest commit is {cursor}, and the change sequence ends at {newest}"
            )));
        }
        Scene::load(&shared, transaction, needs, operations, trusted, |_| None, catalog()).await
    }

    async fn commit(
        &mut self,
        mut transaction: Transaction<'_>,
        batch: &Batch,
        scene: &Scene,
        rows: &mut Rows,
        shard: &ShardRow,
        trusted: bool,
    ) -> Result<()> {
        let shared = self.shared.clone();
        let announce = async {
            if batch.commits.is_empty() {
                return Ok(());
            }
            let query = cypher::ANNOUNCE
                .query()
                .param("begun", batch.newest().cast_signed())
                .param("complete", scene.shard.cursor.cast_signed());
            shared.client.set(cypher::ANNOUNCE, query).await.map(drop)
        };
        // Neither is given up when the other fails: an announcement that arrives later could take back that of another instance.
        let write = batch.write(&shared, &mut transaction, scene, rows, shard);
        let written = if trusted {
            // An id in use shows now; what is announced should come.
            let written = write.await;
            if written.is_ok() { announce.await } else { written }
        } else {
            let (announced, written) = tokio::join!(announce, write);
            written.and(announced)
        };
        if let Err(error) = written {
            transaction.rollback().await;
            return Err(error);
        }
        // The lock ends with the commit, and others may write before its answer is here.
        shared.release();
        match transaction.commit().await {
            Ok(()) => Ok(()),
            Err(CommitError::Failed(error)) => Err(error),
            Err(CommitError::Lost(error)) => self.resolve(scene.shard.cursor + 1, &shard.mark, error).await,
        }
    }

    /// Finds out what became of a commit that was not answered. If nobody can be asked in time, its outcome is unknown.
    async fn resolve(&self, cursor: u64, mark: &str, lost: Error) -> Result<()> {
        tracing::warn!(
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

    /// Makes a written batch known.
    async fn publish(&mut self, batch: &Batch, shard: ShardRow, rows: Rows) -> Result<()> {
        for id in &batch.touched {
            if !rows.after.contains_key(id) {
                self.nodes.remove(id);
            }
        }
        for (id, node) in rows.after {
            let bytes = node.size_bytes();
            self.nodes.insert(id, node, bytes);
        }
        let first = Cursor::from_number(shard.first);
        self.shard = Some(shard);
        self.shared.completed(batch.newest());
        self.shared.take_over_own(&batch.commits, first).await
    }

    /// Tells other instances that the last commit is complete, unless the next one is about to say so.
    fn tell_complete(&mut self, idle: bool) {
        let busy = self.telling.as_ref().is_some_and(|telling| !telling.is_finished());
        let Some(known) = self.shard.as_ref().map(|shard| shard.cursor).filter(|_| idle && !busy) else {
            return;
        };
        let shared = self.shared.clone();
        self.telling = Some(tokio::spawn(async move {
            let query = cypher::COMPLETE.query().param("complete", known.cast_signed());
            if let Err(error) = shared.client.set(cypher::COMPLETE, query).await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "readers were not told that a commit is complete"
                );
            }
        }));
    }

    /// Removes a step of what is beyond the retention.
    async fn trim(&mut self) {
        let Some(shard) = &self.shard else { return };
        let Retention { commits: keep, bytes, .. } = self.shared.options.retention;
        let count = (shard.cursor + 1).saturating_sub(shard.first);
        let first = if count > keep + (keep / 4).min(TRIM_STEP) {
            shard.cursor - keep + 1
        } else if shard.log.1.saturating_sub(shard.log.0) > bytes && count > 1 {
            shard.first + (count / 2).min(TRIM_STEP)
        } else {
            return;
        };
        if let Err(error) = self.trim_to(first).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the change sequence could not be trimmed; trying again later"
            );
        }
    }

    async fn trim_to(&mut self, first: u64) -> Result<()> {
        let limit = i64::try_from(TRIM_STEP * 2).unwrap_or(i64::MAX);
        let query = cypher::TRIM.query().param("first", first.cast_signed()).param("limit", limit);
        let row = self.shared.single(self.shared.client.set(cypher::TRIM, query).await?)?;
        let first: i64 = self.shared.column(&row, "first")?;
        self.shared.trimmed(Cursor::from_number(first.cast_unsigned()));
        if let Some(shard) = &mut self.shard {
            shard.first = first.cast_unsigned();
            shard.log.0 = self.shared.column::<i64>(&row, "logStart")?.cast_unsigned();
        }
        let query = cypher::TRIM_IDLE.query().param("first", first).param("limit", limit);
        self.shared.client.set(cypher::TRIM_IDLE, query).await.map(drop)
    }
}

/// Tells all callers of the same failure.
fn refuse(requests: Vec<Request>, error: Error) {
    let error = Arc::new(error);
    for request in requests {
        request.refuse(Error::from_shared(error.clone()));
    }
}

/// The failure of a commit of which it is known that nothing was applied.
fn not_applied(lost: Error) -> Error {
    match lost {
        Error::Backend { operation, location, source, .. } => {
            Error::Backend { operation, location, outcome: Outcome::NotApplied, source }
        }
        other => other,
    }
}

/// A number that no other instance has, from the keys of the process's hash maps.
fn entropy() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
