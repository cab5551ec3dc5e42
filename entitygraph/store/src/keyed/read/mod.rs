//! Questions, each answered from one [`super::snapshot::Snapshot`].

pub mod counts;
pub mod feed;
pub mod find;
pub mod links;
pub mod lists;
mod places;
pub mod records;
pub mod subtree;
