//! Tallies and branches: how many below a node have a facet, and which children lead to them.
//!
//! Worked out once for a whole batch, from the tree before and the tree after it. What a node counts changes by what its
//! children gained, plus all of the children that came, minus all of those that left; so differences run up the new tree,
//! deepest nodes first, and each tally is read and written once however many entities changed below.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use entitygraph_schema::{Entity, EntityId};

use super::{
    cache::Cache,
    draft::Draft,
    graph::{After, Base},
};
use crate::{
    error::Result,
    keyed::{engine::WriteBatch, keys, tree::Tree},
};

/// Tallies that the writer knows without asking the engine, by key.
pub type TallyCache = Cache<Vec<u8>, u64>;

/// Index of a facet within a batch.
type FacetIndex = u32;

/// The index of [`keys::EVERYTHING`].
const EVERYTHING: FacetIndex = 0;

/// Writes the rows of the batch; returns the new tallies for the cache, valid once the batch is written.
pub fn lower(
    base: &Base<'_>,
    batch: &Draft,
    cache: &mut TallyCache,
    out: &mut WriteBatch,
) -> Result<Vec<(Vec<u8>, u64)>> {
    let mut work = Work {
        base,
        after: After { base, batch },
        cache,
        facets: Facets::default(),
        depths: HashMap::new(),
        levels: vec![Vec::new()],
        flips: HashMap::new(),
        updates: Vec::new(),
        out,
    };
    work.facets.index(&keys::EVERYTHING);
    let mut shifted = Vec::new();
    for (id, touched) in &batch.entities {
        shifted.extend(work.compare(*id, touched.before.as_ref(), touched.now.as_ref())?);
    }
    work.run_up()?;
    let done: HashSet<EntityId> = shifted.iter().map(|shifted| shifted.id).collect();
    for shifted in &shifted {
        work.shift(shifted)?;
    }
    let flipped: Vec<_> = work.flips.keys().copied().filter(|id| !done.contains(id)).collect();
    for id in flipped {
        work.flip(id)?;
    }
    Ok(work.updates)
}

/// An entity whose facets or place among its siblings changed, that came or that went.
struct Shifted {
    id: EntityId,
    before: Option<Seat>,
    now: Option<Seat>,
    /// What was below it, when it left its parent.
    below: Vec<(FacetIndex, u64)>,
}

/// What the rows at its parent depend on.
#[derive(PartialEq)]
struct Seat {
    parent: u64,
    ordinal: i64,
    /// Sorted.
    facets: Vec<FacetIndex>,
}

impl Shifted {
    fn stays(&self) -> bool {
        self.before.as_ref().zip(self.now.as_ref()).is_some_and(|(before, now)| before.parent == now.parent)
    }
}

struct Difference {
    node: u64,
    facet: FacetIndex,
    by: i64,
}

/// A tally that became or ceased to be zero.
struct Flip {
    facet: FacetIndex,
    now: bool,
}

struct Work<'a, 'b> {
    base: &'a Base<'a>,
    after: After<'a>,
    cache: &'b mut TallyCache,
    facets: Facets,
    /// Of nodes in the new tree; the whole world is 0.
    depths: HashMap<u64, usize>,
    /// Differences of nodes at each depth.
    levels: Vec<Vec<Difference>>,
    flips: HashMap<EntityId, Vec<Flip>>,
    updates: Vec<(Vec<u8>, u64)>,
    out: &'b mut WriteBatch,
}

impl Work<'_, '_> {
    /// Notes what an entity's change means to the nodes above; none when it means nothing.
    fn compare(
        &mut self,
        id: EntityId,
        before: Option<&Arc<Entity>>,
        now: Option<&Arc<Entity>>,
    ) -> Result<Option<Shifted>> {
        match (before, now) {
            (None, None) => return Ok(None),
            (Some(before), Some(now)) if Arc::ptr_eq(before, now) || looks_the_same(before, now) => {
                return Ok(None);
            }
            _ => {}
        }
        let before = before.map(|entity| self.seat(entity));
        let now = now.map(|entity| self.seat(entity));
        let mut shifted = Shifted { id, before, now, below: Vec::new() };
        if let (Some(before), Some(now), true) = (&shifted.before, &shifted.now, shifted.stays()) {
            for facet in before.facets.iter().filter(|facet| !now.facets.contains(facet)) {
                self.add(now.parent, *facet, -1)?;
            }
            for facet in now.facets.iter().filter(|facet| !before.facets.contains(facet)) {
                self.add(now.parent, *facet, 1)?;
            }
            return Ok(Some(shifted));
        }
        if shifted.before.is_some() {
            shifted.below = self.all_below(id)?;
        }
        for (seat, sign) in [(&shifted.before, -1), (&shifted.now, 1)] {
            let Some(seat) = seat else { continue };
            for facet in &seat.facets {
                self.add(seat.parent, *facet, sign)?;
            }
            for (facet, count) in &shifted.below {
                self.add(seat.parent, *facet, sign * *count as i64)?;
            }
        }
        if shifted.now.is_none() {
            for (facet, _) in &shifted.below {
                self.set(id.get(), *facet, 0);
            }
        }
        Ok(Some(shifted))
    }

