//! Files of a store that something else damaged: an error that says where and what to do, or nothing is missing.

use std::{
    collections::BTreeMap,
    fmt, fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use entitygraph_schema::{Cursor, EntityId};
use entitygraph_store::{
    Error, Store,
    keyed::{
        KeyedStore,
        engine::{EngineKind, EngineOptions},
    },
};
use entitygraph_tests::{
    crash::{
        self,
        script::{Load, Script},
    },
    disk,
};

use crate::faults::{open_url, read_all, write};

const COMMITS: usize = 120;
/// Bits that are flipped in each file, one at a time. Always the same ones, because there is an exception, see below.
const FLIPS: usize = 6;
/// Longest wait for the witness, which takes a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// All rows of a store.
type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_of_fjall_is_an_error_or_costs_nothing() -> Result<()> {
    damage_each_file(EngineKind::Fjall).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_of_sled_is_an_error_or_costs_nothing() -> Result<()> {
    damage_each_file(EngineKind::Sled).await
}

/// Damages each file in turn, in each way in turn.
async fn damage_each_file(engine: EngineKind) -> Result<()> {
    for end in [End::Closed, End::Killed] {
        let folder = tempfile::tempdir()?;
        let (sound, copy) = (folder.path().join("sound"), folder.path().join("copy"));
        // So that there is something in tables and something in the journal.
        make(engine, end, &sound, |number| number == COMMITS / 2).await?;
        let before = rows_of_copy(engine, &sound, &copy)?;
        let mut random = fastrand::Rng::with_seed(7);
        let (mut noticed, mut wounds) = (0, 0);
        for file in files(&sound.join("data"))? {
            let bytes = fs::read(&file)?;
            let Some(last) = bytes.iter().rposition(|byte| *byte != 0) else { continue };
            for wound in Wound::each(last + 1, &mut random) {
                let name = file.strip_prefix(&sound)?;
                let told = || format!("{engine}, {end:?}, {name:?}, {wound}");
                copy_folder(&sound, &copy)?;
                fs::write(copy.join(name), wound.inflict(&bytes))?;
                let is_error = look(engine, &copy, &before).await.with_context(told)?;
                (noticed, wounds) = (noticed + u64::from(is_error), wounds + 1);
                fs::remove_dir_all(&copy)?;
            }
        }
        println!("{engine}, {end:?}: {noticed} of {wounds} wounds were noticed, the others cost nothing");
        ensure!(noticed > 0, "{engine}, {end:?}: none of {wounds} wounds was noticed");
    }
    Ok(())
}

/// Whether a damaged store is noticed; if not, demands that nothing is missing.
async fn look(engine: EngineKind, path: &Path, before: &Rows) -> Result<bool> {
    let outcome = match open_url(engine, path).await {
        Ok(store) => read_all(&*store).await,
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        let told = error.to_string();
        let kind = matches!(error, Error::Corrupt { .. } | Error::Lost { .. } | Error::Backend { .. });
        ensure!(kind, "an odd error: {error:?}");
        ensure!(told.contains(&*path.to_string_lossy()), "the folder is not named: {told}");
        return Ok(true);
    }
    let Ok(after) = rows(engine, path) else { return Ok(true) };
    if after != *before {
        let changed = before.iter().filter(|(key, value)| after.get(*key) != Some(value)).count();
        bail!("nobody noticed that {changed} of {} rows are not what they were", before.len());
    }
    Ok(false)
}

/// The exception: fjall's checksum of a batch leaves out the number that says which of two values of a row is the later one.
/// A bit flipped in it can bring an older value back, and nobody sees it. When this fails, nothing is an exception any more:
/// strike it from docs/consistency.md.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_the_number_of_a_batch_is_what_nobody_checks() -> Result<()> {
    /// Ends a batch, and the next one begins: a tag, how many rows, and the number.
    const BEGINS: &[u8] = b"FJL\x03\x01";
    let engine = EngineKind::Fjall;
    let folder = tempfile::tempdir()?;
    let (sound, copy) = (folder.path().join("sound"), folder.path().join("copy"));
    make(engine, End::Closed, &sound, |_| false).await?;
    let before = rows_of_copy(engine, &sound, &copy)?;
    let journal = fs::read(sound.join("data/0.jnl"))?;
    let ends = journal.windows(BEGINS.len()).enumerate().filter(|(_, bytes)| *bytes == BEGINS);
    let numbers: Vec<usize> = ends.map(|(at, _)| at + BEGINS.len() + 4).collect();
    let mut unseen = 0;
    for bit in 0..5 {
        copy_folder(&sound, &copy)?;
        let wound = Wound::Flipped(numbers[numbers.len() / 2] * 8 + bit);
        fs::write(copy.join("data/0.jnl"), wound.inflict(&journal))?;
        unseen += u32::from(look(engine, &copy, &before).await.is_err());
        fs::remove_dir_all(&copy)?;
    }
    ensure!(unseen > 0, "fjall sees that the number of a batch changed");
    Ok(())
}

/// What fjall takes for the torn end of its journal, whoever tore it, is refused with the file to delete for those who want
/// to go on with what is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_lost_its_end_is_refused_until_the_loss_is_accepted() -> Result<()> {
    let engine = EngineKind::Fjall;
    for end in [End::Closed, End::Killed] {
        let folder = tempfile::tempdir()?;
        let (sound, copy) = (folder.path().join("sound"), folder.path().join("copy"));
        // Without tables, so that an empty journal is an empty store.
        let newest = make(engine, end, &sound, |_| false).await?;
        let journal = fs::read(sound.join("data/0.jnl"))?;
        let used = journal.iter().rposition(|byte| *byte != 0).context("an empty journal")? + 1;
        let quarter = used / 4;
        let wounds = [Wound::Emptied, Wound::Cut(quarter), Wound::Cut(used - 1)]
            .into_iter()
            .chain([0, quarter, 2 * quarter, used - 1].map(|at| Wound::Overwritten(at, 4096)));
        for wound in wounds {
            copy_folder(&sound, &copy)?;
            fs::write(copy.join("data/0.jnl"), wound.inflict(&journal))?;
            let witness = copy.join("WITNESS");
            // Again, because fjall has cut the journal off meanwhile.
            for _ in 0..2 {
                let error = open_url(engine, &copy)
                    .await
                    .err()
                    .with_context(|| format!("{end:?}, {wound}: opened"))?;
                let told = error.to_string();
                ensure!(matches!(error, Error::Lost { .. }), "{end:?}, {wound}: {error:?}");
                for word in [
                    &*witness.to_string_lossy(),
                    &format!("up to cursor {newest}"),
                    "ends at cursor",
                    "backup",
                ] {
                    ensure!(told.contains(word), "{end:?}, {wound}: no `{word}` in `{told}`");
                }
            }
            fs::remove_file(&witness)?;
            let store = crash::open(engine, &copy)?;
            let left = *store.newest().borrow();
            // The last entry of the journal is a lease, and losing that alone is a loss too.
            ensure!(left <= newest, "{end:?}, {wound}: {left} after {newest}");
            ensure!(store.check().await?.is_empty(), "{end:?}, {wound}: half a transaction is left");
            // Enough to come past what was lost: the witness then knows of these.
            write(&store, &mut Script::new(6, 1, Load::Small), 3).await?;
            let newest = *store.newest().borrow();
            drop(store);
            ensure!(*open_url(engine, &copy).await?.newest().borrow() == newest, "{end:?}, {wound}");
            fs::remove_dir_all(&copy)?;
        }
    }
    Ok(())
}

