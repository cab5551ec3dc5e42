//! What a run of commits does on the whole: for each record that they speak of, what becomes of it, whatever of that is done
//! already.
//!
//! Patches say what is, not what to add, and two of them merge into one ([`entitygraph_schema::Patch::merge`]). So the effect
//! on an entity may be applied to any of its states between the first and the last of the commits, and makes the last.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entitygraph_schema::{
    Change, Commit, ComponentId, ComponentType, Container, ContainerId, Delta, Entity, EntityId, LinkKind,
};

/// A link in the order of [`entitygraph_schema::query::RecordSort::Link`].
pub type LinkKey = (EntityId, LinkKind, EntityId);

/// What becomes of an entity.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// It was made, and is like this.
    Made(Arc<Entity>),
    /// It was there before, and is changed by this.
    Changed(Box<Delta>),
    /// It is gone.
    Buried,
}

/// The effects of a run of commits.
#[derive(Debug, Default)]
pub struct Fold {
    /// On entities.
    pub entities: BTreeMap<EntityId, Effect>,
    /// Costs of links that were made or changed; none for those that are gone.
    pub links: BTreeMap<LinkKey, Option<f64>>,
    /// Links of which the first commit that speaks of them says that they are there: they may be made by it.
    pub linked_first: BTreeSet<LinkKey>,
    /// Newest published component types.
    pub components: BTreeMap<ComponentId, Arc<ComponentType>>,
    /// Newest published containers.
    pub containers: BTreeMap<ContainerId, Arc<Container>>,
    /// Entities that were made by these commits, also those that are gone again.
    pub made: BTreeSet<EntityId>,
}

impl Fold {
    /// Adds the next commit. A change of what an earlier one buried is a contradiction, which is named.
    pub fn add(&mut self, commit: &Commit) -> Result<(), String> {
        for change in &commit.changes {
            match change {
                Change::Component(component) => drop(self.components.insert(component.id, component.clone())),
                Change::Container(container) => drop(self.containers.insert(container.id, container.clone())),
                Change::Created(entity) => {
                    self.made.insert(entity.id);
                    self.entities.insert(entity.id, Effect::Made(entity.clone()));
                }
                Change::Changed { entity, delta, .. } => match self.entities.get_mut(entity) {
                    None => {
                        drop(self.entities.insert(*entity, Effect::Changed(Box::new(Delta::clone(delta)))))
                    }
                    Some(Effect::Made(known)) => drop(delta.apply(Arc::make_mut(known))),
                    Some(Effect::Changed(known)) => {
                        known.patch = std::mem::take(&mut known.patch).merge(delta.patch.clone());
                        (known.revision, known.epoch) = (delta.revision, delta.epoch);
                    }
                    Some(Effect::Buried) => {
                        return Err(format!(
                            "commit {} changes entity {entity}, which was buried",
                            commit.cursor
                        ));
                    }
                },
                Change::Buried(last) => drop(self.entities.insert(last.id, Effect::Buried)),
                Change::Entombed(id) => drop(self.entities.insert(*id, Effect::Buried)),
                Change::Linked(link) => {
                    let key = (link.a, link.kind.clone(), link.b);
                    if self.links.insert(key.clone(), Some(link.cost)).is_none() {
                        self.linked_first.insert(key);
                    }
                }
                Change::Unlinked { kind, a, b } => drop(self.links.insert((*a, kind.clone(), *b), None)),
            }
        }
        Ok(())
    }

    /// What becomes of an entity that is like this at some moment between the commits; none when it is gone.
    pub fn entity(&self, entity: Arc<Entity>) -> Option<Arc<Entity>> {
        match self.entities.get(&entity.id) {
            None => Some(entity),
            Some(Effect::Made(made)) => Some(made.clone()),
            Some(Effect::Changed(delta)) => {
                let mut entity = entity;
                if delta.revision > entity.revision {
                    delta.apply(Arc::make_mut(&mut entity));
                }
                Some(entity)
            }
            Some(Effect::Buried) => None,
        }
    }
}
