//! The stream of records: parsed in parallel, delivered in order, bounded in memory.
//!
//! A thread of its own ([`jobs`](super::jobs)) parses ahead and passes the batches through a channel of one place. So
//! about three windows of records are in memory at a time: one being parsed, one waiting, one in the caller's hands.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use super::decode::{Decoded, Unread};
use super::export::SourceFile;
use super::jobs::produce;
use super::record::Record;
use super::report::{Problem, Report};

/// A place in the export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// File, relative to `sde/`.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: u64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A record, its id in the export, and where it was.
#[derive(Clone, Debug)]
pub struct Entry<R> {
    /// The id: the key of the record, or the id field inside it. Unique among the entries of one [`Batches`].
    pub id: u64,
    /// The record.
    pub record: R,
    /// Where it begins.
    pub at: At,
}

/// Some records in a row. They come out with [`Batch::accept`].
#[derive(Debug)]
#[must_use = "the records and the problems of a batch are lost when it is not accepted"]
pub struct Batch<R> {
    entries: Vec<Entry<R>>,
    problems: Vec<Problem>,
    unread: Unread,
    bytes: u64,
}

impl<R: Record> Batch<R> {
    /// Puts problems, counts and progress into the report and hands out the records.
    pub fn accept(self, report: &mut Report) -> Vec<Entry<R>> {
        let counts = (R::KIND, self.entries.len() as u64, self.bytes);
        report.add_batch(counts, self.problems, self.unread, R::LEFT_OUT);
        self.entries
    }

    pub(super) fn of_problem(problem: Problem, bytes: u64) -> Self {
        Batch { entries: Vec::new(), problems: vec![problem], unread: Unread::new(), bytes }
    }

    pub(super) fn of_decoded(decoded: Decoded<R>, bytes: u64) -> Self {
        let Decoded { entries, problems, unread } = decoded;
        Batch { entries, problems, unread, bytes }
    }

    pub(super) fn join(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        self.problems.extend(other.problems);
        for (path, (count, at)) in other.unread {
            self.unread.entry(path).or_insert((0, at)).0 += count;
        }
        self.bytes += other.bytes;
        self
    }
}

/// The records of one kind, batch by batch, in the same order on every run.
#[derive(Debug)]
pub struct Batches<R> {
    incoming: Receiver<Batch<R>>,
    worker: Option<JoinHandle<()>>,
    seen: HashMap<u64, (Arc<str>, u64)>,
}

impl<R: Record> Batches<R> {
    pub(super) fn start(root: &Path, files: Vec<SourceFile>) -> io::Result<Self> {
        let (outgoing, incoming) = sync_channel(1);
        let root = root.to_owned();
        let worker = thread::Builder::new()
            .name("eve-reader".into())
            .spawn(move || produce::<R>(root, files, &outgoing))?;
        Ok(Batches { incoming, worker: Some(worker), seen: HashMap::new() })
    }

    /// Takes out entries whose id came before.
    fn refuse_duplicates(&mut self, batch: &mut Batch<R>) {
        let (seen, problems) = (&mut self.seen, &mut batch.problems);
        batch.entries.retain(|entry| match seen.entry(entry.id) {
            MapEntry::Vacant(place) => {
                place.insert((Arc::clone(&entry.at.file), entry.at.line));
                true
            }
            MapEntry::Occupied(first) => {
                let (file, line) = first.get();
                let message = format!(
                    "the id {} was given before, at {file}:{line}; this record is left out",
                    entry.id
                );
                problems.push(Problem::new(&entry.at, "", message));
                false
            }
        });
    }
}

impl<R: Record> Iterator for Batches<R> {
    type Item = Batch<R>;

