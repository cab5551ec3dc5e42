//! The back of the loader: reads what exists, writes what differs, settles what came of it, in the order of the source.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use entitygraph_schema::{
    Catalog, Entity, EntityId, Link, LinkKind, NewEntity, Operation, Refusal, Transaction, query::PageRequest,
};
use entitygraph_store::{Error, Store};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    compare::{self, Verdict},
    item::{Origin, Problem, Sourced},
    loader::{LoadError, LoadOptions},
    progress::Progress,
    report::Report,
};

/// What goes into one transaction.
pub(super) struct Batch {
    pub parts: Vec<Part>,
    /// What the parts' numbers of components and containers mean.
    pub catalog: Arc<Catalog>,
    /// Make everything up to here durable.
    pub sync: bool,
}

/// One item of a batch.
pub(super) enum Part {
    Entity(Box<Sourced<NewEntity>>),
    Link(Sourced<Link>),
}

impl Part {
    fn origin(&self) -> &Origin {
        match self {
            Self::Entity(entity) => &entity.origin,
            Self::Link(link) => &link.origin,
        }
    }
}

/// A part and what has to be done for it.
struct Planned {
    part: Part,
    verdict: Verdict,
}

/// A batch that was compared with the store.
struct Plan {
    parts: Vec<Planned>,
    catalog: Arc<Catalog>,
    sync: bool,
}

/// What the store has of a batch.
#[derive(Default)]
struct Found {
    entities: HashMap<EntityId, Arc<Entity>>,
    links: HashMap<(LinkKind, EntityId, EntityId), f64>,
}

pub(super) struct Pipeline {
    writer: Writer,
    progress: Arc<dyn Progress>,
    report: Report,
    /// Entities that are not in the store because they or something above them was refused.
    refused: HashSet<EntityId>,
    /// In a dry run, entities that would be there by now.
    rehearsed: HashSet<EntityId>,
}

/// What the stages share.
#[derive(Clone)]
struct Writer {
    store: Arc<dyn Store>,
    options: LoadOptions,
    /// The store had no entity when the load began.
    empty: bool,
}

impl Pipeline {
    /// Batches that are read ahead of the ones being written.
    const READS: usize = 4;
    /// Wait before a busy store is asked again, growing to this.
    const BUSY_WAIT_MAX: Duration = Duration::from_millis(500);

    pub fn new(
        store: Arc<dyn Store>,
        options: LoadOptions,
        empty: bool,
        progress: Arc<dyn Progress>,
    ) -> Self {
        let report = Report { dry_run: options.dry_run, ..Report::default() };
        let writer = Writer { store, options, empty };
        Self { writer, progress, report, refused: HashSet::new(), rehearsed: HashSet::new() }
    }

    /// Carries batches until the sender is gone. Both stages give their results in the order of the batches and start
    /// their calls in that order, so that a store which queues writes as they come applies parents first.
    pub async fn run(mut self, batches: mpsc::Receiver<Batch>) -> Result<Report, LoadError> {
        let (reader, writer) = (self.writer.clone(), self.writer.clone());
        let in_flight = self.writer.options.in_flight.max(1);
        let written = ReceiverStream::new(batches)
            .map(|batch| reader.plan(batch))
            .buffered(Self::READS)
            .map(|planned| writer.write(planned))
            .buffered(in_flight);
        let mut written = std::pin::pin!(written);
        while let Some(result) = written.next().await {
            let settled = match result {
                Ok((plan, outcome)) => self.settle(plan, outcome).await,
                Err(error) => Err(error),
            };
            if let Err(source) = settled {
                return Err(LoadError::Store { report: Box::new(self.report), source });
            }
        }
        if !self.writer.options.dry_run
            && let Err(source) = self.writer.store.sync().await
        {
            return Err(LoadError::Store { report: Box::new(self.report), source });
        }
        Ok(self.report)
    }

    async fn settle(&mut self, plan: Plan, outcome: Outcome) -> Result<(), Error> {
        let count = plan.parts.len() as u64;
        match outcome {
            Outcome::Written => plan.parts.iter().for_each(|planned| self.count(planned)),
            Outcome::Rehearsed => self.rehearse(plan).await?,
            Outcome::Again => {
                self.carefully(plan.parts.into_iter().map(|planned| planned.part).collect()).await?
            }
        }
        self.progress.items(count);
        Ok(())
    }

