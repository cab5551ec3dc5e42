//! Many at once: writes have one order, reads see one moment.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use entitygraph_schema::{
    Entity, EntityId, NewPose, Operation, Patch, Precondition, Receipt, Refusal, Revision, Transaction,
    query::{ChildOrder, Extent, Facet},
};
use tokio::task::JoinHandle;

use super::{build::*, snapshot::Snapshot};
use crate::Error;

/// Tasks that ask the same over and over while a writer writes.
struct Readers {
    done: Arc<AtomicBool>,
    /// Each with how often it has asked.
    tasks: Vec<(JoinHandle<()>, Arc<AtomicUsize>)>,
}

impl Readers {
    fn new() -> Self {
        Self { done: Arc::default(), tasks: Vec::new() }
    }

    /// Starts `count` tasks that each ask the store, and ask once more when the writer is done.
    fn start<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        count: usize,
        store: &Shared,
        ask: impl Fn(Shared) -> F + Send + Copy + 'static,
    ) {
        for _ in 0..count {
            let (store, done, asked) = (store.clone(), self.done.clone(), Arc::new(AtomicUsize::new(0)));
            let times = asked.clone();
            let task = tokio::spawn(async move {
                let mut last = false;
                while !last {
                    last = done.load(Ordering::Acquire);
                    ask(store.clone()).await;
                    times.fetch_add(1, Ordering::AcqRel);
                    tokio::task::yield_now().await;
                }
            });
            self.tasks.push((task, asked));
        }
    }

    /// Waits until every reader has asked that often, so that reads and writes do mix.
    async fn have_asked(&self, times: usize) {
        for (task, asked) in &self.tasks {
            // A reader that has failed says so in the end.
            while asked.load(Ordering::Acquire) < times && !task.is_finished() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Lets every reader ask a last time.
    async fn finish(self) {
        self.done.store(true, Ordering::Release);
        for (task, _) in self.tasks {
            task.await.unwrap();
        }
    }
}

pub async fn under_readers_a_moving_entity_always_has_one_parent(store: Shared) {
    create(
        &store,
        [
            world_root(id(1)),
            zone(id(2), id(1), 1e3, at(10.0, 0.0, 0.0)),
            zone(id(3), id(1), 1e3, at(-10.0, 0.0, 0.0)),
        ],
    )
    .await;
    create(
        &store,
        [thing(id(4), id(2)).of_kind("mover").at(at(1.0, 0.0, 0.0)), thing(id(5), id(4)).of_kind("rider")],
    )
    .await;
    let mut readers = Readers::new();
    readers.start(2, &store, |store: Shared| async move {
        let tree = rows(store.subtree(id(1), Extent::All, everything()).await);
        assert_eq!(tree.len(), 5, "{:?}", ids(&tree));
        let place = |number| tree.iter().position(|entity| entity.id == id(number)).unwrap();
        let mover: &Entity = &tree[place(4)];
        let parent = mover.placement.parent.unwrap().get();
        assert!(parent == 2 || parent == 3);
        assert_eq!(place(4), place(parent) + 1, "listed under the parent that it names");
        assert_eq!(place(5), place(4) + 1);
    });
    readers.start(2, &store, |store: Shared| async move {
        let above = ids(&store.ancestors(id(5)).await.unwrap().value);
        assert!(above == [4, 2, 1].map(id) || above == [4, 3, 1].map(id), "{above:?}");
        let mover = Facet::Kind(text("mover"));
        let found = rows(store.find(Some(id(1)), std::slice::from_ref(&mover), everything()).await);
        assert_eq!(found, [id(4)]);
        let counts = store.counts(Some(id(1))).await.unwrap().value;
        assert!(counts.contains(&(mover, 1)), "{counts:?}");
    });
    for round in 0..400 {
        let parent = if round % 2 == 0 { 3 } else { 2 };
        apply(&store, [reparent(id(4), id(parent), NewPose::KeepWorld)]).await;
        readers.have_asked(round / 4).await;
    }
    readers.finish().await;
    assert_eq!(rows(store.children(Some(id(2)), ChildOrder::Ordinal, everything()).await), [id(4)]);
}

pub async fn a_read_sees_all_of_a_transaction_or_nothing(store: Shared) {
    let members: Vec<EntityId> = (10..60).map(id).collect();
    create(&store, [world_root(id(1))]).await;
    create(
        &store,
        members.iter().map(|member| thing(*member, id(1)).called("0").labelled(&["even"]).owned_by("p")),
    )
    .await;
    let mut readers = Readers::new();
    readers.start(1, &store, |store: Shared| async move {
        let tree = rows(store.subtree(id(1), Extent::Depth(1), everything()).await);
        assert!(tree[1..].iter().all(|entity| entity.name == tree[1].name), "a torn subtree: {tree:?}");
        let asked: Vec<_> = (10..60).map(id).collect();
        let many = store.entities(&asked).await.unwrap().value;
        let revisions: BTreeSet<_> = many.iter().map(|entity| entity.as_ref().unwrap().revision).collect();
        assert_eq!(revisions.len(), 1, "a torn answer");
    });
    readers.start(1, &store, |store: Shared| async move {
        let counts = store.counts(Some(id(1))).await.unwrap().value;
        let labels: Vec<_> = counts.iter().filter(|(facet, _)| matches!(facet, Facet::Label(_))).collect();
        assert!(labels.len() == 1 && labels[0].1 == 50, "half relabelled: {labels:?}");
        let both = [Facet::Label(text("even")), Facet::Label(text("odd"))];
        assert_eq!(rows(store.find(None, &both, everything()).await).len(), 50);
        assert_eq!(rows(store.owned(&text("p"), everything()).await).len(), 50);
    });
    for round in 1..=200_u32 {
        let (even, odd) = (text("even"), text("odd"));
        let labels = [(even, round % 2 == 0), (odd, round % 2 == 1)].into();
        let patch = Patch { name: Some(text(&round.to_string())), labels, ..Patch::default() };
        apply(
            &store,
            members.iter().map(|member| Operation::Change(*member, patch.clone())).collect::<Vec<_>>(),
        )
        .await;
        readers.have_asked(round as usize / 4).await;
    }
    readers.finish().await;
}

pub async fn an_answer_is_true_for_the_cursor_that_it_names(store: Shared) {
    // After commit n the only child of the world is named n, and there are n marks in all.
    create(&store, [world_root(id(1)), thing(id(2), id(1)).called("1")]).await;
    let mut readers = Readers::new();
    readers.start(3, &store, |store: Shared| async move {
        let answer = store.entities(&[id(2)]).await.unwrap();
        assert_eq!(answer.value[0].as_ref().unwrap().name.as_str(), answer.cursor.number().to_string());
        let answer = store.subtree(id(2), Extent::Depth(0), everything()).await.unwrap();
        assert_eq!(answer.value.rows[0].0.name.as_str(), answer.cursor.number().to_string());
        let answer = store.named("", everything()).await.unwrap();
        assert_eq!(answer.value.rows.len() as u64, answer.cursor.number() + 1);
        let answer = store.counts(Some(id(2))).await.unwrap();
        assert_eq!(answer.value.iter().map(|(_, count)| count).sum::<u64>(), answer.cursor.number() - 1);
        assert!(store.ancestors(id(2)).await.unwrap().cursor >= answer.cursor, "time goes forward");
    });
    for number in 2..=300 {
        let receipt = apply(
            &store,
            [rename(id(2), &number.to_string()), Operation::Create(thing(id(number + 10), id(2)))],
        )
        .await;
        assert_eq!(receipt.cursor.number(), number);
        readers.have_asked(number as usize / 4).await;
    }
    readers.finish().await;
}

pub async fn of_writers_at_one_revision_one_wins_and_nothing_is_lost(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut won = 0;
                while won < 20 {
                    let entity = get(&store, id(1)).await;
                    let add = Patch { ordinal: Some(entity.ordinal + 1), ..Patch::default() };
                    let add = Transaction::of([Operation::Change(id(1), add)]);
                    match store.commit(add.expecting(Precondition::Revision(id(1), entity.revision))).await {
                        Ok(_) => won += 1,
                        Err(Error::Refused(Refusal::StaleRevision { .. })) => tokio::task::yield_now().await,
                        Err(other) => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let entity = get(&store, id(1)).await;
    assert_eq!((entity.ordinal, entity.revision), (160, Revision::from_number(161)));
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}

pub async fn writers_at_once_get_cursors_without_gap_or_double(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    let writers: Vec<JoinHandle<Vec<Receipt>>> = (0..8)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut receipts = Vec::new();
                for number in 0..25 {
                    let new = Operation::Create(thing(id(100 + writer * 25 + number), id(1)));
                    // Accepted and durable ones share one order.
                    receipts.push(if number % 2 == 0 {
                        store.commit(Transaction::of([new])).await.unwrap().0
                    } else {
                        store.accept(Transaction::of([new])).await.unwrap().0
                    });
                }
                receipts
            })
        })
        .collect();
    let mut cursors = Vec::new();
    for writer in writers {
        let mine: Vec<_> = writer.await.unwrap().iter().map(|receipt| receipt.cursor.number()).collect();
        assert!(mine.is_sorted(), "one writer's transactions are in its order");
        cursors.extend(mine);
    }
    cursors.sort();
    assert_eq!(cursors, (2..=201).collect::<Vec<_>>());
    assert_eq!(Snapshot::replayed(&store).await, Snapshot::take(&store).await);
}

