//! What is written together: whole aggregates, those that wait longest first, under the fence of each; not two batches with the
//! same entity at once.

use std::sync::Arc;

use entitygraph_schema::{EntityId, Operation, OperationId, Transaction};

use super::{
    Scribe,
    backlog::{Held, Taken},
    fence::Missing,
    flight::{Flight, Purpose, lowest},
    log::Record,
    message::{Effect, Out},
};

/// A part of a batch that was refused.
#[derive(Debug)]
pub struct Split {
    /// What.
    pub taken: Vec<Taken>,
    /// See [`Flight::up_to`].
    pub up_to: u64,
    /// See [`Flight::first`].
    pub first: u64,
    /// See [`Flight::log_from`].
    pub log_from: u64,
}

impl Split {
    /// Of what was taken when the log ended at `up_to`.
    pub fn new(taken: Vec<Taken>, up_to: u64) -> Self {
        let (first, log_from) = lowest(&taken);
        Self { taken, up_to, first, log_from }
    }

    /// Something in it was written into the log again.
    pub fn measure(&mut self) {
        (self.first, self.log_from) = lowest(&self.taken);
    }
}

impl Scribe {
    /// Asks the graph for as much as may be under way.
    pub(super) fn fill(&mut self, now_us: u64, out: &mut Out) {
        self.ripe_us = None;
        if self.stopped {
            return;
        }
        self.start_commands(now_us, out);
        while self.flights.iter().filter(|flight| matches!(flight.purpose, Purpose::Batch)).count()
            < self.config.batches_max
        {
            if self.resume_us > now_us {
                self.ripe_us = Some(self.resume_us);
                break;
            }
            if let Some(split) = self.splits.pop_front() {
                self.unbusy(&split.taken);
                self.launch(now_us, split.taken, split.up_to, out);
                continue;
            }
            let picked = self.pick(now_us, out);
            if picked.is_empty() {
                break;
            }
            let taken = picked.into_iter().filter_map(|root| self.backlog.take(root)).collect();
            self.launch(now_us, taken, self.journal.end(), out);
        }
    }

    /// Aggregates for one batch. Says when the next one has waited long enough, if that is what there is to wait for.
    fn pick(&mut self, now_us: u64, out: &mut Out) -> Vec<EntityId> {
        let (mut picked, mut operations, mut bytes) = (Vec::new(), 0, 0);
        let (mut unsynced, mut missing) = (false, Vec::new());
        let wait_us = self.wait_us();
        for (root, waiting) in self.backlog.ready() {
            let ripe_us = waiting.since_us + wait_us;
            if !waiting.urgent && ripe_us > now_us {
                self.ripe_us = Some(ripe_us);
                break;
            }
            if self.busy_roots.contains_key(&root) || self.claimed.contains_key(&root) {
                continue;
            }
            // What is not in the log must not be in the store: replayed after a crash, the log would bring back what is older.
            if waiting.logged.missing {
                missing.push(root);
                continue;
            }
            if !self.journal.is_synced(waiting.logged.to) {
                unsynced = true;
                continue;
            }
            let mut more = 0;
            let mut busy = false;
            for (entity, entry) in self.backlog.members(root) {
                more += entry.values.size_bytes();
                busy |= self.busy_entities.contains(&entity);
            }
            if busy {
                continue;
            }
            let full = operations + waiting.count() > self.config.operations_max
                || bytes + more > self.config.bytes_max;
            if full && !picked.is_empty() {
                break;
            }
            picked.push(root);
            operations += waiting.count();
            bytes += more;
            if full {
                break;
            }
        }
        if picked.is_empty() && self.journal.works() {
            for root in missing.into_iter().take(self.config.operations_max) {
                self.carry(root, out);
                unsynced = true;
            }
            if unsynced {
                self.journal.hurry(&mut out.effects);
            }
        }
        picked
    }

