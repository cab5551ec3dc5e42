//! Stores that programs of each format wrote are upgraded and hold what they held (fixtures/README.md).

// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use entitygraph_schema::{Operation, Transaction, query::Near};
use entitygraph_store::{
    Error, MemoryStore, Store, StoreOptions,
    conformance::{
        build::{Make, id, text, thing},
        compare::compare,
        fixture,
    },
    migrate::{self, Planned, Watch},
};
use glam::DVec3;

/// The newest format: a program that writes another one needs fixtures of it, and this number raised.
const NEWEST: u32 = 2;
const ENGINES: [&str; 2] = ["fjall", "sled"];

#[derive(Default)]
struct Written(AtomicU64);

impl Watch for Written {
    fn begins(&self, _: &Planned) {}
    fn written(&self, rows: u64) {
        self.0.fetch_add(rows, Ordering::SeqCst);
    }
    fn stops(&self) -> bool {
        false
    }
}

/// Unpacks a fixture and returns its URL.
fn unpacked(format: u32, engine: &str, into: &Path) -> String {
    let archive =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/format-{format}-{engine}.tar.gz"));
    let status = Command::new("tar").arg("-C").arg(into).arg("-xzf").arg(&archive).status().unwrap();
    assert!(status.success(), "tar -xzf {}", archive.display());
    format!("{engine}:{}", into.join(engine).display())
}

async fn open(url: &str) -> Arc<dyn Store> {
    entitygraph_store::open(url, StoreOptions::default()).await.unwrap()
}

async fn upgrade(url: &str) -> u64 {
    let store = migrate::open(url, StoreOptions::default()).await.unwrap();
    let written = Arc::new(Written::default());
    assert!(store.apply(written.clone()).await.unwrap().is_current());
    assert_eq!(store.verify().await.unwrap(), [""; 0], "{url}");
    written.0.load(Ordering::SeqCst)
}

async fn reference() -> Arc<dyn Store> {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
    fixture::write(&memory).await;
    memory
}

#[tokio::test]
async fn a_store_of_each_format_is_upgraded_and_answers_everything_as_before() {
    let reference = reference().await;
    for format in 1..=NEWEST {
        for engine in ENGINES {
            let folder = tempfile::tempdir().unwrap();
            let url = unpacked(format, engine, folder.path());
            let rows = upgrade(&url).await;
            assert_eq!(rows == 0, format == NEWEST, "{url}: {rows} rows written");
            compare(&reference, &open(&url).await).await;
            assert_eq!(upgrade(&url).await, 0, "a second time there is nothing to do");
        }
    }
}

/// The rows that format 2 changed: by angular size zones are passed by in which nothing is large enough.
#[tokio::test]
async fn an_upgraded_store_sees_all_that_is_large_enough_from_anywhere() {
    let reference = reference().await;
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let url = unpacked(1, engine, folder.path());
        upgrade(&url).await;
        let store = open(&url).await;
        let mut seen = 0;
        let zones = [1, 2, 10, 11, 20, 22, 27, 200, 220, 272, 5_000, 5_024];
        for zone in zones.map(id) {
            for point in [DVec3::ZERO, DVec3::new(1e6, -2e6, 1e5), DVec3::new(2e10, 3e9, -1e8)] {
                let at =
                    |store: Arc<dyn Store>| async move { store.zones_at(zone, point).await.unwrap().value };
                assert_eq!(
                    at(reference.clone()).await,
                    at(store.clone()).await,
                    "zones at {point} in {zone}"
                );
                for angle in (1..12).map(|power| 10_f64.powi(-power)) {
                    let near = Near {
                        zone,
                        point,
                        radius: None,
                        min_angular_size: Some(angle),
                        layer: Default::default(),
                    };
                    let ask = |store: Arc<dyn Store>| {
                        let near = near.clone();
                        async move {
                            let hits = store.near(&near).await.unwrap().value;
                            let mut found: Vec<_> = hits.iter().map(|hit| hit.entity).collect();
                            found.sort();
                            found
                        }
                    };
                    let (expected, found) = (ask(reference.clone()).await, ask(store.clone()).await);
                    assert_eq!(expected, found, "{near:?}");
                    seen += found.len();
                }
            }
        }
        assert!(seen > 1_000, "{seen}");
    }
}

#[tokio::test]
async fn an_upgraded_store_goes_on_where_the_old_one_was() {
    for format in 1..=NEWEST {
        for engine in ENGINES {
            let folder = tempfile::tempdir().unwrap();
            let url = unpacked(format, engine, folder.path());
            upgrade(&url).await;
            let store = open(&url).await;
            let before = *store.newest().borrow();
            let again = Operation::Create(thing(id(8_000), id(2)).called("once"));
            let receipt = store.commit(Transaction::of([again]).named(text("make-once"))).await.unwrap().0;
            assert!(receipt.replayed, "{url}: an operation of the old store is known");
            let buried = store.commit(Transaction::of([Operation::Create(thing(id(7_001), id(2)))])).await;
            assert_eq!(buried.unwrap_err().code(), "ENTITY_BURIED", "{url}");
            let new = store.commit(Transaction::of([Operation::Create(thing(id(9_000), id(2)))])).await;
            assert_eq!(new.unwrap().0.cursor, before.next(), "{url}");
        }
    }
}

#[tokio::test]
async fn an_old_store_is_not_served_but_offered_the_plan_and_looking_at_it_leaves_it_as_it_is() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let url = unpacked(1, engine, folder.path());
        for _ in 0..2 {
            let error = entitygraph_store::open(&url, StoreOptions::default()).await.err().unwrap();
            assert!(matches!(error, Error::OlderFormat { found: 1, known: NEWEST, .. }), "{error}");
            for command in ["plan", "apply"] {
                let told = format!("entitygraph migrate {command} --store {url}");
                assert!(error.to_string().contains(&told), "{error}");
            }
            let store = migrate::open(&url, StoreOptions::default()).await.unwrap();
            let status = store.status().await.unwrap();
            assert_eq!((status.format, status.known, status.under_way), (1, NEWEST, None));
            let plan = store.plan().await.unwrap();
            assert_eq!(plan.steps.iter().map(|planned| planned.step.number).collect::<Vec<_>>(), [2]);
            assert!(plan.steps[0].rows > 50, "{plan:?}");
            assert_eq!(store.verify().await.unwrap_err().code(), "STORE_OLDER_FORMAT");
        }
    }
}

#[tokio::test]
async fn where_no_store_is_none_is_made() {
    let folder = tempfile::tempdir().unwrap();
    for url in [
        "memory:".to_owned(),
        format!("fjall:{}", folder.path().display()),
        format!("sled:{}/none", folder.path().display()),
    ] {
        let error = migrate::open(&url, StoreOptions::default()).await.err().unwrap();
        assert!(error.code() == "STORE_MISSING" && error.to_string().contains(&url), "{error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
