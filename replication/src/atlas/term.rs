//! The start, and the numbers of a term. A hub is the hub from the commit on that raises the shard entity to its term; what is
//! read before that may be old, so anchors are read behind it.

use std::{collections::VecDeque, sync::Arc};

use entitygraph_schema::{
    EntityId, Epoch, Operation, OperationId, Precondition, Refusal, Registry, Transaction,
};

use super::{
    Times,
    map::Map,
    message::{Ended, Out, Outcome},
    record::{AnchorRow, ShardRow, Types, make, shard_entity},
    transaction::Fence,
};

/// Who starts.
#[derive(Debug, Clone)]
pub struct Start {
    /// Checked.
    pub map: Arc<Map>,
    /// 128 random bits: the name of this hub's life, by which the scribe's log knows whether another wrote in between.
    pub hub: u128,
    /// Where it listens, for people.
    pub address: String,
    /// Wall clock, for people, in microseconds since 1970.
    pub wall_us: u64,
}

/// Most changes in one transaction of a map.
const CHANGES_MAX: usize = 500;
/// The number of the commits of the start and of the clock; those of hand-overs are epochs, which are above.
pub(super) const OWN: u64 = 0;

#[derive(Debug)]
enum Stage {
    Reading,
    Making,
    Raising {
        clock_us: u64,
        map: Option<[u8; 32]>,
    },
    Anchors {
        clock_us: u64,
        map: Option<[u8; 32]>,
    },
    /// The map's posts are written, one transaction after the other.
    Taking {
        clock_us: u64,
        left: VecDeque<Transaction>,
        rows: Vec<AnchorRow>,
    },
    Running,
    Ended,
}

/// The term of this hub.
#[derive(Debug)]
pub struct Term {
    start: Start,
    shard: EntityId,
    stage: Stage,
    types: Option<Types>,
    term: Epoch,
    given: u64,
    /// What was asked for and is not answered.
    asked: Option<Arc<Transaction>>,
    /// When it is asked again, or the clock is stored.
    pub due_us: Option<u64>,
}

/// What the start has come to.
pub(super) enum Step {
    Nothing,
    /// It runs, with these anchors.
    Runs(Vec<AnchorRow>),
}

impl Term {
    /// Nothing was read yet; it begins when it is woken.
    pub fn new(start: Start) -> Self {
        let shard = shard_entity(start.map.world);
        let (stage, term, due_us) = (Stage::Reading, Epoch::ZERO, Some(0));
        Self { start, shard, stage, types: None, term, given: 0, asked: None, due_us }
    }

    /// What fences this hub's writes, once it is the hub.
    pub fn fence(&self) -> Option<(Fence, Types)> {
        let runs = matches!(self.stage, Stage::Taking { .. } | Stage::Running | Stage::Anchors { .. });
        self.types.filter(|_| runs).map(|types| (Fence { shard: self.shard, term: self.term }, types))
    }

    /// The shard entity.
    pub fn shard(&self) -> EntityId {
        self.shard
    }

