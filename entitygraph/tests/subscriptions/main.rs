//! What subscribers are told, on the memory store. `docs/subscriptions.md` is the specification.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod copy;
mod linking;
mod publishing;
#[path = "../support/mod.rs"]
mod support;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use entitygraph::{
    Config, Graph, Metrics,
    changes::{Message, Scope, ScopeChange, ScopeCommit, Subscription, SubscriptionOptions},
};
use entitygraph_schema::{
    Cursor, EntityId, Label, NewPose, Operation, Patch, Transaction,
    query::Near,
    testing::{at, entity_id, item, name, world, zone},
};
use entitygraph_store::{MemoryConfig, MemoryStore};
use tokio_util::sync::CancellationToken;

use copy::Copy;

const MESSAGE_TIME: Duration = Duration::from_secs(10);

/// World 1 with a ship (2, zone and aggregate root) that holds crate 3 with mug 4, and a station (5, zone) beside it.
async fn harbour(config: MemoryConfig) -> Graph {
    harbour_with(config, Config::default()).await
}

async fn harbour_with(memory: MemoryConfig, config: Config) -> Graph {
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let store = Arc::new(MemoryStore::with(memory));
    let (graph, _follower) = Graph::start(store, config, metrics, CancellationToken::new());
    let mut ship = zone(2, 1, 50.0);
    ship.root = true;
    ship.placement.pose = Some(at(1_000.0, 0.0, 0.0));
    let mut station = zone(5, 1, 500.0);
    station.placement.pose = Some(at(0.0, 5_000.0, 0.0));
    let mut crate_ = item(3, 2);
    crate_.placement.pose = Some(at(1.0, 2.0, 3.0));
    crate_.radius = 1.0;
    let made = [world(1, 1e9), ship, station, crate_, item(4, 3)].map(Operation::Create);
    graph.commit(Transaction::of(made)).await.unwrap();
    graph
}

async fn next(subscription: &mut Subscription) -> Message {
    let message = tokio::time::timeout(MESSAGE_TIME, subscription.next()).await.expect("a message in time");
    message.expect("the subscription goes on").expect("no error")
}

async fn transaction(subscription: &mut Subscription) -> Arc<ScopeCommit> {
    match next(subscription).await {
        Message::Transaction(commit) => commit,
        other => panic!("expected a transaction, got {other:?}"),
    }
}

async fn opened(graph: &Graph, scope: Scope) -> (Subscription, Vec<EntityId>) {
    let mut subscription = graph.subscribe(scope, SubscriptionOptions::default());
    match next(&mut subscription).await {
        Message::Snapshot { entities, .. } => {
            let ids = entities.iter().map(|entity| entity.id).collect();
            (subscription, ids)
        }
        other => panic!("expected a snapshot, got {other:?}"),
    }
}

fn ids(numbers: impl IntoIterator<Item = u64>) -> Vec<EntityId> {
    numbers.into_iter().map(entity_id).collect()
}

fn renamed(id: u64, text: &str) -> Transaction {
    let patch = Patch { name: Some(name(text)), ..Patch::default() };
    Transaction::of([Operation::Change(entity_id(id), patch)])
}

fn moved(id: u64, parent: u64) -> Transaction {
    let (entity, parent) = (entity_id(id), entity_id(parent));
    Transaction::of([Operation::Reparent { entity, parent, port: None, pose: NewPose::KeepWorld }])
}

fn labelled(id: u64, label: &str, set: bool) -> Transaction {
    let patch = Patch { labels: BTreeMap::from([(name::<Label>(label), set)]), ..Patch::default() };
    Transaction::of([Operation::Change(entity_id(id), patch)])
}

/// What was told, as short texts.
fn seen(commit: &ScopeCommit) -> Vec<String> {
    let said = |change: &ScopeChange| match change {
        ScopeChange::Entered(entity) => format!("+{}", entity.id),
        ScopeChange::Changed { entity, .. } => format!("~{entity}"),
        ScopeChange::Left { entity, buried: true } => format!("x{entity}"),
        ScopeChange::Left { entity, buried: false } => format!("-{entity}"),
        ScopeChange::ContainerPublished(it) => format!("container {}.{}", it.id, it.version.number()),
        ScopeChange::ComponentPublished(it) => format!("component {}.{}", it.id, it.version),
        ScopeChange::Linked(link) => format!("{}={} {}", link.a, link.b, link.cost),
        ScopeChange::Unlinked { a, b, .. } => format!("{a}/{b}"),
    };
    commit.changes.iter().map(said).collect()
}

