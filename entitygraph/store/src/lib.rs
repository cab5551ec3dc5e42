//! The store contract of EntityGraph and its backends.

pub mod keyed;
