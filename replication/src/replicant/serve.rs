//! The end of a moment: each observer who is owed something gets one message.

use bytes::Bytes;
use entitygraph_schema::wire::horizon;

use super::{Replicant, cells::Lacks, out::Out};
use crate::machine::Now;

/// Moments between two messages of one observer: what several servers tell of its cells travels together.
const MESSAGE_MOMENTS: u64 = 2;

impl Replicant {
    /// Tells what came up to the last moment that is over.
    pub(super) fn end(&mut self, now: Now, out: &mut Out) {
        let moment = now.moment().saturating_sub(1).max(self.ended + 1);
        self.ended = moment;
        self.open = None;
        let dirty = self.cells.take_dirty();
        for &slot in &dirty {
            let cell = self.cells.slot(slot);
            for &observer in &cell.followers {
                if let Some(Some(who)) = self.observers.get_mut(observer as usize)
                    && !who.due
                {
                    who.due = true;
                    self.due.push(observer);
                }
            }
        }
        self.cells.give_back(dirty);
        let mut due = std::mem::take(&mut self.due);
        let mut horizon = None;
        due.retain(|&observer| {
            let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return false };
            if !who.full && who.message_moment + MESSAGE_MOMENTS > moment {
                return true;
            }
            who.due = false;
            // Whoever is full is due again when its socket takes more.
            if !who.full {
                self.serve(now, observer, moment, &mut horizon, out);
            }
            false
        });
        // Whoever became due meanwhile, or had a message too lately.
        self.due.append(&mut due);
        if !self.due.is_empty() {
            self.open(now);
        }
    }

    fn serve(&mut self, now: Now, observer: u32, moment: u64, horizon: &mut Option<u32>, out: &mut Out) {
        let Self { observers, cells, hot, slices, config, .. } = self;
        let Some(Some(who)) = observers.get_mut(observer as usize) else { return };
        out.begin(who.connection);
        who.control.drain(..).for_each(|frame| out.put_own(frame));
        let mut too_much = who.owed.take();
        for follow in &mut who.follows {
            match cells.slot(follow.slot).lacks(follow.told, moment) {
                Lacks::Nothing => {}
                Lacks::Span(exponent) => {
                    if let Some(slice) =
                        slices.get(cells, hot, follow.slot, exponent, moment, &mut out.frames)
                    {
                        out.put(slice);
                    }
                    follow.told = moment;
                }
                Lacks::TooMuch => {
                    too_much = Some(too_much.unwrap_or(follow.told).min(follow.told));
                    follow.told = moment;
                }
            }
        }
        let loads = who.has_load(config.batches_max(who.role));
        let horizon_due = moment >= who.horizon + now.moments_in(config.horizon_ms * 1_000);
        if let Some(told) = too_much {
            self.catch_up(observer, told, moment, out);
        }
        if loads {
            self.load(observer, moment, now.shard_us, out);
        }
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        if horizon_due && (who.horizon_owed || out.length() > 0) && !who.follows.is_empty() {
            let frame = *horizon.get_or_insert_with(|| {
                let mut bytes = Vec::new();
                horizon::put(moment, &mut bytes);
                out.frames.push(Bytes::from(bytes));
                out.frames.len() as u32 - 1
            });
            out.put(frame);
            (who.horizon, who.horizon_owed) = (moment, false);
        } else if out.length() > 0 {
            who.horizon_owed = true;
        }
        let more = who.has_load(self.config.batches_max(who.role));
        if out.end() {
            who.message_moment = moment;
        }
        if more {
            self.due(observer);
        }
    }

    /// Twice a second: Horizons that nothing else brought along, and batches that are late.
    pub(super) fn sweep(&mut self, now: Now) {
        let between = self.config.horizon_ms * 1_000;
        self.sweep_us = Some(now.shard_us + between);
        for observer in 0..self.observers.len() as u32 {
            let Some(Some(who)) = self.observers.get(observer as usize) else { continue };
            let owed = who.horizon_owed && now.moment() > who.horizon + now.moments_in(between);
            let late = who.batches.values().any(|batch| !batch.ready);
            if late {
                self.time_out(observer, now.shard_us);
            }
            if owed {
                self.open(now);
                self.due(observer);
            }
        }
    }
}
