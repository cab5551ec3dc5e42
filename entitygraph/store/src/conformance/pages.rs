//! Pages: however a list is cut, it is the same list.

use std::sync::Arc;

use entitygraph_schema::{
    Entity, EntityId, Link, Operation, Refusal,
    query::{At, ChildOrder, Extent, Facet, Page, PageCursor, PageRequest},
};

use super::build::*;
use crate::Store;

/// Every list that can be asked for in [`library`], by number.
const LISTS: usize = 16;

/// A row of any list.
#[derive(Debug, Clone, PartialEq)]
enum Row {
    Id(EntityId),
    Entity(Arc<Entity>),
    Link(Link),
}

/// Two shelves, 2 and 3, with books of some kinds, owners and links.
async fn library(store: &Shared) {
    create(
        store,
        [
            world_root(id(1)).called("book store"),
            zone(id(2), id(1), 1e3, at(0.0, 0.0, 0.0)).called("Book shelf"),
        ],
    )
    .await;
    create(store, [zone(id(3), id(1), 1e3, at(5.0, 0.0, 0.0)).called("shelf 2")]).await;
    for number in 10..=19 {
        let parent = if number == 15 { 14 } else { 2 };
        let book = thing(id(number), id(parent)).of_kind("book").owned_by("reader").labelled(&["paper"]);
        let book = book
            .with_ordinal(((number * 7) % 4) as i64)
            .called(["book", "Book B", "BOOK"][number as usize % 3]);
        create(store, [book]).await;
        let other =
            thing(id(number + 10), id(3)).of_kind("book").owned_by("other").labelled(&["paper", "old"]);
        create(store, [other.called("book")]).await;
    }
    for number in 11..=19 {
        apply(store, [jump(id(10), id(number), 1.0), jump(id(20), id(number), 1.0)]).await;
    }
}

fn page_of<T>(page: Page<T>, row: impl Fn(T) -> Row) -> Page<Row> {
    page.filter_map(|one| Some(row(one)))
}

async fn list(store: &dyn Store, number: usize, page: PageRequest) -> crate::Result<Page<Row>> {
    let found = |any_of: &[Facet], below: Option<u64>| {
        let (any_of, page) = (any_of.to_vec(), page.clone());
        async move { Ok(page_of(store.find(below.map(id), &any_of, page).await?.value, Row::Id)) }
    };
    let (book, paper) = (Facet::Kind(text("book")), Facet::Label(text("paper")));
    match number {
        0 => Ok(page_of(store.children(Some(id(2)), ChildOrder::Ordinal, page).await?.value, Row::Id)),
        1 => Ok(page_of(store.children(Some(id(2)), ChildOrder::Name, page).await?.value, Row::Id)),
        2 => Ok(page_of(store.children(Some(id(3)), ChildOrder::Ordinal, page).await?.value, Row::Id)),
        3 => Ok(page_of(store.subtree(id(2), Extent::All, page).await?.value, Row::Entity)),
        4 => Ok(page_of(store.subtree(id(2), Extent::Depth(1), page).await?.value, Row::Entity)),
        5 => Ok(page_of(store.subtree(id(1), Extent::All, page).await?.value, Row::Entity)),
        6 => found(std::slice::from_ref(&book), Some(1)).await,
        7 => found(std::slice::from_ref(&book), Some(2)).await,
        8 => found(std::slice::from_ref(&paper), Some(1)).await,
        9 => found(&[book, paper], Some(1)).await,
        10 => Ok(page_of(store.owned(&text("reader"), page).await?.value, Row::Id)),
        11 => Ok(page_of(store.owned(&text("other"), page).await?.value, Row::Id)),
        12 => Ok(page_of(store.named("book", page).await?.value, Row::Id)),
        13 => Ok(page_of(store.named("boo", page).await?.value, Row::Id)),
        14 => Ok(page_of(store.links(id(10), page).await?.value, Row::Link)),
        _ => Ok(page_of(store.zone_links(id(2), page).await?.value, Row::Link)),
    }
}

async fn all(store: &Shared, number: usize, first: usize) -> Vec<(Row, PageCursor)> {
    let cursor = *store.newest().borrow();
    walk(first, |page| async move { Ok(At { cursor, value: list(&**store, number, page).await? }) }).await
}