#[tokio::test]
async fn each_scope_begins_with_what_is_in_it() {
    let graph = harbour(MemoryConfig::default()).await;
    let near = Near {
        zone: entity_id(1),
        point: glam::DVec3::new(1_000.0, 0.0, 0.0),
        radius: Some(100.0),
        min_angular_size: None,
        layer: Default::default(),
    };
    let cases = [
        (Scope::Entity(entity_id(3)), ids([3])),
        (Scope::Subtree(entity_id(1)), ids([1, 2, 3, 4, 5])),
        (Scope::Aggregate(entity_id(2)), ids([2, 3, 4])),
        (Scope::Zone(entity_id(1)), ids([1, 2, 5])),
        (Scope::Zone(entity_id(2)), ids([2, 3, 4])),
        (Scope::Sphere((&near).into()), ids([2, 3])),
    ];
    for (scope, expected) in cases {
        let (_, mut found) = opened(&graph, scope.clone()).await;
        found.sort();
        assert_eq!(found, expected, "{scope:?}");
    }
}

#[tokio::test]
async fn an_unknown_entity_is_refused_by_name() {
    let graph = harbour(MemoryConfig::default()).await;
    let mut subscription = graph.subscribe(Scope::Subtree(entity_id(99)), SubscriptionOptions::default());
    let error = subscription.next().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "entity 99 does not exist");
}

#[tokio::test]
async fn a_subtree_hears_of_changes_inside_and_of_nothing_else() {
    let graph = harbour(MemoryConfig::default()).await;
    let (mut ship, _) = opened(&graph, Scope::Subtree(entity_id(2))).await;
    graph.commit(renamed(5, "station")).await.unwrap();
    graph.commit(renamed(4, "mug")).await.unwrap();
    let commit = transaction(&mut ship).await;
    assert_eq!(seen(&commit), ["~4"]);
    assert_eq!(commit.to, *graph.applied().borrow());
}

#[tokio::test]
async fn a_transaction_arrives_whole_and_in_one_message() {
    let graph = harbour(MemoryConfig::default()).await;
    let (mut world, _) = opened(&graph, Scope::Subtree(entity_id(1))).await;
    let both = [renamed(3, "a"), renamed(4, "b")].map(|transaction| transaction.operations).concat();
    graph.commit(Transaction::of(both)).await.unwrap();
    assert_eq!(seen(&*transaction(&mut world).await), ["~3", "~4"]);
}

#[tokio::test]
async fn what_moves_in_is_told_with_everything_below_it_and_what_moves_out_is_left() {
    let graph = harbour(MemoryConfig::default()).await;
    let (mut station, _) = opened(&graph, Scope::Subtree(entity_id(5))).await;
    let (mut ship, _) = opened(&graph, Scope::Subtree(entity_id(2))).await;
    let (mut world, _) = opened(&graph, Scope::Subtree(entity_id(1))).await;
    graph.commit(moved(3, 5)).await.unwrap();
    assert_eq!(seen(&*transaction(&mut station).await), ["+3", "+4"]);
    assert_eq!(seen(&*transaction(&mut ship).await), ["-3"]);
    assert_eq!(seen(&*transaction(&mut world).await)[0], "~3");
}

#[tokio::test]
async fn an_aggregate_ends_at_nested_roots_and_follows_the_root_mark() {
    let graph = harbour(MemoryConfig::default()).await;
    let (mut ship, _) = opened(&graph, Scope::Aggregate(entity_id(2))).await;
    let mark = |root| Patch { root: Some(root), ..Patch::default() };
    graph.commit(Transaction::of([Operation::Change(entity_id(3), mark(true))])).await.unwrap();
    assert_eq!(seen(&*transaction(&mut ship).await), ["-3"]);
    graph.commit(renamed(4, "not yours")).await.unwrap();
    graph.commit(Transaction::of([Operation::Change(entity_id(3), mark(false))])).await.unwrap();
    assert_eq!(seen(&*transaction(&mut ship).await), ["+3", "+4"]);
}

