//! Page cursors: where a list goes on, sealed so that a cursor of another list is refused.

use entitygraph_schema::{
    Refusal,
    query::{Page, PageCursor, PageRequest},
};

use crate::error::Result;

/// One list: its name and what was asked, so that cursors of two lists differ.
#[derive(Debug, Clone)]
pub struct List(u32);

impl List {
    /// The list called `name` of the question `parts`.
    pub fn of(name: &str, parts: &[&[u8]]) -> Self {
        let mut sum = crc32fast::Hasher::new();
        sum.update(name.as_bytes());
        for part in parts {
            sum.update(&(part.len() as u64).to_be_bytes());
            sum.update(part);
        }
        Self(sum.finalize())
    }

    /// The cursor that continues after `position`.
    pub fn seal(&self, position: &[u8]) -> PageCursor {
        let mut bytes = Vec::with_capacity(4 + position.len());
        bytes.extend_from_slice(&self.check(position));
        bytes.extend_from_slice(position);
        PageCursor(bytes)
    }

    /// The position in a cursor of this list.
    pub fn open<'a>(&self, cursor: &'a PageCursor) -> Result<&'a [u8], Refusal> {
        let (check, position) = cursor.0.split_first_chunk::<4>().ok_or(Refusal::BadPageCursor)?;
        if *check == self.check(position) { Ok(position) } else { Err(Refusal::BadPageCursor) }
    }

    fn check(&self, position: &[u8]) -> [u8; 4] {
        let mut sum = crc32fast::Hasher::new_with_initial(self.0);
        sum.update(position);
        sum.finalize().to_be_bytes()
    }
}

/// Refuses pages of no row and of more than [`PageRequest::MAX_FIRST`].
pub fn check(page: &PageRequest) -> Result<(), Refusal> {
    let max = PageRequest::MAX_FIRST as u64;
    match page.first {
        0 => Err(Refusal::Invalid {
            what: "the page",
            reason: "it has to have room for at least one row".into(),
        }),
        first if first > PageRequest::MAX_FIRST => {
            Err(Refusal::TooMany { what: "rows of one page", count: first as u64, max })
        }
        _ => Ok(()),
    }
}

/// A page being filled: one row more than asked for shows that there is more.
#[derive(Debug)]
pub struct Filling<T> {
    first: usize,
    rows: Vec<(T, PageCursor)>,
    more: bool,
}

impl<T> Filling<T> {
    /// An empty page of at most `first` rows.
    pub fn new(first: usize) -> Self {
        Self { first, rows: Vec::new(), more: false }
    }

    /// Adds a row; false when it did not fit and the page is done.
    pub fn push(&mut self, row: impl FnOnce() -> (T, PageCursor)) -> bool {
        if self.rows.len() == self.first {
            self.more = true;
            return false;
        }
        self.rows.push(row());
        true
    }

    /// Ends the page before a row that is not read any more; returns false, as [`Self::push`] does then.
    pub fn close(&mut self) -> bool {
        self.more = true;
        false
    }

    /// The page.
    pub fn done(self) -> Page<T> {
        Page::of(self.rows, self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_in_its_own_list_only() {
        let list = List::of("children", &[&7u64.to_be_bytes()]);
        let cursor = list.seal(b"position");
        assert_eq!(list.open(&cursor), Ok(&b"position"[..]));
        for other in [List::of("children", &[&8u64.to_be_bytes()]), List::of("named", &[&7u64.to_be_bytes()])]
        {
            assert_eq!(other.open(&cursor), Err(Refusal::BadPageCursor));
        }
        let mut torn = cursor.clone();
        torn.0.pop();
        assert_eq!(list.open(&torn), Err(Refusal::BadPageCursor));
        assert_eq!(list.open(&PageCursor(vec![1])), Err(Refusal::BadPageCursor));
    }

    #[test]
    fn parts_of_a_question_do_not_run_into_each_other() {
        let cursor = List::of("named", &[b"a", b"bc"]).seal(b"");
        assert!(List::of("named", &[b"ab", b"c"]).open(&cursor).is_err());
    }
}
