//! Everything that the store holds, one by one.

use std::sync::Arc;

use async_trait::async_trait;
use entitygraph_schema::{
    Refusal,
    query::{Page, PageRequest, Record, RecordSort},
};

use super::{limit, page_of};
use crate::{
    error::Result,
    memory::pages::{self, Key, Part},
    neo4j::{
        concern::{Aspects, Concern},
        link_row::LinkRow,
        moment::{Judged, Question, Reading},
        number::{of_rank, rank},
        statements as cypher,
    },
};

/// See [`crate::Store::records`].
pub struct Records {
    sort: RecordSort,
    name: String,
    after: Option<Key>,
    request: PageRequest,
}

/// A page of entities ends when it has so many bytes of records, or so many rows: the server looks at the size of each row that a page
/// could have before it sends the first.
const PAGE_BYTES: i64 = 8 << 20;
const ENTITIES_MAX: usize = 1_000;

impl Records {
    /// Refuses pages and cursors that cannot be.
    pub fn new(sort: RecordSort, mut request: PageRequest) -> std::result::Result<Self, Refusal> {
        let name = format!("records {sort:?}");
        let after = pages::after(&name, &request)?;
        if sort == RecordSort::Entity {
            request.first = request.first.min(ENTITIES_MAX);
        }
        Ok(Self { sort, name, after, request })
    }

    /// Rows, and whether there are more behind them.
    async fn rows(
        &self,
        reading: &mut Reading<'_>,
    ) -> Result<std::result::Result<(Vec<(Key, Record)>, bool), Refusal>> {
        let shared = reading.shared();
        let limit = limit(&self.request);
        let behind = match self.after.as_deref() {
            None => i64::MIN,
            Some([Part::Int(rank), ..]) => *rank,
            Some(_) => return Ok(Err(Refusal::BadPageCursor)),
        };
        Ok(Ok(match self.sort {
            RecordSort::Entity => {
                let query = cypher::RECORDS
                    .query()
                    .param("rank", behind)
                    .param("limit", limit)
                    .param("bytes", PAGE_BYTES);
                let row = reading.ask(cypher::RECORDS, query).await?;
                let (more, rows): (bool, Vec<(i64, &[u8])>) = shared.column(&row, "answer")?;
                let read = |(rank, record)| {
                    let entity = Arc::new(shared.decode("an entity", record)?);
                    Ok((vec![Part::Int(rank)], Record::Entity(entity)))
                };
                (rows.into_iter().map(read).collect::<Result<_>>()?, more)
            }
            RecordSort::Buried => {
                let query = cypher::TOMBS.query().param("rank", behind).param("limit", limit);
                let row = reading.ask(cypher::TOMBS, query).await?;
                let rows: Vec<i64> = shared.column(&row, "answer")?;
                let read = |rank| Some((vec![Part::Int(rank)], Record::Buried(of_rank(rank)?)));
                (rows.into_iter().filter_map(read).collect(), false)
            }
            RecordSort::Link => {
                let (kind, high) = match self.after.as_deref() {
                    Some([_, Part::Text(kind), Part::Int(high)]) => (kind.as_str(), *high),
                    _ => ("", i64::MIN),
                };
                let query = cypher::ALL_LINKS
                    .query()
                    .param("low", behind)
                    .param("kind", kind)
                    .param("high", high)
                    .param("limit", limit);
                let row = reading.ask(cypher::ALL_LINKS, query).await?;
                let rows: Vec<LinkRow<'_>> = shared.column(&row, "answer")?;
                let read = |row: LinkRow<'_>| {
                    let link = row.read(shared)?.link;
                    let key = vec![
                        Part::Int(rank(link.a)),
                        Part::Text(link.kind.to_string()),
                        Part::Int(rank(link.b)),
                    ];
                    Ok((key, Record::Link(link)))
                };
                (rows.into_iter().map(read).collect::<Result<_>>()?, false)
            }
        }))
    }
}

#[async_trait]
impl Question for Records {
    type Answer = Page<Record>;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>> {
        let rows = self.rows(reading).await?;
        let answer = rows.and_then(|(rows, more)| page_of(&self.name, &self.request, rows, more));
        let aspects = match self.sort {
            RecordSort::Link => Aspects::LINKS,
            RecordSort::Entity | RecordSort::Buried => Aspects::STRUCTURE,
        };
        let listed = answer.iter().flat_map(|page| &page.rows).filter_map(|(record, _)| match record {
            Record::Entity(entity) => Some(entity.id),
            Record::Buried(_) | Record::Link(_) => None,
        });
        Ok((Concern::world(aspects).with(listed), answer))
    }
}
