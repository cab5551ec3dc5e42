//! Folders of servers: named ones, and temporary ones that are removed even if the process that made them was killed.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// A server's folder, locked as long as this lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
    _temporary: Option<TempDir>,
}

impl Folder {
    /// A temporary folder below `servers`, where those that dead processes left are removed.
    pub fn temporary(servers: &Path) -> Result<Self> {
        fs::create_dir_all(servers)?;
        let all = File::create(servers.join("lock"))?;
        all.lock()?; // else another process could remove ours before it is locked
        for entry in fs::read_dir(servers)? {
            let path = entry?.path();
            if path.is_dir() && lock(&path)?.is_some() {
                fs::remove_dir_all(&path).with_context(|| format!("removing {}", path.display()))?;
            }
        }
        let temporary = TempDir::new_in(servers)?;
        let path = temporary.path().to_owned();
        let Some(lock) = lock(&path)? else { bail!("{} is new and locked", path.display()) };
        Ok(Self { path, _lock: lock, _temporary: Some(temporary) })
    }

    /// A folder that stays.
    pub fn named(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("creating {}", path.display()))?;
        let path = path.canonicalize()?;
        let Some(lock) = lock(&path)? else {
            bail!("{} is in use: a server runs there, stop it or choose another folder", path.display())
        };
        Ok(Self { path, _lock: lock, _temporary: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Locks a folder; `None` if it is locked.
fn lock(folder: &Path) -> Result<Option<File>> {
    let file = File::create(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error.into()),
    }
}
