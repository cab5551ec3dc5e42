//! The world as it was when the reading ended, into a store: parents before children, though they come by id.
//!
//! Who comes before its parent waits for it in memory. When too many wait they are let go, and read again in another pass;
//! every pass puts in at least one level of the tree, and for worlds whose ids grow with the tree one is enough.

use std::{collections::HashMap, sync::Arc};

use entitygraph_schema::{Cursor, Entity, EntityId, Operation};
use hashbrown::HashSet;
use tokio::sync::mpsc;

use super::{place::Stand, target::Target};
use crate::{
    backup::{BackupFile, fold::Fold},
    load::Progress,
    moving::{MoveError, Result, blocking},
    source::Cataloged,
};

/// Entities of one transaction.
const AT_ONCE: usize = 4_000;

/// Bytes of the entities of one transaction.
const BYTES_AT_ONCE: usize = 4 << 20;

/// Most bytes of entities that wait for their parents.
const WAITING_BYTES: usize = 256 << 20;

/// Entities known to be in the target without asking it.
const KNOWN: usize = 1 << 20;

/// Puts the world in, or what of it is not in yet; returns its moment.
pub async fn load(backup: &BackupFile, target: &mut Target) -> Result<Cursor> {
    let at = backup.base.cursor;
    let reading = backup.clone();
    let fold = Arc::new(blocking(move || reading.fold(at)).await?);
    let progress = target.progress.clone();
    progress.stage(&format!("writing {}", target.location));
    let mut world = World {
        progress,
        resumed: target.stand != Stand::Empty,
        target,
        last: Vec::new(),
        waiting: HashMap::new(),
        waiting_bytes: 0,
        known: HashSet::new(),
    };
    let Cataloged { components, containers } = backup.catalog(&fold)?;
    let catalog = components.into_iter().map(Operation::AdoptComponent);
    for part in parts(catalog.chain(containers.into_iter().map(Operation::AdoptContainer)), 256) {
        world.write(part?).await?;
    }
    world.progress.counts("entities", Some(backup.base.entities));
    world.entities(backup, &fold).await?;
    world.progress.counts("buried ids", Some(backup.base.buried));
    let buried = backup.buried(&fold)?.map(|id| id.map(Operation::Entomb));
    for part in parts_of(buried, AT_ONCE) {
        world.counted(part?).await?;
    }
    world.progress.counts("links", Some(backup.base.links));
    for part in parts_of(backup.links(&fold)?.map(|link| link.map(Operation::Link)), AT_ONCE) {
        world.counted(part?).await?;
    }
    world.finish(at).await
}

struct World<'a> {
    progress: Arc<dyn Progress>,
    target: &'a mut Target,
    /// Whether some of it is in the target already.
    resumed: bool,
    /// Held back until it is known whether it is the last.
    last: Vec<Operation>,
    waiting: HashMap<EntityId, Vec<Arc<Entity>>>,
    waiting_bytes: usize,
    known: HashSet<EntityId>,
}

