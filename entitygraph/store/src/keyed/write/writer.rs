//! The writer's thread: takes requests together, has them planned, writes, publishes, answers.

use std::{cell::RefCell, sync::Arc};

use entitygraph_schema::{Commit, Cursor, IdRange, OperationId, Receipt, Refusal, Transaction, codec};
use tokio::sync::mpsc;

use super::{
    Reply, Request,
    cache::Cache,
    draft::{self, Draft},
    graph::{Base, EntityCache, Graph},
    index, lease, plan, spatial,
    tally::{self, TallyCache},
};
use crate::{
    error::{Error, Outcome, Result},
    keyed::{
        engine::{Durability, WriteBatch},
        keys, log,
        open::State,
        recent::Recent,
        shared::Shared,
        snapshot::Snapshot,
    },
};

/// See the module.
pub struct Writer {
    shared: Arc<Shared>,
    state: State,
    entities: RefCell<EntityCache>,
    tallies: TallyCache,
    /// Whether something was written that need not be on the disk yet.
    unsynced: bool,
}

/// Requests planned together, to be written together.
struct Batch {
    draft: Draft,
    /// Commits with what their rows hold.
    commits: Vec<(Arc<Commit>, Vec<u8>)>,
    /// The newest cursor, and the bytes of the log, as the batch leaves them.
    newest: Cursor,
    log_end: u64,
    /// The next id to lease, if some were leased.
    lease: Option<u64>,
    /// Whether a caller waits for the disk.
    durable: bool,
    operations: usize,
    answers: Vec<Answer>,
}

/// What a caller is told once the batch is written.
enum Answer {
    Receipt(Reply<Receipt>, Result<Receipt>),
    Lease(Reply<IdRange>, Result<IdRange>),
    Sync(Reply<Cursor>),
}

/// Rows to be written, and what they mean for the caches.
struct Lowered {
    rows: WriteBatch,
    tallies: Vec<(Vec<u8>, u64)>,
}

impl Writer {
    /// The writer of a store in the given state.
    pub fn new(shared: Arc<Shared>, state: State) -> Self {
        let options = &shared.options.writer;
        let (entities, tallies) =
            (RefCell::new(Cache::new(options.cache_bytes)), Cache::new(options.cache_tallies));
        Self { shared, state, entities, tallies, unsynced: false }
    }

