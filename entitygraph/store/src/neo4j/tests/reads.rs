//! Reads of what is large, and of what is damaged.

use entitygraph_schema::query::{Extent, Facet, PageRequest, RecordSort};

use super::*;
use crate::{
    conformance::{build::*, moving},
    neo4j::statement::bytes,
};

#[tokio::test]
async fn a_page_of_large_records_ends_early() {
    let lease = server().await;
    let store: Shared = Arc::new(open(&lease).await.unwrap());
    moving::a_list_of_large_records_is_the_same_in_pages_of_any_size(store.clone()).await;
    let page = store.records(RecordSort::Entity, PageRequest::first(20)).await.unwrap().value;
    assert!((8..=11).contains(&page.rows.len()) && page.more, "{} rows", page.rows.len());
}

#[tokio::test]
async fn a_census_that_does_not_decode_is_told_by_every_read_that_needs_it() {
    const BREAK: Statement = Statement {
        name: "BREAK",
        doing: "breaking a census",
        text: "MATCH (e:Entity {id: 2}) SET e.census = $census",
    };
    let lease = server().await;
    let store: Shared = Arc::new(open(&lease).await.unwrap());
    create(&store, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(2)).of_kind("crate")]).await;
    client(&lease).set(BREAK, BREAK.query().param("census", bytes(vec![0xff; 4]))).await.unwrap();
    let crates = Facet::Kind(text("crate"));
    let answers = [
        ("subtree", store.subtree(id(1), Extent::Depth(2), everything()).await.map(drop)),
        ("find", store.find(Some(id(1)), &[crates], everything()).await.map(drop)),
        ("total", store.total(Some(id(2))).await.map(drop)),
    ];
    for (read, answer) in answers {
        assert_eq!(answer.err().map(|error| error.code()), Some("STORE_CORRUPT"), "{read}");
    }
}
