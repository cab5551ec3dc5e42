//! What the stages of the pipeline do with a batch: read what exists, compare, write.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use entitygraph_schema::{
    Catalog, Entity, EntityId, Link, LinkKind, NewEntity, Operation, Refusal, Transaction, query::PageRequest,
};
use entitygraph_store::{Error, Store};

use super::{
    compare::{self, Verdict},
    item::{Origin, Sourced},
    loader::LoadOptions,
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
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Entity(entity) => &entity.origin,
            Self::Link(link) => &link.origin,
        }
    }
}

/// A part and what has to be done for it.
pub(super) struct Planned {
    pub part: Part,
    pub verdict: Verdict,
}

/// A batch that was compared with the store.
pub(super) struct Plan {
    pub parts: Vec<Planned>,
    pub catalog: Arc<Catalog>,
    pub sync: bool,
}

/// What the store has of a batch.
#[derive(Default)]
pub(super) struct Found {
    pub entities: HashMap<EntityId, Arc<Entity>>,
    pub links: HashMap<(LinkKind, EntityId, EntityId), f64>,
}

/// What the stages share.
#[derive(Clone)]
pub(super) struct Writer {
    pub store: Arc<dyn Store>,
    pub options: LoadOptions,
    /// The store had no entity when the load began.
    pub empty: bool,
}

/// What came of a batch's transaction.
pub(super) enum Outcome {
    Written,
    /// A dry run wrote nothing.
    Rehearsed,
    /// Nothing of it was applied: try again with more care.
    Again,
}

impl Writer {
    pub async fn plan(&self, batch: Batch) -> Result<Plan, Error> {
        let Batch { parts, catalog, sync } = batch;
        let found = if self.empty { Found::default() } else { self.find(&parts).await? };
        Ok(Plan { parts: self.compare(parts, &found), catalog, sync })
    }

    pub async fn write(&self, plan: Result<Plan, Error>) -> Result<(Plan, Outcome), Error> {
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

    pub async fn accept(&self, planned: &[Planned]) -> Result<(), Error> {
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

    pub fn compare(&self, parts: Vec<Part>, found: &Found) -> Vec<Planned> {
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

    pub async fn find(&self, parts: &[Part]) -> Result<Found, Error> {
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

    pub async fn entities(&self, ids: &[EntityId]) -> Result<HashMap<EntityId, Arc<Entity>>, Error> {
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
