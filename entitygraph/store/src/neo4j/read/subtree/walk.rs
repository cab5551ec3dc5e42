//! A walk through a large subtree, parents first, which reads what the page needs.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use entitygraph_schema::{
    Entity, EntityId, Refusal,
    query::{Extent, Page, PageRequest},
};

use super::{aspects, goes_below, step};
use crate::{
    error::Result,
    memory::pages::{Key, Part},
    neo4j::{
        concern::Concern,
        moment::{Judged, Reading},
        number::{id, of_rank, rank, shown},
        read::{lists::by_id, page},
        statement::{list, map},
        statements as cypher,
    },
};

/// Nodes whose children are read together, and fewest children of each.
const TOGETHER: usize = 128;
const EACH: usize = 16;

/// A child: its parent, its record, and its census where something is below it.
type ChildRow<'a> = (i64, &'a [u8], Option<&'a [u8]>);

/// Children of a node that were read, and whether there are more behind the last one.
struct Level {
    children: Vec<Arc<Entity>>,
    more: bool,
}

/// A walk through a subtree, parents first.
struct Walk<'a, 'b> {
    reading: &'a mut Reading<'b>,
    extent: Extent,
    limit: usize,
    levels: HashMap<EntityId, Level>,
    /// Whether something is below.
    inner: HashSet<EntityId>,
    seen: HashSet<EntityId>,
}

/// Something on the way that is still to be told: an entity, or the children of one behind a place.
enum Open {
    Entity { key: Key, entity: Arc<Entity>, depth: u32 },
    Children { key: Key, parent: EntityId, depth: u32, ordinal: i64, rank: i64 },
}

/// A page of a subtree behind a row; without one the first page.
pub async fn walk(
    reading: &mut Reading<'_>,
    root: EntityId,
    extent: Extent,
    after: Option<Key>,
    name: &str,
    request: &PageRequest,
) -> Result<Judged<Page<Arc<Entity>>>> {
    let mut walk = Walk {
        reading,
        extent,
        limit: request.first + 1,
        levels: HashMap::new(),
        inner: HashSet::new(),
        seen: HashSet::from([root]),
    };
    let Some(itself) = by_id(walk.reading, &[root]).await?.remove(&root) else {
        return Ok((Concern::entities([root]), Err(Refusal::UnknownEntity { entity: root })));
    };
    walk.inner.insert(root);
    let open = match after {
        None => vec![Open::Entity { key: Key::new(), entity: itself, depth: 0 }],
        Some(after) => match walk.resume(&itself, &after).await? {
            Ok(open) => open,
            Err(refusal) => return Ok((walk.concern(), Err(refusal))),
        },
    };
    let rows = walk.tell(open).await?;
    Ok((walk.concern(), page(name, request, rows)))
}

impl Walk<'_, '_> {
    fn concern(&self) -> Concern {
        Concern { aspects: aspects(self.extent), entities: self.seen.clone() }
    }

    /// What is left behind a row: the children of each entity on the way to it that come behind, and what is below the row itself.
    async fn resume(
        &mut self,
        root: &Entity,
        after: &Key,
    ) -> Result<std::result::Result<Vec<Open>, Refusal>> {
        let mut open = Vec::new();
        let (mut parent, mut key, mut depth) = (root.id, Key::new(), 0);
        let steps = after.chunks_exact(2);
        if !steps.remainder().is_empty() {
            return Ok(Err(Refusal::BadPageCursor));
        }
        let mut way = Vec::new();
        for step in steps {
            let [Part::Int(ordinal), Part::Int(rank)] = step else { return Ok(Err(Refusal::BadPageCursor)) };
            way.push((*ordinal, *rank));
        }
        let on_the_way: Vec<_> = way.iter().filter_map(|(_, rank)| of_rank(*rank)).collect();
        let there = by_id(self.reading, &on_the_way).await?;
        self.seen.extend(&on_the_way);
        for (ordinal, rank) in way {
            open.push(Open::Children { key: key.clone(), parent, depth, ordinal, rank });
            key.extend([Part::Int(ordinal), Part::Int(rank)]);
            // Where it is gone, or elsewhere, what was below it is no part of this place any more.
            let next = of_rank(rank).and_then(|id| there.get(&id));
            let Some(next) =
                next.filter(|next| next.placement.parent == Some(parent) && next.ordinal == ordinal)
            else {
                return Ok(Ok(open));
            };
            depth += 1;
            if !goes_below(self.extent, depth, next) {
                return Ok(Ok(open));
            }
            parent = next.id;
        }
        self.inner.insert(parent);
        if after.is_empty() || depth > 0 || goes_below(self.extent, 0, root) {
            open.push(Open::Children { key, parent, depth, ordinal: i64::MIN, rank: i64::MIN });
        }
        Ok(Ok(open))
    }

