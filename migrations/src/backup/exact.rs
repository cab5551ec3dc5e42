//! The world of a backup at one moment, record by record in the order in which every store lists them.

use std::{iter::Peekable, path::Path, sync::Arc, vec};

use entitygraph_schema::{
    Commit, Cursor, Entity, EntityId, Link,
    query::{Record, RecordSort},
};

use super::{
    bytes::FramePlace,
    file::{BackupFile, FrameReader},
    fold::{Effect, Fold, LinkKey},
    frame::{Frame, Kind},
};
use crate::{
    moving::{MoveError, Result},
    source::Cataloged,
};

impl BackupFile {
    /// The effects of all commits in the file up to a moment.
    pub fn fold(&self, to: Cursor) -> Result<Fold> {
        let mut fold = Fold::default();
        for commits in self.commits(self.begin.after)? {
            for commit in commits? {
                if commit.cursor > to {
                    return Ok(fold);
                }
                fold.add(&commit).map_err(|what| contradiction(&self.path, what))?;
            }
        }
        Ok(fold)
    }

    /// The commits after a moment, some at a time.
    pub fn commits(&self, after: Cursor) -> Result<impl Iterator<Item = Result<Vec<Arc<Commit>>>> + use<>> {
        let mut reader = FrameReader::open(&self.path)?;
        let (path, mut last) = (self.path.clone(), self.begin.after);
        let places: Vec<_> =
            self.frames.iter().filter(|place| place.kind == Kind::Commits).copied().collect();
        Ok(places.into_iter().map(move |place| {
            let Frame::Commits(mut commits) = reader.read(&place)? else {
                return Err(other_kind(&path, &place));
            };
            for commit in &commits {
                if commit.cursor != last.next() {
                    let what = format!("commit {} does not follow {last}", commit.cursor);
                    return Err(contradiction(&path, what));
                }
                last = commit.cursor;
            }
            commits.retain(|commit| commit.cursor > after);
            Ok(commits)
        }))
    }

    /// Component types and containers at the moment up to which `fold` goes.
    pub fn catalog(&self, fold: &Fold) -> Result<Cataloged> {
        let mut reader = FrameReader::open(&self.path)?;
        let (mut components, mut containers) = (fold.components.clone(), fold.containers.clone());
        for place in self.frames.iter().filter(|place| place.kind == Kind::Catalog) {
            let Frame::Catalog(some, others) = reader.read(place)? else {
                return Err(other_kind(&self.path, place));
            };
            for component in some {
                components.entry(component.id).or_insert(component);
            }
            for container in others {
                containers.entry(container.id).or_insert(container);
            }
        }
        let (components, containers) =
            (components.into_values().collect(), containers.into_values().collect());
        Ok(Cataloged { components, containers })
    }

