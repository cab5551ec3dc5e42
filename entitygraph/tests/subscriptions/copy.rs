//! What a client keeps that follows the rules of `docs/subscriptions.md`.

use std::{collections::BTreeMap, sync::Arc};

use entitygraph::{
    Graph,
    changes::{Message, ScopeChange},
};
use entitygraph_schema::{Components, Entity, EntityId, Link, LinkKind, query::PageRequest};

/// A copy of a scope: entities, their values in effect, and the links with an end there.
#[derive(Debug, Default)]
pub struct Copy {
    pub entities: BTreeMap<EntityId, Entity>,
    values: BTreeMap<EntityId, Components>,
    links: BTreeMap<(LinkKind, EntityId, EntityId), f64>,
}

/// The values in effect now, as every message of the API has them.
fn values(graph: &Graph, entity: &Entity) -> Components {
    let catalog = graph.catalog();
    catalog.registry.with_defaults(&catalog.effective(entity))
}

async fn links(graph: &Graph, entity: EntityId) -> Vec<Link> {
    // It may be buried by now.
    let page = graph.store().links(entity, PageRequest::first(1_000)).await;
    page.map_or_else(|_| Vec::new(), |page| page.value.rows.into_iter().map(|(link, _)| link).collect())
}

impl Copy {
    pub async fn hear(&mut self, message: &Message, graph: &Graph) {
        match message {
            Message::Snapshot { entities, .. } => {
                *self = Self::default();
                for entity in entities.iter() {
                    self.enter(entity, graph).await;
                }
            }
            Message::Transaction(commit) => {
                for change in &commit.changes {
                    self.apply(change, graph).await;
                }
            }
            Message::Lag { .. } => {}
        }
    }

    async fn enter(&mut self, entity: &Arc<Entity>, graph: &Graph) {
        let id = entity.id;
        if self.entities.get(&id).is_none_or(|known| known.revision <= entity.revision) {
            self.values.insert(id, values(graph, entity));
            self.entities.insert(id, Entity::clone(entity));
        }
        self.links.retain(|(_, a, b), _| *a != id && *b != id);
        for Link { kind, a, b, cost } in links(graph, id).await {
            self.links.insert((kind, a, b), cost);
        }
    }

    async fn apply(&mut self, change: &ScopeChange, graph: &Graph) {
        match change {
            ScopeChange::Entered(entity) => self.enter(entity, graph).await,
            ScopeChange::Changed { entity, revision, patch } => {
                if let Some(known) = self.entities.get_mut(entity)
                    && known.revision < *revision
                {
                    patch.apply(known);
                    known.revision = *revision;
                    if !patch.components.is_empty() {
                        self.values.insert(*entity, values(graph, known));
                    }
                }
            }
            ScopeChange::Left { entity, .. } => {
                let mut gone = vec![*entity];
                while let Some(id) = gone.pop() {
                    self.entities.remove(&id);
                    self.values.remove(&id);
                    let below = self.entities.values().filter(|e| e.placement.parent == Some(id));
                    gone.extend(below.map(|e| e.id));
                }
            }
            ScopeChange::ContainerPublished(container) => {
                let of_it = |entity: &&Entity| {
                    let source = entity.source.as_ref();
                    source.is_some_and(|source| {
                        let slot = source.slot.as_ref();
                        source.container == container.id || slot.is_some_and(|s| s.container == container.id)
                    })
                };
                for entity in self.entities.values().filter(of_it) {
                    self.values.insert(entity.id, values(graph, entity));
                }
            }
            ScopeChange::ComponentPublished(component) => {
                let entities = &self.entities;
                let with_it = self.values.iter_mut().filter(|(_, held)| held.0.contains_key(&component.id));
                with_it.for_each(|(id, held)| *held = values(graph, &entities[id]));
            }
            ScopeChange::Linked(Link { kind, a, b, cost }) => {
                self.links.insert((kind.clone(), *a, *b), *cost);
            }
            ScopeChange::Unlinked { kind, a, b } => {
                self.links.remove(&(kind.clone(), *a, *b));
            }
        }
    }

    /// Fails unless it is what the store has of these entities.
    pub async fn assert_equals(mut self, graph: &Graph, entities: impl IntoIterator<Item = Arc<Entity>>) {
        let mut store = Self::default();
        for entity in entities {
            store.enter(&entity, graph).await;
        }
        let held = |id: &EntityId| store.entities.contains_key(id);
        self.links.retain(|(_, a, b), _| held(a) || held(b));
        assert_eq!(self.entities.keys().collect::<Vec<_>>(), store.entities.keys().collect::<Vec<_>>());
        assert_eq!(self.entities, store.entities);
        assert_eq!(self.values, store.values);
        assert_eq!(self.links, store.links);
    }
}
