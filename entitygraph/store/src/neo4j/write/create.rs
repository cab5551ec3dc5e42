//! New nodes, in messages: rows of nodes, and under each parent, container and owner the places of its rows.
//!
//! What many rows share is looked up once for all of them: the server spends two thirds of the time that looking it up row by row
//! takes.

use std::collections::BTreeMap;

use neo4rs::{BoltMap, BoltType};

use crate::{
    error::Result,
    neo4j::{
        client::Transaction,
        message::{cuts, size_bytes},
        statement::{list, map, null},
        statements as cypher,
    },
};

/// Most that a row takes beside its node and the texts of port and owner: its place (3) under each of the three, and for each a group
/// of its own, with the names `id` and `members` (12), heads (7) and an id (9).
const PLACES_BYTES: usize = 96;

/// A node to be made, and what it hangs on.
#[derive(Debug)]
pub struct NewNode {
    /// Beside `Entity`.
    pub labels: Vec<String>,
    /// All of them.
    pub properties: BoltMap,
    /// What it hangs on.
    pub on: Hangs,
}

/// What a node hangs on.
#[derive(Debug)]
pub struct Hangs {
    /// Id of the entity that it is put into; none for a world root.
    pub parent: Option<i64>,
    /// The port of the parent that it is attached to.
    pub port: Option<String>,
    /// Id of the container that it is an instance of.
    pub container: Option<i64>,
    /// Who owns it.
    pub owner: Option<String>,
}

/// Makes nodes, in an order in which parents come first.
pub async fn create(transaction: &mut Transaction, nodes: Vec<NewNode>) -> Result<()> {
    if nodes.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(nodes.len());
    let mut hangs = Vec::with_capacity(nodes.len());
    for node in nodes {
        let labels = list(node.labels.into_iter().map(BoltType::from));
        rows.push(map([("labels", labels), ("properties", BoltType::Map(node.properties))]));
        hangs.push(node.on);
    }
    let texts_bytes =
        |on: &Hangs| [&on.port, &on.owner].into_iter().flatten().map(String::len).sum::<usize>();
    let sizes = rows.iter().zip(&hangs).map(|(row, on)| size_bytes(row) + texts_bytes(on) + PLACES_BYTES);
    let cuts = cuts(transaction.room_bytes(cypher::CREATE), sizes);
    let (mut rows, mut hangs) = (rows.into_iter(), hangs.into_iter());
    for cut in cuts {
        let mut groups = Groups::default();
        for (place, on) in (0_i64..).zip(hangs.by_ref().take(cut.len())) {
            let port = on.port.map_or_else(null, BoltType::from);
            if let Some(parent) = on.parent {
                groups.parents.entry(parent).or_default().push(list([place.into(), port]));
            }
            if let Some(container) = on.container {
                groups.containers.entry(container).or_default().push(place.into());
            }
            if let Some(owner) = on.owner {
                groups.owners.entry(owner).or_default().push(place.into());
            }
        }
        let query = cypher::CREATE
            .query()
            .param("rows", list(rows.by_ref().take(cut.len())))
            .param("parents", grouped(groups.parents))
            .param("containers", grouped(groups.containers))
            .param("owners", grouped(groups.owners));
        transaction.run(cypher::CREATE, query).await?;
    }
    Ok(())
}

/// Places of rows by what they hang on; those under a parent with their ports.
#[derive(Default)]
struct Groups {
    parents: BTreeMap<i64, Vec<BoltType>>,
    containers: BTreeMap<i64, Vec<BoltType>>,
    owners: BTreeMap<String, Vec<BoltType>>,
}

fn grouped<K: Into<BoltType>>(groups: BTreeMap<K, Vec<BoltType>>) -> BoltType {
    list(groups.into_iter().map(|(id, members)| map([("id", id.into()), ("members", list(members))])))
}
