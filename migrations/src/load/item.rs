//! What a source hands to the loader, each with its place in the source.

use std::{fmt, sync::Arc};

use entitygraph_schema::{EntityId, Link, NewEntity, text::shown};

/// Where in a source something was said. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// File, relative to what was ingested.
    pub file: Arc<str>,
    /// Line and column, counted from 1, where the source has them.
    pub position: Option<(u32, u32)>,
    /// Which part of the file: a field path (`entities[3].pose`), a key or an id of the source.
    pub part: Option<Arc<str>>,
}

impl Origin {
    /// A whole file.
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), position: None, part: None }
    }

    /// A line and column of the file, both counted from 1.
    #[must_use]
    pub fn at(mut self, line: u32, column: u32) -> Self {
        self.position = Some((line, column));
        self
    }

    /// A part of the file.
    #[must_use]
    pub fn part(mut self, part: impl Into<Arc<str>>) -> Self {
        self.part = Some(part.into());
        self
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", shown(&self.file))?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        match &self.part {
            Some(part) => write!(f, ": {}", shown(part)),
            None => Ok(()),
        }
    }
}

/// Something a source says, and where.
#[derive(Debug, Clone)]
pub struct Sourced<T> {
    /// Where.
    pub origin: Origin,
    /// What.
    pub value: T,
}

impl<T> Sourced<T> {
    /// Puts both together.
    pub fn new(origin: Origin, value: T) -> Self {
        Self { origin, value }
    }
}

/// Something that others need and that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Missing {
    /// An entity, by its id.
    Entity(EntityId),
    /// A component type, by its name.
    Component(Arc<str>),
    /// A container, by its name.
    Container(Arc<str>),
}

/// Something that could not be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in the source.
    pub origin: Origin,
    /// What is wrong and, where it is not plain, what to do. One line, safe to show on a terminal.
    pub message: String,
    /// What it comes from. Of several problems that come from one thing the report tells the first.
    pub because: Option<Box<Missing>>,
    /// What is missing because of it; problems that come from that are told with this one.
    pub loses: Vec<Missing>,
    /// How many more items are left out because of it.
    pub also: u64,
}

impl Problem {
    /// A problem with what stands at `origin`.
    pub fn new(origin: Origin, message: impl fmt::Display) -> Self {
        let message = shown(&message.to_string()).to_string();
        Self { origin, message, because: None, loses: Vec::new(), also: 0 }
    }

    /// It comes from something that is not there.
    #[must_use]
    pub fn because(mut self, missing: impl Into<Option<Missing>>) -> Self {
        self.because = missing.into().map(Box::new);
        self
    }

    /// These are missing because of it.
    #[must_use]
    pub fn losing(mut self, missing: impl IntoIterator<Item = Missing>) -> Self {
        self.loses.extend(missing);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)?;
        match self.also {
            0 => Ok(()),
            1 => f.write_str("; 1 more item is left out because of it"),
            also => write!(f, "; {also} more items are left out because of it"),
        }
    }
}

/// One element of a source's stream, for producers on other threads.
#[derive(Debug)]
pub enum Item {
    /// An entity; its parent came before it or is in the store.
    Entity(Box<Sourced<NewEntity>>),
    /// A link; its ends came before it or are in the store.
    Link(Sourced<Link>),
    /// Something the producer could not turn into an entity or link.
    Problem(Problem),
    /// Something the source has that this program does not take over, counted by name.
    NotUsed(String, u64),
}
