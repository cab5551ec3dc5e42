//! The front of the loader: takes items, makes batches, hands them to the pipeline.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use entitygraph_schema::{
    Catalog, Link, NewEntity,
    query::{ChildOrder, PageRequest},
};
use entitygraph_store::{Error, Store};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{
    item::{Item, Problem, Sourced},
    pipeline::Pipeline,
    progress::Progress,
    report::{Report, Tally},
    seen::{Known, Seen},
    writer::{Batch, Part},
};

/// What happens to an entity or link that is in the store already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It is made what the source says.
    #[default]
    Update,
    /// It stays as it is: only what is missing is created. For sources that a living world has moved on from.
    Keep,
}

/// How to load.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Compare and report, write nothing.
    pub dry_run: bool,
    /// What happens to what is there already.
    pub existing: Existing,
    /// Most items of one transaction, from 1 to [`PageRequest::MAX_FIRST`].
    pub batch_items: usize,
    /// A transaction is closed when its items take about this many bytes.
    pub batch_bytes: usize,
    /// Transactions handed to the store before the first of them returned. At least 1.
    pub in_flight: usize,
    /// The store is synced after about this many bytes.
    pub sync_bytes: usize,
    /// Most problems listed in the report; all are counted.
    pub problems_max: usize,
}

impl Default for LoadOptions {
    /// Transactions of a thousand small entities: large enough that their own cost vanishes, small enough that readers
    /// of the change feed and other writers hardly notice.
    fn default() -> Self {
        Self {
            dry_run: false,
            existing: Existing::Update,
            batch_items: 1_000,
            batch_bytes: 1 << 20,
            in_flight: 8,
            sync_bytes: 64 << 20,
            problems_max: 100,
        }
    }
}

/// A load that could not go on. What was synced before is kept; the same load again continues.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store failed.
    #[error("the store failed after {} items; run the same command again to continue", report.total().total())]
    Store {
        /// What was done before.
        report: Box<Report>,
        /// What the store said.
        #[source]
        source: Error,
    },
    /// The task that writes is gone: the runtime is shutting down, or it panicked.
    #[error("the load was stopped; run the same command again to continue")]
    Stopped(#[source] Option<tokio::task::JoinError>),
}

/// Loads one source into a store; see the module documentation.
///
/// Component types and containers first, then entities (parents first) and links, then [`Loader::finish`]. Calls wait
/// while the store is behind, so a producer never fills the memory. What grows with the source are the ids that it gave, at
/// most 21 bytes an entity and 76 bytes a link (`seen`). Dropping the loader stops the load where it is.
pub struct Loader {
    pub(super) store: Arc<dyn Store>,
    pub(super) options: LoadOptions,
    progress: Arc<dyn Progress>,
    started: Instant,
    pub(super) catalog: Arc<Catalog>,
    /// Components, containers and problems found on this side.
    pub(super) report: Report,
    seen: Seen,
    open: Vec<Part>,
    open_bytes: usize,
    unsynced_bytes: usize,
    batches: Option<mpsc::Sender<Batch>>,
    pipeline: Option<AbortOnDropHandle<Result<Report, LoadError>>>,
}

impl Loader {
    /// Starts a load.
    pub async fn open(
        store: Arc<dyn Store>,
        options: LoadOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, LoadError> {
        let started = Instant::now();
        let report = Report { dry_run: options.dry_run, ..Report::default() };
        let roots = store.children(None, ChildOrder::Ordinal, PageRequest::first(1)).await;
        // In a store without a root there is no entity to compare with, so nothing needs to be read.
        let empty = match roots {
            Ok(roots) => roots.value.rows.is_empty(),
            Err(source) => return Err(LoadError::Store { report: Box::new(report), source }),
        };
        let catalog = store.catalog();
        let (batches, incoming) = mpsc::channel(2);
        let pipeline = Pipeline::new(store.clone(), options.clone(), empty, progress.clone());
        let pipeline = AbortOnDropHandle::new(tokio::spawn(pipeline.run(incoming)));
        Ok(Self {
            store,
            options,
            progress,
            started,
            catalog,
            report,
            seen: Seen::default(),
            open: Vec::new(),
            open_bytes: 0,
            unsynced_bytes: 0,
            batches: Some(batches),
            pipeline: Some(pipeline),
        })
    }

    /// Component types and containers as they are now; in a dry run with those that would be published.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.clone()
    }

    /// Takes an entity. Its parent came before it or is in the store.
    pub async fn entity(&mut self, entity: Sourced<NewEntity>) -> Result<(), LoadError> {
        let id = entity.value.id;
        if !self.seen.entity(id) {
            self.report.entities.entry(entity.value.kind.to_string()).or_default().refused += 1;
            let message = format!("entity {id} is in the source twice: the first one counts");
            self.problem(Problem::new(entity.origin, message));
            return Ok(());
        }
        let bytes = 128 + entity.value.name.as_str().len() + entity.value.components.size_bytes();
        self.take(Part::Entity(Box::new(entity)), bytes).await
    }

