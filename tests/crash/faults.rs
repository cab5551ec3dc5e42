//! Disks that are full, and folders that are taken, damaged, or not ours: a clear error, and nothing lost.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use entitygraph_schema::{Cursor, query::Extent, query::PageRequest};
use entitygraph_store::{
    Error, Feed, Store, StoreOptions,
    keyed::{
        KeyedStore,
        engine::{Durability, EngineKind, EngineOptions, WriteBatch},
    },
    open,
};
use entitygraph_tests::{
    crash::{
        self,
        script::{self, Load, Script},
    },
    disk::{Mount, fill},
};

use crate::victim::Victim;

const ENGINES: [EngineKind; 2] = EngineKind::ALL;
/// The row of the format version, as the table of stored keys documents it.
const FORMAT_ROW: [u8; 2] = [0x01, 0x01];

/// Opens a store as the server does.
pub async fn open_url(engine: EngineKind, path: &Path) -> Result<Arc<dyn Store>, Error> {
    open(&format!("{engine}:{}", path.display()), StoreOptions::default()).await
}

/// The error of a store that must not open. Its message names the folder.
async fn refusal(engine: EngineKind, path: &Path) -> Result<Error> {
    let error = open_url(engine, path).await.err().with_context(|| format!("{engine} opened {path:?}"))?;
    ensure!(error.to_string().contains(&*path.to_string_lossy()), "the folder is not named: {error}");
    Ok(error)
}

/// Writes so many transactions.
pub async fn write(store: &KeyedStore, script: &mut Script, count: usize) -> Result<()> {
    store.commit(script::setup()).await?;
    for _ in 0..count {
        store.commit(script.advance()).await?;
    }
    Ok(())
}

/// Reads the whole world and its history.
pub async fn read_all(store: &dyn Store) -> Result<(), Error> {
    let newest = *store.newest().borrow();
    let mut at = match store.changes(Cursor::ZERO, 1).await? {
        Feed::Resync { oldest, .. } => oldest,
        Feed::Commits(_) => Cursor::ZERO,
    };
    while at < newest {
        let feed = store.changes(at, 100).await?;
        let Feed::Commits(commits) = &feed else { panic!("a gap after {at}: {feed:?}") };
        at = commits.last().unwrap_or_else(|| panic!("the sequence ends at {at}, before {newest}")).cursor;
    }
    store.subtree(script::world(), Extent::All, PageRequest::first(10_000)).await?;
    store.counts(None).await.map(drop)
}

