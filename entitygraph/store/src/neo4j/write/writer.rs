//! The task that writes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entitygraph_schema::{EntityId, OperationId, Refusal};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Request,
    batch::Batch,
    lower::{Rows, lower},
    needs::Needs,
    scene::{Node, Scene, ShardRow, TooMany},
    seal::Seal,
};
use crate::{
    error::{Error, Outcome, Result},
    keyed::write::cache::Cache,
    neo4j::{
        client::{CommitError, Transaction},
        fault::is_taken,
        shared::Shared,
        statements as cypher,
        turn::Turn,
    },
};

/// The first pause before a batch is tried again, doubled each time up to the longest.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Batches that follow each other within this time are a run: while one commits, the next is announced and its turn taken.
const RUN: Duration = Duration::from_millis(4);

/// A batch that touches more is no part of a run: it takes too long for readers to wait until it is done.
const SMALL: usize = 256;

/// No more transactions join a batch of so many operations: the server takes a quarter longer for each entity of one that has 8,192.
const OPERATIONS: usize = 2_048;

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
    /// Ids were found to be in use: it is looked whose they are.
    careful: bool,
    /// The last batch came within a run.
    running: bool,
    /// The turn of the next batch, being taken ahead in a run.
    ahead: Option<JoinHandle<Result<Turn>>>,
    /// The turn of this batch, where it was taken ahead.
    taken: Option<Turn>,
    /// Readers were not told yet that all commits are complete.
    unsettled: bool,
    /// Tells them.
    settling: Option<JoinHandle<()>>,
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
        Self {
            shared,
            nodes,
            shard: None,
            instance,
            batches: 0,
            careful: false,
            running: false,
            ahead: None,
            taken: None,
            unsettled: false,
            settling: None,
        }
    }

    /// Serves requests until nobody can make one any more.
    pub async fn run(mut self, mut waits: mpsc::Receiver<Request>) {
        while let Some(first) = self.next(&mut waits).await {
            // Those that come at the same moment join, and those that come until it is this batch's turn.
            tokio::task::yield_now().await;
            if let Some(ahead) = self.ahead.take() {
                // One that failed is tried again by whoever needs it.
                self.taken = ahead.await.ok().and_then(Result::ok);
            }
            let options = &self.shared.options.writer;
            let (most, operations_max) =
                (options.batch_transactions, options.batch_operations.min(OPERATIONS));
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
            }
            self.taken = None;
        }
        self.settle();
        if let Some(settling) = self.settling.take() {
            let _ = settling.await;
        }
    }

    /// The next request. When none comes for a moment a run is over.
    async fn next(&mut self, waits: &mut mpsc::Receiver<Request>) -> Option<Request> {
        if self.unsettled {
            self.running = true;
            if let Ok(next) = tokio::time::timeout(RUN, waits.recv()).await {
                return next;
            }
            self.settle();
        }
        self.running = false;
        waits.recv().await
    }

    /// Tells readers, beside whatever comes next, that all commits are complete and none is under way.
    fn settle(&mut self) {
        let (shared, ahead) = (self.shared.clone(), self.ahead.take());
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        self.settling = Some(tokio::spawn(async move {
            let turn = match ahead {
                Some(ahead) => ahead.await.unwrap_or(Err(Error::Stopped)),
                None => Turn::take(&shared).await,
            };
            match turn {
                Ok(turn) => turn.settle().await,
                Err(error) => tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "readers were not told that commits are complete"
                ),
            }
        }));
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
        self.ahead = None;
        self.taken = None;
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
        let (mut transaction, mut scene) = self.scene(&needs, &operations, trusted).await?;
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
        let mut rows = lower(&scene, &batch.touched, &shared.facets.read());
        self.batches += 1;
        let mark = format!("{}-{}", self.instance, self.batches);
        let shard = batch.shard(&scene, &mut rows, mark);
        self.unsettled |= !batch.commits.is_empty();
        self.commit(transaction, &mut batch, &scene, &mut rows, &shard).await?;
        if let Err(error) = self.publish(&batch, &scene, shard, rows).await {
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
        needs: &Needs,
        operations: &[&OperationId],
        trusted: bool,
    ) -> Result<(Transaction, Scene)> {
        let shared = self.shared.clone();
        let cached = match &self.shard {
            Some(shard) if !self.careful => {
                Scene::cached(shard, needs, |id| self.nodes.get(&id), shared.catalog.read().clone())
            }
            _ => None,
        };
        let turn = match (self.taken.take(), &cached) {
            (None, Some(_)) => Some(Turn::take(&shared).await?),
            (taken, _) => taken,
        };
        let mut transaction = match (turn, cached) {
            (Some(turn), Some(mut scene)) if turn.mark == scene.shard.mark => {
                scene.shard.begun = turn.begun;
                shared.hold();
                return Ok((turn.transaction, scene));
            }
            (Some(turn), _) => turn.transaction,
            (None, _) => shared.client.begin().await?,
        };
        let scene = self.load(&mut transaction, needs, operations, trusted).await?;
        Ok((transaction, scene))
    }

    /// Takes the lock, if it is not held, and reads what is needed from the database.
    async fn load(
        &mut self,
        transaction: &mut Transaction,
        needs: &Needs,
        operations: &[&OperationId],
        trusted: bool,
    ) -> Result<Scene> {
        let shared = self.shared.clone();
        let catalog = || shared.catalog.read().clone();
        let nodes = &mut self.nodes;
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
        mut transaction: Transaction,
        batch: &mut Batch,
        scene: &Scene,
        rows: &mut Rows,
        shard: &ShardRow,
    ) -> Result<()> {
        let shared = self.shared.clone();
        let newest = batch.newest();
        let expects_more = self.running && !batch.commits.is_empty() && batch.touched.len() <= SMALL;
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
            self.ahead = Some(tokio::spawn(async move { Turn::take(&shared).await }));
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
    async fn publish(&mut self, batch: &Batch, scene: &Scene, shard: ShardRow, rows: Rows) -> Result<()> {
        for id in &batch.touched {
            if !rows.after.contains_key(id) {
                self.nodes.remove(id);
            }
        }
        for (id, node) in rows.after {
            let bytes = node.size_bytes();
            self.nodes.insert(id, node, bytes);
        }
        self.shared.facets.write().learn(scene.shard.facet_sets, rows.sets);
        self.shared.completed(shard.cursor);
        self.shard = Some(shard);
        self.shared.take_over_own(&batch.commits).await
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
