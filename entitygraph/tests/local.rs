//! The graph as roles see it, over the service in the same process.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{sync::Arc, time::Duration};

use entitygraph::{Config, Metrics};
use entitygraph_client::graph::{Changes, Graph, GraphError};
use entitygraph_schema::{
    Cursor, EntityId, Epoch, Operation, Patch, Precondition, Transaction,
    query::{Extent, Near, PageRequest},
    testing::{at, entity_id, item, name, world},
};
use entitygraph_store::{MemoryConfig, MemoryStore, Store};
use glam::DVec3;
use tokio_util::sync::CancellationToken;

const WORLD: u64 = 1;

async fn graph(retained_commits: usize) -> entitygraph::Graph {
    let config = MemoryConfig { retained_commits, ..MemoryConfig::default() };
    let store: Arc<dyn Store> = Arc::new(MemoryStore::with(config));
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let (graph, _) = entitygraph::Graph::start(store, Config::default(), metrics, CancellationToken::new());
    let ships = (2..6).map(|id| {
        let mut ship = item(id, WORLD);
        ship.placement.pose = Some(at(id as f64, 0.0, 0.0));
        ship.radius = 1.0;
        Operation::Create(ship)
    });
    let all: Vec<_> = [Operation::Create(world(WORLD, 1e6))].into_iter().chain(ships).collect();
    Graph::commit(&graph, Transaction::of(all)).await.unwrap();
    graph
}

fn moved(id: u64, x: f64) -> Operation {
    Operation::Change(entity_id(id), Patch { pose: Some(Some(at(x, 0.0, 0.0))), ..Patch::default() })
}

fn under(epoch: u64, id: u64, operation: Operation) -> Transaction {
    Transaction::of([operation]).expecting(Precondition::Epoch(entity_id(id), Epoch::from_number(epoch)))
}

#[tokio::test]
async fn a_commit_is_done_once_under_its_operation_id_and_refused_by_what_it_is_about() {
    let graph = graph(100).await;
    let first = under(7, 2, moved(2, 9.0)).named(name("scribe/7/1"));
    let receipt = Graph::commit(&graph, first.clone()).await.unwrap();
    assert!(!receipt.replayed);
    let again = Graph::commit(&graph, first).await.unwrap();
    assert_eq!((again.cursor, again.replayed), (receipt.cursor, true));
    let stale = Graph::commit(&graph, under(6, 2, moved(2, 10.0))).await.unwrap_err();
    let (given, found) = (Epoch::from_number(6), Epoch::from_number(7));
    assert_eq!(stale, GraphError::StaleEpoch { entity: entity_id(2), given, found });
    let unknown = Graph::commit(&graph, Transaction::of([moved(99, 1.0)])).await.unwrap_err();
    assert!(
        matches!(&unknown, GraphError::Refused { code, entity, .. } if code == "UNKNOWN_ENTITY" && *entity == EntityId::new(99)),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn questions_are_answered_with_their_moment_a_part_at_a_time() {
    let graph = graph(100).await;
    let found = Graph::entities(&graph, &[3, 99].map(entity_id)).await.unwrap();
    assert_eq!(found.cursor, Cursor::from_number(1));
    assert!(found.value[0].as_ref().is_some_and(|ship| ship.id == entity_id(3)) && found.value[1].is_none());
    let (mut ids, mut after) = (vec![], None);
    loop {
        let part = PageRequest { first: 2, after };
        let part = Graph::subtree(&graph, entity_id(WORLD), Extent::All, part).await.unwrap().value;
        ids.extend(part.rows.iter().map(|(entity, _)| entity.id.get()));
        if !part.more {
            break;
        }
        after = part.end;
    }
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    let near = Near {
        zone: entity_id(WORLD),
        point: DVec3::ZERO,
        radius: Some(3.5),
        min_angular_size: None,
        layer: entitygraph_schema::Layer::ZERO,
    };
    let hits = Graph::near(&graph, &near).await.unwrap().value;
    assert_eq!(hits.iter().map(|hit| hit.entity.get()).collect::<Vec<_>>(), [2, 3, 4]);
    let range = Graph::lease_ids(&graph, 10).await.unwrap();
    assert_eq!(range.count, 10);
    assert_eq!(Graph::catalog(&graph).await.unwrap().containers().len(), 0);
}

#[tokio::test]
async fn changes_wait_for_the_next_commit_and_say_when_they_are_not_kept() {
    let graph = graph(2).await;
    let waiting = {
        let graph = graph.clone();
        tokio::spawn(async move { Graph::changes(&graph, Cursor::from_number(1), 10).await })
    };
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished(), "there is nothing new");
    Graph::commit(&graph, Transaction::of([moved(2, 9.0)])).await.unwrap();
    let Changes::Commits(commits) = waiting.await.unwrap().unwrap() else { panic!("they are kept") };
    assert_eq!(commits.iter().map(|commit| commit.cursor.number()).collect::<Vec<_>>(), [2]);
    for x in 10..13 {
        Graph::commit(&graph, Transaction::of([moved(2, f64::from(x))])).await.unwrap();
    }
    let lagging = Graph::changes(&graph, Cursor::from_number(1), 10).await.unwrap();
    assert_eq!(lagging, Changes::Resync { newest: Cursor::from_number(5) });
}
