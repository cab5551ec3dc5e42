//! Who is near a point, followed: the question is asked again when something moved, and the difference is told.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use entitygraph_schema::{Change, Commit, Cursor, EntityId};
use tokio::{
    sync::broadcast::{self, error::RecvError, error::TryRecvError},
    time::Instant,
};

use super::{
    router::moves,
    scope::{Scope, ScopeChange, ScopeCommit},
    snapshot::snapshot,
};
use crate::service::{Graph, Result};

/// Shortest time between two questions of one sphere: moving zones change every distance, and asking more often than
/// this would cost more than it tells.
const PAUSE: Duration = Duration::from_millis(50);

/// Commits taken together at most.
const COMMITS_MAX: usize = 256;

/// The members of a sphere and the commits that may change them.
pub(super) struct Watch {
    scope: Scope,
    space: broadcast::Receiver<Arc<Commit>>,
    members: HashSet<EntityId>,
    next: Instant,
}

/// Why there is no next transaction.
pub(super) enum Missed {
    /// Commits passed by too quickly; they are in the store.
    Behind,
    /// The service stops.
    Stopped,
}

impl Watch {
    /// Watches from the next commit on.
    pub fn new(graph: &Graph, scope: Scope) -> Self {
        Self { scope, space: graph.router().space(), members: HashSet::new(), next: Instant::now() }
    }

    /// Says who is in the sphere now.
    pub fn set_members(&mut self, members: impl IntoIterator<Item = EntityId>) {
        self.members = members.into_iter().collect();
    }

    /// Waits for commits after `last`, and takes all that are there.
    pub async fn commits(&mut self, last: Cursor) -> std::result::Result<VecDeque<Arc<Commit>>, Missed> {
        let mut commits = VecDeque::new();
        while commits.is_empty() {
            match self.space.recv().await {
                Ok(commit) => commits.push_back(commit),
                Err(RecvError::Lagged(_)) => return Err(Missed::Behind),
                Err(RecvError::Closed) => return Err(Missed::Stopped),
            }
            commits.retain(|commit| commit.cursor > last);
        }
        tokio::time::sleep_until(self.next).await;
        while commits.len() < COMMITS_MAX {
            match self.space.try_recv() {
                Ok(commit) => commits.push_back(commit),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Lagged(_)) => return Err(Missed::Behind),
                Err(TryRecvError::Closed) => return Err(Missed::Stopped),
            }
        }
        Ok(commits)
    }

    /// What the commits changed in the sphere, as one transaction; `None` if nothing.
    pub async fn evaluate(
        &mut self,
        graph: &Graph,
        commits: &VecDeque<Arc<Commit>>,
    ) -> Result<Option<ScopeCommit>> {
        let (Some(first), Some(last)) = (commits.front(), commits.back()) else { return Ok(None) };
        let changes = || commits.iter().flat_map(|commit| &commit.changes);
        let mut told = Vec::new();
        if changes().any(moves) {
            self.next = Instant::now() + PAUSE;
            let now = snapshot(graph, &self.scope).await?.value;
            let buried: HashSet<_> =
                changes().filter_map(|c| if let Change::Buried(e) = c { Some(e.id) } else { None }).collect();
            let members: HashMap<_, _> = now.iter().map(|entity| (entity.id, entity)).collect();
            for gone in self.members.iter().filter(|id| !members.contains_key(id)) {
                told.push(ScopeChange::Left { entity: *gone, buried: buried.contains(gone) });
            }
            for entity in now.iter().filter(|entity| !self.members.contains(&entity.id)) {
                told.push(ScopeChange::Entered(entity.clone()));
            }
            let stayed: HashSet<_> = members.keys().copied().filter(|id| self.members.contains(id)).collect();
            self.tell_changed(commits, &stayed, &mut told);
            self.members = members.into_keys().collect();
        } else {
            let members = std::mem::take(&mut self.members);
            self.tell_changed(commits, &members, &mut told);
            self.members = members;
        }
        if told.is_empty() {
            return Ok(None);
        }
        let operation_id = if commits.len() == 1 { first.operation_id.clone() } else { None };
        Ok(Some(ScopeCommit { from: first.cursor, to: last.cursor, operation_id, changes: told }))
    }

    fn tell_changed(
        &self,
        commits: &VecDeque<Arc<Commit>>,
        of: &HashSet<EntityId>,
        told: &mut Vec<ScopeChange>,
    ) {
        for change in commits.iter().flat_map(|commit| &commit.changes) {
            if let Change::Changed { entity, delta, .. } = change
                && of.contains(entity)
            {
                let patch = Arc::new(delta.patch.clone());
                told.push(ScopeChange::Changed { entity: *entity, revision: delta.revision, patch });
            }
        }
    }
}
