//! The parts that records are made of: numbers, floats, texts, lists, sets, maps.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{CodecError, Fault, Form};
use crate::space::finite;

/// Bytes being decoded.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    record: &'static str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    /// The bytes of a `record`.
    pub fn new(record: &'static str, bytes: &'a [u8]) -> Self {
        Self { record, bytes, at: 0 }
    }

    /// How many bytes were taken.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// An error about the part that begins at `offset`.
    pub fn error(&self, offset: usize, fault: Fault) -> CodecError {
        CodecError { record: self.record, offset, fault }
    }

    /// Refuses bytes that nobody took.
    pub fn end(&self) -> Result<(), CodecError> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.error(self.at, Fault::Trailing { left })),
        }
    }

    /// That many bytes.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        match self.bytes[self.at..].get(..count) {
            Some(taken) => {
                self.at += count;
                Ok(taken)
            }
            None => Err(self.short(count)),
        }
    }

    /// As many bytes as the array has.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        match self.bytes[self.at..].first_chunk() {
            Some(array) => {
                self.at += N;
                Ok(*array)
            }
            None => Err(self.short(N)),
        }
    }

    #[cold]
    fn short(&self, needed: usize) -> CodecError {
        self.error(self.at, Fault::Short { needed: needed as u64, left: self.left() })
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, CodecError> {
        self.array().map(|[byte]| byte)
    }

    /// An unsigned number.
    #[inline]
    pub fn number(&mut self) -> Result<u64, CodecError> {
        // Most numbers are small.
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(byte.into())
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, CodecError> {
        let start = self.at;
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if low << shift >> shift != low {
                break;
            }
            number |= low << shift;
            if byte < 0x80 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(number);
            }
        }
        Err(self.error(start, Fault::Number))
    }

    /// A number that is `what`.
    pub fn number_as<T>(
        &mut self,
        what: &'static str,
        as_t: impl Fn(u64) -> Option<T>,
    ) -> Result<T, CodecError> {
        let start = self.at;
        let number = self.number()?;
        as_t(number).ok_or_else(|| self.error(start, Fault::Range { what, number }))
    }

    /// How many items follow; each takes `item_bytes` or more.
    pub fn count(&mut self, item_bytes: usize) -> Result<usize, CodecError> {
        let start = self.at;
        let count = self.number()?;
        self.holds(start, count, item_bytes)
    }

    /// The count, if that many items of `item_bytes` or more can follow.
    pub(crate) fn announced(&self, count: u64, item_bytes: usize) -> Result<usize, CodecError> {
        self.holds(self.at, count, item_bytes)
    }

    fn holds(&self, start: usize, count: u64, item_bytes: usize) -> Result<usize, CodecError> {
        let left = self.left();
        match usize::try_from(count) {
            Ok(fits) if fits <= left / item_bytes => Ok(fits),
            _ => Err(self.error(start, Fault::Count { count, left })),
        }
    }

    /// Length and that many bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let start = self.at;
        let length = self.number()?;
        let left = self.left();
        match usize::try_from(length) {
            Ok(fits) if fits <= left => self.take(fits),
            _ => Err(self.error(start, Fault::Short { needed: length, left })),
        }
    }

    /// A text.
    pub fn text(&mut self) -> Result<&'a str, CodecError> {
        let start = self.at;
        std::str::from_utf8(self.bytes()?).map_err(|_| self.error(start, Fault::Utf8))
    }

    /// A finite float.
    pub fn float(&mut self) -> Result<f64, CodecError> {
        let start = self.at;
        let value = f64::from_le_bytes(self.array()?);
        finite("a float", value).map_err(|fault| self.error(start, Fault::Space(fault)))
    }

    /// Finite floats.
    pub fn floats<const N: usize>(&mut self) -> Result<[f64; N], CodecError> {
        let mut floats = [0.0; N];
        for float in &mut floats {
            *float = self.float()?;
        }
        Ok(floats)
    }

    /// Which fields follow, of `N` known ones.
    pub fn fields<const N: usize>(&mut self) -> Result<[bool; N], CodecError> {
        let bits = self.number_as("set of fields", |bits| (bits >> N == 0).then_some(bits))?;
        Ok(std::array::from_fn(|field| bits >> field & 1 == 1))
    }

    /// The field, if it is `present`.
    pub fn field<T: Form>(&mut self, present: bool) -> Result<Option<T>, CodecError> {
        present.then(|| T::take(self)).transpose()
    }

    /// The field, if it is `present`, else its default, which is never written.
    pub fn field_or_default<T: Form + Default + PartialEq>(
        &mut self,
        present: bool,
    ) -> Result<T, CodecError> {
        if !present {
            return Ok(T::default());
        }
        let start = self.at;
        let value = T::take(self)?;
        if value == T::default() {
            return Err(self.error(start, Fault::Default { what: T::NAME }));
        }
        Ok(value)
    }

    /// `x?`: none or a value.
    pub fn option<T: Form>(&mut self) -> Result<Option<T>, CodecError> {
        let present = bool::take(self)?;
        self.field(present)
    }

    fn ascending<T: Ord>(
        &self,
        start: usize,
        what: &'static str,
        last: Option<&T>,
        next: &T,
    ) -> Result<(), CodecError> {
        match last {
            Some(last) if last >= next => Err(self.error(start, Fault::Order { what })),
            _ => Ok(()),
        }
    }
}

