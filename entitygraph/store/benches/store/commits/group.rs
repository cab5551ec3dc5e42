//! The plainest group commit over a raw engine.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use entitygraph_store::keyed::engine::{Durability, Engine, EngineError, WriteBatch};
use tokio::{sync::oneshot, task::JoinSet};

use super::{Calls, Result, merge};

/// A batch, by its place among the recorded ones, and who waits for it.
type Waiting = (usize, oneshot::Sender<Result<(), Arc<EngineError>>>);

/// Durable writes of these batches from so many writers for some time, each waiting for its own.
pub async fn commits(
    engine: &Arc<dyn Engine>,
    batches: &Arc<Vec<WriteBatch>>,
    writers: u64,
    time: Duration,
) -> Result<Calls> {
    let (queue, waiting) = mpsc::channel::<Waiting>();
    let (own, rows) = (engine.clone(), batches.clone());
    let thread = thread::spawn(move || serve(&*own, &rows, &waiting));
    let mut running = JoinSet::new();
    let start = Instant::now();
    for writer in 0..writers {
        let (queue, count) = (queue.clone(), batches.len());
        running.spawn(async move {
            let mut random = fastrand::Rng::with_seed(writer);
            let mut took = Vec::new();
            while start.elapsed() < time {
                let place = random.usize(..count);
                let before = Instant::now();
                let (reply, answer) = oneshot::channel();
                queue.send((place, reply))?;
                answer.await??;
                took.push(before.elapsed());
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(took)
        });
    }
    drop(queue);
    let mut took = Vec::new();
    while let Some(calls) = running.join_next().await {
        took.extend(calls??);
    }
    let calls = Calls::new(took, start);
    thread.join().expect("the group commit panicked");
    Ok(calls)
}

fn serve(engine: &dyn Engine, batches: &[WriteBatch], waiting: &mpsc::Receiver<Waiting>) {
    while let Ok(first) = waiting.recv() {
        let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let rows = merge(group.iter().map(|(place, _)| &batches[*place]));
        let outcome = engine.write(rows, Durability::Synced).map_err(Arc::new);
        for (_, reply) in group {
            drop(reply.send(outcome.clone()));
        }
    }
}
