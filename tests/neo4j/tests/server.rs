//! Servers as tests use them.

use anyhow::Result;
use entitygraph_test_neo4j::{Options, Server};
use serde_json::json;

#[tokio::test]
async fn what_was_committed_survives_a_kill_and_a_wipe_leaves_nothing() -> Result<()> {
    let server = Server::start(Options::default()).await?;
    server.cypher("CREATE CONSTRAINT ship_id FOR (s:Ship) REQUIRE s.id IS UNIQUE").await?;
    server.cypher("CREATE INDEX ship_name FOR (s:Ship) ON (s.name)").await?;
    server.cypher("UNWIND range(1, 25000) AS id CREATE (:Ship {id: id})-[:IN]->(:Port)").await?;
    server.kill()?;
    assert!(!server.is_running()?);
    assert!(server.cypher("RETURN 1").await.is_err());

    server.restart().await?;
    let count = "MATCH (n) RETURN count(n) AS nodes";
    assert_eq!(server.cypher(count).await?, json!([{ "nodes": 50_000 }]));
    let refused = server.cypher("CREATE (:Ship {id: 7})").await.unwrap_err();
    assert!(format!("{refused:#}").contains("ConstraintValidationFailed"), "{refused:#}");

    server.wipe().await?;
    assert_eq!(server.cypher(count).await?, json!([{ "nodes": 0 }]));
    assert_eq!(server.cypher("SHOW CONSTRAINTS").await?, json!([]));
    assert_eq!(server.cypher("SHOW INDEXES YIELD type WHERE type <> 'LOOKUP'").await?, json!([]));
    Ok(())
}
