//! The task that writes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entitygraph_schema::{EntityId, OperationId, Refusal};
use tokio::sync::mpsc;

use super::{
    Request,
    batch::Batch,
    lower::{Rows, lower},
    needs::Needs,
    run::Run,
    scene::{Node, Scene, ShardRow, TooMany},
};
use crate::{
    error::{Error, Outcome, Result},
    keyed::write::cache::Cache,
    neo4j::{client::Transaction, fault::is_taken, shared::Shared, turn::Turn},
};

/// The first pause before a batch is tried again, doubled each time up to the longest.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// No more transactions join a batch of so many operations: the server takes longer for each entity of a larger one.
const OPERATIONS: usize = 2_048;

/// See the module.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    /// What batches that follow each other do for the next one.
    pub(super) run: Run,
    /// Nodes that are true for `shard`.
    nodes: Cache<EntityId, Node>,
    /// How far the shard was after the last batch of this instance.
    shard: Option<ShardRow>,
    /// Names this instance's batches.
    instance: String,
    batches: u64,
    /// Ids were found to be in use: it is looked whose they are.
    careful: bool,
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
        let run = Run::new(shared.clone());
        Self { shared, run, nodes, shard: None, instance, batches: 0, careful: false }
    }

    /// Serves requests until nobody can make one any more.
    pub async fn serve(mut self, mut waits: mpsc::Receiver<Request>) {
        while let Some(first) = self.run.next(&mut waits).await {
            // Those that come at the same moment join, and those that come until it is this batch's turn.
            tokio::task::yield_now().await;
            self.run.ready().await;
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
        }
        self.run.end().await;
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
                        let cause = &error as &dyn std::error::Error;
                        // That the database is away is told by whoever follows it.
                        if error.is_outage() {
                            tracing::debug!(error = cause, "a batch of writes failed");
                        } else {
                            tracing::error!(error = cause, "a batch of writes failed");
                        }
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
        self.run.give_up();
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
                    batch.apply(&mut scene, body, &shared.options.writer);
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
        if !batch.commits.is_empty() {
            self.run.unsettle();
        }
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
        let turn = match (self.run.turn(), &cached) {
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

/// A number that no other instance has, from the keys of the process's hash maps.
fn entropy() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
