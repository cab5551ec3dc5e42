//! Questions to the graph and the shapes of their answers. All lists are paged; a cursor of a page is opaque.

use std::sync::Arc;

use glam::DVec3;

use crate::{
    entity::Entity,
    id::{ComponentId, ContainerId, EntityId},
    link::Link,
    order::{Cursor, Layer},
    text::{Kind, Label},
};

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Most rows of the page, from 1 to [`Self::MAX_FIRST`].
    pub first: usize,
    /// Continue after the row with this page cursor; none begins.
    pub after: Option<PageCursor>,
}

impl PageRequest {
    /// Largest page.
    pub const MAX_FIRST: usize = 10_000;

    /// The first `first` rows.
    pub fn first(first: usize) -> Self {
        Self { first, after: None }
    }
}

/// Where a page ended, made and understood by the store that answered; another list's cursor is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageCursor(pub Vec<u8>);

/// A page of rows, each with the cursor that continues after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// Rows in the order of the list.
    pub rows: Vec<(T, PageCursor)>,
    /// Whether there is at least one more row.
    pub more: bool,
    /// Where the next page goes on: behind the last row, or farther when rows at the end were left out; none for a list
    /// without any.
    pub end: Option<PageCursor>,
}

impl<T> Page<T> {
    /// A page that ends with its last row.
    pub fn of(rows: Vec<(T, PageCursor)>, more: bool) -> Self {
        let end = rows.last().map(|(_, cursor)| cursor.clone());
        Self { rows, more, end }
    }

    /// The page with other rows; those that become none are left out, and the next page begins where it did.
    pub fn filter_map<N>(self, mut row: impl FnMut(T) -> Option<N>) -> Page<N> {
        let rows = self.rows.into_iter().filter_map(|(one, cursor)| Some((row(one)?, cursor))).collect();
        Page { rows, more: self.more, end: self.end }
    }
}

/// An answer and the moment it is true for.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// All commits up to this one are in the answer, none after it.
    pub cursor: Cursor,
    /// The answer.
    pub value: T,
}

/// What sort of record is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordSort {
    /// Whole entities, by id.
    Entity,
    /// Ids that were used and are gone, by id.
    Buried,
    /// Links, by lower end, kind and higher end.
    Link,
}

impl RecordSort {
    /// Every sort.
    pub const ALL: [Self; 3] = [Self::Entity, Self::Buried, Self::Link];
}

/// What a store holds besides its catalog, one by one.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A living entity.
    Entity(Arc<Entity>),
    /// An id that was used and is gone.
    Buried(EntityId),
    /// A link.
    Link(Link),
}

/// Order of a parent's children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChildOrder {
    /// By ordinal, then id.
    #[default]
    Ordinal,
    /// By name in lower case, then id.
    Name,
}

/// How far down a subtree goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// Down to this many levels below the root of the question; 0 is that entity alone.
    Depth(u32),
    /// Everything below.
    All,
    /// Everything below but nested aggregate roots and what is below those.
    Aggregate,
    /// The entities whose innermost zone is the root of the question: nested zone hosts are listed but not entered.
    Zone,
}

/// A property that entities are found and counted by below any node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facet {
    /// Entities of this kind.
    Kind(Kind),
    /// Instances of this container.
    Container(ContainerId),
    /// Entities with own values of this component. Instances whose container brings it are found by their container.
    Component(ComponentId),
    /// Entities with this label.
    Label(Label),
}

/// What sort of property a facet is. Lists of facets have them in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FacetSort {
    /// [`Facet::Kind`].
    Kind,
    /// [`Facet::Container`].
    Container,
    /// [`Facet::Component`].
    Component,
    /// [`Facet::Label`].
    Label,
}

impl FacetSort {
    /// Every sort.
    pub const ALL: [Self; 4] = [Self::Kind, Self::Container, Self::Component, Self::Label];
}

impl Facet {
    /// What sort of property it is.
    pub const fn sort(&self) -> FacetSort {
        match self {
            Self::Kind(_) => FacetSort::Kind,
            Self::Container(_) => FacetSort::Container,
            Self::Component(_) => FacetSort::Component,
            Self::Label(_) => FacetSort::Label,
        }
    }

    /// Most facets that one search may look for: each costs a seek at each node on the way. Longer lists are searched
    /// one after the other.
    pub const MAX_ANY_OF: usize = 64;
}

/// "What is around here", asked at a point of a zone (AC 2.11.1-2.11.4). Found are the entities with a pose, in this
/// zone, the zones around it and the zones nested in those, that meet every limit given.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// The zone that `point` is in.
    pub zone: EntityId,
    /// Metres in the zone.
    pub point: DVec3,
    /// The entity's ball comes within this many metres of the point.
    pub radius: Option<f64>,
    /// The entity is seen from the point under at least this angle in radians ([`crate::space::angular_size`]).
    pub min_angular_size: Option<f64>,
    /// Entities of this layer.
    pub layer: Layer,
}

impl Near {
    /// Most entities that one question may find; above it the question is refused and must be narrowed.
    pub const MAX_HITS: usize = 20_000;
}

/// An entity near a point. Lists of hits are ordered by distance, then id.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Which.
    pub entity: EntityId,
    /// From the point to its centre in metres.
    pub distance: f64,
    /// Its bounding radius in metres.
    pub radius: f64,
}
