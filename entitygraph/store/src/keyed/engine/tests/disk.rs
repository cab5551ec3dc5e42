//! The disk: full, in use again, damaged, without power.

use std::{
    fs,
    ops::ControlFlow,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
};

use super::*;

suite!(
    a_full_disk_refuses_writes_and_forgets_it_when_there_is_space,
    space_of_deleted_entries_is_used_again,
    a_damaged_store_is_an_error_and_no_panic,
);

fn a_full_disk_refuses_writes_and_forgets_it_when_there_is_space(store: &Store) {
    let open =
        |reserve_bytes| store.kind.open(&store.path, &EngineOptions { reserve_bytes, ..options() }).unwrap();
    put(&*open(0), &[(b"a", b"1")]);
    let engine = open(u64::MAX);
    assert!(matches!(engine.room(), Err(EngineError::Full { .. })));
    let mut batch = WriteBatch::new();
    batch.put(b"a", b"2");
    let error = engine.write(batch, Durability::Synced).unwrap_err();
    assert!(matches!(error, EngineError::Full { .. }) && !error.may_have_been_applied(), "{error}");
    assert_eq!(get(&*engine, b"a"), Some(b"1".to_vec()));
    engine.sync().unwrap();
    drop(engine);
    let engine = open(0);
    engine.room().unwrap();
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

/// A file whose damage costs rows without an error, and why.
const SILENT: [(EngineKind, &str, &str); 1] = [(
    EngineKind::Sled,
    "data/db",
    "sled takes damage for the torn end of its log and forgets what is behind it; the witness of the keyed store sees that",
)];

/// Overwrites the middle of each file in turn with garbage. The store must refuse, or fail to read, with an error, or have
/// every row; nothing may panic.
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
    let before = rows(&*engine).unwrap();
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
        let name = file.strip_prefix(&store.path).unwrap();
        match copy.try_open().and_then(|engine| rows(&*engine)) {
            Err(error) => {
                refused += 1;
                let told = matches!(error, EngineError::Corrupt { .. } | EngineError::Io { .. });
                assert!(told && error.to_string().contains(&*copy.path.to_string_lossy()), "{error}");
            }
            Ok(after) => {
                let silent =
                    SILENT.iter().any(|(kind, file, _)| *kind == store.kind && name == Path::new(file));
                assert!(
                    after == before || silent,
                    "{name:?}: {} of {} rows are left",
                    after.len(),
                    before.len()
                );
            }
        }
        fs::remove_dir_all(&copy.path).unwrap();
    }
    assert!(refused > 0, "no damage in {files} files was noticed");
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn rows(engine: &dyn Engine) -> Result<Rows, EngineError> {
    let mut rows = Rows::new();
    let mut collect = |key: &[u8], value: &[u8]| {
        rows.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    engine.view().scan(b"", b"\xff", &mut collect)?;
    Ok(rows)
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

/// What follows in the next journal would hide what the full one lost.
#[test]
fn fjall_refuses_a_full_journal_that_was_damaged_until_the_loss_is_accepted() {
    run(EngineKind::Fjall, |store| {
        let ended = folder::Child::start(store, "fill a journal").process.wait().unwrap();
        assert_eq!(ended.signal(), Some(6), "{ended}");
        assert!(store.path.join("data/0.jnl").exists(), "the full journal was gone too soon");
        let copy = Store {
            path: store.path.with_extension("copy"),
            kind: store.kind,
            _dir: tempfile::tempdir().unwrap(),
        };
        copy_sparse(&store.path, &copy.path);
        let before = rows(&*copy.open()).unwrap();
        fs::remove_dir_all(&copy.path).unwrap();
        let journal = fs::read(store.path.join("data/0.jnl")).unwrap();
        let used = journal.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        // Cut off just between two batches, it would be a journal like any other.
        for (at, cut) in [(0, false), (used / 2, false), (used - 5_000, false), (used - 3, true)] {
            copy_sparse(&store.path, &copy.path);
            let mut damaged = journal.clone();
            if cut {
                damaged.truncate(at);
            } else {
                damaged[at..at + 4_096].fill(0xA5);
            }
            fs::write(copy.path.join("data/0.jnl"), damaged).unwrap();
            for _ in 0..2 {
                let error = copy.try_open().err().unwrap_or_else(|| panic!("{at} of {used}: opened"));
                assert!(matches!(error, EngineError::Corrupt { .. }), "{at} of {used}: {error}");
                assert!(
                    error.to_string().contains("0.jnl") && error.to_string().contains("DAMAGED"),
                    "{error}"
                );
            }
            fs::remove_file(copy.path.join("DAMAGED")).unwrap();
            let left = rows(&*copy.open()).unwrap();
            assert!(left.len() < before.len(), "{at} of {used}: {} of {} rows", left.len(), before.len());
            fs::remove_dir_all(&copy.path).unwrap();
        }
    });
}

/// Holes and all.
fn copy_sparse(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").args(["-r", "--sparse=always"]).args([from, to]).status();
    assert!(copied.unwrap().success());
}
