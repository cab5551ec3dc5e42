//! Searches page by page.

use std::collections::BTreeSet;

use entitygraph_schema::{
    ContainerDraft, Operation, Value,
    query::{Near, PageCursor},
};
use entitygraph_store::{
    MemoryStore,
    conformance::build::{
        Make, Shared, apply, at, component, container, create, id, publish_component, text, thing, values_of,
        world_root,
    },
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Config, Metrics};

fn graph(store: &Shared) -> Graph {
    Graph::start(
        store.clone(),
        Config::default(),
        Metrics::register(&prometheus::Registry::new()).unwrap(),
        CancellationToken::new(),
    )
    .0
}

fn store() -> Shared {
    Arc::new(MemoryStore::new())
}

/// Ids of all results and the number of pages, `first` at a time.
async fn all(graph: &Graph, scan_rows: usize, filter: &Filter, first: usize) -> (Vec<EntityId>, usize) {
    let (mut found, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let request = PageRequest { first, after };
        let page = graph.find_within(scan_rows, Some(id(1)), filter, request).await.unwrap();
        pages += 1;
        found.extend(page.rows.into_iter().map(|(entity, _)| entity.id));
        if !page.more {
            return (found, pages);
        }
        after = Some(page.end.expect("a page that is not the last says where to go on"));
    }
}

/// 200 containers that bring a component, an instance of every second one, and four entities with values of their own,
/// two of them instances.
async fn catalogue(store: &Shared) -> Filter {
    let ty = publish_component(store, component("eve.type", &[("group", Value::Int(0))])).await;
    let bringing = |number: usize| ContainerDraft {
        components: values_of(&ty, &[("group", Value::Int(number as i64))]),
        ..container(&format!("type-{number}"), "item")
    };
    apply(store, (0..200).map(|number| Operation::PublishContainer(bringing(number))).collect::<Vec<_>>())
        .await;
    let catalog = store.catalog();
    let of = |number: usize| catalog.container_by_name(&format!("type-{number}")).unwrap().clone();
    let instances = (0..100).map(|number| {
        let new = thing(id(100 + number as u64), id(1)).instance_of(&of(2 * number));
        if number < 2 { new.with(&ty, &[]) } else { new }
    });
    let own = (0..2).map(|number| thing(id(300 + number), id(1)).with(&ty, &[]));
    create(store, [world_root(id(1))].into_iter().chain(instances).chain(own)).await;
    Filter { components: [ty.id].into(), ..Filter::default() }
}

#[tokio::test]
async fn a_component_of_more_containers_than_one_question_takes_is_found_page_by_page() {
    let store = store();
    let filter = catalogue(&store).await;
    let graph = graph(&store);
    let expected: BTreeSet<_> = (100..200).chain(300..302).map(id).collect();
    for first in [1, 7, 64, 102, 1_000] {
        let (found, pages) = all(&graph, SCAN_ROWS, &filter, first).await;
        assert_eq!(found.len(), expected.len(), "each once, in pages of {first}");
        assert_eq!(found.iter().copied().collect::<BTreeSet<_>>(), expected);
        assert_eq!(pages, expected.len().div_ceil(first));
    }
}

#[tokio::test]
async fn containers_published_between_two_pages_lose_no_row() {
    let store = store();
    let filter = catalogue(&store).await;
    let graph = graph(&store);
    let first = graph.find_entities(None, &filter, PageRequest::first(50)).await.unwrap();
    apply(&store, [Operation::PublishContainer(container("type-late", "item"))]).await;
    let rest = PageRequest { first: 1_000, after: first.end.clone() };
    let rest = graph.find_entities(None, &filter, rest).await.unwrap();
    assert_eq!((first.rows.len(), rest.rows.len(), rest.more), (50, 52, false));
}

