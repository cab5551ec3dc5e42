//! What a source has given so far, so that what it gives twice is noticed.
//!
//! The store cannot tell: what is there may have been written by this load or by an earlier one. Ids come in no order that
//! would let them be forgotten, so all are kept, and nothing else of an item: at most 21 bytes an entity and 76 bytes a
//! link, and half of it again for the moment in which a table doubles. Measured, ten million entities take 151 MB, and
//! 229 MB at that moment.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use entitygraph_schema::{EntityId, Link, LinkKind};

/// The ids of the entities and the ends of the links of one load.
#[derive(Debug, Default)]
pub(super) struct Seen {
    entities: HashSet<EntityId>,
    /// The cost of each link, as bits, by number of its kind and ends.
    links: HashMap<(u32, EntityId, EntityId), u64>,
    /// Numbers of the kinds: they are few, and a link with its own copy would take twice as much.
    kinds: HashMap<LinkKind, u32>,
}

/// What is known of a link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Known {
    /// It is new.
    New,
    /// It was given before, with the same cost.
    Same,
    /// It was given before with this cost.
    Other(f64),
}

impl Seen {
    /// Whether an entity is given for the first time.
    pub fn entity(&mut self, id: EntityId) -> bool {
        self.entities.insert(id)
    }

    /// What is known of a link, whose first cost counts.
    pub fn link(&mut self, link: &Link) -> Known {
        let next = self.kinds.len() as u32;
        let kind = match self.kinds.get(&link.kind) {
            Some(kind) => *kind,
            None => *self.kinds.entry(link.kind.clone()).or_insert(next),
        };
        match self.links.entry((kind, link.a, link.b)) {
            Entry::Vacant(new) => {
                new.insert(link.cost.to_bits());
                Known::New
            }
            Entry::Occupied(first) if *first.get() == link.cost.to_bits() => Known::Same,
            Entry::Occupied(first) => Known::Other(f64::from_bits(*first.get())),
        }
    }
}

#[cfg(test)]
mod tests {
    use entitygraph_schema::testing::{entity_id, name};

    use super::*;

    #[test]
    fn the_first_of_two_counts() {
        let mut seen = Seen::default();
        assert!(seen.entity(entity_id(1)) && seen.entity(entity_id(2)) && !seen.entity(entity_id(1)));
        let link = |kind: &str, cost| Link::new(name(kind), entity_id(1), entity_id(2), cost);
        let known = [link("jump", 1.0), link("road", 1.0), link("jump", 1.0), link("jump", 2.0)]
            .map(|link| seen.link(&link));
        assert_eq!(known, [Known::New, Known::New, Known::Same, Known::Other(1.0)]);
    }

    /// Of an entity 8 and one of the table's own, in a table that just doubled and is 7/16 full.
    const ENTITY_BYTES_MAX: usize = 21;
    /// Of a link, likewise of 33.
    const LINK_BYTES_MAX: usize = 76;

    /// Bytes of a table with room for `capacity` rows of this size: it is at most 7/8 full, and has a byte for each row.
    fn table_bytes(capacity: usize, row: usize) -> usize {
        (capacity * 8).div_ceil(7).next_power_of_two() * (row + 1)
    }

    #[test]
    fn a_row_never_takes_more_than_is_said() {
        let mut seen = Seen::default();
        let link = |a: u64| Link::new(name("jump"), entity_id(a), entity_id(a + 1), 1.0);
        // Small tables have a few rows more; the figures are about large ones.
        for number in 1..=100_000 {
            seen.entity(entity_id(number));
            seen.link(&link(number));
            if number > 1_000 {
                let entities = table_bytes(seen.entities.capacity(), size_of::<EntityId>());
                let links = table_bytes(seen.links.capacity(), size_of::<((u32, EntityId, EntityId), u64)>());
                assert!(entities <= number as usize * ENTITY_BYTES_MAX, "{number}: {entities}");
                assert!(links <= number as usize * LINK_BYTES_MAX, "{number}: {links}");
            }
        }
    }
}
