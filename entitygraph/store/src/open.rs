//! Choosing a store, once.

use std::{path::PathBuf, sync::Arc};

use crate::{
    contract::Store,
    error::{Error, Outcome, Result},
    keyed::{KeyedStore, engine::EngineKind, options::KeyedOptions},
    memory::{MemoryConfig, MemoryStore},
};

/// What can be set when a store is opened; what the chosen store does not have is not looked at.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// Limits of the embedded stores.
    pub keyed: KeyedOptions,
    /// Limits of the memory store.
    pub memory: MemoryConfig,
}

/// Opens the store that a URL names: `fjall:PATH`, `sled:PATH` (each a folder, created if it does not exist) or `memory:`.
///
/// Fails, and changes nothing, when the folder is in use by another process, holds something else, was written by a newer
/// program, or is damaged. Dropping the store finishes what it accepted and frees the folder.
pub async fn open(url: &str, options: StoreOptions) -> Result<Arc<dyn Store>> {
    let Some((kind, path)) = parse(url)? else {
        return Ok(Arc::new(MemoryStore::with(options.memory)));
    };
    let opening = tokio::task::spawn_blocking(move || KeyedStore::open(kind, &path, options.keyed));
    match opening.await {
        Ok(store) => Ok(Arc::new(store?)),
        Err(source) => Err(Error::Backend {
            operation: "opening",
            location: url.to_owned(),
            outcome: Outcome::NotApplied,
            source: source.into(),
        }),
    }
}

/// Refuses what [`open`] would take for no store.
pub fn check_url(url: &str) -> Result<()> {
    parse(url).map(drop)
}

/// The engine and its folder; nothing is the memory.
fn parse(url: &str) -> Result<Option<(EngineKind, PathBuf)>> {
    let unknown = || Error::UnknownStore { url: url.to_owned() };
    match url.split_once(':').ok_or_else(unknown)? {
        ("memory", "") => Ok(None),
        (_, "") => Err(unknown()),
        (name, path) => Ok(Some((name.parse().map_err(|_| unknown())?, path.into()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_names_a_store_and_its_place() {
        let folder = tempfile::tempdir().unwrap();
        for (engine, url) in [
            ("memory", "memory:".to_owned()),
            ("fjall", format!("fjall:{}/f", folder.path().display())),
            ("sled", format!("sled:{}/s", folder.path().display())),
        ] {
            let store = open(&url, StoreOptions::default()).await.unwrap();
            let info = store.info();
            assert_eq!((info.engine, info.location), (engine, url));
        }
    }

    #[tokio::test]
    async fn what_names_no_store_is_refused_with_the_choices() {
        for url in ["", "fjall", "fjall:", "sled:", "redb:/tmp/x", "memory:x", "/tmp/x"] {
            let error = open(url, StoreOptions::default()).await.err().unwrap();
            assert_eq!(error.code(), "UNKNOWN_STORE", "{url}");
            assert!(error.to_string().contains("fjall:PATH"), "{error}");
        }
    }
}
