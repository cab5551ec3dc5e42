//! Reads TOML with the line of each value, and goes on after a mistake.

use std::ops::Range;

use super::{Mistake, Mistakes};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A value with the line on which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    pub value: T,
    pub line: usize,
}

/// The text and what was found wrong with it so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notes {
    pub file: String,
    text: String,
    mistakes: Vec<Mistake>,
}

impl Notes {
    pub fn new(file: &str, text: &str) -> Self {
        Self { file: file.to_owned(), text: text.to_owned(), mistakes: Vec::new() }
    }

    pub fn line(&self, span: Range<usize>) -> usize {
        1 + self.text.bytes().take(span.start).filter(|&byte| byte == b'\n').count()
    }

    pub fn at(&mut self, line: usize, what: impl Into<String>) {
        self.mistakes.push(Mistake { file: self.file.clone(), line: Some(line), what: what.into() });
    }

    pub fn whole(&mut self, what: impl Into<String>) {
        self.mistakes.push(Mistake { file: self.file.clone(), line: None, what: what.into() });
    }

    /// All mistakes in the order of the lines, those of the whole file last; none: it is good.
    pub fn done(mut self) -> Result<(), Mistakes> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        self.mistakes.sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
        Err(Mistakes(self.mistakes))
    }
}

/// A table that is read field by field; [`Table::end`] names what nobody asked for.
pub(super) struct Table<'a, 'i> {
    pub line: usize,
    what: &'static str,
    fields: &'a DeTable<'i>,
    asked: Vec<&'static str>,
}

impl<'a, 'i> Table<'a, 'i> {
    pub fn new(what: &'static str, fields: &'a DeTable<'i>, line: usize) -> Self {
        Self { line, what, fields, asked: Vec::new() }
    }

    fn field(&mut self, name: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.asked.push(name);
        self.fields.get(name)
    }

    /// A text that may be missing.
    pub fn text(&mut self, notes: &mut Notes, name: &'static str) -> Option<At<String>> {
        let value = self.field(name)?;
        text(notes, name, value)
    }

    /// A text that must be there.
    pub fn needed(&mut self, notes: &mut Notes, name: &'static str) -> Option<At<String>> {
        if !self.fields.contains_key(name) {
            notes.at(self.line, format!("{} has no `{name}`", self.what));
        }
        self.text(notes, name)
    }

    /// A list of texts; missing is empty.
    pub fn texts(&mut self, notes: &mut Notes, name: &'static str) -> Vec<At<String>> {
        let Some(value) = self.field(name) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(list) => list.iter().filter_map(|value| text(notes, name, value)).collect(),
            other => {
                let line = notes.line(value.span());
                notes.at(line, format!("`{name}` is a {}, a list of texts is expected", other.type_str()));
                Vec::new()
            }
        }
    }

    /// A whole number in a range; missing is `default`, and so is what was refused.
    pub fn number(
        &mut self,
        notes: &mut Notes,
        name: &'static str,
        range: [u64; 2],
        default: u64,
    ) -> At<u64> {
        let Some(value) = self.field(name) else { return At { value: default, line: self.line } };
        let (line, [least, most]) = (notes.line(value.span()), range);
        let written = match value.get_ref() {
            DeValue::Integer(number) => number.to_string(),
            other => format!("a {}", other.type_str()),
        };
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        match number.filter(|number| (least..=most).contains(number)) {
            Some(value) => At { value, line },
            None => {
                notes.at(line, format!("{name} is {written}, {least} to {most} are possible"));
                At { value: default, line }
            }
        }
    }

    /// The tables of `[[name]]`.
    pub fn tables(
        &mut self,
        notes: &mut Notes,
        name: &'static str,
        what: &'static str,
    ) -> Vec<Table<'a, 'i>> {
        let Some(value) = self.field(name) else { return Vec::new() };
        let list = match value.get_ref() {
            DeValue::Array(list) => list.iter().collect(),
            _ => vec![value],
        };
        let mut tables = Vec::new();
        for value in list {
            let line = notes.line(value.span());
            match value.get_ref() {
                DeValue::Table(fields) => tables.push(Table::new(what, fields, line)),
                other => notes.at(line, format!("`{name}` is a {}, write [[{name}]]", other.type_str())),
            }
        }
        tables
    }

    /// Names fields that mean nothing.
    pub fn end(self, notes: &mut Notes) {
        for key in self.fields.keys() {
            let name: &str = key.get_ref();
            if !self.asked.contains(&name) {
                let line = notes.line(key.span());
                let hint = super::world::nearest(name, self.asked.iter().copied());
                notes.at(line, format!("{} has no field `{name}`{hint}", self.what));
            }
        }
    }
}

fn text(notes: &mut Notes, name: &str, value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
    let line = notes.line(value.span());
    match value.get_ref() {
        DeValue::String(text) => Some(At { value: text.to_string(), line }),
        other => {
            notes.at(line, format!("`{name}` is a {}, a text is expected", other.type_str()));
            None
        }
    }
}
