//! Documents on their way to the executor: refused when too large before anything is parsed, parsed once.
//!
//! The parser recurses on every bracket and allocates for every token, so both are counted first, in one pass over the
//! text that does neither. What parses is kept: clients send the same few documents over and over.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use async_graphql::{
    Name, Positioned, Response, Value,
    parser::{
        parse_query,
        types::{
            DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
            SelectionSet,
        },
    },
};
use moka::sync::Cache;

use super::{
    answer::Shape,
    straight::{Flat, Plan},
};
use crate::{api::error::Rejection, config::Limits};

/// Deepest nesting of brackets of any kind: what a document within the depth limit can need, arguments included.
const NESTING_MAX: usize = 100;
/// Text of kept documents in bytes, together; what they are parsed to is some twenty times larger, and the shape of an answer takes
/// as much as [`FIELD_BYTES`] of text for each of its fields.
const KEPT_BYTES: u64 = 2 * 1024 * 1024;
/// Longer documents are parsed each time.
const KEPT_BYTES_EACH: usize = 32 * 1024;
/// See `KEPT_BYTES`.
const FIELD_BYTES: usize = 4;

/// A parsed document.
#[derive(Debug)]
pub struct Document {
    /// As the client wrote it.
    pub text: Arc<str>,
    /// What it was parsed to.
    pub parsed: ExecutableDocument,
    /// Whether no two of its answers are ever merged.
    pub flat: bool,
    /// The short way to its answer, once the executor has found it valid; `None` in it when there is none.
    plan: OnceLock<Option<Plan>>,
    /// How many fields and fragments it has with its fragments put in.
    fields: usize,
    /// The shapes of its operations' answers, in the order of the operations; known once one has been answered, kept if small.
    shapes: OnceLock<Vec<(Option<Name>, Shape)>>,
}

impl Document {
    /// The short way to its answer, if it has one and the executor has run it before.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.get()?.as_ref()
    }

    /// The executor has run the document without an error.
    pub fn found_valid(&self) {
        self.plan.get_or_init(|| Plan::compile(&self.parsed));
    }

    /// The answer of an operation that the executor has run, as JSON.
    ///
    /// # Errors
    /// Those of serde_json, which has none for what the executor answers.
    pub fn write(&self, name: Option<&str>, answer: &Response) -> serde_json::Result<Vec<u8>> {
        let mut out = br#"{"data":"#.to_vec();
        match answer.data {
            Value::Null => out.extend_from_slice(b"null"),
            // With data, the document is valid.
            ref data if self.kept_bytes() <= KEPT_BYTES_EACH => self.shape(name).write(data, &mut out)?,
            ref data => match self.operation(name) {
                Ok(operation) => Shape::of(operation, &self.parsed).write(data, &mut out)?,
                Err(_) => Shape::NONE.write(data, &mut out)?,
            },
        }
        if !answer.errors.is_empty() {
            out.extend_from_slice(br#","errors":"#);
            serde_json::to_writer(&mut out, &answer.errors)?;
        }
        out.push(b'}');
        Ok(out)
    }

    /// What keeping it costs, in bytes of text.
    fn kept_bytes(&self) -> usize {
        self.text.len() + FIELD_BYTES * self.fields
    }

    fn shape(&self, name: Option<&str>) -> &Shape {
        let shapes = self.shapes.get_or_init(|| {
            let shape = |(name, operation): (Option<&Name>, &Positioned<OperationDefinition>)| {
                (name.cloned(), Shape::of(&operation.node, &self.parsed))
            };
            self.parsed.operations.iter().map(shape).collect()
        });
        let asked = shapes.iter().find(|(known, _)| known.as_deref() == name).or(shapes.first());
        asked.map_or(const { &Shape::NONE }, |(_, shape)| shape)
    }

    /// The operation that a request runs.
    pub fn operation(&self, name: Option<&str>) -> Result<&OperationDefinition, Rejection> {
        let refused = |reason: String| Rejection::Operation { reason };
        match (&self.parsed.operations, name) {
            (DocumentOperations::Single(operation), None) => Ok(&operation.node),
            (DocumentOperations::Single(_), Some(name)) => Err(refused(format!(
                "the document has no operation named `{name}`: its only one has no name"
            ))),
            (DocumentOperations::Multiple(operations), Some(name)) => {
                let known = || operations.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
                let found = operations.get(name).map(|operation| &operation.node);
                found.ok_or_else(|| {
                    refused(format!("the document has no operation named `{name}`, only {}", known()))
                })
            }
            (DocumentOperations::Multiple(operations), None) => match operations.values().next() {
                Some(operation) if operations.len() == 1 => Ok(&operation.node),
                _ => Err(refused(
                    "the document has several operations: name one with `operationName`".to_owned(),
                )),
            },
        }
    }

    /// What sort of operation a request runs.
    pub fn operation_type(&self, name: Option<&str>) -> Result<OperationType, Rejection> {
        self.operation(name).map(|operation| operation.ty)
    }
}

