//! What is asked of the graph and what becomes of it.

use std::sync::Arc;

use entitygraph_client::graph::GraphError;
use entitygraph_schema::{Cursor, EntityId, Epoch, OperationId, Receipt, Transaction};

use super::{
    Scribe,
    backlog::{Held, Taken},
    batch::Split,
    fence::Fence,
    log::Record,
    message::{Effect, Out, Ticket},
};

/// A transaction that the graph has, or will be given again.
#[derive(Debug)]
pub struct Flight {
    ask: u64,
    /// The same at each attempt.
    pub transaction: Arc<Transaction>,
    /// What of the backlog is in it.
    pub taken: Vec<Taken>,
    /// What for.
    pub purpose: Purpose,
    /// Where the log ended when it was taken: what is behind is not in it.
    pub up_to: u64,
    /// The oldest report in it.
    pub first: u64,
    /// Position of the oldest record that it needs.
    pub log_from: u64,
    state: State,
    sent_us: u64,
    pause_us: u64,
    /// Whether it may have been done.
    unknown: bool,
    /// The newest commit that was known when it was first asked.
    before: Cursor,
}

/// What a flight is for.
#[derive(Debug)]
pub enum Purpose {
    /// What waits.
    Batch,
    /// A structural change.
    Command {
        /// Who waits; nobody for one of an earlier hub, of which only the outcome is wanted.
        ticket: Option<Ticket>,
        /// See [`super::message::Command::roots`].
        roots: Vec<EntityId>,
        /// See [`super::message::Command::left`].
        left: Option<EntityId>,
        /// Answered `BUSY` then, if nothing was done.
        until_us: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be asked when the log is synced up to a position.
    Syncing(u64),
    Asked,
    /// To be asked again.
    Waits(u64),
}

impl Flight {
    /// To be asked at once.
    pub fn new(transaction: Arc<Transaction>, taken: Vec<Taken>, purpose: Purpose, up_to: u64) -> Self {
        let (first, log_from) = lowest(&taken);
        Self {
            ask: 0,
            transaction,
            taken,
            purpose,
            up_to,
            first,
            log_from,
            state: State::Asked,
            sent_us: 0,
            pause_us: 0,
            unknown: false,
            before: Cursor::ZERO,
        }
    }

    /// To be asked when the log is synced up to here.
    #[must_use]
    pub fn after_sync(mut self, position: u64) -> Self {
        self.state = State::Syncing(position);
        self
    }

    /// When it is to be asked again.
    pub fn retry_us(&self) -> Option<u64> {
        match self.state {
            State::Waits(at_us) => Some(at_us),
            State::Syncing(_) | State::Asked => None,
        }
    }

    /// Since when its parts wait.
    pub fn since_us(&self) -> impl Iterator<Item = u64> {
        self.taken.iter().map(|taken| taken.since_us)
    }

    /// Something in it was written into the log again.
    pub fn measure(&mut self) {
        (self.first, self.log_from) = lowest(&self.taken);
    }

    fn operation_id(&self) -> Option<&OperationId> {
        self.transaction.operation_id.as_ref()
    }

    /// What the log says of a command.
    pub fn intent(&self, fence: &Fence) -> Option<Record> {
        let Purpose::Command { roots, left, .. } = &self.purpose else { return None };
        Some(Record::Intent {
            term: fence.term(),
            operation_id: self.operation_id()?.clone(),
            request: self.transaction.request?,
            roots: roots.clone(),
            left: *left,
        })
    }
}

/// The oldest report and record of what was taken.
pub fn lowest(taken: &[Taken]) -> (u64, u64) {
    let first = taken.iter().map(|taken| taken.first).min();
    let log_from = taken.iter().map(|taken| taken.logged.from).min();
    (first.unwrap_or(u64::MAX), log_from.unwrap_or(u64::MAX))
}

impl Scribe {
    /// Takes a flight up and asks, unless the log has to be synced first.
    pub(super) fn send(&mut self, now_us: u64, mut flight: Flight, out: &mut Out) {
        self.next_ask += 1;
        flight.ask = self.next_ask;
        flight.before = self.watermark.cursor();
        flight.pause_us = self.config.retry_us_min;
        if flight.state == State::Asked {
            flight.sent_us = now_us;
            out.effects.push(ask(&flight));
        }
        self.flights.push(flight);
    }

