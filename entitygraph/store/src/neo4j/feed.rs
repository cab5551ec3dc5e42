//! The change sequence as an instance follows it: what it wrote itself, what others committed, and what is kept in memory of both.

use std::sync::Arc;

use entitygraph_schema::{Change, Commit, Cursor};

use super::{
    catalog::read_catalog,
    log::{Logged, Stretch},
    shared::Shared,
    statements as cypher,
};
use crate::{contract::Feed, error::Result, keyed::recent::Recent};

impl Shared {
    /// Takes over commits that this instance wrote itself.
    pub async fn take_over_own(&self, commits: &[Logged]) -> Result<()> {
        let _in_order = self.following.lock().await;
        // The feed may have been faster.
        let known = self.known();
        let new = commits.iter().filter(|(commit, _)| commit.cursor > known);
        match new.clone().next() {
            None => return Ok(()),
            Some((next, _)) if next.cursor == known.next() => self.publish(new.cloned(), None),
            // Others committed in between: all of it is read in order.
            Some(_) => self.read_on().await?,
        }
        Ok(())
    }

    /// Reads what others committed since. Returns the newest commit known then.
    pub async fn catch_up(&self) -> Result<Cursor> {
        let _in_order = self.following.lock().await;
        self.read_on().await?;
        Ok(self.known())
    }

    /// Looks whether others committed, and takes that over. Returns the first commit that may have been under way.
    pub async fn look(&self) -> Result<u64> {
        let row = self.single(self.client.ask(cypher::NEWEST, cypher::NEWEST.query()).await?)?;
        let number = |name| self.column::<i64>(&row, name).map(i64::cast_unsigned);
        self.completed(number("complete")?);
        if number("cursor")? > self.known().number() {
            self.catch_up().await?;
        }
        number("begun")
    }

    /// Batches are taken over as a whole: who knows the first commit of one knows the last.
    async fn read_on(&self) -> Result<()> {
        let mut read = Vec::new();
        loop {
            let after = read.last().map_or_else(|| self.known(), |(commit, _): &Logged| commit.cursor);
            let stretch = self.stretch(after, usize::MAX).await?;
            if after.next() < stretch.first {
                // What is missing was trimmed: the catalog is read anew, and so must be everything else.
                read.clear();
                self.begin_again().await?;
                continue;
            }
            let (none, whole) = (stretch.commits.is_empty(), stretch.whole);
            if whole > 0 {
                let whole = read.len() + whole;
                read.extend(stretch.commits);
                self.publish(read.drain(..whole), Some(stretch.first));
            } else {
                read.extend(stretch.commits);
            }
            // What came since is for the next time: others may write without a pause.
            if none || read.is_empty() && self.known() >= stretch.newest {
                return Ok(());
            }
        }
    }

    /// `first` is the first commit that is kept, where that was read.
    fn publish(&self, commits: impl Iterator<Item = Logged>, first: Option<Cursor>) {
        let mut newest = self.known();
        // Until all is told, so that nobody has a commit that is newer than the newest.
        let mut recent = self.recent.write();
        for (commit, bytes) in commits {
            self.publish_catalog(&commit);
            newest = commit.cursor;
            recent.push(commit, bytes);
        }
        if let Some(first) = first {
            let oldest = before(first).max(recent.oldest());
            recent.set_oldest(oldest);
        }
        self.newest.send_replace(newest);
    }

    fn publish_catalog(&self, commit: &Commit) {
        let published = |change: &&Change| matches!(change, Change::Component(_) | Change::Container(_));
        if !commit.changes.iter().any(|change| published(&change)) {
            return;
        }
        let mut catalog = self.catalog.write();
        for change in &commit.changes {
            match change {
                Change::Component(component) => {
                    Arc::make_mut(&mut catalog).registry.insert(component.clone())
                }
                Change::Container(container) => Arc::make_mut(&mut catalog).insert(container.clone()),
                _ => {}
            }
        }
    }

    async fn begin_again(&self) -> Result<()> {
        let (catalog, newest, first) = read_catalog(&self.client).await?;
        tracing::warn!(%newest, "fell behind the retained change sequence, the catalog is read again");
        *self.catalog.write() = Arc::new(catalog);
        *self.recent.write() = Recent::new(before(first), newest, &self.options.retention);
        self.newest.send_replace(newest);
        Ok(())
    }

    /// The change sequence now begins with this commit.
    pub fn trimmed(&self, first: Cursor) {
        let mut recent = self.recent.write();
        let oldest = before(first).max(recent.oldest());
        recent.set_oldest(oldest);
    }

    /// Commits after a cursor, from memory if they are there.
    pub async fn changes(&self, after: Cursor, limit: usize) -> Result<Feed> {
        if let Some(feed) = self.recent.read().after(after, limit) {
            return Ok(feed);
        }
        let Stretch { newest, first, mut commits, .. } = self.stretch(after, limit).await?;
        let oldest = before(first);
        if after < oldest || after > newest {
            return Ok(Feed::Resync { oldest, newest });
        }
        commits.truncate(limit);
        Ok(Feed::Commits(commits.into_iter().map(|(commit, _)| commit).collect()))
    }

    /// The last commits after a cursor, if all of them are in memory.
    pub fn recent(&self, after: Cursor) -> Option<Vec<Arc<Commit>>> {
        match self.recent.read().after(after, usize::MAX)? {
            Feed::Commits(commits) => Some(commits),
            Feed::Resync { .. } => None,
        }
    }
}

/// The cursor before a commit.
pub fn before(first: Cursor) -> Cursor {
    Cursor::from_number(first.number().saturating_sub(1))
}
