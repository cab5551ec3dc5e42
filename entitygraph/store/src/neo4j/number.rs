//! Ids as Cypher's integers, which have a sign.

use entitygraph_schema::EntityId;

/// The id as people see it: the number itself below 2^63, less 2^64 from there on.
pub const fn shown(id: EntityId) -> i64 {
    id.get().cast_signed()
}

/// The parent as people see it; 0 for none.
pub fn parent(parent: Option<EntityId>) -> i64 {
    parent.map_or(0, shown)
}

/// The id behind a number that [`shown`] gave; none for 0.
pub const fn id(shown: i64) -> Option<EntityId> {
    EntityId::new(shown.cast_unsigned())
}

/// A number that sorts as the ids do.
pub const fn rank(id: EntityId) -> i64 {
    (id.get() ^ (1 << 63)).cast_signed()
}

/// The id of a rank; none for that of 0.
pub const fn of_rank(rank: i64) -> Option<EntityId> {
    EntityId::new(rank.cast_unsigned() ^ (1 << 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_sort_as_ids_do_and_small_ids_are_shown_as_they_are() {
        let ids =
            [1, 30_000_142, (1 << 63) - 1, 1 << 63, u64::MAX].map(|number| EntityId::new(number).unwrap());
        assert!(ids.map(rank).is_sorted());
        assert_eq!(shown(ids[1]), 30_000_142);
        for one in ids {
            assert_eq!((id(shown(one)), of_rank(rank(one))), (Some(one), Some(one)));
        }
        assert_eq!((id(0), of_rank(i64::MIN)), (None, None));
    }
}
