//! Everything of one sort, for copies and comparisons: a run of rows from one end of the store to the other.

use std::sync::Arc;

use entitygraph_schema::{
    EntityId, Link,
    query::{Page, PageRequest, Record, RecordSort},
};

use crate::{
    error::Result,
    keyed::{
        keys::{self, Row},
        page::{self, Filling, List},
        snapshot::Snapshot,
    },
};

/// A page ends when it has rows of this many bytes: the largest entities would make one of gigabytes.
const PAGE_BYTES: usize = 8 << 20;

/// A page of all records of a sort.
pub fn records(snapshot: &Snapshot<'_>, sort: RecordSort, page: &PageRequest) -> Result<Page<Record>> {
    page::check(page)?;
    let (row, name) = match sort {
        RecordSort::Entity => (Row::Entity, "entities"),
        RecordSort::Buried => (Row::Buried, "buried"),
        RecordSort::Link => (Row::Link, "all links"),
    };
    let list = List::of(name, &[]);
    let (begin, end) = keys::all(row);
    let from = match &page.after {
        Some(cursor) => keys::after(&[&begin, list.open(cursor)?].concat()),
        None => begin.clone(),
    };
    let mut filling = Filling::new(page.first);
    let mut bytes = 0;
    snapshot.scan(&from, &end, |key, value| {
        let Some(record) = read(snapshot, sort, key, value)? else { return Ok(true) };
        if bytes >= PAGE_BYTES {
            return Ok(filling.close());
        }
        bytes += value.len();
        Ok(filling.push(|| (record, list.seal(&key[begin.len()..]))))
    })?;
    Ok(filling.done())
}

/// The record of a row; none for a link's row at its higher end.
fn read(snapshot: &Snapshot<'_>, sort: RecordSort, key: &[u8], value: &[u8]) -> Result<Option<Record>> {
    let place = snapshot.place;
    Ok(match sort {
        RecordSort::Entity => {
            let id = snapshot.last_id(key)?;
            Some(Record::Entity(Arc::new(place.decode(format_args!("entity {id}"), value)?)))
        }
        RecordSort::Buried => Some(Record::Buried(snapshot.last_id(key)?)),
        RecordSort::Link => {
            let parts = || {
                let (entity, rest) = keys::take_number(&key[1..])?;
                let (kind, other) = keys::read_link(rest)?;
                Some((EntityId::new(entity)?, kind, other))
            };
            let (a, kind, b) =
                parts().ok_or_else(|| place.corrupt(format!("the link row {key:02x?} does not read")))?;
            let cost = f64::from_bits(place.number("the cost of a link", value)?);
            (a < b).then_some(Record::Link(Link { kind, a, b, cost }))
        }
    })
}
