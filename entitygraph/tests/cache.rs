//! The read cache between callers and a store that can be held up.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;

use entitygraph::{
    Config, Graph, Metrics,
    changes::{Message, Scope, SubscriptionOptions},
};
use entitygraph_schema::{
    EntityId, Operation, Patch, Transaction,
    query::Extent,
    testing::{entity_id, item, name, world},
};
use entitygraph_store::{Error, Outcome, Store};
use futures_util::future::join_all;
use support::GatedStore;
use tokio_util::sync::CancellationToken;

async fn shelf(store: Arc<GatedStore>) -> Graph {
    let made = (2..62).map(|id| Operation::Create(item(id, 1)));
    let made: Vec<_> = std::iter::once(Operation::Create(world(1, 1e6))).chain(made).collect();
    store.commit(Transaction::of(made)).await.unwrap();
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    Graph::start(store, Config::default(), metrics, CancellationToken::new()).0
}

fn renamed(id: u64, text: &str) -> Transaction {
    let patch = Patch { name: Some(name(text)), ..Patch::default() };
    Transaction::of([Operation::Change(entity_id(id), patch)])
}

fn reads(graph: &Graph, question: &str) -> u64 {
    graph.metrics().store_reads.with_label_values(&[question]).get()
}

/// AC 2.9.1
#[tokio::test]
async fn ten_thousand_callers_for_one_cold_subtree_are_one_store_read() {
    let store = GatedStore::closed();
    let graph = shelf(store.clone()).await;
    let callers = (0..10_000).map(|_| {
        let graph = graph.clone();
        tokio::spawn(async move { graph.subtree(entity_id(1), Extent::All).await.unwrap().len() })
    });
    let callers: Vec<_> = callers.collect();
    tokio::task::yield_now().await;
    store.open();
    assert!(join_all(callers).await.into_iter().all(|found| found.unwrap() == 61));
    assert_eq!(reads(&graph, "subtree"), 1);
}

#[tokio::test]
async fn a_read_that_began_before_a_write_is_not_kept_and_not_joined_after_it() {
    let store = GatedStore::closed();
    let graph = shelf(store.clone()).await;
    let early = tokio::spawn({
        let graph = graph.clone();
        async move { graph.subtree(entity_id(1), Extent::All).await.unwrap() }
    });
    tokio::task::yield_now().await;
    graph.commit(renamed(2, "written")).await.unwrap();
    let late = tokio::spawn({
        let graph = graph.clone();
        async move { graph.subtree(entity_id(1), Extent::All).await.unwrap() }
    });
    tokio::task::yield_now().await;
    store.open();
    early.await.unwrap();
    let name_of_two = |subtree: &[Arc<entitygraph_schema::Entity>]| {
        subtree.iter().find(|entity| entity.id == entity_id(2)).map(|entity| entity.name.to_string())
    };
    assert_eq!(name_of_two(&late.await.unwrap()).as_deref(), Some("written"));
    let again = graph.subtree(entity_id(1), Extent::All).await.unwrap();
    assert_eq!(name_of_two(&again).as_deref(), Some("written"));
}

#[tokio::test]
async fn a_stale_entity_read_does_not_enter_the_cache() {
    let store = GatedStore::closed();
    let graph = shelf(store.clone()).await;
    let early = tokio::spawn({
        let graph = graph.clone();
        async move { graph.entity(entity_id(2)).await.unwrap() }
    });
    tokio::task::yield_now().await;
    graph.commit(renamed(2, "written")).await.unwrap();
    store.open();
    early.await.unwrap();
    assert_eq!(graph.entity(entity_id(2)).await.unwrap().unwrap().name.as_str(), "written");
}

#[tokio::test]
async fn a_writer_reads_its_own_writes_from_a_warm_cache() {
    let store = GatedStore::closed();
    store.open();
    let graph = shelf(store).await;
    let root = entity_id(1);
    graph.subtree(root, Extent::All).await.unwrap();
    let before = reads(&graph, "subtree");
    for turn in 0..100 {
        let text = format!("turn {turn}");
        graph.commit(renamed(2 + turn % 60, &text)).await.unwrap();
        let subtree = graph.subtree(root, Extent::All).await.unwrap();
        let found = subtree.iter().find(|entity| entity.id == entity_id(2 + turn % 60)).unwrap();
        assert_eq!(found.name.as_str(), text);
        assert_eq!(graph.entity(found.id).await.unwrap().unwrap().name.as_str(), text);
    }
    assert_eq!(reads(&graph, "subtree"), before, "plain changes are applied to the cached subtree");
}

