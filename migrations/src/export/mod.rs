//! A world out of a store, in the format that [`crate::world`] reads.
//!
//! The file is YAML made of JSON lines, one line for each entity, so that it can be read, searched and compared by lines. It
//! is a run of documents that stand alone: first component types and containers by name, then entities, each with its id
//! and that of its parent, in the order of the tree, then links by their ends, and at last how many there are, so that a
//! file that was cut off is known as such.
//!
//! What is exported goes in again with the same ids. Exporting that store gives the same bytes: revisions, epochs,
//! numbers of containers and component types belong to a store, not to the world, and are not in the file.
//!
//! # While the world is written
//!
//! Each page of entities is of one moment, but the next page is of a later one. An entity that moves from what is not yet
//! written to what is, or the other way, may be missing or be there twice; an ingest names both. [`Exported::at_rest`] says
//! whether anything was written meanwhile; for a copy that is true at one moment, export again or use a backup.
//!
//! Memory is bounded by the page size for entities; links (a hundred bytes each) are held until they are sorted.

mod convert;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

use entitygraph_schema::{
    Catalog, Cursor, Entity, EntityId, Link, LinkKind, Refusal,
    query::{ChildOrder, Extent, PageRequest},
};
use entitygraph_store::{Error, Store};

use self::writer::DocumentWriter;
use crate::{
    load::Progress,
    world::format::{Document, End},
};

/// What to export.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExportOptions {
    /// Only this entity and what is below it, with the links among them. Its parent must exist where it is ingested.
    pub below: Option<EntityId>,
}

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Entities in the file.
    pub entities: u64,
    /// Links in the file.
    pub links: u64,
    /// What entities hold and the file cannot say: values of retired variables, and ports that the container of their parent no
    /// longer has, or not for them.
    pub left_out: u64,
    /// The newest commit when the export began.
    pub began: Cursor,
    /// The newest commit when it ended.
    pub ended: Cursor,
}

impl Exported {
    /// Whether nothing was written to the store meanwhile, so that the file is true for one moment.
    pub fn at_rest(&self) -> bool {
        self.began == self.ended
    }
}

