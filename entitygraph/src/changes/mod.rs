//! Following the store's change sequence.

mod follower;

pub use follower::Follower;
