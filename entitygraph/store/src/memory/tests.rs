//! What only this store promises; the contract itself is tested by the conformance suite.

use entitygraph_schema::{Cursor, EntityId, Operation, OperationId, Precondition, Transaction};

use super::*;
use crate::{Error, conformance::build::world_root};

fn id(number: u64) -> EntityId {
    EntityId::new(number).unwrap()
}

async fn grow(store: &MemoryStore, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let operation_id = OperationId::new(format!("root-{number}")).unwrap();
        let made = Transaction::of([Operation::Create(world_root(id(number)))]).named(operation_id);
        store.commit(made).await.unwrap();
    }
}

#[tokio::test]
async fn commits_beyond_the_retention_are_forgotten_and_readers_are_told_to_resync() {
    let store = MemoryStore::with(MemoryConfig { retained_commits: 3, ..MemoryConfig::default() });
    grow(&store, 1..=5).await;
    let resync = Feed::Resync { oldest: Cursor::from_number(2), newest: Cursor::from_number(5) };
    assert_eq!(store.changes(Cursor::from_number(1), 10).await.unwrap(), resync);
    let Feed::Commits(kept) = store.changes(Cursor::from_number(2), 10).await.unwrap() else {
        panic!("cursor 2 can be resumed from");
    };
    assert_eq!(kept.iter().map(|commit| commit.cursor.number()).collect::<Vec<_>>(), [3, 4, 5]);
}

#[tokio::test]
async fn operation_ids_are_forgotten_with_their_commits_and_not_before() {
    let store = MemoryStore::with(MemoryConfig { retained_commits: 3, ..MemoryConfig::default() });
    grow(&store, 1..=5).await;
    let again = |number: u64| {
        let operation_id = OperationId::new(format!("root-{number}")).unwrap();
        store.commit(Transaction::of([Operation::Create(world_root(id(number)))]).named(operation_id))
    };
    assert!(again(3).await.unwrap().0.replayed);
    assert!(matches!(again(2).await, Err(Error::Refused(Refusal::EntityExists { .. }))));
}

#[tokio::test]
async fn named_transactions_that_change_nothing_do_not_pile_up() {
    let store = MemoryStore::with(MemoryConfig { retained_commits: 3, ..MemoryConfig::default() });
    grow(&store, 1..=1).await;
    for number in 0..10 {
        let nothing = Transaction::default().expecting(Precondition::Exists(id(1)));
        store.commit(nothing.named(OperationId::new(format!("nothing-{number}")).unwrap())).await.unwrap();
    }
    assert_eq!(store.state.read().log.remembered(), 4);
}

#[tokio::test]
async fn ids_end_with_a_refusal_and_without_wrapping_around() {
    let store = MemoryStore::new();
    store.state.write().next_id = u64::MAX - 1;
    assert!(matches!(store.lease_ids(3).await, Err(Error::Refused(Refusal::IdsExhausted))));
    assert_eq!(store.lease_ids(2).await.unwrap(), IdRange { first: id(u64::MAX - 1), count: 2 });
    assert!(matches!(store.lease_ids(1).await, Err(Error::Refused(Refusal::IdsExhausted))));
}
