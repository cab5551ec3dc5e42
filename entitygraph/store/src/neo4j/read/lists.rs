//! Entities by id, the way up, and plain lists.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use entitygraph_schema::{
    Entity, EntityId, EntityName, OwnerId, Refusal,
    query::{ChildOrder, Page, PageRequest},
};
use neo4rs::{Query, Row};

use super::{limit, page};
use crate::{
    error::Result,
    memory::pages::{self, Key, Part},
    neo4j::{
        concern::{Aspects, Concern},
        moment::{Judged, Question, Reading},
        number::{of_rank, parent as number_of, shown},
        shared::Shared,
        statement::{Statement, list},
        statements as cypher,
    },
};

/// See [`crate::Store::entities`].
pub struct Entities<'a>(pub &'a [EntityId]);

impl Entities<'_> {
    /// Refuses more ids than a page has rows.
    pub fn check(&self) -> std::result::Result<(), Refusal> {
        let (count, max) = (self.0.len() as u64, PageRequest::MAX_FIRST as u64);
        if count > max { Err(Refusal::TooMany { what: "ids in one question", count, max }) } else { Ok(()) }
    }
}

#[async_trait]
impl Question for Entities<'_> {
    type Answer = Vec<Option<Arc<Entity>>>;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>> {
        let found = by_id(reading, self.0).await?;
        let found = self.0.iter().map(|id| found.get(id).cloned()).collect();
        Ok((Concern::entities(self.0.iter().copied()), Ok(found)))
    }
}

/// Those of the entities that exist.
pub async fn by_id(reading: &mut Reading<'_>, ids: &[EntityId]) -> Result<HashMap<EntityId, Arc<Entity>>> {
    let asked = list(ids.iter().map(|id| shown(*id).into()));
    let row = reading.ask(cypher::ENTITIES, cypher::ENTITIES.query().param("ids", asked)).await?;
    Ok(records(reading.shared(), &row)?.into_iter().map(|entity| (entity.id, entity)).collect())
}

/// The entities whose records are an answer.
fn records(shared: &Shared, row: &Row) -> Result<Vec<Arc<Entity>>> {
    let records: Vec<&[u8]> = shared.column(row, "answer")?;
    records.into_iter().map(|record| Ok(Arc::new(shared.decode("an entity", record)?))).collect()
}

/// See [`crate::Store::ancestors`].
pub struct Ancestors(pub EntityId);

#[async_trait]
impl Question for Ancestors {
    type Answer = Vec<Arc<Entity>>;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>> {
        let entity = self.0;
        let row =
            reading.ask(cypher::ANCESTORS, cypher::ANCESTORS.query().param("id", shown(entity))).await?;
        let mut found: HashMap<_, _> =
            records(reading.shared(), &row)?.into_iter().map(|entity| (entity.id, entity)).collect();
        let concern = Concern::entities(found.keys().copied().chain([entity]));
        let Some(itself) = found.remove(&entity) else {
            return Ok((concern, Err(Refusal::UnknownEntity { entity })));
        };
        let mut way = Vec::with_capacity(found.len());
        let mut next = itself.placement.parent;
        while let Some(above) = next.and_then(|id| found.remove(&id)) {
            next = above.placement.parent;
            way.push(above);
        }
        Ok((concern, Ok(way)))
    }
}

/// See [`crate::Store::children`].
pub struct Children {
    parent: Option<EntityId>,
    order: ChildOrder,
    name: String,
    request: PageRequest,
    statement: Statement,
    query: Query,
}

impl Children {
    /// Refuses pages and cursors that cannot be.
    pub fn new(
        parent: Option<EntityId>,
        order: ChildOrder,
        request: PageRequest,
    ) -> std::result::Result<Self, Refusal> {
        let name = format!("children {parent:?} {order:?}");
        let after = pages::after(&name, &request)?;
        let statement = match order {
            ChildOrder::Ordinal => cypher::CHILDREN,
            ChildOrder::Name => cypher::CHILDREN_BY_NAME,
        };
        let query = statement.query().param("parent", number_of(parent)).param("limit", limit(&request));
        let query = match (order, after.as_deref()) {
            (ChildOrder::Ordinal, None) => query.param("ordinal", i64::MIN).param("rank", i64::MIN),
            (ChildOrder::Name, None) => query.param("folded", "").param("rank", i64::MIN),
            (ChildOrder::Ordinal, Some([Part::Int(ordinal), Part::Int(rank)])) => {
                query.param("ordinal", *ordinal).param("rank", *rank)
            }
            (ChildOrder::Name, Some([Part::Text(folded), Part::Int(rank)])) => {
                query.param("folded", folded.as_str()).param("rank", *rank)
            }
            _ => return Err(Refusal::BadPageCursor),
        };
        Ok(Self { parent, order, name, request, statement, query })
    }

