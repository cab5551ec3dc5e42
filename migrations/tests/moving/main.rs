//! Worlds that are moved while they are written to: what comes out is the world of one moment, whole.

mod backups;
mod copies;
mod support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use entitygraph_migrations::{
    backup::{BackupOptions, Follow, backup},
    load::{Progress, Silent},
    moving::MoveError,
    restore::{restore, target::refuse_unfinished},
    verify::{How, Side},
};
use entitygraph_schema::{Operation, OperationId, Transaction};
use entitygraph_store::{
    MOVED,
    conformance::{
        build::{Shared, apply, bury_all, create, id, rename, thing, world_root},
        snapshot::Snapshot,
    },
};
use futures_util::FutureExt;

use crate::support::{compared, file, grow, memory, of, opened, restored, side, take};

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
async fn a_half_restored_store_is_known_as_one_whoever_wrote_into_it_since() {
    let source = memory();
    grow(&source, 6, 100).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.backup");
    take(&source, &path).await.unwrap();
    let backup = file(&path);
    let target = opened(&format!("fjall:{}", folder.path().join("target").display())).await;
    let begun = OperationId::new(format!("{MOVED}{:016x}:world:1", backup.begin.id)).unwrap();
    let root = Operation::Create(world_root(id(u64::MAX)));
    target.commit(Transaction::of([root]).named(begun)).await.unwrap();
    let half = async || {
        let refused = refuse_unfinished(&*target).await.unwrap_err();
        assert!(matches!(refused, MoveError::Unfinished { .. }), "{refused}");
    };
    half().await;
    for turn in 0..3 {
        apply(&target, [rename(id(u64::MAX), &format!("turn {turn}"))]).await;
        half().await;
    }
    let refused = restore(&backup, target.clone(), None, Arc::new(Silent)).await.unwrap_err();
    assert!(matches!(refused, MoveError::Mixed { .. }), "{refused}");
}

/// Writes into a store as soon as something is moved into it.
struct Meddles(Shared, AtomicBool);

impl Progress for Meddles {
    fn stage(&self, _: &str) {}
    fn counts(&self, _: &str, _: Option<u64>) {}
    fn total_bytes(&self, _: u64) {}
    fn bytes(&self, _: u64) {}
    fn items(&self, _: u64) {
        if !self.1.swap(true, Ordering::Relaxed) {
            let root = Transaction::of([Operation::Create(world_root(id(u64::MAX)))]);
            // The memory store never waits.
            assert!(self.0.commit(root).now_or_never().is_some_and(|done| done.is_ok()));
        }
    }
    fn finish(&self) {}
}

#[tokio::test]
async fn a_restore_ends_when_somebody_writes_into_its_target_meanwhile() {
    let source = memory();
    grow(&source, 7, 200).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.backup");
    take(&source, &path).await.unwrap();
    let target = memory();
    let meddles = Arc::new(Meddles(target.clone(), AtomicBool::new(false)));
    let refused = restore(&file(&path), target.clone(), None, meddles).await.unwrap_err();
    assert!(matches!(refused, MoveError::Mixed { .. }), "{refused}");
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
