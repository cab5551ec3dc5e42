//! The change log: commits in order, with the outcomes of their operation ids, as far back as they are kept.

use entitygraph_schema::{Commit, Cursor, OperationId, codec};

use super::{
    engine::WriteBatch,
    fault::Place,
    keys::{self, Row},
    options::Retention,
    snapshot::Snapshot,
};
use crate::error::Result;

/// What the log holds, known to the writer without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The last commit; where the sequence begins when there never was one.
    pub newest: Cursor,
    /// The first commit that is kept; the one after `newest` when none is.
    pub first: Cursor,
    /// Bytes of all commits ever written before `first`.
    pub start: u64,
    /// Bytes of all commits ever written.
    pub end: u64,
    /// Operations on record that changed nothing.
    pub idle: u64,
}

/// A commit as it is stored.
#[derive(Debug)]
pub struct Stored<'a> {
    /// Bytes of all commits before it.
    pub start: u64,
    /// Its operation id.
    pub operation_id: Option<OperationId>,
    /// Record form of the commit.
    record: &'a [u8],
}

impl<'a> Stored<'a> {
    /// Reads a row's value, but not yet the commit in it.
    pub fn read(place: &Place, value: &'a [u8]) -> Result<Self> {
        let parts = || {
            let (start, rest) = keys::take_number(value)?;
            let (length, rest) = rest.split_first()?;
            let (operation_id, record) = rest.split_at_checked(usize::from(*length))?;
            let operation_id = match operation_id {
                [] => None,
                id => Some(OperationId::new(std::str::from_utf8(id).ok()?).ok()?),
            };
            Some(Self { start, operation_id, record })
        };
        parts().ok_or_else(|| place.corrupt("a commit of the change log has a bad head"))
    }

    /// Decodes the commit.
    pub fn commit(&self, place: &Place) -> Result<Commit> {
        place.decode("a commit of the change log", self.record)
    }
}

/// What the row of a commit holds; `start` are the bytes of all commits before it.
pub fn value(commit: &Commit, start: u64) -> Vec<u8> {
    let operation_id = commit.operation_id.as_ref().map_or("", |id| id.as_str());
    let mut value = Vec::with_capacity(128);
    value.extend_from_slice(&start.to_be_bytes());
    value.push(operation_id.len() as u8); // at most 64, see `OperationId`
    value.extend_from_slice(operation_id.as_bytes());
    codec::encode(commit, &mut value);
    value
}

impl Extent {
    /// Commits removed in one step beyond those that came. A step takes a fraction of a millisecond, so writers behind it do
    /// not notice.
    const STEP: usize = 256;

    /// Reads what the log holds.
    pub fn load(snapshot: &Snapshot<'_>) -> Result<Self> {
        let newest = snapshot.newest()?;
        let mut extent = Self { newest, first: newest.next(), start: 0, end: 0, idle: 0 };
        let (from, to) = keys::all(Row::Commit);
        snapshot.scan(&from, &to, |key, value| {
            extent.first = cursor(snapshot, key)?;
            extent.start = Stored::read(snapshot.place, value)?.start;
            Ok(false)
        })?;
        // A commit writes both, and an engine may keep the two in files of their own, of which one can be damaged.
        let last = snapshot.last_key(&from, &to)?.map(|key| cursor(snapshot, &key)).transpose()?;
        if let Some(last) = last
            && last != newest
        {
            let what = format!("its change log ends at cursor {last} and its newest commit is {newest}");
            return Err(snapshot.place.corrupt(what));
        }
        if let Some(value) = snapshot.get(&keys::commit(newest))? {
            extent.end = Stored::read(snapshot.place, &value)?.start + value.len() as u64;
        }
        let (from, to) = keys::all(Row::IdleOperation);
        snapshot.scan(&from, &to, |_, _| {
            extent.idle += 1;
            Ok(true)
        })?;
        Ok(extent)
    }