    /// Asks for what waited for the log.
    pub(super) fn ask_synced(&mut self, now_us: u64, out: &mut Out) {
        for flight in &mut self.flights {
            if let State::Syncing(position) = flight.state
                && self.journal.is_synced(position)
            {
                (flight.state, flight.sent_us) = (State::Asked, now_us);
                out.effects.push(ask(flight));
            }
        }
    }

    /// Asks again for what failed long enough ago.
    pub(super) fn retry(&mut self, now_us: u64, out: &mut Out) {
        for flight in &mut self.flights {
            if flight.retry_us().is_some_and(|at_us| at_us <= now_us) {
                (flight.state, flight.sent_us) = (State::Asked, now_us);
                self.counts.retries += 1;
                out.effects.push(ask(flight));
            }
        }
    }

    /// An answer of the graph.
    pub(super) fn answered(
        &mut self,
        now_us: u64,
        ask: u64,
        outcome: Result<Receipt, GraphError>,
        out: &mut Out,
    ) {
        let asked = |flight: &Flight| flight.ask == ask && flight.state == State::Asked;
        let Some(at) = self.flights.iter().position(asked) else { return };
        if self.stopped {
            return;
        }
        match outcome {
            Ok(receipt) => self.committed(now_us, at, receipt, out),
            Err(GraphError::Unknown { .. }) => {
                self.flights[at].unknown = true;
                self.again(now_us, at);
            }
            Err(GraphError::Busy { reason }) => self.too_busy(now_us, at, reason, out),
            Err(error) => {
                let flight = self.flights.swap_remove(at);
                match flight.purpose {
                    Purpose::Command { .. } => self.not_done(flight, error, out),
                    Purpose::Batch => self.refused(now_us, flight, error, out),
                }
            }
        }
        self.fill(now_us, out);
    }

    fn committed(&mut self, now_us: u64, at: usize, receipt: Receipt, out: &mut Out) {
        let flight = self.flights.swap_remove(at);
        self.latency_us = (3 * self.latency_us + now_us.saturating_sub(flight.sent_us)) / 4;
        self.pause_us = 0;
        self.counts.commits += 1;
        self.watermark.committed(receipt.cursor);
        match flight.purpose {
            Purpose::Command { .. } => {
                // A commit that was known before this was first asked did not have in it what waits now.
                let now = receipt.cursor > flight.before;
                self.done(flight, receipt, now, out);
            }
            Purpose::Batch => {
                self.wrote(&flight.taken, receipt.cursor);
                self.finished(flight.taken, flight.up_to, out);
            }
        }
    }

    /// Takes note of what the store has now.
    pub(super) fn wrote(&mut self, taken: &[Taken], cursor: Cursor) {
        for (entity, entry) in taken.iter().flat_map(|taken| &taken.entries) {
            self.counts.written += 1;
            if let Some(known) = self.known.get_mut(entity) {
                known.wrote(entry.values.clone(), entry.zone, cursor);
            }
        }
    }

    fn again(&mut self, now_us: u64, at: usize) {
        let Some(flight) = self.flights.get_mut(at) else { return };
        flight.state = State::Waits(now_us + flight.pause_us);
        flight.pause_us = (2 * flight.pause_us).min(self.config.retry_us_max);
    }

    /// The graph takes nothing now. What waits grows newer meanwhile, so a batch is made anew later.
    fn too_busy(&mut self, now_us: u64, at: usize, reason: String, out: &mut Out) {
        let Some(flight) = self.flights.get(at) else { return };
        match &flight.purpose {
            _ if flight.unknown => self.again(now_us, at),
            Purpose::Command { ticket: Some(_), until_us, .. } if *until_us <= now_us => {
                let flight = self.flights.swap_remove(at);
                self.not_done(flight, GraphError::Busy { reason }, out);
            }
            Purpose::Command { .. } => self.again(now_us, at),
            Purpose::Batch => {
                let flight = self.flights.swap_remove(at);
                self.unbusy(&flight.taken);
                flight.taken.into_iter().for_each(|taken| self.backlog.give_back(taken));
                self.counts.retries += 1;
                self.pause_us = (2 * self.pause_us).clamp(self.config.retry_us_min, self.config.retry_us_max);
                self.resume_us = now_us + self.pause_us;
            }
        }
    }

