//! What changed in a cell over the last 64 ticks, for an audience on a lane, and the slices that were made of it.

use std::collections::VecDeque;

use entitygraph_schema::wire::state::Span;

/// Moments over which changes are known: the longest span.
pub const MOMENTS_MAX: u64 = 1 << Span::EXPONENT_MAX;

/// Something that changed. It is the newest of the entity only if the entity still says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub moment: u64,
    pub index: u32,
}

/// A slice that was made at a moment: its place among the frames, by the exponent of its span.
#[derive(Debug, Clone, Copy)]
struct Made {
    moment: u64,
    frames: [Option<u32>; Span::EXPONENT_MAX as usize + 1],
}

/// What changed in a cell for an audience on a lane.
#[derive(Debug)]
pub struct Log {
    /// Oldest first.
    changes: VecDeque<Change>,
    /// Moment of the newest change that is not known any more.
    forgotten: u64,
    /// Moment of the newest change; 0 is never.
    newest: u64,
    /// Moment of the newest change before that.
    before: u64,
    made: Made,
}

/// What an observer lacks of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacks {
    /// Nothing.
    Nothing,
    /// What a slice of this span tells.
    Span(u8),
    /// More than slices tell.
    TooMuch,
}

impl Default for Log {
    fn default() -> Self {
        Self { changes: VecDeque::new(), forgotten: 0, newest: 0, before: 0, made: NOT_MADE }
    }
}

impl Log {
    /// What an observer lacks at the end of `moment` who was told everything up to `told`.
    pub fn lacks(&self, told: u64, moment: u64) -> Lacks {
        if told >= self.newest {
            return Lacks::Nothing;
        }
        if told < self.forgotten {
            return Lacks::TooMuch;
        }
        let oldest = if told >= self.before {
            // Almost everybody: only what is newest.
            self.newest
        } else {
            let from = self.changes.partition_point(|change| change.moment <= told);
            self.changes.get(from).map_or(self.newest, |change| change.moment)
        };
        let reach = (moment + 1).saturating_sub(oldest);
        match (0..=Span::EXPONENT_MAX).find(|exponent| reach <= 1 << exponent) {
            Some(exponent) => Lacks::Span(exponent),
            None => Lacks::TooMuch,
        }
    }

    /// Changes of the span of 2^exponent moments that ends with `moment`, newest first.
    pub fn changes(&self, exponent: u8, moment: u64) -> impl Iterator<Item = Change> {
        let after = moment.saturating_sub(1 << exponent);
        self.changes.iter().rev().take_while(move |change| change.moment > after).copied()
    }

    /// The slice of this span, if it was made at this moment already.
    pub fn made(&self, exponent: u8, moment: u64) -> Option<u32> {
        if self.made.moment == moment { self.made.frames[usize::from(exponent)] } else { None }
    }

    /// Notes where the slice of this span stands.
    pub fn note(&mut self, exponent: u8, moment: u64, frame: u32) {
        if self.made.moment != moment {
            self.made = Made { moment, ..NOT_MADE };
        }
        self.made.frames[usize::from(exponent)] = Some(frame);
    }

    pub fn change(&mut self, change: Change) {
        while let Some(first) = self.changes.front()
            && first.moment + MOMENTS_MAX <= change.moment
        {
            self.forgotten = first.moment;
            self.changes.pop_front();
        }
        self.changes.push_back(change);
        if self.newest != change.moment {
            self.before = self.newest;
        }
        self.newest = change.moment;
    }
}

const NOT_MADE: Made = Made { moment: 0, frames: [None; Span::EXPONENT_MAX as usize + 1] };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reaches_back_to_the_oldest_change_that_was_not_told_and_no_farther_than_needed() {
        let mut slot = Log::default();
        for moment in [100, 116, 132] {
            slot.change(Change { moment, index: 0 });
        }
        assert_eq!(slot.lacks(132, 140), Lacks::Nothing);
        assert_eq!(
            slot.lacks(116, 132),
            Lacks::Span(0),
            "whoever lacks only what is new, however long ago told"
        );
        assert_eq!(slot.lacks(131, 133), Lacks::Span(1));
        assert_eq!(slot.lacks(100, 132), Lacks::Span(5));
        assert_eq!(slot.lacks(0, 132), Lacks::Span(6));
        assert_eq!(slot.changes(5, 132).map(|change| change.moment).collect::<Vec<_>>(), [132, 116]);
        assert_eq!(slot.lacks(116, 5_000), Lacks::TooMuch);
    }

    #[test]
    fn what_is_forgotten_was_told_or_is_too_much() {
        let mut slot = Log::default();
        slot.change(Change { moment: 100, index: 0 });
        slot.change(Change { moment: 100 + MOMENTS_MAX, index: 0 });
        assert_eq!(slot.lacks(99, 100 + MOMENTS_MAX), Lacks::TooMuch);
        assert_eq!(slot.lacks(100, 100 + MOMENTS_MAX), Lacks::Span(0));
    }
}