    /// The oldest cursor that can be resumed from, and the newest.
    pub fn cursors(snapshot: &Snapshot<'_>) -> Result<(Cursor, Cursor)> {
        let newest = snapshot.newest()?;
        let mut oldest = newest;
        let (from, to) = keys::all(Row::Commit);
        snapshot.scan(&from, &to, |key, _| {
            oldest = Cursor::from_number(cursor(snapshot, key)?.number().saturating_sub(1));
            Ok(false)
        })?;
        Ok((oldest, newest))
    }

    /// The oldest cursor that can be resumed from.
    pub fn oldest(&self) -> Cursor {
        Cursor::from_number(self.first.number().saturating_sub(1))
    }

    /// Whether enough is beyond the retention for a step.
    pub fn needs_trim(&self, keep: &Retention) -> bool {
        let step = Self::STEP as u64;
        self.commits() > keep.commits.saturating_add(step.min(keep.commits / 4))
            || self.bytes() > keep.bytes.saturating_add(keep.bytes / 16)
            || self.idle > keep.commits.saturating_add(step)
    }

    /// The next step towards the retention, after so many requests and bytes `came`: puts the deletes into `out` and returns
    /// the extent that they leave, no less than came. The newest commit always stays.
    pub fn trim(
        &self,
        snapshot: &Snapshot<'_>,
        keep: &Retention,
        came: (usize, u64),
        out: &mut WriteBatch,
    ) -> Result<Self> {
        let (most, bytes) = (Self::STEP + came.0, came.1);
        let mut left = *self;
        let to = keys::commit(self.newest);
        let mut steps = 0;
        // A commit can go when the log from the next one on still is all that is to be kept: that is known at the next.
        let mut last: Option<(Cursor, Option<OperationId>)> = None;
        snapshot.scan(&keys::commit(self.first), &keys::after(&to), |key, value| {
            let (at, stored) = (cursor(snapshot, key)?, Stored::read(snapshot.place, value)?);
            if let Some((gone, operation_id)) = last.take() {
                out.delete(&keys::commit(gone));
                operation_id.iter().for_each(|id| out.delete(&keys::operation(id)));
            }
            (left.first, left.start) = (at, stored.start);
            last = Some((at, stored.operation_id));
            steps += 1;
            let more = steps <= most || left.start - self.start < bytes;
            Ok(more && (left.commits() > keep.commits || left.bytes() > keep.bytes))
        })?;
        self.trim_idle(snapshot, keep, most, &mut left, out)?;
        Ok(left)
    }

    fn trim_idle(
        &self,
        snapshot: &Snapshot<'_>,
        keep: &Retention,
        most: usize,
        left: &mut Self,
        out: &mut WriteBatch,
    ) -> Result<()> {
        let (from, to) = keys::all(Row::IdleOperation);
        let kept = keys::idle_operations(left.first);
        let mut steps = 0;
        snapshot.scan(&from, &to, |key, _| {
            steps += 1;
            if steps > most || (key >= kept.as_slice() && left.idle <= keep.commits) {
                return Ok(false);
            }
            let id = key.get(9..).and_then(|id| OperationId::new(std::str::from_utf8(id).ok()?).ok());
            let id = id
                .ok_or_else(|| snapshot.place.corrupt("an idle operation of the change log has a bad key"))?;
            out.delete(&keys::operation(&id));
            out.delete(key);
            left.idle = left.idle.saturating_sub(1);
            Ok(true)
        })
    }

    fn commits(&self) -> u64 {
        self.newest.next().number().saturating_sub(self.first.number())
    }

    fn bytes(&self) -> u64 {
        self.end - self.start
    }
}

/// The cursor of a commit's key.
pub fn cursor(snapshot: &Snapshot<'_>, key: &[u8]) -> Result<Cursor> {
    let number =
        keys::take_number(key.get(1..).unwrap_or_default()).map(|(number, _)| Cursor::from_number(number));
    number.ok_or_else(|| snapshot.place.corrupt("a commit of the change log has a bad key"))
}