/// An export that could not go on; the file is incomplete and an ingest of it says so.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store could not be read.
    #[error("the store could not be read")]
    Store(#[from] Error),
    /// The file could not be written.
    #[error("the file could not be written")]
    Write(#[from] io::Error),
}

impl From<Refusal> for ExportError {
    fn from(refusal: Refusal) -> Self {
        Self::Store(refusal.into())
    }
}

/// Writes a world, or part of one. Dropping the future leaves an incomplete file.
pub async fn export(
    store: Arc<dyn Store>,
    out: impl Write + Send,
    options: ExportOptions,
    progress: Arc<dyn Progress>,
) -> Result<Exported, ExportError> {
    let newest = store.newest();
    let began = *newest.borrow();
    let catalog = store.catalog();
    let mut out = DocumentWriter::new(out);
    out.write(&Document {
        format: Some(convert::format()),
        exported: true,
        ..convert::templates(&catalog)?
    })?;
    progress.stage("entities");
    let total = if options.below.is_none() { Some(store.total(None).await?.value) } else { None };
    progress.counts("entities", total);
    let mut export = Export { store, catalog, progress, out, entities: 0, left_out: 0, zones: Vec::new() };
    match options.below {
        Some(below) => {
            // What never was there is a mistake of the caller; what is buried from now on is not.
            export.store.ancestors(below).await?;
            export.subtree(below).await?;
        }
        None => {
            for root in export.roots().await? {
                export.subtree(root).await?;
            }
        }
    }
    export.progress.stage("links");
    export.progress.counts("links", None);
    let links = export.links(options.below).await?;
    let Export { mut out, catalog: _, entities, left_out, progress, .. } = export;
    let mut rest = links.iter().peekable();
    while rest.peek().is_some() {
        let links = rest
            .by_ref()
            .take(Export::<Vec<u8>>::PAGE)
            .map(|((a, b, kind), cost)| convert::link(kind, *a, *b, *cost));
        out.write(&Document { links: links.collect(), ..Document::default() })?;
    }
    let links = links.len() as u64;
    out.write(&Document { end: Some(End { entities, links }), ..Document::default() })?;
    out.finish()?;
    progress.finish();
    let ended = *newest.borrow();
    Ok(Exported { entities, links, left_out, began, ended })
}

/// Whether an export wrote the file, or nothing is in it: then nothing is lost with it.
pub fn is_export(file: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    File::open(file)?.take(BEGIN_BYTES).read_to_end(&mut begin)?;
    let mut lines = begin.split(|byte| *byte == b'\n');
    Ok(begin.is_empty()
        || lines.next() == Some(b"---") && lines.take(3).any(|line| line == b"exported: true"))
}

/// Enough of a file to see who wrote it.
const BEGIN_BYTES: u64 = 256;

/// The answer about an entity that existed a moment ago, unless it was buried since.
fn unless_gone<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Refused(Refusal::UnknownEntity { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

type Links = BTreeMap<(EntityId, EntityId, LinkKind), f64>;

struct Export<W: Write> {
    store: Arc<dyn Store>,
    catalog: Arc<Catalog>,
    progress: Arc<dyn Progress>,
    out: DocumentWriter<W>,
    entities: u64,
    left_out: u64,
    /// Zone hosts that were written.
    zones: Vec<EntityId>,
}

impl<W: Write + Send> Export<W> {
    /// Rows of one page, and of one document.
    const PAGE: usize = 500;

    async fn roots(&self) -> Result<Vec<EntityId>, ExportError> {
        let mut roots = Vec::new();
        let mut page = PageRequest::first(Self::PAGE);
        loop {
            let answer = self.store.children(None, ChildOrder::Ordinal, page.clone()).await?.value;
            page.after = answer.rows.last().map(|(_, cursor)| cursor.clone());
            roots.extend(answer.rows.into_iter().map(|(id, _)| id));
            if !answer.more {
                return Ok(roots);
            }
        }
    }

    /// Writes an entity and what is below it, until it is buried.
    async fn subtree(&mut self, root: EntityId) -> Result<(), ExportError> {
        let mut page = PageRequest::first(Self::PAGE);
        loop {
            let answer = self.store.subtree(root, Extent::All, page.clone()).await;
            let Some(answer) = unless_gone(answer)? else { return Ok(()) };
            let answer = answer.value;
            page.after = answer.rows.last().map(|(_, cursor)| cursor.clone());
            self.page(answer.rows.into_iter().map(|(entity, _)| entity).collect()).await?;
            if !answer.more {
                return Ok(());
            }
        }
    }

    async fn page(&mut self, mut page: Vec<Arc<Entity>>) -> Result<(), ExportError> {
        // Containers and component types may have come since the export began.
        let catalog = if page.iter().all(|entity| convert::is_known(entity, &self.catalog)) {
            self.catalog.clone()
        } else {
            self.store.catalog()
        };
        if !Arc::ptr_eq(&catalog, &self.catalog) {
            self.out.write(&convert::templates(&catalog)?)?;
            self.catalog = catalog;
        }
        self.leave_lost_ports(&mut page).await?;
        let entities = page.iter().map(|entity| convert::entity(entity, &self.catalog));
        let entities = entities.collect::<Result<_, _>>()?;
        self.zones.extend(page.iter().filter(|entity| entity.zone.is_some()).map(|entity| entity.id));
        self.entities += page.len() as u64;
        self.left_out +=
            page.iter().map(|entity| convert::retired_values(entity, &self.catalog)).sum::<u64>();
        self.progress.items(page.len() as u64);
        self.out.write(&Document { entities, ..Document::default() })?;
        Ok(())
    }

    /// Takes ports away that an ingest would refuse. A container may drop or narrow a port while something is attached to it.
    async fn leave_lost_ports(&mut self, page: &mut [Arc<Entity>]) -> Result<(), ExportError> {
        let attached: Vec<_> = page.iter_mut().filter(|entity| entity.placement.port.is_some()).collect();
        let parents: Vec<_> = attached.iter().filter_map(|entity| entity.placement.parent).collect();
        if parents.is_empty() {
            return Ok(());
        }
        let parents = self.store.entities(&parents).await?.value;
        for (entity, parent) in attached.into_iter().zip(parents) {
            let container = parent.as_ref().and_then(|parent| parent.source.as_ref());
            let container = container.and_then(|source| self.catalog.container(source.container));
            let takes = container.is_some_and(|container| {
                container.draft.ports.iter().any(|port| {
                    Some(&port.name) == entity.placement.port.as_ref() && port.takes(&entity.kind)
                })
            });
            if !takes {
                Arc::make_mut(entity).placement.port = None;
                self.left_out += 1;
            }
        }
        Ok(())
    }

    /// Links of what was written. Each link has its ends in zones, so asking the zones finds them all.
    async fn links(&self, below: Option<EntityId>) -> Result<Links, ExportError> {
        let mut links = Links::new();
        let mut zones = self.zones.clone();
        if let Some(below) = below {
            // What is not in a zone of its own is in the one around it.
            let around = unless_gone(self.store.ancestors(below).await)?.map(|above| above.value);
            let zone = around.iter().flatten().find(|above| above.zone.is_some());
            zones.extend(zone.map(|zone| zone.id));
        }
        for zone in zones {
            let before = links.len();
            let mut page = PageRequest::first(Self::PAGE);
            loop {
                let answer = match self.store.zone_links(zone, page.clone()).await {
                    Ok(answer) => answer.value,
                    // It was buried since it was written, and its links with it.
                    Err(Error::Refused(Refusal::UnknownEntity { .. } | Refusal::NotAZone { .. })) => break,
                    Err(error) => return Err(error.into()),
                };
                page.after = answer.rows.last().map(|(_, cursor)| cursor.clone());
                links.extend(
                    answer.rows.into_iter().map(|(Link { kind, a, b, cost }, _)| ((a, b, kind), cost)),
                );
                if !answer.more {
                    break;
                }
            }
            self.progress.items((links.len() - before) as u64);
        }
        if let Some(below) = below {
            let mut inside = HashMap::new();
            for end in links.keys().flat_map(|(a, b, _)| [*a, *b]) {
                if let std::collections::hash_map::Entry::Vacant(unknown) = inside.entry(end) {
                    let above = unless_gone(self.store.ancestors(end).await)?.map(|above| above.value);
                    let is_inside = |above: &[Arc<Entity>]| above.iter().any(|above| above.id == below);
                    unknown.insert(above.is_some_and(|above| end == below || is_inside(&above)));
                }
            }
            links.retain(|(a, b, _), _| inside[a] && inside[b]);
        }
        Ok(links)
    }
}
