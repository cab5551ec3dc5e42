//! Named transactions: a retry is safe.

use entitygraph_schema::{Operation, OperationId, Precondition, Refusal, Revision, Transaction};

use super::build::*;

fn named(name: &str, operations: impl Into<Vec<Operation>>) -> Transaction {
    Transaction::of(operations).named(text(name))
}

pub async fn the_same_operation_id_again_returns_the_first_outcome(store: Shared) {
    let make = named("make", [Operation::Create(world_root(id(1)))]);
    let first = store.commit(make.clone()).await.unwrap().0;
    let rename = named("rename", [rename(id(1), "first")]);
    let second = store.commit(rename.clone()).await.unwrap().0;
    apply(&store, [super::build::rename(id(1), "later")]).await;
    for (transaction, outcome) in [(make, first), (rename, second)] {
        let again = store.commit(transaction.clone()).await.unwrap().0;
        assert_eq!((again.cursor, again.replayed), (outcome.cursor, true));
        assert_eq!(store.accept(transaction).await.unwrap().0, again);
    }
    let entity = get(&store, id(1)).await;
    assert_eq!((entity.name.as_str(), entity.revision), ("later", Revision::from_number(3)));
    assert_eq!(store.newest().borrow().number(), 3);
}

pub async fn the_newest_commit_of_a_move_is_known_whoever_commits_later(store: Shared) {
    assert_eq!(store.moved().await.unwrap(), None);
    store.commit(named("moved:7:world:1", [Operation::Create(world_root(id(1)))])).await.unwrap();
    store.commit(named("moved:7:at:9", [rename(id(1), "moved")])).await.unwrap();
    let moved = Some(text::<OperationId>("moved:7:at:9"));
    assert_eq!(store.moved().await.unwrap(), moved);
    apply(&store, [rename(id(1), "later")]).await;
    store.commit(named("make", [rename(id(1), "last")])).await.unwrap();
    // It changes nothing, so it is no commit.
    store.commit(named("moved:7:at:10", [rename(id(1), "last")])).await.unwrap();
    assert_eq!(store.moved().await.unwrap(), moved);
}

pub async fn an_operation_id_is_refused_for_another_request(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    store.commit(named("one", [rename(id(1), "one")])).await.unwrap();
    let operation_id: OperationId = text("one");
    let others = [
        named("one", [rename(id(1), "other")]),
        named("one", []),
        named("one", [rename(id(1), "one"), rename(id(1), "one")]),
        named("one", [rename(id(1), "one")]).expecting(Precondition::Exists(id(1))),
    ];
    for other in others {
        let reused = Refusal::OperationReused { operation_id: operation_id.clone() };
        assert_eq!(refused_whole(&store, other).await, reused);
    }
}

pub async fn the_operation_id_of_a_refused_transaction_is_free(store: Shared) {
    let make = named("make", [Operation::Create(thing(id(2), id(1)))]);
    assert_eq!(refused_whole(&store, make.clone()).await, Refusal::UnknownEntity { entity: id(1) });
    create(&store, [world_root(id(1))]).await;
    assert!(!store.commit(make).await.unwrap().0.replayed);
    assert!(!store.commit(named("other", [bury(id(2))])).await.unwrap().0.replayed);
}

pub async fn a_transaction_that_changed_nothing_is_known_by_its_operation_id_too(store: Shared) {
    let first = create(&store, [world_root(id(1)).called("Sol")]).await;
    let same = named("same", [rename(id(1), "Sol")]);
    assert_eq!(store.commit(same.clone()).await.unwrap().0, first);
    apply(&store, [rename(id(1), "Sun")]).await;
    // Done again it would undo what another writer did since.
    let again = store.commit(same).await.unwrap().0;
    assert_eq!((again.cursor, again.replayed), (first.cursor, true));
    assert_eq!(get(&store, id(1)).await.name.as_str(), "Sun");
}

pub async fn a_commit_carries_the_operation_id_of_its_writer(store: Shared) {
    let first = store.commit(named("make", [Operation::Create(world_root(id(1)))])).await.unwrap().0;
    let second = apply(&store, [rename(id(1), "Sol")]).await;
    assert_eq!(commit_at(&store, first.cursor).await.operation_id, Some(text("make")));
    assert_eq!(commit_at(&store, second.cursor).await.operation_id, None);
}

pub async fn of_many_calls_with_one_operation_id_at_once_one_is_done(store: Shared) {
    create(&store, [world_root(id(1))]).await;
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            let transaction = named("make", [Operation::Create(thing(id(2), id(1)))]);
            tokio::spawn(async move { store.commit(transaction).await.unwrap().0 })
        })
        .collect();
    let mut done = 0;
    for call in calls {
        let receipt = call.await.unwrap();
        assert_eq!(receipt.cursor.number(), 2);
        done += u32::from(!receipt.replayed);
    }
    assert_eq!(done, 1);
}
