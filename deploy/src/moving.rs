//! Whole worlds out, in and over: `entitygraph backup`, `restore`, `copy` and `verify`.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use entitygraph_migrations::{
    backup::{self, BackupFile, BackupOptions, Follow, Taken},
    copy::{self, Copied, Watch},
    load::for_terminal,
    moving::MoveError,
    restore::{self, target::refuse_unfinished},
    source::{Opened, Source},
    verify::{self, Side},
};
use entitygraph_schema::Cursor;
use entitygraph_store::shown_url;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{existing_world, exit_at_second_signal, is_new_at, open_target, open_url, put_in_order, signal},
    cli::{Backup, Copy, Restore, Verify},
    config::Config,
    remote::{Remote, is_server},
};

/// How often a copy that follows says how far it is behind.
const TELL_LAG: Duration = Duration::from_secs(5);

/// Writes the store, or that of a running server, into a file.
pub async fn backup(config: &Config, backup: &Backup) -> Result<()> {
    let path = &backup.path;
    backup::keep_existing(path, backup.resume)?;
    let source: Box<dyn Source> = match &backup.from {
        Some(url) => Box::new(Remote::open(url).await?),
        None => match existing_world(config).await.map_err(told_in_use)? {
            Some(store) => Box::new(Opened(store)),
            None => bail!(
                "there is no world in {}: name the folder that has one with --data, or the store with --store",
                config.shown_store()
            ),
        },
    };
    let follow = if backup.follow {
        let stop = interruption();
        eprintln!("following the commits: stop with Ctrl-C, then the file is made whole");
        Follow::Until(Box::pin(stop.cancelled_owned()))
    } else {
        Follow::No
    };
    let (options, began) = (BackupOptions::default(), Instant::now());
    let taken = backup::backup(&*source, path, backup.resume, follow, options, for_terminal()).await?;
    let Taken { from, to, entities, links, .. } = taken;
    let bytes = path.metadata().map_err(MoveError::file(path, "read"))?.len();
    println!(
        "{}: {entities} entities and {links} links as read, {:.1} KiB; it brings back any moment from cursor {from} to {to} ({})",
        path.display(),
        bytes as f64 / 1_024.0,
        took(began)
    );
    Ok(())
}

/// Brings a backup back.
pub async fn restore(config: &Config, restore: &Restore) -> Result<()> {
    let file = open_file(&restore.path, restore.as_far_as_it_goes).await?;
    if let Some(offset) = file.cut {
        eprintln!(
            "{} is not whole: what is behind byte {offset} is not brought back",
            restore.path.display()
        );
    }
    // Before a store begins: what is refused leaves none.
    let to = restore::moment(&file, restore.to.map(Cursor::from_number))?;
    let began = Instant::now();
    let store = open_target(config, &config.store_url()).await?;
    let target = store.info().location;
    let restored = tokio::select! {
        biased;
        restored = restore::restore(&file, store.clone(), Some(to), for_terminal()) => restored?,
        signalled = signal() => {
            signalled?;
            return Err(MoveError::Interrupted { target }.into());
        }
    };
    put_in_order(&*store).await?;
    println!(
        "{} is as {} was at cursor {}: {} entities and {} commits put in ({})",
        config.shown_store(),
        file.begin.source,
        restored.at,
        restored.entities,
        restored.commits,
        took(began)
    );
    Ok(())
}

/// Copies from store to store, or from a running server to a store.
pub async fn copy(config: &Config, copy: &Copy) -> Result<()> {
    ensure!(copy.source != copy.target, "source and target are one store: name two");
    ensure!(
        !is_server(&copy.target),
        "a world can be copied out of a running server, not into one: stop the server and name its store"
    );
    let source = source(config, &copy.source).await?;
    let target = open_target(config, &copy.target).await?;
    let spool = copy.spool.clone().unwrap_or_else(|| config.data.join("copy.backup"));
    if let Some(folder) = spool.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    let began = Instant::now();
    let stop = interruption();
    if copy.follow {
        eprintln!("following the source: stop with Ctrl-C, then run again without --follow to finish");
    }
    let watch = Following { follows: copy.follow, stop: stop.clone(), told: Mutex::new(Instant::now()) };
    let options = BackupOptions::default();
    let copied = copy::copy(&*source, target.clone(), &spool, &watch, options, for_terminal()).await;
    let copied = copied.map_err(|error| told_spool(error, copy.spool.is_none()))?;
    let Copied { at, behind, entities, done } = copied;
    if !copy.follow {
        if !done {
            return Err(MoveError::Interrupted { target: target.info().location }.into());
        }
        put_in_order(&*target).await?;
    }
    let (from, to) = (shown_url(&copy.source), shown_url(&copy.target));
    println!("{to} is as {from} at cursor {at}: {entities} entities put in ({})", took(began));
    if behind > 0 {
        println!("{behind} commits of the source are later than that");
    }
    if copy.follow {
        println!(
            "to switch over: stop what writes to the source, run the command again without --follow, serve the target"
        );
    }
    Ok(())
}