#[tokio::test]
async fn a_zone_does_not_enter_nested_zones() {
    let graph = harbour(MemoryConfig::default()).await;
    let (mut space, _) = opened(&graph, Scope::Zone(entity_id(1))).await;
    graph.commit(renamed(3, "inside the ship")).await.unwrap();
    graph.commit(renamed(2, "the ship")).await.unwrap();
    assert_eq!(seen(&*transaction(&mut space).await), ["~2"]);
    graph.commit(moved(3, 1)).await.unwrap();
    assert_eq!(seen(&*transaction(&mut space).await), ["+3", "+4"]);
}

#[tokio::test]
async fn a_label_scope_follows_the_label() {
    let graph = harbour(MemoryConfig::default()).await;
    let (mut rescue, members) = opened(&graph, Scope::Label(name("mission/rescue"))).await;
    assert_eq!(members, []);
    graph.commit(labelled(4, "mission/rescue", true)).await.unwrap();
    assert_eq!(seen(&*transaction(&mut rescue).await), ["+4"]);
    graph.commit(renamed(4, "mug")).await.unwrap();
    assert_eq!(seen(&*transaction(&mut rescue).await), ["~4"]);
    graph.commit(labelled(4, "mission/rescue", false)).await.unwrap();
    assert_eq!(seen(&*transaction(&mut rescue).await), ["-4"]);
    graph.commit(renamed(4, "cup")).await.unwrap();
    graph.commit(labelled(3, "mission/rescue", true)).await.unwrap();
    assert_eq!(seen(&*transaction(&mut rescue).await), ["+3"]);
    graph.commit(Transaction::of([Operation::Bury { entity: entity_id(3), subtree: true }])).await.unwrap();
    assert_eq!(seen(&*transaction(&mut rescue).await), ["x3"]);
}

#[tokio::test]
async fn a_buried_subtree_is_told_children_first() {
    let graph = harbour(MemoryConfig::default()).await;
    let (mut ship, _) = opened(&graph, Scope::Subtree(entity_id(2))).await;
    let (mut crate_, _) = opened(&graph, Scope::Subtree(entity_id(3))).await;
    graph.commit(Transaction::of([Operation::Bury { entity: entity_id(2), subtree: true }])).await.unwrap();
    assert_eq!(seen(&*transaction(&mut ship).await), ["x4", "x3", "x2"]);
    assert_eq!(seen(&*transaction(&mut crate_).await), ["x4", "x3"]);
}

#[tokio::test]
async fn a_sphere_follows_what_comes_and_goes_also_with_a_moving_zone() {
    let graph = harbour(MemoryConfig::default()).await;
    let (mut sphere, members) = opened(&graph, around_the_origin()).await;
    assert_eq!(members, []);
    graph.commit(placed(2, 100.0)).await.unwrap();
    let mut entered = seen(&*transaction(&mut sphere).await);
    entered.sort();
    assert_eq!(entered, ["+2", "+3"]);
    graph.commit(renamed(3, "crate")).await.unwrap();
    assert_eq!(seen(&*transaction(&mut sphere).await), ["~3"]);
    graph.commit(placed(2, 9_000.0)).await.unwrap();
    let mut left = seen(&*transaction(&mut sphere).await);
    left.sort();
    assert_eq!(left, ["-2", "-3"]);
}

fn around_the_origin() -> Scope {
    let near = Near {
        zone: entity_id(1),
        point: glam::DVec3::ZERO,
        radius: Some(500.0),
        min_angular_size: None,
        layer: Default::default(),
    };
    Scope::Sphere((&near).into())
}

fn placed(id: u64, x: f64) -> Transaction {
    let patch = Patch { pose: Some(Some(at(x, 0.0, 0.0))), ..Patch::default() };
    Transaction::of([Operation::Change(entity_id(id), patch)])
}

