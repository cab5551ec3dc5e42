//! Forms that the record form has not (protocol.md, "Framing"): handles, bits, fixed numbers, bounded ints. Numbers and
//! ints are those of [`crate::codec`].

use super::Handle;
use crate::codec::{CodecError, Fault, Form, Input, put_number};

/// Largest magnitude of an int in a packed frame, beside exact ints of variables: 2^50. Floats that were rounded to a
/// precision come back to the same int up to there, and every language can read them into a float.
pub const INT_MAX: i64 = 1 << 50;

impl<'a> Input<'a> {
    /// u16: two bytes.
    pub(super) fn u16(&mut self) -> Result<u16, CodecError> {
        self.array().map(u16::from_le_bytes)
    }

    /// u32: four bytes.
    pub(super) fn u32(&mut self) -> Result<u32, CodecError> {
        self.array().map(u32::from_le_bytes)
    }

    /// i8: one byte.
    pub(super) fn i8(&mut self) -> Result<i8, CodecError> {
        self.array().map(i8::from_le_bytes)
    }

    /// An int of at most [`INT_MAX`].
    pub(super) fn int(&mut self, what: &'static str) -> Result<i64, CodecError> {
        let start = self.offset();
        let int = i64::take(self)?;
        if int.unsigned_abs() > INT_MAX.unsigned_abs() {
            return Err(self.error(start, Fault::Range { what, number: int.unsigned_abs() }));
        }
        Ok(int)
    }

    /// Three of them.
    pub(super) fn ints(&mut self, what: &'static str) -> Result<[i64; 3], CodecError> {
        Ok([self.int(what)?, self.int(what)?, self.int(what)?])
    }

    /// A handle as a number.
    pub(super) fn handle(&mut self) -> Result<Handle, CodecError> {
        self.number_as("handle", |number| Handle::new(u32::try_from(number).ok()?))
    }

    /// bits `count`, 1 to 128; the unused upper bits are zero.
    #[inline]
    pub(super) fn bits(&mut self, what: &'static str, count: u32) -> Result<u128, CodecError> {
        // Where there are enough bytes, all sixteen are read at once and cut off: a copy of just those needed is slower.
        let sixteen = self.clone().array().ok();
        let taken = self.judged_bits(what, count)?;
        let bytes = sixteen.unwrap_or_else(|| {
            let mut bytes = [0; 16];
            bytes[..taken.len()].copy_from_slice(taken);
            bytes
        });
        Ok(u128::from_le_bytes(bytes) & (u128::MAX >> (128 - count)))
    }

    /// The bytes of [`Self::bits`].
    #[inline]
    pub(super) fn judged_bits(&mut self, what: &'static str, count: u32) -> Result<&'a [u8], CodecError> {
        let start = self.offset();
        let taken = self.take(count.div_ceil(8) as usize)?;
        match taken.last() {
            Some(&last) if !count.is_multiple_of(8) && last >> (count % 8) != 0 => {
                Err(self.error(start, Fault::Range { what, number: last.into() }))
            }
            _ => Ok(taken),
        }
    }

    /// Length and that many bytes, at most `max`.
    pub(super) fn bytes_up_to(&mut self, what: &'static str, max: usize) -> Result<&'a [u8], CodecError> {
        let start = self.offset();
        let bytes = self.bytes()?;
        if bytes.len() > max {
            return Err(self.error(start, Fault::Range { what, number: bytes.len() as u64 }));
        }
        Ok(bytes)
    }

    /// Takes and judges `count` handles in the form "handles".
    pub(super) fn handles(&mut self, count: usize) -> Result<Handles<'a>, CodecError> {
        let mut scan = self.clone();
        let mut previous = 0;
        for _ in 0..count {
            previous = scan.handle_after(previous)?;
        }
        let bytes = self.take(scan.offset() - self.offset())?;
        Ok(Handles { input: Input::new("handles", bytes), previous: 0, left: count })
    }

    /// The next handle of an ascending run; before the first one, `previous` is zero.
    fn handle_after(&mut self, previous: u32) -> Result<u32, CodecError> {
        let start = self.offset();
        let number = self.number()?;
        // The first is written as it is, which is what the sum gives when one before it would be -1.
        let next = match previous {
            0 => Some(number).filter(|number| *number > 0),
            _ => number.checked_add(u64::from(previous) + 1),
        };
        next.and_then(|next| u32::try_from(next).ok())
            .ok_or_else(|| self.error(start, Fault::Range { what: "step to a higher handle", number }))
    }
}

/// Ascending handles, borrowed from a frame.
#[derive(Debug, Clone)]
pub struct Handles<'a> {
    input: Input<'a>,
    previous: u32,
    left: usize,
}

