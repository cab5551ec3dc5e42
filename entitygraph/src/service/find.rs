//! Finding entities below a node by several properties at once.
//!
//! A store finds by facets. One of the asked properties leads, the one that the fewest entities below the node have: each
//! of its facets that is there is looked up, one after the other, and the others are checked on what it brings. So a
//! component that thousands of containers bring costs a page no more than the containers that fill it. A page may cost
//! more than its rows where few candidates match; how much more is bounded ([`SCAN_ROWS`]), and a page that reaches the
//! bound is shorter than asked, even empty, with `more` set and a cursor to go on from.

mod filter;
mod place;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc};

use entitygraph_schema::{
    Catalog, Entity, EntityId, Refusal,
    query::{Facet, Page, PageRequest},
};

pub use self::filter::Filter;
use self::{
    filter::{Lead, Sought},
    place::Place,
};
use super::{Graph, Result};

/// Candidates that one page of results may look through.
const SCAN_ROWS: usize = 20_000;

/// Facets that are first asked for at once; four times as many each time after.
const FACETS: usize = 64;

impl Graph {
    /// Entities below a node (not itself) that the filter describes; without a node in the whole world. An empty filter
    /// is refused. A page may be shorter than asked, and empty: go on from its end while there is more.
    pub async fn find_entities(
        &self,
        below: Option<EntityId>,
        filter: &Filter,
        page: PageRequest,
    ) -> Result<Page<Arc<Entity>>> {
        self.find_within(SCAN_ROWS, below, filter, page).await
    }

    async fn find_within(
        &self,
        scan_rows: usize,
        below: Option<EntityId>,
        filter: &Filter,
        page: PageRequest,
    ) -> Result<Page<Arc<Entity>>> {
        self.check_rows("rows in one page", page.first)?;
        let catalog = self.catalog();
        let (lead, begin) = match &page.after {
            Some(cursor) => Place::decode(cursor, filter).map(|(lead, place)| (lead, Some(place)))?,
            None => (self.choose_lead(below, filter, &catalog).await?, None),
        };
        let sought = Sought { filter, catalog: &catalog, lead };
        let mut present = Present::new(begin.as_ref().map(|place| place.facet.clone()));
        let mut next = match begin {
            Some(place) => Some(place),
            None => self.next_place(below, &sought, &mut present).await?,
        };
        let (mut rows, mut scanned, mut chunk) = (Vec::new(), 0, page.first);
        while let Some(mut place) = next.take() {
            if scanned >= scan_rows {
                return Ok(Page { rows, more: true, end: Some(place.encode(lead)) });
            }
            let request = PageRequest { first: chunk, after: place.after.take() };
            let candidates = self.find(below, std::slice::from_ref(&place.facet), request).await?;
            // A facet without any counts too: it was looked up.
            scanned += candidates.rows.len().max(1);
            let ids: Vec<_> = candidates.rows.iter().map(|(id, _)| *id).collect();
            for (entity, (_, cursor)) in self.entities(&ids).await?.into_iter().zip(candidates.rows) {
                if rows.len() == page.first {
                    return Ok(Page::of(rows, true));
                }
                place.after = Some(cursor);
                let wanted = |entity: &Arc<Entity>| {
                    sought.first_of(entity).as_ref() == Some(&place.facet)
                        && filter.describes(entity, &catalog)
                };
                if let Some(entity) = entity.filter(wanted) {
                    rows.push((entity, place.encode(lead)));
                }
            }
            next = match candidates.more {
                true => Some(place),
                false => self.next_place(below, &sought, &mut present).await?,
            };
            if rows.len() == page.first {
                return Ok(Page::of(rows, next.is_some()));
            }
            // Few candidates match: look through more of them at once.
            chunk = (chunk * 4).min(self.config().limits.page_rows);
        }
        Ok(Page::of(rows, false))
    }

    /// The property that the fewest entities have.
    async fn choose_lead(&self, below: Option<EntityId>, filter: &Filter, catalog: &Catalog) -> Result<Lead> {
        let mut asked = Lead::ALL.into_iter().filter(|lead| filter.asks(*lead));
        let Some(mut best) = asked.next() else {
            let reason =
                "name at least one kind, container, component or label; `descendants` lists everything"
                    .to_owned();
            return Err(Refusal::Invalid { what: "the search", reason }.into());
        };
        let mut least = None;
        for lead in asked {
            let limit = match least {
                Some(least) => least,
                None => self.count(below, &Sought { filter, catalog, lead: best }, u64::MAX).await?,
            };
            let count = self.count(below, &Sought { filter, catalog, lead }, limit).await?;
            if count < limit {
                best = lead;
            }
            least = Some(count.min(limit));
        }
        Ok(best)
    }

    /// How many entities the facets of a property have, some twice; counts no further than the limit.
    async fn count(&self, below: Option<EntityId>, sought: &Sought<'_>, limit: u64) -> Result<u64> {
        let (mut sum, mut last, mut step) = (0, None, FACETS);
        while sum < limit {
            let facets = sought.facets(last.as_ref(), step);
            if facets.is_empty() {
                break;
            }
            sum += self.counts_of(below, &facets).await?.iter().map(|(_, count)| count).sum::<u64>();
            (last, step) = (facets.last().cloned(), next_step(step));
        }
        Ok(sum)
    }

    /// The next facet of the property that leads that something below the node has.
    async fn next_place(
        &self,
        below: Option<EntityId>,
        sought: &Sought<'_>,
        present: &mut Present,
    ) -> Result<Option<Place>> {
        while present.facets.is_empty() {
            let asked = sought.facets(present.last.as_ref(), present.step);
            let Some(last) = asked.last() else { return Ok(None) };
            (present.last, present.step) = (Some(last.clone()), next_step(present.step));
            match asked.len() {
                // To count it would cost as much as to look.
                1 => present.facets.extend(asked),
                _ => {
                    let counts = self.counts_of(below, &asked).await?;
                    present.facets.extend(counts.into_iter().map(|(facet, _)| facet));
                }
            }
        }
        Ok(present.facets.pop_front().map(|facet| Place { facet, after: None }))
    }
}

/// Facets that are known to be there and not looked up yet.
struct Present {
    facets: VecDeque<Facet>,
    /// The last one that was asked for.
    last: Option<Facet>,
    step: usize,
}

impl Present {
    fn new(last: Option<Facet>) -> Self {
        Self { facets: VecDeque::new(), last, step: FACETS }
    }
}

fn next_step(step: usize) -> usize {
    (step * 4).min(PageRequest::MAX_FIRST)
}