impl World<'_> {
    /// Writes what was held back before, and holds this back.
    async fn write(&mut self, operations: Vec<Operation>) -> Result<()> {
        let before = std::mem::replace(&mut self.last, operations);
        self.target.write(before, Stand::World).await
    }

    /// The same, and counts them.
    async fn counted(&mut self, operations: Vec<Operation>) -> Result<()> {
        let count = operations.len() as u64;
        self.write(operations).await?;
        self.progress.items(count);
        Ok(())
    }

    /// Writes the last of all: with it the world is whole. What an interrupted run left out is always the end of all, so
    /// that this changes something unless a run came through before.
    async fn finish(mut self, at: Cursor) -> Result<Cursor> {
        self.target.write(std::mem::take(&mut self.last), Stand::At(at)).await?;
        Ok(at)
    }

    async fn entities(&mut self, backup: &BackupFile, fold: &Arc<Fold>) -> Result<()> {
        loop {
            let mut pages = read(backup.clone(), fold.clone());
            let (mut put, mut left) = (0, 0);
            while let Some(page) = pages.recv().await {
                let page = page?;
                let count = page.len() as u64;
                let (new, skipped) = self.page(page).await?;
                (put, left) = (put + new, left + skipped);
                self.progress.items(count);
            }
            left += self.waiting.values().map(|waiting| waiting.len() as u64).sum::<u64>();
            self.waiting.clear();
            self.waiting_bytes = 0;
            if left == 0 {
                return Ok(());
            }
            if put == 0 {
                let what = format!("{left} entities have no way up to a world root");
                return Err(MoveError::Contradiction { location: backup.path.display().to_string(), what });
            }
            self.resumed = true;
            self.progress.counts("entities, read again because their parents came late", None);
            // The next pass asks the target what is there.
            self.write(Vec::new()).await?;
        }
    }

    /// Puts in what can be; returns how many those are, and how many were let go.
    async fn page(&mut self, page: Vec<Arc<Entity>>) -> Result<(u64, u64)> {
        let page = self.missing(page).await?;
        let ids: HashSet<EntityId> = page.iter().map(|entity| entity.id).collect();
        let mut parents: Vec<_> = page
            .iter()
            .filter_map(|entity| entity.placement.parent)
            .filter(|parent| !ids.contains(parent) && !self.known.contains(parent))
            .collect();
        parents.sort_unstable();
        parents.dedup();
        let there = self.target.get(&parents).await?.into_iter().flatten().map(|entity| entity.id);
        let there: HashSet<EntityId> = there.collect();
        let mut ready = Vec::new();
        let mut here: HashMap<EntityId, Vec<Arc<Entity>>> = HashMap::new();
        for entity in page {
            match entity.placement.parent {
                Some(parent) if !self.known.contains(&parent) && !there.contains(&parent) => {
                    here.entry(parent).or_default().push(entity);
                }
                _ => ready.push(entity),
            }
        }
        // What is ready makes ready what waits for it, here and from before.
        let mut at = 0;
        while let Some(entity) = ready.get(at) {
            let id = entity.id;
            ready.extend(here.remove(&id).into_iter().flatten());
            if let Some(waited) = self.waiting.remove(&id) {
                self.waiting_bytes -= waited.iter().map(|entity| entity.size_bytes()).sum::<usize>();
                ready.extend(waited);
            }
            at += 1;
        }
        let put = ready.len() as u64;
        if !ready.is_empty() && self.known.len() + ready.len() > KNOWN {
            // What is held back is known, and not there yet.
            self.write(Vec::new()).await?;
            self.known.clear();
        }
        self.known.extend(ready.iter().map(|entity| entity.id));
        for part in parts(ready, AT_ONCE) {
            self.write(vec![Operation::Adopt(part?)]).await?;
        }
        Ok((put, self.wait(here)))
    }

    /// Keeps who waits for its parent; returns how many there is no room for.
    fn wait(&mut self, here: HashMap<EntityId, Vec<Arc<Entity>>>) -> u64 {
        let mut left = 0;
        for (parent, children) in here {
            let bytes: usize = children.iter().map(|entity| entity.size_bytes()).sum();
            if self.waiting_bytes + bytes > WAITING_BYTES {
                left += children.len() as u64;
            } else {
                self.waiting_bytes += bytes;
                self.waiting.entry(parent).or_default().extend(children);
            }
        }
        left
    }

    /// Those of a page that are not in the target; one that is there and differs is refused.
    async fn missing(&mut self, page: Vec<Arc<Entity>>) -> Result<Vec<Arc<Entity>>> {
        if !self.resumed {
            return Ok(page);
        }
        let ids: Vec<_> = page.iter().map(|entity| entity.id).collect();
        let found = self.target.get(&ids).await?;
        let mut missing = Vec::new();
        for (entity, found) in page.into_iter().zip(found) {
            match found {
                None => missing.push(entity),
                Some(found) if found.same_as(&entity) => drop(self.known.insert(entity.id)),
                Some(_) => {
                    let (location, id) = (self.target.location.clone(), entity.id);
                    let found = format!("an entity {id} that is not as the backup has it");
                    return Err(MoveError::Occupied { location, found });
                }
            }
        }
        Ok(missing)
    }
}

/// Reads entities ahead, some at a time.
fn read(backup: BackupFile, fold: Arc<Fold>) -> mpsc::Receiver<Result<Vec<Arc<Entity>>>> {
    let (pages, reading) = mpsc::channel(2);
    tokio::task::spawn_blocking(move || {
        let entities = match backup.entities(&fold) {
            Ok(entities) => entities,
            Err(error) => return drop(pages.blocking_send(Err(error))),
        };
        let (mut page, mut bytes) = (Vec::new(), 0);
        for entity in entities {
            match entity {
                Ok(entity) => {
                    bytes += entity.size_bytes();
                    page.push(entity);
                }
                Err(error) => return drop(pages.blocking_send(Err(error))),
            }
            if page.len() == AT_ONCE || bytes >= BYTES_AT_ONCE {
                bytes = 0;
                if pages.blocking_send(Ok(std::mem::take(&mut page))).is_err() {
                    return;
                }
            }
        }
        if !page.is_empty() {
            drop(pages.blocking_send(Ok(page)));
        }
    });
    reading
}

fn parts<T>(items: impl IntoIterator<Item = T>, size: usize) -> impl Iterator<Item = Result<Vec<T>>> {
    parts_of(items.into_iter().map(Ok), size)
}

fn parts_of<T>(items: impl Iterator<Item = Result<T>>, size: usize) -> impl Iterator<Item = Result<Vec<T>>> {
    let mut items = items.peekable();
    std::iter::from_fn(move || {
        items.peek()?;
        Some(items.by_ref().take(size).collect())
    })
}
