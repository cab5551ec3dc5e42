//! Ids for new entities, out of ranges that are leased ahead: a lease is a durable write, and a create shall be one write, not two.

use entitygraph_schema::{EntityId, IdRange, Operation, Refusal};
use entitygraph_store::Store;
use parking_lot::Mutex;

use super::{Error, Result};

/// Ids leased at once. Those that are left when the service ends are nobody's, ever.
const AHEAD: u64 = 4_096;

/// More ids than these at once are a lease of their own.
const MOST: u64 = AHEAD / 4;

/// See the module.
#[derive(Default)]
pub struct Ids {
    /// What is left of the last lease.
    left: Mutex<Option<IdRange>>,
    /// Who comes while a lease is under way waits for it, instead of asking for another one.
    leasing: tokio::sync::Mutex<()>,
}

impl Ids {
    /// Ids that nobody else is given.
    pub async fn take(&self, store: &dyn Store, count: u64) -> Result<IdRange> {
        if !(1..=MOST).contains(&count) {
            return store.lease_ids(count).await;
        }
        if let Some(range) = self.take_left(count) {
            return Ok(range);
        }
        let _leasing = self.leasing.lock().await;
        if let Some(range) = self.take_left(count) {
            return Ok(range);
        }
        let mut range = match store.lease_ids(AHEAD).await {
            // The last ones of all.
            Err(Error::Refused(Refusal::IdsExhausted)) => return store.lease_ids(count).await,
            leased => leased?,
        };
        let first = range.take_many(count).ok_or(Refusal::IdsExhausted)?;
        *self.left.lock() = Some(range);
        Ok(IdRange { first, count })
    }

    fn take_left(&self, count: u64) -> Option<IdRange> {
        let first = self.left.lock().as_mut()?.take_many(count)?;
        Some(IdRange { first, count })
    }

    /// Gives up what is left of the last lease if somebody brings one of its ids, instead of taking one: it will be in use.
    pub fn give_up(&self, operations: &[Operation]) {
        let mut left = self.left.lock();
        let Some(IdRange { first, count }) = *left else { return };
        let brought = |id: EntityId| id.get().checked_sub(first.get()).is_some_and(|place| place < count);
        let any = operations.iter().any(|operation| match operation {
            Operation::Create(entity) => brought(entity.id),
            Operation::Adopt(entities) => entities.iter().any(|entity| brought(entity.id)),
            _ => false,
        });
        if any {
            *left = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use entitygraph_schema::testing::{entity_id, item};
    use entitygraph_store::StoreOptions;

    use super::*;

    async fn store() -> Arc<dyn Store> {
        entitygraph_store::open("memory:", StoreOptions::default()).await.unwrap()
    }

    #[tokio::test]
    async fn ids_are_taken_one_behind_the_other_and_a_new_range_is_leased_when_they_do_not_reach() {
        let (store, ids) = (store().await, Ids::default());
        let first = ids.take(&*store, 60).await.unwrap().first.get();
        let next = ids.take(&*store, 1).await.unwrap();
        assert_eq!((next.first.get(), next.count), (first + 60, 1));
        for taken in (61..AHEAD - MOST).step_by(60) {
            assert_eq!(ids.take(&*store, 60).await.unwrap().first.get(), first + taken);
        }
        let beyond = ids.take(&*store, MOST).await.unwrap().first.get();
        assert_eq!(beyond, first + AHEAD);
        let large = ids.take(&*store, MOST + 1).await.unwrap().first.get();
        assert_eq!(large, first + 2 * AHEAD);
        assert!(ids.take(&*store, 0).await.is_err());
    }

    #[tokio::test]
    async fn a_range_of_which_somebody_brings_an_id_is_given_up() {
        let (store, ids) = (store().await, Ids::default());
        let first = ids.take(&*store, 1).await.unwrap().first.get();
        for (brought, next) in [(first, first + 1), (first + AHEAD, first + 2), (first + 9, first + AHEAD)] {
            ids.give_up(&[Operation::Create(item(brought, 1))]);
            assert_eq!(ids.take(&*store, 1).await.unwrap().first, entity_id(next));
        }
    }
}
