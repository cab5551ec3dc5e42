//! Structural changes: what waits for the same aggregates is written first, in the same transaction. The log says before what is
//! about to be done, so that a restarted hub can find out whether it was.

use std::sync::Arc;

use entitygraph_client::graph::GraphError;
use entitygraph_schema::{EntityId, Precondition, Receipt, Transaction, codec::fingerprint};
use hashbrown::HashSet;

use super::{
    Scribe,
    backlog::Taken,
    batch::{changes, less},
    fence::Missing,
    flight::{Flight, Purpose},
    log::Record,
    message::{Command, Effect, Out, Ticket},
    replay::OpenIntent,
};

/// A command that waits.
#[derive(Debug)]
pub struct Queued {
    command: Command,
    /// Answered `BUSY` then.
    pub until_us: u64,
}

impl Scribe {
    /// Takes a command in.
    pub(super) fn command(&mut self, now_us: u64, command: Command, out: &mut Out) {
        let ticket = command.ticket;
        if self.stopped {
            return fail(ticket, self.not_the_hub(), out);
        }
        if !self.journal.takes() {
            return busy(ticket, "the log of what waits for the graph is full", out);
        }
        if self.commands.len() >= self.config.commands_max {
            return busy(ticket, "too many commands wait", out);
        }
        for root in &command.roots {
            *self.claimed.entry(*root).or_default() += 1;
        }
        self.commands.push_back(Queued { command, until_us: now_us + self.config.command_us_max });
        self.start_commands(now_us, out);
    }

    /// Starts all commands whose aggregates are not under way, those of one aggregate in the order in which they came.
    pub(super) fn start_commands(&mut self, now_us: u64, out: &mut Out) {
        let mut blocked: HashSet<EntityId> = HashSet::new();
        let mut at = 0;
        while let Some(queued) = self.commands.get(at) {
            let roots = &queued.command.roots;
            let free = roots.iter().all(|root| !blocked.contains(root) && self.is_free(*root))
                && self.flights.len() < self.config.flights_max;
            if !free {
                blocked.extend(roots);
                at += 1;
                continue;
            }
            let Some(queued) = self.commands.remove(at) else { return };
            queued.command.roots.iter().for_each(|root| less(&mut self.claimed, *root));
            self.start_command(now_us, queued, out);
        }
    }

    fn is_free(&self, root: EntityId) -> bool {
        let under_way = |(entity, _)| self.busy_entities.contains(&entity);
        !self.busy_roots.contains_key(&root) && !self.backlog.members(root).any(under_way)
    }

    fn start_command(&mut self, now_us: u64, queued: Queued, out: &mut Out) {
        let Queued { command, until_us } = queued;
        let Command { ticket, operation_id, preconditions, operations, roots, fenced, left } = command;
        if !self.journal.takes() {
            return busy(ticket, "the log of what waits for the graph is full", out);
        }
        let mut fence = match self.fence.chains(roots.iter().chain(&fenced).copied()) {
            Ok(fence) => fence,
            Err(Missing(entity)) => {
                out.effects.push(Effect::FenceWanted(entity));
                return busy(ticket, "the authority of an aggregate is not known yet", out);
            }
        };
        let missing =
            |root: &EntityId| self.backlog.aggregate(*root).is_some_and(|waiting| waiting.logged.missing);
        let missing: Vec<EntityId> = roots.iter().copied().filter(missing).collect();
        missing.into_iter().for_each(|root| self.carry(root, out));
        let up_to = self.journal.end();
        let mut taken: Vec<Taken> = roots.iter().filter_map(|root| self.backlog.take(*root)).collect();
        self.only_new(&mut taken);
        self.busy_command(&taken, &roots);
        // What the server asked for tells a retry, not what happened to wait.
        let asked = Transaction { preconditions, operations, ..Transaction::default() };
        let request = Some(fingerprint(&asked));
        fence.extend(asked.preconditions);
        let operations = changes(&taken).chain(asked.operations).collect();
        let transaction =
            Transaction { operation_id: Some(operation_id), request, preconditions: fence, operations };
        let purpose = Purpose::Command { ticket: Some(ticket), roots, left, until_us };
        let mut flight = Flight::new(Arc::new(transaction), taken, purpose, up_to);
        flight.log_from = flight.log_from.min(up_to);
        if let Some(intent) = flight.intent(&self.fence) {
            self.journal.put(intent, &mut out.log);
        }
        self.journal.hurry(&mut out.effects);
        let flight = flight.after_sync(self.journal.end());
        self.send(now_us, flight, out);
    }

