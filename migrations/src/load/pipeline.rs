//! The back of the loader: reads what exists, writes what differs, settles what came of it, in the order of the source.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use entitygraph_schema::{Catalog, Entity, EntityId, NewEntity, Operation, Refusal};
use entitygraph_store::{Error, Store};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    compare::Verdict,
    item::{Missing, Problem, Sourced},
    loader::{LoadError, LoadOptions},
    progress::Progress,
    report::Report,
    writer::{Batch, Outcome, Part, Plan, Planned, Writer},
};

pub(super) struct Pipeline {
    writer: Writer,
    progress: Arc<dyn Progress>,
    report: Report,
    /// Entities that are not in the store because they or something above them was refused.
    refused: HashSet<EntityId>,
    /// In a dry run, entities that would be there by now, and parents of theirs in the store; with how many are above each.
    rehearsed: HashMap<EntityId, usize>,
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
        Self { writer, progress, report, refused: HashSet::new(), rehearsed: HashMap::new() }
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
                        parts.into_iter().for_each(|part| self.refuse(&part, &refusal));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes out and reports what needs something that was refused.
    fn without_orphans(&mut self, mut parts: Vec<Part>) -> Vec<Part> {
        parts.retain(|part| match needs(part).into_iter().find(|id| self.refused.contains(id)) {
            Some(entity) => {
                self.refuse(part, &Refusal::UnknownEntity { entity });
                false
            }
            None => true,
        });
        parts
    }

    /// Judges what a transaction would be refused for, as far as that can be said without writing.
    async fn rehearse(&mut self, plan: Plan) -> Result<(), Error> {
        let mut wanted: Vec<_> = plan.parts.iter().flat_map(|planned| needs(&planned.part)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|id| !self.rehearsed.contains_key(id));
        let there: HashSet<_> = self.writer.entities(&wanted).await?.into_keys().collect();
        for planned in plan.parts {
            let missing = needs(&planned.part).into_iter().find(|id| {
                self.refused.contains(id) || !(self.rehearsed.contains_key(id) || there.contains(id))
            });
            let above = match (&planned.part, missing) {
                (Part::Entity(entity), None) => self.above(&entity.value).await?,
                _ => 0,
            };
            if let Part::Entity(entity) = &planned.part {
                // Later parts of the same batch may stand below it.
                self.rehearsed.insert(entity.value.id, above);
            }
            if let Some(entity) = missing {
                self.refuse(&planned.part, &Refusal::UnknownEntity { entity });
            } else if let Err(refusal) = judge(&planned, above, &plan.catalog) {
                self.refuse(&planned.part, &refusal);
            } else {
                self.count(&planned);
            }
        }
        Ok(())
    }

    /// How many entities are above one whose parent would be there.
    async fn above(&mut self, entity: &NewEntity) -> Result<usize, Error> {
        let Some(parent) = entity.placement.parent else { return Ok(0) };
        if let Some(above) = self.rehearsed.get(&parent) {
            return Ok(above + 1);
        }
        let above = self.writer.store.ancestors(parent).await?.value.len();
        self.rehearsed.insert(parent, above);
        Ok(above + 1)
    }

    fn count(&mut self, planned: &Planned) {
        if let Verdict::Refuse(reason) = &planned.verdict {
            // It is there, as something else: what is below it may still go in.
            return self.note(&planned.part, Problem::new(planned.part.origin().clone(), reason));
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

    fn refuse(&mut self, part: &Part, refusal: &Refusal) {
        let mut problem = Problem::new(part.origin().clone(), refusal);
        if let Refusal::UnknownEntity { entity } = refusal {
            problem = problem.because(Missing::Entity(*entity));
        }
        if let Part::Entity(entity) = part {
            self.refused.insert(entity.value.id);
            problem = problem.losing([Missing::Entity(entity.value.id)]);
        }
        self.note(part, problem);
    }

    fn note(&mut self, part: &Part, problem: Problem) {
        let tally = match part {
            Part::Entity(entity) => self.report.entities.entry(entity.value.kind.to_string()).or_default(),
            Part::Link(link) => self.report.links.entry(link.value.kind.to_string()).or_default(),
        };
        tally.refused += 1;
        self.report.problem(problem, self.writer.options.problems_max);
    }
}

/// Entities that must be there for the part to go in.
fn needs(part: &Part) -> Vec<EntityId> {
    match part {
        Part::Entity(entity) => entity.value.placement.parent.into_iter().collect(),
        Part::Link(link) => vec![link.value.a, link.value.b],
    }
}

/// What a store refuses by the rules of the schema, whatever is in it.
fn judge(planned: &Planned, above: usize, catalog: &Catalog) -> Result<(), Refusal> {
    let new = match &planned.part {
        Part::Link(Sourced { value: link, .. }) => return link.check_ends().and_then(|()| link.check_cost()),
        Part::Entity(entity) => &entity.value,
    };
    let place = &new.placement;
    if place.parent.is_none() && (new.zone.is_none() || place.pose.is_some() || place.port.is_some()) {
        return Err(Refusal::RootNotZone { entity: new.id });
    }
    let is_move = |step: &Operation| matches!(step, Operation::Reparent { .. });
    match &planned.verdict {
        Verdict::Create => Entity::check_ancestors(above)?,
        Verdict::Update(steps) if steps.iter().any(is_move) => Entity::check_ancestors(above)?,
        Verdict::Update(_) | Verdict::Unchanged | Verdict::Refuse(_) => {}
    }
    catalog.registry.check_own(new.id, &new.components)
}
