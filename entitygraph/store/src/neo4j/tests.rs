//! The suite of all stores, and what is Neo4j's own, against one real server of this process.

use std::sync::Arc;

use entitygraph_test_neo4j::{Options, Server};
use tokio::sync::{Mutex, MutexGuard};

use super::{
    Neo4jStore, address::Address, client::Client, options::Neo4jOptions, statement::Statement,
    statements::SCHEMA,
};
use crate::{Error, Store, conformance::build::Shared};

mod begin;
mod edges;
mod migrate;
mod plans;
mod reads;
mod retention;

/// The server, for one test at a time. Constraints and indexes stay from test to test, which saves a second each.
pub type Lease = MutexGuard<'static, Option<Server>>;

const EMPTY: Statement =
    Statement { name: "EMPTY", doing: "emptying the database", text: "MATCH (n) DETACH DELETE n" };

async fn server() -> Lease {
    static SERVER: Mutex<Option<Server>> = Mutex::const_new(None);
    let mut lease = SERVER.lock().await;
    if lease.is_none() {
        *lease = Some(Server::start(Options::default()).await.unwrap());
    }
    client(&lease).set(EMPTY, EMPTY.query()).await.unwrap();
    lease
}

fn address(lease: &Lease) -> Address {
    Address::parse(&lease.as_ref().unwrap().bolt()).unwrap()
}

fn client(lease: &Lease) -> Client {
    Client::new(address(lease), &Neo4jOptions::default()).unwrap()
}

/// A way to the server for tests of other files.
pub async fn server_client() -> (Client, Lease) {
    let lease = server().await;
    (client(&lease), lease)
}

async fn open(lease: &Lease) -> Result<Neo4jStore, Error> {
    Neo4jStore::open(address(lease), Neo4jOptions::default()).await
}

crate::conformance!(suite, async || {
    let lease = server().await;
    let store: Shared = Arc::new(open(&lease).await.unwrap());
    (store, lease)
});

/// The rows of `docs/neo4j.md` that tell of the schema begin like this.
fn documented(statement: &str) -> String {
    let words: Vec<_> = statement.split([' ', ',', '(', ')']).filter(|word| !word.is_empty()).collect();
    let kind = if words[1] == "CONSTRAINT" { "unique" } else { "index" };
    let (_, pattern) = statement.split_once(" FOR ").unwrap();
    let pattern = pattern.split(' ').next().unwrap();
    let variable = pattern.split([':', '(', '[', ')', '-']).find(|part| !part.is_empty()).unwrap();
    let properties = words.iter().filter_map(|word| word.strip_prefix(&format!("{variable}.")));
    let properties = properties.collect::<Vec<_>>().join(", ");
    format!(
        "| `{}` | {kind} | `{}` | `{properties}` | ",
        words[2],
        pattern.replace(&format!("{variable}:"), ":")
    )
}

#[test]
fn the_documented_constraints_and_indexes_are_those_that_are_made() {
    let page = include_str!("../../../../docs/neo4j.md");
    for statement in SCHEMA {
        let row = documented(statement);
        assert!(page.lines().any(|line| line.starts_with(&row)), "no row `{row}` in docs/neo4j.md");
        if let Some(label) = row.split_once("`(:").and_then(|(_, rest)| rest.split(')').next()) {
            let told =
                page.lines().any(|line| line.starts_with("| `") && line.contains(&format!("`{label}`")));
            assert!(told, "the table of nodes in docs/neo4j.md lacks {label}");
        }
    }
    let rows = page.lines().filter(|line| line.contains("` | unique | `") || line.contains("` | index | `"));
    assert_eq!(rows.count(), SCHEMA.len(), "docs/neo4j.md has rows of what is not made");
}

#[tokio::test]
async fn a_database_of_others_is_refused_and_stays_as_it_is() {
    let lease = server().await;
    let neo4j = lease.as_ref().unwrap();
    neo4j.cypher("CREATE (:Person {name: 'Ada'})").await.unwrap();
    let error = open(&lease).await.err().unwrap();
    assert_eq!(error.code(), "STORE_FOREIGN");
    assert!(error.to_string().contains("Person"), "{error}");
    let nodes = neo4j.cypher("MATCH (n) RETURN count(n) AS nodes").await.unwrap();
    assert_eq!(nodes[0]["nodes"], 1);
}

#[tokio::test]
async fn a_store_of_another_format_is_refused_by_name() {
    let lease = server().await;
    open(&lease).await.unwrap();
    for (format, code) in [(99, "STORE_NEWER_FORMAT"), (0, "STORE_OLDER_FORMAT")] {
        let set = format!("MATCH (s:Shard) SET s.format = {format}");
        lease.as_ref().unwrap().cypher(&set).await.unwrap();
        assert_eq!(open(&lease).await.err().unwrap().code(), code);
    }
}

#[tokio::test]
async fn a_database_without_a_store_has_none_until_one_is_opened() {
    let lease = server().await;
    let options = Neo4jOptions::default();
    assert!(!Neo4jStore::exists(address(&lease), &options).await.unwrap());
    let store = open(&lease).await.unwrap();
    assert!(Neo4jStore::exists(address(&lease), &options).await.unwrap());
    assert!(store.info().location.starts_with("bolt://127.0.0.1:"));
}

#[tokio::test]
async fn what_cannot_be_reached_says_what_to_look_at() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = Neo4jOptions { retry: std::time::Duration::from_millis(50), ..Neo4jOptions::default() };
    let address = Address::parse(&format!("bolt://{unused}")).unwrap();
    let error = Neo4jStore::open(address, options).await.err().unwrap();
    assert_eq!(error.code(), "STORE_UNREACHABLE");
    assert!(
        error.retryable() && error.checks().is_some_and(|checks| checks.contains("Bolt port")),
        "{error}"
    );
}

#[tokio::test]
async fn a_sound_store_has_nothing_to_migrate_and_a_broken_one_is_named() {
    use crate::migrate::Migrate;
    let lease = server().await;
    let options = Neo4jOptions::default();
    let missing = super::migrate::Migration::open(address(&lease), &options).await.err().unwrap();
    assert_eq!(missing.code(), "STORE_MISSING");
    let store: Shared = Arc::new(open(&lease).await.unwrap());
    crate::conformance::hierarchy::a_subtree_is_parents_first_and_siblings_in_order(store).await;
    let migration = super::migrate::Migration::open(address(&lease), &options).await.unwrap();
    assert!(migration.plan().await.unwrap().steps.is_empty());
    assert_eq!(migration.verify().await.unwrap(), Vec::<String>::new());
    let neo4j = lease.as_ref().unwrap();
    neo4j.cypher("MATCH (c:Commit) WITH c ORDER BY c.cursor LIMIT 1 DELETE c").await.unwrap();
    neo4j.cypher("MATCH (:Entity)-[i:IN]->() WITH i LIMIT 1 DELETE i").await.unwrap();
    let wrong = migration.verify().await.unwrap().join("; ");
    assert!(wrong.contains("another parent") && wrong.contains("change sequence"), "{wrong}");
}
