//! The form of the scribe's log: what was accepted, in order, and how far it was written. Pure; the files are
//! [`super::log_file`]'s.
//!
//! A **position** is a place in the log since it was begun, in bytes: it only grows, and what is behind one is newer. A record is
//!
//! | part | bytes |
//! | --- | --- |
//! | mark | 2: `e6 91` |
//! | length | 4, little-endian: of the body, 1 to 16 MiB |
//! | sum | 4, little-endian: CRC-32 of the position of the record's first byte (8, little-endian) and of the body |
//! | body | a tag, then fields in record form (`entitygraph_schema::codec`) |
//!
//! The position is in the sum, so a record at another place than its own is none.

use entitygraph_schema::{
    EntityId, Epoch, OperationId,
    codec::{CodecError, Fault, Form, Input, put_bytes, put_number},
};

use super::values::Values;

/// First bytes of a record.
const MARK: [u8; 2] = [0xe6, 0x91];

/// Bytes before the body.
pub const HEAD_BYTES: usize = 10;

/// Most bytes of a body: four times the largest message of a server.
pub const BODY_BYTES_MAX: usize = 16 << 20;

/// What was accepted of one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Root of its aggregate.
    pub root: EntityId,
    /// Which.
    pub entity: EntityId,
    /// What.
    pub values: Values,
}

/// One thing that the log says.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// Accepted.
    Rows {
        /// Of the report.
        tick: u64,
        /// That poses are in.
        zone: EntityId,
        /// What.
        rows: Vec<Row>,
    },
    /// The store has all rows of these aggregates up to a position.
    Written {
        /// The position.
        up_to: u64,
        /// Their roots.
        roots: Vec<EntityId>,
    },
    /// A command is about to be given to the store, with what waits for its aggregates. It stands for an earlier one of its
    /// operation id of which nothing is said yet.
    Intent {
        /// Of the hub.
        term: Epoch,
        /// Under which it can be asked for.
        operation_id: OperationId,
        /// What tells it from another one of this id: [`entitygraph_schema::Transaction::request`].
        request: [u8; 32],
        /// Roots of the aggregates whose rows up to here are in it.
        roots: Vec<EntityId>,
        /// The zone that they leave with it, if they do: poses in it mean nothing afterwards.
        left: Option<EntityId>,
    },
    /// What became of the last intent of this operation id.
    Outcome {
        /// Which.
        operation_id: OperationId,
        /// Whether it was done.
        done: bool,
        /// Aggregates of which poses that stand before this in the zone `left` mean nothing.
        void: Vec<EntityId>,
        /// See `void`.
        left: Option<EntityId>,
    },
}

/// Appends a record that begins at this position; gives the position behind it. Rows that come from a report always fit:
/// a body of more than [`BODY_BYTES_MAX`] is refused when it is read.
pub fn put(record: &Record, position: u64, out: &mut Vec<u8>) -> u64 {
    put_body(position, out, |out| match record {
        Record::Rows { tick, zone, rows } => put_rows(*tick, *zone, rows, out),
        Record::Written { up_to, roots } => {
            out.push(2);
            put_number(*up_to, out);
            roots.put(out);
        }
        Record::Intent { term, operation_id, request, roots, left } => {
            out.push(3);
            put_number(term.number(), out);
            operation_id.put(out);
            put_bytes(request, out);
            roots.put(out);
            put_zone(*left, out);
        }
        Record::Outcome { operation_id, done, void, left } => {
            out.push(4);
            operation_id.put(out);
            done.put(out);
            void.put(out);
            put_zone(*left, out);
        }
    })
}

/// The same of rows that nobody has to put in a record first.
pub fn put_accepted(tick: u64, zone: EntityId, rows: &[Row], position: u64, out: &mut Vec<u8>) -> u64 {
    put_body(position, out, |out| put_rows(tick, zone, rows, out))
}

fn put_rows(tick: u64, zone: EntityId, rows: &[Row], out: &mut Vec<u8>) {
    out.push(1);
    put_number(tick, out);
    zone.put(out);
    put_number(rows.len() as u64, out);
    for Row { root, entity, values } in rows {
        entity.put(out);
        // Most aggregates are of one entity.
        out.push(u8::from(root != entity));
        if root != entity {
            root.put(out);
        }
        values.put(out);
    }
}

fn put_body(position: u64, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) -> u64 {
    let start = out.len();
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&[0; HEAD_BYTES - MARK.len()]);
    body(out);
    let length = out.len() - start - HEAD_BYTES;
    let sum = checksum(position, &out[start + HEAD_BYTES..]);
    out[start + 2..start + 6].copy_from_slice(&(length as u32).to_le_bytes());
    out[start + 6..start + 10].copy_from_slice(&sum.to_le_bytes());
    position + (HEAD_BYTES + length) as u64
}

