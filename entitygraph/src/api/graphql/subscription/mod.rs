//! Every stream, one file a noun.

/// Everything that can be watched.
pub type Subscription = async_graphql::EmptySubscription;
