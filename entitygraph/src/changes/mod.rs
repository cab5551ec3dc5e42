//! Following the store's change sequence. `docs/subscriptions.md` is the specification.
//!
//! [`Follower`] reads the sequence and tells the cache and the [`Router`]; the router finds the scopes that a commit
//! concerns; a [`Subscription`] is one reader's way through snapshot, transactions, catching up and lag.

mod feed;
mod follower;
mod membership;
mod merger;
mod origins;
mod router;
mod scope;
mod snapshot;
mod sphere;
mod subscription;
mod window;

pub use follower::Follower;
pub use merger::Merger;
pub use router::{Following, Router, Told};
pub use scope::{Message, Scope, ScopeChange, ScopeCommit, Sphere, Subject};
pub use subscription::{Standing, Subscription, SubscriptionOptions};
