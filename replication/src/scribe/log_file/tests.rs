use entitygraph_schema::testing::{at, entity_id};
use tempfile::TempDir;

use super::*;
use crate::scribe::{log::Row, values::Values};

/// So small that a few records fill a segment.
const SEGMENT: u64 = 100;

fn rows(tick: u64) -> Record {
    let values = Values::pose(at(tick as f64, 0.0, 0.0));
    Record::Rows {
        tick,
        zone: entity_id(1),
        rows: vec![Row { root: entity_id(5), entity: entity_id(5), values }],
    }
}

struct Opened {
    log: LogFile,
    broken: Option<Broken>,
    records: Vec<Record>,
}

fn open(folder: &Path) -> Opened {
    let mut records = vec![];
    let (log, broken) = LogFile::open(folder, SEGMENT, |_, record| records.push(record)).unwrap();
    Opened { log, broken, records }
}

fn append(log: &mut LogFile, ticks: std::ops::Range<u64>) {
    for tick in ticks {
        let mut bytes = vec![];
        let end = log::put(&rows(tick), log.end(), &mut bytes);
        log.append(&bytes).unwrap();
        assert_eq!(log.end(), end);
    }
    assert_eq!(log.sync().unwrap(), log.end());
}

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut found: Vec<_> = paths.filter(|path| path.to_str().unwrap().ends_with(suffix)).collect();
    found.sort();
    found
}

fn folder_of(ticks: u64) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    append(&mut open(folder.path()).log, 1..ticks + 1);
    folder
}

fn ticks(records: &[Record]) -> Vec<u64> {
    let tick = |record: &Record| match record {
        Record::Rows { tick, .. } => *tick,
        other => panic!("{other:?}"),
    };
    records.iter().map(tick).collect()
}

#[test]
fn what_was_appended_is_read_again_over_several_segments_and_gone_on_with() {
    let folder = folder_of(10);
    assert!(files(folder.path(), ".log").len() > 2);
    let mut again = open(folder.path());
    assert_eq!((ticks(&again.records), again.broken), ((1..=10).collect(), None));
    append(&mut again.log, 11..13);
    drop(again.log);
    assert_eq!(ticks(&open(folder.path()).records), (1..=12).collect::<Vec<_>>());
}

