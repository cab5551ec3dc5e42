//! Up to where what was accepted is durable: per server, and for whoever asked.

use std::collections::VecDeque;

use entitygraph_schema::{Cursor, EntityId};
use hashbrown::{HashMap, HashSet};

use super::message::{Asker, Effect, Session};

/// Reports of a session that are remembered. When more are not durable, every second one is forgotten: `Durable` rises in
/// larger steps then.
const MARKS_MAX: usize = 1_024;

/// Questions that wait at once.
const BARRIERS_MAX: usize = 4_096;

/// Reports of a session that are not durable: the number in the order of all sessions, and the session's own.
#[derive(Debug)]
struct Marks {
    /// The newest.
    last: (u64, u64),
    /// Before it, so many reports apart at least.
    queue: VecDeque<(u64, u64)>,
    apart: u64,
}

impl Default for Marks {
    fn default() -> Self {
        Self { last: (0, 0), queue: VecDeque::new(), apart: 1 }
    }
}

impl Marks {
    fn put(&mut self, mark: (u64, u64)) {
        let before = std::mem::replace(&mut self.last, mark);
        let apart = self.queue.back().is_none_or(|back| before.1 >= back.1 + self.apart);
        if before.1 > 0 && apart {
            self.queue.push_back(before);
        }
        if self.queue.len() >= MARKS_MAX {
            self.apart *= 2;
            let mut keep = false;
            self.queue.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }

    /// The highest report before a number; it and all before it are forgotten.
    fn take_before(&mut self, first: u64) -> Option<u64> {
        let mut durable = None;
        while let Some((number, batch)) = self.queue.front().copied()
            && number < first
        {
            durable = Some(batch);
            self.queue.pop_front();
        }
        let (number, batch) = self.last;
        if batch > 0 && number < first {
            durable = Some(batch);
            *self = Self::default();
        }
        durable
    }
}

#[derive(Debug)]
struct Barrier {
    who: Asker,
    /// Number of the last report before it.
    number: u64,
    /// Those that are not durable yet.
    roots: HashSet<EntityId>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Watermark {
    sessions: HashMap<Session, Marks>,
    barriers: Vec<Barrier>,
    cursor: Cursor,
}

impl Watermark {
    /// With the cursor of the hub's start.
    pub fn new(cursor: Cursor) -> Self {
        Self { cursor, ..Self::default() }
    }

    /// The newest commit that is known.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Hears of a commit.
    pub fn committed(&mut self, cursor: Cursor) {
        self.cursor = self.cursor.max(cursor);
    }

    /// Hears of a report that is through; `number` is that of what was accepted last.
    pub fn reported(&mut self, session: Session, batch: u64, number: u64) {
        self.sessions.entry(session).or_default().put((number, batch));
    }

    /// Forgets a session.
    pub fn ended(&mut self, session: Session) {
        self.sessions.remove(&session);
        self.barriers
            .retain(|barrier| !matches!(barrier.who, Asker::Session { session: of, .. } if of == session));
    }

    /// Everything accepted before the number `first` is durable: says so to whom it matters.
    pub fn rise(&mut self, first: u64, effects: &mut Vec<Effect>) {
        let cursor = self.cursor;
        for (session, marks) in &mut self.sessions {
            let durable = marks.take_before(first);
            effects.extend(durable.map(|batch| Effect::Durable { session: *session, batch, cursor }));
        }
    }

    /// Asks for durability of what was accepted up to a number; those that wait for it are in `roots`.
    pub fn ask(&mut self, who: Asker, number: u64, roots: HashSet<EntityId>, effects: &mut Vec<Effect>) {
        if roots.is_empty() {
            effects.push(Effect::Passed { who, cursor: self.cursor });
        } else if self.barriers.len() >= BARRIERS_MAX {
            effects.push(Effect::TooMany(who));
        } else {
            self.barriers.push(Barrier { who, number, roots });
        }
    }

    /// Aggregates were written. `first_of` says from which number on something of one is not.
    pub fn wrote(
        &mut self,
        roots: &[EntityId],
        first_of: impl Fn(EntityId) -> Option<u64>,
        effects: &mut Vec<Effect>,
    ) {
        let cursor = self.cursor;
        self.barriers.retain_mut(|Barrier { who, number, roots: waiting }| {
            for root in roots {
                if first_of(*root).is_none_or(|first| first > *number) {
                    waiting.remove(root);
                }
            }
            if waiting.is_empty() {
                effects.push(Effect::Passed { who: *who, cursor });
            }
            !waiting.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use entitygraph_schema::testing::entity_id;

    use super::*;

    fn durable(watermark: &mut Watermark, first: u64) -> Vec<(Session, u64)> {
        let mut effects = vec![];
        watermark.rise(first, &mut effects);
        let pair = |effect| match effect {
            Effect::Durable { session, batch, .. } => (session, batch),
            other => panic!("{other:?}"),
        };
        effects.into_iter().map(pair).collect()
    }

    #[test]
    fn durable_is_the_highest_report_of_which_nothing_waits_and_is_said_once() {
        let mut watermark = Watermark::default();
        watermark.reported(1, 10, 100);
        watermark.reported(2, 7, 101);
        watermark.reported(1, 11, 102);
        assert_eq!(durable(&mut watermark, 100), []);
        assert_eq!(durable(&mut watermark, 101), [(1, 10)]);
        let mut both = durable(&mut watermark, u64::MAX);
        both.sort_unstable();
        assert_eq!(both, [(1, 11), (2, 7)]);
        assert_eq!(durable(&mut watermark, u64::MAX), []);
    }

    #[test]
    fn a_long_stall_costs_no_more_memory_and_only_makes_the_steps_larger() {
        let mut watermark = Watermark::default();
        for batch in 1..=1_000_000 {
            watermark.reported(1, batch, batch);
        }
        assert!(watermark.sessions[&1].queue.len() <= MARKS_MAX);
        let half = durable(&mut watermark, 500_000);
        assert!(half[0].1 < 500_000 && half[0].1 > 495_000, "{half:?}");
        assert_eq!(durable(&mut watermark, u64::MAX), [(1, 1_000_000)]);
    }

    #[test]
    fn a_barrier_waits_for_what_came_before_it_and_not_for_what_came_after() {
        let mut watermark = Watermark::default();
        let who = Asker::Area(3);
        let roots: HashSet<_> = [7, 8].map(entity_id).into();
        let mut effects = vec![];
        watermark.ask(who, 10, roots, &mut effects);
        watermark.wrote(&[entity_id(7)], |_| Some(10), &mut effects);
        watermark.wrote(&[entity_id(7)], |_| Some(11), &mut effects);
        assert_eq!(effects, []);
        watermark.wrote(&[entity_id(8)], |_| None, &mut effects);
        watermark.ask(Asker::Area(4), 10, HashSet::new(), &mut effects);
        let cursor = Cursor::ZERO;
        assert_eq!(effects, [Effect::Passed { who, cursor }, Effect::Passed { who: Asker::Area(4), cursor }]);
    }
}
