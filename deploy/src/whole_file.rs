//! A file that is replaced as a whole or not at all.

use std::{
    fs::{self, File, Permissions},
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Writes beside a file and takes its place at the end. Dropped before, nothing of it stays.
///
/// What exists and is no file (a pipe, `/dev/null`) is written to as it is.
#[derive(Debug)]
pub enum WholeFile {
    /// Takes the place of the file at the path.
    Beside(BufWriter<NamedTempFile>, PathBuf),
    /// No file.
    Direct(BufWriter<File>),
}

impl WholeFile {
    /// Begins; the folder must exist.
    pub fn create(path: &Path) -> io::Result<Self> {
        // A link stays one, and what it leads to is replaced.
        let path = match fs::canonicalize(path) {
            Ok(path) if !fs::metadata(&path)?.is_file() => {
                return Ok(Self::Direct(BufWriter::new(File::options().write(true).open(path)?)));
            }
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(error),
        };
        let folder = folder(&path);
        let temporary = tempfile::Builder::new()
            .prefix(".entitygraph-")
            // As any other new file: the umask takes away from it.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|error| {
                let (kind, folder) = (error.kind(), folder.display());
                // The error of the library names a file that nobody asked for.
                io::Error::new(
                    kind,
                    match kind {
                        io::ErrorKind::NotFound => {
                            format!("the folder {folder} does not exist: create it first")
                        }
                        _ => format!("no file can be made in the folder {folder}: {kind}"),
                    },
                )
            })?;
        Ok(Self::Beside(BufWriter::new(temporary), path))
    }

    /// Puts what was written in its place, durably.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Direct(mut out) => out.flush(),
            Self::Beside(out, path) => {
                let temporary = out.into_inner()?;
                temporary.as_file().sync_all()?;
                temporary.persist(&path)?;
                // The new name is durable once its folder is.
                File::open(folder(&path))?.sync_all()
            }
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Beside(out, _) => out.write(bytes),
            Self::Direct(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Beside(out, _) => out.flush(),
            Self::Direct(out) => out.flush(),
        }
    }
}
