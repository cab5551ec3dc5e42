//! The contract over each engine, and what is beyond the contract: batches, restarts, retention, failures.

use std::sync::Arc;

use entitygraph_schema::{Operation, Refusal};

use super::{engine::map::MapEngine, *};
use crate::conformance::build::{id, text, thing, world_root};

mod batches;
mod failures;
mod gate;
mod history;
mod restart;
mod retention;
mod witness;

/// A store over an engine in memory.
fn over(engine: Arc<dyn Engine>) -> KeyedStore {
    with(engine, KeyedOptions::default())
}

fn with(engine: Arc<dyn Engine>, options: KeyedOptions) -> KeyedStore {
    KeyedStore::over(engine, "map:".to_owned(), options).unwrap()
}

fn map() -> Arc<MapEngine> {
    Arc::default()
}

/// The world's root is 1.
fn root() -> Transaction {
    Transaction::of([Operation::Create(world_root(id(1)))])
}

/// An entity below the root.
fn child(number: u64) -> Transaction {
    Transaction::of([Operation::Create(thing(id(number), id(1)))])
}

async fn in_folder(kind: EngineKind) -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = KeyedStore::open(kind, folder.path(), KeyedOptions::default()).unwrap();
    (Arc::new(store), folder)
}

crate::conformance!(map_engine, async || (Arc::new(over(map())) as Arc<dyn Store>, ()));
crate::conformance!(fjall, async || in_folder(EngineKind::Fjall).await);
crate::conformance!(sled, async || in_folder(EngineKind::Sled).await);
