//! Reports in: judged row by row, what one does wrong costs the others nothing.

use entitygraph_schema::{
    Epoch,
    wire::{
        Handle, Kind,
        control::message::Code,
        exact::ExactRow,
        report::{Group, Report},
    },
};

use super::{Replicant, batch::notice, hot::Hot, out::Out};
use crate::machine::Now;

/// Ticks that a report may be ahead of the shard clock.
const TICKS_AHEAD_MAX: u64 = 2;

/// Why rows of a report were dropped; the first of each kind is told.
type Dropped = (Code, String);

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
        let mut drop = |code: Code, reason: String| {
            if !dropped.iter().any(|(told, _)| *told == code) {
                dropped.push((code, reason));
            }
        };
        for group in report.groups() {
            match self.may_write(now, observer, report.head.tick, &group) {
                Err((code, reason)) => drop(code, reason),
                Ok(()) => {
                    if group.receipts.len() + group.inputs.len() + group.events.len() > 0 {
                        let reason = "receipts, used inputs and events are not taken yet, only rows";
                        drop(Code::BadValue, reason.to_owned());
                    }
                    for (handle, row) in group.rows {
                        if let Err((code, reason)) = self.row(handle, &row, report.head.tick, moment) {
                            drop(code, reason);
                        }
                    }
                }
            }
        }
        if let Some(Some(who)) = self.observers.get_mut(observer as usize)
            && !dropped.is_empty()
        {
            for (code, reason) in dropped {
                let mut notice = notice(code, reason, Kind::Report, report.head.batch);
                if code == Code::StaleEpoch {
                    notice.epoch = self.table.epoch().number();
                }
                who.notice(&notice);
            }
            self.due(observer);
        }
    }

    fn may_write(&self, now: Now, observer: u32, tick: u64, group: &Group<'_>) -> Result<(), Dropped> {
        if !self.table.holds(observer, group.epoch) {
            let holds: Epoch = self.table.epoch();
            return Err((Code::StaleEpoch, format!("epoch {}, {holds} holds", group.epoch)));
        }
        if tick > now.tick() + TICKS_AHEAD_MAX {
            return Err((Code::StaleTick, format!("tick {tick}, the clock is at {}", now.tick())));
        }
        if Some(group.zone) != Hot::zone() {
            return Err((Code::WrongZone, format!("zone {}", group.zone)));
        }
        Ok(())
    }

    fn row(&mut self, handle: Handle, row: &ExactRow<'_>, tick: u64, moment: u64) -> Result<(), Dropped> {
        let index = self
            .hot
            .index(handle)
            .ok_or_else(|| (Code::BadValue, format!("{handle} is no handle of an entity that moves")))?;
        if tick <= self.hot.tick[index] {
            let last = self.hot.tick[index];
            return Err((Code::StaleTick, format!("tick {tick} of handle {handle}, told up to {last}")));
        }
        row.check().map_err(|error| (Code::BadValue, format!("handle {handle}: {error}")))?;
        if row.position_m.is_some_and(|point| self.cells.holding(point).is_none()) {
            return Err((Code::BadValue, format!("handle {handle}: outside of the grid")));
        }
        let first = self.hot.changed[index].newest() != moment;
        self.hot.take(index, row, tick, moment);
        let slot = self.hot.cell[index];
        let cell = self.cells.slot(slot).grid.cell();
        if row.position_m.is_some_and(|point| self.cells.holding(point) != Some(cell)) {
            self.cross(index, moment);
            self.cells.changed(self.hot.cell[index], index, moment);
        } else if first && self.hot.changed[index].newest() == moment {
            self.cells.changed(slot, index, moment);
        }
        // Its motion is taken, and whoever sent them learns that they go nowhere.
        match row.variables {
            None => Ok(()),
            Some(_) => {
                Err((Code::BadValue, format!("handle {handle}: variables are not taken yet, only motion")))
            }
        }
    }
}
