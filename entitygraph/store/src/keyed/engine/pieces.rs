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
//! knows them and overwriting or deleting costs no read. Numbers are 4 bytes, big-endian.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    EngineError, MAX_KEY_BYTES, RESERVED_KEY_BYTE, WriteBatch,
    batch::{Entry, WHOLE},
};

/// Largest value that is stored in one piece. With a key of [`MAX_KEY_BYTES`] and fjall's framing (under
/// 40 bytes) an entry stays below 4,096 bytes.
const PIECE_BYTES: usize = 3_072;
const PIECED: u8 = 1;
const LIST: u8 = 0;
const PIECE: u8 = 1;

/// The keys whose values are in pieces, and in how many.
#[derive(Debug, Default)]
pub(super) struct PiecedKeys(HashMap<Box<[u8]>, u32>);

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
        self.0.insert(list_key.get(2..)?.into(), count);
        Some(())
    }

    /// Writes the batch to `sink`, values cut to pieces, and removes pieces that are no longer needed.
    /// `deleted` are the keys in the batch's ranges.
    pub(super) fn lower(&self, deleted: &[Vec<u8>], batch: &WriteBatch, sink: &mut impl Sink) -> Changes {
        let mut changes = Changes::default();
        for key in deleted {
            self.forget(key, sink, &mut changes);
            sink.delete(key);
        }
        for entry in batch.entries() {
            match entry {
                Entry::Delete { key } => {
                    self.forget(key, sink, &mut changes);
                    sink.delete(key);
                }
                Entry::Put { key, stored } => {
                    self.forget(key, sink, &mut changes);
                    if stored.len() <= PIECE_BYTES + 1 {
                        sink.put(key, stored);
                    } else {
                        put_pieces(key, &stored[..stored.len() - 1], sink, &mut changes);
                    }
                }
            }
        }
        changes
    }

    pub(super) fn apply(&mut self, changes: Changes) {
        for (key, count) in changes.0 {
            match count {
                Some(count) => self.0.insert(key, count),
                None => self.0.remove(&key),
            };
        }
    }

    /// Removes the pieces that `key` has before or within this batch.
    fn forget(&self, key: &[u8], sink: &mut impl Sink, changes: &mut Changes) {
        if self.0.is_empty() && changes.0.is_empty() {
            return;
        }
        let count = changes.0.get(key).copied().unwrap_or_else(|| self.0.get(key).copied());
        let Some(count) = count else { return };
        for index in 0..count {
            sink.delete(&piece_key(key, index));
        }
        sink.delete(&list_key(key));
        changes.0.insert(key.into(), None);
    }
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

/// What a stored value is.
pub(super) enum Stored<'a> {
    /// The value itself.
    Whole(&'a [u8]),
    /// So many pieces.
    Pieces(u32),
}

/// Reads the tag of a stored value; `None` if it cannot be one.
pub(super) fn read(stored: &[u8]) -> Option<Stored<'_>> {
    match stored.split_last()? {
        (&WHOLE, value) => Some(Stored::Whole(value)),
        (&PIECED, count) => Some(Stored::Pieces(u32::from_be_bytes(count.try_into().ok()?))),
        _ => None,
    }
}

/// Puts a value together from what `get` returns for its pieces.
pub(super) fn assemble<V: AsRef<[u8]>>(
    key: &[u8],
    count: u32,
    get: impl Fn(&[u8]) -> Result<Option<V>, EngineError>,
    corrupt: impl Fn(&'static str) -> EngineError,
) -> Result<Bytes, EngineError> {
    let mut value = BytesMut::with_capacity(count as usize * PIECE_BYTES);
    for index in 0..count {
        let piece = get(&piece_key(key, index))?.ok_or_else(|| corrupt("a piece of a value is missing"))?;
        value.put_slice(piece.as_ref());
    }
    Ok(value.freeze())
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
