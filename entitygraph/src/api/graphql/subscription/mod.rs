//! Every stream, one file a noun.

mod changes;

/// Everything that can be followed.
pub type Subscription = changes::ChangeSubscription;