#[tokio::test]
async fn created_moved_and_buried_entities_change_the_cached_subtree() {
    let store = GatedStore::closed();
    store.open();
    let graph = shelf(store).await;
    let root = entity_id(1);
    let count = async |graph: &Graph| graph.subtree(root, Extent::All).await.unwrap().len();
    assert_eq!(count(&graph).await, 61);
    graph.commit(Transaction::of([Operation::Create(item(100, 2))])).await.unwrap();
    assert_eq!(count(&graph).await, 62);
    let bury = |id: EntityId| Transaction::of([Operation::Bury { entity: id, subtree: true }]);
    graph.commit(bury(entity_id(2))).await.unwrap();
    assert_eq!(count(&graph).await, 60);
    assert!(graph.entity(entity_id(100)).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_a_cached_subtree_never_sees_half_a_transaction() {
    let store = GatedStore::closed();
    store.open();
    let graph = shelf(store).await;
    let rename_all = |turn: u32| {
        let renames = (2..62).flat_map(|id| renamed(id, &format!("turn {turn}")).operations);
        Transaction::of(renames.collect::<Vec<_>>())
    };
    graph.commit(rename_all(0)).await.unwrap();
    graph.subtree(entity_id(1), Extent::All).await.unwrap();
    let writer = graph.clone();
    let writes = tokio::spawn(async move {
        for turn in 1..300 {
            writer.commit(rename_all(turn)).await.unwrap();
        }
    });
    while !writes.is_finished() {
        let subtree = graph.subtree(entity_id(1), Extent::All).await.unwrap();
        let names: std::collections::BTreeSet<_> =
            subtree.iter().skip(1).map(|entity| entity.name.to_string()).collect();
        assert_eq!(names.len(), 1, "one moment has one name: {names:?}");
    }
    writes.await.unwrap();
}

fn marked(id: u64, root: bool) -> Transaction {
    let patch = Patch { root: Some(root), ..Patch::default() };
    Transaction::of([Operation::Change(entity_id(id), patch)])
}

#[tokio::test]
async fn a_nested_root_that_loses_its_mark_joins_the_cached_aggregate_above_it() {
    for nested_is_cached in [true, false] {
        let store = GatedStore::closed();
        store.open();
        let graph = shelf(store).await;
        graph.commit(marked(2, true)).await.unwrap();
        if nested_is_cached {
            graph.entity(entity_id(2)).await.unwrap();
        }
        let count = async || graph.subtree(entity_id(1), Extent::Aggregate).await.unwrap().len();
        assert_eq!(count().await, 60);
        graph.commit(marked(2, false)).await.unwrap();
        assert_eq!(count().await, 61, "nested root cached: {nested_is_cached}");
    }
}

#[tokio::test]
async fn an_aggregate_read_before_a_nested_root_lost_its_mark_does_not_enter_the_cache() {
    let store = GatedStore::closed();
    let graph = shelf(store.clone()).await;
    graph.commit(marked(2, true)).await.unwrap();
    let early = tokio::spawn({
        let graph = graph.clone();
        async move { graph.subtree(entity_id(1), Extent::Aggregate).await.unwrap().len() }
    });
    tokio::task::yield_now().await;
    graph.commit(marked(2, false)).await.unwrap();
    store.open();
    assert_eq!(early.await.unwrap(), 60);
    assert_eq!(graph.subtree(entity_id(1), Extent::Aggregate).await.unwrap().len(), 61);
}

#[tokio::test]
async fn what_a_transaction_changed_is_read_at_once_to_find_who_follows_it() {
    let store = GatedStore::closed();
    store.open();
    let graph = shelf(store.clone()).await;
    let mut follower = graph.subscribe(Scope::Subtree(entity_id(1)), SubscriptionOptions::default());
    assert!(matches!(follower.next().await, Some(Ok(Message::Snapshot { .. }))));
    let before = store.entity_reads();
    let renames: Vec<_> = (2..62).flat_map(|id| renamed(id, "read at once").operations).collect();
    graph.commit(Transaction::of(renames)).await.unwrap();
    assert!(
        matches!(follower.next().await, Some(Ok(Message::Transaction(told))) if told.changes.len() == 60)
    );
    assert_eq!(store.entity_reads() - before, 2, "the items, then the shelf that they stand on");
}

#[tokio::test]
async fn a_change_sequence_that_fails_for_a_while_is_followed_again_by_itself() {
    let store = GatedStore::closed();
    store.open();
    let graph = shelf(store.clone()).await;
    tokio::task::yield_now().await;
    store.faults.lock().extend((0..3).map(|_| Error::Backend {
        operation: "reading",
        location: "memory".into(),
        outcome: Outcome::NotApplied,
        source: "a disk that does not answer".into(),
    }));
    let write = graph.commit(renamed(2, "written"));
    tokio::time::timeout(std::time::Duration::from_secs(60), write).await.expect("it goes on").unwrap();
    assert!(store.faults.lock().is_empty());
    assert_eq!(graph.entity(entity_id(2)).await.unwrap().unwrap().name.as_str(), "written");
}

#[tokio::test]
async fn a_commit_that_cannot_be_decoded_is_passed_over_and_followers_begin_again() {
    let store = GatedStore::closed();
    store.open();
    let graph = shelf(store.clone()).await;
    let mut follower = graph.subscribe(Scope::Entity(entity_id(2)), SubscriptionOptions::default());
    assert!(matches!(follower.next().await, Some(Ok(Message::Snapshot { .. }))));
    let after = *graph.applied().borrow();
    let damaged =
        Error::Corrupt { location: "memory".into(), what: "a commit".into(), outcome: Outcome::NotApplied };
    store.faults.lock().push_back(damaged);
    let write = graph.commit(renamed(2, "written"));
    let write = tokio::time::timeout(std::time::Duration::from_secs(60), write);
    let newest = write.await.expect("it goes on").unwrap().cursor;
    assert_eq!(graph.entity(entity_id(2)).await.unwrap().unwrap().name.as_str(), "written");
    assert_eq!(follower.next().await.unwrap().unwrap(), Message::Lag { after, newest });
    assert!(matches!(follower.next().await, Some(Ok(Message::Snapshot { cursor, .. })) if cursor == newest));
    graph.commit(renamed(2, "again")).await.unwrap();
    assert!(matches!(follower.next().await, Some(Ok(Message::Transaction(_)))));
}
