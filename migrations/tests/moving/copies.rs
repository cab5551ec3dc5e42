//! Copies from store to store.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use entitygraph_migrations::{
    copy::{Once, Watch, copy},
    load::Silent,
    moving::MoveError,
};
use entitygraph_schema::{ContainerDraft, Cursor, Link, NewPose, Operation, Port};
use entitygraph_store::{
    Feed,
    conformance::build::{
        Make, Shared, apply, attach, bury, container, create, id, publish_container, rename, reparent, thing,
        world_root,
    },
};
use tokio::sync::Notify;

use crate::support::{PAGES, Writers, compared, grow, memory, of, opened, same, side};

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
            copy(&of(from), to.clone(), &spool, &Once, PAGES, Arc::new(Silent)).await.unwrap();
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

/// Is interrupted, at once or as soon as there is a backlog.
#[derive(Default)]
struct Interrupted {
    at_a_backlog: bool,
    backlog: Notify,
}

#[async_trait]
impl Watch for Interrupted {
    fn lag(&self, commits: u64) -> bool {
        if commits > 0 {
            self.backlog.notify_one();
        }
        false
    }
    async fn interrupted(&self) {
        if self.at_a_backlog {
            self.backlog.notified().await;
        }
    }
    fn finishes(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn an_interrupted_copy_ends_at_once_and_goes_on_in_the_next_run() {
    let (source, target) = (memory(), memory());
    let (_, world) = grow(&source, 12, 100).await;
    let living = *world.entities.keys().next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let run = async |watch: &dyn Watch| {
        copy(&of(&source), target.clone(), &spool, watch, PAGES, Arc::new(Silent)).await
    };
    let refused = run(&Interrupted::default()).await.unwrap_err();
    assert!(matches!(refused, MoveError::Interrupted { .. }), "{refused}");
    run(&Once).await.unwrap();
    for turn in 0..1_000 {
        apply(&source, [rename(living, &format!("turn {turn}"))]).await;
    }
    let interrupted = Interrupted { at_a_backlog: true, ..Interrupted::default() };
    let copied = run(&interrupted).await.unwrap();
    assert!((1..1_000).contains(&copied.behind) && !copied.done, "{copied:?}");
    assert_eq!(copied.at.number() + copied.behind, source.newest().borrow().number());
    assert_eq!(run(&Once).await.unwrap().behind, 0);
    same(&source, &target).await;
}

/// Is interrupted when nothing is left to be copied.
#[derive(Default)]
struct AtTheEnd(Notify);

#[async_trait]
impl Watch for AtTheEnd {
    fn lag(&self, commits: u64) -> bool {
        if commits == 0 {
            self.0.notify_one();
        }
        false
    }
    async fn interrupted(&self) {
        self.0.notified().await;
    }
    fn finishes(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_copy_that_is_interrupted_when_all_is_copied_is_done() {
    let (source, target) = (memory(), memory());
    grow(&source, 13, 50).await;
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let watch = AtTheEnd::default();
    let copied = copy(&of(&source), target.clone(), &spool, &watch, PAGES, Arc::new(Silent)).await.unwrap();
    assert!(copied.done && copied.behind == 0, "{copied:?}");
    assert!(!spool.exists());
    same(&source, &target).await;
}

#[tokio::test]
async fn a_source_that_was_set_back_is_no_source_of_its_copy() {
    let (source, earlier, target) = (memory(), memory(), memory());
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    create(&source, [world_root(id(1))]).await;
    create(&source, [thing(id(2), id(1))]).await;
    create(&earlier, [world_root(id(1))]).await;
    copy(&of(&source), target.clone(), &spool, &Once, PAGES, Arc::new(Silent)).await.unwrap();
    let refused = copy(&of(&earlier), target, &spool, &Once, PAGES, Arc::new(Silent)).await.unwrap_err();
    assert!(matches!(refused, MoveError::Ahead { .. }), "{refused}");
}

#[tokio::test]
async fn a_commit_of_more_unlinks_than_half_a_transaction_holds_is_copied() {
    const LINKS: u64 = 10_200;
    fn unlink(Link { kind, a, b, .. }: Link) -> Operation {
        Operation::Unlink { kind, a, b }
    }
    let source = memory();
    create(&source, [world_root(id(1))]).await;
    create(&source, (2..LINKS + 3).map(|number| thing(id(number), id(1)))).await;
    let link = |number| Link::new("cable".parse().unwrap(), id(number), id(number + 1), 1.0);
    let all = |operation: fn(Link) -> Operation| (2..LINKS + 2).map(link).map(operation).collect::<Vec<_>>();
    apply(&source, all(Operation::Link)).await;
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let target = opened(&format!("fjall:{}", folder.path().join("target").display())).await;
    let copied = async || {
        let options = entitygraph_migrations::backup::BackupOptions::default();
        copy(&of(&source), target.clone(), &spool, &Once, options, Arc::new(Silent)).await.unwrap();
    };
    copied().await;
    apply(&source, all(unlink)).await;
    copied().await;
    // Also those that are made, changed and taken away in commits that are applied as one.
    apply(&source, [Operation::Link(link(2)), Operation::Link(link(3))]).await;
    copied().await;
    apply(&source, [Operation::Link(Link { cost: 2.0, ..link(2) }), Operation::Link(link(4))]).await;
    apply(&source, [unlink(link(2)), unlink(link(3)), unlink(link(4))]).await;
    apply(&source, [Operation::Link(link(3))]).await;
    copied().await;
    let verdict = compared(&side(&source), &side(&target)).await;
    assert_eq!((verdict.count, verdict.links), (0, 1), "{:#?}", verdict.differences);
}
