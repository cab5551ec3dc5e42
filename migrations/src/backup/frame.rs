//! What a backup file is made of, see `docs/backup-format.md`.

use std::sync::Arc;

use entitygraph_schema::{
    Commit, ComponentType, Container, Cursor, Entity, EntityId, Link,
    codec::{CodecError, Form, Input, put_bytes, put_number, put_option},
    query::PageCursor,
};

/// A part of a backup.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// First of all.
    Begin(Begin),
    /// Component types and containers as they were when the backup began, or somewhat later.
    Catalog(Vec<Arc<ComponentType>>, Vec<Arc<Container>>),
    /// Entities by id.
    Entities(Vec<Arc<Entity>>, Mark),
    /// Ids that were used and are gone.
    Buried(Vec<EntityId>, Mark),
    /// Links by lower end, kind and higher end.
    Links(Vec<Link>, Mark),
    /// Commits in order and without a gap, the first of all right after [`Begin::after`].
    Commits(Vec<Arc<Commit>>),
    /// Everything of the world has been read.
    Base(Base),
    /// Last of all: a file without it was cut.
    End(End),
}

/// What a frame is; in the file its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// [`Frame::Begin`].
    Begin = 1,
    /// [`Frame::Catalog`].
    Catalog = 2,
    /// [`Frame::Entities`].
    Entities = 3,
    /// [`Frame::Buried`].
    Buried = 4,
    /// [`Frame::Links`].
    Links = 5,
    /// [`Frame::Commits`].
    Commits = 6,
    /// [`Frame::Base`].
    Base = 7,
    /// [`Frame::End`].
    End = 8,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Begin,
        Self::Catalog,
        Self::Entities,
        Self::Buried,
        Self::Links,
        Self::Commits,
        Self::Base,
        Self::End,
    ];

    /// Its number in the file.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The kind with a number; none for one that this program does not know.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// Where a backup comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// Tells one backup from another.
    pub id: u64,
    /// The store, for people and for going on with the right one.
    pub source: String,
    /// The newest commit before the first record was read.
    pub after: Cursor,
}

/// Where a run of records stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The moment of the page.
    pub cursor: Cursor,
    /// Where the store goes on; none after the last page of the sort.
    pub next: Option<PageCursor>,
}

/// The world is whole from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// The first moment that the file can bring back: no page is of a later one.
    pub cursor: Cursor,
    /// An id that the store leased then: no id above it was leased before.
    pub leased: EntityId,
    /// Entities in the file; some may have been buried, and others come with the commits.
    pub entities: u64,
    /// Buried ids in the file.
    pub buried: u64,
    /// Links in the file.
    pub links: u64,
}

/// The file is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The last commit, the last moment that the file can bring back.
    pub cursor: Cursor,
    /// As [`Base::leased`], at the end.
    pub leased: EntityId,
    /// Frames before this one.
    pub frames: u64,
}

impl Frame {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Begin(_) => Kind::Begin,
            Self::Catalog(..) => Kind::Catalog,
            Self::Entities(..) => Kind::Entities,
            Self::Buried(..) => Kind::Buried,
            Self::Links(..) => Kind::Links,
            Self::Commits(_) => Kind::Commits,
            Self::Base(_) => Kind::Base,
            Self::End(_) => Kind::End,
        }
    }

    /// Appends its content.
    pub fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Begin(Begin { id, source, after }) => {
                put_number(*id, out);
                put_bytes(source.as_bytes(), out);
                after.put(out);
            }
            Self::Catalog(components, containers) => {
                components.put(out);
                containers.put(out);
            }
            Self::Entities(entities, mark) => {
                mark.put(out);
                entities.put(out);
            }
            Self::Buried(ids, mark) => {
                mark.put(out);
                ids.put(out);
            }
            Self::Links(links, mark) => {
                mark.put(out);
                links.put(out);
            }
            Self::Commits(commits) => commits.put(out),
            Self::Base(Base { cursor, leased, entities, buried, links }) => {
                cursor.put(out);
                leased.put(out);
                [entities, buried, links].iter().for_each(|count| put_number(**count, out));
            }
            Self::End(End { cursor, leased, frames }) => {
                cursor.put(out);
                leased.put(out);
                put_number(*frames, out);
            }
        }
    }

    /// Reads the content of a frame of a kind.
    pub fn take(kind: Kind, content: &[u8]) -> Result<Self, CodecError> {
        let mut input = Input::new("frame", content);
        let frame = Self::take_kind(kind, &mut input)?;
        input.end()?;
        Ok(frame)
    }

    fn take_kind(kind: Kind, input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(match kind {
            Kind::Begin => Self::Begin(Begin::take(input)?),
            Kind::Catalog => Self::Catalog(Form::take(input)?, Form::take(input)?),
            Kind::Commits => Self::Commits(Form::take(input)?),
            Kind::Base => Self::Base(Base::take(input)?),
            Kind::End => Self::End(End::take(input)?),
            Kind::Entities => {
                let mark = Mark::take(input)?;
                Self::Entities(Form::take(input)?, mark)
            }
            Kind::Buried => {
                let mark = Mark::take(input)?;
                Self::Buried(Form::take(input)?, mark)
            }
            Kind::Links => {
                let mark = Mark::take(input)?;
                Self::Links(Form::take(input)?, mark)
            }
        })
    }
}

impl Begin {
    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { id: input.number()?, source: input.text()?.to_owned(), after: Form::take(input)? })
    }
}

impl Base {
    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let (cursor, leased) = (Form::take(input)?, Form::take(input)?);
        let (entities, buried, links) = (input.number()?, input.number()?, input.number()?);
        Ok(Self { cursor, leased, entities, buried, links })
    }
}

impl End {
    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { cursor: Form::take(input)?, leased: Form::take(input)?, frames: input.number()? })
    }
}

impl Mark {
    fn put(&self, out: &mut Vec<u8>) {
        self.cursor.put(out);
        put_option(&self.next.as_ref().map(|next| Opaque(next.0.clone())), out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let (cursor, next) = (Form::take(input)?, input.option::<Opaque>()?);
        Ok(Self { cursor, next: next.map(|Opaque(bytes)| PageCursor(bytes)) })
    }
}

/// Bytes that only their store understands.
struct Opaque(Vec<u8>);

impl Form for Opaque {
    const NAME: &'static str = "page cursor";

    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(&self.0, out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self(input.bytes()?.to_vec()))
    }
}
