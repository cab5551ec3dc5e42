//! The last commits, decoded, so that readers who keep up cost the store nothing.

use std::{collections::VecDeque, sync::Arc};

use entitygraph_schema::{Commit, Cursor};

use super::options::Retention;
use crate::contract::Feed;

/// A bounded ring of commits in order, without gaps.
#[derive(Debug)]
pub struct Recent {
    commits: VecDeque<(Arc<Commit>, usize)>,
    bytes: usize,
    newest: Cursor,
    /// Oldest cursor that the store can resume from.
    oldest: Cursor,
    max_commits: usize,
    max_bytes: usize,
}

impl Recent {
    /// An empty ring of a store at `newest`, whose log goes back to `oldest`.
    pub fn new(oldest: Cursor, newest: Cursor, keep: &Retention) -> Self {
        let (max_commits, max_bytes) = (keep.recent_commits, keep.recent_bytes);
        Self { commits: VecDeque::new(), bytes: 0, newest, oldest, max_commits, max_bytes }
    }

    /// Adds the next commit, whose record takes so many bytes.
    pub fn push(&mut self, commit: Arc<Commit>, bytes: usize) {
        self.newest = commit.cursor;
        self.bytes += bytes;
        self.commits.push_back((commit, bytes));
        while self.commits.len() > self.max_commits || self.bytes > self.max_bytes {
            let Some((_, bytes)) = self.commits.pop_front() else { break };
            self.bytes -= bytes;
        }
    }

    /// Oldest cursor that the store can resume from.
    pub fn oldest(&self) -> Cursor {
        self.oldest
    }

    /// The log was trimmed.
    pub fn set_oldest(&mut self, oldest: Cursor) {
        self.oldest = oldest;
    }

    /// At most `limit` commits after `after`; none when they have to be read from the log. So does a cursor that is not
    /// here yet: a reader may have seen rows that the writer has stored and not published.
    pub fn after(&self, after: Cursor, limit: usize) -> Option<Feed> {
        if after < self.oldest {
            return Some(Feed::Resync { oldest: self.oldest, newest: self.newest });
        }
        let missing = usize::try_from(self.newest.number().checked_sub(after.number())?).ok()?;
        let skip = self.commits.len().checked_sub(missing)?;
        Some(Feed::Commits(
            self.commits.iter().skip(skip).take(limit).map(|(commit, _)| commit.clone()).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keep: Retention, upto: u64) -> Recent {
        let mut ring = Recent::new(Cursor::ZERO, Cursor::ZERO, &keep);
        for number in 1..=upto {
            let cursor = Cursor::from_number(number);
            ring.push(Arc::new(Commit { cursor, operation_id: None, changes: Vec::new() }), 10);
        }
        ring
    }

    fn cursors(feed: Option<Feed>) -> Vec<u64> {
        match feed {
            Some(Feed::Commits(commits)) => commits.iter().map(|commit| commit.cursor.number()).collect(),
            other => panic!("expected commits, got {other:?}"),
        }
    }

    #[test]
    fn readers_get_what_follows_their_cursor_and_only_that() {
        let ring = ring(Retention::default(), 5);
        assert_eq!(cursors(ring.after(Cursor::from_number(2), 2)), [3, 4]);
        assert_eq!(cursors(ring.after(Cursor::from_number(5), 9)), [0u64; 0]);
    }

    #[test]
    fn of_a_cursor_ahead_of_the_ring_the_log_decides() {
        assert_eq!(ring(Retention::default(), 5).after(Cursor::from_number(6), 9), None);
    }

    #[test]
    fn a_full_ring_sends_older_readers_to_the_log() {
        for keep in [
            Retention { recent_commits: 3, ..Retention::default() },
            Retention { recent_bytes: 30, ..Retention::default() },
        ] {
            let mut ring = ring(keep, 9);
            assert_eq!(cursors(ring.after(Cursor::from_number(6), 9)), [7, 8, 9]);
            assert_eq!(ring.after(Cursor::from_number(5), 9), None);
            ring.set_oldest(Cursor::from_number(6));
            assert!(matches!(ring.after(Cursor::from_number(5), 9), Some(Feed::Resync { .. })));
        }
    }
}
