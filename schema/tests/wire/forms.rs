//! What all these tests need: hex, handles, and every packed frame written again from what was read.

use entitygraph_schema::{
    Handle,
    codec::CodecError,
    wire::{
        Kind,
        event::{self, Events},
        frame, horizon,
        input::{self, Applied, PlayerInput},
        report::{Report, ReportWriter},
        row::Row,
        state::{Head, Slice, SliceWriter},
    },
};

pub fn handle(number: u32) -> Handle {
    Handle::new(number).unwrap()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of hex digits; blanks are passed over.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A whole frame.
pub fn frame(kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    frame::put(kind, body, &mut out);
    out
}

/// A slice; the rows of one mask stand together, in ascending order.
pub fn slice(head: &Head, rows: &[(Handle, Row<'_>)]) -> Vec<u8> {
    let mut out = vec![];
    let mut writer = SliceWriter::begin(head, &mut out);
    for section in rows.chunk_by(|a, b| a.1.mask() == b.1.mask()) {
        writer.section(section[0].1.mask(), section.iter().map(|(handle, _)| *handle));
        section.iter().for_each(|(_, row)| writer.row(row));
    }
    writer.end();
    out
}

/// The frame that is written from what the body says.
pub fn rewritten(kind: Kind, body: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut out = vec![];
    match kind {
        Kind::State => {
            let read = Slice::read(body)?;
            out = slice(&read.head, &read.rows().collect::<Vec<_>>());
        }
        Kind::Report => {
            let report = Report::read(body)?;
            let groups: Vec<_> = report.groups().collect();
            let mut writer = ReportWriter::begin(&report.head, groups.len(), &mut out);
            for group in groups {
                let handles: Vec<_> = group.rows.clone().map(|(handle, _)| handle).collect();
                let mut written = writer.group(group.epoch, group.zone, handles.into_iter());
                group.rows.for_each(|(_, row)| written.row(&row));
                let receipts: Vec<_> = group.receipts.collect();
                let (inputs, events): (Vec<_>, Vec<_>) = (group.inputs.collect(), group.events.collect());
                written.end(&receipts, &inputs, &events);
            }
            writer.end();
        }
        Kind::Events => {
            let Events { moment, zone, cell, events } = Events::read(body)?;
            event::put(moment, zone, &cell, &events.collect::<Vec<_>>(), &mut out);
        }
        Kind::Horizon => horizon::put(horizon::read(body)?, &mut out),
        Kind::Input => PlayerInput::read(body)?.put_frame(&mut out),
        Kind::Inputs => {
            input::put_inputs(&input::read_inputs(body)?.collect::<Vec<_>>(), &mut out);
        }
        Kind::Applied => Applied::read(body)?.put_frame(&mut out),
        _ => panic!("{kind} is not packed"),
    }
    Ok(out)
}
