//! A store of an older format comes up to date.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use entitygraph_schema::{Cursor, Operation, Patch, Transaction};

use super::{super::migrate::Migration, *};
use crate::{
    Feed,
    conformance::build::*,
    migrate::{Migrate, Planned, Watch},
};

/// Makes a store of format 1 of one whose commits have a page each.
const BACK: [&str; 6] = [
    "DROP INDEX operation_idle IF EXISTS",
    "DROP INDEX operation_cursor IF EXISTS",
    "CREATE INDEX operation_cursor IF NOT EXISTS FOR (o:Operation) ON (o.idle)",
    "MATCH (c:Commit) SET c.record = c.records REMOVE c.records, c.first, c.until",
    // Outcomes that changed nothing were counted for ever.
    "MATCH (s:Shard) MATCH (l:Log) SET s.format = 1, s.first = l.first, s.logStart = l.start, s.idle = 5000000 DELETE l",
    "DROP CONSTRAINT log_number",
];

/// Asks to stop at a look.
struct StopsAt(usize, AtomicUsize);

impl Watch for StopsAt {
    fn begins(&self, _: &Planned) {}
    fn written(&self, _: u64) {}
    fn stops(&self) -> bool {
        self.1.fetch_add(1, Ordering::Relaxed) + 1 >= self.0
    }
}

fn stops_at(look: usize) -> Arc<StopsAt> {
    Arc::new(StopsAt(look, AtomicUsize::new(0)))
}

fn named(number: u64) -> Transaction {
    let patch = Patch { name: Some(text(&format!("name {number}"))), ..Patch::default() };
    Transaction::of([Operation::Change(id(1), patch)]).named(text(&format!("rename-{number}")))
}

#[tokio::test]
async fn commits_of_format_1_become_pages_and_an_interrupted_step_goes_on() {
    let lease = server().await;
    let store: Shared = Arc::new(open(&lease).await.unwrap());
    create(&store, [world_root(id(1)), thing(id(2), id(1))]).await;
    for number in 0..7 {
        store.commit(named(number)).await.unwrap();
    }
    store.commit(Transaction::of([]).named(text("idle"))).await.unwrap();
    let before = store.changes(Cursor::ZERO, 100).await.unwrap();
    drop(store);
    for statement in BACK {
        lease.as_ref().unwrap().cypher(statement).await.unwrap();
    }
    assert_eq!(open(&lease).await.err().unwrap().code(), "STORE_OLDER_FORMAT");

    let options = Neo4jOptions::default();
    let migration = Migration::open(address(&lease), &options).await.unwrap();
    let plan = migration.plan().await.unwrap();
    assert_eq!((plan.status.format, plan.steps.len(), plan.steps[0].rows), (1, 1, 8));
    // Before it begins, and in the middle.
    assert_eq!(migration.apply(stops_at(1)).await.unwrap().under_way, None);
    let status = migration.apply(stops_at(2)).await.unwrap();
    assert_eq!((status.format, status.under_way), (1, Some(2)));
    assert_eq!(open(&lease).await.err().unwrap().code(), "STORE_OLDER_FORMAT");
    assert!(migration.apply(stops_at(usize::MAX)).await.unwrap().is_current());
    assert_eq!(migration.verify().await.unwrap(), [""; 0]);

    let opened = Arc::new(open(&lease).await.unwrap());
    opened.shared.trim().await.unwrap();
    let store: Shared = opened;
    assert!(store.commit(Transaction::of([]).named(text("idle"))).await.unwrap().0.replayed);
    assert_eq!(store.changes(Cursor::ZERO, 100).await.unwrap(), before);
    assert!(matches!(before, Feed::Commits(commits) if commits.len() == 8));
    assert!(store.commit(named(3)).await.unwrap().0.replayed);
    assert!(!store.commit(named(9)).await.unwrap().0.replayed);
}

#[tokio::test]
async fn who_runs_while_the_store_is_migrated_writes_no_more() {
    let lease = server().await;
    let store: Shared = Arc::new(open(&lease).await.unwrap());
    create(&store, [world_root(id(1))]).await;
    lease.as_ref().unwrap().cypher("MATCH (s:Shard) SET s.format = 99").await.unwrap();
    let error = store.commit(named(1)).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("STORE_NEWER_FORMAT", false));
}
