//! Emptying a database between tests, which is faster than a new server.

use anyhow::Result;

use crate::Server;

/// Nodes deleted in one transaction: what a small heap holds, with their relationships.
const NODES_PER_TRANSACTION: u64 = 10_000;

impl Server {
    /// Deletes everything: constraints and indexes, then nodes and relationships.
    pub async fn wipe(&self) -> Result<()> {
        let schema = [
            "SHOW CONSTRAINTS YIELD name".to_owned(),
            "SHOW INDEXES YIELD name, type, owningConstraint WHERE owningConstraint IS NULL AND type <> 'LOOKUP'"
                .to_owned(),
        ];
        let found = self.transaction(&schema).await?;
        let mut drops = Vec::new();
        for (kind, rows) in ["CONSTRAINT", "INDEX"].into_iter().zip(found) {
            for row in rows.as_array().into_iter().flatten() {
                let name = row["name"].as_str().unwrap_or_default().replace('`', "``");
                drops.push(format!("DROP {kind} `{name}`"));
            }
        }
        if !drops.is_empty() {
            self.transaction(&drops).await?;
        }
        let delete = format!(
            "MATCH (n) WITH n LIMIT {NODES_PER_TRANSACTION} DETACH DELETE n RETURN count(*) AS deleted"
        );
        while self.cypher(&delete).await?[0]["deleted"] != 0 {}
        Ok(())
    }
}
