//! The plan of every statement, with and without a world that the planner knows the size of.

use super::*;
use crate::{
    conformance::build::{Make, apply, at, create, id, jump, thing, world_root, zone},
    neo4j::statements::ALL,
};

/// Statements that are meant to read all nodes of a label, or one of them: nothing in these grows with the world.
const MAY_SCAN: [&str; 2] = ["WHOSE", "CATALOG"];

/// Fails on plans that read all nodes of a label, or an index from one end to the other, where a part of an index is enough.
async fn check_plans(lease: &Lease, when: &str) {
    for (name, statement) in ALL {
        let plan = lease.as_ref().unwrap().operators(statement.text).await.unwrap();
        let scans: Vec<_> = plan.iter().filter(|(operator, _)| operator.ends_with("Scan")).collect();
        assert_eq!(!scans.is_empty(), MAY_SCAN.contains(name), "{name} {when}: {scans:?}");
    }
}

#[tokio::test]
async fn no_statement_scans_what_an_index_finds() {
    let lease = server().await;
    let store: Shared = Arc::new(open(&lease).await.unwrap());
    check_plans(&lease, "in an empty database").await;
    // Some thousand entities, all sorts of them, so that the planner weighs scans against seeks.
    create(&store, [world_root(id(1))]).await;
    let star = |number: u64| zone(id(number), id(1), 1e3, at(number as f64, 0.0, 0.0)).called("star");
    create(&store, (2..102).map(star)).await;
    let ship = |number: u64| {
        let ship = thing(id(number), id(2 + number % 100)).at(at(number as f64, 1.0, 0.0));
        ship.called(&format!("ship {number}"))
            .owned_by(&format!("player:{}", number % 50))
            .with_ordinal(number as i64 % 7)
    };
    create(&store, (1_000..4_000).map(ship)).await;
    apply(&store, (1_000..1_900).map(|number| jump(id(number), id(number + 1), 1.0)).collect::<Vec<_>>())
        .await;
    let gone = (3_900..4_000).map(|number| crate::conformance::build::bury(id(number)));
    apply(&store, gone.collect::<Vec<_>>()).await;
    let neo4j = lease.as_ref().unwrap();
    neo4j.cypher("CALL db.prepareForReplanning(120)").await.unwrap();
    check_plans(&lease, "in a world").await;
    // All that stands between a page and the whole index is that the rows of one end are sorted and no more.
    let plan = neo4j.operators(crate::neo4j::statements::ALL_LINKS.text).await.unwrap();
    assert!(plan.iter().any(|(operator, _)| operator == "PartialTop"), "{plan:?}");
}
