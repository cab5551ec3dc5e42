//! The full journals of fjall, watched while it opens a store.
//!
//! fjall cuts a journal off at a damaged place, as if the last write before a crash had been torn there. In the newest
//! journal that may be so. One that has a successor was synced before that was made: cut off, it has lost rows in the middle
//! of the history, and what follows hides that.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Bytes read at a time.
const STEP: u64 = 64 << 10;

/// See the module. The files are held open: fjall removes a journal as soon as its rows are in tables.
pub(super) struct FullJournals(Vec<(PathBuf, File, u64)>);

impl FullJournals {
    /// Those in the folder of a store that is not open.
    pub(super) fn find(data: &Path) -> io::Result<Self> {
        let mut journals: Vec<(u64, PathBuf)> = Vec::new();
        let entries = match fs::read_dir(data) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self(Vec::new())),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let name =
                path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
            journals.extend(name.map(|number| (number, path)));
        }
        journals.sort();
        journals.pop();
        let watch = |(_, path)| {
            let mut file = File::open(&path)?;
            let end = end_of_data(&mut file)?;
            Ok((path, file, end))
        };
        journals.into_iter().map(watch).collect::<io::Result<_>>().map(Self)
    }

    /// One that lost something since then. (One that was empty already cannot be told from one whose loss was accepted.)
    pub(super) fn damaged(&self) -> io::Result<Option<&Path>> {
        for (path, file, end) in &self.0 {
            if file.metadata()?.len() < *end {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }
}

/// Where the zeros begin that fjall fills a new journal with: no entry ends in one.
fn end_of_data(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut bytes = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        bytes.clear();
        file.by_ref().take(end - start).read_to_end(&mut bytes)?;
        if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
