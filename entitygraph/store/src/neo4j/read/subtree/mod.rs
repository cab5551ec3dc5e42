//! Subtrees: a small one is one statement, a large one is walked with what the page needs.

mod walk;
mod whole;

use std::sync::Arc;

use async_trait::async_trait;
use entitygraph_schema::{
    Entity, EntityId, Refusal,
    query::{Extent, Page, PageRequest},
};

use crate::{
    error::Result,
    memory::pages::{self, Key, Part},
    neo4j::{
        concern::Aspects,
        moment::{Judged, Question, Reading},
        number::rank,
    },
};

/// See [`crate::Store::subtree`].
pub struct Subtree {
    root: EntityId,
    extent: Extent,
    name: String,
    after: Option<Key>,
    request: PageRequest,
}

impl Subtree {
    /// Refuses pages and cursors that cannot be.
    pub fn new(root: EntityId, extent: Extent, request: PageRequest) -> std::result::Result<Self, Refusal> {
        let name = format!("subtree {root:?} {extent:?}");
        let after = pages::after(&name, &request)?;
        Ok(Self { root, extent, name, after, request })
    }
}

#[async_trait]
impl Question for Subtree {
    type Answer = Page<Arc<Entity>>;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>> {
        let Self { root, extent, name, after, request } = self;
        if after.is_none()
            && let Some(answer) = whole::whole(reading, *root, *extent, name, request).await?
        {
            return Ok(answer);
        }
        walk::walk(reading, *root, *extent, after.clone(), name, request).await
    }
}

/// What else an answer depends on.
fn aspects(extent: Extent) -> Aspects {
    match extent {
        Extent::Aggregate => Aspects::ROOTS,
        Extent::Zone => Aspects::ZONES,
        Extent::Depth(_) | Extent::All => Aspects::NONE,
    }
}

/// Whether what is below an entity of the subtree belongs to it, and whether a child does.
fn goes_below(extent: Extent, depth: u32, entity: &Entity) -> bool {
    match extent {
        Extent::Depth(levels) => depth < levels,
        Extent::All | Extent::Aggregate => true,
        Extent::Zone => depth == 0 || entity.zone.is_none(),
    }
}

/// The key of a child: the way to it from the root.
fn step(key: &Key, child: &Entity) -> Key {
    let mut key = key.clone();
    key.extend([Part::Int(child.ordinal), Part::Int(rank(child.id))]);
    key
}
