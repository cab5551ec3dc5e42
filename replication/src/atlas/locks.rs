//! Locks: no freeze of these for a while. They hold up hand-overs, never a recovery.

use std::collections::BTreeMap;

use entitygraph_schema::{EntityId, wire::control::message::Code};

use super::{
    Atlas,
    flip::Input,
    message::{Out, Session},
    state::State,
};

/// Longest lock, in milliseconds.
pub const FOR_MS_MAX: u64 = 10_000;
/// Most roots in one lock.
pub const ROOTS_MAX: usize = 16;
/// Most locks of one session on one aggregate.
pub const ON_ONE_MAX: usize = 2;
/// Most locks of one session.
pub const OF_ONE_MAX: usize = 4_096;

/// All that hold.
#[derive(Debug, Default)]
pub struct Locks {
    /// By session and the session's own number.
    held: BTreeMap<(Session, u64), Lock>,
    /// By aggregate: whose, and until when.
    on: BTreeMap<EntityId, Vec<(Session, u64, u64)>>,
}

#[derive(Debug)]
struct Lock {
    roots: Vec<EntityId>,
    until_us: u64,
}

impl Locks {
    /// Takes a lock.
    ///
    /// # Errors
    ///
    /// `BAD_VALUE` for no time, more than 10 s, no roots, or a number that is in use; `TOO_MANY` above a bound.
    pub fn lock(
        &mut self,
        now_us: u64,
        (session, number): (Session, u64),
        roots: Vec<EntityId>,
        for_ms: u64,
    ) -> Result<(), Code> {
        self.expire(now_us);
        if for_ms == 0
            || for_ms > FOR_MS_MAX
            || roots.is_empty()
            || self.held.contains_key(&(session, number))
        {
            return Err(Code::BadValue);
        }
        let on_one = |root: &EntityId| {
            let own =
                |on: &Vec<(Session, u64, u64)>| on.iter().filter(|(whose, ..)| *whose == session).count();
            self.on.get(root).map_or(0, own)
        };
        let of_one = self.held.range((session, 0)..=(session, u64::MAX)).count();
        if roots.len() > ROOTS_MAX
            || of_one >= OF_ONE_MAX
            || roots.iter().any(|root| on_one(root) >= ON_ONE_MAX)
        {
            return Err(Code::TooMany);
        }
        let until_us = now_us + for_ms * 1_000;
        for root in &roots {
            self.on.entry(*root).or_default().push((session, number, until_us));
        }
        self.held.insert((session, number), Lock { roots, until_us });
        Ok(())
    }

    /// Ends a lock; what it was on.
    pub fn unlock(&mut self, session: Session, number: u64) -> Vec<EntityId> {
        let Some(lock) = self.held.remove(&(session, number)) else { return Vec::new() };
        for root in &lock.roots {
            if let Some(on) = self.on.get_mut(root) {
                on.retain(|(whose, which, _)| (*whose, *which) != (session, number));
                if on.is_empty() {
                    self.on.remove(root);
                }
            }
        }
        lock.roots
    }

    /// Ends all of a session; what they were on.
    pub fn lost(&mut self, session: Session) -> Vec<EntityId> {
        let of: Vec<u64> =
            self.held.range((session, 0)..=(session, u64::MAX)).map(|((_, number), _)| *number).collect();
        of.into_iter().flat_map(|number| self.unlock(session, number)).collect()
    }

    /// When the last lock on an aggregate ends; 0 if there is none.
    pub fn until_us(&self, root: EntityId) -> u64 {
        self.on.get(&root).into_iter().flatten().map(|(.., until_us)| *until_us).max().unwrap_or(0)
    }

    fn expire(&mut self, now_us: u64) {
        let over: Vec<_> =
            self.held.iter().filter(|(_, lock)| lock.until_us <= now_us).map(|(key, _)| *key).collect();
        for (session, number) in over {
            self.unlock(session, number);
        }
    }
}

impl Atlas {
    pub(super) fn lock(
        &mut self,
        now_us: u64,
        (session, number): (Session, u64),
        roots: Vec<EntityId>,
        for_ms: u64,
        out: &mut Vec<Out>,
    ) {
        let allowed =
            roots.iter().try_for_each(|root| match self.anchors.get(*root).map(|unit| &unit.state) {
                Some(state) if state.owner() != Some(session) => Err(Code::NotYours),
                Some(State::Freezing { .. }) => Err(Code::Busy),
                _ => Ok(()),
            });
        let locked = allowed.and_then(|()| self.locks.lock(now_us, (session, number), roots.clone(), for_ms));
        out.push(match locked {
            Ok(()) => Out::Locked(session, number, for_ms, Code::Unspecified),
            Err(code) => Out::Locked(session, number, 0, code),
        });
        if locked.is_ok() {
            self.relocked(now_us, roots, out);
        }
    }

    /// Locks came or went: who waits for them looks again.
    pub(super) fn relocked(&mut self, now_us: u64, roots: Vec<EntityId>, out: &mut Vec<Out>) {
        for root in roots {
            if self.anchors.get(root).is_some() {
                self.apply(now_us, root, Input::Locked, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Session = Session(1);

    fn id(number: u64) -> EntityId {
        EntityId::new(number).unwrap()
    }

    #[test]
    fn a_lock_ends_with_its_time_with_unlock_and_with_its_session() {
        let mut locks = Locks::default();
        locks.lock(0, (S, 1), vec![id(1), id(2)], 1_000).unwrap();
        locks.lock(0, (S, 2), vec![id(1)], 2_000).unwrap();
        assert_eq!((locks.until_us(id(1)), locks.until_us(id(2))), (2_000_000, 1_000_000));
        assert_eq!(locks.unlock(S, 2), [id(1)]);
        assert_eq!(locks.until_us(id(1)), 1_000_000);
        locks.lock(0, (Session(2), 2), vec![id(1)], 3_000).unwrap();
        assert_eq!(locks.lost(S), [id(1), id(2)]);
        assert_eq!((locks.until_us(id(1)), locks.until_us(id(2))), (3_000_000, 0));
        locks.lock(3_000_000, (S, 1), vec![id(3)], 1).unwrap();
        assert_eq!(locks.until_us(id(1)), 0, "it was over");
    }

    #[test]
    fn bounds_are_kept() {
        let mut locks = Locks::default();
        for (for_ms, roots) in [(0, 1), (FOR_MS_MAX + 1, 1), (1_000, 0)] {
            assert_eq!(locks.lock(0, (S, 9), (1..=roots).map(id).collect(), for_ms), Err(Code::BadValue));
        }
        let many = (1..=ROOTS_MAX as u64 + 1).map(id).collect();
        assert_eq!(locks.lock(0, (S, 9), many, 1_000), Err(Code::TooMany));
        for number in 0..2 {
            locks.lock(0, (S, number), vec![id(1)], FOR_MS_MAX).unwrap();
        }
        assert_eq!(locks.lock(0, (S, 0), vec![id(2)], 1_000), Err(Code::BadValue), "the number is in use");
        assert_eq!(locks.lock(0, (S, 2), vec![id(1)], 1_000), Err(Code::TooMany));
        locks.lock(0, (Session(2), 2), vec![id(1)], 1_000).unwrap();
        locks.lock(10_000_000, (S, 2), vec![id(1)], 1_000).unwrap();
    }
}