/// How long something took, for people.
fn took(began: Instant) -> String {
    format!("{:.1} s", began.elapsed().as_secs_f64())
}

/// Comes with the first signal; a second one ends the process.
fn interruption() -> CancellationToken {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        if let Err(error) = signal().await {
            tracing::error!(%error, "signals cannot be waited for, so following ends");
        }
        stopping.cancel();
        exit_at_second_signal();
    });
    stop
}

/// Says now and then how far a copy is behind, and when it is to end.
struct Following {
    follows: bool,
    /// A person wants a copy that follows to end.
    stop: CancellationToken,
    told: Mutex<Instant>,
}

#[async_trait]
impl Watch for Following {
    fn lag(&self, commits: u64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if self.follows && told.elapsed() >= TELL_LAG {
            *told = Instant::now();
            eprintln!("{commits} commits behind");
        }
        !self.follows && commits == 0
    }

    async fn interrupted(&self) {
        self.stop.cancelled().await;
    }

    fn finishes(&self) -> bool {
        !self.follows
    }
}

/// Compares two worlds, or only reads a backup.
pub async fn verify(config: &Config, verify: &Verify) -> Result<()> {
    let cut = verify.as_far_as_it_goes;
    let first = side(config, &verify.first, cut).await?;
    let Some(second) = &verify.second else {
        let Side::Backup(file, _) = first else {
            bail!("name a second store or backup to compare {} with", shown_url(&verify.first));
        };
        say(&file);
        return Ok(());
    };
    let second = side(config, second, cut).await?;
    let began = Instant::now();
    let verdict = verify::verify(&first, &second, &*for_terminal()).await?;
    for difference in &verdict.differences {
        println!("{difference}");
    }
    let verify::Verdict { entities, buried, links, count, differences } = verdict;
    if count > differences.len() as u64 {
        println!("... and {} more", count - differences.len() as u64);
    }
    let (first, second) = (first.location(), second.location());
    ensure!(count == 0, "{first} and {second} differ in {count} places");
    println!(
        "{first} and {second} are the same: {entities} entities, {links} links, {buried} buried ids ({})",
        took(began)
    );
    Ok(())
}

/// A store by its URL, that of a server by its address, or a backup by its path.
async fn side(config: &Config, name: &str, cut: bool) -> Result<Side> {
    if Path::new(name).is_file() {
        return Ok(Side::backup(open_file(Path::new(name), cut).await?).await?);
    }
    if !is_server(name) {
        entitygraph_store::check_url(name)
            .with_context(|| format!("{} is no file of a backup either", shown_url(name)))?;
    }
    Ok(Side::Store(source(config, name).await?))
}

/// A store by its URL, or that of a server by its address.
async fn source(config: &Config, name: &str) -> Result<Arc<dyn Source>> {
    if is_server(name) {
        return Ok(Arc::new(Remote::open(name).await?));
    }
    let missing = is_new_at(config, name).await?;
    ensure!(!missing, "there is no world in {}: check the path", shown_url(name));
    let store = open_url(config, name).await.map_err(told_in_use)?;
    refuse_unfinished(&*store).await?;
    Ok(Arc::new(Opened(store)))
}

/// Reads a whole backup; one that is damaged, or cut and not wanted so, is refused before anything is written.
async fn open_file(path: &Path, cut: bool) -> Result<BackupFile> {
    let path: PathBuf = path.to_owned();
    let progress = for_terminal();
    let length = path.metadata().map_or(0, |file| file.len());
    let opened = tokio::task::spawn_blocking(move || {
        progress.stage(&format!("checking {}", path.display()));
        progress.total_bytes(length);
        let seen = |bytes| progress.bytes(bytes);
        let opened = match cut {
            true => BackupFile::open_as_far_as_it_goes(&path, seen),
            false => BackupFile::open(&path, seen),
        };
        progress.finish();
        opened
    });
    Ok(opened.await??)
}

fn say(file: &BackupFile) {
    let whole = match file.cut {
        None => "whole".to_owned(),
        Some(offset) => format!("intact up to byte {offset}"),
    };
    println!(
        "{} is {whole}: a backup of {}, {} entities and {} links as read; it brings back any moment from cursor {} to {}",
        file.path.display(),
        file.begin.source,
        file.base.entities,
        file.base.links,
        file.base.cursor,
        file.end.cursor
    );
}

/// Nobody named the file between source and target, which an earlier copy left: what to do then.
fn told_spool(error: MoveError, unnamed: bool) -> anyhow::Error {
    let left = unnamed && matches!(error, MoveError::OtherSource { .. });
    let error = anyhow::Error::from(error);
    match left {
        true => error.context(
            "an earlier copy that did not come to its end left its file: finish that one, or give this one another with --spool FILE",
        ),
        false => error,
    }
}

/// An embedded store cannot be opened twice: what to do then.
fn told_in_use(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<entitygraph_store::Error>() {
        Some(entitygraph_store::Error::InUse { .. }) => error.context(
            "another process has this store open: if it is a server name that instead, http://ADDRESS (for a backup with --from \
             http://ADDRESS), or stop it first",
        ),
        _ => error,
    }
}