impl<'a> Handles<'a> {
    /// The handles of a protobuf message: its fields `handles` and `count`.
    ///
    /// # Errors
    /// Where and why the bytes are not that many handles in the form "handles".
    pub fn read(bytes: &'a [u8], count: u32) -> Result<Self, CodecError> {
        let mut input = Input::new("handles", bytes);
        let count = input.announced(count.into(), 1)?;
        let handles = input.handles(count)?;
        input.end()?;
        Ok(handles)
    }
}

impl Iterator for Handles<'_> {
    type Item = Handle;

    fn next(&mut self) -> Option<Handle> {
        self.left = self.left.checked_sub(1)?;
        // The bytes were judged when they were taken, so there is always one.
        self.previous = self.input.handle_after(self.previous).ok()?;
        Handle::new(self.previous)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Handles<'_> {}

/// Appends handles, which ascend, in the form "handles".
pub fn put_handles(handles: impl IntoIterator<Item = Handle>, out: &mut Vec<u8>) {
    let mut previous = 0;
    for handle in handles {
        let handle = handle.get();
        debug_assert!(handle > previous, "handle {handle} stands after {previous}");
        let step = if previous == 0 { handle } else { handle.wrapping_sub(previous).wrapping_sub(1) };
        put_number(step.into(), out);
        previous = handle;
    }
}

/// Appends an int.
pub(super) fn put_int(int: i64, out: &mut Vec<u8>) {
    int.put(out);
}

/// The nearest int of at most [`INT_MAX`]; halves away from zero, no number is zero.
pub(super) fn rounded(value: f64) -> i64 {
    const MAX: f64 = INT_MAX as f64;
    value.round().clamp(-MAX, MAX) as i64
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};

    use super::*;

    fn handles(numbers: &[u32]) -> Vec<Handle> {
        numbers.iter().map(|number| Handle::new(*number).unwrap()).collect()
    }

    #[test]
    fn neighbouring_handles_cost_a_byte() {
        let mut out = vec![];
        put_handles(handles(&[4097, 4099, 4102]), &mut out);
        assert_eq!(out, [0x81, 0x20, 1, 2]);
        assert_eq!(Handles::read(&out, 3).unwrap().collect::<Vec<_>>(), handles(&[4097, 4099, 4102]));
    }

    #[test]
    fn handles_that_are_none_or_too_many_or_too_large_are_refused() {
        assert!(Handles::read(&[0], 1).is_err());
        assert!(Handles::read(&[1], 2).is_err());
        assert!(Handles::read(&[1, 1], 1).is_err());
        assert!(Handles::read(&[1], u32::MAX).is_err());
        assert!(Handles::read(&[0xff, 0xff, 0xff, 0xff, 0x0f], 1).is_ok());
        assert!(Handles::read(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0], 2).is_err());
    }

    #[test]
    fn bits_above_the_count_are_refused() {
        let bits = |bytes: &[u8], count| Input::new("test", bytes).bits("position", count);
        assert_eq!(bits(&[0xff, 0x01], 9), Ok(0x1ff));
        assert!(bits(&[0xff, 0x02], 9).is_err());
        assert_eq!(bits(&[0xff; 16], 128), Ok(u128::MAX));
        assert!(bits(&[0xff], 9).is_err());
    }

    proptest! {
        #[test]
        fn handles_survive(numbers in collection::btree_set(1..=u32::MAX, 0..50)) {
            let given = handles(&numbers.into_iter().collect::<Vec<_>>());
            let mut out = vec![];
            put_handles(given.iter().copied(), &mut out);
            let read = Handles::read(&out, given.len() as u32).unwrap();
            prop_assert_eq!(read.len(), given.len());
            prop_assert_eq!(read.collect::<Vec<_>>(), given);
        }
    }
}
