//! Links of an entity and of a zone.

use async_trait::async_trait;
use entitygraph_schema::{
    EntityId, Link, Refusal,
    query::{Page, PageRequest},
};

use super::{limit, page};
use crate::{
    error::Result,
    memory::pages::{self, Key, Part},
    neo4j::{
        concern::{Aspects, Concern},
        link_row::LinkRow,
        moment::{Judged, Question, Reading},
        number::{rank, shown},
        shared::Shared,
        statements as cypher,
    },
};

/// What the links of zones depend on.
pub const ASPECTS: Aspects = Aspects::LINKS.and(Aspects::STRUCTURE).and(Aspects::ZONES);

/// See [`crate::Store::links`].
pub struct Links {
    entity: EntityId,
    name: String,
    after: (String, i64),
    request: PageRequest,
}

impl Links {
    /// Refuses pages and cursors that cannot be.
    pub fn new(entity: EntityId, request: PageRequest) -> std::result::Result<Self, Refusal> {
        let name = format!("links {entity:?}");
        let after = match pages::after(&name, &request)?.as_deref() {
            None => (String::new(), i64::MIN),
            Some([Part::Text(kind), Part::Int(rank)]) => (kind.clone(), *rank),
            Some(_) => return Err(Refusal::BadPageCursor),
        };
        Ok(Self { entity, name, after, request })
    }
}

#[async_trait]
impl Question for Links {
    type Answer = Page<Link>;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>> {
        let entity = self.entity;
        let concern = Concern::world(Aspects::LINKS).with([entity]);
        let query = cypher::LINKS
            .query()
            .param("id", shown(entity))
            .param("kind", self.after.0.as_str())
            .param("rank", self.after.1)
            .param("limit", limit(&self.request));
        let row = reading.ask(cypher::LINKS, query).await?;
        let shared = reading.shared();
        let (known, rows): (bool, Vec<LinkRow<'_>>) = shared.column(&row, "answer")?;
        if !known {
            return Ok((concern, Err(Refusal::UnknownEntity { entity })));
        }
        let key = |link: &Link| vec![Part::Text(link.kind.to_string()), Part::Int(rank(link.other(entity)))];
        Ok((concern, page(&self.name, &self.request, keyed(shared, rows, key)?)))
    }
}

/// Links with their places in a list.
fn keyed(shared: &Shared, rows: Vec<LinkRow<'_>>, key: impl Fn(&Link) -> Key) -> Result<Vec<(Key, Link)>> {
    let read = |row: LinkRow<'_>| {
        let link = row.read(shared)?.link;
        Ok((key(&link), link))
    };
    rows.into_iter().map(read).collect()
}

/// See [`crate::Store::zone_links`].
pub struct ZoneLinks {
    zone: EntityId,
    name: String,
    /// Kind, lower end and higher end of the link that the page begins behind.
    after: (String, i64, i64),
    request: PageRequest,
}

impl ZoneLinks {
    /// Refuses pages and cursors that cannot be.
    pub fn new(zone: EntityId, request: PageRequest) -> std::result::Result<Self, Refusal> {
        let name = format!("zone links {zone:?}");
        let after = match pages::after(&name, &request)?.as_deref() {
            None => (String::new(), i64::MIN, i64::MIN),
            Some([Part::Text(kind), Part::Int(low), Part::Int(high)]) => (kind.clone(), *low, *high),
            Some(_) => return Err(Refusal::BadPageCursor),
        };
        Ok(Self { zone, name, after, request })
    }
}

#[async_trait]
impl Question for ZoneLinks {
    type Answer = Page<Link>;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>> {
        let entity = self.zone;
        let concern = Concern::world(ASPECTS).with([entity]);
        let (kind, low, high) = &self.after;
        let query = cypher::ZONE_LINKS
            .query()
            .param("zone", shown(entity))
            .param("kind", kind.as_str())
            .param("low", *low)
            .param("high", *high)
            .param("limit", limit(&self.request));
        let row = reading.ask(cypher::ZONE_LINKS, query).await?;
        let shared = reading.shared();
        let (known, zone, rows): (bool, bool, Vec<LinkRow<'_>>) = shared.column(&row, "answer")?;
        match (known, zone) {
            (false, _) => return Ok((concern, Err(Refusal::UnknownEntity { entity }))),
            (true, false) => return Ok((concern, Err(Refusal::NotAZone { entity }))),
            (true, true) => {}
        }
        let key = |link: &Link| {
            vec![Part::Text(link.kind.to_string()), Part::Int(rank(link.a)), Part::Int(rank(link.b))]
        };
        Ok((concern, page(&self.name, &self.request, keyed(shared, rows, key)?)))
    }
}
