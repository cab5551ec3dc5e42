//! Worlds that are moved while they are written to: what comes out is the world of one moment, whole.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use entitygraph_migrations::{
    backup::{BackupFile, BackupOptions, Follow, Taken, backup, begun},
    copy::{Once, Watch, copy},
    load::Silent,
    moving::MoveError,
    restore::restore,
    source::Opened,
    verify::{How, Side, Verdict, verify},
};
use entitygraph_schema::{
    ContainerDraft, Cursor, EntityId, NewPose, Operation, Port, Transaction, query::RecordSort,
};
use entitygraph_store::{
    Feed, MemoryConfig, MemoryStore, StoreOptions,
    conformance::{
        build::{
            Make, Shared, apply, attach, bury, bury_all, container, create, id, publish_container, rename,
            reparent, thing, world_root,
        },
        compare::compare_worlds,
        random::Generator,
        snapshot::Snapshot,
    },
    open,
};

/// So small that many commits come between the first page and the last.
const PAGES: BackupOptions = BackupOptions { page: 3 };

async fn opened(url: &str) -> Shared {
    open(url, StoreOptions::default()).await.unwrap()
}

fn memory() -> Shared {
    Arc::new(MemoryStore::new())
}

/// As a source of a move.
fn of(store: &Shared) -> Opened {
    Opened(store.clone())
}

fn side(store: &Shared) -> Side {
    Side::Store(Arc::new(of(store)))
}

async fn take(store: &Shared, path: &Path) -> Result<Taken, MoveError> {
    backup(&of(store), path, false, Follow::No, PAGES, Arc::new(Silent)).await
}

fn file(path: &Path) -> BackupFile {
    BackupFile::open(path, |_| {}).unwrap()
}

async fn restored(path: &Path, to: Option<Cursor>) -> Shared {
    let store = memory();
    restore(&file(path), store.clone(), to, Arc::new(Silent)).await.unwrap();
    store
}

async fn compared(one: &Side, other: &Side) -> Verdict {
    verify(one, other, &Silent).await.unwrap()
}

/// Both are the same in every answer, and the comparison of users says so too.
async fn same(one: &Shared, other: &Shared) {
    let verdict = compared(&side(one), &side(other)).await;
    assert_eq!(verdict.count, 0, "{:#?}", verdict.differences);
    compare_worlds(one, other).await;
}