    fn refused(&mut self, now_us: u64, flight: Flight, error: GraphError, out: &mut Out) {
        let Flight { mut taken, up_to, .. } = flight;
        let (code, reason, entity) = match error {
            GraphError::StaleEpoch { entity, found, .. } => {
                return self.stale(now_us, taken, entity, found, out);
            }
            GraphError::Refused { code, reason, entity } => (code, reason, entity),
            GraphError::Busy { .. } | GraphError::Unknown { .. } => return,
        };
        let has = |taken: &Taken| taken.entries.iter().any(|(of, _)| Some(*of) == entity);
        let only = taken.iter().map(|taken| taken.entries.len()).sum::<usize>() == 1;
        if only || taken.iter().any(has) {
            // The one that it is about; the others are tried without it.
            for taken in &mut taken {
                let is = |(of, _): &mut (EntityId, _)| only || Some(*of) == entity;
                for (entity, _) in taken.entries.extract_if(.., is) {
                    self.busy_entities.remove(&entity);
                    self.counts.dropped += 1;
                    out.effects.push(Effect::Dropped { entity, code: code.clone(), reason: reason.clone() });
                }
            }
            if only {
                return self.finished(taken, up_to, out);
            }
            self.splits.push_front(Split::new(taken, up_to));
        } else {
            self.unbusy(&taken);
            let half = halved(taken);
            for half in half {
                self.busy(&half);
                self.splits.push_front(Split::new(half, up_to));
            }
        }
    }

    /// Somebody else has the shard, or an entity by which some of it is fenced.
    fn stale(&mut self, now_us: u64, taken: Vec<Taken>, entity: EntityId, found: Epoch, out: &mut Out) {
        self.unbusy(&taken);
        if entity == self.fence.shard() {
            taken.into_iter().for_each(|taken| self.backlog.give_back(taken));
            return self.superseded(found, out);
        }
        let until_us = now_us + self.config.stale_us_max;
        for taken in taken {
            let root = taken.root;
            let hit = self.fence.in_chain(root, entity);
            let newer = self.fence.epoch(entity).is_some_and(|epoch| epoch >= found);
            self.backlog.give_back(taken);
            if hit && !newer {
                self.hold(root, Held { on: entity, epoch: found, until_us: Some(until_us) });
                self.stale.push_back((until_us, root));
            }
        }
        out.effects.push(Effect::Stale { entity, found });
    }

    /// Nobody raised the fence of an aggregate: it is another's, and what waits of it was a former owner's.
    pub(super) fn give_up(&mut self, until_us: u64, root: EntityId, out: &mut Out) {
        let held = self.backlog.aggregate(root).and_then(|waiting| waiting.held);
        if held.is_none_or(|held| held.until_us != Some(until_us)) {
            return;
        }
        let Some(mut taken) = self.backlog.take(root) else { return };
        for (entity, _) in taken.entries.drain(..) {
            self.counts.dropped += 1;
            let reason = "another writer has it, and this hub heard of no new epoch".to_owned();
            out.effects.push(Effect::Dropped { entity, code: "STALE_EPOCH".to_owned(), reason });
        }
        let up_to = self.journal.end();
        self.busy(std::slice::from_ref(&taken));
        self.finished(vec![taken], up_to, out);
    }

    /// Another hub has the shard: nothing is written from here on.
    pub(super) fn superseded(&mut self, term: Epoch, out: &mut Out) {
        self.stopped = true;
        self.fail_commands(out);
        out.effects.push(Effect::Superseded { term });
    }
}

fn ask(flight: &Flight) -> Effect {
    Effect::Ask { ask: flight.ask, transaction: flight.transaction.clone() }
}

/// Two halves: by aggregate, or of the entities of one.
fn halved(mut taken: Vec<Taken>) -> [Vec<Taken>; 2] {
    if taken.len() > 1 {
        let other = taken.split_off(taken.len() / 2);
        return [taken, other];
    }
    let mut other = taken.clone();
    for (one, other) in taken.iter_mut().zip(&mut other) {
        other.entries = one.entries.split_off(one.entries.len() / 2);
    }
    [taken, other]
}
