//! What an answer is about, and whether a commit touched that.

use std::collections::HashSet;

use entitygraph_schema::{Change, Commit, EntityId, Patch};

/// Sides of the world that lists and searches depend on as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Aspects(u16);

impl Aspects {
    /// None.
    pub const NONE: Self = Self(0);
    /// What is there and under what.
    pub const STRUCTURE: Self = Self(1);
    /// Kinds, containers, components, labels.
    pub const FACETS: Self = Self(1 << 1);
    /// Names.
    pub const NAMES: Self = Self(1 << 2);
    /// Owners.
    pub const OWNERS: Self = Self(1 << 3);
    /// Poses, sizes, layers and bounds.
    pub const PLACES: Self = Self(1 << 4);
    /// Links.
    pub const LINKS: Self = Self(1 << 5);
    /// Places among siblings.
    pub const ORDER: Self = Self(1 << 6);
    /// Who is an aggregate root.
    pub const ROOTS: Self = Self(1 << 7);
    /// Who is a zone host.
    pub const ZONES: Self = Self(1 << 8);

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What an answer is about.
#[derive(Debug, Clone, Default)]
pub struct Concern {
    /// These entities, and what is right below them.
    pub entities: HashSet<EntityId>,
    /// The world as a whole, seen from these sides.
    pub aspects: Aspects,
}

impl Concern {
    /// Of entities and their children alone.
    pub fn entities(ids: impl IntoIterator<Item = EntityId>) -> Self {
        Self { entities: ids.into_iter().collect(), aspects: Aspects::NONE }
    }

    /// Of the world.
    pub fn world(aspects: Aspects) -> Self {
        Self { entities: HashSet::new(), aspects }
    }

    /// And of an entity.
    #[must_use]
    pub fn with(mut self, entity: impl IntoIterator<Item = EntityId>) -> Self {
        self.entities.extend(entity);
        self
    }

    /// Whether the answer may be another one after the commit.
    pub fn is_touched_by(&self, commit: &Commit) -> bool {
        commit.changes.iter().any(|change| self.is_touched(change))
    }

    fn is_touched(&self, change: &Change) -> bool {
        let (ids, aspects) = match change {
            Change::Component(_) | Change::Container(_) => ([None; 3], Aspects::NONE),
            Change::Created(entity) | Change::Buried(entity) => {
                ([Some(entity.id), entity.placement.parent, None], Self::ALL)
            }
            Change::Changed { entity, left, delta } => {
                let entered = delta.patch.parent.as_ref().map(|(parent, _)| *parent);
                ([Some(*entity), *left, entered], aspects(&delta.patch))
            }
            Change::Entombed(entity) => ([Some(*entity), None, None], Aspects::NONE),
            Change::Linked(_) | Change::Unlinked { .. } => ([None; 3], Aspects::LINKS),
        };
        self.aspects.meets(aspects) || ids.into_iter().flatten().any(|id| self.entities.contains(&id))
    }

    const ALL: Aspects = Aspects(u16::MAX);
}

fn aspects(patch: &Patch) -> Aspects {
    let sides = [
        (patch.parent.is_some(), Aspects::STRUCTURE.and(Aspects::PLACES)),
        (!patch.labels.is_empty() || !patch.components.is_empty(), Aspects::FACETS),
        (patch.name.is_some(), Aspects::NAMES),
        (patch.owner.is_some(), Aspects::OWNERS),
        (patch.pose.is_some() || patch.radius.is_some() || patch.layer.is_some(), Aspects::PLACES),
        (patch.ordinal.is_some(), Aspects::ORDER),
        (patch.root.is_some(), Aspects::ROOTS),
        // A host that loses or gets its pose rides or not, which is a facet of its own.
        (patch.zone.is_some(), Aspects::ZONES.and(Aspects::PLACES).and(Aspects::FACETS)),
    ];
    sides.into_iter().filter(|(is, _)| *is).fold(Aspects::NONE, |all, (_, aspect)| all.and(aspect))
}
