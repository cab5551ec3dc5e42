//! Rows, batches of them, and views.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;

suite!(
    a_value_is_read_back,
    a_scan_honours_its_bounds_and_breaks,
    a_scan_crosses_keyspaces_in_order,
    the_last_entry_of_a_key_wins,
    large_values_come_and_go_without_trace,
    views_see_all_or_nothing_of_a_batch,
    a_view_does_not_see_later_batches,
    keys_that_cannot_be_stored_are_refused,
);

fn a_value_is_read_back(store: &Store) {
    let engine = store.open();
    assert_eq!(engine.name(), store.kind.name());
    put(&*engine, &[(b"a", b"one"), (b"b", b""), (b"c", &[0, 1, 0])]);
    assert_eq!(get(&*engine, b"a"), Some(b"one".to_vec()));
    assert_eq!(get(&*engine, b"b"), Some(vec![]));
    assert_eq!(get(&*engine, b"c"), Some(vec![0, 1, 0]));
    assert_eq!(get(&*engine, b"d"), None);
    assert_eq!(get(&*engine, b""), None);
}

fn a_scan_honours_its_bounds_and_breaks(store: &Store) {
    let engine = store.open();
    put(&*engine, &[(b"a", b"1"), (b"b", b"2"), (b"ba", b"3"), (b"c", b"4")]);
    assert_eq!(keys(&*engine, b"a", b"c"), [b"a".to_vec(), b"b".to_vec(), b"ba".to_vec()]);
    assert_eq!(keys(&*engine, b"b", b"b\0"), [b"b".to_vec()]);
    assert_eq!(keys(&*engine, b"", b"\xff\xff").len(), 4);
    assert_eq!(keys(&*engine, b"c", b"a"), Vec::<Vec<u8>>::new());
    assert_eq!(keys(&*engine, b"c", b"c"), Vec::<Vec<u8>>::new());
    let view = engine.view();
    let mut seen = Vec::new();
    let mut two = |key: &[u8], value: &[u8]| {
        seen.push((key.to_vec(), value.to_vec()));
        if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    view.scan_reverse(b"a", b"c", &mut two).unwrap();
    assert_eq!(seen, [(b"ba".to_vec(), b"3".to_vec()), (b"b".to_vec(), b"2".to_vec())]);
}

fn a_scan_crosses_keyspaces_in_order(store: &Store) {
    let engine = store.open();
    let all: [&[u8]; 7] = [b"\0", b"j", b"k", b"kk", b"w", b"x", b"\xfe\xff"];
    put(&*engine, &all.map(|key| (key, key)));
    assert_eq!(keys(&*engine, b"", b"\xff"), all.map(<[u8]>::to_vec));
    let mut reversed = Vec::new();
    let mut collect = |key: &[u8], _: &[u8]| {
        reversed.push(key.to_vec());
        ControlFlow::Continue(())
    };
    engine.view().scan_reverse(b"j", b"x\0", &mut collect).unwrap();
    assert_eq!(reversed, [b"x".to_vec(), b"w".to_vec(), b"kk".to_vec(), b"k".to_vec(), b"j".to_vec()]);
}

fn the_last_entry_of_a_key_wins(store: &Store) {
    let engine = store.open();
    let mut batch = WriteBatch::new();
    batch.put(b"a", b"1");
    batch.delete(b"a");
    batch.put(b"b", b"1");
    batch.put(b"b", b"2");
    batch.delete(b"absent");
    batch.delete(b"c");
    batch.put(b"c", b"3");
    engine.write(batch, Durability::Synced).unwrap();
    assert_eq!(get(&*engine, b"a"), None);
    assert_eq!(get(&*engine, b"b"), Some(b"2".to_vec()));
    assert_eq!(get(&*engine, b"c"), Some(b"3".to_vec()));
}

fn keys_that_cannot_be_stored_are_refused(store: &Store) {
    let engine = store.open();
    for key in [&b""[..], &[b'a'; MAX_KEY_BYTES + 1], b"\xff"] {
        let mut batch = WriteBatch::new();
        batch.put(b"good", b"1");
        batch.put(key, b"1");
        let error = engine.write(batch, Durability::Synced).unwrap_err();
        assert!(matches!(error, EngineError::Key { .. }) && !error.may_have_been_applied(), "{error}");
    }
    assert_eq!(get(&*engine, b"good"), None);
    let longest = [b'a'; MAX_KEY_BYTES];
    put(&*engine, &[(&longest, &noise(1, 10_000))]);
    assert_eq!(get(&*engine, &longest), Some(noise(1, 10_000)));
}

fn large_values_come_and_go_without_trace(store: &Store) {
    let (large, larger) = (noise(1, 300_000), noise(2, 3_072 * 5));
    let engine = store.open();
    put(
        &*engine,
        &[(b"a", &large), (b"b", &larger), (b"b\0", &large), (b"c", &large), (b"d", &noise(3, 3_072))],
    );
    assert_eq!(keys(&*engine, b"", b"\xff").len(), 5);
    assert_eq!(get(&*engine, b"a"), Some(large.clone()));
    drop(engine);

    let engine = store.open();
    assert_eq!(get(&*engine, b"b"), Some(larger.clone()));
    assert_eq!(get(&*engine, b"b\0"), Some(large.clone()));
    put(&*engine, &[(b"a", b"small"), (b"b", &large)]);
    assert_eq!(get(&*engine, b"a"), Some(b"small".to_vec()));
    assert_eq!(get(&*engine, b"b"), Some(large.clone()));
    let mut values = Vec::new();
    let mut collect = |_: &[u8], value: &[u8]| {
        values.push(value.len());
        ControlFlow::Continue(())
    };
    engine.view().scan(b"a", b"d", &mut collect).unwrap();
    assert_eq!(values, [5, 300_000, 300_000, 300_000]);

    let mut batch = WriteBatch::new();
    [&b"a"[..], b"b", b"b\0"].iter().for_each(|key| batch.delete(key));
    batch.put(b"c", &larger);
    batch.put(b"c", &large);
    batch.delete(b"c");
    engine.write(batch, Durability::Synced).unwrap();
    assert_eq!(keys(&*engine, b"", b"\xff"), [b"d".to_vec()]);
    assert_eq!(get(&*engine, b"c"), None);
    drop(engine);
    assert_eq!(reserved_keys(store), 0, "pieces were left behind");
}

/// Number of keys that the engine has for itself.
fn reserved_keys(store: &Store) -> usize {
    let data = store.path.join("data");
    match store.kind {
        EngineKind::Sled => {
            // A process that another test is starting holds copies of all locks until it begins to run.
            let config = ::sled::Config::new().path(data).segment_size(4 << 20);
            let began = std::time::Instant::now();
            let db = loop {
                match config.open() {
                    Ok(db) => break db,
                    Err(error) => assert!(began.elapsed().as_secs() < 30, "{error}"),
                }
            };
            db.range([0xFF]..).count()
        }
        EngineKind::Fjall => {
            let db = ::fjall::Database::builder(data).open().unwrap();
            let last = db.keyspace("78", ::fjall::KeyspaceCreateOptions::default).unwrap();
            last.range([0xFF]..).count()
        }
    }
}

/// A writer sets many keys to one number per batch; readers must never see two numbers in one view.
fn views_see_all_or_nothing_of_a_batch(store: &Store) {
    const KEYS: u8 = 40;
    let engine = store.open();
    let write = |round: u32| {
        let mut batch = WriteBatch::new();
        for key in 0..KEYS {
            batch.put(&[key * 4, 1], &round.to_be_bytes());
        }
        engine.write(batch, Durability::Buffered).unwrap();
    };
    write(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers = [(); 2].map(|()| {
            scope.spawn(|| {
                let (mut views, mut changes, mut last) = (0, 0, 0);
                while !done.load(Ordering::Relaxed) || views < 50 {
                    let mut seen = Vec::new();
                    let view = engine.view();
                    let mut collect = |_: &[u8], value: &[u8]| {
                        seen.push(u32::from_be_bytes(value.try_into().unwrap()));
                        ControlFlow::Continue(())
                    };
                    view.scan(b"\0", b"\xff", &mut collect).unwrap();
                    let first = view.get(&[0, 1]).unwrap().unwrap();
                    drop(view);
                    assert_eq!(seen.len(), usize::from(KEYS));
                    assert!(seen.iter().all(|round| *round == seen[0]), "torn view: {seen:?}");
                    assert_eq!(first[..], seen[0].to_be_bytes());
                    assert!(seen[0] >= last, "time ran backwards");
                    changes += u32::from(seen[0] != last);
                    (views, last) = (views + 1, seen[0]);
                }
                changes
            })
        });
        for round in 1..=600 {
            write(round);
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0, "a reader never saw a change");
        }
    });
}

/// On sled the batch waits for the view, on fjall the view keeps the past; either way it must not show.
fn a_view_does_not_see_later_batches(store: &Store) {
    let engine = store.open();
    put(&*engine, &[(b"a", b"1"), (b"k", b"1")]);
    std::thread::scope(|scope| {
        let view = engine.view();
        assert_eq!(view.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
        let writer = scope.spawn(|| put(&*engine, &[(b"a", b"2"), (b"k", b"2")]));
        if store.kind == EngineKind::Fjall {
            // A writer of fjall does not wait for views.
            while get(&*engine, b"a").as_deref() != Some(b"2") {
                std::thread::yield_now();
            }
        }
        assert_eq!(view.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(view.get(b"k").unwrap().as_deref(), Some(&b"1"[..]));
        drop(view);
        writer.join().unwrap();
    });
    assert_eq!(get(&*engine, b"k"), Some(b"2".to_vec()));
}
