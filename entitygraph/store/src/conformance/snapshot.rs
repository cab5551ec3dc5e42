//! A reader's copy of a whole world: taken at a cursor, kept up to date by commits, and picky about them.

use std::collections::BTreeMap;

use entitygraph_schema::{
    Change, Commit, ComponentId, ComponentType, Container, ContainerId, Cursor, Entity, EntityId, LinkKind,
    query::{ChildOrder, Extent, PageRequest},
};

use super::build::{Shared, everything, rows, walk};
use crate::Feed;

/// Everything a store holds at one cursor.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// The last commit that is part of it.
    pub cursor: Cursor,
    /// Entities by id.
    pub entities: BTreeMap<EntityId, Entity>,
    /// Costs of links by kind and ends.
    pub links: BTreeMap<(LinkKind, EntityId, EntityId), f64>,
    /// Component types.
    pub components: BTreeMap<ComponentId, ComponentType>,
    /// Newest containers.
    pub containers: BTreeMap<ContainerId, Container>,
}

impl Snapshot {
    /// Reads a store that nobody writes to meanwhile.
    pub async fn take(store: &Shared) -> Self {
        let catalog = store.catalog();
        let mut snapshot = Self {
            cursor: *store.newest().borrow(),
            components: catalog
                .registry
                .iter()
                .map(|component| (component.id, ComponentType::clone(component)))
                .collect(),
            containers: catalog
                .containers()
                .map(|container| (container.id, Container::clone(container)))
                .collect(),
            ..Self::default()
        };
        for root in rows(store.children(None, ChildOrder::Ordinal, everything()).await) {
            for (entity, _) in
                walk(PageRequest::MAX_FIRST, |page| store.subtree(root, Extent::All, page)).await
            {
                assert!(
                    snapshot.entities.insert(entity.id, Entity::clone(&entity)).is_none(),
                    "{} twice",
                    entity.id
                );
            }
        }
        for id in snapshot.entities.keys() {
            for link in rows(store.links(*id, everything()).await) {
                let known = snapshot.links.insert((link.kind.clone(), link.a, link.b), link.cost);
                assert!(
                    known.is_none_or(|known| known.to_bits() == link.cost.to_bits()),
                    "both ends agree on {link:?}"
                );
            }
        }
        snapshot
    }

    /// A copy that follows the change sequence from the beginning to the newest commit.
    pub async fn replayed(store: &Shared) -> Self {
        let mut copy = Self::default();
        copy.follow(store).await;
        copy
    }

    /// Applies all commits after this copy's cursor, some at a time.
    pub async fn follow(&mut self, store: &Shared) {
        loop {
            match store.changes(self.cursor, 7).await.unwrap() {
                Feed::Commits(commits) if commits.is_empty() => return,
                Feed::Commits(commits) => commits.iter().for_each(|commit| self.apply(commit)),
                resync @ Feed::Resync { .. } => {
                    panic!("the reader at {:?} was cut off: {resync:?}", self.cursor)
                }
            }
        }
    }

    /// Applies the next commit; whatever does not fit the copy fails the test.
    pub fn apply(&mut self, commit: &Commit) {
        assert_eq!(commit.cursor, self.cursor.next(), "the sequence has a gap");
        assert!(!commit.changes.is_empty(), "{:?} changed nothing", commit.cursor);
        for change in &commit.changes {
            self.step(change);
        }
        self.cursor = commit.cursor;
        for entity in self.entities.values() {
            let parent = entity.placement.parent;
            assert!(
                parent.is_none_or(|parent| self.entities.contains_key(&parent)),
                "{} is an orphan",
                entity.id
            );
        }
        for (_, a, b) in self.links.keys() {
            assert!(
                self.entities.contains_key(a) && self.entities.contains_key(b),
                "the link {a}-{b} has lost an end"
            );
        }
    }

    fn step(&mut self, change: &Change) {
        match change {
            Change::Component(component) => {
                self.components.insert(component.id, ComponentType::clone(component));
            }
            Change::Container(container) => {
                self.containers.insert(container.id, Container::clone(container));
            }
            Change::Created(entity) => {
                let parent = entity.placement.parent;
                assert!(
                    parent.is_none_or(|parent| self.entities.contains_key(&parent)),
                    "{} before its parent",
                    entity.id
                );
                assert!(
                    self.entities.insert(entity.id, Entity::clone(entity)).is_none(),
                    "{} made twice",
                    entity.id
                );
            }
            Change::Changed { entity, left, delta } => {
                let known =
                    self.entities.get_mut(entity).unwrap_or_else(|| panic!("{entity} was never made"));
                assert_eq!(delta.revision, known.revision.next(), "revisions of {entity} grow one by one");
                assert_eq!(
                    *left,
                    delta.patch.parent.as_ref().and(known.placement.parent),
                    "where {entity} was"
                );
                assert!(delta.apply(known));
                let again = known.clone();
                assert!(!delta.apply(known) && *known == again, "a delta applied twice is applied once");
            }
            Change::Buried(last) => {
                let childless = self.entities.values().all(|other| other.placement.parent != Some(last.id));
                assert!(childless, "{} has children", last.id);
                // What was made and buried in one transaction was never seen.
                if let Some(known) = self.entities.remove(&last.id) {
                    assert_eq!(**last, known, "told as it was last");
                }
            }
            Change::Linked(link) => {
                assert!(link.a < link.b);
                self.links.insert((link.kind.clone(), link.a, link.b), link.cost);
            }
            Change::Unlinked { kind, a, b } => {
                assert!(self.links.remove(&(kind.clone(), *a, *b)).is_some(), "there was no link {a}-{b}");
            }
            Change::Entombed(id) => assert!(!self.entities.contains_key(id), "{id} is alive"),
        }
    }
}
