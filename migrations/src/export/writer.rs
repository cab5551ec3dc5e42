//! Documents as YAML of JSON lines.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use crate::world::{format::Document, items::Items};

/// Writes documents one after the other.
pub(super) struct DocumentWriter<W: Write> {
    out: W,
    /// Text of the document that is being made.
    text: Vec<u8>,
}

impl<W: Write> DocumentWriter<W> {
    pub fn new(out: W) -> Self {
        Self { out, text: Vec::new() }
    }

    /// Writes a document; its lists have one element a line.
    pub fn write(&mut self, document: &Document) -> io::Result<()> {
        let Document { format, world, exported, components, containers, entities, links, end } = document;
        self.text.extend_from_slice(b"---\n");
        if let Some(format) = format {
            self.field("format", format)?;
        }
        if let Some(world) = world {
            self.field("world", world)?;
        }
        if *exported {
            self.field("exported", exported)?;
        }
        self.list("components", components)?;
        self.list("containers", containers)?;
        self.list("entities", entities)?;
        self.list("links", links)?;
        if let Some(end) = end {
            self.field("end", end)?;
        }
        self.out.write_all(&self.text)?;
        self.text.clear();
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn field(&mut self, name: &str, value: &impl Serialize) -> io::Result<()> {
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b": ");
        self.json(value)
    }

    fn list(&mut self, name: &str, list: &Items<impl Serialize>) -> io::Result<()> {
        if list.is_empty() {
            return Ok(());
        }
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b":\n");
        for (_, item) in list.iter() {
            self.text.extend_from_slice(b"- ");
            self.json(item)?;
        }
        Ok(())
    }

    fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut serializer =
            serde_json::Serializer::with_formatter(&mut self.text, Printable(CompactFormatter));
        value.serialize(&mut serializer)?;
        self.text.push(b'\n');
        Ok(())
    }
}

/// JSON that is also YAML: characters that YAML has no place for are escaped, and `: ` and `, ` have their blanks.
struct Printable(CompactFormatter);

impl Formatter for Printable {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut written = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| !is_printable(*c)) {
            writer.write_all(&fragment.as_bytes()[written..at])?;
            write!(writer, "\\u{:04x}", u32::from(c))?;
            written = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[written..])
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        self.0.write_f64(writer, value)
    }
}

/// Whether the character may stand in YAML as it is, and does not end a line. All others are below 2^16.
fn is_printable(c: char) -> bool {
    match c {
        '\u{2028}' | '\u{2029}' | '\u{feff}' => false,
        ' '..='~' | '\u{a0}'..='\u{fffd}' => true,
        _ => c > '\u{ffff}',
    }
}
