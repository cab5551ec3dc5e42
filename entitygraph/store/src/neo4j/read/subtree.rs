//! Subtrees: a small one is one statement, a large one is walked with what the page needs.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use entitygraph_schema::{
    Entity, EntityId, Refusal,
    query::{Extent, Page, PageRequest},
};

use super::{
    lists::{by_id, records},
    page,
};
use crate::{
    error::Result,
    memory::pages::{self, Key, Part},
    neo4j::{
        census::Census,
        concern::{Aspects, Concern},
        moment::{Judged, Question, Reading},
        number::{rank, shown},
        statement::{Statement, list, map},
        statements as cypher,
    },
};

/// Entities of a subtree that is read whole by one statement.
const WHOLE: usize = 2_048;

/// Nodes whose children are read together while walking.
const TOGETHER: usize = 128;

/// See [`crate::Store::subtree`].
pub struct Subtree {
    root: EntityId,
    extent: Extent,
    name: String,
    after: Option<Key>,
    request: PageRequest,
}

impl Subtree {
    /// Refuses pages and cursors that cannot be.
    pub fn new(root: EntityId, extent: Extent, request: PageRequest) -> std::result::Result<Self, Refusal> {
        let name = format!("subtree {root:?} {extent:?}");
        let after = pages::after(&name, &request)?;
        Ok(Self { root, extent, name, after, request })
    }
}

#[async_trait]
impl Question for Subtree {
    type Answer = Page<Arc<Entity>>;

    async fn ask(&self, reading: &mut Reading<'_>) -> Result<Judged<Self::Answer>> {
        let Self { root, extent, name, after, request } = self;
        if let Some(statement) = whole_statement(*extent).filter(|_| after.is_none())
            && let Some(answer) = whole(reading, statement, *root, *extent, name, request).await?
        {
            return Ok(answer);
        }
        walk(reading, *root, *extent, after.clone(), name, request).await
    }
}

fn whole_statement(extent: Extent) -> Option<Statement> {
    match extent {
        Extent::Depth(0) => Some(cypher::ENTITIES),
        Extent::Depth(_) => None,
        Extent::All => Some(cypher::SUBTREE_ALL),
        Extent::Aggregate => Some(cypher::SUBTREE_AGGREGATE),
        Extent::Zone => Some(cypher::SUBTREE_ZONE),
    }
}

/// What else an answer depends on.
fn aspects(extent: Extent) -> Aspects {
    match extent {
        Extent::Aggregate => Aspects::ROOTS,
        Extent::Zone => Aspects::ZONES,
        Extent::Depth(_) | Extent::All => Aspects::NONE,
    }
}

/// Whether what is below an entity of the subtree belongs to it, and whether a child does.
fn goes_below(extent: Extent, depth: u32, entity: &Entity) -> bool {
    match extent {
        Extent::Depth(levels) => depth < levels,
        Extent::All | Extent::Aggregate => true,
        Extent::Zone => depth == 0 || entity.zone.is_none(),
    }
}

/// The first page of a subtree that is read by one statement; none if it is too large for that.
async fn whole(
    reading: &mut Reading<'_>,
    statement: Statement,
    root: EntityId,
    extent: Extent,
    name: &str,
    request: &PageRequest,
) -> Result<Option<Judged<Page<Arc<Entity>>>>> {
    let query = statement
        .query()
        .param("id", shown(root))
        .param("ids", list([shown(root).into()]))
        .param("limit", i64::try_from(WHOLE + 1).unwrap_or(i64::MAX));
    let shared = reading.shared();
    let row = reading.ask(statement, query).await?;
    let found = records(shared, &row)?;
    if found.len() > WHOLE {
        return Ok(None);
    }
    let ids = found.iter().map(|entity| entity.id).chain([root]);
    let concern = Concern { aspects: aspects(extent), ..Concern::entities(ids) };
    let Some(itself) = found.iter().find(|entity| entity.id == root).cloned() else {
        return Ok(Some((concern, Err(Refusal::UnknownEntity { entity: root }))));
    };
    let mut below: HashMap<EntityId, Vec<&Arc<Entity>>> = HashMap::new();
    for entity in found.iter().filter(|entity| entity.id != root) {
        if let Some(parent) = entity.placement.parent {
            below.entry(parent).or_default().push(entity);
        }
    }
    below.values_mut().for_each(|children| children.sort_unstable_by_key(|child| (child.ordinal, child.id)));
    let mut rows = Vec::with_capacity(found.len());
    let mut open = vec![(Key::new(), &itself)];
    // One row more than the page says that there are more.
    while let Some((key, entity)) = open.pop().filter(|_| rows.len() <= request.first) {
        for child in below.get(&entity.id).into_iter().flatten().rev() {
            open.push((step(&key, child), *child));
        }
        rows.push((key, entity.clone()));
    }
    Ok(Some((concern, page(name, request, rows))))
}

/// The key of a child: the way to it from the root.
fn step(key: &Key, child: &Entity) -> Key {
    let mut key = key.clone();
    key.extend([Part::Int(child.ordinal), Part::Int(rank(child.id))]);
    key
}

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

async fn walk(
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
        let on_the_way: Vec<_> =
            way.iter().filter_map(|(_, rank)| crate::neo4j::number::of_rank(*rank)).collect();
        let there = by_id(self.reading, &on_the_way).await?;
        self.seen.extend(&on_the_way);
        for (ordinal, rank) in way {
            open.push(Open::Children { key: key.clone(), parent, depth, ordinal, rank });
            key.extend([Part::Int(ordinal), Part::Int(rank)]);
            // Where it is gone, or elsewhere, what was below it is no part of this place any more.
            let next = crate::neo4j::number::of_rank(rank).and_then(|id| there.get(&id));
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
        nodes.extend(next.take(TOGETHER).map(|id| (id, i64::MIN, i64::MIN)));
        let asked = list(nodes.iter().map(|(id, ordinal, rank)| {
            map([("id", shown(*id).into()), ("ordinal", (*ordinal).into()), ("rank", (*rank).into())])
        }));
        let limit = self.limit.min(PageRequest::MAX_FIRST + 1);
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
            if census.and_then(Census::decode).is_some_and(|census| !census.is_empty()) {
                self.inner.insert(child.id);
            }
            self.seen.insert(child.id);
            let level = crate::neo4j::number::id(of).and_then(|of| self.levels.get_mut(&of));
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