/// How a store ended before its files were damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    /// Its files as they were while it was open, which is what `kill -9` leaves.
    Killed,
}

/// Makes a store with some commits, compacted after those that are told; returns the newest.
async fn make(
    engine: EngineKind,
    end: End,
    path: &Path,
    compact_after: impl Fn(usize) -> bool,
) -> Result<Cursor> {
    let live = path.with_extension("live");
    let store = crash::open(engine, &live)?;
    let mut script = Script::new(5, 0, Load::Large);
    write(&store, &mut script, 0).await?;
    for number in 1..=COMMITS {
        store.commit(script.advance()).await?;
        if compact_after(number) {
            store.compact().await?;
        }
    }
    store.lease_ids(10).await?;
    let newest = *store.newest().borrow();
    match end {
        End::Closed => {
            drop(store);
            copy_folder(&live, path)?;
        }
        End::Killed => {
            wait_for_witness(&store, &live)?;
            copy_folder(&live, path)?;
            drop(store);
        }
    }
    fs::remove_dir_all(live)?;
    Ok(newest)
}

/// What was committed within a second before a kill is not yet witnessed.
fn wait_for_witness(store: &KeyedStore, path: &Path) -> Result<()> {
    let newest = format!("durable {} ", *store.newest().borrow());
    let start = Instant::now();
    loop {
        // A lease comes after the newest commit, and both are told at once or one after the other.
        let text = fs::read_to_string(path.join("WITNESS")).unwrap_or_default();
        let leased = text.split_whitespace().nth(2).and_then(|id| id.parse::<u64>().ok());
        if text.starts_with(&newest) && leased.is_some_and(|id| id >= EntityId::FIRST_LEASED.get()) {
            return Ok(());
        }
        ensure!(start.elapsed() < PATIENCE, "the witness does not come, there is `{text}`");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
enum Wound {
    /// Bytes from an offset on are garbage.
    Overwritten(usize, usize),
    /// It ends at an offset.
    Cut(usize),
    Emptied,
    /// One bit is another.
    Flipped(usize),
}

impl Wound {
    /// The ways to damage a file of which so many bytes are in use.
    fn each(used: usize, random: &mut fastrand::Rng) -> Vec<Self> {
        let last = used.saturating_sub(16);
        let mut wounds = vec![
            Self::Overwritten(0, 16),
            Self::Overwritten(used / 2, 4096),
            Self::Overwritten(last, 16),
            Self::Cut(used / 2),
            Self::Emptied,
        ];
        wounds.extend((0..FLIPS).map(|_| Self::Flipped(random.usize(..used * 8))));
        wounds
    }

    fn inflict(self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self {
            Self::Overwritten(at, length) => {
                let end = bytes.len().min(at + length);
                bytes[at..end].fill(0xA5);
            }
            Self::Cut(at) => bytes.truncate(at),
            Self::Emptied => bytes.clear(),
            Self::Flipped(bit) => bytes[bit / 8] ^= 1 << (bit % 8),
        }
        bytes
    }
}

impl fmt::Display for Wound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overwritten(at, length) => write!(f, "{length} bytes overwritten at {at}"),
            Self::Cut(at) => write!(f, "cut off at {at}"),
            Self::Emptied => write!(f, "emptied"),
            Self::Flipped(bit) => write!(f, "bit {} of byte {} flipped", bit % 8, bit / 8),
        }
    }
}

fn rows(engine: EngineKind, path: &Path) -> Result<Rows> {
    let engine = engine.open(path, &EngineOptions { reserve_bytes: 0, ..EngineOptions::default() })?;
    let mut rows = Rows::new();
    engine.view().scan(&[0], &[u8::MAX], &mut |key, value| {
        rows.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

/// Of a copy, because opening changes files.
fn rows_of_copy(engine: EngineKind, sound: &Path, copy: &Path) -> Result<Rows> {
    copy_folder(sound, copy)?;
    let rows = rows(engine, copy)?;
    fs::remove_dir_all(copy)?;
    Ok(rows)
}

/// Holes and all.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    disk::run("cp", &["-r", "--sparse=always", &from.to_string_lossy(), &to.to_string_lossy()]).map(drop)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}
