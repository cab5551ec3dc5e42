//! Worlds in the embedded stores: what goes in comes out again, also after a `kill -9` in the middle.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use entitygraph_migrations::{
    export::{ExportOptions, export},
    load::{LoadOptions, Progress, Report, Silent},
    world::{WorldFiles, ingest, sample_world},
};
use entitygraph_store::{Store, StoreOptions, open};

/// Where the child of the kill test writes.
const CHILD_STORE: &str = "WORLD_KEYED_STORE";
const CHILD_FILE: &str = "WORLD_KEYED_FILE";

/// Small transactions, so that a kill finds some done and some not.
fn options() -> LoadOptions {
    LoadOptions { batch_items: 50, sync_bytes: 50_000, ..LoadOptions::default() }
}

async fn opened(url: &str) -> Arc<dyn Store> {
    open(url, StoreOptions::default()).await.unwrap()
}

async fn load(store: Arc<dyn Store>, files: WorldFiles) -> Report {
    ingest(store, files, options(), Arc::new(Silent)).await.unwrap()
}

async fn text_of(store: Arc<dyn Store>) -> String {
    let mut text = Vec::new();
    export(store, &mut text, ExportOptions::default(), Arc::new(Silent)).await.unwrap();
    String::from_utf8(text).unwrap()
}

async fn round_trip(engine: &str) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{engine}:{}", folder.path().join("store").display());
    let store = opened(&url).await;
    let report = load(store.clone(), sample_world()).await;
    assert_eq!(report.problem_count, 0, "{report}");
    let text = text_of(store.clone()).await;
    let memory = opened("memory:").await;
    load(memory.clone(), sample_world()).await;
    assert_eq!(text_of(memory).await, text, "every store says the same");
    drop(store);

    let store = opened(&url).await;
    let report = load(store.clone(), sample_world()).await;
    assert!(report.changed_nothing() && report.problem_count == 0, "{report}");
    assert_eq!(text_of(store).await, text);
    let copy = opened("memory:").await;
    let report = load(copy.clone(), WorldFiles::in_memory([("export.yaml", text.as_str())])).await;
    assert_eq!(report.problem_count, 0, "{report}");
    assert_eq!(text_of(copy).await, text);
}

#[tokio::test]
async fn the_sample_world_goes_through_fjall_and_is_the_same() {
    round_trip("fjall").await;
}

#[tokio::test]
async fn the_sample_world_goes_through_sled_and_is_the_same() {
    round_trip("sled").await;
}

/// A world of one zone and many things in boxes.
fn large_world(path: &Path, boxes: u64) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(
        file,
        "world: large\ncomponents:\n- {{name: item, variables: [{{name: count, type: int, default: 1}}]}}"
    )
    .unwrap();
    writeln!(file, "entities:\n- {{key: root, kind: world, zone: {{cube: 1e9}}}}").unwrap();
    for n in 0..boxes {
        if n % 500 == 0 {
            writeln!(file, "---\nworld: large\nentities:").unwrap();
        }
        writeln!(file, "- {{key: b{n}, kind: box, parent: root, pose: {{at: [{n}, 0, 0]}}, children: [")
            .unwrap();
        writeln!(
            file,
            "    {{key: /a, kind: item, values: {{item: {{count: {n}}}}}}}, {{key: /b, kind: item}}]}}"
        )
        .unwrap();
    }
    writeln!(file, "---\nworld: large\nlinks:\n- {{kind: rope, between: [b0, b1]}}").unwrap();
}

/// Tells the parent process how many items are settled.
struct ToParent(AtomicU64, Mutex<std::io::Stdout>);

impl Progress for ToParent {
    fn stage(&self, _: &str) {}
    fn counts(&self, _: &str, _: Option<u64>) {}
    fn total_bytes(&self, _: u64) {}
    fn bytes(&self, _: u64) {}
    fn items(&self, more: u64) {
        let items = self.0.fetch_add(more, Ordering::Relaxed) + more;
        writeln!(self.1.lock().unwrap(), "items {items}").unwrap();
    }
    fn finish(&self) {}
}

#[tokio::test]
#[ignore = "run by a_load_that_was_killed_goes_on_where_it_was, in a process that it kills"]
async fn child_loads_until_it_is_killed() {
    let [store, file] = [CHILD_STORE, CHILD_FILE].map(|name| std::env::var(name).unwrap());
    let files = WorldFiles::open(Path::new(&file)).unwrap();
    let progress = ToParent(AtomicU64::new(0), Mutex::new(std::io::stdout()));
    ingest(opened(&store).await, files, options(), Arc::new(progress)).await.unwrap();
}

#[tokio::test]
async fn a_load_that_was_killed_goes_on_where_it_was() {
    const BOXES: u64 = 4_000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.yaml");
    large_world(&file, BOXES);
    let url = format!("fjall:{}", folder.path().join("store").display());
    for kill_after in [1_000, 6_000] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_loads_until_it_is_killed", "--ignored", "--nocapture"])
            .env(CHILD_STORE, &url)
            .env(CHILD_FILE, &file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let settled = lines
            .map(|line| line.unwrap())
            .filter_map(|line| line.strip_prefix("items ")?.parse::<u64>().ok())
            .find(|items| *items >= kill_after);
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        assert!(settled.is_some(), "the load ended before it could be killed");
    }
    let store = opened(&url).await;
    let report = load(store.clone(), WorldFiles::open(&file).unwrap()).await;
    assert_eq!(report.problem_count, 0, "{report}");
    let entities = report
        .entities
        .values()
        .fold((0, 0), |(new, same), tally| (new + tally.created, same + tally.unchanged));
    assert_eq!(entities.0 + entities.1, BOXES * 3 + 1, "{report}");
    assert!(entities.1 >= 1_000 && entities.0 > 0, "some were there and some were not: {report}");

    let memory = opened("memory:").await;
    load(memory.clone(), WorldFiles::open(&file).unwrap()).await;
    assert_eq!(
        text_of(store.clone()).await,
        text_of(memory).await,
        "nothing is missing and nothing is there twice"
    );
    assert!(load(store, WorldFiles::open(&file).unwrap()).await.changed_nothing());
}
