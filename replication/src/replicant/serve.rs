//! The end of a moment: each observer who is owed something gets one message.

use bytes::Bytes;
use entitygraph_schema::wire::horizon;

use super::{
    Replicant,
    cells::{Audience, LANES, Lacks, MOMENTS_MAX},
    hot::values,
    out::Out,
};
use crate::machine::Now;

/// Moments between two messages of one observer: what several servers tell of its cells travels together.
const MESSAGE_MOMENTS: u64 = 2;

/// Bytes of load frames after which a message of those that are sent again is closed.
const REPEAT_BYTES: usize = 48 << 10;

impl Replicant {
    /// Tells what came up to the last moment that is over.
    pub(super) fn end(&mut self, now: Now, out: &mut Out) {
        let moment = now.moment().saturating_sub(1).max(self.ended + 1);
        self.ended = moment;
        self.open = None;
        for audience in Audience::ALL {
            let dirty = self.cells.take_dirty(audience);
            for &slot in &dirty {
                let cell = self.cells.slot(slot);
                for &observer in &cell.followers[audience as usize] {
                    if let Some(Some(who)) = self.observers.get_mut(observer as usize)
                        && !who.due
                    {
                        who.due = true;
                        self.due.push(observer);
                    }
                }
            }
            self.cells.give_back(audience, dirty);
        }
        let mut due = std::mem::take(&mut self.due);
        let mut horizon = None;
        due.retain(|&observer| {
            let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return false };
            if !who.is_away() && who.message_moment + MESSAGE_MOMENTS > moment {
                return true;
            }
            who.due = false;
            // Whoever is away is due again when its socket takes more, or it resumes.
            if !who.is_away() {
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
        if who.kept.is_repeating() {
            return self.repeat(observer, moment, out);
        }
        who.control.drain(..).for_each(|frame| out.put_own(frame));
        let mut too_much = who.owed.take();
        let mut owes = |told: u64| too_much = Some(too_much.unwrap_or(told).min(told));
        let audience = who.audience();
        for follow in &mut who.follows {
            for (lane, told) in LANES.into_iter().zip(&mut follow.told) {
                match cells.slot(follow.slot).lacks(audience, lane, *told, moment) {
                    Lacks::Nothing => continue,
                    Lacks::Span(exponent) => {
                        let frames = &mut out.frames;
                        let slice =
                            slices.get(cells, hot, follow.slot, audience, lane, exponent, moment, frames);
                        slice.into_iter().for_each(|slice| out.put(slice));
                    }
                    Lacks::TooMuch => owes(*told),
                }
                *told = moment;
            }
        }
        for own in &mut who.own {
            for (lane, told) in LANES.into_iter().zip(&mut own.told) {
                if values::newest(hot.values.owners(), own.index, lane) <= *told {
                    continue;
                }
                if moment.saturating_sub(*told) > MOMENTS_MAX {
                    owes(*told);
                } else if let Some(slice) = slices.own(cells, hot, own.index, lane, *told, moment) {
                    out.put_own(slice);
                }
                *told = moment;
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
        let whole = who.owed.is_none() && !who.follows.is_empty();
        if horizon_due && (who.horizon_owed || out.length() > 0) && whole {
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

    /// Sends load frames again that were not seen, as much as one message takes; nothing else before all of them.
    fn repeat(&mut self, observer: u32, moment: u64, out: &mut Out) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        while out.length() < REPEAT_BYTES
            && let Some(frame) = who.kept.next_again()
        {
            out.put_own(frame);
        }
        out.end();
        who.message_moment = moment;
        self.due(observer);
    }

    /// Twice a second: Horizons that nothing else brought along, and batches that are late.
    pub(super) fn sweep(&mut self, now: Now) {
        let between = self.config.horizon_ms * 1_000;
        self.sweep_us = Some(now.shard_us + between);
        for observer in 0..self.observers.len() as u32 {
            let Some(Some(who)) = self.observers.get(observer as usize) else { continue };
            if who.detached {
                continue;
            }
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
