//! Who must hear of a commit: one walk up from each changed entity finds the topics that are followed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use entitygraph_schema::{Catalog, Change, Commit, ContainerId, Cursor, Entity, EntityId, Label};
use entitygraph_store::{Result, Store};
use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::{
    origins::{Origin, Origins},
    scope::{Scope, ScopeChange, ScopeCommit},
    window::{Step, Window},
};

/// Transactions that a topic keeps for its followers. A follower that is further behind catches up from the store, so
/// this is small: ten thousand idle topics must not cost memory.
const TOPIC_RING: usize = 16;

/// What a topic tells its followers.
#[derive(Debug, Clone)]
pub enum Told {
    /// The next transaction.
    Commit(Arc<ScopeCommit>),
    /// More changed than can be told one by one: take a new snapshot.
    Break,
}

/// Sends each commit to the topics that it concerns. Spheres are no topics: they ask again by themselves.
#[derive(Debug)]
pub struct Router {
    topics: Mutex<Topics>,
    max_entered: usize,
}

#[derive(Debug, Default)]
struct Topics {
    by_scope: HashMap<Scope, Topic>,
    anchors: HashMap<EntityId, Vec<Scope>>,
    containers: BTreeSet<ContainerId>,
    labels: BTreeSet<Label>,
    origins: Origins,
}

#[derive(Debug)]
struct Topic {
    told: broadcast::Sender<Told>,
    /// Counted here, under the lock: of two followers that leave at once, one is the last.
    followers: usize,
}

/// A place in a topic; dropping the last one ends the topic.
#[derive(Debug)]
pub struct Following {
    router: Arc<Router>,
    scope: Scope,
    /// What the topic tells.
    pub told: broadcast::Receiver<Told>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.router.leave(&self.scope);
    }
}

impl Router {
    /// A router without topics. Moves of more than `max_entered` entities into a scope break the topic.
    pub fn new(max_entered: usize) -> Self {
        Self { topics: Mutex::default(), max_entered }
    }

    /// Follows a scope from the next commit on.
    pub fn follow(self: &Arc<Self>, scope: Scope) -> Following {
        let mut topics = self.topics.lock();
        if let Some(topic) = topics.by_scope.get_mut(&scope) {
            let told = topic.told.subscribe();
            topic.followers += 1;
            drop(topics);
            return Following { router: self.clone(), scope, told };
        }
        let (sender, told) = broadcast::channel(TOPIC_RING);
        match &scope {
            Scope::Entity(id) | Scope::Subtree(id) | Scope::Aggregate(id) | Scope::Zone(id) => {
                topics.anchors.entry(*id).or_default().push(scope.clone());
            }
            Scope::Container(id) => drop(topics.containers.insert(*id)),
            Scope::Label(label) => drop(topics.labels.insert(label.clone())),
            Scope::Sphere(_) => {}
        }
        topics.origins.open(&scope);
        topics.by_scope.insert(scope.clone(), Topic { told: sender, followers: 1 });
        drop(topics);
        Following { router: self.clone(), scope, told }
    }

    fn leave(&self, scope: &Scope) {
        let mut topics = self.topics.lock();
        let Some(topic) = topics.by_scope.get_mut(scope) else { return };
        topic.followers -= 1;
        if topic.followers > 0 {
            return;
        }
        topics.by_scope.remove(scope);
        topics.origins.close(scope);
        match scope {
            Scope::Entity(id) | Scope::Subtree(id) | Scope::Aggregate(id) | Scope::Zone(id) => {
                if let Some(scopes) = topics.anchors.get_mut(id) {
                    scopes.retain(|other| other != scope);
                    if scopes.is_empty() {
                        topics.anchors.remove(id);
                    }
                }
            }
            Scope::Container(id) => drop(topics.containers.remove(id)),
            Scope::Label(label) => drop(topics.labels.remove(label)),
            Scope::Sphere(_) => {}
        }
    }

    /// Whether nobody follows anything.
    pub fn is_idle(&self) -> bool {
        self.topics.lock().by_scope.is_empty()
    }

