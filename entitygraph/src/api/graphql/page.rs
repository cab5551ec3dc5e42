//! Relay connections: `first` and `after` in, edges with cursors out.

use async_graphql::{
    OutputType,
    connection::{Connection, CursorType, Edge, EmptyFields},
};
use entitygraph_schema::{
    Refusal,
    query::{Page, PageRequest},
};

use super::{context::graph, scalar::RowCursor};
use crate::api::error::Fault;

/// A page of rows.
pub(super) type Rows<T, F = EmptyFields> = Connection<RowCursor, T, EmptyFields, F>;

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
pub(super) fn rows<T, N: OutputType>(
    request: &PageRequest,
    page: Page<T>,
    mut node: impl FnMut(T) -> N,
) -> Rows<N> {
    let mut rows = Connection::new(request.after.is_some(), page.more);
    rows.edges.extend(page.rows.into_iter().map(|(row, cursor)| Edge::new(RowCursor(cursor), node(row))));
    rows
}

/// Complexity of a page: its size times what is asked of each row. Bounded, so that sums cannot overflow.
pub(super) fn cost(first: Option<i32>, per_row: usize) -> usize {
    let rows = first.unwrap_or(FIRST).max(1) as usize;
    rows.saturating_mul(per_row).saturating_add(1).min(u32::MAX as usize)
}

/// Complexity of a whole tree, whose size is not known before: as if it were a large page.
pub(super) fn tree_cost(per_row: usize) -> usize {
    cost(Some(500), per_row)
}
