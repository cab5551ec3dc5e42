//! Relay connections: `first` and `after` in, edges with cursors out.

use std::borrow::Cow;

use async_graphql::{Object, SimpleObject, TypeName, connection::CursorType};
use entitygraph_schema::{
    Refusal,
    query::{Page, PageCursor, PageRequest},
};

use super::{
    context::graph,
    scalar::RowCursor,
    straight::rows::{List, Row},
};
use crate::api::error::Fault;

/// A page of rows.
pub struct Rows<T> {
    rows: Vec<(T, PageCursor)>,
    begins_later: bool,
    more: bool,
    end: Option<PageCursor>,
}

/// Where a page stands in its list.
#[derive(SimpleObject)]
pub struct PageInfo {
    /// Whether there are rows before it.
    has_previous_page: bool,
    /// Whether there are rows after it.
    has_next_page: bool,
    /// Cursor of its first row.
    start_cursor: Option<String>,
    /// Where the next page goes on, asked for with it as `after`: the cursor of its last row, or one farther on when rows
    /// were left out. So a page without rows can have one.
    end_cursor: Option<String>,
}

/// A row with its cursor.
pub struct Edge<'a, T> {
    row: &'a T,
    cursor: &'a PageCursor,
}

impl<T: Row> TypeName for Rows<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

impl<T: Row> TypeName for Edge<'_, T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

fn text(cursor: &PageCursor) -> String {
    RowCursor(cursor.clone()).encode_cursor()
}

impl<T> Rows<T> {
    fn info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.begins_later,
            has_next_page: self.more,
            start_cursor: self.rows.first().map(|(_, cursor)| text(cursor)),
            end_cursor: self.end.as_ref().map(text),
        }
    }
}

/// A page of a list.
#[Object(name_type)]
impl<T: Row> Rows<T> {
    /// Where the page stands in its list.
    async fn page_info(&self) -> PageInfo {
        self.info()
    }

    /// Its rows, each with a cursor.
    async fn edges(&self) -> Vec<Edge<'_, T>> {
        self.rows.iter().map(|(row, cursor)| Edge { row, cursor }).collect()
    }

    /// Its rows.
    async fn nodes(&self) -> List<'_, T> {
        List(self.rows.iter().map(|(row, _)| row).collect())
    }
}

/// A row with its cursor.
#[Object(name_type)]
impl<T: Row> Edge<'_, T> {
    /// The row.
    async fn node(&self) -> &T {
        self.row
    }

    /// Where the row stands in its list.
    async fn cursor(&self) -> String {
        text(self.cursor)
    }
}

/// Rows of a page when `first` is not given.
pub(super) const FIRST: i32 = 20;

/// The page that is asked for.
pub(super) fn request(
    ctx: &async_graphql::Context<'_>,
    first: Option<i32>,
    after: Option<String>,
) -> Result<PageRequest, Fault> {
    let max = graph(ctx).config().limits.page_rows;
    let first = first.unwrap_or(FIRST.min(i32::try_from(max).unwrap_or(i32::MAX)));
    let rows = usize::try_from(first).ok().filter(|rows| *rows > 0).ok_or_else(|| Refusal::Invalid {
        what: "`first`",
        reason: format!("it is {first}, ask for 1 to {max} rows"),
    })?;
    if rows > max {
        return Err(Refusal::TooMany { what: "rows in one page", count: rows as u64, max: max as u64 }.into());
    }
    let after = after.map(|text| RowCursor::decode_cursor(&text)).transpose()?.map(|cursor| cursor.0);
    Ok(PageRequest { first: rows, after })
}

/// The connection of a page.
pub(super) fn rows<T, N: Row>(request: &PageRequest, page: Page<T>, mut node: impl FnMut(T) -> N) -> Rows<N> {
    let Page { rows, more, end } = page.filter_map(|row| Some(node(row)));
    Rows { rows, begins_later: request.after.is_some(), more, end }
}

/// Complexity of a page: its size times what is asked of each row. Bounded, so that sums cannot overflow.
pub(super) fn cost(first: Option<i32>, per_row: usize) -> usize {
    let rows = first.unwrap_or(FIRST).max(1) as usize;
    rows.saturating_mul(per_row).saturating_add(1).min(u32::MAX as usize)
}

/// Complexity of a whole tree or another list whose size is not known before: as if it were a large page.
pub(super) fn tree_cost(per_row: usize) -> usize {
    cost(Some(500), per_row)
}

/// Complexity of a read of the store that is made for one field alone, beside what it answers.
pub(super) const READ_COST: usize = 50;
/// Rows as which a way up or inwards counts, whose length is not known before: worlds have ten to thirty levels, at most 1,024.
pub(super) const LEVELS: usize = 64;
/// Complexity of going inwards through nested zones: a small search in each.
pub(super) const ZONES_COST: usize = 200;
/// Complexity of a search that may look through thousands of entities to bring one row: 20,000 at most.
pub(super) const SEARCH_COST: usize = 500;
/// Complexity of a route: it may pass through 100,000 zones.
pub(super) const ROUTE_COST: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::{super::object::entity::Node, *};

    #[test]
    fn a_page_whose_rows_are_all_gone_can_be_continued() {
        let cursor = |byte| PageCursor(vec![byte]);
        let ids = Page::of(vec![(1, cursor(1)), (2, cursor(2))], true);
        let gone = ids.filter_map(|_| None::<Node>);
        let info = rows(&PageRequest::first(2), gone, |node| node).info();
        assert!(info.has_next_page && info.start_cursor.is_none());
        assert_eq!(info.end_cursor, Some(text(&cursor(2))));
    }
}
