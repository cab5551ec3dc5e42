//! One reader's way: snapshot, transactions, catching up, lag. Pull only: what nobody reads costs nothing.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use entitygraph_schema::{Commit, Cursor};
use entitygraph_store::{Error, Feed};
use tokio::{sync::broadcast::error::RecvError, time::Instant};

use super::{
    router::{Following, Told},
    scope::{Merger, Message, Scope, ScopeCommit},
    snapshot::snapshot,
    sphere::{Missed, Watch},
    window::Window,
};
use crate::service::{Graph, Result};

/// Commits read at once while catching up.
const BATCH_COMMITS: usize = 256;

/// How a scope is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SubscriptionOptions {
    /// Resume after this transaction instead of taking a snapshot.
    pub after: Option<Cursor>,
    /// Merge transactions and tell them at most this often.
    pub interval: Option<Duration>,
}

/// A followed scope. Dropping it ends it.
pub struct Subscription {
    graph: Graph,
    scope: Scope,
    interval: Option<Duration>,
    source: Source,
    phase: Phase,
    /// Everything up to this transaction was told or is in `ready` or `merger`.
    last: Cursor,
    ready: VecDeque<Message>,
    merger: Merger,
    /// When the merged transactions may be told.
    due: Option<Instant>,
}

enum Source {
    Topic(Following),
    Sphere(Box<Watch>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A snapshot is next.
    Snapshot,
    /// What happened since `last` is read from the store.
    CatchUp,
    /// The source tells what happens.
    Live,
}

impl Subscription {
    pub(crate) fn new(graph: Graph, scope: Scope, options: SubscriptionOptions) -> Self {
        let source = match &scope {
            Scope::Sphere(_) => Source::Sphere(Box::new(Watch::new(&graph, scope.clone()))),
            _ => Source::Topic(graph.router().follow(scope.clone())),
        };
        let (mut ready, merger) = (VecDeque::new(), Merger::default());
        let (phase, last) = match (&source, options.after) {
            (Source::Topic(_), Some(after)) => (Phase::CatchUp, after),
            (Source::Sphere(_), Some(after)) => {
                // Who was in the sphere then is not known any more: say so and begin again.
                ready.push_back(Message::Lag { after, newest: graph.cache().cursor() });
                (Phase::Snapshot, after)
            }
            (_, None) => (Phase::Snapshot, Cursor::ZERO),
        };
        Self { graph, scope, interval: options.interval, source, phase, last, ready, merger, due: None }
    }

    /// Everything up to this transaction has been told.
    pub fn told_up_to(&self) -> Cursor {
        self.last
    }

    /// The next message of what was there before: snapshot and catching up. `None` when there is none left, or when the
    /// service stops; from then on all followers of the scope are told the same. Cancel safe.
    pub async fn next_until_live(&mut self) -> Option<Result<Message>> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(Ok(message));
            }
            let step = match self.phase {
                Phase::Snapshot => self.take_snapshot().await,
                Phase::CatchUp => self.catch_up().await,
                Phase::Live => {
                    self.due = None;
                    return self.merger.take().map(|commit| Ok(Message::Transaction(Arc::new(commit))));
                }
            };
            match step {
                Ok(()) => {}
                Err(Error::Stopped) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The next message; `None` when the service stops. After an error the subscription is over.
    ///
    /// Cancel safe: a message that was not returned is returned by the next call.
    pub async fn next(&mut self) -> Option<Result<Message>> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(Ok(message));
            }
            if self.due.is_some_and(|due| due <= Instant::now()) {
                self.due = None;
                if let Some(commit) = self.merger.take() {
                    return Some(Ok(Message::Transaction(Arc::new(commit))));
                }
            }
            let step = match self.phase {
                Phase::Snapshot => self.take_snapshot().await,
                Phase::CatchUp => self.catch_up().await,
                Phase::Live => match self.due {
                    Some(due) => tokio::select! {
                        step = self.wait() => step,
                        () = tokio::time::sleep_until(due) => Ok(()),
                    },
                    None => self.wait().await,
                },
            };
            match step {
                Ok(()) => {}
                Err(Error::Stopped) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }

