//! Searching below a node for what has one of some facets.
//!
//! A walk that enters only nodes whose census has what is looked for: at each of them first those right below, by their number, then
//! the nodes below it, by theirs. That is the order of the answer. What it costs follows from what it finds and from how many children
//! with something below them the nodes on the way have.

use std::collections::{BTreeSet, HashSet};

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
        census::Census,
        concern::Concern,
        facets::SetNumber,
        moment::{Judged, Question, Reading},
        number::{of_rank, parent as number_of},
        statement::list,
        statements as cypher,
    },
};

/// Nodes with something below them that are looked at together.
const TOGETHER: usize = 512;

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
        let mut search = Search { reading, any_of: &self.any_of, limit, rows: Vec::new() };
        let mut open = match &self.after {
            None => vec![Node { id: self.below, key: Key::new(), census, stage: Stage::Direct(i64::MIN) }],
            Some(after) => match search.resume(self.below, after).await? {
                Ok(open) => open,
                Err(refusal) => return Ok((concern, Err(refusal))),
            },
        };
        while let Some(node) = open.pop().filter(|_| search.rows.len() <= self.request.first) {
            search.look(node, &mut open).await?;
        }
        let rows = search.rows;
        Ok((concern, page(&self.name, &self.request, rows)))
    }
}

/// How far a node was searched.
enum Stage {
    /// Those right below it with a rank above this.
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

struct Search<'a, 'b> {
    reading: &'a mut Reading<'b>,
    any_of: &'a BTreeSet<Facet>,
    limit: i64,
    rows: Vec<(Key, EntityId)>,
}

impl Search<'_, '_> {
    /// The sets of a census that have one of the facets.
    fn sets(&self, census: &Census) -> HashSet<SetNumber> {
        let facets = self.reading.shared().facets.read();
        let has = |set: &SetNumber| {
            facets.get(*set).is_some_and(|set| set.0.iter().any(|facet| self.any_of.contains(facet)))
        };
        census.sets().map(|(set, _)| set).filter(has).collect()
    }

    async fn look(&mut self, node: Node, open: &mut Vec<Node>) -> Result<()> {
        let sets = self.sets(&node.census);
        match node.stage {
            Stage::Direct(rank) => {
                let direct: Vec<_> = node
                    .census
                    .sets()
                    .filter(|(set, count)| count.direct > 0 && sets.contains(set))
                    .collect();
                if !direct.is_empty() {
                    let query = cypher::DIRECT
                        .query()
                        .param("sets", list(direct.iter().map(|(set, _)| i64::from(*set).into())))
                        .param("parent", number_of(node.id))
                        .param("rank", rank)
                        .param("limit", self.limit);
                    let row = self.reading.ask(cypher::DIRECT, query).await?;
                    for rank in self.reading.shared().column::<Vec<i64>>(&row, "answer")? {
                        let key = [&node.key[..], &[Part::Id(0), Part::Int(rank)]].concat();
                        self.rows.extend(of_rank(rank).map(|id| (key, id)));
                    }
                }
                let deeper =
                    node.census.sets().any(|(set, count)| count.below > count.direct && sets.contains(&set));
                if deeper {
                    open.push(Node { stage: Stage::Inner(i64::MIN), ..node });
                }
            }
            Stage::Inner(rank) => self.enter(node, rank, open).await?,
        }
        Ok(())
    }

    /// Puts the nodes below one that have something into `open`, the first on top.
    async fn enter(&mut self, node: Node, rank: i64, open: &mut Vec<Node>) -> Result<()> {
        let limit = i64::try_from(TOGETHER).unwrap_or(i64::MAX);
        let query = cypher::INNER
            .query()
            .param("parent", number_of(node.id))
            .param("rank", rank)
            .param("limit", limit);
        let row = self.reading.ask(cypher::INNER, query).await?;
        let shared = self.reading.shared();
        let rows: Vec<(i64, &[u8])> = shared.column(&row, "answer")?;
        let full = rows.len() == TOGETHER;
        let mut below = Vec::with_capacity(rows.len());
        for (rank, census) in rows {
            let census = Census::decode(census)
                .ok_or_else(|| shared.client.place.corrupt("a census does not decode"))?;
            shared.know_sets(census.sets().map(|(set, _)| set)).await?;
            below.push((rank, census));
        }
        if let Some((last, _)) = below.last().filter(|_| full)
            && let Some(next) = last.checked_add(1)
        {
            open.push(Node {
                id: node.id,
                key: node.key.clone(),
                census: node.census,
                stage: Stage::Inner(next),
            });
        }
        for (rank, census) in below.into_iter().rev() {
            if !self.sets(&census).is_empty() {
                let key = [&node.key[..], &[Part::Id(1), Part::Int(rank)]].concat();
                open.push(Node { id: of_rank(rank), key, census, stage: Stage::Direct(i64::MIN) });
            }
        }
        Ok(())
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
