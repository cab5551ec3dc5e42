//! Finding what has a facet, anywhere below a node.
//!
//! Branch rows say which children have the facet or lead to something that has it, so the walk visits only nodes on the
//! way to results. A page cursor is the way from the node to the last result: the ids of the branches taken. The next page
//! finds its place by one seek for each level and facet, also when what stood there has moved or is gone.

use std::collections::{BTreeSet, VecDeque};

use entitygraph_schema::{
    EntityId, Refusal,
    query::{Facet, Page, PageRequest},
};

use crate::{
    error::Result,
    keyed::{
        keys,
        page::{self, Filling, List},
        snapshot::Snapshot,
    },
};

/// Branches of one facet read at once.
const CHUNK: usize = 128;

/// A page of the entities below the node that have one of the facets at least.
pub fn find(
    snapshot: &Snapshot<'_>,
    below: Option<EntityId>,
    any_of: &[Facet],
    page: &PageRequest,
) -> Result<Page<EntityId>> {
    if let Some(node) = below {
        snapshot.check_exists(node)?;
    }
    page::check(page)?;
    if any_of.len() > Facet::MAX_ANY_OF {
        let (count, max) = (any_of.len() as u64, Facet::MAX_ANY_OF as u64);
        return Err(Refusal::TooMany { what: "facets in one question", count, max }.into());
    }
    let facets: Vec<Vec<u8>> = any_of.iter().map(stored).collect::<BTreeSet<_>>().into_iter().collect();
    let node = keys::parent_number(below);
    let list = List::of("find", &[&node.to_be_bytes(), &facets.concat()]);
    let mut walk = Walk { snapshot, facets: &facets, levels: Vec::new() };
    walk.enter(node);
    if let Some(cursor) = &page.after {
        walk.resume(list.open(cursor)?)?;
    }
    let mut filling = Filling::new(page.first);
    while let Some((id, way)) = walk.next()? {
        if !filling.push(|| (id, list.seal(&way))) {
            break;
        }
    }
    Ok(filling.done())
}

fn stored(facet: &Facet) -> Vec<u8> {
    let mut bytes = Vec::new();
    keys::put_facet(facet, &mut bytes);
    bytes
}

struct Walk<'a> {
    snapshot: &'a Snapshot<'a>,
    facets: &'a [Vec<u8>],
    levels: Vec<Level>,
}

/// A node on the way, and the branches from it by facet.
struct Level {
    /// The branch that the walk is at or below; none before the first.
    at: Option<EntityId>,
    runs: Vec<Run>,
}

/// Branches of one facet from one node, in order of their ids.
struct Run {
    prefix: Vec<u8>,
    /// Where to read on; none when all are read.
    from: Option<Vec<u8>>,
    read: VecDeque<(EntityId, u8)>,
}

impl Walk<'_> {
    fn enter(&mut self, node: u64) {
        let run = |facet: &Vec<u8>| {
            let prefix = keys::branches(node, facet);
            Run { from: Some(prefix.clone()), prefix, read: VecDeque::new() }
        };
        self.levels.push(Level { at: None, runs: self.facets.iter().map(run).collect() });
    }

    /// Goes to what follows the end of a way.
    fn resume(&mut self, way: &[u8]) -> Result<()> {
        let (ids, rest) = way.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(Refusal::BadPageCursor.into());
        }
        for id in ids {
            let id = EntityId::new(u64::from_be_bytes(*id)).ok_or(Refusal::BadPageCursor)?;
            let Some(level) = self.levels.last_mut() else { break };
            level.at = Some(id);
            let mut flags = 0;
            for run in &mut level.runs {
                let key = [&run.prefix[..], &id.get().to_be_bytes()].concat();
                flags |=
                    self.snapshot.get(&key)?.and_then(|value| value.first().copied()).unwrap_or_default();
                run.from = Some(keys::after(&key));
            }
            // What is no longer here leads nowhere from here.
            if flags & keys::BELOW == 0 {
                break;
            }
            self.enter(id.get());
        }
        Ok(())
    }

    /// The next result and the way to it.
    fn next(&mut self) -> Result<Option<(EntityId, Vec<u8>)>> {
        while let Some(level) = self.levels.last_mut() {
            let Some((id, flags)) = level.next(self.snapshot)? else {
                self.levels.pop();
                continue;
            };
            level.at = Some(id);
            let found = (flags & keys::SELF != 0).then(|| (id, self.way()));
            if flags & keys::BELOW != 0 {
                self.enter(id.get());
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn way(&self) -> Vec<u8> {
        let ids = self.levels.iter().filter_map(|level| level.at);
        ids.flat_map(|id| id.get().to_be_bytes()).collect()
    }
}

impl Level {
    /// The next branch of any facet, with the flags of all facets.
    fn next(&mut self, snapshot: &Snapshot<'_>) -> Result<Option<(EntityId, u8)>> {
        let mut first: Option<EntityId> = None;
        for run in &mut self.runs {
            if run.read.is_empty() {
                run.fill(snapshot)?;
            }
            first = [first, run.read.front().map(|(id, _)| *id)].into_iter().flatten().min();
        }
        let Some(id) = first else { return Ok(None) };
        let mut flags = 0;
        for run in &mut self.runs {
            if run.read.front().is_some_and(|(next, _)| *next == id) {
                flags |= run.read.pop_front().map_or(0, |(_, flags)| flags);
            }
        }
        Ok(Some((id, flags)))
    }
}

impl Run {
    fn fill(&mut self, snapshot: &Snapshot<'_>) -> Result<()> {
        let Some(from) = self.from.take() else { return Ok(()) };
        let mut next = None;
        snapshot.scan(&from, &keys::end_of(&self.prefix), |key, value| {
            if self.read.len() == CHUNK {
                next = Some(key.to_vec());
                return Ok(false);
            }
            self.read.push_back((snapshot.last_id(key)?, value.first().copied().unwrap_or_default()));
            Ok(true)
        })?;
        self.from = next;
        Ok(())
    }
}
