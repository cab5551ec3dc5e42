//! What a store is after it was closed and opened again.

use std::fs;

use super::*;
use crate::{
    conformance::{random::Generator, snapshot::Snapshot as Copy},
    keyed::engine::{Durability, WriteBatch},
};

fn open(kind: EngineKind, path: &Path) -> KeyedStore {
    KeyedStore::open(kind, path, KeyedOptions::default()).unwrap()
}

#[tokio::test]
async fn everything_is_there_again() {
    for kind in EngineKind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let mut generator = Generator::new(7);
        let mut before: Option<Copy> = None;
        for _ in 0..3 {
            let store: Arc<dyn Store> = Arc::new(open(kind, folder.path()));
            let world = Copy::take(&store).await;
            assert!(before.is_none_or(|before| before == world), "{kind}");
            for _ in 0..60 {
                let transaction = generator.next(&Copy::take(&store).await);
                let _ = store.accept(transaction).await;
            }
            before = Some(Copy::take(&store).await);
        }
        let store = open(kind, folder.path());
        assert_eq!(store.check().await.unwrap(), [""; 0], "{kind}");
    }
}

#[tokio::test]
async fn operations_leases_and_changes_go_on_where_they_were() {
    for kind in EngineKind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let named = root().named(text("make-root"));
        let idle = Transaction::default().named(text("nothing"));
        let first = {
            let store = open(kind, folder.path());
            store.commit(named.clone()).await.unwrap();
            store.commit(idle.clone()).await.unwrap();
            store.commit(child(2)).await.unwrap();
            store.lease_ids(10).await.unwrap()
        };
        let store = open(kind, folder.path());
        for transaction in [named.clone(), idle] {
            let receipt = store.commit(transaction).await.unwrap().0;
            assert_eq!((receipt.cursor, receipt.replayed), (Cursor::from_number(1), true));
        }
        let error = store.commit(child(9).named(text("make-root"))).await.unwrap_err();
        assert!(matches!(error, Error::Refused(Refusal::OperationReused { .. })), "{error}");
        let second = store.lease_ids(1).await.unwrap();
        assert!(second.first.get() >= first.first.get() + 10);
        let Feed::Commits(commits) = store.changes(Cursor::ZERO, 10).await.unwrap() else {
            panic!("all is kept")
        };
        assert_eq!(commits.iter().map(|commit| commit.cursor.number()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(commits[0].operation_id, Some(text("make-root")));
    }
}

#[tokio::test]
async fn buried_ids_stay_buried() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(EngineKind::Fjall, folder.path());
        store.commit(root()).await.unwrap();
        store.commit(child(2)).await.unwrap();
        store.commit(Transaction::of([Operation::Bury { entity: id(2), subtree: false }])).await.unwrap();
    }
    let store = open(EngineKind::Fjall, folder.path());
    let error = store.commit(child(2)).await.unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::EntityBuried { .. })), "{error}");
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_left_alone() {
    let error = opening_format(3);
    assert!(matches!(error, Error::NewerFormat { found: 3, known: 2, .. }), "{error}");
}

#[tokio::test]
async fn a_store_of_an_older_program_is_left_alone_and_the_way_on_is_told() {
    let error = opening_format(1);
    assert!(matches!(error, Error::OlderFormat { found: 1, known: 2, .. }), "{error}");
    assert!(error.to_string().contains("`entitygraph migrate apply --store map:`"), "{error}");
}

fn opening_format(format: u32) -> Error {
    let engine = map();
    let mut batch = WriteBatch::new();
    batch.put(&keys::format(), &format.to_be_bytes());
    engine.write(batch, Durability::Synced).unwrap();
    KeyedStore::over(engine, "map:".to_owned(), KeyedOptions::default()).err().unwrap()
}

#[tokio::test]
async fn rows_of_somebody_else_are_left_alone() {
    let engine = map();
    let mut batch = WriteBatch::new();
    batch.put(b"their key", b"their value");
    engine.write(batch, Durability::Synced).unwrap();
    let error = KeyedStore::over(engine, "map:".to_owned(), KeyedOptions::default()).err().unwrap();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn folders_in_use_of_another_engine_or_with_foreign_files_are_refused_by_name() {
    let open = |kind, path: &Path| KeyedStore::open(kind, path, KeyedOptions::default()).err().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (store, used) = in_folder(EngineKind::Fjall).await;
    assert_eq!(open(EngineKind::Fjall, used.path()).code(), "STORE_IN_USE");
    drop(store);
    assert_eq!(open(EngineKind::Sled, used.path()).code(), "STORE_FOREIGN");
    fs::write(folder.path().join("holiday.jpg"), "a beach").unwrap();
    let error = open(EngineKind::Fjall, folder.path());
    assert!(error.code() == "STORE_FOREIGN" && error.to_string().contains("holiday.jpg"), "{error}");
}

#[tokio::test]
async fn a_damaged_record_is_named_and_the_rest_can_be_read() {
    let engine = map();
    let store = over(engine.clone());
    store.commit(root()).await.unwrap();
    store.commit(child(2)).await.unwrap();
    let mut batch = WriteBatch::new();
    batch.put(&keys::entity(id(2)), b"\xff\xff");
    engine.write(batch, Durability::Synced).unwrap();
    let error = store.entities(&[id(2)]).await.unwrap_err();
    assert!(error.code() == "STORE_CORRUPT" && error.to_string().contains("entity 2"), "{error}");
    assert!(store.entities(&[id(1)]).await.unwrap().value[0].is_some());
    let faults = store.check().await.unwrap();
    assert!(faults.iter().any(|fault| fault.contains("entity 2")), "{faults:?}");
}

#[tokio::test]
async fn the_check_sees_each_kind_of_row_that_does_not_fit() {
    let rows: [(Vec<u8>, &[u8]); 9] = [
        (keys::child(1, 9, id(2)), &[0]),
        (keys::child_name(1, "other", id(2)), &[]),
        (keys::name("other", id(2)), &[]),
        (keys::owner(&text("player:1"), id(2)), &[]),
        (keys::port(id(1), &text("dock")), &[0, 0, 0, 0, 0, 0, 0, 2]),
        (keys::branch(1, &[4, b'x', 0], id(2)), &[1]),
        (keys::tally(1, &keys::EVERYTHING), &[0, 0, 0, 0, 0, 0, 0, 7]),
        (keys::link(id(1), &text("jump"), id(2)), &[0; 8]),
        (keys::buried(id(2)), &[]),
    ];
    for (key, value) in rows {
        let engine = map();
        let store = over(engine.clone());
        store.commit(root()).await.unwrap();
        store.commit(child(2)).await.unwrap();
        assert_eq!(store.check().await.unwrap(), [""; 0]);
        let mut batch = WriteBatch::new();
        batch.put(&key, value);
        engine.write(batch, Durability::Synced).unwrap();
        assert!(!store.check().await.unwrap().is_empty(), "{key:02x?}");
    }
}
