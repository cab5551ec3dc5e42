//! One suite over all engines.

use std::{
    fs,
    io::{BufRead as _, Write as _},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::*;

/// Runs each named test for each engine, in a fresh folder.
macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod fjall { $(#[test] fn $name() { super::run(super::EngineKind::Fjall, super::$name); })* }
        mod sled { $(#[test] fn $name() { super::run(super::EngineKind::Sled, super::$name); })* }
    };
}

suite!(
    a_value_is_read_back,
    a_scan_honours_its_bounds_and_breaks,
    a_scan_crosses_keyspaces_in_order,
    the_last_entry_of_a_key_wins,
    large_values_come_and_go_without_trace,
    views_see_all_or_nothing_of_a_batch,
    a_view_does_not_see_later_batches,
    everything_is_there_after_reopening,
    synced_batches_survive_kill_9,
    another_process_is_refused_while_the_store_is_open,
    a_lock_that_is_given_back_soon_is_waited_for,
    foreign_folders_and_other_engines_are_refused,
    keys_that_cannot_be_stored_are_refused,
    a_full_disk_refuses_writes_and_forgets_it_when_there_is_space,
    space_of_deleted_entries_is_used_again,
    a_damaged_store_is_an_error_and_no_panic,
);

fn run(kind: EngineKind, test: fn(&Store)) {
    let dir = tempfile::tempdir().unwrap();
    test(&Store { kind, path: dir.path().join("store"), _dir: dir });
}

/// A place for a store of one engine.
struct Store {
    kind: EngineKind,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Store {
    fn open(&self) -> Arc<dyn Engine> {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Arc<dyn Engine>, EngineError> {
        self.kind.open(&self.path, &options())
    }
}

fn options() -> EngineOptions {
    EngineOptions { cache_bytes: 8 << 20, reserve_bytes: 0, split_at: vec![b'k', b'x'] }
}

fn put(engine: &dyn Engine, pairs: &[(&[u8], &[u8])]) {
    let mut batch = WriteBatch::new();
    for (key, value) in pairs {
        batch.put(key, value);
    }
    engine.write(batch, Durability::Synced).unwrap();
}

fn get(engine: &dyn Engine, key: &[u8]) -> Option<Vec<u8>> {
    engine.view().get(key).unwrap().map(Vec::from)
}

fn keys(engine: &dyn Engine, from: &[u8], to: &[u8]) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut collect = |key: &[u8], _: &[u8]| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    };
    engine.view().scan(from, to, &mut collect).unwrap();
    keys
}

/// Bytes that do not compress, from a seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = vec![0; len];
    for word in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
    bytes
}

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

fn everything_is_there_after_reopening(store: &Store) {
    for round in 0..4u32 {
        let engine = store.open();
        let mut batch = WriteBatch::new();
        for key in 0..500u32 {
            batch.put(
                &[&b"j"[..], &round.to_be_bytes(), &key.to_be_bytes()].concat(),
                &noise(key.into(), 200),
            );
            batch.put(&[&b"k"[..], &round.to_be_bytes(), &key.to_be_bytes()].concat(), b"");
        }
        batch.delete(b"x");
        batch.put(b"x", &round.to_be_bytes());
        engine.write(batch, if round % 2 == 0 { Durability::Synced } else { Durability::Buffered }).unwrap();
        engine.sync().unwrap();
        drop(engine);
        let engine = store.open();
        assert_eq!(keys(&*engine, b"j", b"k").len(), 500 * (round as usize + 1));
        assert_eq!(keys(&*engine, b"k", b"l").len(), 500 * (round as usize + 1));
        assert_eq!(get(&*engine, b"x"), Some(round.to_be_bytes().to_vec()));
        let key = [&b"j"[..], &round.to_be_bytes(), &77u32.to_be_bytes()].concat();
        assert_eq!(get(&*engine, &key), Some(noise(77, 200)));
    }
}

/// The child's half of the tests with two processes; does nothing unless it is told to.
#[test]
fn child_process() {
    let Ok(task) = std::env::var("ENGINE_TEST_CHILD") else { return };
    let (task, kind, path) = {
        let mut words = task.splitn(3, ' ');
        let mut word = || words.next().unwrap().to_owned();
        (word(), word(), word())
    };
    let engine = kind.parse::<EngineKind>().unwrap().open(Path::new(&path), &options()).unwrap();
    match task.as_str() {
        "hold" => {
            println!("child: open");
            std::io::stdin().read_line(&mut String::new()).unwrap();
        }
        "write" => {
            // Tells each number once it is durable, until it is killed.
            for number in 0u64.. {
                let mut batch = WriteBatch::new();
                for part in [b'a', b'k', b'x'] {
                    batch.put(&[&[part][..], &number.to_be_bytes()].concat(), &noise(number, 5_000));
                }
                engine.write(batch, Durability::Synced).unwrap();
                println!("child: {number}");
            }
        }
        other => panic!("unknown task {other}"),
    }
}

/// This test binary, started again.
struct Child {
    process: std::process::Child,
    lines: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl Child {
    fn start(store: &Store, task: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["child_process", "--nocapture"])
            .env("ENGINE_TEST_CHILD", format!("{task} {} {}", store.kind, store.path.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next thing that it says.
    fn says(&mut self) -> String {
        let mut said = self.lines.by_ref().map(Result::unwrap);
        said.find_map(|line| line.split_once("child: ").map(|(_, said)| said.to_owned()))
            .expect("the child ended early")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn synced_batches_survive_kill_9(store: &Store) {
    let mut child = Child::start(store, "write");
    let acknowledged: u64 = (0..60).map(|_| child.says()).last().unwrap().parse().unwrap();
    drop(child);
    let engine = store.open();
    for number in 0..=acknowledged {
        for part in [b'a', b'k', b'x'] {
            let key = [&[part][..], &number.to_be_bytes()].concat();
            assert_eq!(get(&*engine, &key), Some(noise(number, 5_000)), "{number} of {acknowledged}");
        }
    }
    let counts = [b"a", b"k", b"x"].map(|part| keys(&*engine, part, &[part[0] + 1]).len());
    assert!(counts.iter().all(|count| *count == counts[0]), "half a batch: {counts:?}");
}

fn another_process_is_refused_while_the_store_is_open(store: &Store) {
    let mut child = Child::start(store, "hold");
    child.says();
    let error = store.try_open().err().unwrap();
    assert!(matches!(error, EngineError::Busy { .. }), "{error}");
    assert!(error.to_string().contains(&format!("process {}", child.process.id())), "{error}");
    writeln!(child.process.stdin.as_ref().unwrap()).unwrap();
    assert!(child.process.wait().unwrap().success());
    let engine = store.open();
    assert!(matches!(store.try_open(), Err(EngineError::Busy { .. })), "a second engine in one process");
    drop(engine);
    store.open();
}

fn a_lock_that_is_given_back_soon_is_waited_for(store: &Store) {
    drop(store.open());
    let sleds_own = (store.kind == EngineKind::Sled).then_some("data/db");
    for name in ["LOCK"].into_iter().chain(sleds_own) {
        let held = fs::File::open(store.path.join(name)).unwrap();
        held.try_lock().unwrap();
        let holder = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            drop(held);
        });
        if let Err(error) = store.try_open() {
            panic!("{name}: {error}");
        }
        holder.join().unwrap();
    }
}

fn foreign_folders_and_other_engines_are_refused(store: &Store) {
    fs::create_dir(&store.path).unwrap();
    fs::write(store.path.join("thesis.doc"), "years of work").unwrap();
    let error = store.try_open().err().unwrap();
    assert!(matches!(&error, EngineError::Foreign { found, .. } if found == "thesis.doc"), "{error}");
    assert_eq!(fs::read_dir(&store.path).unwrap().count(), 1, "a foreign folder was touched");
    fs::remove_file(store.path.join("thesis.doc")).unwrap();

    drop(store.open());
    let other = EngineKind::ALL.into_iter().find(|kind| *kind != store.kind).unwrap();
    let error = other.open(&store.path, &options()).err().unwrap();
    assert!(matches!(error, EngineError::OtherEngine { .. }), "{error}");
    assert!(error.to_string().contains(&format!("--store {}:", store.kind)), "{error}");
    drop(store.open());

    let file = store.path.join("LOCK");
    let error = store.kind.open(&file, &options()).err().unwrap();
    assert!(matches!(error, EngineError::Io { .. }), "{error}");
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

fn a_full_disk_refuses_writes_and_forgets_it_when_there_is_space(store: &Store) {
    let open =
        |reserve_bytes| store.kind.open(&store.path, &EngineOptions { reserve_bytes, ..options() }).unwrap();
    put(&*open(0), &[(b"a", b"1")]);
    let engine = open(u64::MAX);
    let mut batch = WriteBatch::new();
    batch.put(b"a", b"2");
    let error = engine.write(batch, Durability::Synced).unwrap_err();
    assert!(matches!(error, EngineError::Full { .. }) && !error.may_have_been_applied(), "{error}");
    assert_eq!(get(&*engine, b"a"), Some(b"1".to_vec()));
    engine.sync().unwrap();
    drop(engine);
    let engine = open(0);
    put(&*engine, &[(b"a", b"3")]);
    assert_eq!(get(&*engine, b"a"), Some(b"3".to_vec()));
}

fn space_of_deleted_entries_is_used_again(store: &Store) {
    const ROUNDS: u64 = 20;
    const ROWS: u32 = 20_000;
    let engine = store.open();
    for _ in 0..ROUNDS {
        write_rows(&*engine, ROWS);
        delete_rows(&*engine, ROWS);
    }
    engine.sync().unwrap();
    let (written, left) = (ROUNDS * u64::from(ROWS) * ROW_BYTES as u64, engine.disk_bytes());
    // fjall: journals, tables not yet compacted and those not yet removed, about 250 MB however long it goes on.
    assert!(left < written / 2, "{left} bytes are left of {written} that were written and deleted");
    assert_eq!(keys(&*engine, b"k", b"l").len(), ROWS as usize / 100);
}

/// sled keeps its file as large as it once was; fjall gives the space back.
#[test]
fn fjall_gives_the_space_of_deleted_entries_back() {
    run(EngineKind::Fjall, |store| {
        let engine = store.open();
        write_rows(&*engine, 100_000);
        engine.compact().unwrap();
        let full = engine.disk_bytes();
        delete_rows(&*engine, 100_000);
        engine.compact().unwrap();
        let left = engine.disk_bytes();
        assert!(full > 200_000_000 && left < 90_000_000, "{left} of {full} bytes are left");
        drop(engine);
        let engine = store.open();
        assert_eq!(keys(&*engine, b"k", b"l").len(), 1_000);
        assert!(engine.disk_bytes() < 90_000_000);
    });
}

const ROW_BYTES: usize = 2_000;

fn row_key(row: u32) -> Vec<u8> {
    [&b"k"[..], &row.to_be_bytes()].concat()
}

fn write_rows(engine: &dyn Engine, rows: u32) {
    for from in (0..rows).step_by(500) {
        let mut batch = WriteBatch::new();
        for row in from..from + 500 {
            batch.put(&row_key(row), &noise(row.into(), ROW_BYTES));
        }
        engine.write(batch, Durability::Buffered).unwrap();
    }
}

/// Deletes all but one in a hundred.
fn delete_rows(engine: &dyn Engine, rows: u32) {
    for from in (0..rows).step_by(1_000) {
        let mut batch = WriteBatch::new();
        for hundred in (from..from + 1_000).step_by(100) {
            (hundred..hundred + 99).for_each(|row| batch.delete(&row_key(row)));
        }
        engine.write(batch, Durability::Buffered).unwrap();
    }
}

/// Overwrites the middle of each file in turn with garbage. The store must open and read what it can, or
/// refuse with an error; nothing may panic.
fn a_damaged_store_is_an_error_and_no_panic(store: &Store) {
    let engine = store.open();
    for rows in (0..20_000u32).step_by(1_000) {
        let mut batch = WriteBatch::new();
        for row in rows..rows + 1_000 {
            batch.put(&[&b"k"[..], &row.to_be_bytes()].concat(), &noise(row.into(), 300));
        }
        engine.write(batch, Durability::Synced).unwrap();
    }
    engine.compact().unwrap();
    drop(engine);
    let (mut refused, mut files) = (0, 0);
    for file in files_under(&store.path.join("data")) {
        let intact = fs::read(&file).unwrap();
        let used = intact.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if used == 0 {
            continue;
        }
        files += 1;
        let copy = Store {
            kind: store.kind,
            path: store._dir.path().join("copy"),
            _dir: tempfile::tempdir().unwrap(),
        };
        copy_folder(&store.path, &copy.path);
        let mut damaged = intact;
        let length = (used / 2).clamp(1, 4_096);
        damaged[used / 2..][..length.min(used - used / 2)].fill(0xA5);
        fs::write(copy.path.join(file.strip_prefix(&store.path).unwrap()), damaged).unwrap();
        let result = copy.try_open().and_then(|engine| {
            let mut ignore = |_: &[u8], _: &[u8]| ControlFlow::Continue(());
            engine.view().scan(b"", b"\xff", &mut ignore)
        });
        if let Err(error) = result {
            refused += 1;
            let told = matches!(error, EngineError::Corrupt { .. } | EngineError::Io { .. });
            assert!(told && error.to_string().contains(&*copy.path.to_string_lossy()), "{error}");
        }
        fs::remove_dir_all(&copy.path).unwrap();
    }
    assert!(refused > 0, "no damage in {files} files was noticed");
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_under(&path) } else { vec![path] }).collect()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// What the pieces are for: a page that a power cut kept from the disk, in the middle of the last batch, must
/// cost that batch and not the store.
#[test]
fn fjall_drops_a_batch_that_lost_a_page_in_a_power_cut() {
    run(EngineKind::Fjall, |store| {
        let engine = store.open();
        for number in 0..3u8 {
            put(&*engine, &[(&[number], &noise(number.into(), 60_000))]);
        }
        let journal = fs::read(store.path.join("data/0.jnl")).unwrap();
        let last_page = journal.iter().rposition(|byte| *byte != 0).unwrap() / 4_096;
        for page in last_page - 12..last_page {
            let dir = tempfile::tempdir().unwrap();
            let copy = Store { kind: store.kind, path: dir.path().join("copy"), _dir: dir };
            copy_folder(&store.path, &copy.path);
            let mut torn = journal.clone();
            torn[page * 4_096..][..4_096].fill(0);
            fs::write(copy.path.join("data/0.jnl"), torn).unwrap();
            assert_eq!(keys(&*copy.open(), b"", b"\xff"), [[0], [1]], "page {page} of {last_page} was lost");
        }
    });
}