pub async fn a_list_is_the_same_in_pages_of_any_size(store: Shared) {
    library(&store).await;
    for number in 0..LISTS {
        let whole = all(&store, number, PageRequest::MAX_FIRST).await;
        assert!(whole.len() >= 9, "list {number} is too short to tell");
        for (index, (row, _)) in whole.iter().enumerate() {
            assert!(
                whole[..index].iter().all(|(other, _)| other != row),
                "{row:?} is twice in list {number}"
            );
        }
        for first in [1, 2, 3, 7, whole.len() - 1, whole.len(), whole.len() + 1] {
            let rows: Vec<_> = all(&store, number, first).await.into_iter().map(|(row, _)| row).collect();
            let expected: Vec<_> = whole.iter().map(|(row, _)| row.clone()).collect();
            assert_eq!(rows, expected, "list {number} in pages of {first}");
        }
    }
}

pub async fn a_list_goes_on_after_any_of_its_rows(store: Shared) {
    library(&store).await;
    for number in 0..LISTS {
        let whole = all(&store, number, PageRequest::MAX_FIRST).await;
        for (index, (_, cursor)) in whole.iter().enumerate() {
            let page = list(&*store, number, after(2, cursor)).await.unwrap();
            let rest: Vec<_> = whole[index + 1..].iter().take(2).cloned().collect();
            assert_eq!(page.rows, rest, "list {number} after row {index}");
            assert_eq!(page.more, whole.len() > index + 3);
            assert_eq!(page.end, page.rows.last().map(|(_, cursor)| cursor.clone()));
        }
    }
}

pub async fn the_cursor_of_another_list_is_refused(store: Shared) {
    library(&store).await;
    let mut cursors = Vec::new();
    for number in 0..LISTS {
        cursors.push(all(&store, number, PageRequest::MAX_FIRST).await[4].1.clone());
    }
    for number in 0..LISTS {
        for (other, cursor) in cursors.iter().enumerate().filter(|(other, _)| *other != number) {
            let refusal = denied(list(&*store, number, after(5, cursor)).await);
            assert_eq!(refusal, Refusal::BadPageCursor, "list {number} took the cursor of list {other}");
        }
    }
}

pub async fn bytes_that_are_no_cursor_are_refused(store: Shared) {
    library(&store).await;
    for number in 0..LISTS {
        let good = all(&store, number, PageRequest::MAX_FIRST).await[4].1.0.clone();
        let broken = [Vec::new(), vec![0], vec![255; 300], good[..good.len() - 1].to_vec(), b"MTIz".to_vec()];
        for bytes in broken {
            let refusal = denied(list(&*store, number, after(5, &PageCursor(bytes.clone()))).await);
            assert_eq!(refusal, Refusal::BadPageCursor, "list {number}: {bytes:?}");
        }
    }
}

pub async fn a_page_has_from_one_to_ten_thousand_rows(store: Shared) {
    library(&store).await;
    for number in 0..LISTS {
        let none = denied(list(&*store, number, PageRequest::first(0)).await);
        assert!(matches!(none, Refusal::Invalid { .. }), "list {number}: {none:?}");
        let many = denied(list(&*store, number, PageRequest::first(PageRequest::MAX_FIRST + 1)).await);
        assert!(matches!(many, Refusal::TooMany { max: 10_000, .. }), "list {number}: {many:?}");
    }
}

pub async fn a_list_goes_on_when_the_row_of_its_cursor_is_gone(store: Shared) {
    library(&store).await;
    // Lists of single entities in an order of their own; a place in a subtree is only sure while the subtree stays.
    for number in [0, 1, 6, 7, 9, 10, 12] {
        let whole = all(&store, number, PageRequest::MAX_FIRST).await;
        let leaf =
            |row: &Row| matches!(row, Row::Id(book) if (10..20).contains(&book.get()) && book.get() != 14);
        let index = whole.iter().position(|(row, _)| leaf(row)).unwrap();
        let (Row::Id(gone), cursor) = &whole[index] else { panic!("list {number} is of ids") };
        let rest: Vec<_> = whole[index + 1..].to_vec();
        apply(&store, [bury(*gone)]).await;
        let page = list(&*store, number, after(PageRequest::MAX_FIRST, cursor)).await.unwrap();
        assert_eq!(page.rows, rest, "list {number} after the burial of {gone}");
    }
}

pub async fn rows_that_come_in_between_are_neither_lost_nor_twice(store: Shared) {
    library(&store).await;
    for number in 0..LISTS {
        let whole = all(&store, number, PageRequest::MAX_FIRST).await;
        let (_, cursor) = &whole[5];
        // Elsewhere: nothing of what follows moves.
        let elsewhere = id(5_000 + number as u64);
        create(&store, [thing(elsewhere, id(1)).with_ordinal(-1).called("aaa")]).await;
        let page = list(&*store, number, after(PageRequest::MAX_FIRST, cursor)).await.unwrap();
        assert_eq!(page.rows, whole[6..].to_vec(), "list {number}");
        apply(&store, [Operation::Bury { entity: elsewhere, subtree: true }]).await;
    }
}
