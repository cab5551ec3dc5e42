//! The store's change sequence as its readers here want it.

use entitygraph_schema::Cursor;
use entitygraph_store::{Feed, Result, Store};

/// Commits after `after`. A part that will never be read, because it is damaged, is told like one that is no longer
/// retained: its readers go on from what is there now. Errors pass, it is worth asking again after them.
pub(super) async fn commits(store: &dyn Store, after: Cursor, limit: usize) -> Result<Feed> {
    match store.changes(after, limit).await {
        Err(error) if !error.retryable() => {
            let newest = *store.newest().borrow();
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, %after, %newest, "a part of the change sequence cannot be read and is passed over");
            Ok(Feed::Resync { oldest: newest, newest })
        }
        answer => answer,
    }
}
