//! Lists of packed items that are read without being copied.

use std::marker::PhantomData;

use crate::codec::{CodecError, Input, put_number};

/// Something that a packed frame has a list of.
pub trait Item<'a>: Sized {
    /// Bytes that each takes at least.
    const BYTES_MIN: usize;

    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads one.
    ///
    /// # Errors
    /// Where and why the bytes are none.
    fn take(input: &mut Input<'a>) -> Result<Self, CodecError>;
}

/// Items in their order, borrowed from a frame, all judged.
#[derive(Debug, Clone)]
pub struct List<'a, T> {
    input: Input<'a>,
    left: usize,
    items: PhantomData<T>,
}

impl<'a, T: Item<'a>> List<'a, T> {
    /// Takes count and items.
    pub(super) fn take(input: &mut Input<'a>) -> Result<Self, CodecError> {
        let left = input.count(T::BYTES_MIN)?;
        let list = Self { input: input.clone(), left, items: PhantomData };
        for _ in 0..left {
            T::take(input)?;
        }
        Ok(list)
    }
}

impl<'a, T: Item<'a>> Iterator for List<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        // The items were judged when the list was taken, so there is always one.
        T::take(&mut self.input).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a, T: Item<'a>> ExactSizeIterator for List<'a, T> {}

/// Appends count and items.
pub(super) fn put_list<'a, T: Item<'a>>(items: &[T], out: &mut Vec<u8>) {
    put_number(items.len() as u64, out);
    items.iter().for_each(|item| item.put(out));
}