    /// Works until all callers are gone.
    pub fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            self.take(first, &mut requests);
            if let Err(error) = self.trim() {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the change log could not be trimmed; trying again later"
                );
            }
        }
        if self.unsynced
            && let Err(error) = self.shared.engine.sync()
        {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "what was accepted last could not be made durable"
            );
        }
    }

    /// Takes a request and those that wait behind it.
    fn take(&mut self, first: Request, requests: &mut mpsc::Receiver<Request>) {
        let mut batch = Batch::new(&self.state);
        let shared = self.shared.clone();
        let lowered = {
            let view = shared.engine.view();
            let base = Base {
                snapshot: Snapshot { view: &*view, place: &shared.place },
                cache: &self.entities,
                highest: self.state.highest,
                options: &shared.options.writer,
            };
            let mut next = Some(first);
            while let Some(request) = next.take() {
                batch.add(&base, &self.state, request);
                if batch.has_room(&base) {
                    next = requests.try_recv().ok();
                }
            }
            batch.lower(&base, &mut self.tallies)
        };
        // The view is gone: an engine may wait for it when it writes.
        match lowered.and_then(|lowered| self.write(&batch, lowered)) {
            Ok(()) => batch.answer(),
            Err(error) => batch.refuse(error),
        }
    }

    fn write(&mut self, batch: &Batch, lowered: Lowered) -> Result<()> {
        let Lowered { rows, tallies } = lowered;
        let engine = &self.shared.engine;
        if rows.is_empty() {
            if batch.durable && self.unsynced {
                engine.sync().map_err(|e| self.shared.place.fault("syncing", e))?;
                self.unsynced = false;
            }
            return Ok(());
        }
        let durability = if batch.durable { Durability::Synced } else { Durability::Buffered };
        if let Err(error) = engine.write(rows, durability) {
            let error = self.shared.place.fault("writing", error);
            tracing::error!(error = &error as &dyn std::error::Error, "a batch of writes failed");
            if error.outcome() == Outcome::Unknown {
                self.reload();
            }
            return Err(error);
        }
        self.unsynced = !batch.durable;
        self.publish(batch, tallies);
        Ok(())
    }

    /// Makes a written batch known.
    fn publish(&mut self, batch: &Batch, tallies: Vec<(Vec<u8>, u64)>) {
        for (key, count) in tallies {
            self.tallies.insert(key, count, 1);
        }
        let entities = self.entities.get_mut();
        for (id, touched) in &batch.draft.entities {
            match &touched.now {
                Some(now) => entities.insert(*id, now.clone(), now.size_bytes()),
                None => entities.remove(id),
            }
            self.state.highest = self.state.highest.max(id.get());
        }
        self.state.lease = batch.lease.unwrap_or(self.state.lease);
        if let Some(catalog) = &batch.draft.catalog {
            self.state.catalog = catalog.clone();
            *self.shared.catalog.write() = catalog.clone();
        }
        self.state.log.idle += batch.draft.operations.values().filter(|outcome| outcome.idle).count() as u64;
        if batch.commits.is_empty() {
            return;
        }
        (self.state.log.newest, self.state.log.end) = (batch.newest, batch.log_end);
        let mut recent = self.shared.recent.write();
        for (commit, value) in &batch.commits {
            recent.push(commit.clone(), value.len());
        }
        drop(recent);
        self.shared.newest.send_replace(batch.newest);
    }

    /// Removes a step of what is beyond the retention. The step needs no disk: lost, it is done again.
    fn trim(&mut self) -> Result<()> {
        let shared = self.shared.clone();
        let keep = &shared.options.retention;
        if !self.state.log.needs_trim(keep) {
            return Ok(());
        }
        let mut rows = WriteBatch::new();
        let left = shared.read(|snapshot| self.state.log.trim(snapshot, keep, &mut rows))?;
        shared
            .engine
            .write(rows, Durability::Buffered)
            .map_err(|e| shared.place.fault("trimming the change log", e))?;
        self.unsynced = true;
        self.state.log = left;
        shared.recent.write().set_oldest(left.oldest());
        Ok(())
    }

    /// After a write of unknown outcome: what is in the store counts.
    fn reload(&mut self) {
        self.entities.get_mut().clear();
        self.tallies.clear();
        match self.shared.read(State::load) {
            Ok(state) => {
                *self.shared.catalog.write() = state.catalog.clone();
                let keep = &self.shared.options.retention;
                *self.shared.recent.write() = Recent::new(state.log.oldest(), state.log.newest, keep);
                self.shared.newest.send_replace(state.log.newest);
                self.state = state;
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the store could not be read again after a failed write"
                );
            }
        }
    }
}

impl Batch {
    fn new(state: &State) -> Self {
        Self {
            draft: Draft::default(),
            commits: Vec::new(),
            newest: state.log.newest,
            log_end: state.log.end,
            lease: None,
            durable: false,
            operations: 0,
            answers: Vec::new(),
        }
    }

    fn has_room(&self, base: &Base<'_>) -> bool {
        self.answers.len() < base.options.batch_transactions
            && self.operations < base.options.batch_operations
    }

    fn add(&mut self, base: &Base<'_>, state: &State, request: Request) {
        match request {
            Request::Apply { transaction, durable, reply } => {
                if reply.is_closed() {
                    // The caller went away before anything was done: it asks again with the same operation id.
                    return;
                }
                self.operations += transaction.operations.len();
                let outcome = self.apply(base, state, *transaction);
                self.durable |= durable && outcome.is_ok();
                self.answers.push(Answer::Receipt(reply, outcome));
            }
            Request::Lease { count, reply } => {
                let next = self.lease.unwrap_or(state.lease);
                let outcome = lease::lease(base, &self.draft, next, count).map(|(range, next)| {
                    self.lease = Some(next);
                    self.durable = true;
                    range
                });
                self.answers.push(Answer::Lease(reply, outcome));
            }
            Request::Sync { reply } => {
                self.durable = true;
                self.answers.push(Answer::Sync(reply));
            }
        }
    }