    /// Asks whether a command of an earlier hub was done: under its operation id the store has the outcome, and with its term,
    /// which is over, it is not done now.
    pub(super) fn ask_for(&mut self, intent: OpenIntent, out: &mut Out) {
        let OpenIntent { operation_id, request, term, roots, left, taken } = intent;
        self.busy_command(&taken, &roots);
        let transaction = Transaction {
            operation_id: Some(operation_id),
            request: Some(request),
            preconditions: vec![Precondition::Epoch(self.fence.shard(), term)],
            operations: Vec::new(),
        };
        let purpose = Purpose::Command { ticket: None, roots, left, until_us: u64::MAX };
        let mut flight = Flight::new(Arc::new(transaction), taken, purpose, self.journal.end());
        (flight.first, flight.log_from) = (0, flight.log_from.min(self.log_from()));
        self.send(0, flight, out);
    }

    /// A command was done: `now`, with what waited, or earlier under the same operation id, without.
    pub(super) fn done(&mut self, flight: Flight, receipt: Receipt, now: bool, out: &mut Out) {
        let Flight { transaction, taken, log_from, purpose, .. } = flight;
        let Purpose::Command { ticket, roots, left, .. } = purpose else { return };
        self.unbusy_command(&taken, &roots);
        if now || ticket.is_none() {
            self.wrote(&taken, receipt.cursor);
        } else {
            taken.into_iter().for_each(|taken| self.backlog.give_back(taken));
        }
        if let Some(left) = left {
            for root in &roots {
                self.backlog.void(*root, left);
                if let Some(ticket) = ticket {
                    self.leaving.insert(*root, (ticket, left));
                }
            }
        }
        self.outcome(&transaction, log_from, true, left.map(|left| (roots.clone(), left)), out);
        self.settled(&roots, out);
        if let Some(ticket) = ticket {
            out.effects.push(Effect::Done { ticket, outcome: Ok(receipt) });
        }
    }

    /// A command was refused, or an earlier hub's was not done: what waited goes on waiting.
    pub(super) fn not_done(&mut self, flight: Flight, error: GraphError, out: &mut Out) {
        let Flight { transaction, taken, log_from, purpose, .. } = flight;
        let Purpose::Command { ticket, roots, .. } = purpose else { return };
        self.unbusy_command(&taken, &roots);
        taken.into_iter().for_each(|taken| self.backlog.give_back(taken));
        self.outcome(&transaction, log_from, false, None, out);
        let Some(ticket) = ticket else { return };
        if let GraphError::StaleEpoch { entity, found, .. } = error {
            if entity == self.fence.shard() {
                self.superseded(found, out);
            } else {
                out.effects.push(Effect::Stale { entity, found });
            }
        }
        fail(ticket, error, out);
    }

    fn outcome(
        &mut self,
        transaction: &Transaction,
        log_from: u64,
        done: bool,
        void: Option<(Vec<EntityId>, EntityId)>,
        out: &mut Out,
    ) {
        let Some(operation_id) = transaction.operation_id.clone() else { return };
        let (void, left) = void.unzip();
        let outcome = Record::Outcome { operation_id, done, void: void.unwrap_or_default(), left };
        self.journal.close(log_from, outcome, &mut out.log);
    }

    /// Answers commands that waited too long for others.
    pub(super) fn expire(&mut self, now_us: u64, out: &mut Out) {
        while let Some(queued) = self.commands.pop_front_if(|queued| queued.until_us <= now_us) {
            queued.command.roots.iter().for_each(|root| less(&mut self.claimed, *root));
            busy(queued.command.ticket, "the graph does not keep up", out);
        }
    }

    /// All commands are answered that were not done: this is not the hub any more.
    pub(super) fn fail_commands(&mut self, out: &mut Out) {
        for queued in std::mem::take(&mut self.commands) {
            fail(queued.command.ticket, self.not_the_hub(), out);
        }
        self.claimed.clear();
    }

    fn not_the_hub(&self) -> GraphError {
        let term = self.fence.term();
        GraphError::StaleEpoch { entity: self.fence.shard(), given: term, found: term.next() }
    }

    fn busy_command(&mut self, taken: &[Taken], roots: &[EntityId]) {
        self.busy(taken);
        for root in roots {
            *self.busy_roots.entry(*root).or_default() += 1;
        }
    }

    fn unbusy_command(&mut self, taken: &[Taken], roots: &[EntityId]) {
        self.unbusy(taken);
        roots.iter().for_each(|root| less(&mut self.busy_roots, *root));
    }
}

fn busy(ticket: Ticket, reason: &str, out: &mut Out) {
    fail(ticket, GraphError::Busy { reason: reason.to_owned() }, out);
}

fn fail(ticket: Ticket, error: GraphError, out: &mut Out) {
    out.effects.push(Effect::Done { ticket, outcome: Err(error) });
}