pub async fn moves_at_once_never_make_a_cycle(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(1))]).await;
    for _ in 0..50 {
        let under = |entity, parent| {
            let store = store.clone();
            let step = reparent(id(entity), id(parent), NewPose::Ride);
            tokio::spawn(async move { store.commit(Transaction::of([step])).await })
        };
        let (one, other) = (under(2, 3), under(3, 2));
        let won = [one.await.unwrap(), other.await.unwrap()];
        let refused =
            |outcome: &crate::Result<_>| matches!(outcome, Err(Error::Refused(Refusal::Cycle { .. })));
        assert_eq!(won.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{won:?}");
        assert_eq!(won.iter().filter(|outcome| refused(outcome)).count(), 1, "{won:?}");
        assert_eq!(rows(store.subtree(id(1), Extent::All, everything()).await).len(), 3);
        apply(&store, [reparent(id(2), id(1), NewPose::Ride), reparent(id(3), id(1), NewPose::Ride)]).await;
    }
}

pub async fn of_many_who_want_one_port_one_gets_it(store: Shared) {
    let ports = vec![entitygraph_schema::Port { name: text("hook"), accepts: Default::default() }];
    let dock =
        publish_container(&store, entitygraph_schema::ContainerDraft { ports, ..container("dock", "dock") })
            .await;
    create(&store, [world_root(id(1)), thing(id(2), id(1)).instance_of(&dock)]).await;
    create(&store, (10..26).map(|number| thing(id(number), id(1)))).await;
    let attempts: Vec<_> = (10..26)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(
                async move { store.commit(Transaction::of([attach(id(number), id(2), "hook")])).await },
            )
        })
        .collect();
    let mut won = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => won += 1,
            Err(Error::Refused(Refusal::PortOccupied { .. })) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(rows(store.children(Some(id(2)), ChildOrder::Ordinal, everything()).await).len(), 1);
}

pub async fn a_follower_keeps_up_with_writers_and_misses_nothing(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    let following = store.clone();
    let follower = tokio::spawn(async move {
        let mut newest = following.newest();
        let mut copy = Snapshot::default();
        while copy.cursor.number() < 201 {
            copy.follow(&following).await;
            if copy.cursor.number() < 201 {
                newest.wait_for(|newest| *newest > copy.cursor).await.unwrap();
            }
        }
        copy
    });
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..50 {
                    let new = id(100 + writer * 50 + number);
                    let parent = if number % 5 == 0 { id(1) } else { id(new.get() - 1) };
                    apply(
                        &store,
                        [
                            Operation::Create(thing(new, parent).called("new")),
                            rename(id(1), &new.to_string()),
                        ],
                    )
                    .await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(follower.await.unwrap(), Snapshot::take(&store).await);
}