/// The documents that were asked lately.
#[derive(Debug)]
pub struct Documents {
    kept: Cache<Arc<str>, Arc<Document>>,
    tokens_max: usize,
    fields_max: usize,
}

impl Documents {
    /// None yet.
    pub fn new(limits: &Limits) -> Self {
        let kept = Cache::builder()
            .max_capacity(KEPT_BYTES)
            .weigher(|_, document: &Arc<Document>| u32::try_from(document.kept_bytes()).unwrap_or(u32::MAX))
            .build();
        // Each field costs at least one.
        Self { kept, tokens_max: limits.query_tokens, fields_max: limits.query_complexity }
    }

    /// The document of this text.
    pub fn get(&self, text: &str) -> Result<Arc<Document>, Rejection> {
        if let Some(document) = self.kept.get(text) {
            return Ok(document);
        }
        check_size(text, self.tokens_max)?;
        let parsed = parse_query(text).map_err(|error| Rejection::Syntax { reason: error.to_string() })?;
        let fields = expanded(&parsed);
        if fields > self.fields_max {
            return Err(Rejection::TooManyFields { max: self.fields_max });
        }
        let flat = Flat::says(&parsed);
        let text = Arc::from(text);
        let document = Arc::new(Document {
            text: Arc::clone(&text),
            parsed,
            flat,
            fields,
            plan: OnceLock::new(),
            shapes: OnceLock::new(),
        });
        if document.kept_bytes() <= KEPT_BYTES_EACH {
            self.kept.insert(text, document.clone());
        }
        Ok(document)
    }
}

/// How many fields and fragments the document has once its fragments are put in. The executor's checks walk them one by one, so a few
/// fragments that double each other would keep them busy for ever. A fragment inside itself counts once; the executor
/// refuses it.
fn expanded(document: &ExecutableDocument) -> usize {
    fn fields<'a>(
        set: &'a SelectionSet,
        document: &'a ExecutableDocument,
        known: &mut HashMap<&'a str, usize>,
    ) -> usize {
        set.items.iter().fold(0_usize, |sum, selection| {
            sum.saturating_add(match &selection.node {
                Selection::Field(field) => {
                    fields(&field.node.selection_set.node, document, known).saturating_add(1)
                }
                Selection::InlineFragment(inline) => fields(&inline.node.selection_set.node, document, known),
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    let inside = match (known.get(name), document.fragments.get(name)) {
                        (Some(known), _) => *known,
                        (None, None) => 0,
                        (None, Some(fragment)) => {
                            known.insert(name, 0);
                            let count = fields(&fragment.node.selection_set.node, document, known);
                            known.insert(name, count);
                            count
                        }
                    };
                    inside.saturating_add(1)
                }
            })
        })
    }
    let mut known = HashMap::new();
    let sets = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    sets.fold(0_usize, |sum, set| sum.saturating_add(fields(set, document, &mut known)))
}

/// Counts tokens and nested brackets, knowing of strings and comments only what it takes to skip them.
fn check_size(text: &str, tokens_max: usize) -> Result<(), Rejection> {
    let bytes = text.as_bytes();
    let (mut at, mut tokens, mut nesting) = (0, 0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => at += 1,
            b'#' => at += bytes[at..].iter().take_while(|byte| !matches!(byte, b'\n' | b'\r')).count(),
            _ => {
                tokens += 1;
                match byte {
                    b'"' => at = string_end(bytes, at),
                    b'{' | b'[' | b'(' => {
                        nesting += 1;
                        at += 1;
                    }
                    b'}' | b']' | b')' => {
                        nesting = nesting.saturating_sub(1);
                        at += 1;
                    }
                    byte if is_word(byte) => {
                        at += bytes[at..].iter().take_while(|byte| is_word(**byte)).count()
                    }
                    _ => at += 1,
                }
            }
        }
        if tokens > tokens_max {
            return Err(Rejection::TooManyTokens { max: tokens_max });
        }
        if nesting > NESTING_MAX {
            return Err(Rejection::TooDeep { max: NESTING_MAX });
        }
    }
    Ok(())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+') || !byte.is_ascii()
}

