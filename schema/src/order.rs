//! Numbers that order things. They compare only with their own kind, and none of them is a time.

use std::fmt;

macro_rules! order {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name($inner);

        impl $name {
            /// Where counting begins: before the first one given out.
            pub const ZERO: Self = Self(0);

            /// Wraps a number read from a stored or wire form.
            pub const fn from_number(number: $inner) -> Self {
                Self(number)
            }

            /// The plain number, for stored and wire forms.
            pub const fn number(self) -> $inner {
                self.0
            }

            /// The one that follows.
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
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
    };
}

order!(
    /// Version of one entity: 1 when it is created, one more with each change. Two revisions compare only for one entity.
    Revision, u64
);
order!(
    /// Position in a shard's change sequence: the number of a committed transaction. Readers resume after one.
    Cursor, u64
);
order!(
    /// Authority epoch of an aggregate: raised durably before a new server may write, so that a stale one cannot.
    Epoch, u64
);
order!(
    /// Version of an object container, 1 when first published.
    ContainerVersion, u32
);
order!(
    /// Parallel copy of an area (AC 2.47.1): zero is the ordinary world and costs nothing.
    Layer, u32
);
