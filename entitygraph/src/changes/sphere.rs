//! Who is near a point, followed: the question is asked again when something moved, and the difference is told.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use entitygraph_schema::{Change, Commit, Cursor, Entity, EntityId, Link};
use entitygraph_store::{Error, Feed};
use tokio::{sync::watch, time::Instant};

use super::{
    feed,
    origins::Origin,
    scope::{Scope, ScopeChange, ScopeCommit},
    snapshot::snapshot,
};
use crate::service::{Graph, Result};

/// Shortest time between two questions of one sphere: moving zones change every distance, and asking more often than
/// this would cost more than it tells.
const PAUSE: Duration = Duration::from_millis(50);

/// Commits that one message tells at most; after more a new snapshot costs less.
const COMMITS_MAX: usize = 4_096;

/// The members of a sphere. It holds no commits: where its reader stands says what is to be read.
pub(super) struct Watch {
    scope: Scope,
    applied: watch::Receiver<Cursor>,
    members: Arc<HashSet<EntityId>>,
    /// Where the values of the members come from.
    origins: HashSet<Origin>,
    next: Instant,
}

impl Watch {
    /// Watches the sphere; who is in it is said by [`Self::set_members`].
    pub fn new(graph: &Graph, scope: Scope) -> Self {
        Self {
            scope,
            applied: graph.applied(),
            members: Arc::default(),
            origins: HashSet::new(),
            next: Instant::now(),
        }
    }

    /// Who is in the sphere.
    pub fn members(&self) -> &Arc<HashSet<EntityId>> {
        &self.members
    }

    /// Says who is in the sphere now.
    pub fn set_members(&mut self, members: &[Arc<Entity>]) {
        self.members = Arc::new(members.iter().map(|entity| entity.id).collect());
        self.origins = members.iter().flat_map(|entity| Origin::of(entity)).collect();
    }

    /// Waits for commits after `last`, and until the sphere may be asked again. Cancel safe.
    pub async fn wait(&mut self, last: Cursor) -> Result<()> {
        self.applied.wait_for(|applied| *applied > last).await.map_err(|_| Error::Stopped)?;
        tokio::time::sleep_until(self.next).await;
        Ok(())
    }

    /// What the commits after `last` changed in the sphere, as one transaction, which may be empty; `None` when they are
    /// not retained or too many. Cancel safe: the members change together with the answer.
    pub async fn evaluate(&mut self, graph: &Graph, last: Cursor) -> Result<Option<ScopeCommit>> {
        let Some(mut commits) = read(graph, last, COMMITS_MAX).await? else { return Ok(None) };
        let mut told = Vec::new();
        if changes(&commits).any(moves) {
            let now = snapshot(graph, &self.scope).await?;
            // The difference is one to the moment of the answer, so all up to it is told with it.
            while let Some(upto) = commits.last().map(|commit| commit.cursor)
                && upto < now.cursor
            {
                let missing = (now.cursor.number() - upto.number()) as usize;
                if commits.len() + missing > COMMITS_MAX {
                    return Ok(None);
                }
                let Some(more) = read(graph, upto, missing).await? else { return Ok(None) };
                commits.extend(more);
            }
            self.next = Instant::now() + PAUSE;
            self.tell_published(&commits, graph, &mut told);
            self.tell_difference(&commits, &now.value, &mut told);
        } else {
            self.tell_published(&commits, graph, &mut told);
            tell_changed(&commits, |entity| self.members.contains(&entity), &mut told);
        }
        let (Some(first), Some(last)) = (commits.first(), commits.last()) else { return Ok(None) };
        let operation_id = if commits.len() == 1 { first.operation_id.clone() } else { None };
        Ok(Some(ScopeCommit { from: first.cursor, to: last.cursor, operation_id, changes: told }))
    }

    /// What was published that values of those who were members come from.
    fn tell_published(&mut self, commits: &[Arc<Commit>], graph: &Graph, told: &mut Vec<ScopeChange>) {
        for change in changes(commits) {
            match change {
                Change::Changed { entity, delta, .. } if self.members.contains(entity) => {
                    let components = delta.patch.components.keys();
                    self.origins.extend(components.copied().map(Origin::Component));
                }
                Change::Component(_) | Change::Container(_) => {
                    let catalog = graph.catalog();
                    if Origin::altered_by(change, &catalog).iter().any(|origin| self.origins.contains(origin))
                    {
                        told.extend(ScopeChange::published(change));
                    }
                }
                _ => {}
            }
        }
    }

    fn tell_difference(&mut self, commits: &[Arc<Commit>], now: &[Arc<Entity>], told: &mut Vec<ScopeChange>) {
        let buried: HashSet<_> = changes(commits)
            .filter_map(|change| if let Change::Buried(entity) = change { Some(entity.id) } else { None })
            .collect();
        let members: HashMap<_, _> = now.iter().map(|entity| (entity.id, entity)).collect();
        for gone in self.members.iter().filter(|id| !members.contains_key(id)) {
            told.push(ScopeChange::Left { entity: *gone, buried: buried.contains(gone) });
        }
        for entity in now.iter().filter(|entity| !self.members.contains(&entity.id)) {
            told.push(ScopeChange::Entered(entity.clone()));
        }
        let stayed = |id| members.contains_key(&id) && self.members.contains(&id);
        tell_changed(commits, stayed, told);
        self.set_members(now);
    }
}

/// At least one commit after the cursor, if it is retained.
async fn read(graph: &Graph, after: Cursor, limit: usize) -> Result<Option<Vec<Arc<Commit>>>> {
    Ok(match feed::commits(&**graph.store(), after, limit).await? {
        Feed::Commits(commits) if !commits.is_empty() => Some(commits),
        Feed::Commits(_) | Feed::Resync { .. } => None,
    })
}

fn changes(commits: &[Arc<Commit>]) -> impl Iterator<Item = &Change> {
    commits.iter().flat_map(|commit| &commit.changes)
}

fn tell_changed(commits: &[Arc<Commit>], of: impl Fn(EntityId) -> bool, told: &mut Vec<ScopeChange>) {
    for change in changes(commits) {
        match change {
            Change::Changed { entity, delta, .. } if of(*entity) => {
                let patch = Arc::new(delta.patch.clone());
                told.push(ScopeChange::Changed { entity: *entity, revision: delta.revision, patch });
            }
            Change::Linked(Link { a, b, .. }) | Change::Unlinked { a, b, .. } if of(*a) || of(*b) => {
                told.extend(ScopeChange::of_link(change));
            }
            _ => {}
        }
    }
}

/// Whether a change can alter what is near a point.
fn moves(change: &Change) -> bool {
    match change {
        Change::Created(entity) | Change::Buried(entity) => entity.placement.pose.is_some(),
        Change::Changed { delta, .. } => {
            let patch = &delta.patch;
            patch.pose.is_some() || patch.parent.is_some() || patch.radius.is_some() || patch.layer.is_some()
        }
        Change::Component(_)
        | Change::Container(_)
        | Change::Linked(_)
        | Change::Unlinked { .. }
        | Change::Entombed(_) => false,
    }
}
