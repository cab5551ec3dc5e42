//! What answers are made of, one file a noun.

pub mod component;
pub mod container;
pub mod count;
pub mod entity;
pub mod link;
pub mod message;
pub mod tree;
