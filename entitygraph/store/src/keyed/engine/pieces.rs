//! Values of any size over engines that are only safe with small ones.
//!
//! A value over [`PIECE_BYTES`] is stored in pieces under keys of its own, for two reasons that were measured:
//!
//! - fjall drops a torn batch at the end of its journal only if it *sees* that it is torn. A 4 KiB page that a
//!   power cut kept from the disk reads as zeros; where it lies wholly inside one value, fjall finds a
//!   complete batch with a wrong checksum, takes it for damage and refuses to open the store. With every
//!   journal entry shorter than a page, each page holds the start of one, zeros there are no entry, and the
//!   torn batch is dropped as it should be.
//! - sled writes a tree node over a quarter of its segment into a file that it never syncs.
//!
//! Layout: a stored value ends in a tag byte, [`WHOLE`] or [`PIECED`]. `key -> count, PIECED` stands for `count`
//! pieces under `FF 01 key index`, and `FF 00 key -> count` lists all such keys, so that an opened engine
//! knows them and overwriting or deleting costs no read. Where they are more than it keeps in memory
//! ([`KNOWN_KEYS`]) it looks into the list for each other key. Numbers are 4 bytes, big-endian.

use std::{collections::HashMap, ops::ControlFlow};

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    EngineError, MAX_KEY_BYTES, RESERVED_KEY_BYTE, Visitor, WriteBatch,
    batch::{Entry, WHOLE},
};

/// Largest value that is stored in one piece. With a key of [`MAX_KEY_BYTES`] and fjall's framing (under
/// 40 bytes) an entry stays below 4,096 bytes.
const PIECE_BYTES: usize = 3_072;
const PIECED: u8 = 1;
const LIST: u8 = 0;
const PIECE: u8 = 1;

/// Most keys that are known without a look into the list: about 20 MiB.
const KNOWN_KEYS: usize = 1 << 18;

/// The keys whose values are in pieces, and in how many.
#[derive(Debug)]
pub(super) struct PiecedKeys {
    known: HashMap<Box<[u8]>, u32>,
    limit: usize,
    /// Whether there are others.
    more: bool,
}

impl Default for PiecedKeys {
    fn default() -> Self {
        Self { known: HashMap::new(), limit: KNOWN_KEYS, more: false }
    }
}

/// What a batch changes in [`PiecedKeys`], to be applied once the engine has taken it.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<Box<[u8]>, Option<u32>>);

/// Where the entries of a batch go, in order. An engine's own batch.
pub(super) trait Sink {
    fn put(&mut self, key: &[u8], stored: &[u8]);
    fn delete(&mut self, key: &[u8]);
}

impl PiecedKeys {
    /// The range of keys that lists them.
    pub(super) const LISTED: ([u8; 2], [u8; 2]) = ([RESERVED_KEY_BYTE, LIST], [RESERVED_KEY_BYTE, LIST + 1]);

    /// Takes in a pair of the range [`Self::LISTED`]; `None` if it cannot be one.
    pub(super) fn recall(&mut self, list_key: &[u8], count: &[u8]) -> Option<()> {
        let count = u32::from_be_bytes(count.try_into().ok()?);
        self.insert(list_key.get(2..)?.into(), count);
        Some(())
    }

    /// Writes the batch to `sink`, values cut to pieces, and removes pieces that are no longer needed. `stored` has
    /// what the engine holds.
    pub(super) fn lower(
        &self,
        batch: &WriteBatch,
        stored: &impl Pairs,
        sink: &mut impl Sink,
    ) -> Result<Changes, EngineError> {
        let mut changes = Changes::default();
        for entry in batch.entries() {
            match entry {
                Entry::Delete { key } => {
                    self.forget(key, stored, sink, &mut changes)?;
                    sink.delete(key);
                }
                Entry::Put { key, stored: value } => {
                    self.forget(key, stored, sink, &mut changes)?;
                    if value.len() <= PIECE_BYTES + 1 {
                        sink.put(key, value);
                    } else {
                        put_pieces(key, &value[..value.len() - 1], sink, &mut changes);
                    }
                }
            }
        }
        Ok(changes)
    }

    pub(super) fn apply(&mut self, changes: Changes) {
        for (key, count) in changes.0 {
            match count {
                Some(count) => self.insert(key, count),
                None => drop(self.known.remove(&key)),
            }
        }
    }

    fn insert(&mut self, key: Box<[u8]>, count: u32) {
        if self.known.len() < self.limit || self.known.contains_key(&key) {
            self.known.insert(key, count);
        } else {
            self.more = true;
        }
    }

    /// Removes the pieces that `key` has before or within this batch.
    fn forget(
        &self,
        key: &[u8],
        stored: &impl Pairs,
        sink: &mut impl Sink,
        changes: &mut Changes,
    ) -> Result<(), EngineError> {
        if self.known.is_empty() && !self.more && changes.0.is_empty() {
            return Ok(());
        }
        let count = match (changes.0.get(key), self.known.get(key)) {
            (Some(changed), _) => *changed,
            (None, Some(known)) => Some(*known),
            (None, None) if self.more => listed(key, stored)?,
            (None, None) => None,
        };
        let Some(count) = count else { return Ok(()) };
        for index in 0..count {
            sink.delete(&piece_key(key, index));
        }
        sink.delete(&list_key(key));
        changes.0.insert(key.into(), None);
        Ok(())
    }
}

/// In how many pieces the value of a key is, by the list.
fn listed(key: &[u8], stored: &impl Pairs) -> Result<Option<u32>, EngineError> {
    let Some(count) = stored.get_stored(&list_key(key))? else { return Ok(None) };
    let count = count.as_ref().try_into().map_err(|_| stored.corrupt("a list of pieces is malformed"))?;
    Ok(Some(u32::from_be_bytes(count)))
}

