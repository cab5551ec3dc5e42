//! What a resolver may reach.

use std::sync::Arc;

use async_graphql::{Context, dataloader::DataLoader};
use entitygraph_schema::{ContainerId, Entity, EntityId};
use entitygraph_store::Error;

use super::loader::{EntityLoader, InstanceCounter};
use crate::{Graph, api::error::Fault};

/// The service and the loaders in front of it; in the data of the schema.
pub struct Access {
    graph: Graph,
    entities: DataLoader<EntityLoader>,
    instances: DataLoader<InstanceCounter>,
}

impl Access {
    /// To a service.
    pub fn new(graph: Graph) -> Self {
        let entities = DataLoader::new(EntityLoader(graph.clone()), tokio::spawn);
        // All rows of the largest page at once.
        let instances = DataLoader::new(InstanceCounter(graph.clone()), tokio::spawn)
            .max_batch_size(graph.config().limits.page_rows);
        Self { graph, entities, instances }
    }

    /// From a resolver's context. The schema is never built without it.
    pub fn of<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked()
    }

    /// The service.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// An entity that several fields of one answer may ask for: from the cache at once, else with the others in one read.
    pub async fn entity(&self, id: EntityId) -> Result<Option<Arc<Entity>>, Fault> {
        if let Some(entity) = self.graph.cached_entity(id) {
            return Ok(Some(entity));
        }
        self.entities.load_one(id).await.map_err(|error| Error::from_shared(error).into())
    }

    /// How many instances a container has, below a node or in the whole world: in one read with those that other fields of the
    /// answer ask for.
    pub async fn instance_count(
        &self,
        below: Option<EntityId>,
        container: ContainerId,
    ) -> Result<u64, Fault> {
        let Ok(count) = self.instances.load_one((below, container)).await;
        Ok(count.unwrap_or(Ok(0)).map_err(Error::from_shared)?)
    }
}

/// The service behind a resolver.
pub(super) fn graph<'a>(ctx: &Context<'a>) -> &'a Graph {
    Access::of(ctx).graph()
}
