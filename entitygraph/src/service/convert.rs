//! Values that variables take over from others, converted in the background (AC 2.1.4).
//!
//! What is to be done stands in the component types, so nothing else is remembered: any instance of the service goes on where one
//! ended, and several do no harm to each other. Every value is changed by an ordinary transaction that expects the entity's
//! revision, so what somebody writes meanwhile is never overwritten, and whoever follows the entity is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use entitygraph_schema::{
    Catalog, Change, ComponentDraft, ComponentPatch, ComponentType, Components, Container, Cursor, Entity,
    EntityId, Operation, Patch, Precondition, Refusal, Transaction, VariableId,
    query::{Facet, PageRequest},
};
use entitygraph_store::{Error, Feed, Result, Store};
use tokio_util::sync::CancellationToken;

/// Entities looked at in one read.
const PAGE_ROWS: usize = 1_000;

/// Entities changed in one transaction: others who write wait a few milliseconds for it.
const BATCH_ENTITIES: usize = 250;

/// Commits read at once.
const FEED_COMMITS: usize = 256;

/// How often an entity is read again that was changed between its reading and its conversion.
const ROUNDS: usize = 10;

/// How often all holders are looked at, while the change sequence is trimmed faster than that.
const PASSES: usize = 3;

/// After a failure the next try waits this long, twice as long each time up to the longest.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Converts whatever is to be converted.
pub(super) struct Converter {
    store: Arc<dyn Store>,
}

/// What one look at all holders of a component came to.
#[derive(Default)]
struct Pass {
    converted: u64,
    /// Entities and containers that still hold a value which a variable would take over.
    left: BTreeMap<VariableId, u64>,
}

impl Pass {
    fn leaves(&mut self, variable: VariableId) {
        *self.left.entry(variable).or_default() += 1;
    }
}

type Due = (Arc<Entity>, Patch);

