//! What happened on the way: how many records, what was wrong, and what was not read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::batches::At;
use super::decode::Unread;
use super::export::Export;
use super::layout::{Kind, Use};

/// Problems kept with their text; all others are only counted.
const KEPT_PROBLEMS: usize = 200;

/// Something that could not be read or looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File, relative to `sde/`.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: u64,
    /// Path of the field below the file, such as `40009077.radius`; empty when the whole record is meant.
    pub field: Box<str>,
    /// What is wrong and what became of the record.
    pub message: Box<str>,
}

impl Problem {
    /// A problem of the record or field at `at`.
    #[must_use]
    pub fn new(at: &At, field: &str, message: String) -> Self {
        Problem { file: Arc::clone(&at.file), line: at.line, field: field.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// A field of the export that no record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldCount {
    /// How often it was there.
    pub count: u64,
    /// Near the first one: the piece of the file that has it starts here.
    pub first: At,
    /// Whether this reader knows the field and leaves it out on purpose.
    pub known: bool,
}

/// The account of a whole read.
#[derive(Clone, Debug, Default)]
pub struct Report {
    bytes: u64,
    records: BTreeMap<Kind, u64>,
    problems: Vec<Problem>,
    problem_count: u64,
    fields: BTreeMap<(Kind, String), FieldCount>,
    files: Vec<(Arc<str>, u64, Use)>,
}

impl Report {
    /// An empty account that knows the files that nobody will read.
    #[must_use]
    pub fn new(export: &Export) -> Self {
        let unread = export.files().iter().filter(|file| !matches!(file.used, Use::Read(_)));
        let files = unread.map(|file| (Arc::clone(&file.path), file.bytes, file.used)).collect();
        Report { files, ..Report::default() }
    }

    /// Bytes of the files behind the records accepted so far; ends at [`Export::total_bytes`] when every kind was read.
    #[must_use]
    pub fn bytes_done(&self) -> u64 {
        self.bytes
    }

    /// How many records of `kind` were accepted.
    #[must_use]
    pub fn records(&self, kind: Kind) -> u64 {
        self.records.get(&kind).copied().unwrap_or(0)
    }

    /// The first problems; [`Report::problem_count`] says how many there were.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many problems there were.
    #[must_use]
    pub fn problem_count(&self) -> u64 {
        self.problem_count
    }

    /// Adds a problem that the caller found in a record (a reference to nothing, say).
    pub fn add_problem(&mut self, problem: Problem) {
        self.problem_count += 1;
        if self.problems.len() < KEPT_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// Counts a field that the reader gave and the caller did not use (a text in another language, say).
    pub fn add_unused_field(&mut self, kind: Kind, path: &str, at: &At) {
        self.count_field(kind, path.to_owned(), 1, at, true);
    }

    /// Fields that were in the files and are not in the records, by kind and path (`*` stands for an id).
    pub fn fields(&self) -> impl Iterator<Item = (Kind, &str, &FieldCount)> {
        self.fields.iter().map(|((kind, path), count)| (*kind, path.as_str(), count))
    }

    /// Files that are not read: path, bytes, and why (`None` for a file this reader does not know).
    pub fn unread_files(&self) -> impl Iterator<Item = (&str, u64, Option<&'static str>)> {
        self.files.iter().map(|(path, bytes, used)| {
            (&**path, *bytes, if let Use::LeftOut(why) = used { Some(*why) } else { None })
        })
    }

    pub(super) fn add_batch(
        &mut self,
        (kind, records, bytes): (Kind, u64, u64),
        problems: Vec<Problem>,
        unread: Unread,
        left_out: &[&str],
    ) {
        self.bytes += bytes;
        *self.records.entry(kind).or_default() += records;
        problems.into_iter().for_each(|problem| self.add_problem(problem));
        for (path, (count, at)) in unread {
            let known = left_out.contains(&path.as_str());
            self.count_field(kind, path, count, &at, known);
        }
    }

    fn count_field(&mut self, kind: Kind, path: String, count: u64, at: &At, known: bool) {
        let entry = self.fields.entry((kind, path));
        entry.or_insert_with(|| FieldCount { count: 0, first: at.clone(), known }).count += count;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "read:")?;
        for (kind, count) in &self.records {
            writeln!(f, "  {count:>9} {kind}")?;
        }
        for (title, wanted) in [("known fields left out:", true), ("UNKNOWN fields:", false)] {
            let fields: Vec<_> = self.fields().filter(|(_, _, field)| field.known == wanted).collect();
            if !fields.is_empty() {
                writeln!(f, "{title}")?;
            }
            for (kind, path, field) in fields {
                let first = if wanted { String::new() } else { format!(", first after {}", field.first) };
                writeln!(f, "  {:>9} {path} in {}{first}", field.count, kind.path())?;
            }
        }
        if !self.files.is_empty() {
            writeln!(f, "files not read:")?;
        }
        for (path, bytes, why) in self.unread_files() {
            writeln!(f, "  {:>9} {path}: {}", kilobytes(bytes), why.unwrap_or("UNKNOWN file"))?;
        }
        writeln!(f, "problems: {}", self.problem_count)?;
        for problem in &self.problems {
            writeln!(f, "  {problem}")?;
        }
        match self.problem_count - self.problems.len() as u64 {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}

fn kilobytes(bytes: u64) -> String {
    format!("{} kB", bytes.div_ceil(1000))
}
