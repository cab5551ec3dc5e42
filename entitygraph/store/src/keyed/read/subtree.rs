//! Walking down a subtree, parents first.
//!
//! A page cursor is the way from the root to the last row: ordinal and id at each level. The next page finds its place by
//! one seek at each level, also when what stood there has moved or is gone.

use std::{collections::VecDeque, sync::Arc};

use entitygraph_schema::{
    Entity, EntityId, Refusal,
    query::{Extent, Page, PageRequest},
};

use crate::{
    error::Result,
    keyed::{
        keys,
        page::{self, Filling, List},
        snapshot::Snapshot,
    },
};

/// Children read at once.
const CHUNK: usize = 256;

/// What follows the parent in the key of a child: its ordinal and id.
type Place = [u8; 16];

/// A page of the entity and what is below it to the extent.
pub fn subtree(
    snapshot: &Snapshot<'_>,
    root: EntityId,
    extent: Extent,
    page: &PageRequest,
) -> Result<Page<Arc<Entity>>> {
    let entity = snapshot.expect(root)?;
    page::check(page)?;
    let list = List::of("subtree", &[&root.get().to_be_bytes(), format!("{extent:?}").as_bytes()]);
    let mut filling = Filling::new(page.first);
    let mut walk = Walk { snapshot, extent, levels: Vec::new() };
    match &page.after {
        Some(cursor) => walk.resume(root, list.open(cursor)?)?,
        None => {
            filling.push(|| (entity, list.seal(&[])));
            walk.enter(root);
        }
    }
    while let Some(entity) = walk.next()? {
        if !filling.push(|| (entity, list.seal(&walk.way()))) {
            break;
        }
    }
    Ok(filling.done())
}

struct Walk<'a> {
    snapshot: &'a Snapshot<'a>,
    extent: Extent,
    levels: Vec<Level>,
}

/// Children of one parent on the way.
struct Level {
    prefix: Vec<u8>,
    /// Where to read on; none when all are read.
    from: Option<Vec<u8>>,
    read: VecDeque<Child>,
    /// The child that the walk is at or below; none before the first.
    at: Option<Place>,
}

struct Child {
    place: Place,
    id: EntityId,
    has_children: bool,
}

impl Walk<'_> {
    fn enter(&mut self, parent: EntityId) {
        let deep_enough = matches!(self.extent, Extent::Depth(depth) if self.levels.len() >= depth as usize);
        if !deep_enough {
            let prefix = keys::children(parent.get());
            self.levels.push(Level { from: Some(prefix.clone()), prefix, read: VecDeque::new(), at: None });
        }
    }

    /// Goes to what follows the end of a way.
    fn resume(&mut self, root: EntityId, way: &[u8]) -> Result<()> {
        let (places, rest) = way.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(Refusal::BadPageCursor.into());
        }
        self.enter(root);
        for place in places {
            let Some(level) = self.levels.last_mut() else { break };
            let key = [&level.prefix[..], place].concat();
            level.from = Some(keys::after(&key));
            level.at = Some(*place);
            // What is no longer here has nothing below it here.
            if self.snapshot.get(&key)?.is_none() {
                break;
            }
            let entity = self.child(self.snapshot.last_id(&key)?)?;
            if self.leaves_out(&entity) || self.ends_at(&entity) {
                break;
            }
            self.enter(entity.id);
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Arc<Entity>>> {
        while let Some(level) = self.levels.last_mut() {
            if level.read.is_empty() {
                level.fill(self.snapshot)?;
            }
            let Some(child) = level.read.pop_front() else {
                self.levels.pop();
                continue;
            };
            level.at = Some(child.place);
            let entity = self.child(child.id)?;
            if self.leaves_out(&entity) {
                continue;
            }
            if child.has_children && !self.ends_at(&entity) {
                self.enter(child.id);
            }
            return Ok(Some(entity));
        }
        Ok(None)
    }

    fn child(&self, id: EntityId) -> Result<Arc<Entity>> {
        let missing = || self.snapshot.place.corrupt(format!("entity {id} is a child and does not exist"));
        self.snapshot.entity(id)?.ok_or_else(missing)
    }

    /// Whether the extent is without this entity and what is below it.
    fn leaves_out(&self, entity: &Entity) -> bool {
        self.extent == Extent::Aggregate && entity.root
    }

    /// Whether the extent is without what is below this entity.
    fn ends_at(&self, entity: &Entity) -> bool {
        self.extent == Extent::Zone && entity.zone.is_some()
    }

    /// The way to the entity that [`Self::next`] returned last. Its own children, if it has some, are not begun.
    fn way(&self) -> Vec<u8> {
        self.levels.iter().filter_map(|level| level.at).flatten().collect()
    }
}

impl Level {
    fn fill(&mut self, snapshot: &Snapshot<'_>) -> Result<()> {
        let Some(from) = self.from.take() else { return Ok(()) };
        let mut next = None;
        snapshot.scan(&from, &keys::end_of(&self.prefix), |key, value| {
            if self.read.len() == CHUNK {
                next = Some(key.to_vec());
                return Ok(false);
            }
            let place = key[self.prefix.len()..].try_into();
            let place = place
                .map_err(|_| snapshot.place.corrupt(format!("the child row {key:02x?} has a bad key")))?;
            self.read.push_back(Child { place, id: snapshot.last_id(key)?, has_children: value == [1] });
            Ok(true)
        })?;
        self.from = next;
        Ok(())
    }
}
