//! Actions of this peer that have no result yet: each is done once, whatever is lost on the way (protocol.md, "Actions").

use std::collections::BTreeMap;

use entitygraph_schema::wire::{
    Handle,
    control::message::{self, action_result::Outcome},
};

use super::{frame, outbox::SendError};

/// Most bytes of an action's content.
pub const CONTENT_BYTES_MAX: usize = 4 << 10;

/// What is to be done to which entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Active for the sender.
    pub target: Handle,
    /// An action kind of the catalog.
    pub kind: u32,
    /// The game's, at most [`CONTENT_BYTES_MAX`].
    pub content: Vec<u8>,
    /// The sender's tick when it acted.
    pub tick: u64,
}

/// Why an action was not begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// There was no session yet, so its number is not known.
    #[error("no session has begun yet: act after `Begun`")]
    NoSession,
    /// As many as may be have no result.
    #[error("{0} actions wait for their results: act again when one has come")]
    TooMany(usize),
    /// It cannot be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The content.
    #[error("the content has {0} bytes, the limit is {CONTENT_BYTES_MAX}")]
    TooLarge(usize),
}

/// Those that wait, by number, each as its frame.
#[derive(Debug, Default)]
pub struct Actions {
    last: u64,
    waiting: BTreeMap<u64, Vec<u8>>,
}

impl Actions {
    /// How many have no result.
    pub fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Numbers an action: its number and frame.
    ///
    /// # Errors
    /// More than `most` would wait, or its content is too large.
    pub fn begin(&mut self, draft: Draft, most: usize) -> Result<(u64, &[u8]), ActionError> {
        let Draft { target, kind, content, tick } = draft;
        if content.len() > CONTENT_BYTES_MAX {
            return Err(ActionError::TooLarge(content.len()));
        }
        if self.waiting.len() >= most {
            return Err(ActionError::TooMany(most));
        }
        let number = self.last + 1;
        self.last = number;
        let action =
            message::Action { number, target: target.get(), kind, content, tick, ..Default::default() };
        Ok((number, self.waiting.entry(number).or_insert(frame(&action))))
    }

    /// A result came; says whether it was waited for.
    pub fn end(&mut self, number: u64) -> bool {
        self.waiting.remove(&number).is_some()
    }

    /// The session went on: these are sent again, in order.
    pub fn again(&self) -> impl Iterator<Item = &[u8]> {
        self.waiting.values().map(Vec::as_slice)
    }

    /// Another session or incarnation, which took actions up to `taken`: what became of those that wait, nobody knows.
    pub fn reset(&mut self, taken: u64) -> impl Iterator<Item = message::ActionResult> + use<> {
        self.last = taken;
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_keys().map(|number| message::ActionResult {
            number,
            outcome: Outcome::Unknown.into(),
            ..Default::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(bytes: usize) -> Draft {
        Draft { target: Handle::new(5).unwrap(), kind: 1, content: vec![7; bytes], tick: 9 }
    }

    #[test]
    fn numbers_count_up_within_the_bound_and_go_on_after_a_resume() {
        let mut actions = Actions::default();
        assert_eq!(actions.begin(draft(1), 2).map(|(number, _)| number), Ok(1));
        assert_eq!(actions.begin(draft(CONTENT_BYTES_MAX), 2).map(|(number, _)| number), Ok(2));
        assert_eq!(actions.begin(draft(1), 2), Err(ActionError::TooMany(2)));
        assert_eq!(
            actions.begin(draft(CONTENT_BYTES_MAX + 1), 9),
            Err(ActionError::TooLarge(CONTENT_BYTES_MAX + 1))
        );
        assert!(actions.end(1) && !actions.end(1));
        assert_eq!(actions.again().count(), 1);
        assert_eq!(actions.begin(draft(1), 2).map(|(number, _)| number), Ok(3));
    }

    #[test]
    fn another_incarnation_makes_unknown_what_waits_and_sends_none_of_it_again() {
        let mut actions = Actions::default();
        actions.begin(draft(1), 9).unwrap();
        actions.begin(draft(1), 9).unwrap();
        let told: Vec<_> = actions.reset(40).map(|result| (result.number, result.outcome())).collect();
        assert_eq!(told, [(1, Outcome::Unknown), (2, Outcome::Unknown)]);
        assert_eq!((actions.count(), actions.again().count()), (0, 0));
        assert_eq!(actions.begin(draft(1), 9).map(|(number, _)| number), Ok(41));
    }
}
