//! What the tests need: worlds, writers, comparisons.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use entitygraph_migrations::{
    backup::{BackupFile, BackupOptions, Follow, Taken, backup},
    load::Silent,
    moving::MoveError,
    restore::restore,
    source::Opened,
    verify::{Side, Verdict, verify},
};
use entitygraph_schema::{Cursor, EntityId, NewPose, Operation, Transaction, query::RecordSort};
use entitygraph_store::{
    Feed, MemoryStore, StoreOptions,
    conformance::{
        build::{Make, Shared, bury, bury_all, id, rename, reparent, thing, world_root},
        compare::compare_worlds,
        random::Generator,
        snapshot::Snapshot,
    },
    open,
};

/// So small that many commits come between the first page and the last.
pub const PAGES: BackupOptions = BackupOptions { page: 3 };

pub async fn opened(url: &str) -> Shared {
    open(url, StoreOptions::default()).await.unwrap()
}

pub fn memory() -> Shared {
    Arc::new(MemoryStore::new())
}

/// As a source of a move.
pub fn of(store: &Shared) -> Opened {
    Opened(store.clone())
}

pub fn side(store: &Shared) -> Side {
    Side::Store(Arc::new(of(store)))
}

pub async fn take(store: &Shared, path: &Path) -> Result<Taken, MoveError> {
    backup(&of(store), path, false, Follow::No, PAGES, Arc::new(Silent)).await
}

/// Goes on with a backup, or brings it up to date.
pub async fn resume(store: &Shared, path: &Path) -> Result<Taken, MoveError> {
    backup(&of(store), path, true, Follow::No, PAGES, Arc::new(Silent)).await
}

pub fn file(path: &Path) -> BackupFile {
    BackupFile::open(path, |_| {}).unwrap()
}

pub async fn restored(path: &Path, to: Option<Cursor>) -> Shared {
    let store = memory();
    restore(&file(path), store.clone(), to, Arc::new(Silent)).await.unwrap();
    store
}

pub async fn compared(one: &Side, other: &Side) -> Verdict {
    verify(one, other, &Silent).await.unwrap()
}

/// Both are the same in every answer, and the comparison of users says so too.
pub async fn same(one: &Shared, other: &Shared) {
    let verdict = compared(&side(one), &side(other)).await;
    assert_eq!(verdict.count, 0, "{:#?}", verdict.differences);
    compare_worlds(one, other).await;
}

/// Writers at full speed: a random history of everything, and others that move, swap and bury whom they find.
pub struct Writers {
    stop: Arc<AtomicBool>,
    commits: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Writers {
    pub fn start(store: &Shared, seed: u64, (generator, world): (Generator, Snapshot)) -> Self {
        let (stop, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let random = history(store.clone(), generator, world, stop.clone(), commits.clone());
        let mut tasks = vec![tokio::spawn(random)];
        for number in 0..2 {
            let rng = fastrand::Rng::with_seed(seed * 10 + number);
            tasks.push(tokio::spawn(moves(store.clone(), rng, stop.clone(), commits.clone())));
        }
        Self { stop, commits, tasks }
    }

    pub async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.commits.load(Ordering::Relaxed)
    }
}

async fn history(
    store: Shared,
    mut generator: Generator,
    mut world: Snapshot,
    stop: Arc<AtomicBool>,
    commits: Arc<AtomicU64>,
) {
    while !stop.load(Ordering::Relaxed) {
        let done = store.commit(generator.next(&world)).await.is_ok();
        commits.fetch_add(u64::from(done), Ordering::Relaxed);
        step(&mut world, &store).await;
        tokio::task::yield_now().await;
    }
}

/// Applies some of the next commits to a copy: all of them would never be, while others write.
pub async fn step(copy: &mut Snapshot, store: &Shared) {
    if let Feed::Commits(commits) = store.changes(copy.cursor, 50).await.unwrap() {
        commits.iter().for_each(|commit| copy.apply(commit));
    }
}

/// About how many entities the writers leave alive: more would make each look at the world slower, without end.
const CROWDED: usize = 150;

async fn moves(store: Shared, mut rng: fastrand::Rng, stop: Arc<AtomicBool>, commits: Arc<AtomicU64>) {
    while !stop.load(Ordering::Relaxed) {
        let page = entitygraph_schema::query::PageRequest::first(300);
        let rows = store.records(RecordSort::Entity, page).await.unwrap().value.rows;
        let ids: Vec<EntityId> = rows
            .into_iter()
            .filter_map(|(record, _)| match record {
                entitygraph_schema::query::Record::Entity(entity) => Some(entity.id),
                _ => None,
            })
            .collect();
        if ids.is_empty() {
            let _ =
                store.commit(Transaction::of([Operation::Create(world_root(id(rng.u64(1 << 63..))))])).await;
            continue;
        }
        for _ in 0..20 {
            let mut one = || ids[rng.usize(..ids.len())];
            let (a, b, c) = (one(), one(), one());
            let operations = match rng.usize(..20) {
                0..2 => vec![bury(a)],
                2 if ids.len() > CROWDED => vec![bury_all(a)],
                2..5 => vec![rename(a, "moved"), rename(b, "too")],
                5..8 if ids.len() < CROWDED => {
                    vec![Operation::Create(thing(id(rng.u64(1..1 << 39)), a).called("new"))]
                }
                8..14 => vec![reparent(a, b, NewPose::Ride), reparent(c, a, NewPose::KeepWorld)],
                _ => vec![reparent(a, b, NewPose::KeepWorld)],
            };
            let done = store.commit(Transaction::of(operations)).await.is_ok();
            commits.fetch_add(u64::from(done), Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    }
}

/// A world with everything in it.
pub async fn grow(store: &Shared, seed: u64, transactions: usize) -> (Generator, Snapshot) {
    let mut generator = Generator::new(seed);
    let mut world = Snapshot { cursor: *store.newest().borrow(), ..Snapshot::default() };
    for _ in 0..transactions {
        let _ = store.commit(generator.next(&world)).await;
        world.follow(store).await;
    }
    (generator, world)
}
