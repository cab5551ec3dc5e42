//! Batching: what the fields of one answer ask for one by one is read at once.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::Arc,
};

use async_graphql::dataloader::Loader;
use entitygraph_schema::{
    ContainerId, Entity, EntityId,
    query::{Facet, PageRequest},
};
use entitygraph_store::Error;

use crate::Graph;

/// Loads entities by id, those that do not exist are left out.
pub struct EntityLoader(pub Graph);

impl Loader<EntityId> for EntityLoader {
    type Value = Arc<Entity>;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[EntityId]) -> Result<HashMap<EntityId, Arc<Entity>>, Arc<Error>> {
        let mut found = HashMap::with_capacity(ids.len());
        for page in ids.chunks(self.0.config().limits.page_rows) {
            let entities = self.0.existing(page).await.map_err(Arc::new)?;
            found.extend(entities.into_iter().map(|entity| (entity.id, entity)));
        }
        Ok(found)
    }
}

/// Instances of a container, below a node or in the whole world.
pub type Instances = (Option<EntityId>, ContainerId);

/// Counts instances, with one read for each node. A node that does not exist is the error of those that ask about it alone.
pub struct InstanceCounter(pub Graph);

impl Loader<Instances> for InstanceCounter {
    type Value = Result<u64, Arc<Error>>;
    type Error = Infallible;

    async fn load(&self, asked: &[Instances]) -> Result<HashMap<Instances, Self::Value>, Infallible> {
        let mut by_node: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (below, container) in asked {
            by_node.entry(*below).or_default().push(*container);
        }
        let mut found = HashMap::with_capacity(asked.len());
        for (below, containers) in by_node {
            for containers in containers.chunks(PageRequest::MAX_FIRST) {
                let facets: Vec<_> = containers.iter().copied().map(Facet::Container).collect();
                let counts = self.0.counts_of(below, &facets).await.map_err(Arc::new);
                let counts = counts.map(HashMap::<_, _>::from_iter);
                found.extend(containers.iter().zip(facets).map(|(container, facet)| {
                    let count = counts.as_ref().map(|counts| counts.get(&facet).copied().unwrap_or(0));
                    ((below, *container), count.map_err(Arc::clone))
                }));
            }
        }
        Ok(found)
    }
}
