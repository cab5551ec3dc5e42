//! A batch: planned request by request, written as one transaction.

use std::{collections::HashSet, sync::Arc};

use entitygraph_schema::{
    Change, Commit, Cursor, EntityId, IdRange, Receipt, Refusal, Transaction as Body,
    codec::{self, fingerprint},
};
use neo4rs::BoltType;

use super::{
    Request,
    create::create,
    lower::Rows,
    scene::{Scene, ShardRow},
    seal::{Outcome, Seal},
};
use crate::{
    contract::last_move,
    error::{Error, Result},
    keyed::options::WriterOptions,
    memory::apply,
    neo4j::{
        client::Transaction,
        log::{Logged, pages},
        number::{of_rank, rank, shown},
        shared::Shared,
        statement::{Statement, bytes, list, map},
        statements as cypher,
    },
};

/// Most ids of one lease.
const MAX_LEASE: u64 = 1 << 32;

/// What a caller is told once the batch is written.
enum Planned {
    Receipt(Result<Receipt>),
    Lease(Result<IdRange>),
}

/// See the module.
pub struct Batch {
    /// What became of it in the change sequence.
    pub commits: Vec<Logged>,
    records: Vec<Vec<u8>>,
    /// Entities that may differ from before.
    pub touched: HashSet<EntityId>,
    outcomes: Vec<Outcome>,
    newest: u64,
    lease: Option<u64>,
    published: bool,
    planned: Vec<Planned>,
}

fn refuse_above(what: &'static str, count: usize, max: usize) -> Result<()> {
    let (count, max) = (count as u64, max as u64);
    if count > max { Err(Refusal::TooMany { what, count, max }.into()) } else { Ok(()) }
}

impl Batch {
    /// Nothing yet, on a scene.
    pub fn new(scene: &Scene) -> Self {
        Self {
            commits: Vec::new(),
            records: Vec::new(),
            touched: HashSet::new(),
            outcomes: Vec::new(),
            newest: scene.shard.cursor,
            lease: None,
            published: false,
            planned: Vec::new(),
        }
    }

    /// Plans a transaction on what the earlier ones left.
    pub fn apply(&mut self, scene: &mut Scene, body: &Body, limits: &WriterOptions) {
        let outcome = self.plan(scene, body, limits);
        self.planned.push(Planned::Receipt(outcome));
    }

    fn plan(&mut self, scene: &mut Scene, body: &Body, limits: &WriterOptions) -> Result<Receipt> {
        let named = body.operation_id.clone().map(|id| (id, fingerprint(body)));
        if let Some((id, print)) = &named
            && let Some((first, cursor)) = scene.operations.get(id)
        {
            if first != print {
                return Err(Refusal::OperationReused { operation_id: id.clone() }.into());
            }
            return Ok(Receipt { cursor: Cursor::from_number(*cursor), replayed: true });
        }
        let max = limits.transaction_operations;
        refuse_above("operations in one transaction", body.operations.len(), max)?;
        // As many as one commit of another store with these limits may have changed.
        refuse_above(
            "operations and adopted entities in one transaction",
            body.weight(),
            max.saturating_add(limits.touched),
        )?;
        let changes = apply::transaction(&mut scene.world, body)?;
        let idle = changes.is_empty();
        if !idle {
            self.newest += 1;
            self.touch(&changes);
            let cursor = Cursor::from_number(self.newest);
            let commit = Commit { cursor, operation_id: body.operation_id.clone(), changes };
            let record = codec::encoded(&commit);
            self.commits.push((Arc::new(commit), record.len()));
            self.records.push(record);
        }
        if let Some((id, fingerprint)) = named {
            scene.operations.insert(id.clone(), (fingerprint, self.newest));
            self.outcomes.push(Outcome { id, fingerprint, cursor: self.newest, idle });
        }
        Ok(Receipt { cursor: Cursor::from_number(self.newest), replayed: false })
    }