    /// Entities at the moment up to which `fold` goes, by id.
    pub fn entities<'f>(
        &self,
        fold: &'f Fold,
    ) -> Result<impl Iterator<Item = Result<Arc<Entity>>> + use<'f>> {
        let made = fold.entities.iter().filter_map(|(id, effect)| match effect {
            Effect::Made(entity) => Some((*id, entity.clone())),
            _ => None,
        });
        let pages = self.pages(Kind::Entities, |frame| match frame {
            Frame::Entities(entities, _) => Some(entities),
            _ => None,
        })?;
        // What was there all the while must be in the file, or it was not listed.
        let mut to_meet =
            fold.entities.values().filter(|effect| matches!(effect, Effect::Changed(_))).count();
        let path = self.path.clone();
        let read = pages.map(Some).chain([None]).filter_map(move |entity| match entity {
            // What the fold makes comes from there.
            Some(Ok(entity)) if fold.made.contains(&entity.id) => None,
            Some(Ok(entity)) => {
                to_meet -= usize::from(matches!(fold.entities.get(&entity.id), Some(Effect::Changed(_))));
                fold.entity(entity).map(|entity| Ok((entity.id, entity)))
            }
            Some(Err(error)) => Some(Err(error)),
            None if to_meet == 0 => None,
            None => Some(Err(contradiction(
                &path,
                format!("{to_meet} entities are changed in it that it does not hold"),
            ))),
        });
        Ok(Merged { read: read.peekable(), over: made.peekable() })
    }

    /// Buried ids at the moment up to which `fold` goes, in order.
    pub fn buried<'f>(&self, fold: &'f Fold) -> Result<impl Iterator<Item = Result<EntityId>> + use<'f>> {
        let over = fold.entities.iter().filter(|(_, effect)| matches!(effect, Effect::Buried));
        let pages = self.pages(Kind::Buried, |frame| match frame {
            Frame::Buried(ids, _) => Some(ids),
            _ => None,
        })?;
        let read = pages.filter(|id| {
            let known = |id| matches!(fold.entities.get(id), Some(Effect::Buried));
            !id.as_ref().is_ok_and(known)
        });
        let read = read.map(|id| id.map(|id| (id, id)));
        Ok(Merged { read: read.peekable(), over: over.map(|(id, _)| (*id, *id)).peekable() })
    }

    /// Links at the moment up to which `fold` goes, by lower end, kind and higher end.
    pub fn links<'f>(&self, fold: &'f Fold) -> Result<impl Iterator<Item = Result<Link>> + use<'f>> {
        let link = |(a, kind, b): &LinkKey, cost| Link { kind: kind.clone(), a: *a, b: *b, cost };
        let over = fold.links.iter().filter_map(move |(key, cost)| Some((key.clone(), link(key, (*cost)?))));
        let pages = self.pages(Kind::Links, |frame| match frame {
            Frame::Links(links, _) => Some(links),
            _ => None,
        })?;
        let key = |link: &Link| (link.a, link.kind.clone(), link.b);
        let read =
            pages.filter(move |link| !link.as_ref().is_ok_and(|link| fold.links.contains_key(&key(link))));
        let read = read.map(move |link| link.map(|link| (key(&link), link)));
        Ok(Merged { read: read.peekable(), over: over.peekable() })
    }

    /// All records of a sort at the moment up to which `fold` goes.
    pub fn records<'f>(
        &self,
        sort: RecordSort,
        fold: &'f Fold,
    ) -> Result<Box<dyn Iterator<Item = Result<Record>> + Send + 'f>> {
        Ok(match sort {
            RecordSort::Entity => Box::new(self.entities(fold)?.map(|entity| entity.map(Record::Entity))),
            RecordSort::Buried => Box::new(self.buried(fold)?.map(|id| id.map(Record::Buried))),
            RecordSort::Link => Box::new(self.links(fold)?.map(|link| link.map(Record::Link))),
        })
    }

    fn pages<T: 'static, F: Fn(Frame) -> Option<Vec<T>>>(
        &self,
        kind: Kind,
        rows: F,
    ) -> Result<impl Iterator<Item = Result<T>> + use<T, F>> {
        let mut reader = FrameReader::open(&self.path)?;
        let path = self.path.clone();
        let places: Vec<_> = self.frames.iter().filter(|place| place.kind == kind).copied().collect();
        let pages = places.into_iter().map(move |place| {
            let frame = reader.read(&place)?;
            rows(frame).ok_or_else(|| other_kind(&path, &place))
        });
        Ok(pages.flat_map(|page| match page {
            Ok(rows) => Rows::Some(rows.into_iter()),
            Err(error) => Rows::Fault(Some(error)),
        }))
    }
}

/// The rows of a page, or why there are none.
enum Rows<T> {
    Some(vec::IntoIter<T>),
    Fault(Option<MoveError>),
}

impl<T> Iterator for Rows<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        match self {
            Self::Some(rows) => rows.next().map(Ok),
            Self::Fault(error) => error.take().map(Err),
        }
    }
}

/// Two lists in order made one.
struct Merged<Read: Iterator, Over: Iterator> {
    read: Peekable<Read>,
    over: Peekable<Over>,
}

impl<K: Ord, T, Read, Over> Iterator for Merged<Read, Over>
where
    Read: Iterator<Item = Result<(K, T)>>,
    Over: Iterator<Item = (K, T)>,
{
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        let over_first = match (self.read.peek(), self.over.peek()) {
            (Some(Ok((read, _))), Some((over, _))) => over < read,
            (Some(Err(_)), _) => false,
            (None, over) => over.is_some(),
            (_, None) => false,
        };
        if over_first {
            return self.over.next().map(|(_, row)| Ok(row));
        }
        self.read.next().map(|row| row.map(|(_, row)| row))
    }
}

fn contradiction(path: &Path, what: String) -> MoveError {
    MoveError::Contradiction { location: path.display().to_string(), what }
}

fn other_kind(path: &Path, place: &FramePlace) -> MoveError {
    contradiction(path, format!("the frame at byte {} is of another kind than it says", place.offset))
}
