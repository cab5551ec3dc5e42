//! Several transactions as one message.

use std::{collections::HashMap, sync::Arc};

use entitygraph_schema::{Cursor, Entity, OperationId, Patch};

use super::scope::{ScopeChange, ScopeCommit, Subject};

/// Collects transactions and merges the changes of each subject: the last state counts, nothing that was told is undone.
///
/// What *left* takes along what is below it by then. So who is where at a *left* must not change: moves are merged only
/// with what came after the last one, and one that comes back after it has left is told as both.
#[derive(Debug, Default)]
pub struct Merger {
    range: Option<(Cursor, Cursor)>,
    operation_id: Option<OperationId>,
    /// In order; `None` where a later change says it all.
    changes: Vec<Option<ScopeChange>>,
    /// Where the latest change of each subject stands.
    latest: HashMap<Subject, usize>,
    /// Right after the latest *left*.
    settled: usize,
}

impl Merger {
    /// Adds the next transaction.
    pub fn push(&mut self, commit: &ScopeCommit) {
        self.operation_id = if self.range.is_none() { commit.operation_id.clone() } else { None };
        let from = self.range.map_or(commit.from, |(from, _)| from);
        self.range = Some((from, commit.to));
        commit.changes.iter().for_each(|change| self.add(change));
    }

    fn add(&mut self, change: &ScopeChange) {
        let subject = change.subject();
        let moves = match change {
            ScopeChange::Entered(_) | ScopeChange::Left { .. } => true,
            ScopeChange::Changed { patch, .. } => patch.parent.is_some(),
            _ => false,
        };
        let at = self.latest.get(&subject).copied().filter(|at| !moves || *at >= self.settled);
        let known = at.and_then(|at| self.changes[at].take().map(|known| (at, known)));
        match (known, change) {
            (Some((at, ScopeChange::Entered(entity))), ScopeChange::Changed { revision, patch, .. }) => {
                let mut entity = Entity::clone(&entity);
                if *revision > entity.revision {
                    patch.apply(&mut entity);
                    entity.revision = *revision;
                }
                self.changes[at] = Some(ScopeChange::Entered(Arc::new(entity)));
                return;
            }
            (
                Some((at, ScopeChange::Changed { patch: old, .. })),
                ScopeChange::Changed { entity, revision, patch },
            ) => {
                let patch = Arc::new(Patch::clone(&old).merge(Patch::clone(patch)));
                self.changes[at] = Some(ScopeChange::Changed { entity: *entity, revision: *revision, patch });
                return;
            }
            // A change after it left, which nobody who follows the rules will apply.
            (Some((at, left @ ScopeChange::Left { .. })), _) => self.changes[at] = Some(left),
            // What it was before does not matter any more, but its place does: after what it depends on now.
            _ => {}
        }
        self.latest.insert(subject, self.changes.len());
        self.changes.push(Some(change.clone()));
        if matches!(change, ScopeChange::Left { .. }) {
            self.settled = self.changes.len();
        }
    }

    /// Everything collected, as one message; the merger is empty then.
    pub fn take(&mut self) -> Option<ScopeCommit> {
        let Self { range, operation_id, changes, .. } = std::mem::take(self);
        let (from, to) = range?;
        Some(ScopeCommit { from, to, operation_id, changes: changes.into_iter().flatten().collect() })
    }
}

#[cfg(test)]
mod tests {
    use entitygraph_schema::{
        Epoch, Revision,
        testing::{entity_id, item, name},
    };

    use super::*;

    fn entered(id: u64, parent: u64) -> ScopeChange {
        ScopeChange::Entered(Arc::new(Entity::created(item(id, parent), Epoch::default())))
    }

    fn left(id: u64) -> ScopeChange {
        ScopeChange::Left { entity: entity_id(id), buried: false }
    }

    fn changed(id: u64, revision: u64, patch: Patch) -> ScopeChange {
        let (entity, revision) = (entity_id(id), Revision::from_number(revision));
        ScopeChange::Changed { entity, revision, patch: Arc::new(patch) }
    }

    fn moved(id: u64, revision: u64, parent: u64) -> ScopeChange {
        changed(id, revision, Patch { parent: Some((entity_id(parent), None)), ..Patch::default() })
    }

    fn renamed(id: u64, revision: u64, text: &str) -> ScopeChange {
        changed(id, revision, Patch { name: Some(name(text)), ..Patch::default() })
    }

    fn merged(changes: impl IntoIterator<Item = ScopeChange>) -> Vec<ScopeChange> {
        let mut merger = Merger::default();
        for (number, change) in (1..).map(Cursor::from_number).zip(changes) {
            merger.push(&ScopeCommit { from: number, to: number, operation_id: None, changes: vec![change] });
        }
        merger.take().unwrap().changes
    }

    #[test]
    fn what_left_and_came_again_is_told_as_both() {
        // What was below it is not, unless it came along.
        assert_eq!(merged([left(3), entered(3, 2)]), [left(3), entered(3, 2)]);
    }

    #[test]
    fn what_came_and_left_has_left() {
        assert_eq!(merged([entered(3, 2), renamed(3, 2, "b"), left(3)]), [left(3)]);
    }

    #[test]
    fn a_move_stays_behind_the_leaving_of_where_it_went() {
        let story = [renamed(4, 2, "b"), left(3), entered(3, 2), moved(4, 3, 3)];
        assert_eq!(merged(story.clone()), story);
    }

    #[test]
    fn a_move_stays_before_the_leaving_of_where_it_was() {
        let story = [moved(4, 2, 2), left(3), left(4)];
        assert_eq!(merged(story.clone()), story);
    }

    #[test]
    fn values_are_merged_wherever_they_were() {
        let story = [renamed(4, 2, "b"), left(3), renamed(4, 3, "c")];
        assert_eq!(merged(story), [renamed(4, 3, "c"), left(3)]);
    }
}
