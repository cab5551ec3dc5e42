//! What the cache was told of: what commits touched lately, so that no older answer is put in.

use std::collections::{HashMap, VecDeque};

use entitygraph_schema::{Cursor, EntityId};

use super::SubtreeKey;

/// Touches remembered: more than commits touch while one store read is under way.
const TOUCHES_MAX: usize = 65_536;

/// What the cache was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Newest commit applied.
    pub cursor: Cursor,
    /// Lately touched entities with the commit that did it, oldest first.
    touches: VecDeque<(EntityId, Cursor)>,
    /// The newest touch of each entity in `touches`.
    touched: HashMap<EntityId, Cursor>,
    /// Touches of commits up to this one may have been forgotten.
    forgotten: Cursor,
    /// The newest commit that changed an aggregate nobody knows.
    pub marked: Cursor,
    /// Which cached subtrees an entity is in.
    pub members: HashMap<EntityId, Vec<SubtreeKey>>,
}

impl Told {
    /// Told of everything up to `cursor`, with nothing in the cache.
    pub fn from(cursor: Cursor) -> Self {
        Self { cursor, forgotten: cursor, ..Self::default() }
    }

    /// The commit at `cursor` changed the entity or its list of children.
    pub fn touch(&mut self, id: EntityId, cursor: Cursor) {
        self.touches.push_back((id, cursor));
        self.touched.insert(id, cursor);
        while self.touches.len() > TOUCHES_MAX {
            if let Some((id, cursor)) = self.touches.pop_front() {
                self.forgotten = cursor;
                if self.touched.get(&id) == Some(&cursor) {
                    self.touched.remove(&id);
                }
            }
        }
    }

    /// Whether a read at `cursor` is still true for the entity and its list of children.
    pub fn untouched_since(&self, id: EntityId, cursor: Cursor) -> bool {
        cursor >= self.forgotten && self.touched.get(&id).is_none_or(|touched| *touched <= cursor)
    }
}
