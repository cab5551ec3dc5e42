//! The record form: a compact binary form of everything that is stored or sent.
//!
//! It carries no version of its own; whoever keeps or sends records (a store, a stream) puts one in front of them. Each
//! value has exactly one form, so equal values have equal bytes and [`fingerprint`] can recognise them; decoding refuses
//! every other spelling. Decoding never panics, whatever the bytes, and never allocates much more than they can fill.
//!
//! # Parts
//!
//! | part | bytes |
//! | --- | --- |
//! | number | unsigned LEB128, as short as possible: ids, revisions, counts, lengths |
//! | int | signed, zig-zag (0, -1, 1, -2 ...), then as a number |
//! | float | 8, little-endian IEEE 754, to the last bit; never NaN or infinite |
//! | bool | 1: 0 or 1 |
//! | text, bytes | length, then that many bytes; texts are UTF-8 and keep the rules of [`crate::text`] |
//! | list | count, then the items |
//! | set, map | a list with strictly ascending items or keys; a map's items are key, then value |
//! | fields | a number whose bits say which fields follow; absent fields have their default and cost nothing |
//! | x? | 0 for none, or 1 and x |
//! | variant | 1: a tag, then the fields of the variant |
//!
//! # Records
//!
//! Fields in the order written; those in brackets are announced by the bits of the `fields` before them, lowest first.
//!
//! | record | form |
//! | --- | --- |
//! | value | tag (bool 1, int 2, float 3, text 4, entity 5, vector 6, bytes 7, int list 8, float list 9, text list 10), content; 0 is no value where one is optional |
//! | components | map of component id to map of variable id to value |
//! | pose | 1 and x y z; 2 and x y z and the rotation x y z w where that is not the identity |
//! | box | lower corner x y z, upper corner x y z |
//! | link | kind, lower end, higher end, cost |
//! | new entity | id, kind, fields: \[name, source, parent, pose, radius, components, ordinal, labels, port, zone, root, owner, layer] |
//! | source | container id, slot? (container id, child name) |
//! | entity | revision, epoch, new entity |
//! | component patch | fields: \[reset, remove], map of variable id to value or no value |
//! | patch | fields: \[pose, components, parent edge (parent, port?), ordinal, name, radius, zone?, root, owner?, layer, labels (map of label to bool)]; pose is pose? |
//! | delta | revision, epoch, patch |
//! | variable | name, default value, fields: \[group, every tick, not persisted, owner only, server only, precision, retired, converts (in a component type only)] |
//! | component draft | name, list of variables, renamed (map of new name to old name), retire (set of names), converts (map of name to name, conversion), settled (set of names) |
//! | converts | variable id, conversion |
//! | conversion | tag: number 1 (factor, offset, rounding: exact 0, nearest 1, down 2, up 3, towards zero 4), print 2, parse 3, table 4 (list of value, value); otherwise: value? |
//! | component type | id, version, name, map of variable id to variable, retired ones among them |
//! | port | name, set of kinds |
//! | child | name, container name, fields: \[pose, port, overrides, labels] |
//! | container draft | name, kind, fields: \[radius, zone, root, transient, labels, ports, components, children] |
//! | container | id, version, container draft |
//! | change | tag: component 1, container 2, created 3, changed 4 (entity, left?, delta), buried 5 (the entity as it was last), linked 6, unlinked 7 (kind, lower end, higher end), entombed 8 (id) |
//! | commit | cursor, operation id?, list of changes |
//! | precondition | tag: exists 1, absent 2, revision 3, epoch 4, port free 5, container version 6; subject, then what it must be |
//! | operation | tag: publish component 1, publish container 2, create 3, change 4 (entity, patch), re-parent 5 (entity, parent, port?, new pose), link 6, unlink 7 (kind, end, end), bury 8 (entity, subtree), adopt component 9, adopt container 10, adopt 11 (list of entities), entomb 12 (id) |
//! | new pose | tag: keep world 1, at 2 (pose), ride 3 |
//! | transaction | operation id?, list of preconditions, list of operations |
//!
//! A field that is a plain yes (root, transient, reset ...) is its bit alone.

mod change;
mod component;
mod container;
mod conversion;
mod delta;
mod entity;
mod error;
mod input;
mod name;
mod place;
mod transaction;
mod value;

pub(crate) use value::{put_content, take_content};

pub use error::{CodecError, Fault};
pub use input::{Input, put_bytes, put_fields, put_list, put_number, put_option};

use sha2::{Digest, Sha256};

use crate::transaction::Transaction;

/// A type with a record form.
pub trait Form: Sized {
    /// What it is called in errors.
    const NAME: &'static str;

    /// Appends the form to `out`. Total: what is not valid is written too and refused when it is read.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads the form from the front of the input.
    ///
    /// # Errors
    /// Where and why the bytes are not the form of any valid value.
    fn take(input: &mut Input<'_>) -> Result<Self, CodecError>;
}

/// Appends the record form of `value` to `out`.
pub fn encode<T: Form>(value: &T, out: &mut Vec<u8>) {
    value.put(out);
}

/// The record form of `value`.
pub fn encoded<T: Form>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out);
    out
}

/// The value whose record form `bytes` is, all of them.
///
/// # Errors
/// Where and why `bytes` is not the form of any valid value.
pub fn decode<T: Form>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut input = Input::new(T::NAME, bytes);
    let value = T::take(&mut input)?;
    input.end()?;
    Ok(value)
}

/// What tells a retry from another request under a used operation id: [`Transaction::request`] where the caller gives it,
/// else SHA-256 of the transaction's record form. The same on every machine and in every process.
pub fn fingerprint(transaction: &Transaction) -> [u8; 32] {
    transaction.request.unwrap_or_else(|| Sha256::digest(encoded(transaction)).into())
}

#[cfg(test)]
mod tests;
