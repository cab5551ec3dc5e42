//! The file that says how far a store was durable.

use std::{
    fs, io,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::*;

/// Longest wait for the witness, which takes a second.
const PATIENCE: Duration = Duration::from_secs(60);

fn try_open(kind: EngineKind, path: &Path) -> Result<KeyedStore> {
    let begin = Cursor::from_number(1_000);
    KeyedStore::open(kind, path, KeyedOptions { begin, ..KeyedOptions::default() })
}

fn open(kind: EngineKind, path: &Path) -> KeyedStore {
    try_open(kind, path).unwrap()
}

/// The newest cursor that the witness names.
fn witnessed(path: &Path) -> Option<u64> {
    let text = match fs::read_to_string(path.join("WITNESS")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{error}"),
    };
    Some(text.split_whitespace().nth(1).unwrap().parse().unwrap())
}

fn wait_until_witnessed(path: &Path, newest: u64) {
    let start = Instant::now();
    while witnessed(path) != Some(newest) {
        assert!(start.elapsed() < PATIENCE, "{newest} is not witnessed, but {:?}", witnessed(path));
        thread::sleep(Duration::from_millis(5));
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").args(["-r", "--sparse=always"]).args([from, to]).status().unwrap().success());
}

/// The engine's files go back to what they were, as damage in the middle of a journal makes them.
fn go_back(path: &Path, older: &Path) {
    fs::remove_dir_all(path.join("data")).unwrap();
    copy(&older.join("data"), &path.join("data"));
}

#[tokio::test]
async fn a_store_that_lost_commits_is_refused_until_its_witness_is_deleted() {
    for kind in EngineKind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let (path, older) = (folder.path().join("store"), folder.path().join("older"));
        let store = open(kind, &path);
        store.commit(root()).await.unwrap();
        drop(store);
        copy(&path, &older);
        let store = open(kind, &path);
        store.commit(child(2)).await.unwrap();
        drop(store);
        go_back(&path, &older);
        let file = path.join("WITNESS");
        for _ in 0..2 {
            let error = try_open(kind, &path).err().unwrap();
            assert_eq!((error.code(), error.retryable()), ("STORE_LOST", false), "{error}");
            let (told, place, file) = (error.to_string(), path.to_string_lossy(), file.to_string_lossy());
            for word in
                [&*place, "up to cursor 1002", "ends at cursor 1001", "backup", &*format!("delete {file:?}")]
            {
                assert!(told.contains(word), "no `{word}` in `{told}`");
            }
        }
        fs::remove_file(&file).unwrap();
        let store = open(kind, &path);
        assert_eq!(*store.newest().borrow(), Cursor::from_number(1_001));
        store.commit(child(3)).await.unwrap();
        drop(store);
        assert_eq!(witnessed(&path), Some(1_002));
        open(kind, &path);
    }
}

/// What then begins at the time of day would be after all that was lost.
#[tokio::test]
async fn a_store_that_lost_everything_is_not_taken_for_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    open(EngineKind::Fjall, folder.path()).commit(root()).await.unwrap();
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    let begin = Cursor::from_number(5_000);
    let options = KeyedOptions { begin, ..KeyedOptions::default() };
    let error = KeyedStore::open(EngineKind::Fjall, folder.path(), options.clone()).err().unwrap();
    assert!(error.to_string().contains("ends at cursor 0"), "{error}");
    fs::remove_file(folder.path().join("WITNESS")).unwrap();
    let store = KeyedStore::open(EngineKind::Fjall, folder.path(), options).unwrap();
    assert_eq!(*store.newest().borrow(), begin);
}

#[tokio::test]
async fn a_lost_lease_is_a_loss_because_its_ids_would_be_leased_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, older) = (folder.path().join("store"), folder.path().join("older"));
    open(EngineKind::Fjall, &path).commit(root()).await.unwrap();
    copy(&path, &older);
    let range = open(EngineKind::Fjall, &path).lease_ids(10).await.unwrap();
    go_back(&path, &older);
    let error = try_open(EngineKind::Fjall, &path).err().unwrap();
    assert_eq!(error.code(), "STORE_LOST");
    assert!(error.to_string().contains(&format!("leased id {}", range.first.get() + 9)), "{error}");
}

#[tokio::test]
async fn the_witness_names_what_is_durable_and_nothing_that_is_only_accepted() {
    for kind in EngineKind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let store = open(kind, folder.path());
        store.accept(root()).await.unwrap();
        store.accept(child(2)).await.unwrap();
        thread::sleep(Duration::from_millis(200));
        assert_eq!(witnessed(folder.path()), None, "{kind}");
        store.sync().await.unwrap();
        wait_until_witnessed(folder.path(), 1_002);
        store.commit(child(3)).await.unwrap();
        wait_until_witnessed(folder.path(), 1_003);
        store.accept(child(4)).await.unwrap();
        drop(store);
        assert_eq!(witnessed(folder.path()), Some(1_004), "{kind}: closing syncs");
    }
}

#[tokio::test]
async fn a_missing_or_damaged_witness_keeps_no_store_from_opening_and_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    open(EngineKind::Fjall, folder.path()).commit(root()).await.unwrap();
    let file = folder.path().join("WITNESS");
    let sound = fs::read(&file).unwrap();
    let ahead = String::from_utf8(sound.clone()).unwrap().replace("1001", "9999").into_bytes();
    for (newest, left) in
        [(1_002, None), (1_003, Some(Vec::new())), (1_004, Some(ahead)), (1_005, Some(sound))]
    {
        match left {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        // What a crash in the middle of a writing leaves.
        fs::write(folder.path().join("WITNESS.new"), "dura").unwrap();
        open(EngineKind::Fjall, folder.path()).commit(child(newest)).await.unwrap();
        assert_eq!(witnessed(folder.path()), Some(newest));
    }
}

#[tokio::test]
async fn a_store_goes_on_when_its_witness_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(EngineKind::Fjall, &path);
    fs::create_dir(path.join("WITNESS.new")).unwrap();
    store.commit(root()).await.unwrap();
    store.commit(child(2)).await.unwrap();
    drop(store);
    assert_eq!(witnessed(&path), None);
    assert_eq!(*open(EngineKind::Fjall, &path).newest().borrow(), Cursor::from_number(1_002));
}

#[tokio::test]
async fn a_change_log_that_ends_elsewhere_than_its_newest_commit_is_damage() {
    let (engine, log_lost) = (map(), map());
    for engine in [&engine, &log_lost] {
        let store = over(engine.clone());
        store.commit(root()).await.unwrap();
        store.commit(child(2)).await.unwrap();
    }
    let first = keys::commit(Cursor::from_number(1));
    let second = keys::commit(Cursor::from_number(2));
    for (engine, gone, told) in [
        (engine, vec![second.clone()], "ends at cursor 1 and its newest commit is 2"),
        (log_lost, vec![first, second], "entities and no change log"),
    ] {
        let mut batch = engine::WriteBatch::new();
        gone.iter().for_each(|key| batch.delete(key));
        engine.write(batch, engine::Durability::Synced).unwrap();
        let error = KeyedStore::over(engine, "map:".to_owned(), KeyedOptions::default()).err().unwrap();
        assert!(error.code() == "STORE_CORRUPT" && error.to_string().contains(told), "{error}");
    }
}