    /// # Panics
    /// When the reader itself panicked: the end of the stream must mean the end of the data.
    fn next(&mut self) -> Option<Batch<R>> {
        if let Ok(mut batch) = self.incoming.recv() {
            self.refuse_duplicates(&mut batch);
            return Some(batch);
        }
        let ended: Result<(), Box<dyn Any + Send>> = self.worker.take().map_or(Ok(()), JoinHandle::join);
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::eve::split::PIECE_BYTES;
    use crate::eve::{Export, Kind, Name, Region, Type};

    const TYPES: &str = "fsd/types.yaml";
    const FRIGATE: &str =
        "  groupID: 25\n  name:\n    de: Fregatte\n    en: Frigate\n  portionSize: 1\n  published: true\n";

    fn region(id: u64) -> String {
        let corner = "- -1.0\n- 0.5\n- 1.0e+17\n";
        format!("center:\n{corner}max:\n{corner}min:\n{corner}nameID: 1\nnebula: 2\nregionID: {id}\n")
    }

    /// An export with the given files, and a `universe` folder in any case.
    fn export(files: &[(&str, &str)]) -> (tempfile::TempDir, Export) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("universe")).unwrap();
        for (path, text) in [(TYPES, "")].iter().chain(files) {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let export = Export::open(dir.path()).unwrap();
        (dir, export)
    }

    fn read<R: Record>(export: &Export) -> (Vec<Entry<R>>, Report) {
        let mut report = Report::new(export);
        let entries = export.read::<R>().unwrap().flat_map(|batch| batch.accept(&mut report)).collect();
        (entries, report)
    }

