//! One reader's way: snapshot, transactions, catching up, lag. Pull only: what nobody reads costs nothing.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use entitygraph_schema::{Commit, Cursor, EntityId};
use entitygraph_store::{Error, Feed};
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    time::Instant,
};

use super::{
    feed,
    merger::Merger,
    router::{Following, Told},
    scope::{Message, Scope, ScopeChange, ScopeCommit},
    snapshot::{by_id, snapshot},
    sphere::Watch,
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

/// Where a subscription stands, for another one of the same scope that goes on together with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Everything up to this transaction was told, or is merged to be told.
    pub position: Cursor,
    /// Who is in the sphere. A sphere is told as differences to what the one who tells them knew, so whoever listens must
    /// begin with the same; transactions of other scopes are the same for all.
    pub members: Option<Arc<HashSet<EntityId>>>,
}

/// A followed scope. Dropping it ends it.
///
/// Tens of thousands of them wait for something to happen, so the futures of what they seldom do are boxed: while waiting none
/// of that takes room.
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
    /// Whether it is the one who reads the scope for all who follow it.
    learns: bool,
    leads: Option<watch::Sender<Option<Standing>>>,
    follows: Option<watch::Receiver<Option<Standing>>>,
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

impl Drop for Subscription {
    fn drop(&mut self) {
        // Somebody else is to read the scope.
        if self.learns {
            self.graph.router().release(&self.scope);
        }
    }
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
        let (interval, due, leads, follows) = (options.interval, None, None, None);
        Self {
            graph,
            scope,
            interval,
            source,
            phase,
            last,
            ready,
            merger,
            due,
            learns: false,
            leads,
            follows,
        }
    }

    /// Keeps others of the same sphere informed of where it stands, also when there is nothing to tell.
    pub(crate) fn leading(mut self, standing: watch::Sender<Option<Standing>>) -> Self {
        self.leads = Some(standing);
        self
    }

    /// Begins with what the leading one of the same sphere knows, once it has caught up with every commit that
    /// this caller may have seen. Other scopes begin by themselves.
    pub(crate) fn following(mut self, standing: watch::Receiver<Option<Standing>>) -> Self {
        let sphere = matches!(self.source, Source::Sphere(_));
        self.follows = sphere.then_some(standing);
        self
    }

    /// Where it stands.
    pub(crate) fn standing(&self) -> Standing {
        let members = match &self.source {
            Source::Topic(_) => None,
            Source::Sphere(watch) => Some(watch.members().clone()),
        };
        Standing { position: self.last, members }
    }

    /// The next message of what was there before: snapshot and catching up. `None` when there is none left, or when the
    /// service stops; from then on all followers of the scope are told the same. Cancel safe.
    pub async fn next_until_live(&mut self) -> Option<Result<Message>> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(Ok(message));
            }
            let step = match self.phase {
                Phase::Snapshot => Box::pin(self.take_snapshot()).await,
                Phase::CatchUp => Box::pin(self.catch_up()).await,
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
                Phase::Snapshot => Box::pin(self.take_snapshot()).await,
                Phase::CatchUp => Box::pin(self.catch_up()).await,
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
        let snapshot = match self.leading_sphere().await {
            Some((position, members)) => by_id(&self.graph, position, &members).await?,
            None => snapshot(&self.graph, &self.scope).await?,
        };
        self.last = snapshot.cursor;
        self.phase = Phase::Live;
        match &mut self.source {
            Source::Topic(_) => self.graph.router().learn(&self.scope, snapshot.cursor, &snapshot.value),
            Source::Sphere(watch) => {
                watch.set_members(&snapshot.value);
                self.stand();
            }
        }
        self.ready.push_back(Message::Snapshot { cursor: snapshot.cursor, entities: snapshot.value });
        Ok(())
    }

    /// Who is in the sphere for the subscription that this one goes on together with; `None` when there is no such one.
    async fn leading_sphere(&mut self) -> Option<(Cursor, Vec<EntityId>)> {
        let applied = *self.graph.applied().borrow();
        let up_to_date =
            |standing: &Option<Standing>| standing.as_ref().is_some_and(|it| it.position >= applied);
        let standing = self.follows.as_mut()?.wait_for(up_to_date).await.ok()?.clone()?;
        let mut members: Vec<_> = standing.members?.iter().copied().collect();
        members.sort();
        Some((standing.position, members))
    }

    fn stand(&self) {
        if let Some(leads) = &self.leads {
            leads.send_replace(Some(self.standing()));
        }
    }

    async fn catch_up(&mut self) -> Result<()> {
        let store = self.graph.store().clone();
        let mut commits: Vec<Arc<Commit>> = Vec::new();
        // What comes while the cache is waited for is taken too: no state is to be newer than the window.
        while commits.len() < BATCH_COMMITS {
            let after = commits.last().map_or(self.last, |commit| commit.cursor);
            match feed::commits(&*store, after, BATCH_COMMITS).await? {
                Feed::Resync { newest, .. } => {
                    self.lag(newest);
                    return Ok(());
                }
                Feed::Commits(more) if more.is_empty() => break,
                Feed::Commits(more) => commits.extend(more),
            }
            if let Some(newest) = commits.last() {
                self.graph.wait_applied(newest.cursor).await?;
            }
        }
        let Some(newest) = commits.last().map(|commit| commit.cursor) else {
            self.learns = self.learns || self.graph.router().claim(&self.scope);
            if self.learns {
                self.learn_origins().await?;
                // What was committed until then is told by the same rule as all before.
                return Ok(());
            }
            self.phase = Phase::Live;
            return Ok(());
        };
        let mut window = Window::load(self.graph.cache(), &*store, &commits).await?;
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

    /// Reads who is in the scope for all who follow it: those who resumed took no snapshot.
    async fn learn_origins(&mut self) -> Result<()> {
        match snapshot(&self.graph, &self.scope).await {
            Ok(snapshot) => self.graph.router().learn(&self.scope, snapshot.cursor, &snapshot.value),
            // It is too large for a snapshot, or gone: it is told of everything published.
            Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        self.learns = false;
        Ok(())
    }

    /// What the commit changed in the scope; the outer `None` is more than can be told one by one.
    async fn seen(&self, commit: &Commit, window: &mut Window) -> Result<Option<Option<Arc<ScopeCommit>>>> {
        let mut changes = Vec::new();
        let (store, max) = (self.graph.store(), self.graph.config().limits.subtree_entities);
        for change in &commit.changes {
            if let Some(published) = ScopeChange::published(change)
                && self.graph.router().concerns(&self.scope, commit.cursor, change, &store.catalog())
            {
                changes.push(published);
            }
            for step in window.steps(commit.cursor, change) {
                if !self.scope.tell(commit.cursor, &step, window, &**store, max, &mut changes).await? {
                    return Ok(None);
                }
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
            Source::Sphere(watch) => {
                watch.wait(self.last).await?;
                match Box::pin(watch.evaluate(&self.graph, self.last)).await? {
                    Some(commit) => {
                        self.last = commit.to;
                        self.stand();
                        self.tell((!commit.changes.is_empty()).then(|| Arc::new(commit)));
                    }
                    None => {
                        let newest = self.graph.cache().cursor();
                        self.lag(newest);
                    }
                }
            }
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

    /// Says that transactions are lost, with those that were merged and not told; the next snapshot has them.
    fn lag(&mut self, newest: Cursor) {
        let untold = self.merger.take().and_then(|commit| commit.from.number().checked_sub(1));
        let after = untold.map_or(self.last, Cursor::from_number);
        self.due = None;
        self.ready.push_back(Message::Lag { after, newest });
        self.phase = Phase::Snapshot;
    }
}