#[tokio::test]
async fn a_store_in_use_by_another_process_is_refused_and_goes_on_working_there() -> Result<()> {
    for engine in ENGINES {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("store");
        let mut holder = Victim::start(engine, &path, folder.path(), 1, Load::Small, &[0])?;
        holder.wait_until(|report| report.acknowledged.len() > 3)?;
        let error = refusal(engine, &path).await?;
        ensure!(
            matches!(error, Error::InUse { .. }) && error.to_string().contains("another process"),
            "{error:?}"
        );
        let before = holder.report()?.acknowledged.len();
        holder.wait_until(|report| report.acknowledged.len() > before)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_folder_with_other_files_is_refused_and_left_as_it_is() -> Result<()> {
    for engine in ENGINES {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("letter.txt"), "dear reader")?;
        let error = refusal(engine, folder.path()).await?;
        ensure!(
            matches!(error, Error::Foreign { .. }) && error.to_string().contains("letter.txt"),
            "{error:?}"
        );
        let left: Vec<_> = fs::read_dir(folder.path())?.collect::<Result<_, _>>()?;
        ensure!(
            left.len() == 1 && fs::read(left[0].path())? == b"dear reader",
            "the folder was touched: {left:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_store_of_another_engine_is_refused_by_name() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (made, asked) in [(EngineKind::Fjall, EngineKind::Sled), (EngineKind::Sled, EngineKind::Fjall)] {
        let path = folder.path().join(made.name());
        drop(crash::open(made, &path)?);
        let error = refusal(asked, &path).await?;
        ensure!(
            matches!(error, Error::Foreign { .. }) && error.to_string().contains(made.name()),
            "{error:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_refused_and_left_as_it_is() -> Result<()> {
    for engine in ENGINES {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("store");
        drop(crash::open(engine, &path)?);
        let options = EngineOptions { reserve_bytes: 0, ..EngineOptions::default() };
        let raw = engine.open(&path, &options)?;
        ensure!(raw.view().get(&FORMAT_ROW)?.is_some(), "the row of the format is somewhere else");
        let mut batch = WriteBatch::new();
        batch.put(&FORMAT_ROW, &77u32.to_be_bytes());
        raw.write(batch, Durability::Synced)?;
        drop(raw);
        let error = refusal(engine, &path).await?;
        ensure!(matches!(error, Error::NewerFormat { found: 77, .. }), "{error:?}");
        ensure!(error.to_string().contains("77") && error.to_string().contains("newer program"), "{error}");
        let left = engine.open(&path, &options)?.view().get(&FORMAT_ROW)?;
        ensure!(left.as_deref() == Some(&77u32.to_be_bytes()[..]), "the store was touched: {left:?}");
    }
    Ok(())
}

/// Fills a disk down to the reserve, then makes room, and looks at the same open store all the while.
#[tokio::test]
#[ignore = "needs root to mount a disk of its own; tests/run says when it cannot be run"]
async fn a_full_disk_refuses_writes_answers_reads_and_is_forgotten_when_there_is_room() -> Result<()> {
    const DISK: u64 = 512 << 20;
    const RESERVE: u64 = 96 << 20;
    for engine in ENGINES {
        let folder = tempfile::tempdir()?;
        let disk = Mount::memory(DISK, &folder.path().join("disk"))?;
        let (path, ballast) = (disk.folder().join("store"), disk.folder().join("ballast"));
        let store = crash::open_with_reserve(engine, &path, RESERVE)?;
        let mut script = Script::new(11, 0, Load::Large);
        write(&store, &mut script, 20).await?;
        fill(&ballast, DISK - RESERVE - (24 << 20))?;
        let (error, refused) = loop {
            let transaction = script.advance();
            match store.commit(transaction.clone()).await {
                Ok(_) => {}
                Err(error) => break (error, transaction),
            }
        };
        ensure!(error.code() == "STORE_FULL" && error.retryable(), "{engine}: {error:?}");
        let told = error.to_string();
        ensure!(
            told.contains("no room") && told.contains(&*path.to_string_lossy()) && told.contains("free"),
            "{told}"
        );
        let newest = *store.newest().borrow();
        read_all(&store).await?;
        ensure!(store.check().await?.is_empty(), "{engine}: a refused write left something");
        fs::remove_file(&ballast)?;
        let receipt = store.commit(refused).await?.0;
        ensure!(!receipt.replayed && receipt.cursor == newest.next(), "{engine}: {receipt:?} after {newest}");
        ensure!(store.check().await?.is_empty());
        drop(store);
        let store = crash::open_with_reserve(engine, &path, RESERVE)?;
        ensure!(*store.newest().borrow() == receipt.cursor);
    }
    Ok(())
}

/// Without a reserve the engine itself meets the full disk. It needs a new start then and says so (sled even for reads),
/// but loses nothing.
#[tokio::test]
#[ignore = "needs root to mount a disk of its own; tests/run says when it cannot be run"]
async fn a_disk_that_fills_up_to_the_last_byte_costs_nothing_that_was_acknowledged() -> Result<()> {
    const DISK: u64 = 256 << 20;
    for engine in ENGINES {
        let folder = tempfile::tempdir()?;
        let disk = Mount::memory(DISK, &folder.path().join("disk"))?;
        let (path, ballast) = (disk.folder().join("store"), disk.folder().join("ballast"));
        let store = crash::open_with_reserve(engine, &path, 0)?;
        let mut script = Script::new(12, 0, Load::Large);
        write(&store, &mut script, 20).await?;
        fill(&ballast, DISK - (88 << 20))?;
        let mut acknowledged = Cursor::ZERO;
        let error = loop {
            match store.commit(script.advance()).await {
                Ok(receipt) => acknowledged = receipt.0.cursor,
                Err(error) => break error,
            }
        };
        says_what_to_do(&error)?;
        match read_all(&store).await {
            Err(error) if engine == EngineKind::Sled => says_what_to_do(&error)?,
            outcome => outcome?,
        }
        drop(store);
        fs::remove_file(&ballast)?;
        let store = crash::open_with_reserve(engine, &path, 0)?;
        let newest = *store.newest().borrow();
        ensure!(
            newest == acknowledged || newest == acknowledged.next(),
            "{engine}: {newest} after {acknowledged}"
        );
        ensure!(store.check().await?.is_empty());
        store.commit(Script::new(13, 1, Load::Small).advance()).await?;
    }
    Ok(())
}

fn says_what_to_do(error: &Error) -> Result<()> {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |cause| cause.source());
    let told: Vec<_> = causes.map(ToString::to_string).collect();
    ensure!(told.iter().any(|told| told.contains("free some space, then restart")), "{told:#?}");
    Ok(())
}
