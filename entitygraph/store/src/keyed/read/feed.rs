//! Reading the change log.

use std::sync::Arc;

use entitygraph_schema::Cursor;

use crate::{
    contract::Feed,
    error::Result,
    keyed::{
        keys,
        log::{Extent, Stored},
        snapshot::Snapshot,
    },
};

/// Commits read at once, and their bytes: a reader far behind takes many steps instead of one large one.
const MAX_COMMITS: usize = 10_000;
const MAX_BYTES: usize = 16 << 20;

/// At most `limit` commits after `after`. Fewer come when they are large, at least one when there is one.
pub fn changes(snapshot: &Snapshot<'_>, after: Cursor, limit: usize) -> Result<Feed> {
    let (oldest, newest) = Extent::cursors(snapshot)?;
    if after < oldest || after > newest {
        return Ok(Feed::Resync { oldest, newest });
    }
    let limit = limit.min(MAX_COMMITS);
    let (mut commits, mut bytes) = (Vec::new(), 0);
    let mut next = after.next();
    if limit == 0 || after == newest {
        return Ok(Feed::Commits(commits));
    }
    snapshot.scan(&keys::commit(next), &keys::after(&keys::commit(newest)), |_, value| {
        let commit = Stored::read(snapshot.place, value)?.commit(snapshot.place)?;
        if commit.cursor != next {
            return Err(snapshot.place.corrupt(format!("commit {next} of the change log is missing")));
        }
        next = next.next();
        commits.push(Arc::new(commit));
        bytes += value.len();
        Ok(commits.len() < limit && bytes < MAX_BYTES)
    })?;
    Ok(Feed::Commits(commits))
}
