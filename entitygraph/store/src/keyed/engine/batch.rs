//! The unit of writing.

use std::ops::Range;

/// Puts and deletes that are applied together or not at all.
///
/// They follow in order, the last one of a key wins. Keys and values are copied into one buffer, so that an entry
/// costs no allocation.
#[derive(Debug, Default, Clone)]
pub struct WriteBatch {
    /// Each put is `key, value, WHOLE`, each delete is `key`.
    buffer: Vec<u8>,
    ops: Vec<Op>,
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

    /// Number of puts and deletes.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether the batch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all keys and values.
    pub fn byte_len(&self) -> usize {
        self.buffer.len() - self.puts
    }

    /// Puts (key and value) and deletes (key alone) in order: for tools that record or count.
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
    fn entries_keep_their_order_and_are_counted() {
        let mut batch = WriteBatch::new();
        assert!(batch.is_empty() && batch.only_deletes());
        batch.delete(b"b");
        assert!(batch.only_deletes());
        batch.put(b"a", b"1");
        batch.put(b"c", b"");
        assert_eq!(
            batch.entries().collect::<Vec<_>>(),
            [
                Entry::Delete { key: b"b" },
                Entry::Put { key: b"a", stored: b"1\0" },
                Entry::Put { key: b"c", stored: b"\0" }
            ]
        );
        assert_eq!((batch.len(), batch.byte_len()), (3, 4));
        assert!(!batch.only_deletes());
    }
}
