//! Events (protocol.md, "Events"): what happens and stays nobody's state. Told once, to who follows the cell, while it is fresh.

use std::collections::VecDeque;

use bytes::Bytes;
use entitygraph_schema::wire::{
    Kind,
    control::message::{self, Code},
    event::{Event, put},
};

use super::{
    Replicant,
    batch::{frame, notice},
    cells::Audience,
    hot::{Hot, Index, ROOT},
    observer::Observer,
    out::Out,
};
use crate::machine::Now;

/// Milliseconds after which an event is not told any more.
const FRESH_MS: u64 = 500;

/// Frames of events that wait for one observer.
const FRAMES_MAX: usize = 64;

/// Bytes of contents after which a frame is closed.
const FRAME_BYTES: usize = 8 << 10;

/// What happened in the moment that is open.
#[derive(Debug, Default)]
pub struct Happened {
    /// Source, kind, and where the content ends, in the order in which they came.
    events: Vec<(Index, u32, usize)>,
    contents: Vec<u8>,
}

/// What waits for an observer.
#[derive(Debug, Default)]
pub struct Fresh {
    /// The moment, how many events, and the frame.
    frames: VecDeque<(u64, u32, Bytes)>,
    left_out: u64,
}

impl Fresh {
    /// Whether anything is to be sent.
    pub fn has_some(&self) -> bool {
        !self.frames.is_empty() || self.left_out > 0
    }

    fn push(&mut self, moment: u64, count: u32, frame: Bytes) {
        if self.frames.len() == FRAMES_MAX
            && let Some((_, count, _)) = self.frames.pop_front()
        {
            self.left_out += u64::from(count);
        }
        self.frames.push_back((moment, count, frame));
    }
}

impl Replicant {
    /// Takes an event whose source is its owner's.
    pub(super) fn happened(&mut self, event: &Event<'_>) {
        let Some(index) = self.hot.index(event.source).filter(|index| *index != ROOT) else { return };
        let Happened { events, contents } = &mut self.happened;
        contents.extend_from_slice(event.content);
        events.push((index, event.kind, contents.len()));
    }

    /// Makes a frame of what happened in each cell, once, and gives it to who follows the cell.
    pub(super) fn spread(&mut self, moment: u64) {
        if self.happened.events.is_empty() {
            return;
        }
        let Happened { events, contents } = std::mem::take(&mut self.happened);
        let starts = std::iter::once(0).chain(events.iter().map(|(.., end)| *end));
        let mut told: Vec<(u32, Event<'_>)> = events
            .iter()
            .zip(starts)
            .filter_map(|(&(index, kind, end), start)| {
                let (source, content) = (Hot::handle(index)?, contents.get(start..end)?);
                // It is told where its source is at the end of the moment.
                Some((self.hot.motion.cell[index], Event { source, kind, content }))
            })
            .collect();
        told.sort_by_key(|(slot, _)| *slot);
        for of_cell in told.chunk_by(|one, next| one.0 == next.0) {
            let mut part: Vec<Event<'_>> = Vec::new();
            let mut bytes = 0;
            for (at, (slot, event)) in of_cell.iter().enumerate() {
                part.push(*event);
                bytes += event.content.len() + 12;
                if bytes >= FRAME_BYTES || at + 1 == of_cell.len() {
                    self.spread_in(*slot, &part, moment);
                    part.clear();
                    bytes = 0;
                }
            }
        }
    }

    fn spread_in(&mut self, slot: u32, events: &[Event<'_>], moment: u64) {
        let Some(zone) = Hot::handle(ROOT) else { return };
        let cell = self.cells.slot(slot);
        let mut bytes = Vec::new();
        put(moment as u16, zone, &cell.grid.cell(), events, &mut bytes);
        let frame = Bytes::from(bytes);
        for audience in Audience::ALL {
            for &observer in &cell.followers[audience as usize] {
                let Some(Some(who)) = self.observers.get_mut(observer as usize) else { continue };
                if who.detached {
                    continue;
                }
                who.fresh.push(moment, events.len() as u32, frame.clone());
                if !who.due {
                    who.due = true;
                    self.due.push(observer);
                }
            }
        }
    }
}

impl Observer {
    /// Puts events that are fresh into the message that is open, and says how many were left out.
    pub(super) fn put_events(&mut self, now: Now, moment: u64, out: &mut Out) {
        let oldest = moment.saturating_sub(now.moments_in(FRESH_MS * 1_000));
        while let Some((at, count, frame)) = self.fresh.frames.pop_front() {
            if at < oldest {
                self.fresh.left_out += u64::from(count);
            } else {
                out.put_own(frame);
            }
        }
        let count = std::mem::take(&mut self.fresh.left_out);
        if count > 0 {
            let notice = notice(Code::EventsLeftOut, "events were too old to be told", Kind::Events, 0);
            out.put_own(frame(&message::Notice { count, ..notice }));
        }
    }
}