/// Where the string or block string that begins at `start` is over; the end of the text if it never is.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let block = bytes[start..].starts_with(b"\"\"\"");
    let mut at = start + if block { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if block && bytes[at..].starts_with(b"\\\"\"\"") => at += 4,
            b'\\' if !block => at += 2,
            b'"' if block && bytes[at..].starts_with(b"\"\"\"") => return at + 3,
            b'"' if !block => return at + 1,
            // A line end closes a string too, so that what follows is counted; the parser refuses it.
            b'\n' | b'\r' if !block => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize, open: &str, close: &str) -> String {
        format!("{{ a {}{} }}", open.repeat(levels), close.repeat(levels))
    }

    #[test]
    fn a_thousand_levels_of_any_bracket_are_refused_before_the_parser_recurses() {
        for (open, close) in [("{ a ", "}"), ("(a: [", "])"), ("(a: {b: ", "})"), ("{", ""), ("[", "")] {
            let refused = check_size(&nested(1_000, open, close), 1_000_000).unwrap_err();
            assert_eq!(refused, Rejection::TooDeep { max: NESTING_MAX }, "{open}");
        }
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_nest() {
        let many = "{[(".repeat(1_000);
        for text in [
            format!("{{ a(b: \"{many}\") }}"),
            format!("{{ a }} # {many}"),
            format!("{{ a(b: \"\"\"{many}\"\"\") }}"),
        ] {
            assert_eq!(check_size(&text, 100), Ok(()));
        }
        let escaped = format!("{{ a(b: \"\\\"{many}\") }}");
        assert_eq!(check_size(&escaped, 100), Ok(()));
    }

    #[test]
    fn an_open_string_hides_nothing_behind_its_line() {
        let text = format!("{{ a(b: \"\n {}", "{".repeat(1_000));
        assert_eq!(check_size(&text, 100_000), Err(Rejection::TooDeep { max: NESTING_MAX }));
    }

    #[test]
    fn tokens_are_counted_up_to_the_limit() {
        assert_eq!(check_size("{ a, b #c\n }", 4), Ok(()));
        assert_eq!(check_size("{ a b c }", 4), Err(Rejection::TooManyTokens { max: 4 }));
    }

    #[test]
    fn fragments_that_double_each_other_are_counted_as_often_as_they_are_put_in() {
        let doubling: String = (0..60)
            .map(|level| format!("fragment f{level} on Query {{ ...f{0} ...f{0} }} ", level + 1))
            .collect();
        let bomb = format!("{{ ...f0 }} {doubling} fragment f60 on Query {{ ...unknown }}");
        let limits = Limits::default();
        let refused = Documents::new(&limits).get(&bomb).unwrap_err();
        assert_eq!(refused, Rejection::TooManyFields { max: limits.query_complexity });
        let circle =
            parse_query("{ ...a } fragment a on Query { b { ...a } ...c } fragment c on Query { ...a d }")
                .unwrap();
        assert_eq!(expanded(&circle), 6);
    }

    #[test]
    fn the_operation_is_told_by_name_or_by_being_the_only_one() {
        let documents = Documents::new(&Limits::default());
        let two = documents.get("query A { a } mutation B { b }").unwrap();
        assert_eq!(two.operation_type(Some("B")).unwrap(), OperationType::Mutation);
        assert!(two.operation(None).unwrap_err().to_string().contains("operationName"));
        assert!(two.operation(Some("C")).unwrap_err().to_string().contains("`C`"));
        assert_eq!(documents.get("{ a }").unwrap().operation_type(None).unwrap(), OperationType::Query);
    }

    #[test]
    fn a_document_that_was_parsed_is_kept() {
        let documents = Documents::new(&Limits::default());
        let one = documents.get("{ a }").unwrap();
        assert!(Arc::ptr_eq(&one, &documents.get("{ a }").unwrap()));
    }

    #[test]
    fn fragments_that_double_each_other_are_not_kept_with_the_shape_of_their_answer() {
        let documents = Documents::new(&Limits::default());
        let doubling: String = (0..14)
            .map(|level| {
                format!("fragment f{level} on E {{ a: p {{ ...f{0} }} b: p {{ ...f{0} }} }} ", level + 1)
            })
            .collect();
        let text = format!("{{ e {{ ...f0 }} }} {doubling} fragment f14 on E {{ n }}");
        let document = documents.get(&text).unwrap();
        let answer =
            Response::new(async_graphql::value!({ "e": { "b": { "a": null, "b": null }, "a": null } }));
        let json = document.write(None, &answer).unwrap();
        assert_eq!(json, br#"{"data":{"e":{"a":null,"b":{"a":null,"b":null}}}}"#);
        assert!(document.shapes.get().is_none(), "a shape of {} fields is kept", document.fields);
        assert!(!Arc::ptr_eq(&document, &documents.get(&text).unwrap()), "the document is kept");
    }
}
