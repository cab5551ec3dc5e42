//! Parameters in messages that the driver sends in one go.
//!
//! The driver leaves Nagle's algorithm on and writes what is larger than its buffer in several pieces. The kernel keeps the last one
//! back until the server has acknowledged those before, and the server's kernel takes 40 ms for that, since nothing is answered yet.
//! Where [`super::nodelay`] could not mend that, rows go in messages that fit into the buffer, as long as their round trips take less.

use std::ops::Range;

use neo4rs::BoltType;

use super::statement::Statement;

/// The driver's buffer.
const BUFFER_BYTES: usize = 8 << 10;
/// What goes with a statement beside its text and rows: names of parameters, its database, and the message behind it.
const FRAME_BYTES: usize = 448;

/// Rows that are larger together go as one message: by then the round trips take longer than the acknowledgement.
const WHOLE_BYTES: usize = 512 << 10;

/// Deals lists of rows, in order, to messages with so much room; there is one at least.
pub fn messages<const N: usize>(room_bytes: usize, lists: [Vec<BoltType>; N]) -> Vec<[Vec<BoltType>; N]> {
    let cuts = cuts(room_bytes, lists.iter().flatten().map(size_bytes));
    let rows = lists.into_iter().enumerate();
    let mut rows = rows.flat_map(|(place, rows)| rows.into_iter().map(move |row| (place, row)));
    let deal = |cut: Range<usize>| {
        let mut message = [const { Vec::new() }; N];
        for (place, row) in rows.by_ref().take(cut.len()) {
            message[place].push(row);
        }
        message
    };
    cuts.into_iter().map(deal).collect()
}

/// Which rows of these sizes go together in messages with so much room; at least one message. They all do where one is too large for a message that is sent in one
/// go, since one wait is enough.
pub fn cuts(room_bytes: usize, sizes_bytes: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let (mut cuts, mut begin, mut end, mut bytes, mut all, mut fits) = (Vec::new(), 0, 0, 0, 0, true);
    for size in sizes_bytes {
        if bytes + size > room_bytes && end > begin {
            cuts.push(begin..end);
            (begin, bytes) = (end, 0);
        }
        (end, bytes, all, fits) = (end + 1, bytes + size, all + size, fits && size <= room_bytes);
    }
    if !fits || all > WHOLE_BYTES {
        return std::iter::once(0..end).collect();
    }
    cuts.push(begin..end);
    cuts
}

/// Most bytes of rows that go with a statement in one message.
pub fn rows_max_bytes(statement: Statement) -> usize {
    BUFFER_BYTES.saturating_sub(statement.text.len() + FRAME_BYTES)
}

/// Bytes of a value in PackStream.
pub fn size_bytes(value: &BoltType) -> usize {
    match value {
        BoltType::Integer(number) => match number.value {
            -16..=127 => 1,
            -128..=-17 => 2,
            -32_768..=32_767 => 3,
            -2_147_483_648..=2_147_483_647 => 5,
            _ => 9,
        },
        BoltType::Null(_) | BoltType::Boolean(_) => 1,
        BoltType::Float(_) => 9,
        BoltType::String(text) => with_head(16, text.value.len()),
        BoltType::Bytes(bytes) => with_head(0, bytes.value.len()),
        BoltType::List(list) => {
            with_head(16, list.value.len()) - list.value.len()
                + list.value.iter().map(size_bytes).sum::<usize>()
        }
        BoltType::Map(map) => {
            let entries = map.value.iter();
            with_head(16, map.value.len()) - map.value.len()
                + entries
                    .map(|(name, value)| with_head(16, name.value.len()) + size_bytes(value))
                    .sum::<usize>()
        }
        // Nothing else is sent.
        _ => 64,
    }
}

/// So much behind its length, which needs no byte of its own below `tiny`, beside that of its type.
fn with_head(tiny: usize, length: usize) -> usize {
    length
        + match length {
            _ if length < tiny => 1,
            0..=0xff => 2,
            0x100..=0xffff => 3,
            _ => 5,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neo4j::statement::{bytes, list, map};

    const STATEMENT: Statement =
        Statement { name: "TEST", doing: "testing", text: "UNWIND $rows AS row RETURN row" };

    fn rows(count: usize, size: usize) -> Vec<BoltType> {
        (0..count).map(|row| map([("row", (row as i64).into()), ("text", "x".repeat(size).into())])).collect()
    }

    #[test]
    fn rows_are_dealt_in_order_and_none_is_lost() {
        let (many, few) = (rows(60, 300), rows(3, 20));
        let messages = messages(rows_max_bytes(STATEMENT), [many.clone(), few.clone()]);
        assert!(messages.len() > 2, "{}", messages.len());
        for message in &messages {
            assert!(message.iter().flatten().map(size_bytes).sum::<usize>() <= rows_max_bytes(STATEMENT));
        }
        let dealt =
            |place: usize| messages.iter().flat_map(|message| message[place].clone()).collect::<Vec<_>>();
        assert_eq!((dealt(0), dealt(1)), (many, few));
    }

    #[test]
    fn all_goes_at_once_where_a_row_is_too_large_or_there_are_very_many() {
        let large = list([bytes(vec![0; BUFFER_BYTES * 2])]);
        let small = list([bytes(vec![0; 9])]);
        let room = rows_max_bytes(STATEMENT);
        let sizes = |lists| messages::<1>(room, lists).iter().map(|[rows]| rows.len()).collect::<Vec<_>>();
        assert_eq!(sizes([[rows(60, 300), vec![small.clone(), large, small]].concat()]), [63]);
        assert_eq!(sizes([rows(2_000, 300)]), [2_000]);
        assert_eq!(sizes([vec![]]), [0]);
        let whole = messages::<1>(usize::MAX, [rows(60, 300)]);
        assert_eq!(whole.len(), 1, "nothing is cut where nothing waits");
    }

    /// Heads of the PackStream specification, and what is behind them.
    #[test]
    fn sizes_are_those_of_packstream() {
        let sized = [
            (BoltType::from(-16), 1),
            (127.into(), 1),
            ((-17).into(), 2),
            ((-129).into(), 3),
            (128.into(), 3),
            (40_000.into(), 5),
            (i64::MAX.into(), 9),
            (1.5.into(), 9),
            ("x".repeat(15).into(), 16),
            ("x".repeat(16).into(), 18),
            ("x".repeat(256).into(), 259),
            (bytes(vec![0; 1]), 3),
            (bytes(vec![0; 70_000]), 70_005),
            (list((0..15).map(BoltType::from)), 16),
            (list((0..16).map(BoltType::from)), 18),
            (map([("a", 1.into()), ("bc", "d".into())]), 1 + 2 + 1 + 3 + 2),
        ];
        for (value, size) in sized {
            assert_eq!(size_bytes(&value), size, "{value:?}");
        }
    }
}
