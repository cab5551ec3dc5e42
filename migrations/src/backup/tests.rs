//! The bytes of a backup are the same in every version of this program.

use std::sync::Arc;

use entitygraph_schema::{
    ComponentType, Cursor, Entity, Epoch, Link,
    query::PageCursor,
    testing::{component_id, entity_id, item, name},
};

use super::{
    bytes::FrameWriter,
    file::BackupFile,
    frame::{Base, Begin, End, Frame, Kind, Mark},
    state::begun,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn frames() -> Vec<(Frame, &'static str)> {
    let cursor = Cursor::from_number;
    let component = ComponentType {
        id: component_id(3),
        name: name("c"),
        version: 4,
        variables: vec![],
        retired: vec![],
    };
    let item = Arc::new(Entity::created(item(2, 1), Epoch::ZERO));
    let mark = Mark { cursor: cursor(9), next: Some(PageCursor(vec![0xaa])) };
    let last = Mark { cursor: cursor(9), next: None };
    let commit = entitygraph_schema::Commit {
        cursor: cursor(6),
        operation_id: None,
        changes: vec![entitygraph_schema::Change::Entombed(entity_id(4))],
    };
    let (leased, entities, buried, links) = (entity_id(8), 1, 2, 3);
    vec![
        (
            Frame::Begin(Begin { id: 7, source: "memory:".to_owned(), after: cursor(5) }),
            "07 07 6d656d6f72793a 05",
        ),
        (Frame::Catalog(vec![component.into()], vec![]), "01 03 04 01 63 00 00"),
        (Frame::Entities(vec![item], mark), "09 01 01 aa 01 01 00 02 04 6974656d 04 01"),
        (Frame::Buried(vec![entity_id(4)], last.clone()), "09 00 01 04"),
        (
            Frame::Links(vec![Link::new(name("j"), entity_id(1), entity_id(2), 1.0)], last),
            "09 00 01 01 6a 01 02 000000000000f03f",
        ),
        (Frame::Commits(vec![commit.into()]), "01 06 00 01 08 04"),
        (Frame::Base(Base { cursor: cursor(9), leased, entities, buried, links }), "09 08 01 02 03"),
        (Frame::End(End { cursor: cursor(9), leased, frames: 8 }), "09 08 08"),
    ]
}

#[test]
fn golden_frames() {
    for (number, (frame, bytes)) in (1..).zip(frames()) {
        let mut content = Vec::new();
        frame.put(&mut content);
        assert_eq!(hex(&content), bytes.replace(' ', ""), "{frame:?}");
        assert_eq!((frame.kind().number(), Kind::of(number)), (number, Some(frame.kind())));
        assert_eq!(Frame::take(frame.kind(), &content).unwrap(), frame);
        content.push(0);
        assert!(Frame::take(frame.kind(), &content).is_err());
    }
    assert_eq!((Kind::of(0), Kind::of(9)), (None, None));
}

#[test]
fn golden_file() {
    let mut writer = FrameWriter::begin(Vec::new()).unwrap();
    for (frame, _) in frames() {
        writer.write(&frame).unwrap();
        if frame.kind() == Kind::Catalog {
            writer.write(&Frame::Catalog(vec![], vec![])).unwrap();
        }
    }
    let bytes = writer.into_inner();
    assert_eq!(hex(&bytes[..12]), "45474241434b5550 01000000".replace(' ', ""));
    // Kind, length, stored length, checksum, then the content as one LZ4 block: a token and the bytes, for one so short.
    assert_eq!(hex(&bytes[12..36]), "01 0a000000 0b000000 b7ea2e4c a0 07076d656d6f72793a05".replace(' ', ""));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("golden");
    std::fs::write(&path, &bytes).unwrap();
    let file = BackupFile::open(&path, |_| {}).unwrap();
    assert_eq!((file.begin.id, file.base.entities, file.end.frames), (7, 1, 8));
}

/// As a program left it that took the first part of the catalog for all of it.
#[test]
fn a_file_whose_catalog_has_no_end_is_refused_whole_or_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for frames in [frames().len(), frames().len() - 1] {
        let mut writer = FrameWriter::begin(Vec::new()).unwrap();
        self::frames().iter().take(frames).for_each(|(frame, _)| writer.write(frame).unwrap());
        std::fs::write(&path, writer.into_inner()).unwrap();
        let refused = [
            begun(&path).map(drop).unwrap_err(),
            BackupFile::open_as_far_as_it_goes(&path, |_| {}).map(drop).unwrap_err(),
        ];
        for refused in refused {
            assert!(refused.to_string().contains("catalog has no end"), "{refused}");
        }
    }
}