    /// Gives a batch to the graph, or what of it may be given.
    fn launch(&mut self, now_us: u64, mut taken: Vec<Taken>, up_to: u64, out: &mut Out) {
        self.only_new(&mut taken);
        let fence = loop {
            let roots = taken.iter().filter(|taken| !taken.entries.is_empty()).map(|taken| taken.root);
            match self.fence.chains(roots) {
                Ok(fence) => break fence,
                Err(Missing(entity)) => self.hold_unknown(&mut taken, entity, out),
            }
        };
        self.busy(&taken);
        let operations: Vec<Operation> = changes(&taken).collect();
        if operations.is_empty() {
            return self.finished(taken, up_to, out);
        }
        self.next_operation += 1;
        let name = format!("scribe/{}/{}", self.fence.term(), self.next_operation);
        let Ok(operation_id) = OperationId::new(&name) else {
            debug_assert!(false, "{name} is an operation id");
            return;
        };
        let transaction =
            Transaction { operation_id: Some(operation_id), request: None, preconditions: fence, operations };
        let flight = Flight::new(Arc::new(transaction), taken, Purpose::Batch, up_to);
        self.send(now_us, flight, out);
    }

    /// Takes the aggregates out whose fence is not known, until it is.
    fn hold_unknown(&mut self, taken: &mut Vec<Taken>, entity: EntityId, out: &mut Out) {
        let fence = &self.fence;
        let unknown = |taken: &mut Taken| fence.chains([taken.root]) == Err(Missing(entity));
        let without: Vec<Taken> = taken.extract_if(.., unknown).collect();
        for taken in without {
            let root = taken.root;
            self.backlog.give_back(taken);
            self.hold(root, Held { on: entity, epoch: entitygraph_schema::Epoch::ZERO, until_us: None });
        }
        out.effects.push(Effect::FenceWanted(entity));
    }

    /// Leaves out what the store has already.
    pub(super) fn only_new(&mut self, taken: &mut [Taken]) {
        for taken in taken {
            taken.entries.retain_mut(|(entity, entry)| {
                if let Some(known) = self.known.get(entity) {
                    known.only_new(&mut entry.values, entry.zone);
                }
                let new = !entry.values.is_empty();
                self.counts.unchanged += u64::from(!new);
                new
            });
        }
    }

    /// All of what was taken is in the store, or never will be.
    pub(super) fn finished(&mut self, taken: Vec<Taken>, up_to: u64, out: &mut Out) {
        self.unbusy(&taken);
        let roots: Vec<EntityId> = taken.into_iter().map(|taken| taken.root).collect();
        let whole = |root: &&EntityId| !self.busy_roots.contains_key(*root);
        let written: Vec<EntityId> = roots.iter().filter(whole).copied().collect();
        if !written.is_empty() {
            self.journal.put(Record::Written { up_to, roots: written }, &mut out.log);
        }
        self.settled(&roots, out);
    }

    /// Marks what is under way.
    pub(super) fn busy(&mut self, taken: &[Taken]) {
        for taken in taken {
            *self.busy_roots.entry(taken.root).or_default() += 1;
            self.busy_entities.extend(taken.entries.iter().map(|(entity, _)| *entity));
        }
    }

    /// It is not any more.
    pub(super) fn unbusy(&mut self, taken: &[Taken]) {
        for taken in taken {
            less(&mut self.busy_roots, taken.root);
            taken.entries.iter().for_each(|(entity, _)| {
                self.busy_entities.remove(entity);
            });
        }
    }
}

/// One less of a root.
pub fn less(counts: &mut hashbrown::HashMap<EntityId, u32>, root: EntityId) {
    if let hashbrown::hash_map::Entry::Occupied(mut count) = counts.entry(root) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

/// As operations.
pub fn changes(taken: &[Taken]) -> impl Iterator<Item = Operation> {
    let entries = taken.iter().flat_map(|taken| &taken.entries);
    entries.map(|(entity, entry)| Operation::Change(*entity, entry.values.patch()))
}
