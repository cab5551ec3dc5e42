//! Beginning a store, and starting on one that others write to.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::conformance::build::*;

/// Leaves nothing in the database, not even constraints and indexes.
async fn empty(lease: &Lease) {
    let neo4j = lease.as_ref().unwrap();
    neo4j.cypher("MATCH (n) DETACH DELETE n").await.unwrap();
    for (show, drop) in [("SHOW CONSTRAINTS", "DROP CONSTRAINT"), ("SHOW INDEXES", "DROP INDEX")] {
        let names = neo4j.cypher(&format!("{show} YIELD name RETURN name")).await.unwrap();
        for row in names.as_array().unwrap() {
            neo4j.cypher(&format!("{drop} {} IF EXISTS", row["name"].as_str().unwrap())).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_begin_a_store_at_once_begin_one() {
    let lease = server().await;
    for round in 0..4 {
        empty(&lease).await;
        let (one, other, third) = tokio::join!(open(&lease), open(&lease), open(&lease));
        let stores = [one, other, third].map(|store| -> Shared { Arc::new(store.unwrap()) });
        create(&stores[0], [world_root(id(1))]).await;
        for (number, store) in (2..).zip(&stores) {
            create(store, [thing(id(number), id(1))]).await;
            assert_eq!(store.newest().borrow().number(), number, "round {round}");
        }
        let leases = [stores[0].lease_ids(5).await.unwrap(), stores[1].lease_ids(5).await.unwrap()];
        assert_ne!(leases[0], leases[1], "round {round}");
        let nodes = "MATCH (n) WHERE n:Shard OR n:Gate RETURN count(n) AS found";
        assert_eq!(lease.as_ref().unwrap().cypher(nodes).await.unwrap()[0]["found"], 2, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_starts_on_a_busy_shard_and_misses_nothing_that_is_published() {
    let lease = server().await;
    let busy: Shared = Arc::new(open(&lease).await.unwrap());
    create(&busy, [world_root(id(1))]).await;
    let done = Arc::new(AtomicBool::new(false));
    // Each is published once, so that one which is missed stays missed.
    let name = |writer: u64, number: u64| format!("ship/{writer}-{number}");
    let write = |writer: u64| {
        let (busy, done) = (busy.clone(), done.clone());
        async move {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                number += 1;
                publish_container(&busy, container(&name(writer, number), "ship")).await;
            }
            number
        }
    };
    let writing: Vec<_> = (0..8).map(|writer| tokio::spawn(write(writer))).collect();
    let began = std::time::Instant::now();
    let mut started = Vec::new();
    for _ in 0..5 {
        started.push(open(&lease).await.unwrap());
    }
    let took = began.elapsed();
    done.store(true, Ordering::Relaxed);
    let mut published = Vec::new();
    for (writer, last) in (0..).zip(writing) {
        published.extend((1..=last.await.unwrap()).map(|number| name(writer, number)));
    }
    assert!(took < std::time::Duration::from_secs(10), "five starts took {took:?}");
    for store in started {
        store.room().await.unwrap();
        assert_eq!(*store.newest().borrow(), *busy.newest().borrow());
        let (found, expected) = (store.catalog(), busy.catalog());
        for name in &published {
            assert!(expected.container_by_name(name).is_some(), "{name}");
            assert_eq!(found.container_by_name(name), expected.container_by_name(name));
        }
    }
}