#[tokio::test]
async fn a_sphere_with_an_interval_tells_what_came_while_it_was_told() {
    let graph = harbour(MemoryConfig::default()).await;
    let options = SubscriptionOptions { after: None, interval: Some(Duration::from_millis(20)) };
    let mut sphere = graph.subscribe(around_the_origin(), options);
    assert!(matches!(next(&mut sphere).await, Message::Snapshot { .. }));
    let writes = async {
        graph.commit(placed(2, 100.0)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        graph.commit(renamed(3, "while the first is not told yet")).await.unwrap()
    };
    let (first, written) = tokio::join!(transaction(&mut sphere), writes);
    assert_eq!(seen(&first).len(), 2);
    let second = transaction(&mut sphere).await;
    assert_eq!((seen(&second), second.to), (vec!["~3".to_owned()], written.cursor));
}

/// Writes past the follower, which has no turn before the caller waits for something.
async fn overrun(graph: &Graph) {
    for turn in 0..10 {
        graph.store().commit(renamed(5, &format!("turn {turn}"))).await.unwrap();
    }
}

#[tokio::test]
async fn a_sphere_is_told_of_skipped_transactions_as_lag() {
    let graph = harbour(MemoryConfig { retained_commits: 3, ..MemoryConfig::default() }).await;
    let (mut sphere, members) = opened(&graph, around_the_origin()).await;
    assert_eq!(members, []);
    let after = *graph.applied().borrow();
    graph.store().commit(placed(2, 100.0)).await.unwrap();
    overrun(&graph).await;
    assert!(matches!(next(&mut sphere).await, Message::Lag { after: told, .. } if told == after));
    match next(&mut sphere).await {
        Message::Snapshot { entities, .. } => assert_eq!(entities.len(), 2),
        other => panic!("expected a snapshot, got {other:?}"),
    }
}

#[tokio::test]
async fn lag_begins_before_what_was_merged_and_not_told() {
    let graph = harbour(MemoryConfig { retained_commits: 3, ..MemoryConfig::default() }).await;
    let options = SubscriptionOptions { after: None, interval: Some(Duration::from_secs(60)) };
    let mut ship = graph.subscribe(Scope::Subtree(entity_id(2)), options);
    assert!(matches!(next(&mut ship).await, Message::Snapshot { .. }));
    let after = *graph.applied().borrow();
    graph.commit(renamed(3, "merged")).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), ship.next()).await.is_err());
    overrun(&graph).await;
    assert!(matches!(next(&mut ship).await, Message::Lag { after: told, .. } if told == after));
}

#[tokio::test]
async fn a_zone_host_that_flies_into_a_zone_is_told_alone_however_much_it_carries() {
    let mut config = Config::default();
    config.limits.subtree_entities = 10;
    let graph = harbour_with(MemoryConfig::default(), config).await;
    let cargo: Vec<_> = (100..120).map(|id| Operation::Create(item(id, 2))).collect();
    graph.commit(Transaction::of(cargo)).await.unwrap();
    let (mut station, _) = opened(&graph, Scope::Zone(entity_id(5))).await;
    graph.commit(moved(2, 5)).await.unwrap();
    assert_eq!(seen(&*transaction(&mut station).await), ["+2"]);
}

#[tokio::test]
async fn what_moves_into_a_zone_brings_nested_hosts_and_nothing_inside_them() {
    let graph = harbour(MemoryConfig::default()).await;
    let mut pod = zone(6, 3, 10.0);
    pod.placement.pose = Some(at(0.0, 0.0, 1.0));
    graph.commit(Transaction::of([pod, item(7, 6)].map(Operation::Create))).await.unwrap();
    let (mut station, _) = opened(&graph, Scope::Zone(entity_id(5))).await;
    graph.commit(moved(3, 5)).await.unwrap();
    let mut entered = seen(&*transaction(&mut station).await);
    entered.retain(|change| change.starts_with('+'));
    entered.sort();
    entered.dedup();
    assert_eq!(entered, ["+3", "+4", "+6"]);
}

#[tokio::test]
async fn a_subscriber_resumes_right_after_its_cursor() {
    let graph = harbour(MemoryConfig::default()).await;
    let after = graph.commit(renamed(3, "one")).await.unwrap().cursor;
    graph.commit(renamed(3, "two")).await.unwrap();
    graph.commit(renamed(5, "elsewhere")).await.unwrap();
    graph.commit(renamed(4, "three")).await.unwrap();
    let options = SubscriptionOptions { after: Some(after), interval: None };
    let mut ship = graph.subscribe(Scope::Subtree(entity_id(2)), options);
    assert_eq!(seen(&*transaction(&mut ship).await), ["~3"]);
    assert_eq!(seen(&*transaction(&mut ship).await), ["~4"]);
    graph.commit(renamed(4, "four")).await.unwrap();
    assert_eq!(seen(&*transaction(&mut ship).await), ["~4"]);
}

