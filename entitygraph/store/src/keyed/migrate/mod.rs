//! From older formats to [`FORMAT`]: one file a step.
//!
//! The embedded stores are open in one process at a time, so a step changes rows in place while nobody serves them. It does so
//! batch by batch; each batch says in the same write how far the step has come, and each can be done again. The first batch
//! sets the new format number, so that from then on no older program takes the store for its own, the last one takes the
//! mark away that keeps newer programs from serving it.

mod largest;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;

use super::{
    blocking, check,
    engine::{Durability, Engine, EngineKind, WriteBatch},
    fault::Place,
    keys, open,
    open::{FORMAT, Format, UnderWay},
    open_engine,
    options::KeyedOptions,
    snapshot::Snapshot,
    witness,
};
use crate::{
    error::{Error, Result},
    migrate::{Migrate, Plan, Planned, Status, Step, Watch},
};

/// Every step, each to the format after that of the one before; the first leads to format 2.
const STEPS: [Work; FORMAT as usize - 1] = [largest::WORK];

/// Rows of a batch: a few hundred kilobytes, and a fraction of a second to do again.
const BATCH_ROWS: usize = 1_000;

/// A step and how it is done.
struct Work {
    step: Step,
    /// How many rows it has to write.
    rows: fn(&Snapshot<'_>) -> Result<u64>,
    /// Reads what it has to know of the whole store, finished rows among the others.
    begin: fn(&Snapshot<'_>) -> Result<Box<dyn Rewriting>>,
}

/// A step that is being done.
trait Rewriting {
    /// Looks at the rows after a key, at most so many, puts what becomes of them into `out` and returns the key that it came
    /// to; none at the end. What is done already stays as it is.
    fn next(
        &self,
        snapshot: &Snapshot<'_>,
        after: &[u8],
        most: usize,
        out: &mut WriteBatch,
    ) -> Result<Option<Vec<u8>>>;
}

/// An engine with a store in it, which nobody else has open.
#[derive(Clone)]
pub struct Migration {
    engine: Arc<dyn Engine>,
    place: Place,
    batch_rows: usize,
}

impl Migration {
    /// Opens the store in a folder. The engine does to its files what it always does when it is opened; no row is written.
    pub async fn open(kind: EngineKind, path: PathBuf, options: KeyedOptions) -> Result<Self> {
        blocking(move || {
            if !EngineKind::is_begun(&path) {
                return Err(Error::Missing { location: format!("{kind}:{}", path.display()) });
            }
            let (engine, place) = open_engine(kind, &path, options.engine)?;
            let migration = Self { engine, place, batch_rows: BATCH_ROWS };
            migration.format()?;
            migration
                .read(|snapshot| witness::examine(&path, &migration.place, open::load_mark(snapshot)?))?;
            Ok(migration)
        })
        .await
    }

    fn read<T>(&self, question: impl FnOnce(&Snapshot<'_>) -> Result<T>) -> Result<T> {
        let view = self.engine.view();
        question(&Snapshot { view: &*view, place: &self.place })
    }

    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<()> {
        self.engine.write(batch, durability).map_err(|e| self.place.fault("migrating", e))
    }

    fn format(&self) -> Result<Format> {
        let missing = || Error::Missing { location: self.place.location.clone() };
        self.read(open::format)?.ok_or_else(missing)
    }

    fn status_now(&self) -> Result<Status> {
        let Format { number, under_way } = self.format()?;
        Ok(Status {
            location: self.place.location.clone(),
            format: number,
            known: FORMAT,
            under_way: under_way.map(|under_way| under_way.step),
        })
    }

    /// The steps from a format on.
    fn to_go(format: u32) -> impl Iterator<Item = &'static Work> {
        STEPS.iter().filter(move |work| work.step.number > format)
    }

    fn planned(&self, work: &Work) -> Result<Planned> {
        Ok(Planned { step: work.step, rows: self.read(work.rows)? })
    }

    fn apply_all(&self, watch: &dyn Watch) -> Result<Status> {
        let Format { number, mut under_way } = self.format()?;
        for work in Self::to_go(number) {
            watch.begins(&self.planned(work)?);
            let begun = match under_way.take() {
                Some(UnderWay { key, .. }) => key,
                None if watch.stops() => return self.status_now(),
                None => {
                    let mut batch = WriteBatch::new();
                    batch.put(&keys::format(), &work.step.number.to_be_bytes());
                    came_to(&mut batch, &work.step, &[]);
                    self.write(batch, Durability::Synced)?;
                    Vec::new()
                }
            };
            if !self.apply_one(work, begun, watch)? {
                break;
            }
        }
        self.status_now()
    }

    /// Whether the step is finished; not if it was stopped.
    fn apply_one(&self, work: &Work, mut key: Vec<u8>, watch: &dyn Watch) -> Result<bool> {
        let rewriting = self.read(work.begin)?;
        loop {
            if watch.stops() {
                self.engine.sync().map_err(|e| self.place.fault("syncing", e))?;
                return Ok(false);
            }
            let mut batch = WriteBatch::new();
            let next = self.read(|snapshot| rewriting.next(snapshot, &key, self.batch_rows, &mut batch))?;
            let rows = batch.len() as u64;
            let Some(next) = next else {
                batch.delete(&keys::migration());
                self.write(batch, Durability::Synced)?;
                watch.written(rows);
                return Ok(true);
            };
            key = next;
            came_to(&mut batch, &work.step, &key);
            // Lost batches are the last ones, and they are done again.
            self.write(batch, Durability::Buffered)?;
            watch.written(rows);
        }
    }
}

/// Remembers how far a step has come.
fn came_to(batch: &mut WriteBatch, step: &Step, key: &[u8]) {
    batch.put(&keys::migration(), &[&step.number.to_be_bytes(), key].concat());
}

#[async_trait]
impl Migrate for Migration {
    async fn status(&self) -> Result<Status> {
        let own = self.clone();
        blocking(move || own.status_now()).await
    }

    async fn plan(&self) -> Result<Plan> {
        let own = self.clone();
        blocking(move || {
            let status = own.status_now()?;
            let steps = Self::to_go(status.format).map(|work| own.planned(work));
            Ok(Plan { steps: steps.collect::<Result<_>>()?, status })
        })
        .await
    }

    async fn apply(&self, watch: Arc<dyn Watch>) -> Result<Status> {
        let own = self.clone();
        blocking(move || own.apply_all(&*watch)).await
    }

    async fn verify(&self) -> Result<Vec<String>> {
        let own = self.clone();
        blocking(move || {
            own.read(|snapshot| {
                open::is_store(snapshot)?;
                check::check(snapshot)
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests;
