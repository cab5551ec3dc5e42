//! The graph as roles see it (`entitygraph_client::graph`), in the same process: what hubs ask goes to the service without a socket.

use std::sync::Arc;

use entitygraph_client::graph::{self, Changes, GraphError};
use entitygraph_schema::{
    Catalog, Cursor, Entity, EntityId, IdRange, Receipt, Refusal, Transaction,
    query::{At, Extent, Hit, Near, Page, PageRequest},
};
use entitygraph_store::{Error, Feed, Outcome};

use crate::Graph;

/// Commits pass the service, so that whoever asked reads what was written. Questions go to the store: a hub reads an area once,
/// and wants to know of which moment the answer is.
impl graph::Graph for Graph {
    async fn commit(&self, transaction: Transaction) -> graph::Result<Receipt> {
        Graph::commit(self, transaction).await.map_err(error)
    }

    async fn lease_ids(&self, count: u64) -> graph::Result<IdRange> {
        Graph::lease_ids(self, count).await.map_err(error)
    }

    async fn catalog(&self) -> graph::Result<Arc<Catalog>> {
        Ok(Graph::catalog(self))
    }

    async fn entities(&self, ids: &[EntityId]) -> graph::Result<At<Vec<Option<Arc<Entity>>>>> {
        self.store().entities(ids).await.map_err(error)
    }

    async fn subtree(
        &self,
        root: EntityId,
        extent: Extent,
        part: PageRequest,
    ) -> graph::Result<At<Page<Arc<Entity>>>> {
        self.store().subtree(root, extent, part).await.map_err(error)
    }

    async fn near(&self, near: &Near) -> graph::Result<At<Vec<Hit>>> {
        self.store().near(near).await.map_err(error)
    }

    async fn changes(&self, after: Cursor, limit: usize) -> graph::Result<Changes> {
        let mut newest = self.store().newest();
        loop {
            // Marked as seen before it is read: what is committed while it is read is not waited for.
            newest.borrow_and_update();
            match self.store().changes(after, limit).await.map_err(error)? {
                Feed::Commits(commits) if commits.is_empty() => {
                    let stopped = || GraphError::Busy { reason: Error::Stopped.to_string() };
                    newest.changed().await.map_err(|_| stopped())?;
                }
                Feed::Commits(commits) => return Ok(Changes::Commits(commits)),
                Feed::Resync { newest, .. } => return Ok(Changes::Resync { newest }),
            }
        }
    }
}

fn error(error: Error) -> GraphError {
    match error {
        Error::Refused(Refusal::StaleEpoch { entity, given, found }) => {
            GraphError::StaleEpoch { entity, given, found }
        }
        Error::Refused(refusal) => GraphError::Refused {
            code: refusal.code().to_owned(),
            reason: refusal.to_string(),
            entity: subject(&refusal),
        },
        error if error.outcome() == Outcome::Unknown => GraphError::Unknown { reason: chain(&error) },
        // Whatever it is, nothing was done, and whoever waits for it can only wait or be told.
        error => GraphError::Busy { reason: chain(&error) },
    }
}

/// The one entity that a refusal is about, where a change of it alone is refused.
fn subject(refusal: &Refusal) -> Option<EntityId> {
    match refusal {
        Refusal::UnknownEntity { entity }
        | Refusal::EntityExists { entity }
        | Refusal::EntityBuried { entity }
        | Refusal::StaleRevision { entity, .. }
        | Refusal::HasChildren { entity }
        | Refusal::RootNotZone { entity }
        | Refusal::ZoneInUse { entity }
        | Refusal::NotPersisted { entity, .. }
        | Refusal::NoOwnComponent { entity, .. }
        | Refusal::ParentInPatch { entity } => Some(*entity),
        _ => None,
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