    async fn tell(&mut self, mut open: Vec<Open>) -> Result<Vec<(Key, Arc<Entity>)>> {
        let mut rows = Vec::new();
        while let Some(next) = open.pop().filter(|_| rows.len() < self.limit) {
            match next {
                Open::Entity { key, entity, depth } => {
                    if goes_below(self.extent, depth, &entity) && self.inner.contains(&entity.id) {
                        let begin = (i64::MIN, i64::MIN);
                        open.push(Open::Children {
                            key: key.clone(),
                            parent: entity.id,
                            depth,
                            ordinal: begin.0,
                            rank: begin.1,
                        });
                    }
                    rows.push((key, entity));
                }
                Open::Children { key, parent, depth, ordinal, rank: behind } => {
                    if ordinal > i64::MIN || behind > i64::MIN || !self.levels.contains_key(&parent) {
                        self.read(parent, ordinal, behind, &open).await?;
                    }
                    let Some(level) = self.levels.remove(&parent) else { continue };
                    if let Some(last) = level.children.last().filter(|_| level.more) {
                        let (ordinal, rank) = (last.ordinal, rank(last.id));
                        open.push(Open::Children { key: key.clone(), parent, depth, ordinal, rank });
                    }
                    for child in level.children.into_iter().rev() {
                        if self.extent != Extent::Aggregate || !child.root {
                            open.push(Open::Entity {
                                key: step(&key, &child),
                                entity: child,
                                depth: depth + 1,
                            });
                        }
                    }
                }
            }
        }
        Ok(rows)
    }

    /// Reads children of a node behind a place, and the first children of those that are to be told next.
    async fn read(&mut self, parent: EntityId, ordinal: i64, behind: i64, open: &[Open]) -> Result<()> {
        let mut nodes = vec![(parent, ordinal, behind)];
        let next = open.iter().rev().filter_map(|open| match open {
            Open::Entity { entity, depth, .. } if goes_below(self.extent, *depth, entity) => Some(entity.id),
            _ => None,
        });
        let next = next.filter(|id| self.inner.contains(id) && !self.levels.contains_key(id));
        // A quarter as many as rows are wanted: nodes with something below have some children each.
        let most = self.limit.div_ceil(4).min(TOGETHER);
        nodes.extend(next.take(most).map(|id| (id, i64::MIN, i64::MIN)));
        let asked = list(nodes.iter().map(|(id, ordinal, rank)| {
            map([("id", shown(*id).into()), ("ordinal", (*ordinal).into()), ("rank", (*rank).into())])
        }));
        // As many rows as the page wants, dealt to the nodes; where one has more, it is asked again.
        let limit = (self.limit / nodes.len()).max(EACH).min(self.limit);
        let query = cypher::LEVEL
            .query()
            .param("nodes", asked)
            .param("limit", i64::try_from(limit).unwrap_or(i64::MAX));
        let row = self.reading.ask(cypher::LEVEL, query).await?;
        let shared = self.reading.shared();
        let rows: Vec<ChildRow<'_>> = shared.column(&row, "answer")?;
        for (id, ..) in &nodes {
            self.levels.insert(*id, Level { children: Vec::new(), more: false });
            self.seen.insert(*id);
        }
        for (of, record, census) in rows {
            let child: Arc<Entity> = Arc::new(shared.decode("an entity", record)?);
            if !shared.census(census)?.is_empty() {
                self.inner.insert(child.id);
            }
            self.seen.insert(child.id);
            let level = id(of).and_then(|of| self.levels.get_mut(&of));
            // Each of the two halves of the statement may bring as many as asked for.
            if let Some(level) = level {
                if level.children.len() < limit {
                    level.children.push(child);
                }
                level.more = level.children.len() == limit;
            }
        }
        Ok(())
    }
}
