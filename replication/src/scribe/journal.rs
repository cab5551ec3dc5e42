//! What goes into the log, and what of it is still needed. While the graph takes nothing, what waits longest is written to the
//! end of the log again, so that its beginning can go: the log is as long as what waits, not as long as the stall.

use entitygraph_schema::EntityId;

use super::{
    Scribe,
    backlog::{Entry, Logged},
    config::Config,
    flight::Purpose,
    log::{Record, Row, put, put_accepted},
    message::{Effect, Out},
};

/// Part of the log that becomes free before its shell hears of it.
const RELEASE_PART: u64 = 256;

/// Aggregates that are written to the end again for one report at most, so that none takes long.
const CARRIED_MAX: usize = 16;

/// Where the log is.
#[derive(Debug)]
pub struct Journal {
    begun: u64,
    end: u64,
    synced: u64,
    /// Up to where a sync was asked for.
    hurried: u64,
    released: u64,
    /// Whether its shell takes what is appended.
    works: bool,
    full: bool,
    /// Records that it did not take: they come before all others once it does. No more than aggregates were in the log then.
    owed: Vec<Record>,
    /// Commands whose outcome is not synced yet: where their intent stands, and behind which position the outcome does.
    closing: Vec<(u64, u64)>,
}

impl Journal {
    /// That ends here, all of it synced.
    pub fn new(end: u64) -> Self {
        Self {
            begun: end,
            end,
            synced: end,
            hurried: end,
            released: 0,
            works: true,
            full: false,
            owed: Vec::new(),
            closing: Vec::new(),
        }
    }

    /// Position behind the last record.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Bytes that went into it since the start.
    pub fn written_bytes(&self) -> u64 {
        self.end - self.begun
    }

    /// Whether it takes records.
    pub fn takes(&self) -> bool {
        self.works && !self.full
    }

    /// Whether what is in it already can be written to its end again: also when it is full, so that its beginning can go.
    pub fn works(&self) -> bool {
        self.works
    }

    /// Hears whether the shell takes what is appended.
    pub fn taking(&mut self, works: bool, effects: &mut Vec<Effect>) {
        let before = self.takes();
        self.works = works;
        self.told(before, effects);
    }

    fn told(&self, before: bool, effects: &mut Vec<Effect>) {
        if before != self.takes() {
            effects.push(Effect::LogFull(before));
        }
    }

    /// Hears how far it is synced.
    pub fn synced(&mut self, position: u64) {
        self.synced = self.synced.max(position);
        self.closing.retain(|(_, end)| *end > position);
        if self.owed.is_empty() {
            // What was owed when the command ended is in the log by now.
            let end = self.end;
            self.closing.iter_mut().for_each(|(_, at)| *at = (*at).min(end));
        }
    }

    /// Whether all up to a position is synced.
    pub fn is_synced(&self, position: u64) -> bool {
        position <= self.synced
    }

    /// Asks for a sync of all that was appended.
    pub fn hurry(&mut self, effects: &mut Vec<Effect>) {
        if self.hurried < self.end {
            self.hurried = self.end;
            effects.push(Effect::Sync);
        }
    }

    /// Appends rows that were accepted.
    pub fn accepted(&mut self, tick: u64, zone: EntityId, rows: &[Row], log: &mut Vec<u8>) -> Logged {
        if !self.takes() {
            return Logged { from: self.end, to: self.end, missing: true };
        }
        self.append(tick, zone, rows, log)
    }

    fn append(&mut self, tick: u64, zone: EntityId, rows: &[Row], log: &mut Vec<u8>) -> Logged {
        self.pay(log);
        let from = self.end;
        if !rows.is_empty() {
            self.end = put_accepted(tick, zone, rows, from, log);
        }
        Logged { from, to: self.end, missing: false }
    }

    /// Appends a record as soon as the log takes one.
    pub fn put(&mut self, record: Record, log: &mut Vec<u8>) {
        self.owed.push(record);
        if self.takes() {
            self.pay(log);
        }
    }

    /// Appends the outcome of a command. Its intent, which stands at `from` or behind, is needed until that is synced.
    pub fn close(&mut self, from: u64, outcome: Record, log: &mut Vec<u8>) {
        self.put(outcome, log);
        let end = if self.owed.is_empty() { self.end } else { u64::MAX };
        self.closing.push((from, end));
    }

    /// Position of the oldest intent that is needed.
    fn closing_from(&self) -> Option<u64> {
        self.closing.iter().map(|(from, _)| *from).min()
    }

    fn pay(&mut self, log: &mut Vec<u8>) {
        for record in self.owed.drain(..) {
            self.end = put(&record, self.end, log);
        }
    }

    /// Nothing before a position is needed.
    pub fn release(&mut self, from: u64, config: &Config, effects: &mut Vec<Effect>) {
        if from >= self.released + config.log_bytes / RELEASE_PART
            || (from == self.end && from > self.released)
        {
            self.released = from;
            effects.push(Effect::Release(from));
        }
    }

