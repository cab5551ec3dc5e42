//! Random histories: all rows must agree all the way.

use super::*;
use crate::{
    MemoryStore,
    conformance::{compare::compare, random::Generator, snapshot::Snapshot as Copy},
};

#[tokio::test]
async fn all_rows_agree_after_each_transaction_of_a_random_history() {
    for seed in 0..6 {
        let store = Arc::new(over(map()));
        let shared: Arc<dyn Store> = store.clone();
        let mut generator = Generator::new(seed);
        for step in 0..150 {
            let transaction = generator.next(&Copy::take(&shared).await);
            let _ = store.commit(transaction.clone()).await;
            let faults = store.check().await.unwrap();
            assert!(faults.is_empty(), "seed {seed}, step {step}: {faults:#?}\nafter {transaction:#?}");
        }
    }
}

#[tokio::test]
async fn transactions_of_one_batch_come_out_as_one_after_the_other() {
    for seed in 100..108 {
        let engine = gate::GatedEngine::over(map());
        let store = Arc::new(over(engine.clone()));
        let shared: Arc<dyn Store> = store.clone();
        let model: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let mut generator = Generator::new(seed);
        for step in 0..40 {
            // The generator sees the world before the batch, so many of its later steps are refused: no matter.
            let world = Copy::take(&shared).await;
            let transactions: Vec<_> = (0..8).map(|_| generator.next(&world)).collect();
            let outcomes = engine.in_one_batch(&store, transactions.clone()).await;
            for (transaction, outcome) in transactions.into_iter().zip(outcomes) {
                let expected = model.commit(transaction.clone()).await;
                let (expected, outcome) =
                    (expected.map_err(|e| e.to_string()), outcome.map_err(|e| e.to_string()));
                assert_eq!(outcome, expected, "seed {seed}, step {step}: {transaction:#?}");
            }
            let faults = store.check().await.unwrap();
            assert!(faults.is_empty(), "seed {seed}, step {step}: {faults:#?}");
        }
        compare(&model, &shared).await;
    }
}
