//! Leases of entity ids: nobody is ever given an id twice (G3).

use std::collections::BTreeSet;

use entitygraph_schema::{IdRange, Refusal};

use super::build::*;

fn drain(mut range: IdRange) -> Vec<u64> {
    std::iter::from_fn(|| range.take()).map(|id| id.get()).collect()
}

pub async fn leases_hold_as_many_ids_as_asked_and_none_twice(store: Shared) {
    let mut seen = BTreeSet::new();
    for count in [1, 2, 1, 1000, 7] {
        let range = store.lease_ids(count).await.unwrap();
        assert_eq!(range.count, count);
        for id in drain(range) {
            assert!(seen.insert(id), "{id} was given out twice");
        }
    }
    assert_eq!(seen.len(), 1011);
}

pub async fn leases_at_once_never_overlap(store: Shared) {
    let leases: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                for count in 1..=40 {
                    mine.extend(drain(store.lease_ids(count).await.unwrap()));
                }
                mine
            })
        })
        .collect();
    let mut seen = BTreeSet::new();
    for lease in leases {
        for id in lease.await.unwrap() {
            assert!(seen.insert(id), "{id} was given out twice");
        }
    }
    assert_eq!(seen.len(), 16 * 820);
}

pub async fn the_largest_lease_is_two_to_the_32_and_the_smallest_one(store: Shared) {
    let large = store.lease_ids(1 << 32).await.unwrap();
    let next = store.lease_ids(1).await.unwrap();
    assert!(next.first >= large.first.checked_add(1 << 32).unwrap());
    assert!(matches!(denied(store.lease_ids(0).await), Refusal::Invalid { .. }));
    assert!(
        matches!(denied(store.lease_ids((1 << 32) + 1).await), Refusal::TooMany { max, .. } if max == 1 << 32)
    );
    assert!(matches!(denied(store.lease_ids(u64::MAX).await), Refusal::TooMany { .. }));
}

pub async fn leases_step_over_ids_that_callers_brought(store: Shared) {
    let next = store.lease_ids(1).await.unwrap().first.get() + 1;
    let root = id(next + 5);
    create(&store, [world_root(root), thing(id(next + 900), root), thing(id(u64::MAX), root)]).await;
    apply(&store, [bury(id(next + 900))]).await;
    let leased = drain(store.lease_ids(1000).await.unwrap());
    assert!(!leased.contains(&root.get()), "{root} lives");
    assert!(!leased.contains(&(next + 900)), "{} was buried", next + 900);
    create(&store, leased.into_iter().map(|leased| thing(id(leased), root))).await;
}
