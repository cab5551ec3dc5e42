//! Writes that fail.

use super::*;
use crate::{error::Outcome, keyed::engine::EngineError};

fn full() -> EngineError {
    EngineError::Full { path: "map".into(), free_mib: 1, reserve_mib: 2 }
}

fn io() -> EngineError {
    let source = std::io::Error::other("the disk went away");
    EngineError::Io { path: "map".into(), operation: "writing", source }
}

#[tokio::test]
async fn a_full_disk_refuses_the_batch_and_later_writes_go_on() {
    let engine = gate::GatedEngine::over(map());
    let store = Arc::new(over(engine.clone()));
    store.commit(root()).await.unwrap();
    engine.fail_after_next(full);
    for outcome in engine.in_one_batch(&store, vec![child(2), child(3), child(2)]).await {
        let error = outcome.unwrap_err();
        assert_eq!((error.code(), error.outcome()), ("STORE_FULL", Outcome::NotApplied), "{error}");
        let text = error.to_string();
        assert!(text.contains("1 MiB are free") && text.contains("store.engine.reserve_bytes"), "{text}");
        // A chain of causes says it once.
        assert!(std::error::Error::source(&error).is_none(), "{error:?}");
    }
    assert_eq!(*store.newest().borrow(), Cursor::from_number(1));
    assert_eq!(store.entities(&[id(2), id(3)]).await.unwrap().value, [None, None]);
    let receipt = store.commit(child(2)).await.unwrap();
    assert_eq!(receipt.0.cursor, Cursor::from_number(2));
    assert_eq!(store.check().await.unwrap(), [""; 0]);
}

/// What an engine says whose own code panicked while it wrote.
fn broken() -> EngineError {
    EngineError::Corrupt { path: "map".into(), engine: "map", what: "a panic".into(), source: None }
}

#[tokio::test]
async fn after_a_write_of_unknown_outcome_the_store_goes_by_what_is_stored() {
    let failures: [fn() -> EngineError; 2] = [io, broken];
    for (failure, lost) in failures.into_iter().flat_map(|failure| [(failure, true), (failure, false)]) {
        let engine = gate::GatedEngine::over(map());
        let store = Arc::new(over(engine.clone()));
        store.commit(root()).await.unwrap();
        let named = child(2).named(text("make-2"));
        if lost {
            engine.fail_next(failure);
        } else {
            engine.fail_behind_next(failure);
        }
        let error = store.commit(named.clone()).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
        if error.code() == "STORE_CORRUPT" {
            let text = error.to_string();
            assert!(text.contains("ingest the last export into a new folder"), "{text}");
        }
        // Asking again tells.
        let receipt = store.commit(named).await.unwrap().0;
        assert_eq!((receipt.cursor, receipt.replayed), (Cursor::from_number(2), !lost));
        assert_eq!(*store.newest().borrow(), Cursor::from_number(2));
        assert_eq!(store.check().await.unwrap(), [""; 0]);
    }
}

#[tokio::test]
async fn readers_of_the_feed_learn_of_a_commit_whose_write_seemed_to_fail() {
    let engine = gate::GatedEngine::over(map());
    let store = over(engine.clone());
    engine.fail_behind_next(io);
    store.commit(root()).await.unwrap_err();
    store.commit(child(2)).await.unwrap();
    let Feed::Commits(commits) = store.changes(Cursor::ZERO, 10).await.unwrap() else {
        panic!("all is kept")
    };
    assert_eq!(commits.iter().map(|commit| commit.cursor.number()).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_reader_ahead_of_the_writer_is_not_told_to_take_the_snapshot_that_it_has() {
    let engine = gate::GatedEngine::over(map());
    let store = Arc::new(over(engine.clone()));
    let reader = store.clone();
    let read = async move {
        let seen = reader.entities(&[id(1)]).await.unwrap();
        (seen.cursor, reader.changes(seen.cursor, 10).await.unwrap())
    };
    let (cursor, feed) = engine.held_behind(&store, root(), read).await;
    assert_eq!((cursor, feed), (Cursor::from_number(1), Feed::Commits(Vec::new())));
}

#[tokio::test]
async fn the_cause_of_a_failure_is_in_the_chain() {
    let engine = gate::GatedEngine::over(map());
    let store = over(engine.clone());
    engine.fail_next(io);
    let error = store.commit(root()).await.unwrap_err();
    let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |cause| cause.source());
    let texts: Vec<_> = chain.map(|cause| cause.to_string()).collect();
    assert!(texts[0].contains("map:"), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("the disk went away")), "{texts:?}");
}