    /// Whether flips may be made.
    pub fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running)
    }

    /// Whether this hub ended.
    pub fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// The next number, above all before it; none when the term has no more.
    pub fn give(&mut self) -> Option<Epoch> {
        if self.given >= u64::from(u32::MAX) {
            return None;
        }
        self.given += 1;
        Some(Epoch::from_number(self.term.number() + self.given))
    }

    /// The end: nothing is written from here on.
    pub fn end(&mut self, why: Ended, out: &mut Vec<Out>) {
        if !self.has_ended() {
            self.stage = Stage::Ended;
            (self.asked, self.due_us) = (None, None);
            out.push(Out::Ended(why));
        }
    }

    /// The end because the numbers are used up.
    pub fn exhausted(&mut self, out: &mut Vec<Out>) {
        self.end(Ended::Exhausted { term: self.term }, out);
    }

    /// A commit found another term.
    pub fn replaced(&mut self, found: Epoch, out: &mut Vec<Out>) {
        self.end(Ended::Replaced { term: self.term, found }, out);
    }

    pub(super) fn woken(&mut self, now_us: u64, times: &Times, out: &mut Vec<Out>) {
        if self.due_us.is_none_or(|due_us| now_us < due_us) {
            return;
        }
        self.due_us = None;
        match (&self.stage, &self.asked) {
            (Stage::Reading | Stage::Making, None) => out.push(Out::ReadShard(self.shard)),
            (Stage::Ended, _) => {}
            (_, Some(transaction)) => {
                out.push(Out::Commit { number: OWN, transaction: transaction.clone(), with: None });
            }
            (Stage::Running, None) => self.store_clock(now_us, times, out),
            (Stage::Raising { .. } | Stage::Anchors { .. } | Stage::Taking { .. }, None) => {}
        }
    }

    fn commit(&mut self, transaction: Transaction, out: &mut Vec<Out>) {
        let transaction = Arc::new(transaction);
        self.asked = Some(transaction.clone());
        out.push(Out::Commit { number: OWN, transaction, with: None });
    }

    /// A paused hub hears by this that it is not the hub any more, even when nothing moves.
    fn store_clock(&mut self, now_us: u64, times: &Times, out: &mut Vec<Out>) {
        if let Some((fence, types)) = self.fence() {
            self.due_us = Some(now_us + times.clock_us);
            let change = Operation::Change(self.shard, types.clock(now_us));
            self.commit(fence.transaction(vec![change]), out);
        }
    }

    pub(super) fn shard_read(&mut self, row: Option<ShardRow>, registry: &Registry, out: &mut Vec<Out>) {
        if !matches!(self.stage, Stage::Reading | Stage::Making) || self.asked.is_some() {
            return;
        }
        let (Some(row), Some(types)) = (&row, Types::of(registry)) else {
            self.stage = Stage::Making;
            match make(self.start.map.world, row.is_some()) {
                Ok(transaction) => self.commit(transaction, out),
                Err(error) => self.end(Ended::Start(error.to_string()), out),
            }
            return;
        };
        let Some(term) = u32::try_from((row.epoch.number() >> 32) + 1).ok() else {
            self.term = row.epoch;
            return self.exhausted(out);
        };
        self.types = Some(types);
        self.term = Epoch::from_number(u64::from(term) << 32);
        self.stage = Stage::Raising { clock_us: row.clock_us, map: row.map };
        let patch = types.started(self.start.hub, &self.start.address, self.start.wall_us);
        let raise = Transaction::of([Operation::Change(self.shard, patch)])
            .expecting(Precondition::Revision(self.shard, row.revision))
            .expecting(Precondition::Epoch(self.shard, self.term));
        match OperationId::new(format!("start/{:032x}", self.start.hub)) {
            Ok(id) => self.commit(raise.named(id), out),
            Err(error) => self.end(Ended::Start(error.to_string()), out),
        }
    }

    pub(super) fn committed(
        &mut self,
        now_us: u64,
        outcome: Outcome,
        times: &Times,
        out: &mut Vec<Out>,
    ) -> Step {
        if self.asked.is_none() {
            return Step::Nothing;
        }
        if matches!(outcome, Outcome::Unsent | Outcome::Unknown) {
            self.due_us = Some(now_us + times.again_us);
            return Step::Nothing;
        }
        self.asked = None;
        match (&mut self.stage, outcome) {
            // Made by this hub or by another one at the same time; either way it is there now.
            (Stage::Making, Outcome::Committed | Outcome::Refused(Refusal::EntityExists { .. })) => {
                out.push(Out::ReadShard(self.shard));
            }
            (Stage::Raising { clock_us, map }, Outcome::Committed) => {
                let zones = self.start.map.territories().map(|(zone, _)| zone).collect();
                self.stage = Stage::Anchors { clock_us: *clock_us, map: *map };
                out.push(Out::ReadAnchors(zones));
            }
            (
                Stage::Raising { .. },
                Outcome::Refused(Refusal::StaleRevision { .. } | Refusal::StaleEpoch { .. }),
            ) => self.end(Ended::Second, out),
            (Stage::Taking { left, .. }, Outcome::Committed) => {
                left.pop_front();
                return self.take(now_us, times, out);
            }
            (Stage::Running, Outcome::Committed) => self.due_us = Some(now_us + times.clock_us),
            (_, Outcome::Refused(Refusal::StaleEpoch { entity, found, .. })) if entity == self.shard => {
                self.replaced(found, out);
            }
            (Stage::Running, Outcome::Refused(refusal)) => {
                // Nothing but the clock: not worth the hub.
                tracing::warn!(%refusal, "the shard clock could not be stored");
                self.due_us = Some(now_us + times.clock_us);
            }
            (_, Outcome::Refused(refusal)) => self.end(Ended::Start(refusal.to_string()), out),
            _ => {}
        }
        Step::Nothing
    }

    /// Anchors as they are stored. A map that was not taken yet is written over those that maps gave posts before; what was moved
    /// singly keeps its post if there is one of the name.
    pub(super) fn anchors_read(
        &mut self,
        now_us: u64,
        mut rows: Vec<AnchorRow>,
        times: &Times,
        out: &mut Vec<Out>,
    ) -> Step {
        let (clock_us, taken) = match &self.stage {
            Stage::Anchors { clock_us, map } => (*clock_us, *map),
            _ => return Step::Nothing,
        };
        let Some((fence, types)) = self.fence() else { return Step::Nothing };
        let map = self.start.map.clone();
        let missing = map.territories().find(|(zone, _)| rows.iter().all(|row| row.id != *zone));
        if let Some((zone, _)) = missing {
            self.end(Ended::Start(format!("zone {zone} of the map is gone: check the map again")), out);
            return Step::Nothing;
        }
        let mut left = VecDeque::new();
        let mut changes: Vec<Operation> = Vec::new();
        let mut known: Vec<Precondition> = Vec::new();
        let wanted: std::collections::HashMap<_, _> = map.territories().collect();
        let is_taken = taken == Some(map.hash);
        for row in &mut rows {
            let of_map = wanted.get(&row.id).and_then(|post| map.post(*post)).map(|post| post.name.clone());
            let stands = row.post.as_deref().is_some_and(|post| map.by_name(post).is_some());
            let next = match of_map {
                // This map was taken before, and hand-overs since then are not undone.
                Some(_) if is_taken && stands => continue,
                Some(name) => Some((name, true)),
                None if stands && (is_taken || !row.mapped) => continue,
                None => None,
            };
            if next.as_ref().map(|(name, _)| name) == row.post.as_ref() && row.mapped == next.is_some() {
                continue;
            }
            let patch = types.anchor(next.as_ref().map(|(name, mapped)| (name.as_str(), *mapped)));
            changes.push(Operation::Change(row.id, patch));
            known.push(Precondition::Epoch(row.id, row.epoch));
            row.mapped = next.is_some();
            row.post = next.map(|(name, _)| name);
        }
        rows.retain(|row| row.post.is_some());
        if !is_taken {
            changes.push(Operation::Change(self.shard, types.took(map.hash)));
        }
        while !changes.is_empty() {
            let rest = changes.split_off(changes.len().min(CHANGES_MAX));
            let mut transaction = fence.transaction(std::mem::replace(&mut changes, rest));
            let rest = known.split_off(known.len().min(CHANGES_MAX));
            transaction.preconditions.append(&mut std::mem::replace(&mut known, rest));
            match OperationId::new(format!("map/{}/{}", self.term, left.len())) {
                Ok(id) => left.push_back(transaction.named(id)),
                Err(error) => {
                    self.end(Ended::Start(error.to_string()), out);
                    return Step::Nothing;
                }
            }
        }
        self.stage = Stage::Taking { clock_us, left, rows };
        self.take(now_us, times, out)
    }

    fn take(&mut self, now_us: u64, times: &Times, out: &mut Vec<Out>) -> Step {
        let Stage::Taking { clock_us, left, rows } = &mut self.stage else { return Step::Nothing };
        if let Some(transaction) = left.front().cloned() {
            self.commit(transaction, out);
            return Step::Nothing;
        }
        let (rows, clock_us_min) = (std::mem::take(rows), *clock_us + times.clock_us + 1_000_000);
        self.stage = Stage::Running;
        self.due_us = Some(now_us + times.clock_us);
        out.push(Out::Running { term: self.term, clock_us_min });
        Step::Runs(rows)
    }
}
