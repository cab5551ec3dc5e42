//! Searching below a node for what has one of some facets.
//!
//! A walk that enters only nodes whose census has what is looked for: at each of them first those right below, by their number, then
//! the nodes below it, by theirs. That is the order of the answer. What it costs follows from what it finds and from how many children
//! with something below them the nodes on the way have.

use std::collections::BTreeSet;

use async_trait::async_trait;
use entitygraph_schema::{
    EntityId, Refusal,
    query::{Facet, Page, PageRequest},
};

use super::{counts, limit, lists::by_id, page};
use crate::{
    error::Result,
    memory::pages::{self, Key, Part},
    neo4j::{
        census::{Census, Count},
        concern::Concern,
        facets::SetNumber,
        moment::{Judged, Question, Reading},
        number::{of_rank, parent as number_of},
        statement::{list, map},
        statements as cypher,
    },
};

/// Nodes that are asked about together.
const TOGETHER: usize = 512;
/// Nodes below those that are read together, and fewest below each one.
const BELOW: usize = 2_048;
const BELOW_EACH: usize = 16;

/// See [`crate::Store::find`].
pub struct Find {
    below: Option<EntityId>,
    any_of: BTreeSet<Facet>,
    name: String,
    after: Option<Key>,
    request: PageRequest,
}

impl Find {
    /// Refuses too many facets, and pages and cursors that cannot be.
    pub fn new(
        below: Option<EntityId>,
        any_of: &[Facet],
        request: PageRequest,
    ) -> std::result::Result<Self, Refusal> {
        if any_of.len() > Facet::MAX_ANY_OF {
            let (count, max) = (any_of.len() as u64, Facet::MAX_ANY_OF as u64);
            return Err(Refusal::TooMany { what: "facets in one question", count, max });
        }
        let any_of: BTreeSet<_> = any_of.iter().cloned().collect();
        let name = format!("find {below:?} {any_of:?}");
        let after = pages::after(&name, &request)?;
        Ok(Self { below, any_of, name, after, request })
    }
}

#[async_trait]
impl Question for Find {
    type Answer = Page<EntityId>;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>> {
        let concern = Concern::world(counts::ASPECTS).with(self.below);
        let census = match counts::census(reading, self.below).await? {
            Ok(census) => census,
            Err(refusal) => return Ok((concern, Err(refusal))),
        };
        let limit = limit(&self.request);
        let mut search = Search { reading, any_of: &self.any_of, limit };
        let begin = match &self.after {
            None => vec![Node { id: self.below, key: Key::new(), census, stage: Stage::Direct(i64::MIN) }],
            Some(after) => match search.resume(self.below, after).await? {
                Ok(open) => open,
                Err(refusal) => return Ok((concern, Err(refusal))),
            },
        };
        let rows = search.rows(begin).await?;
        Ok((concern, page(&self.name, &self.request, rows)))
    }
}

/// How far a node was searched.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Those right below it with a rank above this, then the nodes below it.
    Direct(i64),
    /// Nodes below it with at least this rank.
    Inner(i64),
}

/// A node to be searched.
struct Node {
    /// None is the world.
    id: Option<EntityId>,
    /// The way to it.
    key: Key,
    census: Census,
    stage: Stage,
}

/// A part of the answer.
enum Entry {
    /// Something that was found.
    Row(Key, EntityId),
    /// A node whose part comes in its place.
    Node(Node),
}

struct Search<'a, 'b> {
    reading: &'a mut Reading<'b>,
    any_of: &'a BTreeSet<Facet>,
    limit: i64,
}

/// Ranks right below nodes, and ranks and censuses of nodes below them; each with the place of its node among those asked about.
type Found<'a> = (Vec<(i64, i64)>, Vec<(i64, i64, &'a [u8])>);

impl Search<'_, '_> {
    /// The sets of a census that have one of the facets.
    fn sets(&self, census: &Census) -> Vec<(SetNumber, Count)> {
        let facets = self.reading.shared().facets.read();
        let has = |set: SetNumber| {
            facets.get(set).is_some_and(|set| set.0.iter().any(|facet| self.any_of.contains(facet)))
        };
        census.sets().filter(|(set, _)| has(*set)).collect()
    }