#[test]
fn killed_at_every_byte_of_the_last_write_what_was_whole_is_kept_and_gone_on_with() {
    let whole = folder_of(10);
    let last = files(whole.path(), ".log").pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    let begin = *open(folder_of(10).path()).log.segments.last().unwrap();
    let mut lengths = vec![];
    log::read(&bytes, begin, |behind, _| lengths.push((behind - begin) as usize)).unwrap();
    for cut in 0..bytes.len() {
        let folder = tempfile::tempdir().unwrap();
        for file in files(whole.path(), ".log") {
            fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        let torn = folder.path().join(last.file_name().unwrap());
        fs::write(&torn, &bytes[..cut]).unwrap();
        let mut opened = open(folder.path());
        let lost = lengths.iter().filter(|behind| **behind > cut).count() as u64;
        assert_eq!(ticks(&opened.records), (1..=10 - lost).collect::<Vec<_>>(), "cut at {cut}");
        let at_an_end = cut == 0 || lengths.contains(&cut);
        assert_eq!(opened.broken.is_some(), !at_an_end, "cut at {cut}: {:?}", opened.broken);
        assert!(files(folder.path(), ".damaged").is_empty(), "a torn end is nothing to be kept");
        append(&mut opened.log, 20..21);
        drop(opened.log);
        let again = open(folder.path());
        assert_eq!(again.records.len() as u64, 11 - lost, "cut at {cut}");
        assert_eq!(again.broken, None);
    }
}

#[test]
fn a_flipped_byte_in_the_middle_stops_the_reading_there_and_what_is_behind_is_put_aside() {
    let whole = folder_of(10);
    let first = files(whole.path(), ".log").remove(0);
    let length = fs::read(&first).unwrap().len();
    for at in 0..length {
        let folder = tempfile::tempdir().unwrap();
        for file in files(whole.path(), ".log") {
            fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        let path = folder.path().join(first.file_name().unwrap());
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 0xff;
        fs::write(&path, &bytes).unwrap();
        let mut opened = open(folder.path());
        let expected: Vec<_> = (1..=opened.records.len() as u64).collect();
        assert_eq!(ticks(&opened.records), expected, "byte {at}");
        assert!(opened.records.len() < 4, "byte {at}: only what is before the damage");
        assert!(opened.broken.is_some(), "byte {at} is said");
        assert!(!files(folder.path(), ".damaged").is_empty(), "byte {at}: it can be looked at");
        append(&mut opened.log, 20..22);
        drop(opened.log);
        let again = open(folder.path());
        assert_eq!((again.records.len(), again.broken), (expected.len() + 2, None), "byte {at}");
    }
}

#[test]
fn a_segment_that_is_missing_in_the_middle_is_damage() {
    let folder = folder_of(10);
    fs::remove_file(&files(folder.path(), ".log")[1]).unwrap();
    let opened = open(folder.path());
    assert!(matches!(opened.broken, Some(Broken { why: Break::Damaged { .. }, .. })), "{:?}", opened.broken);
    assert!(ticks(&opened.records).len() < 10);
}

#[test]
fn whole_segments_before_a_position_are_given_up() {
    let folder = folder_of(10);
    let mut log = open(folder.path()).log;
    let (begins, size) = (log.segments.clone(), log.size_bytes());
    log.release(begins[1] - 1).unwrap();
    assert_eq!(log.size_bytes(), size, "a part of it is needed");
    log.release(begins[2]).unwrap();
    assert_eq!(log.segments, begins[2..]);
    log.release(log.end()).unwrap();
    assert_eq!(files(folder.path(), ".log").len(), 1, "the last one is written to");
    drop(log);
    assert!(open(folder.path()).broken.is_none(), "a log begins anywhere");
}

#[test]
fn a_log_is_of_the_hubs_that_wrote_it_and_is_put_aside_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let (mine, other) = ([1; 16], [2; 16]);
    let mut log = open(folder.path()).log;
    assert!(log.is_of(&other), "an empty log is everybody's");
    log.begin(mine).unwrap();
    append(&mut log, 1..3);
    drop(log);
    let mut log = open(folder.path()).log;
    assert!(log.is_of(&mine) && !log.is_of(&other));
    let end = log.end();
    log.set_aside().unwrap();
    assert_eq!((log.end(), log.size_bytes()), (end, 0));
    assert_eq!(files(folder.path(), ".foreign").len(), 1);
    log.begin(other).unwrap();
    append(&mut log, 3..4);
    drop(log);
    let log = open(folder.path());
    assert!(log.log.is_of(&other) && !log.log.is_of(&mine));
    assert_eq!(ticks(&log.records), [3]);
}

#[test]
fn names_of_hubs_do_not_grow_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path()).log;
    (0..200_u128).for_each(|hub| log.begin(hub.to_be_bytes()).unwrap());
    append(&mut log, 1..2);
    assert_eq!(log.hubs.len(), HUBS_MAX);
    assert!(log.is_of(&199_u128.to_be_bytes()) && !log.is_of(&0_u128.to_be_bytes()));
}

#[test]
fn two_hubs_do_not_write_one_log() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).log;
    let second = LogFile::open(folder.path(), SEGMENT, |_, _| {});
    assert!(matches!(second, Err(LogError::InUse(_))), "{second:?}");
    drop(first);
    open(folder.path());
}

/// A folder that takes no new file, as a full or broken disk does: what was appended stays, and the same is taken later.
#[test]
fn what_the_disk_does_not_take_is_not_in_the_log_and_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path()).log;
    append(&mut log, 1..4);
    let (end, mut bytes) = (log.end(), vec![]);
    log::put(&rows(4), end, &mut bytes);
    // The name of the next segment is taken by a folder.
    let blocked = log.path(end);
    log.segment_bytes = 1;
    fs::create_dir(&blocked).unwrap();
    for _ in 0..3 {
        let error = log.append(&bytes).unwrap_err();
        assert!(error.to_string().contains("see that there is room"), "{error}");
        assert_eq!(log.end(), end);
    }
    fs::remove_dir(&blocked).unwrap();
    append(&mut log, 4..5);
    drop(log);
    let again = open(folder.path());
    assert_eq!((ticks(&again.records), again.broken), (vec![1, 2, 3, 4], None));
}