    fn concern(&self) -> Concern {
        let aspect = match self.order {
            ChildOrder::Ordinal => Aspects::ORDER,
            ChildOrder::Name => Aspects::NAMES,
        };
        match self.parent {
            Some(parent) => Concern::world(aspect).with([parent]),
            None => Concern::world(aspect.and(Aspects::STRUCTURE)),
        }
    }
}

#[async_trait]
impl Question for Children {
    type Answer = Page<EntityId>;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>> {
        let row = reading.ask(self.statement, self.query.clone()).await?;
        let shared = reading.shared();
        let (known, rows) = match self.order {
            ChildOrder::Ordinal => {
                let (known, rows): (bool, Vec<(i64, i64)>) = shared.column(&row, "answer")?;
                (known, rows.into_iter().map(|(ordinal, rank)| (Part::Int(ordinal), rank)).collect())
            }
            ChildOrder::Name => {
                let (known, rows): (bool, Vec<(&str, i64)>) = shared.column(&row, "answer")?;
                (
                    known,
                    rows.into_iter().map(|(folded, rank)| (Part::Text(folded.to_owned()), rank)).collect(),
                )
            }
        };
        if let Some(entity) = self.parent.filter(|_| !known) {
            return Ok((self.concern(), Err(Refusal::UnknownEntity { entity })));
        }
        Ok((self.concern(), page(&self.name, &self.request, ranked(rows))))
    }
}

fn ranked(rows: Vec<(Part, i64)>) -> Vec<(Key, EntityId)> {
    rows.into_iter()
        .filter_map(|(place, rank)| Some((vec![place, Part::Int(rank)], of_rank(rank)?)))
        .collect()
}

/// Rows of a text and a rank: see [`crate::Store::owned`] and [`crate::Store::named`].
pub struct Places {
    name: String,
    request: PageRequest,
    statement: Statement,
    query: Query,
    aspects: Aspects,
}

impl Places {
    /// What somebody owns.
    pub fn owned(owner: &OwnerId, request: PageRequest) -> std::result::Result<Self, Refusal> {
        let name = format!("owned {owner:?}");
        let rank = match pages::after(&name, &request)?.as_deref() {
            None => i64::MIN,
            Some([Part::Text(_), Part::Int(rank)]) => *rank,
            Some(_) => return Err(Refusal::BadPageCursor),
        };
        let query = cypher::OWNED
            .query()
            .param("owner", owner.as_str())
            .param("rank", rank)
            .param("limit", limit(&request));
        Ok(Self { name, request, statement: cypher::OWNED, query, aspects: Aspects::OWNERS })
    }

    /// Names that begin with a text.
    pub fn named(prefix: &str, request: PageRequest) -> std::result::Result<Self, Refusal> {
        EntityName::check_prefix(prefix)?;
        let prefix = prefix.to_lowercase();
        let name = format!("named {prefix:?}");
        let query = cypher::NAMED.query().param("limit", limit(&request)).param("prefix", prefix.as_str());
        let query = match pages::after(&name, &request)?.as_deref() {
            // The prefix itself is a name too: its rows come before all that are longer.
            None => query.param("folded", prefix.as_str()).param("rank", i64::MIN),
            Some([Part::Text(folded), Part::Int(rank)]) => {
                query.param("folded", folded.as_str()).param("rank", *rank)
            }
            Some(_) => return Err(Refusal::BadPageCursor),
        };
        Ok(Self { name, request, statement: cypher::NAMED, query, aspects: Aspects::NAMES })
    }
}

#[async_trait]
impl Question for Places {
    type Answer = Page<EntityId>;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>> {
        let row = reading.ask(self.statement, self.query.clone()).await?;
        let rows: Vec<(&str, i64)> = reading.shared().column(&row, "answer")?;
        let rows = rows.into_iter().map(|(place, rank)| (Part::Text(place.to_owned()), rank)).collect();
        Ok((Concern::world(self.aspects), page(&self.name, &self.request, ranked(rows))))
    }
}
