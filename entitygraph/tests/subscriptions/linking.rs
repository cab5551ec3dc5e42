//! Links are told to the scopes of their ends.

use entitygraph_schema::{Link, LinkKind};

use super::*;

pub fn linked(a: u64, b: u64, cost: f64) -> Transaction {
    Transaction::of([Operation::Link(Link::new(name("jump"), entity_id(a), entity_id(b), cost))])
}

pub fn unlinked(a: u64, b: u64) -> Transaction {
    Transaction::of([Operation::Unlink { kind: name::<LinkKind>("jump"), a: entity_id(a), b: entity_id(b) }])
}

fn in_the_ship() -> Scope {
    let near = Near {
        zone: entity_id(2),
        point: glam::DVec3::ZERO,
        radius: Some(100.0),
        min_angular_size: None,
        layer: Default::default(),
    };
    Scope::Sphere((&near).into())
}

#[tokio::test]
async fn a_link_is_told_once_to_each_scope_with_an_end_of_it() {
    let graph = harbour(MemoryConfig::default()).await;
    graph.commit(labelled(5, "port", true)).await.unwrap();
    let scopes = [
        Scope::Entity(entity_id(3)),
        Scope::Entity(entity_id(5)),
        Scope::Subtree(entity_id(1)),
        Scope::Aggregate(entity_id(2)),
        Scope::Zone(entity_id(1)),
        Scope::Zone(entity_id(2)),
        Scope::Label(name("port")),
        in_the_ship(),
    ];
    let mut followers = Vec::new();
    for scope in scopes {
        followers.push((opened(&graph, scope.clone()).await.0, scope));
    }
    let (mut mug, _) = opened(&graph, Scope::Subtree(entity_id(4))).await;
    for (transaction_, expected) in
        [(linked(3, 5, 1.0), "3=5 1"), (linked(3, 5, 2.0), "3=5 2"), (unlinked(3, 5), "3/5")]
    {
        graph.commit(transaction_).await.unwrap();
        for (follower, scope) in &mut followers {
            assert_eq!(seen(&*transaction(follower).await), [expected], "{scope:?}");
        }
    }
    graph.commit(renamed(4, "mug")).await.unwrap();
    assert_eq!(seen(&*transaction(&mut mug).await), ["~4"], "no end of it is there");
}

#[tokio::test]
async fn a_link_that_ends_with_one_of_its_ends_is_told_to_those_of_the_other() {
    let graph = harbour(MemoryConfig::default()).await;
    graph.commit(linked(3, 5, 1.0)).await.unwrap();
    let (mut crate_, _) = opened(&graph, Scope::Entity(entity_id(3))).await;
    let (mut station, _) = opened(&graph, Scope::Entity(entity_id(5))).await;
    graph.commit(Transaction::of([Operation::Bury { entity: entity_id(5), subtree: true }])).await.unwrap();
    assert_eq!(seen(&*transaction(&mut crate_).await), ["3/5"]);
    assert_eq!(seen(&*transaction(&mut station).await), ["3/5", "x5"]);
}

#[tokio::test]
async fn a_link_is_told_where_its_ends_were_then() {
    let graph = harbour(MemoryConfig::default()).await;
    let after = *graph.applied().borrow();
    for transaction in [linked(3, 1, 1.0), moved(3, 5), linked(3, 1, 2.0)] {
        graph.commit(transaction).await.unwrap();
    }
    let options = SubscriptionOptions { after: Some(after), interval: None };
    let mut ship = graph.subscribe(Scope::Subtree(entity_id(2)), options);
    assert_eq!(seen(&*transaction(&mut ship).await), ["1=3 1"]);
    assert_eq!(seen(&*transaction(&mut ship).await), ["-3"]);
    let mut station = graph.subscribe(Scope::Subtree(entity_id(5)), options);
    assert_eq!(seen(&*transaction(&mut station).await), ["+3", "+4"]);
    assert_eq!(seen(&*transaction(&mut station).await), ["1=3 2"]);
    graph.commit(renamed(2, "ship")).await.unwrap();
    assert_eq!(seen(&*transaction(&mut ship).await), ["~2"]);
}

#[tokio::test]
async fn with_an_interval_the_latest_state_of_each_link_is_told() {
    let graph = harbour(MemoryConfig::default()).await;
    let options = SubscriptionOptions { after: None, interval: Some(Duration::from_millis(300)) };
    let mut ship = graph.subscribe(Scope::Subtree(entity_id(2)), options);
    assert!(matches!(next(&mut ship).await, Message::Snapshot { .. }));
    for transaction in [linked(3, 5, 1.0), linked(4, 5, 1.0), unlinked(3, 5), linked(4, 5, 2.0)] {
        graph.commit(transaction).await.unwrap();
    }
    assert_eq!(seen(&*transaction(&mut ship).await), ["3/5", "4=5 2"]);
}
