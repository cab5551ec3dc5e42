//! The work behind the stream: files are cut into jobs, a window of jobs is parsed on all cores, and its results are put
//! together again in the order of the files.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use rayon::prelude::*;

use super::batches::{At, Batch};
use super::decode::decode;
use super::export::SourceFile;
use super::layout::{Kind, Shape};
use super::record::Record;
use super::report::Problem;
use super::split::{PIECE_BYTES, Piece, Pieces, newlines};

/// Text that is parsed in one go on all cores.
const WINDOW_BYTES: u64 = 2 * 1024 * 1024;
/// Largest file that is read as one record; the largest of the export has 0.12 MB.
const DOCUMENT_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// One unit of parallel work.
enum Job {
    /// A file that is one record.
    Document(SourceFile),
    /// A part of a file of many records.
    Piece(Arc<str>, Piece),
    /// A file that ended badly: what was wrong, and the bytes that nobody will read.
    Failed(Problem, u64),
}

impl Job {
    fn bytes(&self) -> u64 {
        match self {
            Job::Document(file) => file.bytes,
            Job::Piece(_, piece) => piece.text.len() as u64,
            Job::Failed(_, bytes) => *bytes,
        }
    }
}

/// Reads `files` and sends their batches in order, until the caller hangs up.
pub(super) fn produce<R: Record>(root: PathBuf, files: Vec<SourceFile>, outgoing: &SyncSender<Batch<R>>) {
    if files.is_empty() {
        let at = At { file: R::KIND.path().into(), line: 1 };
        let message = format!("no such file in the export; there will be no {}", R::KIND);
        // A failed send means that the caller wants no more; that ends the work here and below.
        let _gone = outgoing.send(Batch::of_problem(Problem::new(&at, "", message), 0));
        return;
    }
    let mut jobs = files.into_iter().flat_map(|file| jobs(&root, file, R::KIND)).peekable();
    while jobs.peek().is_some() {
        let mut window = Vec::new();
        let mut bytes = 0;
        while let Some(job) = jobs.next_if(|_| bytes < WINDOW_BYTES) {
            bytes += job.bytes();
            window.push(job);
        }
        let parsed: Vec<Batch<R>> = window.into_par_iter().map(|job| run(&root, job)).collect();
        let Some(batch) = parsed.into_iter().reduce(Batch::join) else { return };
        if outgoing.send(batch).is_err() {
            return;
        }
    }
}

fn jobs(root: &Path, file: SourceFile, kind: Kind) -> Box<dyn Iterator<Item = Job>> {
    if kind.shape() == Shape::Document {
        return Box::new(std::iter::once(Job::Document(file)));
    }
    let opened = match File::open(root.join(&*file.path)) {
        Ok(opened) => opened,
        Err(error) => return Box::new(std::iter::once(failed(&file.path, 1, &error, file.bytes))),
    };
    if file.bytes == 0 {
        let empty =
            io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty; unpack the export again");
        return Box::new(std::iter::once(failed(&file.path, 1, &empty, 0)));
    }
    let mut unread = file.bytes;
    let mut next_line = 1;
    Box::new(Pieces::new(opened, kind.shape(), PIECE_BYTES).map(move |piece| match piece {
        Ok(piece) => {
            unread = unread.saturating_sub(piece.text.len() as u64);
            next_line = piece.first_line + newlines(&piece.text);
            Job::Piece(Arc::clone(&file.path), piece)
        }
        Err(error) => failed(&file.path, next_line, &error, unread),
    }))
}

fn failed(file: &Arc<str>, line: u64, error: &io::Error, bytes: u64) -> Job {
    let at = At { file: Arc::clone(file), line };
    Job::Failed(Problem::new(&at, "", format!("cannot be read from here on: {error}")), bytes)
}

fn run<R: Record>(root: &Path, job: Job) -> Batch<R> {
    let bytes = job.bytes();
    match job {
        Job::Failed(problem, _) => Batch::of_problem(problem, bytes),
        Job::Piece(file, piece) => batch(&file, &piece, bytes),
        Job::Document(SourceFile { path, .. }) if bytes > DOCUMENT_LIMIT_BYTES => {
            let message = format!(
                "the file has {bytes} bytes, expected at most {DOCUMENT_LIMIT_BYTES}; it is left out"
            );
            Batch::of_problem(Problem::new(&At { file: path, line: 1 }, "", message), bytes)
        }
        Job::Document(SourceFile { path, .. }) => match fs::read(root.join(&*path)) {
            Ok(text) => batch(&path, &Piece { text, first_line: 1 }, bytes),
            Err(error) => {
                let message = format!("cannot be read: {error}");
                Batch::of_problem(Problem::new(&At { file: path, line: 1 }, "", message), bytes)
            }
        },
    }
}

fn batch<R: Record>(file: &Arc<str>, piece: &Piece, bytes: u64) -> Batch<R> {
    let mut decoded = decode(file, piece);
    // Pieces end where the next record starts, so only the end of a file can lack its line end.
    if piece.text.last().is_some_and(|byte| *byte != b'\n') {
        let at = At { file: Arc::clone(file), line: piece.first_line + newlines(&piece.text) };
        let message = "the file stops in the middle of a line, it may be cut off; what could be read is kept";
        decoded.problems.push(Problem::new(&at, "", message.into()));
    }
    Batch::of_decoded(decoded, bytes)
}
