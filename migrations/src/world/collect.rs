//! The first pass over a world: everything that must be known before an entity can be built.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    files::{Placed, WorldFiles},
    format::{self, Document},
    index::Index,
    marked::{Mark, Marked},
    names::check_name,
    templates::Found,
    values::Place,
};
use crate::load::{Origin, Problem, Progress};

/// What the files say besides the entities.
#[derive(Default)]
pub(super) struct Collected {
    pub components: Vec<Found<format::Component>>,
    pub containers: Vec<Found<format::Container>>,
    pub links: Vec<Found<format::Link>>,
    pub index: Index,
    pub problems: Vec<Problem>,
    /// The documents with entities; none when they are too many to keep and must be read again.
    pub kept: Option<Vec<Placed>>,
    /// Whether there is any entity.
    entities: bool,
    /// Exported files and what they hold: as they say at their end, and as was found.
    exports: BTreeMap<Arc<str>, (Option<format::End>, format::End)>,
}

impl Collected {
    /// Files of this size altogether are kept in memory between the two passes.
    const KEEP_BYTES: u64 = 32 << 20;

    pub fn read(files: &WorldFiles, progress: &dyn Progress) -> Self {
        let kept = (files.bytes() <= Self::KEEP_BYTES).then(Vec::new);
        let mut collected = Self { kept, ..Self::default() };
        files.read(progress, |read| {
            match read {
                Ok(placed) => collected.take(placed),
                Err(problem) => collected.problems.push(problem),
            }
            true
        });
        collected.check_ends();
        collected.check_empty(files);
        collected
    }

    fn take(&mut self, mut placed: Placed) {
        if let Some(problem) = unknown_format(&placed) {
            self.problems.push(problem);
            return;
        }
        self.count(&placed);
        self.entities |= !placed.document.entities.is_empty();
        let world = world(&placed).map(str::to_owned);
        let (components, containers, links) = {
            let Document { components, containers, links, .. } = &mut placed.document;
            (std::mem::take(components), std::mem::take(containers), std::mem::take(links))
        };
        let found = |path: String, mark: Mark| placed.place(path, mark);
        for (index, value) in components {
            let place = found(format!("components[{index}]"), value.name.mark);
            self.components.push(Found { place, value, world: world.clone() });
        }
        for (index, value) in containers {
            let place = found(format!("containers[{index}]"), value.name.mark);
            self.containers.push(Found { place, value, world: world.clone() });
        }
        for (index, value) in links {
            let place = found(format!("links[{index}]"), value.kind.mark);
            self.links.push(Found { place, value, world: world.clone() });
        }
        if let Some(world) = &world {
            for (place, entity) in placed.entities() {
                self.index.add(world, &place, entity);
            }
        }
        if let (Some(kept), false) = (&mut self.kept, placed.document.entities.is_empty()) {
            kept.push(placed);
        }
    }

    fn count(&mut self, placed: &Placed) {
        let Document { exported, entities, links, end, .. } = &placed.document;
        if *exported {
            self.exports.entry(placed.file.clone()).or_insert((None, format::End { entities: 0, links: 0 }));
        }
        if let Some((said, found)) = self.exports.get_mut(&placed.file) {
            found.entities += entities.iter().count() as u64;
            found.links += links.iter().count() as u64;
            if let Some(end) = end {
                *said = Some(end.clone());
            }
        }
    }

    /// To load nothing is a mistake, unless it is the export of a world that holds nothing.
    fn check_empty(&mut self, files: &WorldFiles) {
        let nothing = self.components.is_empty() && self.containers.is_empty() && self.links.is_empty();
        if nothing && !self.entities && self.exports.is_empty() && self.problems.is_empty() {
            let message = "there is no component, container, entity or link in it: is it the right path?";
            self.problems.push(Problem::new(Origin::file(files.name.clone()), message));
        }
    }

    fn check_ends(&mut self) {
        for (file, (said, found)) in &self.exports {
            let message = match said {
                None => String::from(
                    "the file is cut off: the end of the export is missing; what is there goes in",
                ),
                Some(said) if said != found => format!(
                    "parts of the file are missing or could not be read: it has {} of {} entities and {} of {} links",
                    found.entities, said.entities, found.links, said.links
                ),
                Some(_) => continue,
            };
            self.problems.push(Problem::new(Origin::file(file.clone()), message));
        }
    }
}

/// The problem of a document that is of a format to come; neither pass takes it.
pub(super) fn unknown_format(placed: &Placed) -> Option<Problem> {
    let Marked { value, mark } = placed.document.format.as_ref().filter(|format| format.value != FORMAT)?;
    let message =
        format!("format {value} is unknown, this program reads format {FORMAT}: use a newer program");
    Some(placed.place(String::from("format"), *mark).problem(*mark, "", message))
}

/// Version of the world format that this program reads and writes.
pub const FORMAT: u32 = 1;

/// The world that keys of the document belong to.
pub(super) fn world(placed: &Placed) -> Option<&str> {
    let world = placed.document.world.as_ref().map(|world| world.value.as_str());
    world.filter(|name| check_name("the name", name).is_ok())
}

impl Placed {
    /// A part of the document.
    pub fn place(&self, path: String, mark: Mark) -> Place {
        Place { file: self.file.clone(), lines_before: self.lines_before, mark, path }
    }

    /// Entities of the top level.
    pub fn entities(&self) -> impl Iterator<Item = (Place, &format::Entity)> {
        let entities = self.document.entities.marked();
        entities.map(|(index, mark, entity)| (self.place(format!("entities[{index}]"), mark), entity))
    }
}