/// Writers at full speed: a random history of everything, and others that move, swap and bury whom they find.
struct Writers {
    stop: Arc<AtomicBool>,
    commits: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Writers {
    fn start(store: &Shared, seed: u64, (generator, world): (Generator, Snapshot)) -> Self {
        let (stop, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let random = history(store.clone(), generator, world, stop.clone(), commits.clone());
        let mut tasks = vec![tokio::spawn(random)];
        for number in 0..2 {
            let rng = fastrand::Rng::with_seed(seed * 10 + number);
            tasks.push(tokio::spawn(moves(store.clone(), rng, stop.clone(), commits.clone())));
        }
        Self { stop, commits, tasks }
    }

    async fn stop(self) -> u64 {
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
async fn step(copy: &mut Snapshot, store: &Shared) {
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
async fn grow(store: &Shared, seed: u64, transactions: usize) -> (Generator, Snapshot) {
    let mut generator = Generator::new(seed);
    let mut world = Snapshot { cursor: *store.newest().borrow(), ..Snapshot::default() };
    for _ in 0..transactions {
        let _ = store.commit(generator.next(&world)).await;
        world.follow(store).await;
    }
    (generator, world)
}

/// Copies while writers write, until they stop and the target has it all.
async fn copied_under_writers(source: Shared, target: Shared, seed: u64) {
    struct Until<'a>(&'a AtomicBool);
    impl Watch for Until<'_> {
        fn lag(&self, commits: u64) -> bool {
            commits == 0 && self.0.load(Ordering::Relaxed)
        }
        fn finishes(&self) -> bool {
            true
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let world = grow(&source, seed, 200).await;
    let before = *source.newest().borrow();
    let writers = Writers::start(&source, seed + 1, world);
    let quiet = Arc::new(AtomicBool::new(false));
    let spool = folder.path().join("spool");
    let copying = {
        let (source, target, quiet, spool) = (source.clone(), target.clone(), quiet.clone(), spool.clone());
        tokio::spawn(async move {
            copy(&of(&source), target, &spool, &Until(&quiet), PAGES, Arc::new(Silent)).await
        })
    };
    // They write through the whole reading and on.
    while !spool_is_loaded(&target).await && !copying.is_finished() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let commits = writers.stop().await;
    quiet.store(true, Ordering::Relaxed);
    let copied = copying.await.unwrap().unwrap();
    assert_eq!(copied.at, *source.newest().borrow());
    assert!(commits > 20 && copied.at > before, "only {commits} commits meanwhile");
    same(&source, &target).await;
    assert!(!spool.exists());
    // Ids that the source gave out are not given out again.
    let last = source.lease_ids(1).await.unwrap().first;
    assert!(target.lease_ids(1).await.unwrap().first.get() + 1 >= last.get());
}

/// Whether the target has the world and the first commits.
async fn spool_is_loaded(target: &Shared) -> bool {
    let newest = *target.newest().borrow();
    match target.changes(Cursor::from_number(newest.number().saturating_sub(1)), 1).await.unwrap() {
        Feed::Commits(commits) => commits
            .first()
            .and_then(|commit| commit.operation_id.as_ref())
            .is_some_and(|id| id.as_str().contains(":at:")),
        Feed::Resync { .. } => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_under_writers_is_the_source_from_memory_to_fjall() {
    for seed in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let target = opened(&format!("fjall:{}", folder.path().display())).await;
        copied_under_writers(memory(), target, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_under_writers_is_the_source_from_engine_to_engine() {
    for (seed, (from, to)) in
        [("fjall", "sled"), ("sled", "fjall"), ("fjall", "fjall")].into_iter().enumerate()
    {
        let folder = tempfile::tempdir().unwrap();
        let url = |engine: &str, name: &str| format!("{engine}:{}", folder.path().join(name).display());
        let (source, target) = (opened(&url(from, "from")).await, opened(&url(to, "to")).await);
        copied_under_writers(source, target, 20 + seed as u64).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_writers_brings_any_of_its_moments_back() {
    for seed in 40..46 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("world.backup");
        let source = memory();
        let world = grow(&source, seed, 200).await;
        let writers = Writers::start(&source, seed + 1, world);
        let (done, stop) = tokio::sync::oneshot::channel::<()>();
        let taking = {
            let (source, path) = (source.clone(), path.clone());
            tokio::spawn(async move {
                let until = Follow::Until(Box::pin(async { drop(stop.await) }));
                backup(&of(&source), &path, false, until, PAGES, Arc::new(Silent)).await
            })
        };
        let mut worlds = Vec::new();
        let mut copy = Snapshot::default();
        for _ in 0..40 {
            step(&mut copy, &source).await;
            worlds.push(copy.clone());
            tokio::task::yield_now().await;
        }
        writers.stop().await;
        copy.follow(&source).await;
        worlds.push(copy);
        drop(done);
        let taken = taking.await.unwrap().unwrap();
        assert_eq!(taken.to, *source.newest().borrow());
        same(&source, &restored(&path, None).await).await;
        let within: Vec<_> = worlds.into_iter().filter(|world| world.cursor >= taken.from).collect();
        for world in within.iter().step_by(7).chain(within.last()) {
            let found = Snapshot::take(&restored(&path, Some(world.cursor)).await).await;
            assert_eq!(Snapshot { cursor: world.cursor, ..found }, *world, "seed {seed} at {}", world.cursor);
        }
        let too_early = Cursor::from_number(taken.from.number() - 1);
        let refused = restore(&file(&path), memory(), Some(too_early), Arc::new(Silent)).await.unwrap_err();
        assert!(matches!(refused, MoveError::OutOfReach { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_source_that_forgets_its_commits_in_a_page_is_told_and_nothing_else_comes_of_it() {
    let config = MemoryConfig { retained_commits: 2, ..MemoryConfig::default() };
    let source: Shared = Arc::new(MemoryStore::with(config));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.backup");
    create(&source, [world_root(id(1))]).await;
    create(&source, (2..40).map(|number| thing(id(number), id(1)))).await;
    let (done, stop) = tokio::sync::oneshot::channel::<()>();
    let until = Follow::Until(Box::pin(async { drop(stop.await) }));
    backup(&of(&source), &path, false, Follow::No, PAGES, Arc::new(Silent)).await.unwrap();
    for number in 2..9 {
        apply(&source, [rename(id(number), "changed")]).await;
    }
    drop(done);
    let error = backup(&of(&source), &path, true, until, PAGES, Arc::new(Silent)).await.unwrap_err();
    assert!(matches!(error, MoveError::Trimmed { .. }), "{error}");
    assert!(error.to_string().contains("begin a new backup"), "{error}");
}

#[tokio::test]
async fn an_unfinished_backup_goes_on_and_a_whole_one_is_brought_up_to_date() {
    let source = memory();
    let (_, world) = grow(&source, 3, 250).await;
    let living = *world.entities.keys().next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (whole, path) = (folder.path().join("whole"), folder.path().join("cut"));
    take(&source, &whole).await.unwrap();
    let bytes = std::fs::read(&whole).unwrap();
    for length in (0..bytes.len()).step_by(bytes.len() / 23) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        if length >= 12 {
            let cut = BackupFile::open(&path, |_| {}).unwrap_err();
            assert!(matches!(cut, MoveError::Cut { .. }), "{length}: {cut}");
        } else if length > 0 {
            continue;
        } else {
            // A writer that is killed before its first bytes are written leaves that, also between source and target.
            assert!(begun(&path).unwrap().is_none());
        }
        apply(&source, [rename(living, &format!("at {length}"))]).await;
        backup(&of(&source), &path, true, Follow::No, PAGES, Arc::new(Silent)).await.unwrap();
        same(&source, &restored(&path, None).await).await;
    }
    assert!(matches!(take(&source, &whole).await.unwrap_err(), MoveError::Exists { .. }));
    backup(&of(&source), &whole, true, Follow::No, PAGES, Arc::new(Silent)).await.unwrap();
    same(&source, &restored(&whole, None).await).await;
    // Another store is not gone on with.
    let other = opened(&format!("fjall:{}", folder.path().join("other").display())).await;
    let refused = backup(&of(&other), &whole, true, Follow::No, PAGES, Arc::new(Silent)).await.unwrap_err();
    assert!(matches!(refused, MoveError::OtherSource { .. }), "{refused}");
}

#[tokio::test]
async fn a_damaged_backup_is_refused_with_the_place_and_changes_nothing() {
    let source = memory();
    grow(&source, 5, 250).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.backup");
    take(&source, &path).await.unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    for turn in 0..300 {
        let mut damaged = bytes.clone();
        let at = rng.usize(..damaged.len());
        match turn % 3 {
            0 => damaged[at] ^= 1 << rng.usize(..8),
            1 => drop(damaged.drain(at..(at + 1 + rng.usize(..50)).min(bytes.len()))),
            _ => damaged[at..].iter_mut().take(40).for_each(|byte| *byte = byte.wrapping_add(7)),
        }
        std::fs::write(&path, &damaged).unwrap();
        let refused = BackupFile::open(&path, |_| {}).unwrap_err();
        let place = match &refused {
            MoveError::Damaged { offset, .. } | MoveError::Cut { offset, .. } => *offset,
            MoveError::NoBackup { .. } => 0,
            other => panic!("byte {at}: {other}"),
        };
        assert!(place <= at as u64, "byte {at}: {refused}");
        assert!(refused.to_string().contains("world.backup"), "{refused}");
    }
}

#[tokio::test]
async fn a_store_that_holds_something_else_is_no_target() {
    let source = memory();
    grow(&source, 5, 100).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.backup");
    take(&source, &path).await.unwrap();
    let target = memory();
    apply(&target, [Operation::Entomb(id(900))]).await;
    let before = Snapshot::take(&target).await;
    let refused = restore(&file(&path), target.clone(), None, Arc::new(Silent)).await.unwrap_err();
    assert!(refused.to_string().contains("buried ids"), "{refused}");
    assert_eq!(Snapshot::take(&target).await, before);
    // Nor one that somebody wrote to after a restore.
    let target = restored(&path, None).await;
    restore(&file(&path), target.clone(), None, Arc::new(Silent)).await.unwrap();
    apply(&target, [Operation::Create(world_root(id(u64::MAX)))]).await;
    let refused = restore(&file(&path), target, None, Arc::new(Silent)).await.unwrap_err();
    assert!(matches!(refused, MoveError::Occupied { .. }), "{refused}");
}

#[tokio::test]
async fn what_is_not_the_same_is_named_with_its_fields() {
    let source = memory();
    create(&source, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(1)), thing(id(5), id(2))]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.backup");
    take(&source, &path).await.unwrap();
    let target = restored(&path, None).await;
    let backup = Side::backup(file(&path)).await.unwrap();
    let (one, other) = (side(&source), side(&target));
    assert_eq!(compared(&one, &backup).await.count + compared(&backup, &other).await.count, 0);
    apply(&target, [rename(id(3), "three"), bury_all(id(5))]).await;
    create(&target, [thing(id(9), id(3))]).await;
    let verdict = compared(&one, &other).await;
    let told: Vec<_> = verdict.differences.iter().map(|difference| difference.to_string()).collect();
    assert_eq!(
        told,
        [
            "entity 3 differs: revision Revision(1) | Revision(2), name EntityName(\"\") | EntityName(\"three\")",
            "entity 5 is only in the first",
            "entity 9 is only in the second",
            "buried id 5 is only in the second",
        ]
    );
    assert_eq!((verdict.count, verdict.entities), (4, 4));
    assert_eq!(verdict.differences[1].how, How::OnlyFirst);
    assert_eq!(compared(&backup, &other).await.count, 4);
}

#[tokio::test]
async fn children_may_come_long_before_their_parents() {
    // Every parent has a higher id than its children, and each level is farther away than a page.
    let source = memory();
    create(&source, [world_root(id(1_000_000))]).await;
    for level in (0..5u64).rev() {
        let parent = |number| if level == 4 { 1_000_000 } else { (level + 1) * 10_000 + number };
        create(&source, (1..=6_000).map(|number| thing(id(level * 10_000 + number), id(parent(number)))))
            .await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.backup");
    backup(&of(&source), &path, false, Follow::No, BackupOptions::default(), Arc::new(Silent)).await.unwrap();
    let target = opened(&format!("fjall:{}", folder.path().join("target").display())).await;
    restore(&file(&path), target.clone(), None, Arc::new(Silent)).await.unwrap();
    let verdict = compared(&side(&source), &side(&target)).await;
    assert_eq!((verdict.count, verdict.entities), (0, 30_001));
}

#[tokio::test]
async fn a_copy_of_a_copy_and_of_nothing_are_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let (source, first, second) = (memory(), memory(), memory());
    let (_, world) = grow(&source, 9, 200).await;
    for (from, to) in [(&source, &first), (&first, &second)] {
        for more in ["first", "second", "third"] {
            // Each run goes on from the last one, though the file between them is gone.
            let any = *world.entities.keys().next().unwrap();
            if Arc::ptr_eq(from, &source) {
                apply(&source, [rename(any, more)]).await;
            }
            copy(&of(&from), to.clone(), &spool, &Once, PAGES, Arc::new(Silent)).await.unwrap();
            same(&source, to).await;
        }
    }
    let (empty, target) = (memory(), memory());
    copy(&of(&empty), target.clone(), &spool, &Once, PAGES, Arc::new(Silent)).await.unwrap();
    same(&empty, &target).await;
}

#[tokio::test]
async fn one_takes_the_port_of_another_that_dies() {
    let (source, target) = (memory(), memory());
    let port = Port { name: "dock".parse().unwrap(), accepts: Default::default() };
    let dock =
        publish_container(&source, ContainerDraft { ports: vec![port], ..container("dock", "dock") }).await;
    create(&source, [world_root(id(1)), thing(id(2), id(1)).instance_of(&dock), thing(id(3), id(1))]).await;
    create(&source, [thing(id(4), id(2)).on_port("dock"), thing(id(5), id(4))]).await;
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let copied = async || {
        copy(&of(&source), target.clone(), &spool, &Once, PAGES, Arc::new(Silent)).await.unwrap();
        same(&source, &target).await;
    };
    copied().await;
    // All of it comes as one: what stays leaves the one that dies, and another comes to its port.
    apply(&source, [reparent(id(5), id(1), NewPose::Ride)]).await;
    apply(&source, [bury(id(4))]).await;
    apply(&source, [attach(id(3), id(2), "dock")]).await;
    copied().await;
}
