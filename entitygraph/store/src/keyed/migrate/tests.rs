//! Steps on stores in memory, interrupted at every write.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use super::*;
use crate::{
    Store,
    conformance::fixture,
    keyed::{
        KeyedStore,
        engine::{EngineError, View, map::MapEngine},
        keys::Row,
    },
};

/// Takes so many writes, then none: as a process that is killed there.
struct Mortal {
    inner: Arc<MapEngine>,
    left: AtomicU64,
}

impl Engine for Mortal {
    fn name(&self) -> &'static str {
        "map"
    }
    fn view(&self) -> Box<dyn View + '_> {
        self.inner.view()
    }
    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), EngineError> {
        let lives = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match lives {
            Ok(_) => self.inner.write(batch, durability),
            Err(_) => Err(EngineError::Io {
                path: "map".into(),
                operation: "writing",
                source: std::io::Error::other("killed"),
            }),
        }
    }
    fn sync(&self) -> Result<(), EngineError> {
        Ok(())
    }
    fn compact(&self) -> Result<(), EngineError> {
        Ok(())
    }
    fn disk_bytes(&self) -> u64 {
        0
    }
    fn room(&self) -> Result<(), EngineError> {
        Ok(())
    }
    fn caveat(&self) -> Option<&'static str> {
        None
    }
}

/// Counts rows, and stops after so many calls.
struct Counted {
    rows: AtomicU64,
    stops_after: AtomicU64,
}

impl Counted {
    fn to_the_end() -> Arc<Self> {
        Self::stopping_after(u64::MAX)
    }
    fn stopping_after(calls: u64) -> Arc<Self> {
        Arc::new(Self { rows: AtomicU64::new(0), stops_after: AtomicU64::new(calls) })
    }
}

impl Watch for Counted {
    fn begins(&self, _: &Planned) {}
    fn written(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::SeqCst);
    }
    fn stops(&self) -> bool {
        let left =
            self.stops_after.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.is_err()
    }
}

fn migration(engine: Arc<dyn Engine>) -> Migration {
    Migration { engine, place: Place { location: "map:".to_owned() }, batch_rows: 7 }
}

fn rows(engine: &MapEngine) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut rows = BTreeMap::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        rows.insert(key.to_vec(), value.to_vec());
        std::ops::ControlFlow::Continue(())
    };
    engine.view().scan(&[0], &[u8::MAX], &mut visit).unwrap();
    rows
}

