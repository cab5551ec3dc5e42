//! Batching by id: what the fields of one answer ask for one by one is read at once.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;
use entitygraph_schema::{Entity, EntityId};
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
