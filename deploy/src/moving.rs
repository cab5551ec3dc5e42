//! Whole worlds out, in and over: `entitygraph backup`, `restore`, `copy` and `verify`.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use entitygraph_migrations::{
    backup::{self, BackupFile, BackupOptions, Follow, Taken},
    copy::{self, Watch},
    load::for_terminal,
    moving::MoveError,
    restore,
    verify::{self, Side},
};
use entitygraph_schema::Cursor;
use entitygraph_store::{Store, shown_url};

use crate::{
    app::{existing_store, exit_at_second_signal, is_new_at, open_store, open_url, signal},
    cli::{Backup, Copy, Restore, Verify},
    config::Config,
};

/// How often a copy that follows says how far it is behind.
const TELL_LAG: Duration = Duration::from_secs(5);

/// Writes the store, or that of a running server, into a file.
pub async fn backup(config: &Config, backup: &Backup) -> Result<()> {
    let path = &backup.path;
    if let Some(url) = &backup.from {
        crate::fetch::backup(url, path).await?;
        let file = open_file(path).await?;
        said(path, &file);
        return Ok(());
    }
    let Some(store) = existing_store(config).await.map_err(told_in_use)? else {
        bail!(
            "there is no world in {}: name the folder that has one with --data, or the store with --store",
            config.shown_store()
        );
    };
    let follow = if backup.follow {
        let stopped = async {
            if let Err(error) = signal().await {
                tracing::error!(%error, "signals cannot be waited for, so following ends");
            }
            exit_at_second_signal();
        };
        eprintln!("following the commits: stop with Ctrl-C, then the file is made whole");
        Follow::Until(Box::pin(stopped))
    } else {
        Follow::No
    };
    let taken =
        backup::backup(&store, path, backup.resume, follow, BackupOptions::default(), for_terminal()).await?;
    let Taken { from, to, entities, links, .. } = taken;
    println!(
        "{}: {entities} entities and {links} links as read; it brings back any moment from cursor {from} to {to}",
        path.display()
    );
    Ok(())
}

/// Brings a backup back.
pub async fn restore(config: &Config, restore: &Restore) -> Result<()> {
    let file = open_file(&restore.path).await?;
    let store = open_store(config).await?;
    let to = restore.to.map(Cursor::from_number);
    let restored = restore::restore(&file, store.clone(), to, for_terminal()).await?;
    eprintln!("putting the store in order, so that it answers fast");
    store.compact().await?;
    println!(
        "{} is as {} was at cursor {}: {} entities and {} commits put in",
        config.shown_store(),
        file.begin.source,
        restored.at,
        restored.entities,
        restored.commits
    );
    Ok(())
}

/// Copies from store to store.
pub async fn copy(config: &Config, copy: &Copy) -> Result<()> {
    ensure!(copy.source != copy.target, "source and target are one store: name two");
    let missing = is_new_at(config, &copy.source).await?;
    ensure!(!missing, "there is no world in {}: check the path", shown_url(&copy.source));
    let source = open_url(config, &copy.source).await.map_err(told_in_use)?;
    let target = open_url(config, &copy.target).await?;
    let spool = copy.spool.clone().unwrap_or_else(|| config.data.join("copy.backup"));
    if let Some(folder) = spool.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    let watch = Arc::new(Following {
        follows: copy.follow,
        stopped: AtomicBool::new(false),
        told: Mutex::new(Instant::now()),
    });
    if copy.follow {
        eprintln!("following the source: stop with Ctrl-C, then run again without --follow to finish");
        let watch = watch.clone();
        tokio::spawn(async move {
            if signal().await.is_ok() {
                watch.stopped.store(true, Ordering::Relaxed);
                exit_at_second_signal();
            }
        });
    }
    let options = BackupOptions::default();
    let copied = copy::copy(source, target.clone(), &spool, &*watch, options, for_terminal()).await?;
    eprintln!("putting the target in order, so that it answers fast");
    target.compact().await?;
    println!(
        "{} is as {} at cursor {}: {} entities put in",
        shown_url(&copy.target),
        shown_url(&copy.source),
        copied.at,
        copied.entities
    );
    if copy.follow {
        println!(
            "to switch over: stop what writes to the source, run the command again without --follow, serve the target"
        );
    }
    Ok(())
}

/// Says now and then how far a copy is behind, and when it is to end.
struct Following {
    follows: bool,
    stopped: AtomicBool,
    told: Mutex<Instant>,
}

impl Watch for Following {
    fn lag(&self, commits: u64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if self.follows && told.elapsed() >= TELL_LAG {
            *told = Instant::now();
            eprintln!("{commits} commits behind");
        }
        !self.follows || self.stopped.load(Ordering::Relaxed)
    }

    fn finishes(&self) -> bool {
        !self.follows
    }
}

/// Compares two worlds, or only reads a backup.
pub async fn verify(config: &Config, verify: &Verify) -> Result<()> {
    let first = side(config, &verify.first).await?;
    let Some(second) = &verify.second else {
        let Side::Backup(file, _) = first else {
            bail!("name a second store or backup to compare {} with", shown_url(&verify.first));
        };
        said(&file.path, &file);
        return Ok(());
    };
    let second = side(config, second).await?;
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
    println!("{first} and {second} are the same: {entities} entities, {links} links, {buried} buried ids");
    Ok(())
}

/// A store by its URL, or a backup by its path.
async fn side(config: &Config, name: &str) -> Result<Side> {
    if Path::new(name).is_file() {
        return Ok(Side::backup(open_file(Path::new(name)).await?).await?);
    }
    entitygraph_store::check_url(name)
        .with_context(|| format!("{} is no file of a backup either", shown_url(name)))?;
    let missing = is_new_at(config, name).await?;
    ensure!(!missing, "there is no world in {}: check the path", shown_url(name));
    let store: Arc<dyn Store> = open_url(config, name).await.map_err(told_in_use)?;
    Ok(Side::Store(store))
}

/// Reads a whole backup; a damaged one is refused before anything is written.
async fn open_file(path: &Path) -> Result<BackupFile> {
    let path: PathBuf = path.to_owned();
    let progress = for_terminal();
    let length = path.metadata().map_or(0, |file| file.len());
    let opened = tokio::task::spawn_blocking(move || {
        progress.stage("checking");
        progress.total_bytes(length);
        let opened = BackupFile::open(&path, |bytes| progress.bytes(bytes));
        progress.finish();
        opened
    });
    Ok(opened.await?.map_err(|error: MoveError| error)?)
}

fn said(path: &Path, file: &BackupFile) {
    println!(
        "{} is whole: a backup of {}, {} entities and {} links as read; it brings back any moment from cursor {} to {}",
        path.display(),
        file.begin.source,
        file.base.entities,
        file.base.links,
        file.base.cursor,
        file.end.cursor
    );
}

/// An embedded store cannot be opened twice: what to do then.
fn told_in_use(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<entitygraph_store::Error>() {
        Some(entitygraph_store::Error::InUse { .. }) => error.context(
            "a running server has this store open: ask it for a backup (entitygraph backup FILE --from http://ADDRESS), or stop it first",
        ),
        _ => error,
    }
}
