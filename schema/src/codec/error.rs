//! Why bytes are not a record.

use crate::{space::SpaceError, text::TextError, value::ValueError};

/// Bytes that are not the record form of anything valid.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("byte {offset} of the {record}: {fault}")]
pub struct CodecError {
    /// What was being read.
    pub record: &'static str,
    /// Where the part that is wrong begins, counted from the start of the record.
    pub offset: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a part of a record.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The bytes end too early.
    #[error("{needed} bytes are needed, {left} are left")]
    Short {
        /// Bytes that the part takes.
        needed: u64,
        /// Bytes that are there.
        left: usize,
    },
    /// The bytes go on after the record.
    #[error("{left} bytes follow the end of the record")]
    Trailing {
        /// How many.
        left: usize,
    },
    /// A number longer than it need be, or above 64 bits.
    #[error("a number is not in its shortest form or is above 64 bits")]
    Number,
    /// A number that its meaning does not allow.
    #[error("{number} is no {what}")]
    Range {
        /// What the number should be.
        what: &'static str,
        /// What was found.
        number: u64,
    },
    /// A tag that means nothing.
    #[error("{tag} is no tag of a {what}")]
    Tag {
        /// What the tag should tell apart.
        what: &'static str,
        /// What was found.
        tag: u8,
    },
    /// More items announced than the bytes can hold.
    #[error("{count} items are announced, but only {left} bytes are left")]
    Count {
        /// Items announced.
        count: u64,
        /// Bytes that are there.
        left: usize,
    },
    /// Items of a set or keys of a map that do not ascend.
    #[error("a {what} stands after an equal or greater one")]
    Order {
        /// What the items are.
        what: &'static str,
    },
    /// A field that is written although it has its default.
    #[error("{what} is written although it has its default")]
    Default {
        /// Which.
        what: &'static str,
    },
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
    /// A link whose ends or cost cannot be.
    #[error("a link needs its lower end first, two different ends and a positive cost")]
    Link,
    /// A text that breaks its rules.
    #[error(transparent)]
    Text(TextError),
    /// A coordinate, radius or rotation that cannot be.
    #[error(transparent)]
    Space(SpaceError),
    /// A value that no variable may hold.
    #[error(transparent)]
    Value(ValueError),
}
