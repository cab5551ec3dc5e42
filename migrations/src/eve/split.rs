//! Cuts a large file into pieces of whole records.
//!
//! A file of the export is one block mapping (`18:` at the start of a line) or one block list (`- ` at the start of a
//! line), and YAML indents everything that belongs to an entry, texts over several lines included. So every line that
//! starts an entry is a safe place to cut, and finding it needs no YAML parser. One thing is not indented: the closing
//! quote of a text that ends in empty lines, which the export's writer puts at the start of a line.
//!
//! A file for which this does not hold is cut in a wrong place, and the pieces are refused by the parser: the worst case
//! is an error, not a wrong record.

use std::io::{self, Read};

use super::layout::Shape;

/// Text that a piece should have at least, unless the file ends first.
pub(super) const PIECE_BYTES: usize = 256 * 1024;
/// Text after which a record counts as endless.
const RECORD_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// Some whole records.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: Vec<u8>,
    /// Line of the file in which `text` starts, counted from 1.
    pub(super) first_line: u64,
}

/// The pieces of one file, read as they are asked for.
pub(super) struct Pieces<R> {
    input: R,
    shape: Shape,
    piece_bytes: usize,
    rest: Vec<u8>,
    line: u64,
    ended: bool,
}

impl<R: Read> Pieces<R> {
    pub(super) fn new(input: R, shape: Shape, piece_bytes: usize) -> Self {
        Pieces { input, shape, piece_bytes, rest: Vec::new(), line: 1, ended: false }
    }

    fn cut(&mut self, at: usize) -> Piece {
        let rest = self.rest.split_off(at);
        let text = std::mem::replace(&mut self.rest, rest);
        let first_line = self.line;
        self.line += newlines(&text);
        Piece { text, first_line }
    }
}

impl<R: Read> Iterator for Pieces<R> {
    type Item = io::Result<Piece>;

    fn next(&mut self) -> Option<io::Result<Piece>> {
        let mut want = self.piece_bytes;
        loop {
            while !self.ended && self.rest.len() < want {
                let missing = (want - self.rest.len()) as u64;
                match self.input.by_ref().take(missing).read_to_end(&mut self.rest) {
                    Ok(0) => self.ended = true,
                    Ok(_) => {}
                    Err(error) => {
                        self.ended = true;
                        self.rest.clear();
                        return Some(Err(error));
                    }
                }
            }
            if self.ended {
                let all = self.rest.len();
                return (all > 0).then(|| Ok(self.cut(all)));
            }
            if let Some(at) = last_start(&self.rest, self.shape) {
                return Some(Ok(self.cut(at)));
            }
            if self.rest.len() >= RECORD_LIMIT_BYTES {
                self.ended = true;
                self.rest.clear();
                let limit = RECORD_LIMIT_BYTES / (1024 * 1024);
                return Some(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "no new record within {limit} MiB after line {}: this is not a file of the export",
                        self.line
                    ),
                )));
            }
            want = self.rest.len() * 2;
        }
    }
}

/// How many lines end in `text`.
pub(super) fn newlines(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// The records of a piece: for each the offset of its first byte and its line within the piece, counted from 0.
/// Text in front of the first record (comments, `---`) belongs to the first record.
pub(super) fn starts(text: &[u8], shape: Shape) -> Vec<(usize, u64)> {
    let mut found = Vec::new();
    let mut offset = 0;
    for (line, content) in (0u64..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
        if starts_record(content, shape) {
            found.push((offset, line));
        }
        offset += content.len();
    }
    match found.first_mut() {
        Some(first) => *first = (0, first.1),
        None => found.push((0, 0)),
    }
    found
}

/// The last place, other than the beginning, where a record starts.
fn last_start(text: &[u8], shape: Shape) -> Option<usize> {
    let newlines = text.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    // One byte does not tell `-5: x` from `- x`, so two must be there.
    newlines.map(|(at, _)| at + 1).find(|at| text.len() - at >= 2 && starts_record(&text[*at..], shape))
}

fn starts_record(line: &[u8], shape: Shape) -> bool {
    let list_item = line[0] == b'-' && line.get(1).is_none_or(u8::is_ascii_whitespace);
    match shape {
        Shape::List => list_item,
        Shape::Mapping => {
            !list_item
                && !line[0].is_ascii_whitespace()
                && !b"#'\"".contains(&line[0])
                && !line.starts_with(b"---")
        }
        Shape::Document => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPING: &str =
        "---\n# comment\n18:\n  text: 'over\n\n    two lines\n\n'\n  list:\n  - a\n19:\n  text: b\n20: {}\n";

    fn pieces(text: &str, shape: Shape, bytes: usize) -> Vec<(String, u64)> {
        Pieces::new(text.as_bytes(), shape, bytes)
            .map(Result::unwrap)
            .map(|piece| (String::from_utf8(piece.text).unwrap(), piece.first_line))
            .collect()
    }

    #[test]
    fn pieces_of_any_size_put_together_are_the_file_and_know_their_line() {
        for bytes in 1..MAPPING.len() + 2 {
            let pieces = pieces(MAPPING, Shape::Mapping, bytes);
            assert_eq!(pieces.iter().map(|(text, _)| text.as_str()).collect::<String>(), MAPPING);
            let mut line = 1;
            for (text, first_line) in pieces {
                assert_eq!(first_line, line, "{bytes} {text:?}");
                line += text.matches('\n').count() as u64;
            }
        }
    }

    #[test]
    fn a_file_is_cut_before_records_only() {
        let list = "- id: 1\n  name: '- a'\n- id: 2\n  list:\n  - x\n- id: 3\n";
        for (text, shape, starts) in [
            (MAPPING, Shape::Mapping, ["---", "18:", "19:", "20: {}"].as_slice()),
            (list, Shape::List, &["- id: 1", "- id: 2", "- id: 3"]),
        ] {
            let mut cuts = 0;
            for bytes in 1..text.len() {
                let pieces = pieces(text, shape, bytes);
                assert!(
                    pieces.iter().all(|(text, _)| starts.contains(&text.lines().next().unwrap())),
                    "{pieces:?}"
                );
                cuts += pieces.len() - 1;
            }
            assert!(cuts > text.len(), "the text was hardly ever cut: {cuts}");
        }
    }

    #[test]
    fn records_of_a_piece_have_offsets_and_lines() {
        assert_eq!(starts(MAPPING.as_bytes(), Shape::Mapping), [(0, 2), (64, 10), (78, 12)]);
        assert_eq!(starts(b"no record here", Shape::List), [(0, 0)]);
    }

    #[test]
    fn an_endless_record_is_refused_and_does_not_fill_the_memory() {
        let endless = Read::chain(&b"1:\n  a: '"[..], io::repeat(b'x'));
        let mut pieces = Pieces::new(endless, Shape::Mapping, PIECE_BYTES);
        let error = pieces.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("within 16 MiB after line 1"), "{error}");
        assert!(pieces.next().is_none());
    }
}
