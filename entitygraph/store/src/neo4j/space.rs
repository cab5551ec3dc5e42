//! The space index as properties: where things stand, in the keys of [`crate::keyed::space`].
//!
//! A key of that index is its row, a zone, a layer, a size level, a Morton code and an id. Here the zone is a property of its own,
//! layer, level and code are one text that sorts as their bytes do, and the id is the rank of the node. Questions are answered by the
//! same code as in the embedded stores, over rows that were fetched; where it wants one that was not, it stops, the row is fetched with
//! those behind it, and it begins again.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    ops::{Bound, ControlFlow},
};

use entitygraph_schema::EntityId;
use parking_lot::Mutex;

use crate::{
    error::{Error, Result},
    keyed::space::{HOST, Host, Outer, PLACED, Placed, Rows, Visitor},
};

/// Bytes of a key before layer or level: the row and the zone.
const HEAD: usize = 9;
/// Bytes of the id that a key ends in.
const ID: usize = 8;
/// Bytes of a layer.
const LAYER: usize = 4;

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The innermost zone.
    pub zone: EntityId,
    /// Layer (of entities, not of zone hosts), size level and Morton code, in hexadecimal digits.
    pub cell: String,
}

impl Place {
    /// Of a placed entity.
    pub fn of_entity(placed: &Placed) -> Self {
        Self { zone: placed.zone, cell: cell(&placed.key()) }
    }

    /// Of a zone host as a zone to be entered.
    pub fn of_host(host: &Host) -> Self {
        Self { zone: host.zone, cell: cell(&host.key()) }
    }
}

/// The part of a key between the zone and the id.
fn cell(key: &[u8]) -> String {
    digits(key.get(HEAD..key.len().saturating_sub(ID)).unwrap_or_default())
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn undigits(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Rows of one zone: of what stands in it, in one layer, or of the zones in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct List(Vec<u8>);

impl List {
    /// Of the entities of a layer.
    pub fn placed(zone: EntityId, layer: u32) -> Self {
        Self([&[PLACED][..], &zone.get().to_be_bytes(), &layer.to_be_bytes()].concat())
    }

    /// Of the zones in a zone.
    pub fn hosts(zone: EntityId) -> Self {
        Self([&[HOST][..], &zone.get().to_be_bytes()].concat())
    }

    /// The list that a key is in.
    fn of_key(key: &[u8]) -> Option<Self> {
        let length = match *key.first()? {
            PLACED => HEAD + LAYER,
            HOST => HEAD,
            _ => return None,
        };
        key.get(..length).map(|prefix| Self(prefix.to_vec()))
    }

    /// Whether it is one of zones.
    pub fn is_hosts(&self) -> bool {
        self.0.first() == Some(&HOST)
    }

    /// The zone.
    pub fn zone(&self) -> Option<EntityId> {
        EntityId::new(u64::from_be_bytes(self.0.get(1..HEAD)?.try_into().ok()?))
    }

    /// Before its first row.
    pub fn start(&self) -> Start {
        Start { cell: digits(self.0.get(HEAD..).unwrap_or_default()), id: 0 }
    }

    /// Where the texts of its cells have ended.
    pub fn end_of_cells(&self) -> String {
        format!("{}~", self.start().cell)
    }

    fn key(&self, cell: &str, id: u64) -> Option<Vec<u8>> {
        let cell = undigits(cell)?;
        Some([&self.0[..HEAD], &cell, &id.to_be_bytes()].concat())
    }

    /// The place that a key, or the beginning of one, or what follows one, is at.
    fn place_of(&self, key: &[u8]) -> Start {
        let cell = key.get(HEAD..key.len().min(key_bytes(self) - ID)).unwrap_or_default();
        let id = key.get(key_bytes(self) - ID..key_bytes(self)).and_then(|id| id.try_into().ok());
        Start { cell: digits(cell), id: id.map_or(0, u64::from_be_bytes) }
    }

    fn end(&self) -> Vec<u8> {
        [&self.0[..], &[u8::MAX]].concat()
    }
}

/// A place in a list: the rows of a cell from an id on, and those of the cells behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The cell.
    pub cell: String,
    /// The first id; 0 is before all.
    pub id: u64,
}

/// What has to be fetched for an answer to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Missing {
    /// Rows of this list.
    pub list: List,
    /// From here on.
    pub from: Start,
}

/// Rows that were fetched.
#[derive(Default)]
pub struct Fetched {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Parts of lists that are whole, from a key to one that is not in it.
    whole: HashMap<List, BTreeMap<Vec<u8>, Vec<u8>>>,
    /// The zones from that of the question outwards.
    outers: HashMap<EntityId, std::result::Result<Option<Outer>, entitygraph_schema::Refusal>>,
    missing: Mutex<Option<Missing>>,
    location: String,
}

impl Fetched {
    /// Nothing yet; `location` is for messages.
    pub fn new(location: String) -> Self {
        Self { location, ..Self::default() }
    }

    /// Says where a zone is.
    pub fn put_outer(
        &mut self,
        zone: EntityId,
        outer: std::result::Result<Option<Outer>, entitygraph_schema::Refusal>,
    ) {
        self.outers.insert(zone, outer);
    }

