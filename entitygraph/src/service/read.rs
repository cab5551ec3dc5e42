//! Reads: from the cache where it has the answer, else from the store, once for all who ask at the same time.

use std::{future::Future, sync::Arc};

use entitygraph_schema::{
    Cursor, Entity, EntityId, Link, LinkKind, OwnerId, Refusal, Route,
    query::{At, ChildOrder, Extent, Facet, FacetSort, Hit, Near, Page, PageRequest},
};
use glam::DVec3;
use moka::future::Cache as Moka;

use super::{Error, Graph, Result};
use crate::{
    cache::{Subtree, SubtreeKey},
    metrics,
};

/// Subtree reads under way, and nothing else: what they bring is kept by the cache, within its bound. The cursor in the key
/// keeps a reader from joining a read that began before what it saw last.
pub(super) struct Flights(Moka<(SubtreeKey, Cursor), Subtree>);

impl Default for Flights {
    fn default() -> Self {
        // Who asks for what is being loaded waits for it, whatever the capacity.
        Self(Moka::builder().max_capacity(0).build())
    }
}

impl Graph {
    /// The entity, if it is in the cache: for callers that read what is not together.
    pub fn cached_entity(&self, id: EntityId) -> Option<Arc<Entity>> {
        self.inner.cache.entity_or_later(id)
    }

    /// The subtree, if it is in the cache: for callers that have another way if it is not.
    pub fn cached_subtree(&self, root: EntityId, extent: Extent) -> Option<Subtree> {
        self.inner.cache.subtree_or_later((root, extent))
    }

    /// The entity, or `None` if it does not exist.
    pub async fn entity(&self, id: EntityId) -> Result<Option<Arc<Entity>>> {
        if let Some(entity) = self.inner.cache.entity(id) {
            return Ok(Some(entity));
        }
        Ok(self.load_entities(&[id]).await?.pop().flatten())
    }

