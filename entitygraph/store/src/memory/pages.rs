//! Pages: every list is made whole, sorted by its key, and cut.

use entitygraph_schema::{
    Refusal,
    query::{Page, PageCursor, PageRequest},
};
use serde::{Deserialize, Serialize};

/// Part of a sort key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Part {
    Int(i64),
    Id(u64),
    Text(String),
}

/// Place of a row in its list.
pub(super) type Key = Vec<Part>;

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

/// Cuts the page out of a whole list; `list` names the list, with everything that was asked for.
pub(super) fn cut<T>(list: String, mut rows: Vec<(Key, T)>, page: &PageRequest) -> Result<Page<T>, Refusal> {
    check(page)?;
    let after = page.after.as_ref().map(|cursor| Place::decode(cursor, &list)).transpose()?;
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    rows.retain(|(key, _)| after.as_ref().is_none_or(|after| key > after));
    let more = rows.len() > page.first;
    rows.truncate(page.first);
    let with_cursor = |(key, row)| Ok((row, Place { list: list.clone(), key }.encode()?));
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
