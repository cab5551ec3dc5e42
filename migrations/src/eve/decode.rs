//! From text to records: where YAML errors become [`Problem`]s with the line of the file, and fields that no record type
//! reads are counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::batches::{At, Entry};
use super::layout::Shape;
use super::record::Record;
use super::report::Problem;
use super::split::{Piece, newlines, starts};
use super::value::Keyed;

/// What one piece of text turned into.
pub(super) struct Decoded<R> {
    pub(super) entries: Vec<Entry<R>>,
    pub(super) problems: Vec<Problem>,
    pub(super) unread: Unread,
}

/// Fields that were in the file and in no record: path with `*` for ids, how often, and the place of the first one.
pub(super) type Unread = BTreeMap<String, (u64, At)>;

/// Reads the records of `piece`, a part of `file`.
///
/// The piece is decoded in one go; only when that fails is it decoded record by record, so that one bad record costs
/// itself alone.
pub(super) fn decode<R: Record>(file: &Arc<str>, piece: &Piece) -> Decoded<R> {
    let shape = R::KIND.shape();
    let mut decoded = Decoded { entries: Vec::new(), problems: Vec::new(), unread: Unread::new() };
    if shape == Shape::Document {
        decoded.record(file, &piece.text, piece.first_line, shape);
        return decoded;
    }

    let starts = starts(&piece.text, shape);
    match parse::<R>(&piece.text, shape) {
        Ok(parsed) if parsed.records.len() == starts.len() => {
            let at = At { file: Arc::clone(file), line: piece.first_line };
            decoded.count_unread(parsed.unread, &at);
            for ((key, record), (_, line)) in parsed.records.into_iter().zip(&starts) {
                decoded.entry(key, record, At { file: Arc::clone(file), line: piece.first_line + line });
            }
        }
        _ => {
            let ends = starts.iter().skip(1).map(|(offset, _)| *offset).chain([piece.text.len()]);
            let mut first_line = piece.first_line;
            for ((from, _), to) in starts.iter().zip(ends) {
                let text = &piece.text[*from..to];
                decoded.record(file, text, first_line, shape);
                first_line += newlines(text);
            }
        }
    }
    decoded
}

impl<R: Record> Decoded<R> {
    /// Decodes a text that holds one record.
    fn record(&mut self, file: &Arc<str>, text: &[u8], first_line: u64, shape: Shape) {
        match parse::<R>(text, shape) {
            Ok(parsed) => {
                let at = At { file: Arc::clone(file), line: first_line };
                self.count_unread(parsed.unread, &at);
                for (key, record) in parsed.records {
                    self.entry(key, record, at.clone());
                }
            }
            Err(error) => self.problems.push(match std::str::from_utf8(text) {
                Ok(_) => problem(file, first_line, &error),
                // The library tells a byte offset here and no line.
                Err(broken) => {
                    let line = first_line + newlines(&text[..broken.valid_up_to()]);
                    let message = "bytes that are not UTF-8 text; the record is left out";
                    Problem::new(&At { file: Arc::clone(file), line }, "", message.into())
                }
            }),
        }
    }

    fn entry(&mut self, key: Option<u64>, record: R, at: At) {
        match (key, record.own_id()) {
            (Some(key), Some(own)) if key != own => {
                self.problems.push(Problem::new(
                    &at,
                    "",
                    format!("the record under the key {key} says that its id is {own}; left out"),
                ));
            }
            (Some(id), _) | (None, Some(id)) => self.entries.push(Entry { id, record, at }),
            (None, None) => {
                self.problems.push(Problem::new(&at, "", "the record has no id; left out".into()))
            }
        }
    }

    fn count_unread(&mut self, unread: BTreeMap<String, u64>, at: &At) {
        for (path, count) in unread {
            self.unread.entry(path).or_insert_with(|| (0, at.clone())).0 += count;
        }
    }
}

struct Parsed<R> {
    records: Vec<(Option<u64>, R)>,
    unread: BTreeMap<String, u64>,
}

fn parse<R: Record>(text: &[u8], shape: Shape) -> Result<Parsed<R>, serde_yaml_ng::Error> {
    let mut unread = BTreeMap::new();
    let records = match shape {
        Shape::Document => vec![(None, from_yaml::<R>(text, shape, &mut unread)?)],
        Shape::Mapping => from_yaml::<Keyed<R>>(text, shape, &mut unread)?
            .0
            .into_iter()
            .map(|(key, r)| (Some(key), r))
            .collect(),
        Shape::List => {
            from_yaml::<Vec<R>>(text, shape, &mut unread)?.into_iter().map(|r| (None, r)).collect()
        }
    };
    Ok(Parsed { records, unread })
}

fn from_yaml<T: DeserializeOwned>(
    text: &[u8],
    shape: Shape,
    unread: &mut BTreeMap<String, u64>,
) -> Result<T, serde_yaml_ng::Error> {
    serde_ignored::deserialize(serde_yaml_ng::Deserializer::from_slice(text), |path| {
        *unread.entry(general_path(&path.to_string(), shape)).or_default() += 1;
    })
}