fn of(rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Arc<MapEngine> {
    let engine = Arc::<MapEngine>::default();
    let mut batch = WriteBatch::new();
    rows.iter().for_each(|(key, value)| batch.put(key, value));
    engine.write(batch, Durability::Synced).unwrap();
    engine
}

/// The fixture's world, as a program of this format wrote it and as one of format 1 did.
async fn world() -> (BTreeMap<Vec<u8>, Vec<u8>>, BTreeMap<Vec<u8>, Vec<u8>>) {
    let engine = Arc::<MapEngine>::default();
    let store: Arc<dyn Store> =
        Arc::new(KeyedStore::over(engine.clone(), "map:".to_owned(), KeyedOptions::default()).unwrap());
    fixture::write(&store).await;
    drop(store);
    let now = rows(&engine);
    let mut before = now.clone();
    for (key, value) in &mut before {
        match key[0] {
            row if row == Row::Host as u8 => drop(value.drain(64..72)),
            row if row == Row::Reach as u8 => value.truncate(8),
            _ => {}
        }
    }
    before.insert(keys::format(), 1_u32.to_be_bytes().to_vec());
    (before, now)
}

#[tokio::test]
async fn a_step_that_is_killed_at_any_write_comes_to_the_same_rows() {
    let (before, _) = world().await;
    let whole = of(&before);
    migration(whole.clone()).apply(Counted::to_the_end()).await.unwrap();
    let whole = rows(&whole);
    let mut interrupted = 0;
    for writes in 0.. {
        let engine = of(&before);
        let mortal = Mortal { inner: engine.clone(), left: writes.into() };
        let killed = migration(Arc::new(mortal)).apply(Counted::to_the_end()).await;
        let status = migration(engine.clone()).status().await.unwrap();
        if killed.is_ok() {
            assert!(writes > 5 && status.is_current(), "{writes} writes");
            break;
        }
        assert_eq!((status.format, status.known), (1, 2));
        if status.under_way.is_some() {
            interrupted += 1;
            // Neither this program nor an older one takes it for a store.
            let error = KeyedStore::over(engine.clone(), "map:".to_owned(), KeyedOptions::default());
            assert_eq!(error.err().unwrap().code(), "STORE_OLDER_FORMAT");
            assert_eq!(rows(&engine)[&keys::format()], 2_u32.to_be_bytes());
        } else {
            assert_eq!(rows(&engine), before, "nothing was begun");
        }
        let plan = migration(engine.clone()).plan().await.unwrap();
        let watch = Counted::to_the_end();
        let status = migration(engine.clone()).apply(watch.clone()).await.unwrap();
        assert!(status.is_current());
        assert_eq!(plan.steps[0].rows, watch.rows.load(Ordering::SeqCst), "after {writes} writes");
        assert_eq!(rows(&engine), whole, "killed after {writes} writes");
    }
    assert!(interrupted > 5, "{interrupted}");
}

#[tokio::test]
async fn a_step_that_is_told_to_stop_goes_on_where_it_was() {
    let (before, _) = world().await;
    let engine = of(&before);
    let mut rows_written = 0;
    for calls in 0.. {
        // Each time one call more, so that each gets some way.
        let watch = Counted::stopping_after(calls);
        let status = migration(engine.clone()).apply(watch.clone()).await.unwrap();
        rows_written += watch.rows.load(Ordering::SeqCst);
        if status.is_current() {
            assert!(calls > 2);
            break;
        }
    }
    let differing = rows(&engine).iter().filter(|(key, value)| before.get(*key) != Some(*value)).count();
    // All but the format itself.
    assert_eq!(rows_written, differing as u64 - 1, "each row was written once");
    assert_eq!(migration(engine).verify().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_an_upgraded_zone_knows_is_enough_and_as_little_as_can_be() {
    let (before, now) = world().await;
    let engine = of(&before);
    migration(engine.clone()).apply(Counted::to_the_end()).await.unwrap();
    assert_eq!(migration(engine.clone()).verify().await.unwrap(), [""; 0]);
    let upgraded = rows(&engine);
    assert_eq!(upgraded.keys().collect::<Vec<_>>(), now.keys().collect::<Vec<_>>());
    let mut tighter = 0;
    for (key, value) in upgraded.iter().filter(|(key, _)| key[0] == Row::Reach as u8) {
        let largest = |value: &[u8]| f64::from_be_bytes(value[8..].try_into().unwrap());
        assert_eq!(value[..8], now[key][..8]);
        assert!(largest(value) <= largest(&now[key]), "{key:02x?}");
        tighter += u32::from(largest(value) < largest(&now[key]));
    }
    // Something large died in this world: what was written along with it still remembers.
    assert!(tighter > 0);
}

#[tokio::test]
async fn verify_sees_a_zone_that_knows_too_little() {
    let (_, mut now) = world().await;
    let key = keys::reach(entitygraph_schema::EntityId::new(11).unwrap());
    now.get_mut(&key).unwrap()[8..].copy_from_slice(&1.0_f64.to_be_bytes());
    let faults = migration(of(&now)).verify().await.unwrap();
    assert!(faults.iter().any(|fault| fault.contains("the reach of zone 11")), "{faults:?}");
}

#[tokio::test]
async fn rows_that_are_of_no_format_stop_a_step_and_are_named() {
    let (mut before, _) = world().await;
    let key = keys::reach(entitygraph_schema::EntityId::new(11).unwrap());
    before.insert(key, vec![0; 9]);
    let error = migration(of(&before)).apply(Counted::to_the_end()).await.unwrap_err();
    assert!(error.code() == "STORE_CORRUPT" && error.to_string().contains("zone 11 has 9 bytes"), "{error}");
}
