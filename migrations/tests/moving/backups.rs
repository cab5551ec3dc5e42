//! Backups: taken while others write, gone on with, cut and damaged.

use std::{collections::BTreeSet, sync::Arc};

use entitygraph_migrations::{
    backup::{BackupFile, Follow, Taken, backup, begun, frame::Kind},
    load::{Progress, Silent},
    moving::MoveError,
    restore::restore,
};
use entitygraph_schema::Cursor;
use entitygraph_store::{
    MemoryConfig, MemoryStore,
    conformance::{
        build::{Shared, apply, create, id, rename, thing, world_root},
        snapshot::Snapshot,
    },
};
use tokio::sync::Notify;

use crate::support::{PAGES, Writers, file, grow, memory, of, opened, restored, resume, same, step, take};

/// Tells when a backup has the world and begins to follow.
#[derive(Default)]
struct Follows(Notify);

impl Progress for Follows {
    fn stage(&self, _: &str) {}
    fn counts(&self, what: &str, _: Option<u64>) {
        if what == "commits" {
            self.0.notify_one();
        }
    }
    fn total_bytes(&self, _: u64) {}
    fn bytes(&self, _: u64) {}
    fn items(&self, _: u64) {}
    fn finish(&self) {}
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
        let follows = Arc::new(Follows::default());
        let taking = {
            let (source, path, told) = (source.clone(), path.clone(), follows.clone());
            tokio::spawn(async move {
                let until = Follow::Until(Box::pin(async { drop(stop.await) }));
                backup(&of(&source), &path, false, until, PAGES, told).await
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
        // Before that it would be interrupted.
        follows.0.notified().await;
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
async fn a_source_that_has_forgotten_the_commits_since_leaves_a_whole_backup_whole() {
    let config = MemoryConfig { retained_commits: 2, ..MemoryConfig::default() };
    let source: Shared = Arc::new(MemoryStore::with(config));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.backup");
    create(&source, [world_root(id(1))]).await;
    create(&source, (2..40).map(|number| thing(id(number), id(1)))).await;
    take(&source, &path).await.unwrap();
    let before = Snapshot::take(&restored(&path, None).await).await;
    let bytes = std::fs::read(&path).unwrap();
    for number in 2..9 {
        apply(&source, [rename(id(number), "changed")]).await;
    }
    let error = resume(&source, &path).await.unwrap_err();
    assert!(matches!(error, MoveError::Trimmed { .. }), "{error}");
    assert!(error.to_string().contains("begin a new backup"), "{error}");
    assert!(std::fs::read(&path).unwrap() == bytes, "the file was touched");
    assert_eq!(Snapshot::take(&restored(&path, None).await).await, before);
}

#[tokio::test]
async fn a_backup_to_which_nothing_is_to_be_added_is_not_touched() {
    let source = memory();
    grow(&source, 4, 100).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.backup");
    let taken = take(&source, &path).await.unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let again = resume(&source, &path).await.unwrap();
    assert_eq!(Taken { logical_bytes: taken.logical_bytes, ..again }, taken);
    assert!(std::fs::read(&path).unwrap() == bytes, "the file was touched");
}

#[tokio::test]
async fn a_damaged_backup_is_not_gone_on_with_and_keeps_what_is_behind_the_damage() {
    let source = memory();
    let (_, world) = grow(&source, 6, 250).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.backup");
    take(&source, &path).await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    apply(&source, [rename(*world.entities.keys().next().unwrap(), "later")]).await;
    for at in [13, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        std::fs::write(&path, &damaged).unwrap();
        let error = resume(&source, &path).await.unwrap_err();
        assert!(matches!(error, MoveError::Damaged { .. }), "byte {at}: {error}");
        assert!(std::fs::read(&path).unwrap() == damaged, "byte {at}: the file was touched");
    }
}

#[tokio::test]
async fn a_backup_whose_follower_was_killed_is_brought_back_as_far_as_it_goes() {
    let source = memory();
    let (_, world) = grow(&source, 7, 200).await;
    let living = *world.entities.keys().next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.backup");
    let following = {
        let (source, path) = (source.clone(), path.clone());
        tokio::spawn(async move {
            let never = Follow::Until(Box::pin(std::future::pending()));
            backup(&of(&source), &path, false, never, PAGES, Arc::new(Silent)).await
        })
    };
    // An id of a lease after the base, of which only the last one was used by then, and one that its maker brought.
    let has = |what: fn(&BackupFile) -> Cursor| {
        BackupFile::open_as_far_as_it_goes(&path, |_| {}).ok().map(|file| what(&file))
    };
    wait(|| has(|file| file.base.cursor).is_some()).await;
    let leased = source.lease_ids(50).await.unwrap();
    let (last, brought) = (id(leased.first.get() + 49), id(u64::MAX - 5));
    create(&source, [thing(last, living), thing(brought, living)]).await;
    let newest = *source.newest().borrow();
    wait(|| has(|file| file.end.cursor) == Some(newest)).await;
    following.abort();
    let refused = BackupFile::open(&path, |_| {}).unwrap_err();
    assert!(matches!(refused, MoveError::Cut { .. }), "{refused}");
    assert!(refused.to_string().contains("--as-far-as-it-goes"), "{refused}");

    let cut = BackupFile::open_as_far_as_it_goes(&path, |_| {}).unwrap();
    assert_eq!((cut.cut, cut.end.leased), (Some(path.metadata().unwrap().len()), last));
    let target = memory();
    restore(&cut, target.clone(), None, Arc::new(Silent)).await.unwrap();
    same(&source, &target).await;
    assert!(target.lease_ids(1).await.unwrap().first > last);
    // Brought up to date it is whole again, and the same target goes on with it.
    apply(&source, [rename(living, "later")]).await;
    resume(&source, &path).await.unwrap();
    restore(&file(&path), target.clone(), None, Arc::new(Silent)).await.unwrap();
    same(&source, &target).await;
}

#[tokio::test]
async fn a_cut_backup_goes_as_far_as_its_last_intact_commit_once_the_world_is_in_it() {
    let source = memory();
    let (_, world) = grow(&source, 8, 200).await;
    let living = *world.entities.keys().next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, cut) = (folder.path().join("world.backup"), folder.path().join("cut"));
    take(&source, &path).await.unwrap();
    let mut worlds = vec![Snapshot::take(&source).await];
    for turn in 0..5 {
        apply(&source, [rename(living, &format!("turn {turn}"))]).await;
        resume(&source, &path).await.unwrap();
        worlds.push(Snapshot::take(&source).await);
    }
    let bytes = std::fs::read(&path).unwrap();
    let frames = file(&path).frames;
    let base = frames.iter().find(|place| place.kind == Kind::Base).unwrap().end();
    let (mut refused, mut brought) = (0, BTreeSet::new());
    let damaged = |length: usize| {
        let mut bytes = bytes.clone();
        bytes[length] ^= 1;
        bytes
    };
    for length in (12..bytes.len()).step_by(bytes.len() / 30).chain((base as usize..bytes.len()).step_by(7)) {
        for written in [bytes[..length].to_vec(), damaged(length)] {
            std::fs::write(&cut, &written).unwrap();
            let opened = BackupFile::open_as_far_as_it_goes(&cut, |_| {});
            if (length as u64) < base {
                assert!(matches!(opened, Err(MoveError::NoBase { .. })), "{length}: {opened:?}");
                refused += 1;
                continue;
            }
            let opened = opened.unwrap();
            let intact = frames.iter().take_while(|place| place.end() <= length as u64).last().unwrap();
            assert_eq!(opened.cut, Some(intact.end()), "{length}");
            brought.insert(opened.end.cursor);
            if length % 4 == 0 {
                let target = memory();
                restore(&opened, target.clone(), None, Arc::new(Silent)).await.unwrap();
                let (found, at) = (Snapshot::take(&target).await, opened.end.cursor);
                let world = worlds.iter().find(|world| world.cursor == at).unwrap();
                assert_eq!(Snapshot { cursor: at, ..found }, *world, "{length}");
            }
        }
    }
    assert!(refused > 40 && brought.len() == worlds.len(), "{refused}, {brought:?}");
}

#[tokio::test]
async fn a_backup_knows_its_store_by_its_last_commit_under_whatever_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.backup");
    let url = |name: &str| format!("fjall:{}", folder.path().join(name).display());
    let source = opened(&url("one")).await;
    let (_, world) = grow(&source, 11, 100).await;
    let living = *world.entities.keys().next().unwrap();
    take(&source, &path).await.unwrap();
    apply(&source, [rename(living, "in the file")]).await;
    resume(&source, &path).await.unwrap();
    drop(source);
    std::fs::rename(folder.path().join("one"), folder.path().join("two")).unwrap();
    let source = opened(&url("two")).await;
    apply(&source, [rename(living, "under another name")]).await;
    resume(&source, &path).await.unwrap();
    same(&source, &restored(&path, None).await).await;

    // Two stores of one name: one with another history, and one that has not come so far.
    let path = folder.path().join("memory.backup");
    let (source, other, earlier) = (memory(), memory(), memory());
    for store in [&source, &other, &earlier] {
        create(store, [world_root(id(1))]).await;
    }
    take(&source, &path).await.unwrap();
    for (store, name) in [(&source, "one"), (&other, "other")] {
        apply(store, [rename(id(1), name)]).await;
    }
    resume(&source, &path).await.unwrap();
    apply(&other, [rename(id(1), "more")]).await;
    let bytes = std::fs::read(&path).unwrap();
    let refused = resume(&other, &path).await.unwrap_err();
    assert!(matches!(refused, MoveError::OtherSource { .. }), "{refused}");
    let refused = resume(&earlier, &path).await.unwrap_err();
    assert!(matches!(refused, MoveError::Ahead { .. }), "{refused}");
    assert!(std::fs::read(&path).unwrap() == bytes, "the file was touched");
}

/// Waits for something that comes soon.
async fn wait(mut there: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if there() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it does not come");
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
    // Anywhere, and behind each frame but the end.
    let mut lengths: Vec<_> = (0..bytes.len()).step_by(bytes.len() / 23).collect();
    lengths.extend(file(&whole).frames.iter().rev().skip(1).map(|place| place.end() as usize));
    for length in lengths {
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
        resume(&source, &path).await.unwrap();
        same(&source, &restored(&path, None).await).await;
    }
    assert!(matches!(take(&source, &whole).await.unwrap_err(), MoveError::Exists { .. }));
    resume(&source, &whole).await.unwrap();
    same(&source, &restored(&whole, None).await).await;
    // Another store is not gone on with.
    let other = opened(&format!("fjall:{}", folder.path().join("other").display())).await;
    let refused = resume(&other, &whole).await.unwrap_err();
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
