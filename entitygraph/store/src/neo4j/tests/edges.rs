//! Relationships of new nodes: they hang on what their properties say.

use entitygraph_schema::Operation;

use super::*;
use crate::conformance::build::*;

/// Entities whose relationship of a sort is not the one that a property says, and how many have one.
async fn strays(lease: &Lease, matched: &str, says: &str) -> (u64, u64) {
    let text = format!(
        "MATCH (e:Entity) OPTIONAL MATCH (e){matched} WITH e, collect(o) AS ends, {says} AS said \
         RETURN sum(CASE WHEN size(ends) = CASE WHEN said IS NULL THEN 0 ELSE 1 END AND (said IS NULL OR ends[0].id = said) \
         THEN 0 ELSE 1 END) AS strays, sum(size(ends)) AS ends"
    );
    let rows = lease.as_ref().unwrap().cypher(&text).await.unwrap();
    (rows[0]["strays"].as_u64().unwrap(), rows[0]["ends"].as_u64().unwrap())
}

#[tokio::test]
async fn new_entities_hang_on_the_parent_the_owner_and_the_container_that_they_name() {
    let lease = server().await;
    let store: Shared = Arc::new(open(&lease).await.unwrap());
    for name in ["hull", "room"] {
        apply(&store, [Operation::PublishContainer(container(name, "thing"))]).await;
    }
    let catalog = store.catalog();
    let containers = ["hull", "room"].map(|name| newest_container(&catalog, name));
    create(&store, [world_root(id(1)), thing(id(2), id(1))]).await;
    // Several messages, whose parents are in an earlier transaction, an earlier message, and their own.
    let made = (3..203_u64).map(|number| {
        let parent = if number % 3 == 0 { 2 } else { number / 2 };
        let made = thing(id(number), id(parent.max(1))).called(&format!("{number} {}", "x".repeat(60)));
        let made = if number % 4 == 0 { made.owned_by(&format!("player:{}", number % 5)) } else { made };
        if number % 7 == 0 { made.instance_of(&containers[usize::from(number % 2 == 0)]) } else { made }
    });
    create(&store, made).await;
    let found = [
        strays(&lease, "-[:IN]->(o)", "nullIf(e.parent, 0)").await,
        strays(&lease, "-[:OWNED_BY]->(o)", "e.owner").await,
    ];
    assert_eq!(found, [(0, 201), (0, 50)]);
    for (container, even) in [("hull", false), ("room", true)] {
        let text = format!(
            "MATCH (e)-[:INSTANCE_OF]->(:Container {{name: '{container}'}}) RETURN collect(e.id) AS ids"
        );
        let rows = lease.as_ref().unwrap().cypher(&text).await.unwrap();
        let mut ids: Vec<_> =
            rows[0]["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
        ids.sort_unstable();
        let expected = (3..203).filter(|number| number % 7 == 0 && (number % 2 == 0) == even);
        assert_eq!(ids, expected.collect::<Vec<_>>(), "{container}");
    }
}
