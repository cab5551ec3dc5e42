//! Events (protocol.md, "Events", kind 42): what happens in a cell and stays nobody's state. Told once.

use super::{
    Handle, Kind,
    cell::Cell,
    frame::Open,
    list::{Item, List, put_list},
};
use crate::codec::{CodecError, Input, put_bytes, put_number};

/// Most bytes of the content of an event.
pub const CONTENT_BYTES_MAX: usize = 256;

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The entity it comes from.
    pub source: Handle,
    /// An event kind of the catalog.
    pub kind: u32,
    /// The game's, at most [`CONTENT_BYTES_MAX`].
    pub content: &'a [u8],
}

impl<'a> Item<'a> for Event<'a> {
    const BYTES_MIN: usize = 3;

    fn put(&self, out: &mut Vec<u8>) {
        let Self { source, kind, content } = self;
        debug_assert!(content.len() <= CONTENT_BYTES_MAX, "a content of {} bytes", content.len());
        put_number(source.get().into(), out);
        put_number((*kind).into(), out);
        put_bytes(content, out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, CodecError> {
        Ok(Self {
            source: input.handle()?,
            kind: input.number_as("event kind", |number| u32::try_from(number).ok())?,
            content: input.bytes_up_to("length of an event's content", CONTENT_BYTES_MAX)?,
        })
    }
}

/// What happened in a cell, borrowed and judged.
#[derive(Debug, Clone)]
pub struct Events<'a> {
    /// Lower 16 bits of the moment; see [`super::moment::nearest`].
    pub moment: u16,
    /// The zone host that the cell is in.
    pub zone: Handle,
    /// The cell.
    pub cell: Cell,
    /// In their order.
    pub events: List<'a, Event<'a>>,
}

impl<'a> Events<'a> {
    /// Reads the body of an Events frame.
    ///
    /// # Errors
    /// Where and why the bytes are none.
    pub fn read(body: &'a [u8]) -> Result<Self, CodecError> {
        let mut input = Input::new("Events", body);
        let (moment, zone) = (input.u16()?, input.handle()?);
        let start = input.offset();
        let level = input.i8()?;
        let cell = Cell::take_place(level, start, &mut input)?;
        let events = List::take(&mut input)?;
        input.end()?;
        Ok(Self { moment, zone, cell, events })
    }
}

/// Appends the frame.
pub fn put(moment: u16, zone: Handle, cell: &Cell, events: &[Event<'_>], out: &mut Vec<u8>) {
    let open = Open::begin(Kind::Events, out);
    out.extend_from_slice(&moment.to_le_bytes());
    put_number(zone.get().into(), out);
    out.extend_from_slice(&cell.level().to_le_bytes());
    cell.put_place(out);
    put_list(events, out);
    open.end(out);
}
