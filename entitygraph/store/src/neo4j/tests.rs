use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::{Neo4jStore, address::Address, client::Client, options::Neo4jOptions, statement::Statement};
use crate::conformance::build::Shared;

static ONE: Mutex<()> = Mutex::new(());

async fn empty() -> (Shared, MutexGuard<'static, ()>) {
    let guard = ONE.lock();
    let url = std::env::var("NEO4J_URL").unwrap();
    let address = Address::parse(&url).unwrap();
    let client = Client::new(address.clone(), &Neo4jOptions::default()).unwrap();
    const WIPE: Statement = Statement { doing: "wiping", text: "MATCH (n) DETACH DELETE n" };
    client.set(WIPE, WIPE.query()).await.unwrap();
    let store = Neo4jStore::open(address, Neo4jOptions::default()).await.unwrap();
    (Arc::new(store), guard)
}

crate::conformance!(suite, async || empty().await);
