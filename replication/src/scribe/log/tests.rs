use entitygraph_schema::testing::{at, entity_id, name};

use super::*;

fn records() -> Vec<Record> {
    let row = |root, entity, x| Row {
        root: entity_id(root),
        entity: entity_id(entity),
        values: Values::pose(at(x, 0.0, 0.0)),
    };
    let (term, operation_id, roots) =
        (Epoch::from_number(7), name("ship/7"), vec![entity_id(9), entity_id(4)]);
    vec![
        Record::Rows { tick: 1, zone: entity_id(1), rows: vec![row(5, 5, 1.0), row(5, 6, 2.0)] },
        Record::Written { up_to: 17, roots: roots.clone() },
        Record::Intent { term, operation_id, request: [1; 32], roots, left: Some(entity_id(1)) },
        Record::Outcome {
            operation_id: name("ship/7"),
            done: true,
            void: vec![entity_id(9)],
            left: Some(entity_id(1)),
        },
        Record::Rows { tick: 2, zone: entity_id(1), rows: vec![] },
    ]
}

fn written(records: &[Record], begin: u64) -> (Vec<u8>, Vec<u64>) {
    let (mut bytes, mut ends, mut position) = (vec![], vec![], begin);
    for record in records {
        position = put(record, position, &mut bytes);
        ends.push(position);
    }
    (bytes, ends)
}

fn read_all(bytes: &[u8], begin: u64) -> (Vec<Record>, Result<(), Break>) {
    let mut found = vec![];
    let result = read(bytes, begin, |_, record| found.push(record));
    (found, result)
}

#[test]
fn records_come_back_as_they_were_with_the_position_behind_each() {
    let (bytes, ends) = written(&records(), 1_000);
    let mut found = vec![];
    read(&bytes, 1_000, |end, record| found.push((end, record))).unwrap();
    assert_eq!(found, ends.iter().copied().zip(records()).collect::<Vec<_>>());
    assert_eq!(*ends.last().unwrap(), 1_000 + bytes.len() as u64);
}

#[test]
fn cut_at_every_byte_what_was_whole_is_read_and_the_rest_is_torn() {
    let (bytes, ends) = written(&records(), 0);
    for cut in 0..bytes.len() {
        let whole = ends.iter().filter(|end| **end <= cut as u64).count();
        let (found, result) = read_all(&bytes[..cut], 0);
        assert_eq!(found, records()[..whole], "cut at {cut}");
        let position = ends[..whole].last().copied().unwrap_or(0);
        let left = cut - position as usize;
        assert_eq!(result, if left == 0 { Ok(()) } else { Err(Break::Torn { position, bytes: left }) });
    }
}

#[test]
fn each_flipped_bit_ends_the_reading_before_its_record() {
    let (bytes, ends) = written(&records(), 64);
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let before = ends.iter().filter(|end| **end - 64 <= bit as u64 / 8).count();
        let (found, result) = read_all(&bytes, 64);
        assert_eq!(found, records()[..before], "bit {bit}");
        let position = ends[..before].last().copied().unwrap_or(64);
        match result {
            Err(Break::Damaged { position: at, next }) => {
                assert_eq!((at, next), (position, ends[before]), "bit {bit}");
            }
            Err(Break::Torn { position: at, .. }) => {
                assert_eq!((at, before), (position, records().len() - 1), "bit {bit}");
            }
            other => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn a_record_at_another_place_is_none_and_zeros_are_none() {
    let (bytes, _) = written(&records(), 64);
    assert_eq!(read_all(&bytes, 65), (vec![], Err(Break::Torn { position: 65, bytes: bytes.len() })));
    let zeros = [0; 40];
    assert_eq!(read_all(&zeros, 0).1, Err(Break::Torn { position: 0, bytes: 40 }));
}

#[test]
fn a_sound_record_of_another_version_is_said() {
    let mut bytes = vec![];
    put_body(0, &mut bytes, |out| out.push(99));
    assert!(matches!(read_all(&bytes, 0).1, Err(Break::Unknown { position: 0, .. })));
}
