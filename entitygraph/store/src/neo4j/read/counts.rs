//! How many there are of what, from one census.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use entitygraph_schema::{
    EntityId, Refusal,
    query::{At, Facet, FacetSort, Page, PageRequest},
};

use crate::{
    error::Result,
    memory::pages::{self, Part},
    neo4j::{
        census::Census,
        concern::{Aspects, Concern},
        moment::{Judged, Question, Reading},
        number::shown,
        shared::Shared,
        statements as cypher,
    },
};

/// What counts and searches depend on.
pub const ASPECTS: Aspects = Aspects::STRUCTURE.and(Aspects::FACETS);

/// The census of a node, or of the world.
pub async fn census(
    reading: &mut Reading<'_>,
    below: Option<EntityId>,
) -> Result<std::result::Result<Census, Refusal>> {
    let shared = reading.shared();
    let row = match below {
        Some(id) => reading.ask(cypher::CENSUS, cypher::CENSUS.query().param("id", shown(id))).await?,
        None => reading.ask(cypher::WORLD_CENSUS, cypher::WORLD_CENSUS.query()).await?,
    };
    let (known, bytes): (bool, Option<&[u8]>) = shared.column(&row, "answer")?;
    if let Some(entity) = below.filter(|_| !known) {
        return Ok(Err(Refusal::UnknownEntity { entity }));
    }
    let census = shared.census(bytes)?;
    shared.know_sets(census.sets().map(|(set, _)| set)).await?;
    Ok(Ok(census))
}

/// A question that one census answers.
struct Count<F> {
    below: Option<EntityId>,
    answer: F,
}

#[async_trait]
impl<T, F: Fn(&Census) -> std::result::Result<T, Refusal> + Sync> Question for Count<F> {
    type Answer = T;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<T>> {
        let census = census(reading, self.below).await?;
        let concern = Concern::world(ASPECTS).with(self.below);
        Ok((concern, census.and_then(|census| (self.answer)(&census))))
    }
}

/// Counts by facet, in order.
fn by_facet(shared: &Shared, census: &Census) -> BTreeMap<Facet, u64> {
    let facets = shared.facets.read();
    let mut counts = BTreeMap::new();
    for (set, count) in census.sets() {
        for facet in facets.get(set).into_iter().flat_map(|set| &set.0) {
            *counts.entry(facet.clone()).or_insert(0) += count.below;
        }
    }
    counts
}

/// See [`crate::Store::total`].
pub async fn total(shared: &Shared, below: Option<EntityId>) -> Result<At<u64>> {
    shared.at_one_moment(Count { below, answer: |census: &Census| Ok(census.total()) }).await
}

/// See [`crate::Store::counts`].
pub async fn counts(shared: &Shared, below: Option<EntityId>) -> Result<At<Vec<(Facet, u64)>>> {
    let answer = |census: &Census| Ok(by_facet(shared, census).into_iter().collect());
    shared.at_one_moment(Count { below, answer }).await
}

/// See [`crate::Store::counts_by`].
pub async fn counts_by(
    shared: &Shared,
    below: Option<EntityId>,
    sort: FacetSort,
    request: PageRequest,
) -> Result<At<Page<(Facet, u64)>>> {
    let name = format!("counts {below:?} {sort:?}");
    pages::after(&name, &request)?;
    let answer = |census: &Census| {
        let counts = by_facet(shared, census).into_iter().filter(|(facet, _)| facet.sort() == sort);
        pages::cut(name.clone(), counts.map(|row| (vec![key(&row.0)], row)).collect(), &request)
    };
    shared.at_one_moment(Count { below, answer }).await
}

fn key(facet: &Facet) -> Part {
    match facet {
        Facet::Kind(kind) => Part::Text(kind.to_string()),
        Facet::Container(id) => Part::Id(id.get().into()),
        Facet::Component(id) => Part::Id(id.get().into()),
        Facet::Label(label) => Part::Text(label.to_string()),
    }
}

/// See [`crate::Store::counts_of`].
pub async fn counts_of(
    shared: &Shared,
    below: Option<EntityId>,
    asked: &[Facet],
) -> Result<At<Vec<(Facet, u64)>>> {
    if asked.len() > PageRequest::MAX_FIRST {
        let (count, max) = (asked.len() as u64, PageRequest::MAX_FIRST as u64);
        return Err(Refusal::TooMany { what: "facets to be counted", count, max }.into());
    }
    let asked: BTreeSet<_> = asked.iter().collect();
    let answer = |census: &Census| {
        Ok(by_facet(shared, census).into_iter().filter(|(facet, _)| asked.contains(facet)).collect())
    };
    shared.at_one_moment(Count { below, answer }).await
}
