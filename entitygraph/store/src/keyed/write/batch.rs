//! Requests that are planned one on the other and written in one stroke: the group commit.

use std::sync::Arc;

use entitygraph_schema::{Commit, Cursor, IdRange, OperationId, Receipt, Refusal, Transaction, codec};

use super::{
    Reply, Request,
    draft::{self, Draft},
    graph::{Base, Graph},
    index, lease, plan, spatial,
    tally::{self, TallyCache},
};
use crate::{
    contract::last_move,
    error::{Error, Result},
    keyed::{engine::WriteBatch, keys, log, open::State},
};

/// Requests planned together, to be written together.
pub struct Batch {
    /// What they change.
    pub draft: Draft,
    /// Commits with what their rows hold.
    pub commits: Vec<(Arc<Commit>, Vec<u8>)>,
    /// The newest cursor, and the bytes of the log, as the batch leaves them.
    pub newest: Cursor,
    /// See `newest`.
    pub log_end: u64,
    /// The next id to lease, if some were leased.
    pub lease: Option<u64>,
    /// Whether a caller waits for the disk.
    pub durable: bool,
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
pub struct Lowered {
    /// To be written.
    pub rows: WriteBatch,
    /// New tallies, for the cache.
    pub tallies: Vec<(Vec<u8>, u64)>,
}

impl Batch {
    /// None yet, on a store in this state.
    pub fn new(state: &State) -> Self {
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

    /// Whether another request may join.
    pub fn has_room(&self, base: &Base<'_>) -> bool {
        self.answers.len() < base.options.batch_transactions
            && self.operations < base.options.batch_operations
    }

    /// Plans a request on what the earlier ones left.
    pub fn add(&mut self, base: &Base<'_>, state: &State, request: Request) {
        match request {
            Request::Apply { transaction, durable, reply } => {
                if reply.is_closed() {
                    // The caller went away before anything was done: it asks again with the same operation id.
                    return;
                }
                self.operations += transaction.weight();
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
    pub fn lower(&self, base: &Base<'_>, tallies: &mut TallyCache) -> Result<Lowered> {
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
            if let Some(moved) = last_move(self.commits.iter().map(|(commit, _)| &**commit)) {
                rows.put(&keys::moved(), moved.as_str().as_bytes());
            }
        }
        if let Some(next) = self.lease {
            rows.put(&keys::lease(), &next.to_be_bytes());
        }
        Ok(Lowered { rows, tallies: updates })
    }

    /// Tells the callers, and returns how many they are; one that went away is not missed.
    pub fn answer(self) -> usize {
        let count = self.answers.len();
        for answer in self.answers {
            match answer {
                Answer::Receipt(reply, outcome) => drop(reply.send(outcome)),
                Answer::Lease(reply, outcome) => drop(reply.send(outcome)),
                Answer::Sync(reply) => drop(reply.send(Ok(self.newest))),
            }
        }
        count
    }

    /// Tells the callers that the batch failed. What would have been refused may have been so because of another
    /// transaction of the batch, so it is not said.
    pub fn refuse(self, error: Error) {
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
