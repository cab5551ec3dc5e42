//! The cheapest route between two zones.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use entitygraph_schema::{EntityId, LinkKind, Refusal, Route};

use super::{links::ASPECTS, lists::by_id};
use crate::{
    error::{Error, Result},
    keyed::route::{self, Passage},
    neo4j::{
        concern::Concern,
        link_row::{Joined, LinkRow},
        moment::{Judged, Question, Reading},
        number::shown,
        statement::list,
        statements as cypher,
    },
};

/// Zones whose links are read together, and most links of each, on average.
const TOGETHER: usize = 1_024;
const LINKS_EACH: usize = 64;

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
        let mut map =
            Map { together: TOGETHER, passages: HashMap::new(), border: HashSet::new(), missing: Vec::new() };
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

/// Links of a kind with an end in one of the zones, up to a limit.
async fn of_zones(
    reading: &mut Reading<'_>,
    zones: &[EntityId],
    kind: &LinkKind,
    limit: usize,
) -> Result<Vec<Joined>> {
    let query = cypher::PASSAGES
        .query()
        .param("zones", list(zones.iter().map(|zone| shown(*zone).into())))
        .param("kind", kind.as_str())
        .param("limit", i64::try_from(limit).unwrap_or(i64::MAX));
    let row = reading.ask(cypher::PASSAGES, query).await?;
    let shared = reading.shared();
    let rows: Vec<LinkRow<'_>> = shared.column(&row, "answer")?;
    rows.into_iter().map(|row| row.read(shared)).collect()
}

/// The links that a search for a route has seen. Where it wants more, it stops, those are read with all around what is known, and it
/// begins again.
struct Map {
    /// Zones of the border that are read along.
    together: usize,
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
        let missing = std::mem::take(&mut self.missing);
        let around = self.border.iter().filter(|zone| !missing.contains(zone)).take(self.together);
        let mut zones: Vec<_> = missing.iter().chain(around).copied().collect();
        let most = LINKS_EACH * zones.len();
        let mut found = of_zones(reading, &zones, kind, most + 1).await?;
        if found.len() > most {
            // Some of these have very many. What is missing has to be read, and what is more than a route may look at is refused.
            self.together /= 2;
            zones = missing;
            found = of_zones(reading, &zones, kind, route::MAX_LINKS + 1).await?;
        }
        self.border.retain(|zone| !zones.contains(zone));
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
