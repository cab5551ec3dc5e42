//! What a type of record must tell the reader.

use serde::de::DeserializeOwned;

use super::layout::Kind;

/// A record of one [`Kind`], read from the files of that kind.
pub trait Record: DeserializeOwned + Send + 'static {
    /// Where records of this type live and how their files are built.
    const KIND: Kind;

    /// Fields that exist in the export and are left out on purpose, as dotted paths with `*` for an id
    /// (`divisions`, `*.size`). They are counted like any other field that is not read, but reported as known.
    const LEFT_OUT: &'static [&'static str] = &[];

    /// The id written inside the record. `None` where the id is the key of the mapping that holds the record.
    fn own_id(&self) -> Option<u64> {
        None
    }
}