#[tokio::test]
async fn catching_up_tells_changes_to_the_scopes_they_were_in_at_that_time() {
    let graph = harbour(MemoryConfig::default()).await;
    let after = *graph.applied().borrow();
    graph.commit(renamed(4, "in the ship")).await.unwrap();
    graph.commit(moved(3, 5)).await.unwrap();
    graph.commit(renamed(4, "in the station")).await.unwrap();
    graph.commit(Transaction::of([Operation::Bury { entity: entity_id(3), subtree: true }])).await.unwrap();
    let options = SubscriptionOptions { after: Some(after), interval: None };
    let mut ship = graph.subscribe(Scope::Subtree(entity_id(2)), options);
    assert_eq!(seen(&*transaction(&mut ship).await), ["~4"]);
    assert_eq!(seen(&*transaction(&mut ship).await), ["-3"]);
    let mut station = graph.subscribe(Scope::Subtree(entity_id(5)), options);
    assert_eq!(seen(&*transaction(&mut station).await)[0], "+3");
    assert_eq!(seen(&*transaction(&mut station).await), ["~4"]);
    assert_eq!(seen(&*transaction(&mut station).await), ["x4", "x3"]);
}

#[tokio::test]
async fn what_came_in_below_another_is_told_where_it_was_then_though_it_moved_on_since() {
    let graph = harbour(MemoryConfig::default()).await;
    let after = graph.commit(renamed(4, "mug")).await.unwrap().cursor;
    for transaction in [moved(3, 5), moved(4, 5), renamed(4, "cup"), moved(3, 2)] {
        graph.commit(transaction).await.unwrap();
    }
    let options = SubscriptionOptions { after: Some(after), interval: None };
    let mut station = graph.subscribe(Scope::Subtree(entity_id(5)), options);
    let mut copy = Copy::default();
    for expected in [vec!["+3", "+4"], vec!["~4"], vec!["~4"], vec!["-3"]] {
        let commit = transaction(&mut station).await;
        assert_eq!(seen(&commit), expected);
        copy.hear(&Message::Transaction(commit), &graph).await;
    }
    copy.assert_equals(&graph, graph.entity(entity_id(4)).await.unwrap()).await;
}

#[tokio::test]
async fn a_cursor_that_is_too_old_is_told_as_lag_and_followed_by_a_snapshot() {
    let graph = harbour(MemoryConfig { retained_commits: 3, ..MemoryConfig::default() }).await;
    let after = *graph.applied().borrow();
    for turn in 0..10 {
        graph.commit(renamed(3, &format!("turn {turn}"))).await.unwrap();
    }
    let newest = *graph.applied().borrow();
    let options = SubscriptionOptions { after: Some(after), interval: None };
    let mut ship = graph.subscribe(Scope::Subtree(entity_id(2)), options);
    assert_eq!(next(&mut ship).await, Message::Lag { after, newest });
    assert!(matches!(next(&mut ship).await, Message::Snapshot { cursor, .. } if cursor == newest));
}