    /// Writes parts whose transaction was refused: now that everything before them is settled once more, then in halves.
    async fn carefully(&mut self, parts: Vec<Part>) -> Result<(), Error> {
        let mut open = vec![parts];
        let mut wait = Duration::from_millis(5);
        while let Some(parts) = open.pop() {
            let parts = self.without_orphans(parts);
            let found = self.writer.find(&parts).await?;
            let planned = self.writer.compare(parts, &found);
            match self.writer.accept(&planned).await {
                Ok(()) => planned.into_iter().for_each(|planned| self.count(&planned)),
                Err(Error::Busy { .. }) => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Self::BUSY_WAIT_MAX);
                    open.push(planned.into_iter().map(|planned| planned.part).collect());
                }
                Err(Error::Refused(refusal)) => {
                    let mut parts: Vec<_> = planned.into_iter().map(|planned| planned.part).collect();
                    if parts.len() > 1 {
                        let right = parts.split_off(parts.len() / 2);
                        open.push(right);
                        open.push(parts);
                    } else {
                        parts.into_iter().for_each(|part| self.refuse(part, &refusal.to_string()));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes out and reports what is below something that was refused.
    fn without_orphans(&mut self, parts: Vec<Part>) -> Vec<Part> {
        let mut kept = Vec::with_capacity(parts.len());
        for part in parts {
            match &part {
                Part::Entity(entity) => match entity.value.placement.parent {
                    Some(parent) if self.refused.contains(&parent) => {
                        self.refuse(part, &format!("it is below entity {parent}, which did not go in"));
                    }
                    _ => kept.push(part),
                },
                Part::Link(_) => kept.push(part),
            }
        }
        kept
    }

    /// Judges what a transaction would be refused for, as far as that can be said without writing.
    async fn rehearse(&mut self, plan: Plan) -> Result<(), Error> {
        let mut wanted: Vec<_> = plan.parts.iter().flat_map(|planned| needs(&planned.part)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|id| !self.rehearsed.contains(id));
        let there: HashSet<_> = self.writer.entities(&wanted).await?.into_keys().collect();
        for planned in plan.parts {
            if let Part::Entity(entity) = &planned.part {
                // Later parts of the same batch may stand below it.
                self.rehearsed.insert(entity.value.id);
            }
            let missing = needs(&planned.part)
                .into_iter()
                .find(|id| self.refused.contains(id) || !(self.rehearsed.contains(id) || there.contains(id)));
            if let Some(missing) = missing {
                let reason = format!(
                    "it needs entity {missing}, which is neither in the source before it nor in the store"
                );
                self.refuse(planned.part, &reason);
            } else if let Some(refusal) = ill_formed(&planned.part, &plan.catalog) {
                self.refuse(planned.part, &refusal.to_string());
            } else {
                self.count(&planned);
            }
        }
        Ok(())
    }

    fn count(&mut self, planned: &Planned) {
        if let Verdict::Refuse(reason) = &planned.verdict {
            // It is there, as something else: what is below it may still go in.
            return self.note(&planned.part, reason.clone());
        }
        let tally = match &planned.part {
            Part::Entity(entity) => self.report.entities.entry(entity.value.kind.to_string()).or_default(),
            Part::Link(link) => self.report.links.entry(link.value.kind.to_string()).or_default(),
        };
        match planned.verdict {
            Verdict::Create => tally.created += 1,
            Verdict::Update(_) => tally.updated += 1,
            Verdict::Unchanged => tally.unchanged += 1,
            Verdict::Refuse(_) => {}
        }
    }

    fn refuse(&mut self, part: Part, reason: &str) {
        if let Part::Entity(entity) = &part {
            self.refused.insert(entity.value.id);
        }
        self.note(&part, reason.to_owned());
    }

    fn note(&mut self, part: &Part, reason: String) {
        let tally = match part {
            Part::Entity(entity) => self.report.entities.entry(entity.value.kind.to_string()).or_default(),
            Part::Link(link) => self.report.links.entry(link.value.kind.to_string()).or_default(),
        };
        tally.refused += 1;
        self.report.problem(Problem::new(part.origin().clone(), reason), self.writer.options.problems_max);
    }
}

/// What came of a batch's transaction.
enum Outcome {
    Written,
    /// A dry run wrote nothing.
    Rehearsed,
    /// Nothing of it was applied: try again with more care.
    Again,
}

impl Writer {
    async fn plan(&self, batch: Batch) -> Result<Plan, Error> {
        let Batch { parts, catalog, sync } = batch;
        let found = if self.empty { Found::default() } else { self.find(&parts).await? };
        Ok(Plan { parts: self.compare(parts, &found), catalog, sync })
    }

    async fn write(&self, plan: Result<Plan, Error>) -> Result<(Plan, Outcome), Error> {
        let plan = plan?;
        if self.options.dry_run {
            return Ok((plan, Outcome::Rehearsed));
        }
        let outcome = match self.accept(&plan.parts).await {
            Ok(()) => Outcome::Written,
            Err(Error::Refused(_) | Error::Busy { .. }) => Outcome::Again,
            Err(error) => return Err(error),
        };
        if plan.sync {
            self.store.sync().await?;
        }
        Ok((plan, outcome))
    }

    async fn accept(&self, planned: &[Planned]) -> Result<(), Error> {
        let mut operations: Vec<Operation> = Vec::with_capacity(planned.len());
        for planned in planned {
            match (&planned.verdict, &planned.part) {
                (Verdict::Create, Part::Entity(entity)) => {
                    operations.push(Operation::Create(entity.value.clone()))
                }
                (Verdict::Create, Part::Link(link)) => operations.push(Operation::Link(link.value.clone())),
                (Verdict::Update(steps), _) => operations.extend(steps.iter().cloned()),
                (Verdict::Unchanged | Verdict::Refuse(_), _) => {}
            }
        }
        if !operations.is_empty() {
            self.store.accept(Transaction::of(operations)).await?;
        }
        Ok(())
    }

    fn compare(&self, parts: Vec<Part>, found: &Found) -> Vec<Planned> {
        let existing = self.options.existing;
        let verdict = |part: &Part| match part {
            Part::Entity(entity) => {
                let found = found.entities.get(&entity.value.id);
                compare::entity(&entity.value, found.map(|found| &**found), existing)
            }
            Part::Link(Sourced { value: link, .. }) => {
                compare::link(link, found.links.get(&(link.kind.clone(), link.a, link.b)).copied(), existing)
            }
        };
        parts.into_iter().map(|part| Planned { verdict: verdict(&part), part }).collect()
    }

    async fn find(&self, parts: &[Part]) -> Result<Found, Error> {
        let ids = parts.iter().filter_map(|part| match part {
            Part::Entity(entity) => Some(entity.value.id),
            Part::Link(_) => None,
        });
        let entities = self.entities(&ids.collect::<Vec<_>>()).await?;
        let mut links = HashMap::new();
        let ends: HashSet<_> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Entity(_) => None,
                Part::Link(link) => Some(link.value.a),
            })
            .collect();
        for end in ends {
            self.links_of(end, &mut links).await?;
        }
        Ok(Found { entities, links })
    }

    async fn entities(&self, ids: &[EntityId]) -> Result<HashMap<EntityId, Arc<Entity>>, Error> {
        let mut found = HashMap::new();
        for ids in ids.chunks(PageRequest::MAX_FIRST) {
            let answer = self.store.entities(ids).await?;
            found.extend(answer.value.into_iter().flatten().map(|entity| (entity.id, entity)));
        }
        Ok(found)
    }

    async fn links_of(
        &self,
        end: EntityId,
        links: &mut HashMap<(LinkKind, EntityId, EntityId), f64>,
    ) -> Result<(), Error> {
        let mut page = PageRequest::first(1_000);
        loop {
            let answer = match self.store.links(end, page.clone()).await {
                Ok(answer) => answer.value,
                // It is on its way in: it has no links yet.
                Err(Error::Refused(Refusal::UnknownEntity { .. })) => return Ok(()),
                Err(error) => return Err(error),
            };
            page.after = answer.rows.last().map(|(_, cursor)| cursor.clone());
            links.extend(answer.rows.into_iter().map(|(link, _)| ((link.kind, link.a, link.b), link.cost)));
            if !answer.more {
                return Ok(());
            }
        }
    }
}

/// Entities that must be there for the part to go in.
fn needs(part: &Part) -> Vec<EntityId> {
    match part {
        Part::Entity(entity) => entity.value.placement.parent.into_iter().collect(),
        Part::Link(link) => vec![link.value.a, link.value.b],
    }
}

/// What is wrong with a part by itself.
fn ill_formed(part: &Part, catalog: &Catalog) -> Option<Refusal> {
    let Part::Entity(entity) = part else { return None };
    let new = &entity.value;
    let place = &new.placement;
    if place.parent.is_none() && (new.zone.is_none() || place.pose.is_some() || place.port.is_some()) {
        return Some(Refusal::RootNotZone { entity: new.id });
    }
    catalog.registry.check(&new.components).err()
}