#[tokio::test]
async fn very_many_names_are_a_question_like_any_other() {
    let store = store();
    catalogue(&store).await;
    let graph = graph(&store);
    let containers = graph.catalog().containers().map(|container| container.id).collect();
    let filter = Filter { containers, kinds: [text("item"), text("thing")].into(), ..Filter::default() };
    assert_eq!(all(&graph, SCAN_ROWS, &filter, 30).await.0.len(), 100);
    let labels = (0..100).map(|number| text(&format!("l{number}"))).collect();
    assert_eq!(all(&graph, SCAN_ROWS, &Filter { labels, ..Filter::default() }, 30).await.0, []);
}

#[tokio::test]
async fn what_has_several_labels_is_found_once() {
    let store = store();
    create(
        &store,
        [world_root(id(1)), thing(id(2), id(1)).labelled(&["a", "b"]), thing(id(3), id(1)).labelled(&["b"])],
    )
    .await;
    let filter = Filter { labels: [text("a"), text("b")].into(), ..Filter::default() };
    assert_eq!(all(&graph(&store), SCAN_ROWS, &filter, 1).await.0, [id(2), id(3)]);
}

#[tokio::test]
async fn a_search_where_little_matches_goes_on_through_empty_pages() {
    let store = store();
    // Both properties have a hundred entities, and one has both.
    let rocks = (0..100).map(|number| thing(id(2 + number), id(1)).of_kind("rock"));
    let lit = (0..100).map(|number| thing(id(200 + number), id(1)).labelled(&["lit"]));
    let both = thing(id(500), id(1)).of_kind("rock").labelled(&["lit"]);
    create(&store, [world_root(id(1))].into_iter().chain(rocks).chain(lit).chain([both])).await;
    let filter = Filter { kinds: [text("rock")].into(), labels: [text("lit")].into(), ..Filter::default() };
    let (found, pages) = all(&graph(&store), 10, &filter, 3).await;
    assert_eq!(found, [id(500)]);
    assert!(pages > 3, "{pages} pages");
}

#[tokio::test]
async fn the_cursor_of_another_search_is_refused() {
    let store = store();
    let filter = catalogue(&store).await;
    let graph = graph(&store);
    let cursor = graph.find_entities(None, &filter, PageRequest::first(5)).await.unwrap().end;
    let kinds = Filter { kinds: [text("item")].into(), ..Filter::default() };
    let garbage =
        [vec![], vec![9], vec![3, 2, 4, 0, 0, 0, 0], vec![0, 1, 200, 1]].map(|bytes| Some(PageCursor(bytes)));
    for after in [cursor].into_iter().chain(garbage) {
        let refused = graph.find_entities(None, &kinds, PageRequest { first: 5, after }).await.unwrap_err();
        assert_eq!(refused.code(), "BAD_PAGE_CURSOR");
    }
}

#[tokio::test]
async fn a_page_of_near_entities_has_room_for_a_row() {
    let store = store();
    create(&store, [world_root(id(1))]).await;
    let near = Near {
        zone: id(1),
        point: glam::DVec3::ZERO,
        radius: Some(1.0),
        min_angular_size: None,
        layer: Default::default(),
    };
    let refused =
        graph(&store).near_entities(&near, &BTreeSet::new(), PageRequest::first(0)).await.unwrap_err();
    assert_eq!(refused.code(), "INVALID");
}

#[tokio::test]
async fn the_rare_among_what_is_near_is_found_in_few_reads() {
    let store = store();
    let rocks = (0..600).map(|number| {
        let kind = if number == 599 { "beacon" } else { "rock" };
        let pose = at(number as f64, 0.0, 0.0);
        thing(id(2 + number), id(1)).of_kind(kind).at(pose)
    });
    create(&store, [world_root(id(1))].into_iter().chain(rocks)).await;
    let graph = graph(&store);
    let near = Near {
        zone: id(1),
        point: glam::DVec3::ZERO,
        radius: Some(1e3),
        min_angular_size: None,
        layer: Default::default(),
    };
    let reads = || graph.metrics().store_reads.with_label_values(&["entities"]).get();
    let before = reads();
    let page = graph.near_entities(&near, &[text("beacon")].into(), PageRequest::first(1)).await.unwrap();
    assert_eq!(page.rows.len(), 1);
    assert!(reads() - before <= 3, "{} reads", reads() - before);
}