impl Converter {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Works until cancelled, or until the store stops.
    pub(super) async fn run(self, cancel: CancellationToken) {
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.serve() => {}
        }
    }

    async fn serve(&self) {
        let mut newest = self.store.newest();
        let mut done: Option<Arc<Catalog>> = None;
        let mut pause = RETRY;
        loop {
            let catalog = self.store.catalog();
            if !done.as_ref().is_some_and(|done| Arc::ptr_eq(done, &catalog)) {
                match self.convert_all(&catalog).await {
                    Ok(()) => (done, pause) = (Some(catalog), RETRY),
                    Err(Error::Stopped) => return,
                    Err(error) => {
                        {
                            let cause = &error as &dyn std::error::Error;
                            // The store says when it is away.
                            if error.is_outage() {
                                tracing::debug!(error = cause, ?pause, "values could not be converted");
                            } else {
                                tracing::warn!(
                                    error = cause,
                                    ?pause,
                                    "values could not be converted, it is tried again"
                                );
                            }
                        }
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(RETRY_MAX);
                        continue;
                    }
                }
            }
            if newest.changed().await.is_err() {
                return;
            }
        }
    }

    async fn convert_all(&self, catalog: &Catalog) -> Result<()> {
        for ty in catalog.registry.converting() {
            self.convert(catalog, ty).await?;
        }
        Ok(())
    }

    /// Converts what there is of one type, and ends each of its conversions that has nothing left.
    async fn convert(&self, catalog: &Catalog, ty: &ComponentType) -> Result<()> {
        let started = Instant::now();
        let (mut pass, mut all_seen) = (Pass::default(), false);
        for _ in 0..PASSES {
            pass.left.clear();
            for container in catalog.containers() {
                self.container(catalog, ty, container, &mut pass).await?;
            }
            let begin = *self.store.newest().borrow();
            self.below(None, ty, &mut pass).await?;
            all_seen = self.moved_since(begin, ty, &mut pass).await?;
            if all_seen {
                break;
            }
        }
        let settled = ty.converting().map(|(variable, _)| variable);
        let settled = settled.filter(|variable| all_seen && !pass.left.contains_key(&variable.id));
        let settled: BTreeSet<_> = settled.map(|variable| variable.draft.name.clone()).collect();
        tracing::info!(
            component = %ty.name,
            converted = pass.converted,
            left = pass.left.values().sum::<u64>(),
            settled = settled.len(),
            all_seen,
            seconds = started.elapsed().as_secs_f64(),
            "values were converted"
        );
        if !settled.is_empty() {
            let draft = ComponentDraft::settling(ty.name.clone(), settled);
            self.commit(Transaction::of([Operation::PublishComponent(draft)])).await?;
        }
        Ok(())
    }

    /// Publishes a container with its values converted; instances have the values that it has.
    async fn container(
        &self,
        catalog: &Catalog,
        ty: &ComponentType,
        container: &Container,
        pass: &mut Pass,
    ) -> Result<()> {
        let mut draft = container.draft.clone();
        let mut values: Vec<&mut Components> = vec![&mut draft.components];
        values.extend(draft.children.iter_mut().map(|child| &mut child.overrides));
        let (mut changed, mut left) = (false, Vec::new());
        for values in values {
            let converted = catalog.registry.converted(values).into_owned();
            changed |= *values != converted;
            *values = converted;
            let held = values.0.get(&ty.id).into_iter().flat_map(|held| held.keys());
            left.extend(held.filter_map(|held| {
                ty.converting().find(|(_, converts)| converts.from == *held).map(|(variable, _)| variable.id)
            }));
        }
        if changed {
            let unchanged = Precondition::ContainerVersion(container.id, container.version);
            let mut transaction = Transaction::of([Operation::PublishContainer(draft)]);
            transaction.preconditions.push(unchanged);
            match self.commit(transaction).await {
                Ok(()) => {}
                // It is looked at again with the catalog that has its newer version, or it holds something else that is retired:
                // until it is published anew its values count as converted.
                Err(Error::Refused(refusal)) => {
                    tracing::debug!(container = %container.draft.name, %refusal, "a container keeps its values");
                    left.extend(ty.converting().map(|(variable, _)| variable.id));
                }
                Err(error) => return Err(error),
            }
        }
        left.into_iter().for_each(|variable| pass.leaves(variable));
        Ok(())
    }

    /// Converts what there is below an entity, or in the whole world.
    async fn below(&self, root: Option<EntityId>, ty: &ComponentType, pass: &mut Pass) -> Result<()> {
        let mut request = PageRequest::first(PAGE_ROWS);
        loop {
            let page = self.store.find(root, &[Facet::Component(ty.id)], request).await?.value;
            let ids: Vec<_> = page.rows.iter().map(|(id, _)| *id).collect();
            self.entities(ids, ty, pass).await?;
            match page.end.filter(|_| page.more) {
                Some(end) => request = PageRequest { first: PAGE_ROWS, after: Some(end) },
                None => return Ok(()),
            }
        }
    }

    /// Converts what moved since a commit: from page to page it may have been where nobody looked. Whether all that moved is known.
    async fn moved_since(&self, begin: Cursor, ty: &ComponentType, pass: &mut Pass) -> Result<bool> {
        let mut cursor = begin;
        loop {
            let commits = match self.store.changes(cursor, FEED_COMMITS).await? {
                Feed::Commits(commits) => commits,
                Feed::Resync { .. } => return Ok(false),
            };
            let Some(last) = commits.last() else { return Ok(true) };
            cursor = last.cursor;
            for change in commits.iter().flat_map(|commit| &commit.changes) {
                if let Change::Changed { entity, delta, .. } = change
                    && delta.patch.parent.is_some()
                {
                    self.entities(vec![*entity], ty, pass).await?;
                    match self.below(Some(*entity), ty, pass).await {
                        Err(Error::Refused(Refusal::UnknownEntity { .. })) => {}
                        outcome => outcome?,
                    }
                }
            }
        }
    }

    async fn entities(&self, mut ids: Vec<EntityId>, ty: &ComponentType, pass: &mut Pass) -> Result<()> {
        for round in 0..ROUNDS {
            if ids.is_empty() {
                return Ok(());
            }
            let entities = self.store.entities(&ids).await?.value;
            let mut due: Vec<Due> = Vec::new();
            for entity in entities.into_iter().flatten() {
                if let Some(patch) = converted(&entity, ty, pass) {
                    due.push((entity, patch));
                }
            }
            ids.clear();
            for batch in due.chunks(BATCH_ENTITIES) {
                self.batch(batch.to_vec(), &mut ids, ty, pass).await?;
            }
            if round > 0 {
                tokio::time::sleep(Duration::from_millis(round as u64)).await;
            }
        }
        for _ in ids {
            ty.converting().for_each(|(variable, _)| pass.leaves(variable.id));
        }
        Ok(())
    }

    /// Changes the entities; those that were changed by others meanwhile come `again`.
    async fn batch(
        &self,
        batch: Vec<Due>,
        again: &mut Vec<EntityId>,
        ty: &ComponentType,
        pass: &mut Pass,
    ) -> Result<()> {
        let mut open = vec![batch];
        while let Some(mut batch) = open.pop() {
            if batch.is_empty() {
                continue;
            }
            let change = |(entity, patch): &Due| Operation::Change(entity.id, patch.clone());
            let mut transaction = Transaction::of(batch.iter().map(change).collect::<Vec<_>>());
            transaction.preconditions =
                batch.iter().map(|(entity, _)| Precondition::Revision(entity.id, entity.revision)).collect();
            match self.commit(transaction).await {
                Ok(()) => pass.converted += batch.len() as u64,
                Err(Error::Refused(
                    Refusal::StaleRevision { entity, .. } | Refusal::UnknownEntity { entity },
                )) => {
                    batch.retain(|(other, _)| other.id != entity);
                    again.push(entity);
                    open.push(batch);
                }
                Err(Error::Refused(refusal)) if batch.len() == 1 => {
                    tracing::debug!(entity = %batch[0].0.id, %refusal, "an entity keeps its value");
                    ty.converting().for_each(|(variable, _)| pass.leaves(variable.id));
                }
                // One of them is at fault.
                Err(Error::Refused(_)) => open.extend(batch.into_iter().map(|one| vec![one])),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Commits; while too many others wait, it waits too.
    async fn commit(&self, transaction: Transaction) -> Result<()> {
        loop {
            match self.store.commit(transaction.clone()).await {
                Err(Error::Busy { .. }) => tokio::time::sleep(RETRY).await,
                outcome => return outcome.map(drop),
            }
        }
    }
}

/// What converts the entity's values; none if there is nothing to do. What does not convert is counted.
fn converted(entity: &Entity, ty: &ComponentType, pass: &mut Pass) -> Option<Patch> {
    let held = entity.components.0.get(&ty.id)?;
    let mut own = ComponentPatch::default();
    for (variable, converts) in ty.converting() {
        let Some(old) = held.get(&converts.from) else { continue };
        if !held.contains_key(&variable.id) {
            let Some(value) = converts.conversion.apply(old, variable.kind()) else {
                pass.leaves(variable.id);
                continue;
            };
            own.variables.insert(variable.id, Some(value));
        }
        own.variables.insert(converts.from, None);
    }
    let patch = Patch { components: [(ty.id, own)].into(), ..Patch::default() };
    (!patch.components[&ty.id].variables.is_empty()).then_some(patch)
}