/// Appends an unsigned number.
pub fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a length and the bytes.
pub fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends floats.
pub(super) fn put_floats(floats: &[f64], out: &mut Vec<u8>) {
    out.extend(floats.iter().flat_map(|float| float.to_le_bytes()));
}

/// Appends which of the fields follow.
pub fn put_fields<const N: usize>(present: [bool; N], out: &mut Vec<u8>) {
    const { assert!(N < 64) };
    put_number(present.into_iter().enumerate().map(|(field, is)| u64::from(is) << field).sum(), out);
}

/// Appends a field that was announced if it is there.
pub(super) fn put_field<T: Form>(field: Option<&T>, out: &mut Vec<u8>) {
    if let Some(field) = field {
        field.put(out);
    }
}

/// Appends `x?`.
pub fn put_option<T: Form>(option: &Option<T>, out: &mut Vec<u8>) {
    option.is_some().put(out);
    put_field(option.as_ref(), out);
}

/// Appends a count and the items.
pub fn put_list<'t, T: Form + 't>(items: impl ExactSizeIterator<Item = &'t T>, out: &mut Vec<u8>) {
    put_number(items.len() as u64, out);
    items.for_each(|item| item.put(out));
}

impl Form for bool {
    const NAME: &'static str = "yes or no";

    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let start = input.at;
        match input.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(input.error(start, Fault::Tag { what: Self::NAME, tag })),
        }
    }
}

impl Form for i64 {
    const NAME: &'static str = "integer";

    fn put(&self, out: &mut Vec<u8>) {
        put_number(((self << 1) ^ (self >> 63)) as u64, out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let number = input.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

impl Form for f64 {
    const NAME: &'static str = "float";

    fn put(&self, out: &mut Vec<u8>) {
        put_floats(&[*self], out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        input.float()
    }
}

impl<T: Form> Form for Arc<T> {
    const NAME: &'static str = T::NAME;

    fn put(&self, out: &mut Vec<u8>) {
        T::put(self, out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        T::take(input).map(Arc::new)
    }
}

impl<T: Form> Form for Vec<T> {
    const NAME: &'static str = T::NAME;

    fn put(&self, out: &mut Vec<u8>) {
        put_list(self.iter(), out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let count = input.count(1)?;
        (0..count).map(|_| T::take(input)).collect()
    }
}

impl<T: Form + Ord> Form for BTreeSet<T> {
    const NAME: &'static str = T::NAME;

    fn put(&self, out: &mut Vec<u8>) {
        put_list(self.iter(), out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let mut set = Self::new();
        for _ in 0..input.count(1)? {
            let start = input.at;
            let item = T::take(input)?;
            input.ascending(start, T::NAME, set.last(), &item)?;
            set.insert(item);
        }
        Ok(set)
    }
}

impl<K: Form + Ord, V: Form> Form for BTreeMap<K, V> {
    const NAME: &'static str = K::NAME;

    fn put(&self, out: &mut Vec<u8>) {
        put_number(self.len() as u64, out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let mut map = Self::new();
        for _ in 0..input.count(2)? {
            let start = input.at;
            let key = K::take(input)?;
            input.ascending(start, K::NAME, map.last_key_value().map(|(key, _)| key), &key)?;
            map.insert(key, V::take(input)?);
        }
        Ok(map)
    }
}
