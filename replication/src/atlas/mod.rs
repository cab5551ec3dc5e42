//! Which post simulates what.

pub mod map;
