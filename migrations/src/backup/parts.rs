//! What is read of a source as frames, also those of a server that sends them to another process.

use std::sync::Arc;

use entitygraph_schema::{
    Commit, ComponentType, Container,
    codec::encoded,
    query::{Record, RecordSort},
};

use super::frame::{Frame, Mark};
use crate::source::Records;

/// A frame of the catalog or of commits holds about as many bytes.
const FRAME_BYTES: usize = 4 << 20;

/// The frame of a page of records.
pub fn page(sort: RecordSort, page: Records) -> Frame {
    let mark = Mark { cursor: page.cursor, next: page.next };
    let (mut entities, mut buried, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for record in page.records {
        match record {
            Record::Entity(entity) => entities.push(entity),
            Record::Buried(id) => buried.push(id),
            Record::Link(link) => links.push(link),
        }
    }
    match sort {
        RecordSort::Entity => Frame::Entities(entities, mark),
        RecordSort::Buried => Frame::Buried(buried, mark),
        RecordSort::Link => Frame::Links(links, mark),
    }
}

/// Frames of a catalog, none of an empty one.
pub fn catalog(
    components: Vec<Arc<ComponentType>>,
    containers: Vec<Arc<Container>>,
) -> impl Iterator<Item = Frame> {
    let components = cut(components, |component| encoded(&**component).len());
    let containers = cut(containers, |container| encoded(&**container).len());
    let components = components.into_iter().map(|part| Frame::Catalog(part, Vec::new()));
    components.chain(containers.into_iter().map(|part| Frame::Catalog(Vec::new(), part)))
}

/// Frames of commits, none of none.
pub fn commits(commits: Vec<Arc<Commit>>) -> impl Iterator<Item = Frame> {
    cut(commits, |commit| 64 * commit.changes.len()).into_iter().map(Frame::Commits)
}

/// Parts of about [`FRAME_BYTES`]; none of nothing.
fn cut<T>(items: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut parts, mut size) = (Vec::<Vec<T>>::new(), FRAME_BYTES);
    for item in items {
        if size >= FRAME_BYTES {
            parts.push(Vec::new());
            size = 0;
        }
        size += bytes(&item);
        if let Some(part) = parts.last_mut() {
            part.push(item);
        }
    }
    parts
}
