//! What is looked for, and the facets that it is found by.

use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
};

use entitygraph_schema::{Catalog, ComponentId, ContainerId, Entity, Kind, Label, query::Facet};

/// What is looked for. Lists are alternatives, the four of them must hold together; an empty one says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// One of these kinds.
    pub kinds: BTreeSet<Kind>,
    /// An instance of one of these containers.
    pub containers: BTreeSet<ContainerId>,
    /// With one of these components, its own or from its container.
    pub components: BTreeSet<ComponentId>,
    /// With one of these labels.
    pub labels: BTreeSet<Label>,
}

/// The property that is looked up in the index; the others are checked on the rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Lead {
    Kinds,
    Containers,
    Labels,
    Components,
}

impl Lead {
    /// Components last: they may have many facets to be counted, and need not be counted beyond the others.
    pub const ALL: [Self; 4] = [Self::Kinds, Self::Containers, Self::Labels, Self::Components];
}

impl Filter {
    /// Whether it says something of a property.
    pub(super) fn asks(&self, lead: Lead) -> bool {
        match lead {
            Lead::Kinds => !self.kinds.is_empty(),
            Lead::Containers => !self.containers.is_empty(),
            Lead::Components => !self.components.is_empty(),
            Lead::Labels => !self.labels.is_empty(),
        }
    }

    /// Whether all that is asked holds for the entity.
    pub fn describes(&self, entity: &Entity, catalog: &Catalog) -> bool {
        let container = entity.source.as_ref().map(|source| source.container);
        (self.kinds.is_empty() || self.kinds.contains(&entity.kind))
            && (self.containers.is_empty() || container.is_some_and(|id| self.containers.contains(&id)))
            && (self.labels.is_empty() || entity.labels.iter().any(|label| self.labels.contains(label)))
            && (self.components.is_empty()
                || catalog.effective(entity).0.keys().any(|component| self.components.contains(component)))
    }
}

/// A filter, and which of its properties leads.
pub(super) struct Sought<'a> {
    pub filter: &'a Filter,
    /// Says which containers bring a component.
    pub catalog: &'a Catalog,
    pub lead: Lead,
}

impl Sought<'_> {
    /// The facets of the property that leads, in order, after one of them, at most `limit`.
    pub fn facets(&self, after: Option<&Facet>, limit: usize) -> Vec<Facet> {
        let later = |facet: &Facet| after.is_none_or(|after| facet > after);
        let Filter { kinds, containers, components, labels } = self.filter;
        match self.lead {
            Lead::Kinds => kinds.iter().cloned().map(Facet::Kind).filter(later).take(limit).collect(),
            Lead::Labels => labels.iter().cloned().map(Facet::Label).filter(later).take(limit).collect(),
            Lead::Containers => {
                containers.iter().copied().map(Facet::Container).filter(later).take(limit).collect()
            }
            Lead::Components => {
                let from = match after {
                    Some(Facet::Container(container)) => Excluded(*container),
                    _ => Unbounded,
                };
                let bringing = components.iter().flat_map(|component| {
                    self.catalog.bringing(*component).range((from, Unbounded)).take(limit)
                });
                let bringing: BTreeSet<ContainerId> = bringing.copied().collect();
                let own = components.iter().copied().map(Facet::Component);
                bringing.into_iter().map(Facet::Container).chain(own).filter(later).take(limit).collect()
            }
        }
    }

    /// The first of these facets that the entity has: it is found under that one only. None when it has none.
    pub fn first_of(&self, entity: &Entity) -> Option<Facet> {
        let Filter { kinds, containers, components, labels } = self.filter;
        let container = entity.source.as_ref().map(|source| source.container);
        match self.lead {
            Lead::Kinds => Some(Facet::Kind(entity.kind.clone())).filter(|_| kinds.contains(&entity.kind)),
            Lead::Containers => container.filter(|id| containers.contains(id)).map(Facet::Container),
            Lead::Labels => {
                entity.labels.iter().find(|label| labels.contains(*label)).cloned().map(Facet::Label)
            }
            Lead::Components => {
                let brings = |id: &ContainerId| {
                    components.iter().any(|component| self.catalog.bringing(*component).contains(id))
                };
                let own = || {
                    let mut own = entity.components.0.keys();
                    own.find(|component| components.contains(*component)).copied().map(Facet::Component)
                };
                container.filter(brings).map(Facet::Container).or_else(own)
            }
        }
    }
}