    /// Adds rows of a list in order, from a place on: cell, id and value of each. With `more` there are others behind the last one.
    pub fn put_rows(
        &mut self,
        list: &List,
        from: &Start,
        rows: impl IntoIterator<Item = (String, u64, Vec<u8>)>,
        more: bool,
    ) -> Option<()> {
        let begin = if *from == list.start() { list.0.clone() } else { list.key(&from.cell, from.id)? };
        let mut end = list.end();
        let mut last = None;
        for (cell, id, value) in rows {
            let key = list.key(&cell, id)?;
            last = Some(key.clone());
            self.rows.insert(key, value);
        }
        if let Some(last) = last.filter(|_| more) {
            end = [&last[..], &[0]].concat();
        }
        self.whole.entry(list.clone()).or_default().insert(begin, end);
        Some(())
    }

    /// What the last answer lacked.
    pub fn take_missing(&mut self) -> Option<Missing> {
        self.missing.get_mut().take()
    }

    /// The end of the whole part that a key of a list is in.
    fn whole_to(&self, list: &List, key: &[u8]) -> Option<&Vec<u8>> {
        let parts = self.whole.get(list)?;
        let range = (Bound::Unbounded, Bound::Included(key));
        parts.range::<[u8], _>(range).map(|(_, end)| end).max().filter(|end| end.as_slice() > key)
    }

    fn miss(&self, missing: Missing) -> Error {
        *self.missing.lock() = Some(missing);
        Error::Busy { waiting: 0 }
    }
}

impl Rows for Fetched {
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<()> {
        let list = List::of_key(from).ok_or_else(|| self.corrupt(format!("a scan of {from:02x?}")))?;
        let mut at = from.to_vec();
        while at.as_slice() < to && at < list.end() {
            let Some(whole_to) = self.whole_to(&list, &at) else {
                let from = list.place_of(&at);
                return Err(self.miss(Missing { list, from }));
            };
            let end = whole_to.as_slice().min(to);
            for (key, value) in
                self.rows.range::<[u8], _>((Bound::Included(at.as_slice()), Bound::Excluded(end)))
            {
                if let ControlFlow::Break(()) = visit(key, value) {
                    return Ok(());
                }
            }
            at = end.to_vec();
        }
        Ok(())
    }

    fn outer(&self, zone: EntityId) -> Result<Option<Outer>> {
        match self.outers.get(&zone) {
            Some(Ok(outer)) => Ok(*outer),
            Some(Err(refusal)) => Err(refusal.clone().into()),
            None => Err(self.corrupt(format!("zone {zone} is not on the way up from the question's zone"))),
        }
    }

    fn corrupt(&self, what: String) -> Error {
        Error::Corrupt { location: self.location.clone(), what, outcome: crate::error::Outcome::NotApplied }
    }
}

/// Bytes of a whole key of a list: with a level, a code and an id.
fn key_bytes(list: &List) -> usize {
    list.0.len() + 1 + 24 + ID
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> EntityId {
        EntityId::new(number).unwrap()
    }

    /// A key of a list whose level and code are all one byte.
    fn key(list: &List, byte: u8, id: u64) -> Vec<u8> {
        [&list.0[..], &[byte; 25], &id.to_be_bytes()].concat()
    }

    fn row(list: &List, byte: u8, id: u64) -> (String, u64, Vec<u8>) {
        (cell(&key(list, byte, id)), id, vec![byte])
    }

    fn scan(fetched: &Fetched, from: &[u8], list: &List) -> std::result::Result<Vec<u8>, Missing> {
        let mut found = Vec::new();
        let scanned = fetched.scan(from, &list.end(), &mut |_, value| {
            found.extend_from_slice(value);
            ControlFlow::Continue(())
        });
        match scanned {
            Ok(()) => Ok(found),
            Err(_) => Err(fetched.missing.lock().take().unwrap()),
        }
    }

    #[test]
    fn a_scan_asks_for_what_is_missing_and_goes_on_with_it() {
        for list in [List::placed(id(9), 1), List::hosts(id(9))] {
            let mut fetched = Fetched::new(String::new());
            let Err(Missing { from, .. }) = scan(&fetched, &list.0, &list) else { panic!("not missing") };
            assert_eq!(from, list.start());
            fetched.put_rows(&list, &from, [row(&list, 1, 5), row(&list, 2, 6)], true).unwrap();
            let Err(Missing { from, .. }) = scan(&fetched, &list.0, &list) else { panic!("not missing") };
            assert_eq!(from, Start { cell: cell(&key(&list, 2, 6)), id: 6 });
            fetched.put_rows(&list, &from, [row(&list, 2, 6), row(&list, 2, 7)], false).unwrap();
            assert_eq!(scan(&fetched, &list.0, &list), Ok(vec![1, 2, 2]));
            assert_eq!(scan(&fetched, &key(&list, 2, 7), &list), Ok(vec![2]));
            assert_eq!(list.zone(), Some(id(9)));
        }
    }

    #[test]
    fn a_cell_with_more_rows_than_are_fetched_at_once_comes_to_an_end() {
        let list = List::placed(id(9), 0);
        let all: Vec<_> = (1..=10).map(|id| row(&list, 3, id)).collect();
        let mut fetched = Fetched::new(String::new());
        for _ in 0..9 {
            let Err(Missing { from, .. }) = scan(&fetched, &list.0, &list) else { break };
            let behind =
                all.iter().filter(|(cell, id, _)| *cell > from.cell || *cell == from.cell && *id >= from.id);
            let rows: Vec<_> = behind.take(3).cloned().collect();
            let more = rows.len() == 3;
            fetched.put_rows(&list, &from, rows, more).unwrap();
        }
        assert_eq!(scan(&fetched, &list.0, &list), Ok(vec![3; 10]));
    }
}
