//! Pages of what is around a point.

use std::{collections::BTreeSet, sync::Arc};

use entitygraph_schema::{
    Entity, EntityId, Kind, Refusal,
    query::{Hit, Near, Page, PageCursor, PageRequest},
};

use super::{Graph, Result};

/// Hits whose entities are read at once when only some kinds are wanted.
const CHUNK: usize = 256;

impl Graph {
    /// A page of the entities around a point, nearest first, of one of the kinds if any are named. Going on continues
    /// after the distance and id of the last row, so what moves meanwhile may be seen twice or not at all.
    pub async fn near_entities(
        &self,
        near: &Near,
        kinds: &BTreeSet<Kind>,
        page: PageRequest,
    ) -> Result<Page<(Hit, Arc<Entity>)>> {
        self.check_rows("rows in one page", page.first)?;
        if page.first == 0 {
            let reason = "it has to have room for at least one row".to_owned();
            return Err(Refusal::Invalid { what: "the page", reason }.into());
        }
        let after = page.after.as_ref().map(decode).transpose()?;
        let hits = self.near(near).await?;
        let start = after.map_or(0, |after| hits.partition_point(|hit| place(hit) <= after));
        let mut rows = Vec::new();
        // Of some kinds there may be few: in chunks of a small page that would be a read for each of thousands of hits.
        let least = if kinds.is_empty() { 1 } else { CHUNK.min(self.config().limits.page_rows) };
        let chunk_rows = page.first.max(least);
        for chunk in hits[start..].chunks(chunk_rows) {
            let ids: Vec<_> = chunk.iter().map(|hit| hit.entity).collect();
            for (hit, entity) in chunk.iter().zip(self.entities(&ids).await?) {
                let Some(entity) = entity.filter(|entity| kinds.is_empty() || kinds.contains(&entity.kind))
                else {
                    continue;
                };
                if rows.len() == page.first {
                    return Ok(Page::of(rows, true));
                }
                rows.push(((*hit, entity), encode(hit)));
            }
            if kinds.is_empty() && rows.len() == page.first {
                let more = start + rows.len() < hits.len();
                return Ok(Page::of(rows, more));
            }
        }
        Ok(Page::of(rows, false))
    }
}

/// Distances are never negative, so their bits are ordered as they are.
fn place(hit: &Hit) -> (u64, EntityId) {
    (hit.distance.to_bits(), hit.entity)
}

fn encode(hit: &Hit) -> PageCursor {
    let (distance, entity) = place(hit);
    PageCursor([distance.to_be_bytes(), entity.get().to_be_bytes()].concat())
}

fn decode(cursor: &PageCursor) -> Result<(u64, EntityId), Refusal> {
    let parse = || {
        let (distance, rest) = cursor.0.split_first_chunk::<8>()?;
        let entity: [u8; 8] = rest.try_into().ok()?;
        Some((u64::from_be_bytes(*distance), EntityId::new(u64::from_be_bytes(entity))?))
    };
    parse().ok_or(Refusal::BadPageCursor)
}
