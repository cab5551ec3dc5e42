//! Writes: every one is a transaction of the store, durable when it returns and seen by every later read of this handle.

use std::sync::Arc;

use entitygraph_schema::{
    Change, Components, Container, Cursor, EntityId, EntityName, IdRange, Operation, Placement, Precondition,
    Receipt, Refusal, Transaction,
};
use entitygraph_store::Feed;

use super::{Graph, Result};

impl Graph {
    /// Commits a transaction. The receipt comes when it is durable, and when reads through this handle see it.
    ///
    /// A caller that drops the future does not know what became of the transaction; one that has an operation id may be asked again,
    /// and answers with the first outcome. The thread that polls may write a whole batch before it returns, so this must not be
    /// polled in a `LocalSet`.
    ///
    /// # Errors
    /// `Refused` by a rule of the world or a precondition, `Busy` with too many waiting, `Full` without room on the disk: nothing
    /// happened. `Stopped` when the store takes no more writes. Others by their [`outcome`](entitygraph_store::Error::outcome).
    pub async fn commit(&self, transaction: Transaction) -> Result<Receipt> {
        let (count, max) = (transaction.operations.len(), self.inner.config.limits.transaction_operations);
        if count > max {
            return Err(Refusal::TooMany {
                what: "operations in one transaction",
                count: count as u64,
                max: max as u64,
            }
            .into());
        }
        let timer = self.inner.metrics.commit_seconds.start_timer();
        let receipt = match self.written(self.inner.store.commit(transaction).await) {
            Ok(receipt) => receipt.0,
            Err(error) => {
                timer.stop_and_discard();
                self.inner.metrics.refusals.with_label_values(&[error.code()]).inc();
                return Err(error);
            }
        };
        timer.observe_duration();
        self.inner.metrics.commits.inc();
        self.wait_applied(receipt.cursor).await?;
        Ok(receipt)
    }

    /// Ids of the entities that a commit created by themselves, not as the children of an instance, in order: what a
    /// caller who asks again is told of the first attempt. Empty when the commit is no longer retained.
    pub async fn created_by(&self, commit: Cursor) -> Result<Vec<EntityId>> {
        let Some(before) = commit.number().checked_sub(1).map(Cursor::from_number) else {
            return Ok(Vec::new());
        };
        let Feed::Commits(commits) = self.store().changes(before, 1).await? else { return Ok(Vec::new()) };
        let changes = commits.iter().flat_map(|commit| &commit.changes);
        Ok(changes
            .filter_map(|change| match change {
                Change::Created(entity)
                    if entity.source.as_ref().is_none_or(|source| source.slot.is_none()) =>
                {
                    Some(entity.id)
                }
                _ => None,
            })
            .collect())
    }

    /// Leases entity ids: nobody else is given them, at any instance and ever. Few at once come from a range that this handle has
    /// leased ahead, without a write.
    ///
    /// # Errors
    /// `Refused` for none or more than 2^32, or when no more are left; else as [`commit`](Self::commit).
    pub async fn lease_ids(&self, count: u64) -> Result<IdRange> {
        self.written(self.inner.ids.take(&*self.inner.store, count).await)
    }

    /// The newest version of a container, by name.
    pub fn container(&self, name: &str) -> Result<Arc<Container>> {
        let unknown = || Refusal::UnknownContainer { container: name.to_owned() };
        Ok(self.catalog().container_by_name(name).cloned().ok_or_else(unknown)?)
    }

    /// The operations that make a new instance of a container with all its children, and what must hold for them: for a
    /// transaction of the caller. The first operation creates the instance itself, with the returned id.
    pub async fn plan_instance(
        &self,
        container: &str,
        name: EntityName,
        placement: Placement,
        overrides: Components,
    ) -> Result<(EntityId, Precondition, Vec<Operation>)> {
        let catalog = self.catalog();
        let unknown = || Refusal::UnknownContainer { container: container.to_owned() };
        let container = catalog.container_by_name(container).ok_or_else(unknown)?;
        let count = catalog.instance_entities(container)?;
        let first = self.lease_ids(count).await?.first;
        let made = catalog.instantiate(container, first, name, placement, overrides)?;
        let unchanged = Precondition::ContainerVersion(container.id, container.version);
        Ok((first, unchanged, made.into_iter().map(Operation::Create).collect()))
    }
}
