//! Group commit.

use super::*;
use crate::{
    conformance::build::{bury_all, jump},
    keyed::engine::Durability,
};

#[tokio::test]
async fn transactions_that_wait_are_written_together() {
    let engine = gate::GatedEngine::over(map());
    let store = Arc::new(over(engine.clone()));
    store.commit(root()).await.unwrap();
    let before = engine.writes().len();
    let outcomes = engine.in_one_batch(&store, (2..50).map(child).collect()).await;
    let cursors: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().0.cursor.number()).collect();
    assert_eq!(cursors, (2..50).collect::<Vec<_>>());
    // The lease that held the gate, and all of them.
    assert_eq!(engine.writes().len() - before, 2);
}

#[tokio::test]
async fn a_refused_transaction_does_not_spoil_the_batch() {
    let engine = gate::GatedEngine::over(map());
    let store = Arc::new(over(engine.clone()));
    store.commit(root()).await.unwrap();
    let outcomes = engine.in_one_batch(&store, vec![child(2), child(2), child(3)]).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert!(matches!(outcomes[1], Err(Error::Refused(Refusal::EntityExists { .. }))));
    assert_eq!(*store.newest().borrow(), Cursor::from_number(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_of_those_that_come_together_writes_for_all() {
    let engine = gate::GatedEngine::over(map());
    let store = over(engine.clone());
    let (writes, by_callers) = (engine.writes().len(), engine.writes_by_callers());
    let together = std::iter::once(root()).chain((2..33).map(child)).map(|new| store.commit(new));
    for outcome in futures_util::future::join_all(together).await {
        outcome.unwrap();
    }
    assert_eq!((engine.writes().len() - writes, engine.writes_by_callers() - by_callers), (1, 1));
    store.commit(child(40)).await.unwrap();
    store.commit(child(41)).await.unwrap();
    assert_eq!((engine.writes().len() - writes, engine.writes_by_callers() - by_callers), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_below_costs_only_those_it_hits() {
    let engine = gate::GatedEngine::over(map());
    let store = Arc::new(over(engine.clone()));
    store.commit(root()).await.unwrap();
    for by_the_thread in [false, true] {
        engine.fail_behind_next(|| panic!("a bug"));
        let number = 2 + u64::from(by_the_thread);
        let outcome = if by_the_thread {
            futures_util::future::join(store.commit(child(number)), store.sync()).await.0
        } else {
            store.commit(child(number)).await
        };
        let error = outcome.unwrap_err();
        assert_eq!(error.outcome(), crate::error::Outcome::Unknown, "{error}");
        assert_eq!(
            error.code(),
            "STORE_FAULT",
            "a server would end itself for a store that stopped: {error}"
        );
        // It was written before the panic, so readers see it; its cursor is published without another request.
        let published = tokio::time::timeout(std::time::Duration::from_secs(30), async {
            store.newest().wait_for(|newest| newest.number() == number).await.map(drop)
        });
        published.await.expect("published in time").unwrap();
        assert!(store.entities(&[id(number)]).await.unwrap().value[0].is_some());
    }
    assert_eq!(store.commit(child(9)).await.unwrap().0.cursor.number(), 4);
    assert!(store.check().await.unwrap().is_empty());
}

#[tokio::test]
async fn only_what_must_be_durable_waits_for_the_disk() {
    let engine = gate::GatedEngine::over(map());
    let store = over(engine.clone());
    let before = engine.writes().len();
    store.accept(root()).await.unwrap();
    store.accept(child(2)).await.unwrap();
    store.commit(child(3)).await.unwrap();
    assert_eq!(engine.writes()[before..], [Durability::Buffered, Durability::Buffered, Durability::Synced]);
}

#[tokio::test]
async fn a_durable_write_that_changes_nothing_makes_what_was_accepted_durable() {
    let engine = gate::GatedEngine::over(map());
    let store = over(engine.clone());
    store.accept(root()).await.unwrap();
    assert_eq!(engine.syncs(), 0);
    let receipt = store.commit(Transaction::default()).await.unwrap();
    assert_eq!((receipt.0.cursor, engine.syncs()), (Cursor::from_number(1), 1));
    store.commit(Transaction::default()).await.unwrap();
    assert_eq!(engine.syncs(), 1, "all was durable already");
}

#[tokio::test]
async fn callers_beyond_the_limit_are_told_to_come_again() {
    let mut options = KeyedOptions::default();
    options.writer.waiting = 3;
    let engine = gate::GatedEngine::over(map());
    let store = Arc::new(with(engine.clone(), options));
    let ask_all = || (0..8).map(|_| gate::ask(&store, root())).collect::<Vec<_>>();
    let asked = engine.held(&store, ask_all).await;
    let mut busy = 0;
    for outcome in asked {
        if let Err(Error::Busy { waiting }) = outcome.await.unwrap() {
            assert!(waiting >= 3);
            busy += 1;
        }
    }
    assert_eq!(busy, 5);
    store.commit(child(2)).await.unwrap();
}

#[tokio::test]
async fn a_transaction_has_a_limit_of_operations() {
    let mut options = KeyedOptions::default();
    options.writer.transaction_operations = 2;
    let store = with(map(), options);
    store.commit(root()).await.unwrap();
    let create = |number| Operation::Create(thing(id(number), id(1)));
    store.commit(Transaction::of([create(2), create(3)])).await.unwrap();
    let error = store.commit(Transaction::of([create(4), create(5), create(6)])).await.unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::TooMany { count: 3, max: 2, .. })), "{error}");
}

#[tokio::test]
async fn a_burial_has_a_limit_of_entities_and_leaves_no_trace_beyond_it() {
    let mut options = KeyedOptions::default();
    options.writer.touched = 3;
    let store = with(map(), options);
    store.commit(root()).await.unwrap();
    for number in 2..6 {
        store.commit(child(number)).await.unwrap();
    }
    let bury = Transaction::of([Operation::Bury { entity: id(1), subtree: true }]);
    let error = store.commit(bury.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::TooMany { .. })), "{error}");
    assert_eq!(store.check().await.unwrap(), [""; 0]);
    store.commit(Transaction::of([Operation::Bury { entity: id(5), subtree: true }])).await.unwrap();
    store.commit(bury).await.unwrap();
    assert_eq!(store.check().await.unwrap(), [""; 0]);
}