    /// Judges anew whether it is full.
    fn measure(&mut self, from: u64, config: &Config, effects: &mut Vec<Effect>) {
        let (before, bytes) = (self.takes(), self.end - from);
        self.full =
            if self.full { bytes > config.log_bytes_max / 8 * 7 } else { bytes >= config.log_bytes_max };
        self.told(before, effects);
    }
}

impl Scribe {
    /// Position of the oldest record that is needed.
    pub(super) fn log_from(&self) -> u64 {
        let waiting = self.backlog.log_from().map(|(from, _)| from);
        let under_way = self.flights.iter().map(|flight| flight.log_from);
        let split = self.splits.iter().map(|split| split.log_from);
        let closing = self.journal.closing_from();
        waiting.into_iter().chain(under_way).chain(split).chain(closing).min().unwrap_or(self.journal.end())
    }

    /// Keeps the log within its bound.
    pub(super) fn clean(&mut self, out: &mut Out) {
        for _ in 0..CARRIED_MAX {
            let from = self.log_from();
            if self.journal.end() - from <= self.config.log_bytes || !self.journal.takes() {
                break;
            }
            let command = |flight: &super::Flight| {
                flight.log_from == from && matches!(flight.purpose, Purpose::Command { .. })
            };
            if let Some(at) = self.flights.iter().position(command) {
                self.carry_command(at, out);
                continue;
            }
            let taken = self.flights.iter().flat_map(|flight| &flight.taken);
            let mut taken = taken.chain(self.splits.iter().flat_map(|split| &split.taken));
            let under_way = taken.find(|taken| taken.logged.from == from).map(|taken| taken.root);
            let waiting = self.backlog.log_from().filter(|(at, _)| *at == from).map(|(_, root)| root);
            let Some(root) = under_way.or(waiting) else { break };
            self.carry(root, out);
        }
        let from = self.log_from();
        self.journal.measure(from, &self.config, &mut out.effects);
        self.journal.release(from, &self.config, &mut out.effects);
    }

    /// Writes all that is not in the store of an aggregate to the end of the log again.
    pub(super) fn carry(&mut self, root: EntityId, out: &mut Out) {
        let batches = self.flights.iter().filter(|flight| matches!(flight.purpose, Purpose::Batch));
        let taken = batches.flat_map(|flight| &flight.taken);
        let taken = taken.chain(self.splits.iter().flat_map(|split| &split.taken));
        let mut rows: Vec<(EntityId, Entry)> =
            taken.filter(|taken| taken.root == root).flat_map(|taken| taken.entries.clone()).collect();
        rows.extend(self.backlog.members(root).map(|(entity, entry)| (entity, entry.clone())));
        let logged = self.put_again(&rows, out);
        self.backlog.logged_anew(root, logged);
        for flight in self.flights.iter_mut().filter(|flight| matches!(flight.purpose, Purpose::Batch)) {
            if flight.taken.iter().any(|taken| taken.root == root) {
                let again = flight.taken.iter_mut().filter(|taken| taken.root == root);
                again.for_each(|taken| taken.logged = logged);
                flight.measure();
            }
        }
        for split in self.splits.iter_mut().filter(|split| split.taken.iter().any(|taken| taken.root == root))
        {
            let again = split.taken.iter_mut().filter(|taken| taken.root == root);
            again.for_each(|taken| taken.logged = logged);
            split.measure();
        }
    }

    /// The same of a command that is under way: what it has taken, itself, and then what came since.
    fn carry_command(&mut self, at: usize, out: &mut Out) {
        let Some(flight) = self.flights.get(at) else { return };
        let Purpose::Command { roots, .. } = &flight.purpose else { return };
        let roots = roots.clone();
        let rows: Vec<_> = flight.taken.iter().flat_map(|taken| taken.entries.clone()).collect();
        let Some(intent) = flight.intent(&self.fence) else { return };
        let logged = self.put_again(&rows, out);
        self.journal.put(intent, &mut out.log);
        if let Some(flight) = self.flights.get_mut(at) {
            flight.log_from = logged.from;
            flight.taken.iter_mut().for_each(|taken| taken.logged = logged);
        }
        for root in roots {
            if self.backlog.aggregate(root).is_some() {
                self.carry(root, out);
            }
        }
    }

    fn put_again(&mut self, rows: &[(EntityId, Entry)], out: &mut Out) -> Logged {
        self.journal.pay(&mut out.log);
        let from = self.journal.end();
        for (entity, Entry { root, zone, tick, values }) in rows {
            let row = Row { root: *root, entity: *entity, values: values.clone() };
            self.journal.append(*tick, *zone, &[row], &mut out.log);
        }
        Logged { from, to: self.journal.end(), missing: false }
    }
}
