//! Takes requests together, has them planned, writes, publishes, answers.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    Request,
    batch::{Batch, Lowered},
    cache::Cache,
    graph::{Base, EntityCache},
    tally::TallyCache,
};
use crate::{
    error::{Outcome, Result},
    keyed::{
        engine::{Durability, WriteBatch},
        open::State,
        recent::Recent,
        shared::Shared,
        snapshot::Snapshot,
        witness::Witness,
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
    /// Whether a write of unknown outcome left it open what the store holds, so that it must be read again.
    stale: bool,
    /// Told of all that is synced; none for an engine without a folder.
    witness: Option<Witness>,
}

impl Writer {
    /// The writer of a store in the given state.
    pub fn new(shared: Arc<Shared>, state: State, witness: Option<Witness>) -> Self {
        let options = &shared.options.writer;
        let (entities, tallies) =
            (RefCell::new(Cache::new(options.cache_bytes)), Cache::new(options.cache_tallies));
        Self { shared, state, entities, tallies, unsynced: false, stale: false, witness }
    }

    /// Takes the requests that wait, writes them, and tells their callers.
    ///
    /// A panic in it ends nothing but the requests it took: their callers are told that the outcome is unknown, not that
    /// the store stopped.
    pub fn turn(&mut self, mut waiting: impl FnMut() -> Option<Request>) {
        let Some(first) = waiting() else { return };
        if self.stale
            && let Err(error) = self.reload()
        {
            return first.refuse(error);
        }
        let work = || {
            let before = self.state.log.end;
            let taken = self.take(first, waiting);
            if let Some(requests) = taken
                && let Err(error) = self.trim((requests, self.state.log.end - before))
            {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the change log could not be trimmed; trying again later");
            }
            taken.is_some()
        };
        self.stale = !catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            tracing::error!("the store's writer panicked; going on with what is stored");
            false
        });
        // At once, not with the next request: readers may see what was written, and wait for it to be published.
        if self.stale
            && let Err(error) = self.reload()
        {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the store cannot be read again after a failed write; trying again later");
        }
    }

    /// Makes durable what was accepted last, when all callers are gone.
    pub fn finish(&mut self) {
        if !self.unsynced {
            return;
        }
        match self.shared.engine.sync() {
            Ok(()) => self.testify(),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "what was accepted last could not be made durable");
            }
        }
    }

    /// Tells the witness, right after a sync.
    fn testify(&self) {
        if let Some(witness) = &self.witness {
            witness.tell(self.state.mark());
        }
    }

    /// Returns how many requests were taken; none if the outcome of the write is unknown, so that the state must be read again.
    fn take(&mut self, first: Request, mut waiting: impl FnMut() -> Option<Request>) -> Option<usize> {
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
                    next = waiting();
                }
            }
            batch.lower(&base, &mut self.tallies)
        };
        // The view is gone: an engine may wait for it when it writes.
        match lowered.and_then(|lowered| self.write(&batch, lowered)) {
            Ok(()) => Some(batch.answer()),
            Err(error) => {
                let certain = error.outcome() == Outcome::NotApplied;
                batch.refuse(error);
                certain.then_some(0)
            }
        }
    }

    fn write(&mut self, batch: &Batch, lowered: Lowered) -> Result<()> {
        let Lowered { rows, tallies } = lowered;
        let engine = &self.shared.engine;
        if rows.is_empty() {
            if batch.durable && self.unsynced {
                engine.sync().map_err(|e| self.shared.place.fault("syncing", e))?;
                self.unsynced = false;
                self.testify();
            }
            return Ok(());
        }
        let durability = if batch.durable { Durability::Synced } else { Durability::Buffered };
        if let Err(error) = engine.write(rows, durability) {
            let error = self.shared.place.fault("writing", error);
            tracing::error!(error = &error as &dyn std::error::Error, "a batch of writes failed");
            return Err(error);
        }
        self.unsynced = !batch.durable;
        self.publish(batch, tallies);
        if batch.durable {
            self.testify();
        }
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
        let entombed = batch.draft.entombed.iter().map(|id| id.get()).max();
        self.state.highest = self.state.highest.max(entombed.unwrap_or_default());
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

    /// Removes a step of what is beyond the retention, after so many requests and bytes of the log came. The step needs no
    /// disk: lost, it is done again.
    fn trim(&mut self, came: (usize, u64)) -> Result<()> {
        let shared = self.shared.clone();
        let keep = &shared.options.retention;
        if !self.state.log.needs_trim(keep) {
            return Ok(());
        }
        let mut rows = WriteBatch::new();
        let left = shared.read(|snapshot| self.state.log.trim(snapshot, keep, came, &mut rows))?;
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
    fn reload(&mut self) -> Result<()> {
        self.entities.get_mut().clear();
        self.tallies.clear();
        let state = self.shared.read(State::load)?;
        *self.shared.catalog.write() = state.catalog.clone();
        let keep = &self.shared.options.retention;
        *self.shared.recent.write() = Recent::new(state.log.oldest(), state.log.newest, keep);
        self.shared.newest.send_replace(state.log.newest);
        // What is there may be in the caches of the system alone.
        self.unsynced = true;
        (self.state, self.stale) = (state, false);
        Ok(())
    }
}
