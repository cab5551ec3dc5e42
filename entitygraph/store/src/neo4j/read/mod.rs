//! Questions, each answered from one moment.

pub mod counts;
pub mod find;
pub mod links;
pub mod lists;
pub mod places;
pub mod records;
pub mod route;
pub mod subtree;

use entitygraph_schema::{
    Refusal,
    query::{Page, PageRequest},
};

use crate::memory::pages::{self, Key};

/// Makes a page of rows with their keys; they are those behind the page's cursor, at most one more than it wants.
fn page<T>(list: &str, request: &PageRequest, rows: Vec<(Key, T)>) -> std::result::Result<Page<T>, Refusal> {
    page_of(list, request, rows, false)
}

/// The same where `more` says that the rows ended early.
fn page_of<T>(
    list: &str,
    request: &PageRequest,
    mut rows: Vec<(Key, T)>,
    more: bool,
) -> std::result::Result<Page<T>, Refusal> {
    let more = more || rows.len() > request.first;
    rows.truncate(request.first);
    let with_cursor = |(key, row)| Ok((row, pages::cursor(list, key)?));
    Ok(Page::of(rows.into_iter().map(with_cursor).collect::<std::result::Result<_, Refusal>>()?, more))
}

/// One row more than a page wants, which says whether there are more.
fn limit(request: &PageRequest) -> i64 {
    i64::try_from(request.first.min(PageRequest::MAX_FIRST)).unwrap_or(0) + 1
}