    /// Entities in the order asked, `None` for those that do not exist. One store read for all that are not in the cache.
    pub async fn entities(&self, ids: &[EntityId]) -> Result<Vec<Option<Arc<Entity>>>> {
        self.check_rows("ids", ids.len())?;
        let mut found: Vec<_> = ids.iter().map(|id| self.inner.cache.entity(*id)).collect();
        let missing: Vec<_> =
            ids.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(id, _)| *id).collect();
        if !missing.is_empty() {
            let mut loaded = self.load_entities(&missing).await?.into_iter();
            for slot in found.iter_mut().filter(|slot| slot.is_none()) {
                *slot = loaded.next().flatten();
            }
        }
        Ok(found)
    }

    /// Those of the entities that still exist, in the order asked: for pages of ids that an index gave a moment ago.
    pub async fn existing(&self, ids: &[EntityId]) -> Result<Vec<Arc<Entity>>> {
        Ok(self.entities(ids).await?.into_iter().flatten().collect())
    }

    async fn load_entities(&self, ids: &[EntityId]) -> Result<Vec<Option<Arc<Entity>>>> {
        let At { cursor, value } = self.ask("entities", self.inner.store.entities(ids)).await?;
        self.inner.cache.fill_entities(cursor, value.iter().flatten().cloned());
        Ok(value)
    }

    /// Children of a parent; without one the world roots.
    pub async fn children(
        &self,
        parent: Option<EntityId>,
        order: ChildOrder,
        page: PageRequest,
    ) -> Result<Page<EntityId>> {
        self.check_rows("page", page.first)?;
        Ok(self.ask("children", self.inner.store.children(parent, order, page)).await?.value)
    }

    /// The entity's ancestors, nearest first.
    pub async fn ancestors(&self, id: EntityId) -> Result<Vec<Arc<Entity>>> {
        if let Some(ancestors) = self.inner.cache.ancestors(id) {
            return Ok(ancestors);
        }
        let At { cursor, value } = self.ask("ancestors", self.inner.store.ancestors(id)).await?;
        self.inner.cache.fill_entities(cursor, value.iter().cloned());
        Ok(value)
    }

    /// An entity and what is below it, parents first, in one piece and from one moment. Refused when it has more than
    /// `service.limits.subtree_entities`; [`Graph::descendants`] reads larger ones.
    pub async fn subtree(&self, root: EntityId, extent: Extent) -> Result<Subtree> {
        let key = (root, extent);
        if let Some(subtree) = self.inner.cache.subtree(key) {
            return Ok(subtree);
        }
        let flight = (key, self.inner.cache.cursor());
        let loaded = self.inner.flights.0.try_get_with(flight, self.load_subtree(key)).await;
        loaded.map_err(Error::from_shared)
    }

    async fn load_subtree(&self, key: SubtreeKey) -> Result<Subtree> {
        let (root, extent) = key;
        let max = self.inner.config.limits.subtree_entities;
        let At { cursor, value } =
            self.ask("subtree", self.inner.store.subtree(root, extent, PageRequest::first(max))).await?;
        if value.more {
            let (count, max) = (max as u64 + 1, max as u64);
            return Err(Refusal::TooMany {
                what: "entities in one tree, read its `descendants` by pages",
                count,
                max,
            }
            .into());
        }
        let subtree: Subtree = value.rows.into_iter().map(|(entity, _)| entity).collect();
        self.inner.cache.fill_subtree(cursor, key, subtree.clone());
        Ok(subtree)
    }

    /// A page of what is below an entity, of any size, parents first.
    pub async fn descendants(
        &self,
        root: EntityId,
        extent: Extent,
        page: PageRequest,
    ) -> Result<Page<Arc<Entity>>> {
        self.check_rows("rows in one page", page.first)?;
        // The store's first row is the root itself.
        let first = page.first + usize::from(page.after.is_none());
        let page = PageRequest { first, after: page.after };
        let mut page = self.ask("subtree", self.inner.store.subtree(root, extent, page)).await?.value;
        page.rows.retain(|(entity, _)| entity.id != root);
        Ok(page)
    }

    /// Entities below a node with at least one of the facets.
    pub async fn find(
        &self,
        below: Option<EntityId>,
        any_of: &[Facet],
        page: PageRequest,
    ) -> Result<Page<EntityId>> {
        self.check_rows("page", page.first)?;
        Ok(self.ask("find", self.inner.store.find(below, any_of, page)).await?.value)
    }

    /// How many entities there are below a node; without one in the whole world.
    pub async fn total(&self, below: Option<EntityId>) -> Result<u64> {
        Ok(self.ask("total", self.inner.store.total(below)).await?.value)
    }

    /// How many entities below a node there are with each facet of a sort.
    pub async fn counts_by(
        &self,
        below: Option<EntityId>,
        sort: FacetSort,
        page: PageRequest,
    ) -> Result<Page<(Facet, u64)>> {
        self.check_rows("page", page.first)?;
        Ok(self.ask("counts_by", self.inner.store.counts_by(below, sort, page)).await?.value)
    }

    /// How many entities below a node there are with each of these facets; none is not told.
    pub async fn counts_of(&self, below: Option<EntityId>, facets: &[Facet]) -> Result<Vec<(Facet, u64)>> {
        Ok(self.ask("counts_of", self.inner.store.counts_of(below, facets)).await?.value)
    }

    /// Entities of an owner.
    pub async fn owned(&self, owner: &OwnerId, page: PageRequest) -> Result<Page<EntityId>> {
        self.check_rows("page", page.first)?;
        Ok(self.ask("owned", self.inner.store.owned(owner, page)).await?.value)
    }

    /// Entities whose name starts with the prefix, whatever its case.
    pub async fn named(&self, prefix: &str, page: PageRequest) -> Result<Page<EntityId>> {
        self.check_rows("page", page.first)?;
        Ok(self.ask("named", self.inner.store.named(prefix, page)).await?.value)
    }

    /// What is around a point, nearest first.
    pub async fn near(&self, near: &Near) -> Result<Vec<Hit>> {
        Ok(self.ask("near", self.inner.store.near(near)).await?.value)
    }

    /// The zones that hold a point, from `zone` inwards.
    pub async fn zones_at(&self, zone: EntityId, point: DVec3) -> Result<Vec<EntityId>> {
        Ok(self.ask("zones_at", self.inner.store.zones_at(zone, point)).await?.value)
    }

    /// Links with an end at the entity.
    pub async fn links(&self, entity: EntityId, page: PageRequest) -> Result<Page<Link>> {
        self.check_rows("page", page.first)?;
        Ok(self.ask("links", self.inner.store.links(entity, page)).await?.value)
    }

    /// Links with an end in the zone.
    pub async fn zone_links(&self, zone: EntityId, page: PageRequest) -> Result<Page<Link>> {
        self.check_rows("page", page.first)?;
        Ok(self.ask("zone_links", self.inner.store.zone_links(zone, page)).await?.value)
    }

    /// The cheapest route between two zones.
    pub async fn route(&self, from: EntityId, to: EntityId, kind: &LinkKind) -> Result<Option<Route>> {
        Ok(self.ask("route", self.inner.store.route(from, to, kind)).await?.value)
    }

    /// Counts and times a store read, and waits until the cache was told of everything the answer saw: so that the answer
    /// may be put in the cache, and no later read of the same caller sees less.
    pub(crate) async fn ask<T>(
        &self,
        question: &'static str,
        read: impl Future<Output = Result<At<T>>>,
    ) -> Result<At<T>> {
        debug_assert!(metrics::QUESTIONS.contains(&question), "list the question {question} in metrics.rs");
        let timer = self.inner.metrics.store_read_seconds.start_timer();
        let answer = read.await?;
        timer.observe_duration();
        self.inner.metrics.store_reads.with_label_values(&[question]).inc();
        self.wait_applied(answer.cursor).await?;
        Ok(answer)
    }

    pub(super) fn check_rows(&self, what: &'static str, rows: usize) -> Result<()> {
        let max = self.inner.config.limits.page_rows;
        if rows > max {
            return Err(Refusal::TooMany { what, count: rows as u64, max: max as u64 }.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use entitygraph_schema::{
        Epoch,
        testing::{entity_id, item},
    };

    use super::*;

    #[tokio::test]
    async fn flights_are_shared_and_leave_nothing_behind() {
        let (flights, loads) = (Flights::default(), AtomicUsize::new(0));
        let key = ((entity_id(1), Extent::All), Cursor::from_number(7));
        let load = async || {
            loads.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Subtree::from([Arc::new(Entity::created(item(1, 2), Epoch::default()))]))
        };
        let ask = || flights.0.try_get_with(key, load());
        let (one, other) = tokio::join!(ask(), ask());
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert!(flights.0.get(&key).await.is_none());
    }
}
