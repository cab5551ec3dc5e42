//! Where a moved world stands, told by the store that it is moved into.

use entitygraph_schema::{Cursor, OperationId};
use entitygraph_store::MOVED;

/// What a target holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// Nothing.
    Empty,
    /// A part of the world as it was when the reading ended.
    World,
    /// The world at this moment of its source.
    At(Cursor),
}

/// The operation id of a transaction that leaves the target like this; `number` tells those of one kind apart.
pub fn name(id: u64, stand: Stand, number: u64) -> Option<OperationId> {
    let text = match stand {
        Stand::Empty => return None,
        Stand::World => format!("{MOVED}{id:016x}:world:{number}"),
        Stand::At(cursor) => format!("{MOVED}{id:016x}:at:{cursor}"),
    };
    OperationId::new(text).ok()
}

/// Reads [`name`] back: of which move, and where it stands; none for an operation of somebody else.
pub fn read(operation_id: &OperationId) -> Option<(u64, Stand)> {
    let rest = operation_id.as_str().strip_prefix(MOVED)?;
    let (id, stand) = rest.split_once(':')?;
    let id = u64::from_str_radix(id, 16).ok()?;
    match stand.split_once(':')? {
        ("world", _) => Some((id, Stand::World)),
        ("at", cursor) => Some((id, Stand::At(Cursor::from_number(cursor.parse().ok()?)))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_move_stands_is_read_back_from_its_operation_ids() {
        for stand in [Stand::World, Stand::At(Cursor::from_number(u64::MAX))] {
            assert_eq!(read(&name(7, stand, 3).unwrap()), Some((7, stand)));
        }
        for other in ["moved:7", "moved:x:at:1", "moved:7:on:1", "grown:7:at:1", "moved:7:at:x"] {
            assert_eq!(read(&OperationId::new(other).unwrap()), None, "{other}");
        }
    }
}
