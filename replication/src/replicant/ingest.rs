//! Reports in: judged row by row, what one does wrong costs the others nothing.

use entitygraph_schema::{
    Epoch,
    wire::{
        Handle, Kind,
        control::message::{self, Code},
        exact::ExactRow,
        report::{Group, Report},
    },
};

use super::{
    Replicant,
    batch::notice,
    cells::{Audience, LANES},
    hot::{Index, ROOT, values::Values},
    out::Out,
};
use crate::machine::Now;

/// Ticks that a report may be ahead of the shard clock.
const TICKS_AHEAD_MAX: u64 = 2;

/// Why rows of a report were dropped, and for `STALE_EPOCH` which epoch holds; the first of each kind is told.
type Dropped = (Code, String, u64);

impl Replicant {
    /// Takes a report of an observer.
    pub(super) fn report(&mut self, now: Now, observer: u32, body: &[u8], out: &mut Out) {
        let report = match Report::read(body) {
            Ok(report) => report,
            Err(error) => return self.close(observer, Code::BadFrame, error.to_string(), out),
        };
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        if report.head.batch != who.report + 1 {
            let reason = format!("report {} after {}", report.head.batch, who.report);
            return self.close(observer, Code::BadFrame, reason, out);
        }
        who.report = report.head.batch;
        let moment = self.open(now);
        let mut dropped: Vec<Dropped> = Vec::new();
        let mut drop = |code: Code, reason: String, epoch: u64| {
            if !dropped.iter().any(|(told, ..)| *told == code) {
                dropped.push((code, reason, epoch));
            }
        };
        for group in report.groups() {
            match self.may_write(now, observer, report.head.tick, &group) {
                Err((code, reason, epoch)) => drop(code, reason, epoch),
                Ok(()) => {
                    if group.receipts.len() + group.inputs.len() + group.events.len() > 0 {
                        let reason = "receipts, used inputs and events are not taken yet, only rows";
                        drop(Code::BadValue, reason.to_owned(), 0);
                    }
                    for (handle, row) in group.rows {
                        if let Err((code, reason, epoch)) =
                            self.row(observer, handle, &row, report.head.tick, moment)
                        {
                            drop(code, reason, epoch);
                        }
                    }
                }
            }
        }
        if let Some(Some(who)) = self.observers.get_mut(observer as usize)
            && !dropped.is_empty()
        {
            for (code, reason, epoch) in dropped {
                let notice = notice(code, reason, Kind::Report, report.head.batch);
                who.notice(&message::Notice { epoch, ..notice });
            }
            self.due(observer);
        }
    }

    /// What is wrong with all rows of a group.
    fn may_write(&self, now: Now, observer: u32, tick: u64, group: &Group<'_>) -> Result<(), Dropped> {
        let zone = self.hot.index(group.zone).filter(|zone| *zone == ROOT);
        let Some(zone) = zone else {
            return Err((Code::WrongZone, format!("zone {}", group.zone), 0));
        };
        if !self.table.holds(observer, group.epoch) {
            let holds = self.table.of(self.hot.chain(zone)).map_or(Epoch::ZERO, |(_, anchor)| anchor.epoch);
            let reason = format!("epoch {} is of no grant of yours, {holds} holds", group.epoch);
            return Err((Code::StaleEpoch, reason, holds.number()));
        }
        if tick > now.tick() + TICKS_AHEAD_MAX {
            return Err((Code::StaleTick, format!("tick {tick}, the clock is at {}", now.tick()), 0));
        }
        Ok(())
    }

    fn row(
        &mut self,
        observer: u32,
        handle: Handle,
        row: &ExactRow<'_>,
        tick: u64,
        moment: u64,
    ) -> Result<(), Dropped> {
        let bad = |reason: String| (Code::BadValue, format!("handle {handle}: {reason}"), 0);
        let index = self.hot.index(handle).ok_or_else(|| bad("is no handle".into()))?;
        let anchor = self.table.of(self.hot.chain(index)).map(|(_, anchor)| anchor);
        if anchor.is_none_or(|anchor| anchor.owner != Some(observer)) {
            let holds = anchor.map_or(Epoch::ZERO, |anchor| anchor.epoch);
            let reason = format!("handle {handle} is not yours, {holds} holds");
            return Err((Code::StaleEpoch, reason, holds.number()));
        }
        let last = self.hot.motion.tick[index];
        if tick <= last {
            let reason = format!("tick {tick} of handle {handle}, told up to {last}");
            return Err((Code::StaleTick, reason, 0));
        }
        row.check().map_err(|error| bad(error.to_string()))?;
        if index == ROOT {
            return Err(bad("the world does not move, and has no variables here".into()));
        }
        if row.position_m.is_some_and(|point| self.cells.holding(point).is_none()) {
            return Err(bad("outside of the grid".into()));
        }
        if let Some(bytes) = row.variables {
            Values::judge(bytes, &self.catalog).map_err(|error| bad(error.to_string()))?;
        }
        self.take(index, row, tick, moment);
        Ok(())
    }

    /// Takes a row that was judged: into the columns, and into the lists of its cell.
    fn take(&mut self, index: Index, row: &ExactRow<'_>, tick: u64, moment: u64) {
        let before = self.marks(index);
        self.hot.motion.take(index, row, moment);
        self.hot.motion.tick[index] = tick;
        if let Some(bytes) = row.variables {
            let owners = self.hot.values.take(index, bytes, moment, &self.catalog);
            let owner = self.hot.owner(index);
            let session = owner.filter(|_| owners).and_then(|owner| self.players.get(owner.as_str()));
            session.copied().into_iter().for_each(|session| self.due(session));
        }
        let slot = self.hot.motion.cell[index];
        let cell = self.cells.slot(slot).grid.cell();
        if row.position_m.is_some_and(|point| self.cells.holding(point) != Some(cell)) {
            self.cross(index, moment);
            self.note(index, [[0; 3]; 2], moment);
        } else {
            self.note(index, before, moment);
        }
    }

    /// Moments of the newest change of an entity for each audience on each lane.
    fn marks(&self, index: Index) -> [[u64; 3]; 2] {
        Audience::ALL.map(|audience| LANES.map(|lane| self.hot.newest_on(index, audience.sight(), lane)))
    }

    /// Notes in the cell of an entity what changed at this moment and was not noted before.
    pub(super) fn note(&mut self, index: Index, before: [[u64; 3]; 2], moment: u64) {
        let slot = self.hot.motion.cell[index];
        for audience in Audience::ALL {
            // Whoever begins to follow has what there is, so nothing is kept for nobody.
            if audience == Audience::Servers && self.cells.slot(slot).followers[audience as usize].is_empty()
            {
                continue;
            }
            for (lane, before) in LANES.into_iter().zip(before[audience as usize]) {
                if before != moment && self.hot.newest_on(index, audience.sight(), lane) == moment {
                    self.cells.changed(slot, audience, lane, index, moment);
                }
            }
        }
    }
}