    /// Tells every topic that the commit concerns. The window holds the commit.
    pub async fn route(&self, commit: &Commit, window: &mut Window, store: &dyn Store) -> Result<()> {
        let mut told: HashMap<Scope, Option<Vec<ScopeChange>>> = HashMap::new();
        for change in &commit.changes {
            if let Some(published) = ScopeChange::published(change) {
                let altered = Origin::altered_by(change, &store.catalog());
                let concerned = self.topics.lock().origins.concerned(change, &altered);
                for scope in concerned {
                    let changes = told.entry(scope).or_insert_with(|| Some(Vec::new()));
                    changes.iter_mut().for_each(|changes| changes.push(published.clone()));
                }
            }
            for step in window.steps(commit.cursor, change) {
                for scope in self.candidates(&step) {
                    let Some(changes) = told.entry(scope.clone()).or_insert_with(|| Some(Vec::new())) else {
                        continue;
                    };
                    if !scope.tell(commit.cursor, &step, window, store, self.max_entered, changes).await? {
                        told.insert(scope, None);
                    }
                }
            }
        }
        let mut topics = self.topics.lock();
        for (scope, changes) in told {
            match &changes {
                Some(changes) => topics.origins.add(&scope, changes.iter().flat_map(Origin::added_by)),
                None => topics.origins.forget(&scope, commit.cursor),
            }
            let Some(topic) = topics.by_scope.get(&scope) else { continue };
            let message = match changes {
                Some(changes) if changes.is_empty() => continue,
                Some(changes) => Told::Commit(Arc::new(ScopeCommit {
                    from: commit.cursor,
                    to: commit.cursor,
                    operation_id: commit.operation_id.clone(),
                    changes,
                })),
                None => Told::Break,
            };
            // A topic without followers is about to be removed.
            drop(topic.told.send(message));
        }
        Ok(())
    }

    /// Breaks every topic: commits up to this one were lost.
    pub fn break_all(&self, last: Cursor) {
        let mut topics = self.topics.lock();
        let Topics { by_scope, origins, .. } = &mut *topics;
        for (scope, topic) in by_scope {
            origins.forget(scope, last);
            drop(topic.told.send(Told::Break));
        }
    }

    /// Says who was in the scope at a moment, so that its topic hears of what is published for them.
    pub(super) fn learn(&self, scope: &Scope, at: Cursor, entities: &[Arc<Entity>]) {
        let origins = entities.iter().flat_map(|entity| Origin::of(entity));
        self.topics.lock().origins.learn(scope, at, origins);
    }

    /// Whether nobody has said yet who is in the scope, and the caller is the one to do it.
    pub(super) fn claim(&self, scope: &Scope) -> bool {
        self.topics.lock().origins.claim(scope)
    }

    /// Gives back what was claimed.
    pub(super) fn release(&self, scope: &Scope) {
        self.topics.lock().origins.release(scope);
    }

    /// Whether a follower of the scope who catches up is told of what was published at a moment.
    pub(super) fn concerns(&self, scope: &Scope, at: Cursor, published: &Change, catalog: &Catalog) -> bool {
        self.topics.lock().origins.concerns(scope, at, published, catalog)
    }

    fn candidates(&self, step: &Step<'_>) -> Vec<Scope> {
        let topics = self.topics.lock();
        let mut found = Vec::new();
        for place in [&step.after, &step.before].into_iter().flatten() {
            let anchors = std::iter::once(&place.entity).chain(place.above.iter());
            for scopes in anchors.filter_map(|entity| topics.anchors.get(&entity.id)) {
                found.extend(scopes.iter().cloned());
            }
            if let Some(source) = &place.entity.source
                && topics.containers.contains(&source.container)
            {
                found.push(Scope::Container(source.container));
            }
            if !topics.labels.is_empty() {
                found.extend(place.entity.labels.intersection(&topics.labels).cloned().map(Scope::Label));
            }
        }
        let mut seen = Vec::with_capacity(found.len());
        found.retain(|scope| {
            !seen.contains(scope) && {
                seen.push(scope.clone());
                true
            }
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use entitygraph_schema::testing::entity_id;

    use super::*;

    #[test]
    fn a_topic_ends_with_its_last_follower() {
        let router = Arc::new(Router::new(10));
        let scopes = [Scope::Entity(entity_id(1)), Scope::Subtree(entity_id(1))];
        let followings = [0, 0, 1].map(|scope: usize| router.follow(scopes[scope].clone()));
        for (left, following) in followings.into_iter().enumerate() {
            assert_eq!(router.topics.lock().by_scope.len(), [2, 2, 1][left]);
            drop(following);
        }
        assert!(router.is_idle() && router.topics.lock().anchors.is_empty());
    }

    #[test]
    fn of_two_followers_that_leave_at_once_one_ends_the_topic() {
        let router = Arc::new(Router::new(10));
        for _ in 0..500 {
            let pair = [(); 2].map(|()| router.follow(Scope::Entity(entity_id(1))));
            std::thread::scope(|scope| {
                for following in pair {
                    scope.spawn(move || drop(following));
                }
            });
            assert!(router.is_idle());
        }
    }
}
