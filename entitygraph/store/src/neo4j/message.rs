//! Parameters in messages that the driver sends in one go.
//!
//! The driver leaves Nagle's algorithm on and writes what is larger than its buffer in several pieces. The kernel keeps the last one
//! back until the server has acknowledged those before, and the server's kernel takes 40 ms for that, since nothing is answered yet.
//! So rows go in messages that fit into the buffer, as long as their round trips take less than that.

use neo4rs::BoltType;

use super::statement::Statement;

/// The driver's buffer.
const BUFFER_BYTES: usize = 8 << 10;
/// What goes with a statement beside its text and rows: names of parameters, its database, and the message behind it.
const FRAME_BYTES: usize = 448;

/// Rows that are larger together go as one message: by then the round trips take longer than the acknowledgement.
const WHOLE_BYTES: usize = 512 << 10;

/// Deals lists of rows, in order, to messages of a statement. There is one at least; a row that is too large has its own.
pub fn messages<const N: usize>(statement: Statement, lists: [Vec<BoltType>; N]) -> Vec<[Vec<BoltType>; N]> {
    let most = rows_max_bytes(statement);
    if lists.iter().flatten().map(size_bytes).sum::<usize>() > WHOLE_BYTES {
        return vec![lists];
    }
    let mut messages = Vec::new();
    let mut message: [Vec<BoltType>; N] = [const { Vec::new() }; N];
    let mut bytes = 0;
    for (place, rows) in lists.into_iter().enumerate() {
        for row in rows {
            let size = size_bytes(&row);
            if bytes > 0 && bytes + size > most {
                messages.push(std::mem::replace(&mut message, [const { Vec::new() }; N]));
                bytes = 0;
            }
            bytes += size;
            message[place].push(row);
        }
    }
    messages.push(message);
    messages
}

/// Most bytes of rows that go with a statement in one message.
pub fn rows_max_bytes(statement: Statement) -> usize {
    BUFFER_BYTES.saturating_sub(statement.text.len() + FRAME_BYTES)
}

/// Bytes of a value in PackStream, at most.
fn size_bytes(value: &BoltType) -> usize {
    const HEAD: usize = 5;
    match value {
        BoltType::Null(_) | BoltType::Boolean(_) => 1,
        BoltType::Integer(_) | BoltType::Float(_) => 9,
        BoltType::String(text) => HEAD + text.value.len(),
        BoltType::Bytes(bytes) => HEAD + bytes.value.len(),
        BoltType::List(list) => HEAD + list.value.iter().map(size_bytes).sum::<usize>(),
        BoltType::Map(map) => {
            let entries = map.value.iter();
            HEAD + entries.map(|(name, value)| HEAD + name.value.len() + size_bytes(value)).sum::<usize>()
        }
        // Nothing else is sent.
        _ => 64,
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
        let messages = messages(STATEMENT, [many.clone(), few.clone()]);
        assert!(messages.len() > 2, "{}", messages.len());
        for message in &messages {
            assert!(message.iter().flatten().map(size_bytes).sum::<usize>() <= rows_max_bytes(STATEMENT));
        }
        let dealt =
            |place: usize| messages.iter().flat_map(|message| message[place].clone()).collect::<Vec<_>>();
        assert_eq!((dealt(0), dealt(1)), (many, few));
    }

    #[test]
    fn what_is_too_large_goes_alone_and_very_much_goes_at_once() {
        let large = list([bytes(vec![0; BUFFER_BYTES * 2])]);
        let small = list([bytes(vec![0; 9])]);
        let sizes =
            |lists| messages::<1>(STATEMENT, lists).iter().map(|[rows]| rows.len()).collect::<Vec<_>>();
        assert_eq!(sizes([vec![small.clone(), large.clone(), small.clone(), small]]), [1, 1, 2]);
        assert_eq!(sizes([rows(2_000, 300)]), [2_000]);
        assert_eq!(sizes([vec![]]), [0]);
    }
}
