//! Ids: one type each, so that two of them cannot be swapped.

use std::{fmt, str::FromStr};

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: expected {expected}")]
pub struct IdError {
    what: &'static str,
    expected: &'static str,
    text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $what:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            /// The id with this number; zero is no id.
            pub const fn new(number: $inner) -> Option<Self> {
                if number == 0 { None } else { Some(Self(number)) }
            }

            /// The number behind the id, never zero.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Accepts plain decimal digits only: no sign, no blank, no leading zero.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let plain = !text.is_empty() && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
                let number = if plain { text.parse::<$inner>().ok() } else { None };
                number.and_then(Self::new).ok_or_else(|| IdError {
                    what: $what,
                    expected: $expected,
                    text: text.chars().take(40).collect(),
                })
            }
        }
    };
}

id!(
    /// An entity, unique across shards and stores and never reused (G3). A decimal string in JSON, GraphQL and URLs,
    /// because JavaScript numbers end at 2^53.
    EntityId, u64, "an entity id", "a whole number from 1 to 18446744073709551615 as a decimal string"
);
id!(
    /// An object container, numbered by the store that first published its name.
    ContainerId, u32, "a container id", "a whole number from 1 to 4294967295"
);
id!(
    /// A component type, numbered by the store that first published its name.
    ComponentId, u32, "a component id", "a whole number from 1 to 4294967295"
);
id!(
    /// A variable of a component type, numbered within the type and never reused there, so that a rename rewrites nothing.
    VariableId, u16, "a variable id", "a whole number from 1 to 65535"
);
id!(
    /// An entity on the wire while it is hot: short, the same for all peers, and void with the incarnation of the hub
    /// (docs/protocol.md, "Handles"). Zero is none.
    Handle, u32, "a handle", "a whole number from 1 to 4294967295"
);

/// Who gives out which ids, so that no two sources of ids ever meet:
///
/// | from | to | given by |
/// | --- | --- | --- |
/// | 1 | 2^40 - 1 | data from outside that has numbers of its own, such as the EVE export |
/// | 2^40 | 2^63 - 1 | stores, in leased [`IdRange`]s |
/// | 2^63 | 2^64 - 1 | names: a hash of world and key, for worlds written by hand |
impl EntityId {
    /// The first id that stores lease.
    pub const FIRST_LEASED: Self = Self(1 << 40);

    /// The first id that is made from a name; all above it are too.
    pub const FIRST_NAMED: Self = Self(1 << 63);

    /// The id `offset` places after this one, if it exists.
    pub fn checked_add(self, offset: u64) -> Option<Self> {
        self.0.checked_add(offset).map(Self)
    }
}

/// A run of entity ids leased from a store: nobody else is ever given one of them (AC 2.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// First id of the run.
    pub first: EntityId,
    /// How many ids the run has.
    pub count: u64,
}

impl IdRange {
    /// Takes the next id out of the run.
    pub fn take(&mut self) -> Option<EntityId> {
        self.take_many(1)
    }

    /// Takes `count` consecutive ids out of the run and returns the first; none are taken when the run is too short.
    pub fn take_many(&mut self, count: u64) -> Option<EntityId> {
        if count == 0 || count > self.count {
            return None;
        }
        let first = self.first;
        self.count -= count;
        if self.count > 0 {
            self.first = first.checked_add(count)?;
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_above_two_to_the_53_survive_text() {
        for number in [1, (1 << 53) + 1, u64::MAX] {
            let id = EntityId::new(number).unwrap();
            assert_eq!(id.to_string().parse::<EntityId>().unwrap(), id);
        }
    }

    #[test]
    fn texts_that_are_no_id_are_refused_by_name() {
        for text in ["", "0", "007", "+5", "-1", " 5", "5 ", "1e3", "18446744073709551616", "0x10", "five"] {
            let error = text.parse::<EntityId>().unwrap_err().to_string();
            assert!(error.contains("entity id") && error.contains(text), "{text}: {error}");
        }
    }

    #[test]
    fn a_range_gives_each_id_once_and_ends() {
        let mut range = IdRange { first: EntityId::new(u64::MAX - 2).unwrap(), count: 3 };
        assert_eq!(range.take_many(4), None);
        let taken: Vec<_> = std::iter::from_fn(|| range.take()).map(EntityId::get).collect();
        assert_eq!(taken, [u64::MAX - 2, u64::MAX - 1, u64::MAX]);
    }
}