    /// Runs all differences up the new tree and writes the tallies.
    fn run_up(&mut self) -> Result<()> {
        for depth in (0..self.levels.len()).rev() {
            let mut level = std::mem::take(&mut self.levels[depth]);
            level.sort_unstable_by_key(|d| (d.node, d.facet));
            for group in level.chunk_by(|one, other| (one.node, one.facet) == (other.node, other.facet)) {
                let (node, facet) = (group[0].node, group[0].facet);
                let by: i64 = group.iter().map(|d| d.by).sum();
                if by != 0 {
                    self.count(node, facet, by, depth)?;
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, node: u64, facet: FacetIndex, by: i64, depth: usize) -> Result<()> {
        let before = self.stored(node, facet)?;
        let now = before.checked_add_signed(by).ok_or_else(|| {
            let facet = self.facets.bytes(facet);
            self.base
                .snapshot
                .place
                .corrupt(format!("the tally of facet {facet:02x?} below {node} is {before}, {by} too few"))
        })?;
        self.set(node, facet, now);
        let Some(id) = EntityId::new(node) else { return Ok(()) };
        if (before > 0) != (now > 0) {
            self.flips.entry(id).or_default().push(Flip { facet, now: now > 0 });
        }
        if let (Some(entity), Some(above)) = (self.after.entity(id)?, depth.checked_sub(1)) {
            let parent = keys::parent_number(entity.placement.parent);
            self.levels[above].push(Difference { node: parent, facet, by });
        }
        Ok(())
    }

    /// Writes the rows at the parents of a shifted entity.
    fn shift(&mut self, shifted: &Shifted) -> Result<()> {
        let id = shifted.id;
        let (had_children, has_children) = (self.had(shifted, EVERYTHING)?, self.has(shifted, EVERYTHING)?);
        let key = |seat: &Seat| keys::child(seat.parent, seat.ordinal, id);
        let (old, new) = (shifted.before.as_ref().map(key), shifted.now.as_ref().map(key));
        if let Some(old) = old.as_ref().filter(|old| Some(*old) != new.as_ref()) {
            self.out.delete(old);
        }
        if let Some(new) = new.filter(|new| Some(new) != old.as_ref() || had_children != has_children) {
            self.out.put(&new, &[u8::from(has_children)]);
        }

        let mut facets: Vec<FacetIndex> = shifted.below.iter().map(|(facet, _)| *facet).collect();
        facets.extend([&shifted.before, &shifted.now].into_iter().flatten().flat_map(|seat| &seat.facets));
        facets.extend(self.flips.get(&id).into_iter().flatten().map(|flip| flip.facet));
        facets.sort_unstable();
        facets.dedup();
        for facet in facets.into_iter().filter(|facet| *facet != EVERYTHING) {
            let has = |seat: &Option<Seat>| seat.as_ref().is_some_and(|seat| seat.facets.contains(&facet));
            let before = flags(has(&shifted.before), self.had(shifted, facet)?);
            let now = flags(has(&shifted.now), self.has(shifted, facet)?);
            if let Some(seat) =
                shifted.before.as_ref().filter(|_| before > 0 && (!shifted.stays() || now == 0))
            {
                self.out.delete(&keys::branch(seat.parent, self.facets.bytes(facet), id));
            }
            if let Some(seat) =
                shifted.now.as_ref().filter(|_| now > 0 && (!shifted.stays() || now != before))
            {
                self.out.put(&keys::branch(seat.parent, self.facets.bytes(facet), id), &[now]);
            }
        }
        Ok(())
    }

    /// Writes the rows at the parent of a node whose own place and facets stayed, but not all of what is below it.
    fn flip(&mut self, id: EntityId) -> Result<()> {
        let Some(entity) = self.after.entity(id)? else { return Ok(()) };
        let seat = self.seat(&entity);
        for flip in self.flips.remove(&id).unwrap_or_default() {
            if flip.facet == EVERYTHING {
                self.out.put(&keys::child(seat.parent, seat.ordinal, id), &[u8::from(flip.now)]);
                continue;
            }
            let key = keys::branch(seat.parent, self.facets.bytes(flip.facet), id);
            match flags(seat.facets.contains(&flip.facet), flip.now) {
                0 => self.out.delete(&key),
                flags => self.out.put(&key, &[flags]),
            }
        }
        Ok(())
    }

    /// Whether something below it had the facet.
    fn had(&mut self, shifted: &Shifted, facet: FacetIndex) -> Result<bool> {
        if shifted.before.is_none() {
            return Ok(false);
        }
        if !shifted.stays() {
            return Ok(shifted.below.iter().any(|(below, _)| *below == facet));
        }
        match self.flipped(shifted.id, facet) {
            Some(now) => Ok(!now),
            None => Ok(self.stored(shifted.id.get(), facet)? > 0),
        }
    }

    /// Whether something below it has the facet now.
    fn has(&mut self, shifted: &Shifted, facet: FacetIndex) -> Result<bool> {
        if shifted.now.is_none() {
            return Ok(false);
        }
        match self.flipped(shifted.id, facet) {
            Some(now) => Ok(now),
            None => self.had(shifted, facet),
        }
    }

    fn flipped(&self, id: EntityId, facet: FacetIndex) -> Option<bool> {
        self.flips.get(&id)?.iter().find(|flip| flip.facet == facet).map(|flip| flip.now)
    }

    fn seat(&mut self, entity: &Entity) -> Seat {
        let facets = self.facets.of(entity);
        Seat { parent: keys::parent_number(entity.placement.parent), ordinal: entity.ordinal, facets }
    }

    /// Notes a difference at a node of the new tree; nodes that are gone take theirs along.
    fn add(&mut self, node: u64, facet: FacetIndex, by: i64) -> Result<()> {
        if let Some(depth) = self.depth(node)? {
            if self.levels.len() <= depth {
                self.levels.resize_with(depth + 1, Vec::new);
            }
            self.levels[depth].push(Difference { node, facet, by });
        }
        Ok(())
    }

    fn depth(&mut self, node: u64) -> Result<Option<usize>> {
        let mut path = Vec::new();
        let mut at = node;
        let base = loop {
            if let Some(depth) = self.depths.get(&at) {
                break *depth;
            }
            let Some(id) = EntityId::new(at) else { break 0 };
            let Some(entity) = self.after.entity(id)? else { return Ok(None) };
            path.push(at);
            at = keys::parent_number(entity.placement.parent);
        };
        for (steps, node) in path.iter().rev().enumerate() {
            self.depths.insert(*node, base + steps + 1);
        }
        Ok(Some(base + path.len()))
    }

    /// All tallies of a node before the batch.
    fn all_below(&mut self, id: EntityId) -> Result<Vec<(FacetIndex, u64)>> {
        let mut found = Vec::new();
        if self.stored(id.get(), EVERYTHING)? == 0 {
            return Ok(found);
        }
        let prefix = keys::tallies(id.get());
        let (facets, snapshot) = (&mut self.facets, &self.base.snapshot);
        snapshot.scan_prefix(&prefix, |key, value| {
            found.push((facets.index(&key[prefix.len()..]), snapshot.place.number("a tally", value)?));
            Ok(true)
        })?;
        Ok(found)
    }

    /// A tally before the batch.
    fn stored(&mut self, node: u64, facet: FacetIndex) -> Result<u64> {
        stored(self.base, self.cache, node, self.facets.bytes(facet))
    }

    fn set(&mut self, node: u64, facet: FacetIndex, count: u64) {
        let key = keys::tally(node, self.facets.bytes(facet));
        match count {
            0 => self.out.delete(&key),
            count => self.out.put(&key, &count.to_be_bytes()),
        }
        self.updates.push((key, count));
    }
}

/// A tally before the batch.
pub fn stored(base: &Base<'_>, cache: &mut TallyCache, node: u64, facet: &[u8]) -> Result<u64> {
    if node > base.highest {
        return Ok(0);
    }
    let key = keys::tally(node, facet);
    if let Some(count) = cache.get(&key) {
        return Ok(count);
    }
    let count = match base.snapshot.get(&key)? {
        Some(value) => base.snapshot.place.number("a tally", &value)?,
        None => 0,
    };
    cache.insert(key, count, 1);
    Ok(count)
}

fn flags(has: bool, below: bool) -> u8 {
    u8::from(has) * keys::SELF + u8::from(below) * keys::BELOW
}

/// Whether parents and ancestors see no difference.
fn looks_the_same(before: &Entity, now: &Entity) -> bool {
    let rides = |entity: &Entity| (entity.zone.is_some(), entity.placement.pose.is_some());
    before.placement.parent == now.placement.parent
        && before.ordinal == now.ordinal
        && rides(before) == rides(now)
        && before.labels == now.labels
        && before.components.0.keys().eq(now.components.0.keys())
}

/// Facets by number, so that they are compared and sorted as numbers.
#[derive(Default)]
struct Facets {
    by_bytes: HashMap<Box<[u8]>, FacetIndex>,
    bytes: Vec<Box<[u8]>>,
    buffer: Vec<u8>,
}

impl Facets {
    fn index(&mut self, bytes: &[u8]) -> FacetIndex {
        if let Some(index) = self.by_bytes.get(bytes) {
            return *index;
        }
        let index = self.bytes.len() as FacetIndex;
        self.bytes.push(bytes.into());
        self.by_bytes.insert(bytes.into(), index);
        index
    }

    fn bytes(&self, index: FacetIndex) -> &[u8] {
        &self.bytes[index as usize]
    }

    fn of(&mut self, entity: &Entity) -> Vec<FacetIndex> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut found = Vec::new();
        keys::facets_of(entity, &mut buffer, |facet| found.push(self.index(facet)));
        self.buffer = buffer;
        found.sort_unstable();
        found
    }
}
