//! How far back the change sequence goes, for one instance and for one that did not follow.

use std::time::Duration;

use entitygraph_schema::{Cursor, Operation, OperationId, Patch, Transaction, Value};

use super::*;
use crate::{
    Feed,
    conformance::{build::*, compare::compare_worlds},
};

/// Few commits, and fewer of them in memory.
fn keeping(commits: u64, bytes: u64) -> Neo4jOptions {
    let mut options = Neo4jOptions::default();
    (options.retention.commits, options.retention.bytes) = (commits, bytes);
    options.retention.recent_commits = 2;
    options
}

async fn instance(lease: &Lease, options: Neo4jOptions) -> Arc<Neo4jStore> {
    Arc::new(Neo4jStore::open(address(lease), options).await.unwrap())
}

fn named(number: u64) -> Transaction {
    let patch = Patch { name: Some(text(&format!("name {number}"))), ..Patch::default() };
    Transaction::of([Operation::Change(id(1), patch)]).named(operation(number))
}

fn operation(number: u64) -> OperationId {
    text(&format!("rename-{number}"))
}

async fn cursors(store: &Shared, after: u64) -> Result<Vec<u64>, Cursor> {
    match store.changes(Cursor::from_number(after), 10_000).await.unwrap() {
        Feed::Commits(commits) => Ok(commits.iter().map(|commit| commit.cursor.number()).collect()),
        Feed::Resync { oldest, .. } => Err(oldest),
    }
}

/// The oldest cursor that can be resumed from, when all is trimmed that is to be.
async fn trimmed(store: &Neo4jStore) -> u64 {
    store.shared.trim().await.unwrap();
    store.changes(Cursor::ZERO, 1).await.map_or(0, |feed| match feed {
        Feed::Resync { oldest, .. } => oldest.number(),
        Feed::Commits(_) => 0,
    })
}

async fn count(lease: &Lease, label: &str) -> u64 {
    let found = lease.as_ref().unwrap().cypher(&format!("MATCH (n:{label}) RETURN count(n) AS found")).await;
    found.unwrap()[0]["found"].as_u64().unwrap()
}

#[tokio::test]
async fn what_is_beyond_the_retention_goes_and_its_readers_are_told() {
    for (commits, bytes) in [(10, 1 << 40), (1 << 40, 350)] {
        let lease = server().await;
        let trimming = instance(&lease, keeping(commits, bytes)).await;
        let store: Shared = trimming.clone();
        create(&store, [world_root(id(1))]).await;
        for number in 2..=40 {
            store.commit(named(number)).await.unwrap();
        }
        let oldest = trimmed(&trimming).await;
        assert!((25..40).contains(&oldest), "{oldest}");
        assert_eq!(cursors(&store, oldest).await, Ok((oldest + 1..=40).collect()));
        assert_eq!(cursors(&store, oldest - 1).await, Err(Cursor::from_number(oldest)));
        assert_eq!(
            (count(&lease, "Commit").await, count(&lease, "Operation").await),
            (40 - oldest, 40 - oldest)
        );
        // An operation id is known as long as its commit.
        assert!(store.commit(named(40)).await.unwrap().0.replayed);
        assert!(!store.commit(named(2)).await.unwrap().0.replayed);
        // Another instance knows what is kept from the database alone.
        let other: Shared = instance(&lease, keeping(commits, bytes)).await;
        assert_eq!(cursors(&other, 0).await, cursors(&store, 0).await);
        assert_eq!(cursors(&other, 40).await, Ok(vec![41]));
        let migration =
            super::super::migrate::Migration::open(address(&lease), &keeping(commits, bytes)).await;
        assert_eq!(crate::migrate::Migrate::verify(&migration.unwrap()).await.unwrap(), [""; 0]);
    }
}

/// In a quiet world nothing pushes the outcomes out of requests that changed nothing.
#[tokio::test]
async fn outcomes_that_changed_nothing_are_bounded_too() {
    let lease = server().await;
    let trimming = instance(&lease, keeping(10, 1 << 40)).await;
    let store: Shared = trimming.clone();
    let idle = |number: u64| store.commit(Transaction::of([]).named(operation(number)));
    futures_util::future::try_join_all((0..1_100).map(idle)).await.unwrap();
    trimming.shared.trim().await.unwrap();
    assert_eq!(count(&lease, "Operation").await, 1_100 - 1_024);
    // What is left beyond the ten that are kept is less than a step.
    trimming.shared.trim().await.unwrap();
    assert_eq!(count(&lease, "Operation").await, 1_100 - 1_024);
}

/// The second instance learns of commits only when it is asked: it polls once an hour.
#[tokio::test]
async fn an_instance_that_fell_behind_the_retention_begins_again_and_answers_right() {
    let lease = server().await;
    let trimming = instance(&lease, keeping(10, 1 << 40)).await;
    let ahead: Shared = trimming.clone();
    let seldom = Neo4jOptions { poll: Duration::from_secs(3_600), ..keeping(10, 1 << 40) };
    create(&ahead, [world_root(id(1)).called("old"), thing(id(2), id(1))]).await;
    let asks: Shared = instance(&lease, seldom.clone()).await;
    let writes: Shared = instance(&lease, seldom).await;
    // Both know the world as it was, the second in the writer's cache too.
    apply(&writes, [rename(id(2), "two")]).await;
    assert_eq!(get(&asks, id(2)).await.name.as_str(), "two");

    let hull = publish_component(&ahead, component("hull", &[("hp", Value::Int(1))])).await;
    let ship = publish_container(&ahead, container("ship", "ship")).await;
    let comet =
        thing(id(3), id(2)).instance_of(&ship).with(&hull, &[("hp", Value::Int(7))]).labelled(&["new"]);
    create(&ahead, [comet]).await;
    for number in 10..50 {
        ahead.commit(named(number)).await.unwrap();
    }
    let oldest = trimmed(&trimming).await;

    let begun = asks.newest();
    assert!(begun.borrow().number() < oldest, "it has not heard of what is trimmed");
    assert_eq!(get(&asks, id(1)).await.name.as_str(), "name 49");
    assert_eq!(*begun.borrow(), *ahead.newest().borrow());
    assert_eq!(cursors(&asks, 0).await, Err(Cursor::from_number(oldest)));
    assert_eq!(asks.catalog().registry.by_name("hull"), Some(&hull));
    assert_eq!(newest_container(&asks.catalog(), "ship"), ship);
    compare_worlds(&ahead, &asks).await;

    // What the writer has in its cache is of before, and so is its catalog.
    apply(&writes, [rename(id(1), "newest"), reparent(id(3), id(1), entitygraph_schema::NewPose::Ride)])
        .await;
    let another = thing(id(4), id(2)).instance_of(&ship);
    create(&writes, [another]).await;
    assert_eq!(get(&ahead, id(1)).await.name.as_str(), "newest");
    assert_eq!(get(&ahead, id(1)).await.revision, get(&writes, id(1)).await.revision);
    compare_worlds(&ahead, &writes).await;
}