#[tokio::test]
async fn a_reader_that_falls_out_of_the_ring_catches_up_without_a_gap() {
    let graph = harbour(MemoryConfig::default()).await;
    let (mut slow, _) = opened(&graph, Scope::Entity(entity_id(3))).await;
    for turn in 0..200 {
        graph.commit(renamed(3, &format!("turn {turn}"))).await.unwrap();
    }
    let mut revisions = Vec::new();
    while revisions.len() < 200 {
        match &transaction(&mut slow).await.changes[..] {
            [ScopeChange::Changed { revision, .. }] => revisions.push(revision.number()),
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(revisions, (2..=201).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_interval_merges_changes_and_says_from_where_to_where() {
    let graph = harbour(MemoryConfig::default()).await;
    let options = SubscriptionOptions { after: None, interval: Some(Duration::from_millis(300)) };
    let mut ship = graph.subscribe(Scope::Subtree(entity_id(2)), options);
    assert!(matches!(next(&mut ship).await, Message::Snapshot { .. }));
    let first = graph.commit(renamed(3, "a")).await.unwrap().cursor;
    graph.commit(renamed(4, "b")).await.unwrap();
    let last = graph.commit(renamed(3, "c")).await.unwrap().cursor;
    let commit = transaction(&mut ship).await;
    assert_eq!((commit.from, commit.to), (first, last));
    match &commit.changes[..] {
        [ScopeChange::Changed { entity, patch, .. }, ScopeChange::Changed { entity: other, .. }] => {
            assert_eq!((*entity, *other), (entity_id(3), entity_id(4)));
            assert_eq!(patch.name.as_ref().unwrap().as_str(), "c");
        }
        other => panic!("unexpected {other:?}"),
    }
}

/// G6: snapshot and transactions, applied by the rules of the specification, give the store's state.
#[tokio::test]
async fn a_copy_kept_by_the_rules_equals_the_store_under_random_writes() {
    follow_random_writes(None, None).await;
}

#[tokio::test]
async fn a_copy_that_is_resumed_again_and_again_equals_the_store_under_random_writes() {
    follow_random_writes(None, Some(50)).await;
}

/// Things move out, and come back without what they carried, within one message.
#[tokio::test]
async fn a_copy_kept_by_merged_transactions_equals_the_store_under_random_writes() {
    follow_random_writes(Some(Duration::from_millis(10)), None).await;
}

async fn follow_random_writes(interval: Option<Duration>, resumed_every: Option<u32>) {
    let graph = harbour(MemoryConfig::default()).await;
    for published in [publishing::lamp(0), publishing::mug(0), publishing::tray(0)] {
        graph.commit(published).await.unwrap();
    }
    let writer = graph.clone();
    let writes = tokio::spawn(async move {
        let mut next_id = 100;
        let mut random: u64 = 7;
        let mut dice = move |sides: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % sides
        };
        let mut alive = vec![3, 4];
        for turn in 0..2_000 {
            // Of the latest only, so that most are still there.
            let mut pick = || alive[alive.len() - 1 - dice(12.min(alive.len() as u64)) as usize];
            let (pick, other) = (pick(), pick());
            let write = match dice(11) {
                0 => {
                    next_id += 1;
                    alive.push(next_id);
                    let parent = [2, 5][dice(2) as usize];
                    let made = match dice(3) {
                        0 => item(next_id, parent),
                        1 => publishing::instance(next_id, parent, 1, None),
                        _ => publishing::instance(next_id, parent, 1, Some(2)),
                    };
                    Transaction::of([Operation::Create(made)])
                }
                8 => match dice(3) {
                    0 => publishing::lamp(turn),
                    1 => publishing::mug(turn),
                    _ => publishing::tray(turn),
                },
                9 => linking::linked(pick, [1, other][dice(2) as usize], (turn + 1) as f64),
                10 => linking::unlinked(pick, [1, other][dice(2) as usize]),
                1..=4 => moved(pick, [1, 2, 5, other][dice(4) as usize]),
                5 if alive.len() > 3 => {
                    let bury = Operation::Bury { entity: entity_id(pick), subtree: true };
                    Transaction::of([bury])
                }
                _ => renamed(pick, &format!("turn {turn}")),
            };
            // Some are refused: the entity was buried with its parent.
            drop(writer.commit(write).await);
        }
    });
    let mut copy = Copy::default();
    let mut position = Cursor::ZERO;
    let mut ship =
        graph.subscribe(Scope::Subtree(entity_id(2)), SubscriptionOptions { after: None, interval });
    let mut messages = 0;
    loop {
        let newest = *graph.applied().borrow();
        let done = writes.is_finished() && position >= newest;
        let message =
            tokio::time::timeout(Duration::from_millis(if done { 200 } else { 2_000 }), ship.next()).await;
        let Ok(message) = message else { break };
        let message = message.unwrap().unwrap();
        position = message.cursor();
        copy.hear(&message, &graph).await;
        messages += 1;
        if resumed_every.is_some_and(|every| messages % every == 0) {
            let options = SubscriptionOptions { after: Some(position), interval };
            ship = graph.subscribe(Scope::Subtree(entity_id(2)), options);
        }
    }
    writes.await.unwrap();
    let store = graph.subtree(entity_id(2), entitygraph_schema::query::Extent::All).await.unwrap();
    copy.assert_equals(&graph, store.iter().cloned()).await;
}
