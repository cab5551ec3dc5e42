//! Actions that come to a game server: each has an effect once (protocol.md, "Actions", 4). The owner keeps the numbers that it
//! did of each session, with the receipts.

use std::collections::{BTreeMap, VecDeque, btree_map::Entry};

use entitygraph_schema::wire::{
    Handle,
    report::{self, Outcome},
};
use hashbrown::HashMap;

/// Sessions whose numbers are kept; of more, those that acted longest ago are forgotten.
const SESSIONS_MAX: usize = 16_384;

/// The owner's word on an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The session that it came from.
    pub session: u64,
    /// Its number in that session.
    pub action: u64,
    /// What it was done to.
    pub target: Handle,
    /// What became of it.
    pub outcome: Outcome,
    /// The game's, at most [`report::ANSWER_BYTES_MAX`].
    pub answer: Vec<u8>,
}

impl Receipt {
    /// As it is written.
    pub fn wire(&self) -> report::Receipt<'_> {
        let Self { session, action, target, outcome, answer } = self;
        report::Receipt { session: *session, action: *action, target: *target, outcome: *outcome, answer }
    }
}

/// What is known of an action.
#[derive(Debug)]
enum Known {
    /// The game has it and has not judged it.
    Given { target: Handle },
    /// It was judged.
    Done(Receipt),
}

/// What comes of an action that came.
#[derive(Debug, PartialEq, Eq)]
pub enum Came<'k> {
    /// The game is to judge it.
    New,
    /// The game has it already.
    Given,
    /// It was judged: this is to be said again, and nothing else to be done.
    Done(&'k Receipt),
}

/// What was done for whom.
#[derive(Debug, Default)]
pub struct Once {
    by_session: HashMap<u64, BTreeMap<u64, Known>>,
    /// By when they acted last, approximately: a session may stand here more than once.
    order: VecDeque<u64>,
}

impl Once {
    /// An action came. `most` is how many of a session may be without a result: twice as many are remembered.
    pub fn come(&mut self, session: u64, action: u64, target: Handle, most: usize) -> Came<'_> {
        if !self.by_session.contains_key(&session) {
            self.make_room();
            self.order.push_back(session);
        }
        let numbers = self.by_session.entry(session).or_default();
        if let Entry::Vacant(vacant) = numbers.entry(action) {
            vacant.insert(Known::Given { target });
            while numbers.len() > most.saturating_mul(2).max(1) {
                numbers.pop_first();
            }
            return Came::New;
        }
        match numbers.get(&action) {
            Some(Known::Done(receipt)) => Came::Done(receipt),
            _ => Came::Given,
        }
    }

    /// The game judged it.
    pub fn done(&mut self, receipt: Receipt) {
        if let Some(numbers) = self.by_session.get_mut(&receipt.session) {
            numbers.insert(receipt.action, Known::Done(receipt));
        }
    }

    /// What was not judged and is not the server's any more goes to the next owner: if it comes back, it is new.
    pub fn forget(&mut self, mut is_mine: impl FnMut(Handle) -> bool) {
        self.by_session.retain(|_, numbers| {
            numbers.retain(|_, known| match known {
                Known::Given { target } => is_mine(*target),
                Known::Done(_) => true,
            });
            !numbers.is_empty()
        });
        let kept = &self.by_session;
        self.order.retain(|session| kept.contains_key(session));
    }

    /// Another incarnation: it numbers anew.
    pub fn clear(&mut self) {
        self.by_session.clear();
        self.order.clear();
    }

    fn make_room(&mut self) {
        while self.by_session.len() >= SESSIONS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_session.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(session: u64, action: u64) -> Receipt {
        Receipt { session, action, target: target(), outcome: Outcome::Done, answer: vec![1] }
    }

    fn target() -> Handle {
        Handle::new(5).unwrap()
    }

    #[test]
    fn an_action_is_given_once_and_its_receipt_said_again() {
        let mut once = Once::default();
        assert_eq!(once.come(1, 1, target(), 2), Came::New);
        assert_eq!(once.come(1, 1, target(), 2), Came::Given);
        assert_eq!(once.come(2, 1, target(), 2), Came::New, "of another session");
        once.done(receipt(1, 1));
        assert_eq!(once.come(1, 1, target(), 2), Came::Done(&receipt(1, 1)));
    }

    #[test]
    fn later_numbers_do_not_hide_an_earlier_one_and_only_twice_the_bound_is_kept() {
        let mut once = Once::default();
        for action in [5, 6, 7] {
            assert_eq!(once.come(1, action, target(), 2), Came::New);
            once.done(receipt(1, action));
        }
        assert_eq!(once.come(1, 4, target(), 2), Came::New, "it waited for a frozen aggregate");
        assert_eq!(once.come(1, 8, target(), 2), Came::New);
        assert_eq!(once.by_session[&1].len(), 4);
    }

    #[test]
    fn what_was_not_judged_is_new_when_it_comes_back() {
        let mut once = Once::default();
        once.come(1, 1, target(), 2);
        once.come(1, 2, target(), 2);
        once.done(receipt(1, 2));
        once.forget(|_| false);
        assert_eq!(once.come(1, 1, target(), 2), Came::New);
        assert!(matches!(once.come(1, 2, target(), 2), Came::Done(_)));
    }

    #[test]
    fn sessions_are_bounded() {
        let mut once = Once::default();
        for session in 0..SESSIONS_MAX as u64 + 10 {
            once.come(session, 1, target(), 2);
        }
        assert_eq!((once.by_session.len(), once.order.len()), (SESSIONS_MAX, SESSIONS_MAX));
    }
}
