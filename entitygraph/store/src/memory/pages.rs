//! Pages: every list is made whole, sorted by its key, and cut.

use entitygraph_schema::{
    Refusal,
    query::{Page, PageCursor, PageRequest},
};
use serde::{Deserialize, Serialize};

/// Part of a sort key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Part {
    Int(i64),
    Id(u64),
    Text(String),
}

/// Place of a row in its list.
pub(crate) type Key = Vec<Part>;

/// A page cursor before it is bytes: which list, and the key of the row. Going on means the first key above, so a row that
/// is gone by then does no harm.
#[derive(Serialize, Deserialize)]
struct Place {
    list: String,
    key: Key,
}

impl Place {
    fn encode(&self) -> Result<PageCursor, Refusal> {
        postcard::to_stdvec(self).map(PageCursor).map_err(|_| Refusal::BadPageCursor)
    }

    fn decode(cursor: &PageCursor, list: &str) -> Result<Key, Refusal> {
        let place: Self = postcard::from_bytes(&cursor.0).map_err(|_| Refusal::BadPageCursor)?;
        if place.list == list { Ok(place.key) } else { Err(Refusal::BadPageCursor) }
    }
}

/// The key behind which a page of a list begins; refuses pages of no rows or too many, and cursors of another list.
pub(crate) fn after(list: &str, page: &PageRequest) -> Result<Option<Key>, Refusal> {
    check(page)?;
    page.after.as_ref().map(|cursor| Place::decode(cursor, list)).transpose()
}

/// The cursor that goes on behind a row of a list.
pub(crate) fn cursor(list: &str, key: Key) -> Result<PageCursor, Refusal> {
    Place { list: list.to_owned(), key }.encode()
}

/// Cuts the page out of a whole list; `list` names the list, with everything that was asked for.
pub(crate) fn cut<T>(list: String, mut rows: Vec<(Key, T)>, page: &PageRequest) -> Result<Page<T>, Refusal> {
    let after = after(&list, page)?;
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    rows.retain(|(key, _)| after.as_ref().is_none_or(|after| key > after));
    let more = rows.len() > page.first;
    rows.truncate(page.first);
    let with_cursor = |(key, row)| Ok((row, cursor(&list, key)?));
    Ok(Page::of(rows.into_iter().map(with_cursor).collect::<Result<_, Refusal>>()?, more))
}

fn check(page: &PageRequest) -> Result<(), Refusal> {
    if page.first == 0 {
        return Err(Refusal::Invalid { what: "the page", reason: "ask for at least one row".to_owned() });
    }
    if page.first > PageRequest::MAX_FIRST {
        let (count, max) = (page.first as u64, PageRequest::MAX_FIRST as u64);
        return Err(Refusal::TooMany { what: "rows in one page", count, max });
    }
    Ok(())
}
