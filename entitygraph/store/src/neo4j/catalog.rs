//! The catalog as an instance finds it when it starts.

use std::sync::Arc;

use entitygraph_schema::{Catalog, Cursor};
use neo4rs::Row;

use super::{client::Client, statements as cypher};
use crate::error::Result;

/// The catalog, a cursor before which all of it was published, and the first commit kept. What was published after that cursor may be
/// in the catalog or not, or of it a part: who goes on from the cursor publishes it again, which changes nothing.
pub async fn read_catalog(client: &Client) -> Result<(Catalog, Cursor, Cursor)> {
    let corrupt = |error: neo4rs::DeError| client.place.corrupt(format!("the catalog: {error}"));
    let single = |rows: Vec<Row>| {
        rows.into_iter().next().ok_or_else(|| client.place.corrupt("the nodes Shard and Gate are missing"))
    };
    let row = single(client.ask(cypher::NEWEST, cypher::NEWEST.query()).await?)?;
    let complete = row.get::<i64>("complete").map_err(corrupt)?;
    let first = row.get::<i64>("first").map_err(corrupt)?;
    // What was trimmed was complete, whether the gate says so yet or not.
    let newest = complete.max(first.saturating_sub(1));
    let row = single(client.ask(cypher::CATALOG, cypher::CATALOG.query()).await?)?;
    let mut catalog = Catalog::default();
    for record in row.get::<Vec<&[u8]>>("components").map_err(corrupt)? {
        catalog.registry.insert(Arc::new(client.place.decode("a component type", record)?));
    }
    for record in row.get::<Vec<&[u8]>>("containers").map_err(corrupt)? {
        catalog.insert(Arc::new(client.place.decode("a container", record)?));
    }
    let cursor = |number: i64| Cursor::from_number(number.cast_unsigned());
    Ok((catalog, cursor(newest), cursor(first)))
}