/// A root with `number` things below it, or linked to it.
async fn surrounded(store: &KeyedStore, number: u64, link: bool) {
    let operations = (2..2 + number).flat_map(|other| {
        let thing = Operation::Create(thing(id(other), id(1)));
        [Some(thing), link.then(|| jump(id(1), id(other), 1.0))].into_iter().flatten()
    });
    store.commit(Transaction::of(operations.collect::<Vec<_>>())).await.unwrap();
}

#[tokio::test]
async fn a_burial_beyond_the_limit_does_not_read_what_it_refuses() {
    let mut options = KeyedOptions::default();
    options.writer.touched = 3;
    let engine = gate::GatedEngine::over(map());
    let store = with(engine.clone(), options);
    store.commit(root()).await.unwrap();
    surrounded(&store, 1_000, false).await;
    let before = engine.scanned();
    store.commit(Transaction::of([bury_all(id(1))])).await.unwrap_err();
    assert!(engine.scanned() - before < 50, "{} rows were read", engine.scanned() - before);
}

#[tokio::test]
async fn links_count_towards_the_limit_of_a_burial() {
    let mut options = KeyedOptions::default();
    options.writer.touched = 1_000;
    let engine = gate::GatedEngine::over(map());
    let store = with(engine.clone(), options);
    store.commit(root()).await.unwrap();
    surrounded(&store, 900, true).await;
    // 900 things and their 900 links.
    let error = store.commit(Transaction::of([bury_all(id(1))])).await.unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::TooMany { max: 1_000, .. })), "{error}");
    assert_eq!(store.check().await.unwrap(), [""; 0]);
}