    async fn take_snapshot(&mut self) -> Result<()> {
        let snapshot = snapshot(&self.graph, &self.scope).await?;
        if let Source::Sphere(watch) = &mut self.source {
            watch.set_members(snapshot.value.iter().map(|entity| entity.id));
        }
        self.last = snapshot.cursor;
        self.phase = Phase::Live;
        self.ready.push_back(Message::Snapshot { cursor: snapshot.cursor, entities: snapshot.value });
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<()> {
        let store = self.graph.store().clone();
        let commits = match store.changes(self.last, BATCH_COMMITS).await? {
            Feed::Resync { newest, .. } => {
                self.lag(newest);
                return Ok(());
            }
            Feed::Commits(commits) => commits,
        };
        let Some(newest) = commits.last().map(|commit| commit.cursor) else {
            self.phase = Phase::Live;
            return Ok(());
        };
        self.graph.wait_applied(newest).await?;
        if let Source::Sphere(watch) = &mut self.source {
            let told = watch.evaluate(&self.graph, &commits.into()).await?;
            self.last = newest;
            self.tell(told.map(Arc::new));
            return Ok(());
        }
        let graph = self.graph.clone();
        let mut window = Window::new(graph.cache(), &*store, &commits);
        for commit in &commits {
            match self.seen(commit, &mut window).await? {
                Some(told) => self.tell(told),
                None => {
                    self.lag(newest);
                    return Ok(());
                }
            }
            self.last = commit.cursor;
        }
        Ok(())
    }

    /// What the commit changed in the scope; the outer `None` is more than can be told one by one.
    async fn seen(
        &self,
        commit: &Commit,
        window: &mut Window<'_>,
    ) -> Result<Option<Option<Arc<ScopeCommit>>>> {
        let mut changes = Vec::new();
        let max = self.graph.config().limits.subtree_entities;
        for change in &commit.changes {
            let Some(step) = window.step(commit.cursor, change).await? else { continue };
            if !self.scope.tell(&step, &**self.graph.store(), max, &mut changes).await? {
                return Ok(None);
            }
        }
        let operation_id = commit.operation_id.clone();
        let told = ScopeCommit { from: commit.cursor, to: commit.cursor, operation_id, changes };
        Ok(Some((!told.changes.is_empty()).then(|| Arc::new(told))))
    }

    async fn wait(&mut self) -> Result<()> {
        match &mut self.source {
            Source::Topic(topic) => match topic.told.recv().await {
                Ok(Told::Commit(commit)) => {
                    if commit.to > self.last {
                        self.last = commit.to;
                        self.tell(Some(commit));
                    }
                }
                Ok(Told::Break) => {
                    let newest = self.graph.cache().cursor();
                    self.lag(newest);
                }
                Err(RecvError::Lagged(_)) => self.phase = Phase::CatchUp,
                Err(RecvError::Closed) => return Err(Error::Stopped),
            },
            Source::Sphere(watch) => match watch.commits(self.last).await {
                Ok(commits) => {
                    let told = watch.evaluate(&self.graph, &commits).await?;
                    self.last = commits.back().map_or(self.last, |commit| commit.cursor);
                    self.tell(told.map(Arc::new));
                }
                Err(Missed::Behind) => self.phase = Phase::CatchUp,
                Err(Missed::Stopped) => return Err(Error::Stopped),
            },
        }
        Ok(())
    }

    fn tell(&mut self, commit: Option<Arc<ScopeCommit>>) {
        let Some(commit) = commit else { return };
        match self.interval {
            None => self.ready.push_back(Message::Transaction(commit)),
            Some(interval) => {
                self.merger.push(&commit);
                self.due.get_or_insert_with(|| Instant::now() + interval);
            }
        }
    }

    /// Says that transactions are lost; what was merged is part of the next snapshot.
    fn lag(&mut self, newest: Cursor) {
        self.merger.take();
        self.due = None;
        self.ready.push_back(Message::Lag { after: self.last, newest });
        self.phase = Phase::Snapshot;
    }
}