    /// The first rows from these nodes on. Each census says how many there are below its node, so each round asks at once about all
    /// nodes that are needed, and there are as many rounds as levels.
    async fn rows(&mut self, begin: Vec<Node>) -> Result<Vec<(Key, EntityId)>> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut entries: Vec<Entry> = begin.into_iter().map(Entry::Node).collect();
        loop {
            let (mut expected, mut asked, mut needed) = (0, 0, 0);
            for entry in &entries {
                if expected >= limit || asked == TOGETHER {
                    break;
                }
                needed += 1;
                match entry {
                    Entry::Row(..) => expected += 1,
                    Entry::Node(node) => {
                        asked += 1;
                        let below = self.sets(&node.census).iter().map(|(_, count)| count.below).sum::<u64>();
                        expected += usize::try_from(below).unwrap_or(usize::MAX).clamp(1, limit);
                    }
                }
            }
            if asked == 0 {
                let row = |entry| match entry {
                    Entry::Row(key, id) => Some((key, id)),
                    Entry::Node(_) => None,
                };
                return Ok(entries.into_iter().take(needed).filter_map(row).collect());
            }
            let behind = entries.split_off(needed);
            entries = self.look(entries).await?;
            entries.extend(behind);
        }
    }

    /// Puts into the place of each node what is below it.
    async fn look(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>> {
        let (mut direct, mut inner) = (Vec::new(), Vec::new());
        for (place, entry) in (0_i64..).zip(&entries) {
            let Entry::Node(node) = entry else { continue };
            let sets = self.sets(&node.census);
            let from = match node.stage {
                Stage::Inner(rank) => rank,
                Stage::Direct(rank) => {
                    let here = sets.iter().filter(|(_, count)| count.direct > 0);
                    direct.push(map([
                        ("place", place.into()),
                        ("parent", number_of(node.id).into()),
                        ("rank", rank.into()),
                        ("sets", list(here.map(|(set, _)| i64::from(*set).into()))),
                    ]));
                    i64::MIN
                }
            };
            if sets.iter().any(|(_, count)| count.below > count.direct) {
                inner.push(map([
                    ("place", place.into()),
                    ("parent", number_of(node.id).into()),
                    ("rank", from.into()),
                ]));
            }
        }
        let together = (BELOW / inner.len().max(1)).max(BELOW_EACH);
        let query = cypher::SEARCH
            .query()
            .param("direct", list(direct))
            .param("inner", list(inner))
            .param("limit", self.limit)
            .param("together", i64::try_from(together).unwrap_or(i64::MAX));
        let row = self.reading.ask(cypher::SEARCH, query).await?;
        let shared = self.reading.shared();
        let (direct, inner): Found<'_> = shared.column(&row, "answer")?;
        let mut below = Vec::with_capacity(inner.len());
        for (place, rank, census) in inner {
            below.push((place, rank, shared.census(Some(census))?));
        }
        let numbers = below.iter().flat_map(|(_, _, census)| census.sets().map(|(set, _)| set));
        shared.know_sets(numbers.max()).await?;
        Ok(self.put_in(entries, &direct, below, together))
    }

    /// The entries with what was found in the places of the nodes; both lists are in the order of the places.
    fn put_in(
        &self,
        entries: Vec<Entry>,
        direct: &[(i64, i64)],
        below: Vec<(i64, i64, Census)>,
        together: usize,
    ) -> Vec<Entry> {
        let mut found = Vec::with_capacity(entries.len() + direct.len() + below.len());
        let (mut direct, mut below) = (direct.iter().peekable(), below.into_iter().peekable());
        for (place, entry) in (0..).zip(entries) {
            let Entry::Node(node) = entry else {
                found.push(entry);
                continue;
            };
            while let Some((_, rank)) = direct.next_if(|(of, _)| *of == place) {
                let key = [&node.key[..], &[Part::Id(0), Part::Int(*rank)]].concat();
                found.extend(of_rank(*rank).map(|id| Entry::Row(key, id)));
            }
            let (mut count, mut last) = (0, None);
            while let Some((_, rank, census)) = below.next_if(|(of, ..)| *of == place) {
                (count, last) = (count + 1, Some(rank));
                if !self.sets(&census).is_empty() {
                    let key = [&node.key[..], &[Part::Id(1), Part::Int(rank)]].concat();
                    let stage = Stage::Direct(i64::MIN);
                    found.push(Entry::Node(Node { id: of_rank(rank), key, census, stage }));
                }
            }
            // There may be more of them.
            if let Some(next) = last.filter(|_| count == together).and_then(|last: i64| last.checked_add(1)) {
                found.push(Entry::Node(Node { stage: Stage::Inner(next), ..node }));
            }
        }
        found
    }

    /// What is left behind a row: at each node on the way to it the nodes that come behind, and the rest of the last one.
    async fn resume(
        &mut self,
        below: Option<EntityId>,
        after: &Key,
    ) -> Result<std::result::Result<Vec<Node>, Refusal>> {
        let mut open = Vec::new();
        let (mut at, mut key) = (below, Key::new());
        let steps = after.chunks_exact(2);
        if after.is_empty() || !steps.remainder().is_empty() {
            return Ok(Err(Refusal::BadPageCursor));
        }
        for step in steps {
            let [Part::Id(stage), Part::Int(rank)] = step else { return Ok(Err(Refusal::BadPageCursor)) };
            // A node on the way that is gone has nothing more.
            let Some(census) = self.census_of(at, below, &key).await? else { break };
            if *stage == 0 {
                open.push(Node { id: at, key: key.clone(), census, stage: Stage::Direct(*rank) });
                break;
            }
            if let Some(next) = rank.checked_add(1) {
                open.push(Node { id: at, key: key.clone(), census, stage: Stage::Inner(next) });
            }
            key.extend_from_slice(step);
            at = of_rank(*rank);
        }
        // The innermost comes first.
        open.reverse();
        Ok(Ok(open))
    }

    /// The census of a node on the way, if it is still where the way says.
    async fn census_of(
        &mut self,
        at: Option<EntityId>,
        below: Option<EntityId>,
        key: &Key,
    ) -> Result<Option<Census>> {
        if at != below
            && let Some(id) = at
        {
            let found = by_id(self.reading, &[id]).await?;
            let parent = match key.len().checked_sub(3).and_then(|at| key.get(at)) {
                Some(Part::Int(rank)) => of_rank(*rank),
                _ => below,
            };
            if found.get(&id).is_none_or(|entity| entity.placement.parent != parent) {
                return Ok(None);
            }
        }
        Ok(counts::census(self.reading, at).await?.ok())
    }
}