    fn touch(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Created(entity) | Change::Buried(entity) => self.touched.extend([entity.id]),
                Change::Changed { entity, .. } | Change::Entombed(entity) => self.touched.extend([*entity]),
                Change::Component(_) | Change::Container(_) => self.published = true,
                Change::Linked(_) | Change::Unlinked { .. } => {}
            }
        }
    }

    /// Leases ids that are and were nobody's.
    pub async fn lease(
        &mut self,
        shared: &Shared,
        transaction: &mut Transaction,
        scene: &Scene,
        count: u64,
    ) -> Result<()> {
        let next = self.lease.unwrap_or(scene.shard.lease);
        let outcome = match self.free_range(shared, transaction, next, count).await {
            Err(error) if !matches!(error, Error::Refused(_)) => return Err(error),
            outcome => outcome,
        };
        if let Ok(range) = &outcome {
            self.lease = Some(range.first.get().wrapping_add(range.count));
        }
        self.planned.push(Planned::Lease(outcome));
        Ok(())
    }

    async fn free_range(
        &self,
        shared: &Shared,
        transaction: &mut Transaction,
        mut first: u64,
        count: u64,
    ) -> Result<IdRange> {
        if count == 0 {
            let reason = "ask for at least one id".to_owned();
            return Err(Refusal::Invalid { what: "the id lease", reason }.into());
        }
        if count > MAX_LEASE {
            return Err(Refusal::TooMany { what: "ids in one lease", count, max: MAX_LEASE }.into());
        }
        loop {
            let start = EntityId::new(first).ok_or(Refusal::IdsExhausted)?;
            let end = start.checked_add(count - 1).ok_or(Refusal::IdsExhausted)?;
            let query = cypher::USED.query().param("first", rank(start)).param("last", rank(end));
            let row = shared.single(transaction.ask(cypher::USED, query).await?)?;
            let stored: [Option<i64>; 2] = [shared.column(&row, "living")?, shared.column(&row, "dead")?];
            let made = self.touched.iter().copied().filter(|id| (start..=end).contains(id)).max();
            let used = stored.into_iter().flatten().filter_map(of_rank).max().max(made);
            match used {
                Some(used) => first = used.get().checked_add(1).ok_or(Refusal::IdsExhausted)?,
                None => return Ok(IdRange { first: start, count }),
            }
        }
    }

    /// Whether there is anything to write.
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.outcomes.is_empty() && self.lease.is_none()
    }

    /// The number of the last commit.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// How far the shard is after it; `mark` names the batch, so that it is known again when the answer to the commit is lost.
    pub fn shard(&self, scene: &Scene, rows: &mut Rows, mark: String) -> ShardRow {
        let before = &scene.shard;
        let bytes = self.records.iter().map(|record| record.len() as u64).sum::<u64>();
        ShardRow {
            cursor: self.newest,
            lease: self.lease.unwrap_or(before.lease),
            facet_sets: before.facet_sets + rows.sets.count(),
            census: rows.census.take().unwrap_or_else(|| before.census.clone()),
            idle: before.idle + self.outcomes.iter().filter(|outcome| outcome.idle).count() as u64,
            log_end: before.log_end + bytes,
            mark,
            begun: before.begun,
            moved: last_move(self.commits.iter().map(|(commit, _)| &**commit)).cloned(),
        }
    }

    /// Writes everything; the transaction is still to be committed.
    pub async fn write(
        &mut self,
        transaction: &mut Transaction,
        scene: &Scene,
        rows: &mut Rows,
        seal: Seal<'_>,
    ) -> Result<()> {
        if self.published {
            self.publish(transaction, scene).await?;
        }
        create(transaction, std::mem::take(&mut rows.create)).await?;
        let lists: [(Statement, Vec<BoltType>); 7] = [
            (cypher::RELABEL, std::mem::take(&mut rows.relabel)),
            (cypher::MOVE, std::mem::take(&mut rows.moves)),
            (cypher::OWN, std::mem::take(&mut rows.own)),
            (cypher::UNLINK, std::mem::take(&mut rows.unlink)),
            (cypher::BURY, std::mem::take(&mut rows.bury)),
            (cypher::LINK, std::mem::take(&mut rows.link)),
            (cypher::ENTOMB, std::mem::take(&mut rows.entomb)),
        ];
        for (statement, rows) in lists {
            transaction.run_rows(statement, rows).await?;
        }
        let records = std::mem::take(&mut self.records);
        let pages = pages(&self.commits, records);
        let updates = std::mem::take(&mut rows.update);
        let updates = updates.into_iter().map(|(id, properties)| {
            map([("id", shown(id).into()), ("properties", BoltType::Map(properties))])
        });
        seal.write(transaction, updates.collect(), &self.outcomes, pages, &rows.sets).await
    }

    async fn publish(&self, transaction: &mut Transaction, scene: &Scene) -> Result<()> {
        let (mut components, mut containers) = (Vec::new(), Vec::new());
        for change in self.commits.iter().flat_map(|(commit, _)| &commit.changes) {
            match change {
                Change::Component(component) => components.push(component.id),
                Change::Container(container) => containers.push(container.id),
                _ => {}
            }
        }
        let catalog = &scene.world.catalog;
        let components = components.iter().filter_map(|id| catalog.registry.get(*id)).map(|component| {
            map([
                ("id", i64::from(component.id.get()).into()),
                ("name", component.name.as_str().into()),
                ("version", i64::from(component.version).into()),
                ("record", bytes(codec::encoded(&**component))),
            ])
        });
        let containers = containers.iter().filter_map(|id| catalog.container(*id)).map(|container| {
            map([
                ("id", i64::from(container.id.get()).into()),
                ("name", container.draft.name.as_str().into()),
                ("kind", container.draft.kind.as_str().into()),
                ("version", i64::from(container.version.number()).into()),
                ("record", bytes(codec::encoded(&**container))),
            ])
        });
        let query = cypher::PUBLISH
            .query()
            .param("components", list(components))
            .param("containers", list(containers));
        transaction.run(cypher::PUBLISH, query).await
    }

    /// Tells the callers, in the order in which they were planned.
    pub fn answer(self, requests: Vec<Request>) {
        for (request, planned) in requests.into_iter().zip(self.planned) {
            match (request, planned) {
                (Request::Apply { reply, .. }, Planned::Receipt(outcome)) => drop(reply.send(outcome)),
                (Request::Lease { reply, .. }, Planned::Lease(outcome)) => drop(reply.send(outcome)),
                // Planned in order, so these never meet; a caller that is told nothing learns that the writer stopped.
                (Request::Apply { .. }, _) | (Request::Lease { .. }, _) => {}
            }
        }
    }
}
