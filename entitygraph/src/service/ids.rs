//! Ids for new entities, out of ranges that are leased ahead: a lease is a durable write, and a create shall be one write, not two.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use entitygraph_schema::{Change, Commit, EntityId, IdRange, Refusal};
use entitygraph_store::Store;
use parking_lot::Mutex;

use super::{Error, Result};

/// Ids leased at once: hundreds of creates, or some tens of ships, share a lease. Those that are left when the service ends are
/// nobody's, ever.
const AHEAD_IDS: u64 = 4_096;

/// More ids than these at once are a lease of their own, so that a large instance does not throw away most of a range.
const MOST_IDS: u64 = AHEAD_IDS / 4;

/// See the module.
#[derive(Default)]
pub struct Ids {
    /// What is left of the last lease.
    left: Mutex<Option<IdRange>>,
    /// Held while a lease is under way; why the last one failed, if it did.
    leasing: tokio::sync::Mutex<Option<Arc<Error>>>,
    /// Leases that have ended.
    ended: AtomicU64,
}

impl Ids {
    /// Ids that nobody else is given. Who comes while a lease is under way waits for it, and shares its failure.
    pub async fn take(&self, store: &dyn Store, count: u64) -> Result<IdRange> {
        if !(1..=MOST_IDS).contains(&count) {
            return store.lease_ids(count).await;
        }
        if let Some(range) = self.take_left(count) {
            return Ok(range);
        }
        let ended = self.ended.load(Ordering::Acquire);
        let mut failure = self.leasing.lock().await;
        if let Some(range) = self.take_left(count) {
            return Ok(range);
        }
        if let Some(failure) = &*failure
            && self.ended.load(Ordering::Acquire) != ended
        {
            return Err(Error::from_shared(failure.clone()));
        }
        let leased = store.lease_ids(AHEAD_IDS).await;
        self.ended.fetch_add(1, Ordering::Release);
        *failure = None;
        match leased {
            Ok(mut range) => {
                let first = range.take_many(count).ok_or(Refusal::IdsExhausted)?;
                *self.left.lock() = Some(range);
                Ok(IdRange { first, count })
            }
            // The last ones of all.
            Err(Error::Refused(Refusal::IdsExhausted)) => store.lease_ids(count).await,
            Err(error) => {
                let error = Arc::new(error);
                *failure = Some(error.clone());
                Err(Error::from_shared(error))
            }
        }
    }

    fn take_left(&self, count: u64) -> Option<IdRange> {
        let first = self.left.lock().as_mut()?.take_many(count)?;
        Some(IdRange { first, count })
    }

    /// Takes account of a commit, of whichever instance: a range of which somebody brought an id, instead of taking one, is given up.
    pub fn apply(&self, commit: &Commit) {
        let mut left = self.left.lock();
        let Some(IdRange { first, count }) = *left else { return };
        let brought = |id: EntityId| id.get().checked_sub(first.get()).is_some_and(|place| place < count);
        let any = commit.changes.iter().any(|change| match change {
            Change::Created(entity) => brought(entity.id),
            Change::Entombed(id) => brought(*id),
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

    use entitygraph_schema::{
        Aabb, NewEntity, Operation, Placement, Transaction,
        testing::{entity_id, item},
    };
    use entitygraph_store::StoreOptions;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{Config, Graph, Metrics};

    async fn store() -> Arc<dyn Store> {
        entitygraph_store::open("memory:", StoreOptions::default()).await.unwrap()
    }

    #[tokio::test]
    async fn ids_are_taken_one_behind_the_other_and_a_new_range_is_leased_when_they_do_not_reach() {
        let (store, ids) = (store().await, Ids::default());
        let first = ids.take(&*store, 60).await.unwrap().first.get();
        let next = ids.take(&*store, 1).await.unwrap();
        assert_eq!((next.first.get(), next.count), (first + 60, 1));
        for taken in (61..AHEAD_IDS - MOST_IDS).step_by(60) {
            assert_eq!(ids.take(&*store, 60).await.unwrap().first.get(), first + taken);
        }
        let beyond = ids.take(&*store, MOST_IDS).await.unwrap().first.get();
        assert_eq!(beyond, first + AHEAD_IDS);
        let large = ids.take(&*store, MOST_IDS + 1).await.unwrap().first.get();
        assert_eq!(large, first + 2 * AHEAD_IDS);
        assert!(ids.take(&*store, 0).await.is_err());
    }

    #[tokio::test]
    async fn all_who_come_at_once_share_a_lease_and_no_id() {
        let (store, ids) = (store().await, Ids::default());
        let taken = futures_util::future::join_all((0..16).map(|_| ids.take(&*store, 60))).await;
        let mut firsts: Vec<_> = taken.into_iter().map(|range| range.unwrap().first.get()).collect();
        firsts.sort_unstable();
        assert!(firsts.windows(2).all(|pair| pair[1] == pair[0] + 60), "{firsts:?}");
        assert_eq!(store.lease_ids(1).await.unwrap().first.get(), firsts[0] + AHEAD_IDS);
    }

    /// Through the service, so that it is its commits that are followed.
    #[tokio::test]
    async fn a_range_of_which_somebody_brings_an_id_is_given_up() {
        let store = store().await;
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let (graph, _follower) =
            Graph::start(store.clone(), Config::default(), metrics, CancellationToken::new());
        let placement = Placement { parent: None, port: None, pose: None };
        let root = NewEntity { placement, zone: Some(Aabb::cube(1e6).unwrap()), ..item(1, 2) };
        graph.commit(Transaction::of([Operation::Create(root)])).await.unwrap();
        let first = graph.lease_ids(1).await.unwrap().first.get();
        // One that was taken, one beyond the range, one of those that are left: the last also past the service.
        for (brought, next) in
            [(first, first + 1), (first + AHEAD_IDS, first + 2), (first + 9, first + AHEAD_IDS + 1)]
        {
            let brought = Operation::Create(item(brought, 1));
            let receipt = store.commit(Transaction::of([brought])).await.unwrap();
            graph.wait_applied(receipt.0.cursor).await.unwrap();
            assert_eq!(graph.lease_ids(1).await.unwrap().first, entity_id(next));
        }
    }
}
