//! Links and routes over them.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use entitygraph_schema::{
    EntityId, Link, LinkKind, Refusal, Route,
    query::{Page, PageRequest},
};
use neo4rs::Row;

use super::{limit, lists::by_id, page};
use crate::{
    error::{Error, Result},
    keyed::route::{self, Passage},
    memory::pages::{self, Key, Part},
    neo4j::{
        concern::{Aspects, Concern},
        moment::{Judged, Question, Reading},
        number::{id, rank, shown},
        shared::Shared,
        statement::{list, null},
        statements as cypher,
    },
};

/// Zones whose links are read together.
const TOGETHER: usize = 1_024;

/// What the links of zones depend on.
const ASPECTS: Aspects = Aspects::LINKS.and(Aspects::STRUCTURE).and(Aspects::ZONES);

/// A link and the zones of its ends.
pub struct Joined {
    /// The link.
    pub link: Link,
    from: EntityId,
    to: EntityId,
}

/// The links that are an answer.
pub fn joined(shared: &Shared, row: &Row) -> Result<Vec<Joined>> {
    let rows: Vec<(&str, i64, i64, f64, i64, i64)> = shared.column(row, "answer")?;
    let read = |(kind, a, b, cost, from, to): (&str, i64, i64, f64, i64, i64)| {
        let link = Link { kind: kind.parse().ok()?, a: id(a)?, b: id(b)?, cost };
        Some(Joined { link, from: id(from)?, to: id(to)? })
    };
    let read: Option<Vec<_>> = rows.into_iter().map(read).collect();
    read.ok_or_else(|| shared.client.place.corrupt("a link has a bad kind or end"))
}

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
        if by_id(reading, &[entity]).await?.is_empty() {
            return Ok((concern, Err(Refusal::UnknownEntity { entity })));
        }
        let query = cypher::LINKS
            .query()
            .param("id", shown(entity))
            .param("kind", self.after.0.as_str())
            .param("rank", self.after.1)
            .param("limit", limit(&self.request));
        let row = reading.ask(cypher::LINKS, query).await?;
        let key = |link: &Link| vec![Part::Text(link.kind.to_string()), Part::Int(rank(link.other(entity)))];
        let rows =
            joined(reading.shared(), &row)?.into_iter().map(|one| (key(&one.link), one.link)).collect();
        Ok((concern, page(&self.name, &self.request, rows)))
    }
}

/// See [`crate::Store::zone_links`].
pub struct ZoneLinks {
    zone: EntityId,
    name: String,
    request: PageRequest,
}

impl ZoneLinks {
    /// Refuses pages and cursors that cannot be.
    pub fn new(zone: EntityId, request: PageRequest) -> std::result::Result<Self, Refusal> {
        let name = format!("zone links {zone:?}");
        pages::after(&name, &request)?;
        Ok(Self { zone, name, request })
    }
}

#[async_trait]
impl Question for ZoneLinks {
    type Answer = Page<Link>;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>> {
        let concern = Concern::world(ASPECTS).with([self.zone]);
        if let Err(refusal) = known_zones(reading, &[self.zone]).await? {
            return Ok((concern, Err(refusal)));
        }
        let found = of_zones(reading, &[self.zone], None).await?;
        let key = |link: &Link| -> Key {
            vec![Part::Text(link.kind.to_string()), Part::Int(rank(link.a)), Part::Int(rank(link.b))]
        };
        let rows = found.into_iter().map(|joined| (key(&joined.link), joined.link)).collect();
        Ok((concern, pages::cut(self.name.clone(), rows, &self.request)))
    }
}

/// Refuses what does not exist or is no zone host.
async fn known_zones(
    reading: &mut Reading<'_>,
    zones: &[EntityId],
) -> Result<std::result::Result<(), Refusal>> {
    let found = by_id(reading, zones).await?;
    for zone in zones {
        match found.get(zone) {
            None => return Ok(Err(Refusal::UnknownEntity { entity: *zone })),
            Some(entity) if entity.zone.is_none() => return Ok(Err(Refusal::NotAZone { entity: *zone })),
            Some(_) => {}
        }
    }
    Ok(Ok(()))
}

async fn of_zones(
    reading: &mut Reading<'_>,
    zones: &[EntityId],
    kind: Option<&LinkKind>,
) -> Result<Vec<Joined>> {
    let query = cypher::ZONE_LINKS
        .query()
        .param("zones", list(zones.iter().map(|zone| shown(*zone).into())))
        .param("only", kind.map_or_else(null, |kind| kind.as_str().into()));
    let row = reading.ask(cypher::ZONE_LINKS, query).await?;
    joined(reading.shared(), &row)
}

/// See [`crate::Store::route`].
pub struct Routing<'a> {
    /// The first zone.
    pub from: EntityId,
    /// The last zone.
    pub to: EntityId,
    /// Over which links.
    pub kind: &'a LinkKind,
}

#[async_trait]
impl Question for Routing<'_> {
    type Answer = Option<Route>;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>> {
        let Self { from, to, kind } = *self;
        let concern = Concern::world(ASPECTS).with([from, to]);
        if let Err(refusal) = known_zones(reading, &[from, to]).await? {
            return Ok((concern, Err(refusal)));
        }
        let mut map = Map::default();
        loop {
            let found = route::route(from, to, |zone, allowed| map.passages(zone, allowed));
            match found {
                Err(_) if !map.missing.is_empty() => map.read(reading, kind).await?,
                Ok(route) => return Ok((concern, Ok(route))),
                Err(Error::Refused(refusal)) => return Ok((concern, Err(refusal))),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The links that a search for a route has seen. Where it wants more, it stops, those are read with all around what is known, and it
/// begins again.
#[derive(Default)]
struct Map {
    passages: HashMap<EntityId, Vec<Passage>>,
    /// Zones that are known to be there and were not read.
    border: HashSet<EntityId>,
    missing: Vec<EntityId>,
}

impl Map {
    fn passages(&mut self, zone: EntityId, allowed: usize) -> Result<Vec<Passage>> {
        match self.passages.get(&zone) {
            Some(found) if found.len() > allowed => {
                let max = route::MAX_LINKS as u64;
                Err(Refusal::TooMany { what: "links around the route", count: max + 1, max }.into())
            }
            Some(found) => Ok(found.clone()),
            None => {
                self.missing.push(zone);
                Err(Error::Busy { waiting: 0 })
            }
        }
    }

    async fn read(&mut self, reading: &mut Reading<'_>, kind: &LinkKind) -> Result<()> {
        let mut zones: Vec<_> = std::mem::take(&mut self.missing);
        let around = self.border.iter().copied().filter(|zone| !zones.contains(zone)).take(TOGETHER);
        let around: Vec<_> = around.collect();
        zones.extend(around);
        self.border.retain(|zone| !zones.contains(zone));
        let found = of_zones(reading, &zones, Some(kind)).await?;
        for zone in &zones {
            self.passages.insert(*zone, Vec::new());
        }
        for Joined { link, from, to } in found {
            let ways = [
                (from, Passage { from: link.a, to: link.b, zone: to, cost: link.cost }),
                (to, Passage { from: link.b, to: link.a, zone: from, cost: link.cost }),
            ];
            for (zone, passage) in ways {
                if zones.contains(&zone) {
                    if let Some(passages) = self.passages.get_mut(&zone) {
                        passages.push(passage);
                    }
                } else if !self.passages.contains_key(&zone) {
                    self.border.insert(zone);
                }
            }
        }
        Ok(())
    }
}
