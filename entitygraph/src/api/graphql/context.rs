//! What a resolver may reach.

use std::sync::Arc;

use async_graphql::{Context, dataloader::DataLoader};
use entitygraph_schema::{Entity, EntityId};
use entitygraph_store::Error;

use super::loader::EntityLoader;
use crate::{Graph, api::error::Fault};

/// The service and the loaders in front of it; in the data of the schema.
pub struct Reach {
    graph: Graph,
    entities: DataLoader<EntityLoader>,
}

impl Reach {
    /// Everything there is to reach.
    pub fn new(graph: Graph) -> Self {
        let entities = DataLoader::new(EntityLoader(graph.clone()), tokio::spawn);
        Self { graph, entities }
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
}

/// The service behind a resolver.
pub(super) fn graph<'a>(ctx: &Context<'a>) -> &'a Graph {
    Reach::of(ctx).graph()
}
