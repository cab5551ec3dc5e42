//! What is around a point, and which zones hold it.

use async_trait::async_trait;
use entitygraph_schema::{
    Entity, EntityId, Refusal,
    query::{At, Hit, Near},
    space::checked_point,
};
use glam::DVec3;

use crate::{
    error::{Error, Result},
    keyed::space::{self, Outer, Rows},
    memory::world::World,
    neo4j::{
        concern::{Aspects, Concern},
        moment::{Judged, Question, Reading},
        number::{of_rank, rank, shown},
        shared::Shared,
        space::{Fetched, List, Missing, Start},
        statements as cypher,
    },
};

/// Rows of a zone that are read at first, and from then on: most zones hold fewer.
const FIRST: i64 = 512;
const NEXT: i64 = 4_096;

/// What questions for places depend on.
const ASPECTS: Aspects = Aspects::PLACES.and(Aspects::STRUCTURE).and(Aspects::ZONES);

/// See [`crate::Store::near`].
pub async fn near(shared: &Shared, near: &Near) -> Result<At<Vec<Hit>>> {
    let answer = |rows: &dyn Rows| space::near(rows, near);
    shared.at_one_moment(Around { zone: near.zone, layer: near.layer.number(), answer }).await
}

/// See [`crate::Store::zones_at`].
pub async fn zones_at(shared: &Shared, zone: EntityId, point: DVec3) -> Result<At<Vec<EntityId>>> {
    checked_point("the point", point).map_err(Refusal::from)?;
    let answer = |rows: &dyn Rows| space::zones_at(rows, zone, point);
    shared.at_one_moment(Around { zone, layer: 0, answer }).await
}

/// A question that rows of the space index answer.
struct Around<F> {
    zone: EntityId,
    layer: u32,
    answer: F,
}

#[async_trait]
impl<T: Send, F: Fn(&dyn Rows) -> Result<T> + Sync> Question for Around<F> {
    type Answer = T;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<T>> {
        let concern = Concern::world(ASPECTS).with([self.zone]);
        let mut fetched = around(reading, self.zone, self.layer).await?;
        loop {
            let answer = (self.answer)(&fetched);
            if let Some(Missing { list, from }) = fetched.take_missing() {
                more(reading, &mut fetched, list, from).await?;
                continue;
            }
            return match answer {
                Ok(answer) => Ok((concern, Ok(answer))),
                Err(Error::Refused(refusal)) => Ok((concern, Err(refusal))),
                Err(error) => Err(error),
            };
        }
    }
}

type PlacedRow<'a> = (&'a str, i64, f64, f64, f64, f64);
type HostRow<'a> = (&'a str, i64, Vec<f64>, Option<Vec<f64>>, Vec<f64>);

/// The zones from one outwards, with the first rows of each.
async fn around(reading: &mut Reading<'_>, zone: EntityId, layer: u32) -> Result<Fetched> {
    let shared = reading.shared();
    let list = List::placed(zone, layer);
    let query = cypher::AROUND
        .query()
        .param("zone", shown(zone))
        .param("layer", list.start().cell)
        .param("above", list.end_of_cells())
        .param("limit", FIRST);
    let row = reading.ask(cypher::AROUND, query).await?;
    let rows: Vec<(&[u8], Vec<PlacedRow<'_>>, Vec<HostRow<'_>>)> = shared.column(&row, "answer")?;
    let mut fetched = Fetched::new(shared.client.place.location.clone());
    let mut world = World::default();
    for (record, placed, hosts) in rows {
        let entity: Entity = shared.decode("an entity", record)?;
        if entity.zone.is_some() {
            let list = List::placed(entity.id, layer);
            put_placed(shared, &mut fetched, &list, &list.start(), placed, FIRST)?;
            let list = List::hosts(entity.id);
            put_hosts(shared, &mut fetched, &list, &list.start(), hosts, FIRST)?;
        }
        world.set(entity.id, Some(entity.into()));
    }
    let mut next = Some(zone);
    while let Some(zone) = next {
        let outer = match world.known_zone(zone) {
            Err(refusal) => Err(refusal),
            Ok(host) => Ok(world.frame(host).map(|outer| Outer { zone: outer.id, pose: world.seat(host) })),
        };
        next = outer.as_ref().ok().and_then(|outer| outer.map(|outer| outer.zone));
        fetched.put_outer(zone, outer);
    }
    Ok(fetched)
}

/// Rows of a list from a place on.
async fn more(reading: &mut Reading<'_>, fetched: &mut Fetched, list: List, from: Start) -> Result<()> {
    let shared = reading.shared();
    let Some(zone) = list.zone() else {
        return Err(shared.client.place.corrupt("a list of the space index has no zone"));
    };
    let statement = if list.is_hosts() { cypher::HOSTS } else { cypher::PLACED };
    let query = statement
        .query()
        .param("zone", shown(zone))
        .param("cell", from.cell.as_str())
        .param("rank", EntityId::new(from.id).map_or(i64::MIN, rank))
        .param("to", list.end_of_cells())
        .param("limit", NEXT);
    let row = reading.ask(statement, query).await?;
    if list.is_hosts() {
        put_hosts(shared, fetched, &list, &from, shared.column(&row, "answer")?, NEXT)
    } else {
        put_placed(shared, fetched, &list, &from, shared.column(&row, "answer")?, NEXT)
    }
}

fn put_placed(
    shared: &Shared,
    fetched: &mut Fetched,
    list: &List,
    from: &Start,
    rows: Vec<PlacedRow<'_>>,
    limit: i64,
) -> Result<()> {
    let more = rows.len() as i64 == limit;
    let rows = rows
        .into_iter()
        .map(|(cell, rank, x, y, z, radius)| (cell.to_owned(), rank, value([x, y, z, radius])));
    put(shared, fetched, list, from, rows, more)
}

fn put_hosts(
    shared: &Shared,
    fetched: &mut Fetched,
    list: &List,
    from: &Start,
    rows: Vec<HostRow<'_>>,
    limit: i64,
) -> Result<()> {
    let more = rows.len() as i64 == limit;
    let rows = rows.into_iter().map(|(cell, rank, seat, reach, bounds)| {
        let reach = reach.unwrap_or_else(|| vec![f64::NEG_INFINITY; 2]);
        (cell.to_owned(), rank, value(seat.into_iter().chain(reach).chain(bounds)))
    });
    put(shared, fetched, list, from, rows, more)
}

fn put(
    shared: &Shared,
    fetched: &mut Fetched,
    list: &List,
    from: &Start,
    rows: impl Iterator<Item = (String, i64, Vec<u8>)>,
    more: bool,
) -> Result<()> {
    let rows = rows.filter_map(|(cell, rank, value)| Some((cell, of_rank(rank)?.get(), value)));
    fetched
        .put_rows(list, from, rows, more)
        .ok_or_else(|| shared.client.place.corrupt("a cell of the space index is no hexadecimal number"))
}

/// The value of a row as the embedded stores have it.
fn value(numbers: impl IntoIterator<Item = f64>) -> Vec<u8> {
    numbers.into_iter().flat_map(f64::to_be_bytes).collect()
}