fn checksum(position: u64, body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&position.to_le_bytes());
    sum.update(body);
    sum.finalize()
}

/// The body of the record at the front of the bytes, if there is a whole and undamaged one of this position.
fn body(bytes: &[u8], position: u64) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&MARK)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let body = (1..=BODY_BYTES_MAX).contains(&length).then(|| rest.get(..length))??;
    (checksum(position, body) == u32::from_le_bytes(*sum)).then_some(body)
}

/// Why reading a part of the log ended before its end.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Break {
    /// No whole record follows: the last write was torn.
    #[error("it ends in the middle of a record at {position}: {bytes} bytes are left")]
    Torn {
        /// Where what is whole ends.
        position: u64,
        /// What is behind it.
        bytes: usize,
    },
    /// Whole records follow.
    #[error("it is damaged at {position}: whole records follow at {next}")]
    Damaged {
        /// Where what is whole ends.
        position: u64,
        /// Where it goes on.
        next: u64,
    },
    /// A sound record that says nothing this program knows.
    #[error("the record at {position} is none of this version: {error}")]
    Unknown {
        /// Where it begins.
        position: u64,
        /// What is wrong with it.
        error: CodecError,
    },
}

/// Gives the records of a part of the log that begins at a position, each with the position behind it, to `take`.
///
/// # Errors
/// Where and why it ended early; what came before it was given.
pub fn read(bytes: &[u8], begin: u64, mut take: impl FnMut(u64, Record)) -> Result<(), Break> {
    let mut at = 0;
    while at < bytes.len() {
        let position = begin + at as u64;
        let Some(body) = body(&bytes[at..], position) else {
            return Err(broken(bytes, at, begin));
        };
        let record = record(body).map_err(|error| Break::Unknown { position, error })?;
        at += HEAD_BYTES + body.len();
        take(begin + at as u64, record);
    }
    Ok(())
}

fn broken(bytes: &[u8], at: usize, begin: u64) -> Break {
    let whole = |next: &usize| body(&bytes[*next..], begin + *next as u64).is_some();
    let position = begin + at as u64;
    match (at + 1..bytes.len()).find(whole) {
        Some(next) => Break::Damaged { position, next: begin + next as u64 },
        None => Break::Torn { position, bytes: bytes.len() - at },
    }
}

fn record(body: &[u8]) -> Result<Record, CodecError> {
    let mut input = Input::new("log record", body);
    let record = match input.byte()? {
        1 => {
            let (tick, zone) = (input.number()?, Form::take(&mut input)?);
            let rows = (0..input.count(4)?).map(|_| row(&mut input)).collect::<Result<_, _>>()?;
            Record::Rows { tick, zone, rows }
        }
        2 => Record::Written { up_to: input.number()?, roots: Form::take(&mut input)? },
        3 => Record::Intent {
            term: Epoch::from_number(input.number()?),
            operation_id: Form::take(&mut input)?,
            request: array(&mut input)?,
            roots: Form::take(&mut input)?,
            left: zone(&mut input)?,
        },
        4 => Record::Outcome {
            operation_id: Form::take(&mut input)?,
            done: Form::take(&mut input)?,
            void: Form::take(&mut input)?,
            left: zone(&mut input)?,
        },
        tag => return Err(input.error(0, Fault::Tag { what: "log record", tag })),
    };
    input.end()?;
    Ok(record)
}

fn put_zone(zone: Option<EntityId>, out: &mut Vec<u8>) {
    out.push(u8::from(zone.is_some()));
    if let Some(zone) = zone {
        zone.put(out);
    }
}

fn zone(input: &mut Input<'_>) -> Result<Option<EntityId>, CodecError> {
    Ok(if bool::take(input)? { Some(Form::take(input)?) } else { None })
}

fn row(input: &mut Input<'_>) -> Result<Row, CodecError> {
    let entity = EntityId::take(input)?;
    let root = if bool::take(input)? { Form::take(input)? } else { entity };
    Ok(Row { root, entity, values: Form::take(input)? })
}

fn array<const N: usize>(input: &mut Input<'_>) -> Result<[u8; N], CodecError> {
    let start = input.offset();
    let bytes = input.bytes()?;
    let length = bytes.len() as u64;
    bytes
        .try_into()
        .map_err(|_| input.error(start, Fault::Range { what: "length of the field", number: length }))
}

#[cfg(test)]
mod tests;