/// `18.traits.?.types.3332.0.foo` becomes `traits.types.*.*.foo`: the key or index of the record itself is cut off (a
/// document has none), ids and indexes inside it become `*`, and the `?` of optional values disappears.
fn general_path(path: &str, shape: Shape) -> String {
    let own = usize::from(shape != Shape::Document);
    let parts: Vec<&str> = path
        .split('.')
        .filter(|part| *part != "?")
        .skip(own)
        .map(|part| if part.bytes().all(|byte| byte.is_ascii_digit()) { "*" } else { part })
        .collect();
    parts.join(".")
}

/// The library says `path: message at line L column C` and, for broken syntax, adds where the enclosing structure began
/// (`, while scanning a quoted scalar at line L column C`), all counted from the start of the text it was given.
fn problem(file: &Arc<str>, first_line: u64, error: &serde_yaml_ng::Error) -> Problem {
    let text = error.to_string();
    let location = error.location();
    let mark = location.as_ref().map(|at| format!(" at line {} column {}", at.line(), at.column()));
    let (said, context) = mark.and_then(|mark| text.split_once(&mark)).unwrap_or((&text, ""));
    // A path has no blanks, the messages of the library all have one before their first colon.
    let (field, message) = match said.split_once(": ") {
        Some((path, message)) if !path.contains(' ') => (path, message),
        _ => ("", said),
    };
    // A record of a list is decoded as a list of one; its place there says nothing.
    let field = field.trim_start_matches('.').trim_start_matches("[0]").trim_start_matches('.');
    let context = match context.rsplit_once(" at line ") {
        Some((context, began)) => {
            let line = began.split(' ').next().and_then(|line| line.parse::<u64>().ok());
            line.map_or_else(String::new, |line| {
                format!("{context} that began in line {}", first_line + line - 1)
            })
        }
        None => context.to_owned(),
    };
    let line = first_line + location.map_or(0, |at| at.line() as u64 - 1);
    let at = At { file: Arc::clone(file), line };
    Problem::new(&at, field, format!("{message}{context}; the record is left out"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::eve::layout::Kind;

    #[derive(Debug, Deserialize)]
    struct Ship {
        mass: f64,
        #[serde(rename = "size")]
        _size: Option<Size>,
    }

    #[derive(Debug, Deserialize)]
    struct Size {
        #[serde(rename = "length")]
        _length: f64,
    }

    impl Record for Ship {
        const KIND: Kind = Kind::Type;
    }

    fn ships(text: &str) -> Decoded<Ship> {
        decode(&"fsd/types.yaml".into(), &Piece { text: text.into(), first_line: 101 })
    }

    fn problems(decoded: &Decoded<Ship>) -> Vec<String> {
        decoded.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn records_know_their_id_and_the_line_of_their_key() {
        let decoded = ships("18:\n  mass: 1.0\n# heavier\n19:\n  mass: 2.0\n");
        let found: Vec<_> = decoded.entries.iter().map(|e| (e.id, e.record.mass, e.at.line)).collect();
        assert_eq!(found, [(18, 1.0, 101), (19, 2.0, 104)]);
    }

    #[test]
    fn a_wrong_type_names_file_line_and_field_and_costs_one_record() {
        let decoded =
            ships("18:\n  mass: 1.0\n19:\n  mass: 2.0\n  size:\n    length: long\n20:\n  mass: 3.0\n");
        assert_eq!(
            decoded.entries.iter().map(|e| (e.id, e.at.line)).collect::<Vec<_>>(),
            [(18, 101), (20, 107)]
        );
        assert_eq!(
            problems(&decoded),
            [
                "fsd/types.yaml:106: 19.size.length: invalid type: string \"long\", expected f64; the record is left out"
            ]
        );
    }

    #[test]
    fn a_missing_field_is_named() {
        assert_eq!(
            problems(&ships("18:\n  size:\n    length: 1.0\n")),
            ["fsd/types.yaml:102: 18: missing field `mass`; the record is left out"]
        );
    }

    #[test]
    fn broken_syntax_names_the_line_of_the_file() {
        let decoded = ships("18:\n  mass: 1.0\n19:\n  mass: 'never closed\n");
        assert_eq!(decoded.entries.len(), 1);
        assert_eq!(
            problems(&decoded),
            [
                "fsd/types.yaml:105: found unexpected end of stream, while scanning a quoted scalar that began in \
              line 104; the record is left out"
            ]
        );
    }

    #[test]
    fn fields_that_nobody_reads_are_counted_without_ids() {
        let decoded = ships(
            "18:\n  mass: 1.0\n  colour: red\n19:\n  mass: 1.0\n  colour: red\n  size:\n    length: 1\n    width: 2\n",
        );
        let unread: Vec<_> =
            decoded.unread.iter().map(|(path, (count, at))| (path.as_str(), *count, at.line)).collect();
        assert_eq!(unread, [("colour", 2, 101), ("size.width", 1, 101)]);
    }

    #[test]
    fn a_file_of_another_shape_is_refused() {
        let decoded = ships("- 18\n- 19\n");
        assert!(decoded.entries.is_empty());
        assert_eq!(
            problems(&decoded),
            ["fsd/types.yaml:101: invalid type: sequence, expected a mapping of ids; the record is left out"]
        );
    }
}
