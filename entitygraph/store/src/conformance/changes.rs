//! The change sequence: whole transactions, in order, from any cursor.

use entitygraph_schema::{Change, Commit, Cursor, NewPose, Operation, Patch, Value};

use super::{build::*, snapshot::Snapshot};
use crate::Feed;

async fn commits(store: &Shared, after: u64, limit: usize) -> Vec<std::sync::Arc<Commit>> {
    match store.changes(Cursor::from_number(after), limit).await.unwrap() {
        Feed::Commits(commits) => commits,
        resync => panic!("cursor {after} is cut off: {resync:?}"),
    }
}

/// Some of everything, in fifteen commits.
async fn history(store: &Shared) {
    let hull = publish_component(store, component("hull", &[("points", Value::Int(1))])).await;
    let part = publish_container(store, container("part", "part")).await;
    create(
        store,
        [world_root(id(1)), zone(id(2), id(1), 1e3, turned(9.0, 0.0, 0.0, 1.0)), thing(id(3), id(2))],
    )
    .await;
    create(
        store,
        [
            thing(id(4), id(3)).at(at(1.0, 0.0, 0.0)).with(&hull, &[("points", Value::Int(7))]),
            world_root(id(5)),
        ],
    )
    .await;
    create(store, [thing(id(6), id(2)).instance_of(&part).labelled(&["a"]).owned_by("p").rooted()]).await;
    apply(store, [jump(id(3), id(5), 1.5), jump(id(1), id(5), 2.0)]).await;
    apply(store, [reparent(id(3), id(1), NewPose::KeepWorld), rename(id(4), "four")]).await;
    publish_component(
        store,
        component("hull", &[("points", Value::Int(2)), ("note", Value::Text("".into()))]),
    )
    .await;
    publish_container(store, entitygraph_schema::ContainerDraft { radius: 5.0, ..container("part", "part") })
        .await;
    let patch = Patch {
        labels: [(text("a"), false), (text("b"), true)].into(),
        ordinal: Some(4),
        ..Patch::default()
    };
    apply(store, [Operation::Change(id(6), patch), jump(id(5), id(3), 9.0)]).await;
    apply(store, [Operation::Unlink { kind: text("jump"), a: id(5), b: id(1) }]).await;
    create(store, [thing(id(7), id(6)), thing(id(8), id(7))]).await;
    apply(
        store,
        [reparent(id(8), id(5), NewPose::At(at(0.5, 0.0, 0.0))), bury_all(id(6)), rename(id(8), "eight")],
    )
    .await;
    apply(store, [bury_all(id(3))]).await;
    create(store, [thing(id(9), id(8))]).await;
}

pub async fn a_copy_that_follows_every_commit_is_the_world(store: Shared) {
    history(&store).await;
    let copy = Snapshot::replayed(&store).await;
    assert_eq!(copy, Snapshot::take(&store).await);
    assert_eq!(copy.cursor.number(), 15);
}

pub async fn a_snapshot_of_any_moment_and_the_commits_since_are_the_world(store: Shared) {
    history(&store).await;
    let end = Snapshot::take(&store).await;
    let mut past = Snapshot::default();
    for commit in commits(&store, 0, 100).await {
        let mut late = past.clone();
        late.follow(&store).await;
        assert_eq!(late, end, "resumed from {:?}", past.cursor);
        past.apply(&commit);
    }
    let mut live = Snapshot::take(&store).await;
    apply(&store, [rename(id(9), "later"), reparent(id(9), id(2), NewPose::Ride)]).await;
    apply(&store, [bury(id(9))]).await;
    live.follow(&store).await;
    assert_eq!(live, Snapshot::take(&store).await);
}

pub async fn commits_come_whole_in_order_and_without_gaps(store: Shared) {
    history(&store).await;
    let all = commits(&store, 0, 1_000).await;
    assert_eq!(
        all.iter().map(|commit| commit.cursor.number()).collect::<Vec<_>>(),
        (1..=15).collect::<Vec<_>>()
    );
    for limit in [1, 2, 4, 15] {
        for after in 0..15 {
            let some = commits(&store, after, limit).await;
            let expected = &all[after as usize..(after as usize + limit).min(15)];
            assert_eq!(some, expected, "{limit} after {after}");
        }
    }
    assert_eq!(commits(&store, 15, 10).await, []);
    assert_eq!(commits(&store, 3, 0).await, []);
}

pub async fn one_commit_tells_each_entity_at_most_once(store: Shared) {
    history(&store).await;
    for commit in commits(&store, 0, 100).await {
        let mut told = Vec::new();
        for change in &commit.changes {
            let entity = match change {
                Change::Created(entity) => entity.id,
                Change::Changed { entity, .. } => *entity,
                Change::Buried(entity) => entity.id,
                _ => continue,
            };
            assert!(!told.contains(&entity), "{entity} is twice in {commit:?}");
            told.push(entity);
        }
    }
}

pub async fn a_cursor_that_is_not_there_yet_means_resync(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    for after in [2, u64::MAX] {
        match store.changes(Cursor::from_number(after), 1).await.unwrap() {
            Feed::Resync { oldest, newest } => assert_eq!((oldest.number(), newest.number()), (0, 1)),
            other => panic!("{other:?}"),
        }
    }
}

pub async fn who_watches_the_newest_cursor_is_woken_by_each_commit(store: Shared) {
    let mut newest = store.newest();
    assert_eq!(newest.borrow_and_update().number(), 0);
    for number in 1..=5 {
        let writer = store.clone();
        let write = tokio::spawn(async move { create(&writer, [world_root(id(number))]).await });
        newest.changed().await.unwrap();
        let seen = *newest.borrow_and_update();
        assert_eq!(seen.number(), number);
        // What is announced can be read.
        assert_eq!(commits(&store, number - 1, 1).await.len(), 1);
        assert!(find_entity(&store, id(number)).await.is_some());
        write.await.unwrap();
    }
    refused(&store, [Operation::Create(world_root(id(1)))]).await;
    apply(&store, []).await;
    assert!(!newest.has_changed().unwrap(), "nothing happened");
}
