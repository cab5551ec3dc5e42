//! The change sequence in the database: pages of consecutive commits, each a node.
//!
//! A batch has many small commits, and a node of its own for each would cost more than all that they change. So the commits of a batch
//! share pages, up to a size; a larger one has a page of its own. A page ends with its batch.

use std::sync::Arc;

use entitygraph_schema::{
    Commit, Cursor,
    codec::{Form, Input},
};

use super::{shared::Shared, statements as cypher};
use crate::{error::Result, keyed::fault::Place};

/// No more commits join a page of so many bytes: two pages, and what else a batch ends with, fit into one message.
const PAGE_BYTES: usize = 3 << 10;

/// Most pages read at once, and bytes of them behind the first one.
const PAGES: usize = 1_024;
const PAGES_BYTES: i64 = 8 << 20;

/// A commit, and the bytes of its record.
pub type Logged = (Arc<Commit>, usize);

/// Consecutive commits of one batch.
#[derive(Debug, PartialEq)]
pub struct Page {
    /// The first commit.
    pub first: Cursor,
    /// The last one.
    pub last: Cursor,
    /// Their records, one behind the other.
    pub records: Vec<u8>,
}

/// Deals the commits of a batch to pages.
pub fn pages(commits: &[Logged], records: Vec<Vec<u8>>) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    for ((commit, _), record) in commits.iter().zip(records) {
        match pages.last_mut().filter(|page| page.records.len() + record.len() <= PAGE_BYTES) {
            Some(page) => {
                page.last = commit.cursor;
                page.records.extend(record);
            }
            None => pages.push(Page { first: commit.cursor, last: commit.cursor, records: record }),
        }
    }
    pages
}

/// The commits of a page from one on.
fn read_page(place: &Place, records: &[u8], from: Cursor, commits: &mut Vec<Logged>) -> Result<()> {
    let mut input = Input::new("page of commits", records);
    while input.offset() < records.len() {
        let begin = input.offset();
        let commit = Commit::take(&mut input)
            .map_err(|error| place.corrupt(format!("a page of commits does not decode: {error}")))?;
        if commit.cursor >= from {
            commits.push((Arc::new(commit), input.offset() - begin));
        }
    }
    Ok(())
}

/// A part of the change sequence, as it was read.
pub struct Stretch {
    /// The newest commit then.
    pub newest: Cursor,
    /// The first one that is kept.
    pub first: Cursor,
    /// Commits in order, without gaps.
    pub commits: Vec<Logged>,
    /// How many of them are of batches that are here to their ends.
    pub whole: usize,
}

impl Shared {
    /// Commits after a cursor from the database, so many at most, rounded up to a page.
    pub async fn stretch(&self, after: Cursor, limit: usize) -> Result<Stretch> {
        let query = cypher::COMMITS
            .query()
            .param("after", after.number().cast_signed())
            .param("limit", i64::try_from(limit.min(PAGES)).unwrap_or(i64::MAX))
            .param("bytes", PAGES_BYTES);
        let row = self.single(self.client.ask(cypher::COMMITS, query).await?)?;
        let cursor = |number: i64| Cursor::from_number(number.cast_unsigned());
        let (newest, first) = (cursor(self.column(&row, "cursor")?), cursor(self.column(&row, "first")?));
        let mut stretch = Stretch { newest, first, commits: Vec::new(), whole: 0 };
        let mut next = Cursor::from_number(after.number().saturating_add(1));
        for (first, last, until, records) in self.column::<Vec<(i64, i64, i64, &[u8])>>(&row, "answer")? {
            let (first, last) = (cursor(first), cursor(last));
            // A commit that is being applied may show before its shard does: only what follows without a gap counts.
            if first > next || last > newest {
                break;
            }
            read_page(&self.client.place, records, next, &mut stretch.commits)?;
            next = last.next();
            if last == cursor(until) {
                stretch.whole = stretch.commits.len();
            }
            if stretch.commits.len() >= limit {
                break;
            }
        }
        Ok(stretch)
    }
}

#[cfg(test)]
mod tests {
    use entitygraph_schema::{EntityId, codec};

    use super::*;

    fn commit(cursor: u64, size: u64) -> Logged {
        let dead = (1..=size).filter_map(EntityId::new).map(entitygraph_schema::Change::Entombed);
        let cursor = Cursor::from_number(cursor);
        let commit = Commit { cursor, operation_id: None, changes: dead.collect() };
        let bytes = codec::encoded(&commit).len();
        (Arc::new(commit), bytes)
    }

    fn encoded(commits: &[Logged]) -> Vec<Vec<u8>> {
        commits.iter().map(|(commit, _)| codec::encoded(&**commit)).collect()
    }

    #[test]
    fn small_commits_share_pages_and_large_ones_have_their_own() {
        let sizes = [(7, 3), (8, 5_000), (9, 2), (10, 3), (11, 2_000)];
        let commits = sizes.map(|(cursor, size)| commit(cursor, size));
        let pages = pages(&commits, encoded(&commits));
        let spans: Vec<_> = pages.iter().map(|page| (page.first.number(), page.last.number())).collect();
        assert_eq!(spans, [(7, 7), (8, 8), (9, 10), (11, 11)]);
    }

    #[test]
    fn a_page_is_read_from_any_cursor_on_and_a_damaged_one_is_refused() {
        let commits = [1, 2, 3].map(|cursor| commit(cursor, 4));
        let [page] = &*pages(&commits, encoded(&commits)) else { panic!("more than a page") };
        let place = Place { location: "here".to_owned() };
        let mut read = Vec::new();
        read_page(&place, &page.records, Cursor::from_number(2), &mut read).unwrap();
        assert_eq!(read, commits[1..]);
        assert!(read_page(&place, &page.records[1..], Cursor::ZERO, &mut Vec::new()).is_err());
    }
}
