//! The unit of writing.

use std::ops::Range;

/// Puts and deletes that are applied together or not at all.
///
/// Ranges are deleted first, as they stood before the batch; then puts and deletes follow in order, the last
/// one of a key wins. Keys and values are copied into one buffer, so that merging batches for a group commit
/// is one copy and no allocation per entry.
#[derive(Debug, Default, Clone)]
pub struct WriteBatch {
    /// Each put is `key, value, WHOLE`, each delete is `key`.
    buffer: Vec<u8>,
    ops: Vec<Op>,
    ranges: Vec<(Vec<u8>, Vec<u8>)>,
    puts: usize,
}

/// Positions in the buffer: `key_start..value_start..end`; a delete has no value.
#[derive(Debug, Clone)]
struct Op {
    key: Range<usize>,
    value_end: Option<usize>,
}

/// The last byte of a stored value that is not in pieces.
pub(super) const WHOLE: u8 = 0;

/// One entry of a batch, as an engine reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// `stored` is the value followed by [`WHOLE`].
    Put {
        key: &'a [u8],
        stored: &'a [u8],
    },
    Delete {
        key: &'a [u8],
    },
}

impl WriteBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of a key.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        let key = self.push(key);
        self.buffer.extend_from_slice(value);
        self.buffer.push(WHOLE);
        self.ops.push(Op { key, value_end: Some(self.buffer.len()) });
        self.puts += 1;
    }

    /// Removes a key; nothing happens if it does not exist.
    pub fn delete(&mut self, key: &[u8]) {
        let key = self.push(key);
        self.ops.push(Op { key, value_end: None });
    }

    /// Removes every key with `from <= key < to` that existed before this batch.
    /// Costs time and memory for each of them, so a long range is best removed in steps.
    pub fn delete_range(&mut self, from: &[u8], to: &[u8]) {
        self.ranges.push((from.to_vec(), to.to_vec()));
    }

    /// Adds the entries of `other` after those of this batch.
    pub fn append(&mut self, other: &Self) {
        let offset = self.buffer.len();
        self.buffer.extend_from_slice(&other.buffer);
        self.ops.extend(other.ops.iter().map(|op| Op {
            key: op.key.start + offset..op.key.end + offset,
            value_end: op.value_end.map(|end| end + offset),
        }));
        self.ranges.extend(other.ranges.iter().cloned());
        self.puts += other.puts;
    }

    /// Number of puts, deletes and ranges.
    pub fn len(&self) -> usize {
        self.ops.len() + self.ranges.len()
    }

    /// Whether the batch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all keys and values.
    pub fn byte_len(&self) -> usize {
        self.buffer.len() - self.puts
    }

    /// Empties the batch and keeps its memory for the next one.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.ops.clear();
        self.ranges.clear();
        self.puts = 0;
    }

    /// Puts (key and value) and deletes (key alone) in order, without the ranges: for tools that record or count.
    pub fn changes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.entries().map(|entry| match entry {
            Entry::Put { key, stored } => (key, Some(&stored[..stored.len() - 1])),
            Entry::Delete { key } => (key, None),
        })
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.ops.iter().map(|op| {
            let key = &self.buffer[op.key.clone()];
            match op.value_end {
                Some(end) => Entry::Put { key, stored: &self.buffer[op.key.end..end] },
                None => Entry::Delete { key },
            }
        })
    }

    /// Ranges to be deleted: from each first key up to, not including, the second.
    pub fn ranges(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.ranges
    }

    pub(super) fn only_deletes(&self) -> bool {
        self.puts == 0
    }

    fn push(&mut self, key: &[u8]) -> Range<usize> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(key);
        start..self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appending_keeps_the_order_of_both_batches() {
        let mut first = WriteBatch::new();
        first.put(b"a", b"1");
        first.delete(b"b");
        let mut second = WriteBatch::new();
        second.put(b"c", b"");
        second.delete_range(b"x", b"y");
        first.append(&second);
        assert_eq!(
            first.entries().collect::<Vec<_>>(),
            [
                Entry::Put { key: b"a", stored: b"1\0" },
                Entry::Delete { key: b"b" },
                Entry::Put { key: b"c", stored: b"\0" }
            ]
        );
        assert_eq!((first.len(), first.byte_len()), (4, 4));
        assert!(!first.only_deletes());
        first.clear();
        assert!(first.is_empty() && first.only_deletes());
    }
}
