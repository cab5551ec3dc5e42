//! Writes the world of the fixture stores into a new store: how those in `migrations/fixtures` are made.
//!
//! ```sh
//! cargo run -p entitygraph-store --features testing --example fixture -- fjall FOLDER
//! ```

use std::{path::Path, sync::Arc};

use entitygraph_store::{
    Store,
    conformance::fixture,
    keyed::{KeyedStore, engine::EngineKind, options::KeyedOptions},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(engine), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("usage: fixture fjall|sled FOLDER".into());
    };
    let engine: EngineKind = engine.parse()?;
    let store: Arc<dyn Store> =
        Arc::new(KeyedStore::open(engine, Path::new(&path), KeyedOptions::default())?);
    fixture::write(&store).await;
    println!("{} commits", store.newest().borrow().number());
    Ok(())
}
