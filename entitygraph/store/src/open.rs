//! Choosing a store, once.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use entitygraph_schema::Cursor;

use crate::{
    contract::Store,
    error::{Error, Outcome, Result},
    keyed::{KeyedStore, engine::EngineKind, options::KeyedOptions},
    memory::{MemoryConfig, MemoryStore},
    neo4j::{
        Neo4jStore,
        address::{self, Address},
        options::Neo4jOptions,
    },
};

/// What can be set when a store is opened; what the chosen store does not have is not looked at.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// Where the change sequence of a new store begins, whatever the options below say.
    ///
    /// By default at the time of day in 2^-20 seconds, a number that JavaScript holds exactly until 2242. So each store has
    /// numbers of its own, unless one commits a million times a second for as long as it exists: a reader that resumes at
    /// a cursor of a store that was wiped, or of another one, is told to [`Resync`](crate::Feed::Resync) instead of being
    /// given changes that follow nothing it knows. A copy of a store has the same numbers: who reads it begins anew.
    pub begin: Option<Cursor>,
    /// Limits of the embedded stores.
    pub keyed: KeyedOptions,
    /// Limits of the memory store.
    pub memory: MemoryConfig,
    /// Limits of a Neo4j store.
    pub neo4j: Neo4jOptions,
}

/// Opens the store that a URL names: `fjall:PATH`, `sled:PATH` (each a folder, created if it does not exist), `bolt://HOST` or
/// `neo4j://HOST` (a Neo4j server, see [`crate::neo4j`]) or `memory:`.
///
/// Fails, and changes nothing, when the folder is in use by another process, holds something else, was written by a newer or
/// an older program (see [`crate::migrate`]), or is damaged. Dropping the store finishes what it accepted and frees the folder.
pub async fn open(url: &str, mut options: StoreOptions) -> Result<Arc<dyn Store>> {
    let begin = options.begin.unwrap_or_else(time_of_day);
    (options.keyed.begin, options.memory.begin, options.neo4j.begin) = (begin, begin, begin);
    if Address::is_one(url) {
        return Ok(Arc::new(Neo4jStore::open(Address::parse(url)?, options.neo4j).await?));
    }
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

/// Whether a store is where the URL says. Nothing is made or changed; a store in memory is never there.
pub async fn exists(url: &str, options: &StoreOptions) -> Result<bool> {
    if Address::is_one(url) {
        return Neo4jStore::exists(Address::parse(url)?, &options.neo4j).await;
    }
    Ok(parse(url)?.is_some_and(|(_, path)| path.exists()))
}

/// The URL without an account, for messages; also of one that is mistyped.
pub fn shown_url(url: &str) -> String {
    address::hidden(url)
}

/// Refuses what [`open`] would take for no store.
pub fn check_url(url: &str) -> Result<()> {
    if Address::is_one(url) { Address::parse(url).map(drop) } else { parse(url).map(drop) }
}

/// The engine and its folder; nothing is the memory.
pub(crate) fn parse(url: &str) -> Result<Option<(EngineKind, PathBuf)>> {
    let unknown = || Error::UnknownStore { url: shown_url(url) };
    match url.split_once(':').ok_or_else(unknown)? {
        ("memory", "") => Ok(None),
        (_, "") => Err(unknown()),
        (name, path) => Ok(Some((name.parse().map_err(|_| unknown())?, path.into()))),
    }
}

fn time_of_day() -> Cursor {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_else(|_| {
        tracing::warn!("the clock is before 1970: a new store counts its commits from zero");
        Duration::ZERO
    });
    Cursor::from_number(
        (since_1970.as_secs() << 20) + (u64::from(since_1970.subsec_micros()) << 20) / 1_000_000,
    )
}

#[cfg(test)]
mod tests {
    use entitygraph_schema::{EntityId, Operation, Transaction};

    use super::*;
    use crate::{Feed, conformance::build::world_root};

    #[tokio::test]
    async fn a_cursor_of_another_store_is_no_place_to_resume_at() {
        let folder = tempfile::tempdir().unwrap();
        let in_memory = |_| "memory:".to_owned();
        let on_disk = |number| format!("fjall:{}/{number}", folder.path().display());
        for url in [&in_memory as &dyn Fn(u64) -> String, &on_disk] {
            let mut cursors = Vec::new();
            for number in [2_000, 1_000, 3_000] {
                let begin = Cursor::from_number(number);
                let options = StoreOptions { begin: Some(begin), ..StoreOptions::default() };
                let store = open(&url(number), options).await.unwrap();
                for entity in 1..=2 {
                    let create = Operation::Create(world_root(EntityId::new(entity).unwrap()));
                    store.commit(Transaction::of([create])).await.unwrap();
                }
                let feed = store.changes(begin, 10).await.unwrap();
                assert!(matches!(&feed, Feed::Commits(commits) if commits.len() == 2), "{feed:?}");
                for other in &cursors {
                    let feed = store.changes(*other, 10).await.unwrap();
                    assert!(matches!(feed, Feed::Resync { oldest, .. } if oldest == begin), "{feed:?}");
                }
                cursors.extend([begin, *store.newest().borrow()]);
            }
        }
    }

    #[tokio::test]
    async fn a_new_store_counts_from_the_time_of_day() {
        let before = time_of_day();
        let store = open("memory:", StoreOptions::default()).await.unwrap();
        let begin = *store.newest().borrow();
        assert!(Cursor::ZERO < before && before <= begin && begin <= time_of_day(), "{before} {begin}");
        assert!(begin.number() < 1 << 53, "{begin}");
    }

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
