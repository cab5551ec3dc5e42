//! How far back the change sequence goes.

use entitygraph_schema::{OperationId, Patch};

use super::*;

fn keeping(commits: u64, bytes: u64) -> KeyedOptions {
    let mut options = KeyedOptions::default();
    (options.retention.commits, options.retention.bytes) = (commits, bytes);
    (options.retention.recent_commits, options.retention.recent_bytes) = (2, 1 << 20);
    options
}

fn rename(number: u64) -> Transaction {
    let patch = Patch { name: Some(text(&format!("name {number}"))), ..Patch::default() };
    Transaction::of([Operation::Change(id(1), patch)]).named(operation(number))
}

fn operation(number: u64) -> OperationId {
    text(&format!("rename-{number}"))
}

/// The writer trims after it has answered: when it answers again, that is done.
async fn settle(store: &KeyedStore) {
    store.sync().await.unwrap();
}

/// Where sequences begin in the tests that are run for more than one.
const BEGINS: [u64; 2] = [0, 1 << 50];

async fn cursors(store: &KeyedStore, after: u64) -> Result<Vec<u64>, Cursor> {
    match store.changes(Cursor::from_number(after), 10_000).await.unwrap() {
        Feed::Commits(commits) => Ok(commits.iter().map(|commit| commit.cursor.number()).collect()),
        Feed::Resync { oldest, .. } => Err(oldest),
    }
}

#[tokio::test]
async fn a_reader_resumes_from_any_cursor_that_is_kept_and_is_told_when_it_is_not() {
    let retentions = [(100, u64::MAX), (u64::MAX, 5_000)];
    for (begin, (commits, bytes)) in BEGINS.into_iter().flat_map(|begin| retentions.map(|keep| (begin, keep)))
    {
        let options = KeyedOptions { begin: Cursor::from_number(begin), ..keeping(commits, bytes) };
        let engine = map();
        let store = with(engine.clone(), options.clone());
        store.commit(root()).await.unwrap();
        for number in 2..=1_000 {
            store.accept(rename(number)).await.unwrap();
        }
        settle(&store).await;
        let oldest = cursors(&store, begin).await.unwrap_err();
        assert!((begin + 501..begin + 950).contains(&oldest.number()), "{oldest}");
        assert_eq!(
            cursors(&store, oldest.number()).await,
            Ok((oldest.number() + 1..=begin + 1_000).collect())
        );
        assert_eq!(cursors(&store, oldest.number() - 1).await, Err(oldest));
        assert_eq!(store.check().await.unwrap(), [""; 0]);
        drop(store);
        let store = with(engine, options);
        assert_eq!(
            cursors(&store, oldest.number()).await,
            Ok((oldest.number() + 1..=begin + 1_000).collect())
        );
        assert_eq!(cursors(&store, oldest.number() - 1).await, Err(oldest));
    }
}

#[tokio::test]
async fn an_operation_id_is_known_as_long_as_its_commit() {
    let store = with(map(), keeping(100, u64::MAX));
    store.commit(root()).await.unwrap();
    for number in 2..=1_000 {
        store.accept(rename(number)).await.unwrap();
    }
    settle(&store).await;
    let receipt = store.commit(rename(990)).await.unwrap().0;
    assert_eq!((receipt.cursor, receipt.replayed), (Cursor::from_number(990), true));
    let receipt = store.commit(rename(3)).await.unwrap().0;
    assert_eq!((receipt.cursor, receipt.replayed), (Cursor::from_number(1_001), false));
}

#[tokio::test]
async fn operations_that_change_nothing_are_forgotten_too() {
    let store = with(map(), keeping(100, u64::MAX));
    store.commit(root()).await.unwrap();
    for number in 0..3_000 {
        store.accept(Transaction::default().named(operation(number))).await.unwrap();
    }
    settle(&store).await;
    assert!(store.accept(Transaction::default().named(operation(2_999))).await.unwrap().0.replayed);
    assert!(!store.accept(Transaction::default().named(operation(1))).await.unwrap().0.replayed);
    assert_eq!(store.check().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn the_newest_commit_is_always_kept() {
    let store = with(map(), keeping(0, 0));
    store.commit(root()).await.unwrap();
    for number in 2..=20 {
        store.commit(rename(number)).await.unwrap();
        assert_eq!(cursors(&store, number - 1).await, Ok(vec![number]));
    }
    assert_eq!(store.check().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn batches_of_any_size_are_trimmed_as_fast_as_they_come() {
    let engine = gate::GatedEngine::over(map());
    let store = Arc::new(with(engine.clone(), keeping(100, u64::MAX)));
    store.commit(root()).await.unwrap();
    for round in 0..4 {
        let first = 2 + round * 1_000;
        for outcome in engine.in_one_batch(&store, (first..first + 1_000).map(rename).collect()).await {
            outcome.unwrap();
        }
    }
    settle(&store).await;
    let oldest = cursors(&store, 0).await.unwrap_err();
    assert!(oldest.number() > 3_900 - 256, "{} commits are kept", 4_001 - oldest.number());
}

#[tokio::test]
async fn large_commits_after_small_ones_are_trimmed_as_fast_as_they_come() {
    let store = with(map(), keeping(u64::MAX, 400_000));
    store.commit(root()).await.unwrap();
    for number in 2..=3_000 {
        store.accept(rename(number)).await.unwrap();
    }
    let wide = |first: u64| {
        Transaction::of(
            (first..first + 500)
                .map(|number| {
                    Operation::Create(entitygraph_schema::NewEntity {
                        name: text(&"n".repeat(190)),
                        ..thing(id(number), id(1))
                    })
                })
                .collect::<Vec<_>>(),
        )
    };
    for round in 0..20 {
        store.accept(wide(10 + round * 500)).await.unwrap();
    }
    settle(&store).await;
    let oldest = cursors(&store, 0).await.unwrap_err().number();
    // Each of them takes a quarter of what is kept.
    assert!(oldest > 3_000 + 10, "it keeps from {oldest} on");
}