    /// Takes a link. Its ends came before it or are in the store. The same link again is ignored.
    pub async fn link(&mut self, link: Sourced<Link>) -> Result<(), LoadError> {
        let Sourced { origin, value } = link;
        let link = Link::new(value.kind, value.a, value.b, value.cost);
        match self.seen.link(&link) {
            Known::New => self.take(Part::Link(Sourced::new(origin, link)), 64).await?,
            Known::Same => {}
            Known::Other(first) => {
                let Link { kind, a, b, cost } = link;
                let message = format!(
                    "`{kind}` link {a} - {b} is in the source twice: cost {first} counts, not {cost}"
                );
                self.problem(Problem::new(origin, message));
            }
        }
        Ok(())
    }

    /// Takes an element of a stream.
    pub async fn item(&mut self, item: Item) -> Result<(), LoadError> {
        match item {
            Item::Entity(entity) => self.entity(*entity).await?,
            Item::Link(link) => self.link(link).await?,
            Item::Problem(problem) => self.problem(problem),
            Item::NotUsed(what, count) => self.not_used(what, count),
        }
        Ok(())
    }

    /// Takes everything that producers on other threads send, until all of them are done. They `blocking_send` vectors
    /// of a few hundred items.
    pub async fn drain(&mut self, mut items: mpsc::Receiver<Vec<Item>>) -> Result<(), LoadError> {
        while let Some(chunk) = items.recv().await {
            for item in chunk {
                self.item(item).await?;
            }
        }
        Ok(())
    }

    /// Notes something that could not be taken over.
    pub fn problem(&mut self, problem: Problem) {
        self.report.problem(problem, self.options.problems_max);
    }

    /// Counts problems that the source found and keeps no text of.
    pub fn unlisted_problems(&mut self, count: u64) {
        self.report.problem_count += count;
    }

    /// Notes something that the source has and this program does not take over.
    pub fn not_used(&mut self, what: impl Into<String>, count: u64) {
        *self.report.not_used.entry(what.into()).or_default() += count;
    }

    /// Waits until everything is written and durable.
    pub async fn finish(mut self) -> Result<Report, LoadError> {
        self.close_batch().await?;
        self.batches = None;
        let settled = self.join().await?;
        self.progress.finish();
        Ok(self.merged(settled))
    }

    /// Ends the load because the source could not ask the store; the error tells what was done before.
    pub fn fail(mut self, source: Error) -> LoadError {
        self.progress.finish();
        LoadError::Store { report: Box::new(self.merged(Report::default())), source }
    }

    async fn take(&mut self, part: Part, bytes: usize) -> Result<(), LoadError> {
        self.open.push(part);
        self.open_bytes += bytes;
        if self.open.len() >= self.options.batch_items || self.open_bytes >= self.options.batch_bytes {
            self.close_batch().await?;
        }
        Ok(())
    }

    async fn close_batch(&mut self) -> Result<(), LoadError> {
        self.unsynced_bytes += std::mem::take(&mut self.open_bytes);
        let sync = self.unsynced_bytes >= self.options.sync_bytes;
        if sync {
            self.unsynced_bytes = 0;
        }
        let batch = Batch { parts: std::mem::take(&mut self.open), catalog: self.catalog(), sync };
        let sent = match &self.batches {
            Some(batches) => batches.send(batch).await.is_ok(),
            None => false,
        };
        if sent {
            return Ok(());
        }
        // The pipeline ends early only with an error.
        let settled = self.join().await?;
        self.report = self.merged(settled);
        Err(LoadError::Stopped(None))
    }

    async fn join(&mut self) -> Result<Report, LoadError> {
        let Some(pipeline) = self.pipeline.take() else { return Err(LoadError::Stopped(None)) };
        match pipeline.await {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(LoadError::Store { report, source })) => {
                self.progress.finish();
                Err(LoadError::Store { report: Box::new(self.merged(*report)), source })
            }
            Ok(Err(stopped)) => Err(stopped),
            Err(error) => Err(LoadError::Stopped(Some(error))),
        }
    }

    /// This side's counts and the pipeline's together.
    pub(super) fn merged(&mut self, mut settled: Report) -> Report {
        let mut report = std::mem::take(&mut self.report);
        let add = |to: &mut BTreeMap<String, Tally>, from: BTreeMap<String, Tally>| {
            for (kind, tally) in from {
                to.entry(kind).or_default().add(tally);
            }
        };
        add(&mut report.entities, std::mem::take(&mut settled.entities));
        add(&mut report.links, std::mem::take(&mut settled.links));
        report.problems_of(settled, self.options.problems_max);
        report.elapsed = self.started.elapsed();
        report
    }
}