fn put_pieces(key: &[u8], value: &[u8], sink: &mut impl Sink, changes: &mut Changes) {
    let mut count = 0u32;
    for piece in value.chunks(PIECE_BYTES) {
        sink.put(&piece_key(key, count), piece);
        count += 1;
    }
    sink.put(&list_key(key), &count.to_be_bytes());
    let mut stub = count.to_be_bytes().to_vec();
    stub.push(PIECED);
    sink.put(key, &stub);
    changes.0.insert(key.into(), Some(count));
}

/// What an engine holds, values as they are stored.
pub(super) trait Pairs {
    type Stored: AsRef<[u8]>;

    /// What is stored under a key.
    fn get_stored(&self, key: &[u8]) -> Result<Option<Self::Stored>, EngineError>;

    /// The error for stored bytes that cannot be.
    fn corrupt(&self, what: &'static str) -> EngineError;

    /// The value of a key.
    fn get_value(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let Some(stored) = self.get_stored(key)? else { return Ok(None) };
        match stored.as_ref().split_last() {
            Some((&WHOLE, value)) => Ok(Some(Bytes::copy_from_slice(value))),
            Some((&PIECED, count)) => self.assemble(key, count).map(Some),
            _ => Err(self.corrupt("a value has no tag")),
        }
    }

    /// Visits a pair that a scan found.
    fn visit_stored(
        &self,
        key: &[u8],
        stored: &[u8],
        visit: &mut Visitor<'_>,
    ) -> Result<ControlFlow<()>, EngineError> {
        match stored.split_last() {
            Some((&WHOLE, value)) => Ok(visit(key, value)),
            Some((&PIECED, count)) => Ok(visit(key, &self.assemble(key, count)?)),
            _ => Err(self.corrupt("a value has no tag")),
        }
    }

    /// Puts a value together from its pieces.
    fn assemble(&self, key: &[u8], count: &[u8]) -> Result<Bytes, EngineError> {
        let count =
            count.try_into().map_err(|_| self.corrupt("the number of a value's pieces is malformed"))?;
        let count = u32::from_be_bytes(count);
        let mut value = BytesMut::new();
        for index in 0..count {
            let piece = self.get_stored(&piece_key(key, index))?;
            value.put_slice(piece.ok_or_else(|| self.corrupt("a piece of a value is missing"))?.as_ref());
        }
        Ok(value.freeze())
    }
}

/// Refuses the batch if a key is empty, too long or reserved.
pub(super) fn check(batch: &WriteBatch) -> Result<(), EngineError> {
    let mut keys = batch.entries().map(|entry| match entry {
        Entry::Put { key, .. } | Entry::Delete { key } => key,
    });
    let bad = keys
        .find(|key| key.is_empty() || key.len() > MAX_KEY_BYTES || key.first() == Some(&RESERVED_KEY_BYTE));
    match bad {
        Some(key) => Err(EngineError::Key { len: key.len(), first: key.first().copied() }),
        None => Ok(()),
    }
}

/// The bounds of a scan without the reserved keys; `None` if nothing can be in between.
pub(super) fn bounds<'a>(from: &'a [u8], to: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    const END: &[u8] = &[RESERVED_KEY_BYTE];
    let to = to.min(END);
    (from < to).then_some((from, to))
}

fn list_key(key: &[u8]) -> Vec<u8> {
    [&[RESERVED_KEY_BYTE, LIST], key].concat()
}

fn piece_key(key: &[u8], index: u32) -> Vec<u8> {
    [&[RESERVED_KEY_BYTE, PIECE], key, &index.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Default)]
    struct Map(BTreeMap<Vec<u8>, Vec<u8>>);

    impl Pairs for Map {
        type Stored = Vec<u8>;

        fn get_stored(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
            Ok(self.0.get(key).cloned())
        }

        fn corrupt(&self, what: &'static str) -> EngineError {
            panic!("{what}")
        }
    }

    impl Sink for Map {
        fn put(&mut self, key: &[u8], stored: &[u8]) {
            self.0.insert(key.to_vec(), stored.to_vec());
        }

        fn delete(&mut self, key: &[u8]) {
            self.0.remove(key);
        }
    }

    /// Writes a value of so many bytes under each key.
    fn write(keys: &mut PiecedKeys, map: &mut Map, values: impl IntoIterator<Item = (u8, usize)>) {
        let mut batch = WriteBatch::new();
        values.into_iter().for_each(|(key, length)| batch.put(&[key], &vec![7; length]));
        let before = Map(map.0.clone());
        let changes = keys.lower(&batch, &before, map).unwrap();
        keys.apply(changes);
    }

    #[test]
    fn keys_beyond_those_in_memory_leave_no_pieces_behind() {
        let mut map = Map::default();
        let mut keys = PiecedKeys { limit: 2, ..PiecedKeys::default() };
        write(&mut keys, &mut map, (0..10).map(|key| (key, 10_000)));
        assert_eq!(keys.known.len(), 2);
        let mut reopened = PiecedKeys { limit: 2, ..PiecedKeys::default() };
        let (from, to) = PiecedKeys::LISTED;
        for (key, count) in map.0.range(from.to_vec()..to.to_vec()) {
            reopened.recall(key, count).unwrap();
        }
        for mut keys in [keys, reopened] {
            let mut map = Map(map.0.clone());
            write(&mut keys, &mut map, (0..5).map(|key| (key, 4_000)));
            assert_eq!(map.get_value(&[4]).unwrap().unwrap().len(), 4_000);
            write(&mut keys, &mut map, (0..2).map(|key| (key, 3)));
            write(&mut keys, &mut map, (2..10).map(|key| (key, 3)));
            assert_eq!(map.0.len(), 10, "pieces were left behind");
        }
    }
}