    fn apply(&mut self, base: &Base<'_>, state: &State, transaction: Transaction) -> Result<Receipt> {
        let operation =
            transaction.operation_id.as_ref().map(|id| (id.clone(), codec::fingerprint(&transaction)));
        if let Some((id, fingerprint)) = &operation
            && let Some(first) = self.outcome(base, id)?
        {
            if first.fingerprint != *fingerprint {
                return Err(Refusal::OperationReused { operation_id: id.clone() }.into());
            }
            return Ok(Receipt { cursor: first.cursor, replayed: true });
        }
        let mut graph = Graph::new(base, &self.draft, &state.catalog);
        let changes = plan::transaction(&mut graph, &transaction)?;
        let draft = graph.draft;
        let idle = changes.is_empty();
        if !idle {
            self.draft.absorb(draft);
            self.newest = self.newest.next();
            let operation_id = transaction.operation_id;
            let commit = Arc::new(Commit { cursor: self.newest, operation_id, changes });
            let value = log::value(&commit, self.log_end);
            self.log_end += value.len() as u64;
            self.commits.push((commit, value));
        }
        if let Some((id, fingerprint)) = operation {
            self.draft.operations.insert(id, draft::Outcome { fingerprint, cursor: self.newest, idle });
        }
        Ok(Receipt { cursor: self.newest, replayed: false })
    }

    /// What an operation id did before.
    fn outcome(&self, base: &Base<'_>, id: &OperationId) -> Result<Option<draft::Outcome>> {
        if let Some(outcome) = self.draft.operations.get(id) {
            return Ok(Some(*outcome));
        }
        let Some(value) = base.snapshot.get(&keys::operation(id))? else { return Ok(None) };
        let read = || {
            let (fingerprint, cursor) = value.split_first_chunk::<32>()?;
            let cursor = Cursor::from_number(u64::from_be_bytes(cursor.try_into().ok()?));
            Some(draft::Outcome { fingerprint: *fingerprint, cursor, idle: false })
        };
        let outcome = read()
            .ok_or_else(|| base.snapshot.place.corrupt(format!("the outcome of operation {id} is cut")))?;
        Ok(Some(outcome))
    }

    /// Turns the batch into rows.
    fn lower(&self, base: &Base<'_>, tallies: &mut TallyCache) -> Result<Lowered> {
        let mut rows = WriteBatch::new();
        index::lower(&self.draft, &mut rows);
        let updates = tally::lower(base, &self.draft, tallies, &mut rows)?;
        spatial::lower(base, &self.draft, tallies, &mut rows)?;
        for (id, outcome) in &self.draft.operations {
            let mut value = [0; 40];
            value[..32].copy_from_slice(&outcome.fingerprint);
            value[32..].copy_from_slice(&outcome.cursor.number().to_be_bytes());
            rows.put(&keys::operation(id), &value);
            if outcome.idle {
                rows.put(&keys::idle_operation(outcome.cursor, id), &[]);
            }
        }
        for (commit, value) in &self.commits {
            rows.put(&keys::commit(commit.cursor), value);
        }
        if !self.commits.is_empty() {
            rows.put(&keys::newest(), &self.newest.number().to_be_bytes());
        }
        if let Some(next) = self.lease {
            rows.put(&keys::lease(), &next.to_be_bytes());
        }
        Ok(Lowered { rows, tallies: updates })
    }

    /// Tells the callers; one that went away is not missed.
    fn answer(self) {
        for answer in self.answers {
            match answer {
                Answer::Receipt(reply, outcome) => drop(reply.send(outcome)),
                Answer::Lease(reply, outcome) => drop(reply.send(outcome)),
                Answer::Sync(reply) => drop(reply.send(Ok(self.newest))),
            }
        }
    }

    /// Tells the callers that the batch failed. What would have been refused may have been so because of another
    /// transaction of the batch, so it is not said.
    fn refuse(self, error: Error) {
        let error = Arc::new(error);
        for answer in self.answers {
            match answer {
                Answer::Receipt(reply, _) => drop(reply.send(Err(Error::Shared(error.clone())))),
                Answer::Lease(reply, _) => drop(reply.send(Err(Error::Shared(error.clone())))),
                Answer::Sync(reply) => drop(reply.send(Err(Error::Shared(error.clone())))),
            }
        }
    }
}
