//! The data folder: whose it is, and what is in it after a restart.

use std::{
    fs,
    io::{BufRead as _, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::*;

suite!(
    another_process_is_refused_while_the_store_is_open,
    a_lock_that_is_given_back_soon_is_waited_for,
    foreign_folders_and_other_engines_are_refused,
    synced_batches_survive_kill_9,
    everything_is_there_after_reopening,
);

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
        store.try_open().map(drop).unwrap_or_else(|error| panic!("{name}: {error}"));
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
        let mut words = task.splitn(3, ':');
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
        "fill a journal" => {
            // Ends as soon as there is a second one, before the rows of the first are in tables.
            for batch in 0u64.. {
                let mut rows = WriteBatch::new();
                for row in batch * 50..batch * 50 + 50 {
                    rows.put(&[&b"k"[..], &row.to_be_bytes()].concat(), &noise(row, 2_000));
                }
                engine.write(rows, Durability::Synced).unwrap();
                if Path::new(&path).join("data/1.jnl").exists() {
                    std::process::abort();
                }
            }
        }
        other => panic!("unknown task {other}"),
    }
}

/// This test binary, started again.
pub struct Child {
    pub process: std::process::Child,
    lines: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl Child {
    pub fn start(store: &Store, task: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["child_process", "--nocapture"])
            .env("ENGINE_TEST_CHILD", format!("{task}:{}:{}", store.kind, store.path.display()))
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

/// Killed between making the file `version` and writing its two pieces.
#[test]
fn fjall_begins_again_where_the_making_of_a_store_was_interrupted() {
    run(EngineKind::Fjall, |store| {
        for length in [None, Some(0), Some(3)] {
            drop(store.open());
            let data = store.path.join("data");
            let version = data.join("version");
            match length {
                None => fs::remove_file(&version).unwrap(),
                Some(length) => {
                    fs::File::options().write(true).open(&version).unwrap().set_len(length).unwrap()
                }
            }
            let error = store.try_open().err().expect("there are keyspaces");
            assert!(error.to_string().contains("is missing or cut"), "{error}");
            for entry in fs::read_dir(data.join("keyspaces")).unwrap() {
                fs::remove_dir_all(entry.unwrap().path()).unwrap();
            }
            drop(store.open());
            assert_eq!(version.metadata().unwrap().len(), 4);
        }
    });
}