    fn problems(report: &Report) -> Vec<String> {
        report.problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ten_thousand_types_arrive_in_order_with_their_lines_and_every_byte_is_counted() {
        let text: String = (0..10_000).map(|id| format!("{id}:\n{FRIGATE}")).collect();
        assert!(text.len() > 3 * PIECE_BYTES, "the fixture fits into one piece");
        let (_dir, export) = export(&[(TYPES, &text)]);
        let (types, report) = read::<Type>(&export);
        assert!(types.iter().map(|e| (e.id, e.at.line)).eq((0..10_000).map(|id| (id, id * 7 + 1))));
        assert_eq!((report.records(Kind::Type), report.problem_count()), (10_000, 0), "{report}");
        assert_eq!(report.bytes_done(), text.len() as u64);
        assert_eq!(report.bytes_done(), export.total_bytes());
    }

    #[test]
    fn regions_come_in_the_order_of_their_paths() {
        let (b, a) = (region(10_000_002), region(10_000_001));
        let (_dir, export) = export(&[
            ("universe/eve/B/region.yaml", &b),
            ("universe/eve/A-B/region.yaml", &a),
            ("universe/eve/A/region.yaml", &region(10_000_003)),
        ]);
        let (regions, _) = read::<Region>(&export);
        let files: Vec<_> = regions.iter().map(|e| &*e.at.file).collect();
        assert_eq!(
            files,
            ["universe/eve/A/region.yaml", "universe/eve/A-B/region.yaml", "universe/eve/B/region.yaml"]
        );
        assert_eq!(regions[1].record.center.0.map(f64::to_bits), [-1.0, 0.5, 1e17].map(f64::to_bits));
    }

    #[test]
    fn one_bad_file_does_not_cost_the_others() {
        let cut = region(10_000_001).replace("regionID: 10000001\n", "");
        let (_dir, export) = export(&[
            ("universe/eve/A/region.yaml", &cut),
            ("universe/eve/B/region.yaml", &region(10_000_002)),
        ]);
        let (regions, report) = read::<Region>(&export);
        assert_eq!(regions.iter().map(|e| e.id).collect::<Vec<_>>(), [10_000_002]);
        assert_eq!(
            problems(&report),
            ["universe/eve/A/region.yaml:1: missing field `regionID`; the record is left out"]
        );
        assert_eq!(report.bytes_done(), export.total_bytes());
    }

    #[test]
    fn an_id_given_twice_counts_once_and_names_both_places() {
        let (_dir, export) = export(&[(
            "bsd/invNames.yaml",
            "- itemID: 9223372036854775809\n  itemName: Jita\n- itemID: 9223372036854775809\n  itemName: Amarr\n",
        )]);
        let (names, report) = read::<Name>(&export);
        assert_eq!(names.len(), 1);
        assert_eq!((names[0].id, &*names[0].record.name), (9_223_372_036_854_775_809, "Jita"));
        assert_eq!(
            problems(&report),
            ["bsd/invNames.yaml:3: the id 9223372036854775809 was given before, at bsd/invNames.yaml:1; \
              this record is left out"]
        );
    }

    #[test]
    fn a_wrong_type_in_a_list_names_the_field() {
        let (_dir, export) = export(&[(
            "bsd/invNames.yaml",
            "- itemID: 1\n  itemName: Jita\n- itemID: two\n  itemName: Amarr\n",
        )]);
        let (names, report) = read::<Name>(&export);
        assert_eq!(names.len(), 1);
        assert_eq!(
            problems(&report),
            [
                "bsd/invNames.yaml:3: itemID: invalid type: string \"two\", expected u64; the record is left out"
            ]
        );
    }

    #[test]
    fn a_file_cut_off_in_a_line_is_reported_even_when_it_still_parses() {
        let (_dir, export) =
            export(&[("bsd/invNames.yaml", "- itemID: 1\n  itemName: Jita\n- itemID: 2\n  itemName: Ama")]);
        let (names, report) = read::<Name>(&export);
        assert_eq!(names.len(), 2);
        assert_eq!(
            problems(&report),
            [
                "bsd/invNames.yaml:4: the file stops in the middle of a line, it may be cut off; what could be read is kept"
            ]
        );
    }

    #[test]
    fn empty_and_missing_files_are_problems() {
        let (_dir, export) = export(&[]);
        assert_eq!(
            problems(&read::<Type>(&export).1),
            ["fsd/types.yaml:1: cannot be read from here on: the file is empty; unpack the export again"]
        );
        assert_eq!(
            problems(&read::<Name>(&export).1),
            ["bsd/invNames.yaml:1: no such file in the export; there will be no names"]
        );
    }

    #[test]
    fn bytes_that_are_not_text_cost_one_record() {
        let dir = export(&[]).0;
        let mut text = format!("1:\n{FRIGATE}2:\n").into_bytes();
        text.extend(b"  name: \xff\xfe\n");
        text.extend(format!("3:\n{FRIGATE}").into_bytes());
        fs::write(dir.path().join(TYPES), text).unwrap();
        let (types, report) = read::<Type>(&Export::open(dir.path()).unwrap());
        assert_eq!(types.iter().map(|e| e.id).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(
            problems(&report),
            ["fsd/types.yaml:9: bytes that are not UTF-8 text; the record is left out"]
        );
    }

    #[test]
    fn unknown_fields_and_files_are_counted_by_name() {
        let text = format!("1:\n{FRIGATE}  colour: red\n2:\n{FRIGATE}  colour: blue\n");
        let (_dir, export) =
            export(&[(TYPES, &text), ("fsd/blueprints.yaml", "1: {}\n"), ("fsd/new.yaml", "1: {}\n")]);
        let (_, report) = read::<Type>(&export);
        let fields: Vec<_> =
            report.fields().map(|(kind, path, field)| (kind, path, field.count, field.known)).collect();
        assert_eq!(fields, [(Kind::Type, "colour", 2, false)]);
        let files: Vec<_> = report.unread_files().collect();
        assert_eq!(files, [("fsd/blueprints.yaml", 6, Some("industry")), ("fsd/new.yaml", 6, None)]);
    }

    #[test]
    fn a_reader_that_is_dropped_early_stops_its_worker() {
        let text: String = (0..60_000).map(|id| format!("{id}:\n{FRIGATE}")).collect();
        let (_dir, export) = export(&[(TYPES, &text)]);
        let mut batches = export.read::<Type>().unwrap();
        let first = batches.next().unwrap().accept(&mut Report::new(&export));
        assert!(first.len() < 60_000, "the file fits into one batch");
        let worker = batches.worker.take().unwrap();
        drop(batches);
        worker.join().unwrap();
    }
}
