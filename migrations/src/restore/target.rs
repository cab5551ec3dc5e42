//! The store that a world is moved into.

use std::sync::Arc;

use entitygraph_schema::{
    Cursor, Entity, EntityId, Operation, Transaction,
    query::{PageRequest, RecordSort},
};
use entitygraph_store::{Feed, Store};

use super::place::{self, Stand};
use crate::{
    load::Progress,
    moving::{MoveError, Result},
    patience::patiently,
};

/// What was accepted is made durable after so many transactions: what an interrupted run has to do again.
const SYNC_EVERY: u64 = 64;

/// See the module.
pub struct Target {
    store: Arc<dyn Store>,
    /// For messages.
    pub location: String,
    /// Of the move.
    id: u64,
    /// What it held when it was opened.
    pub stand: Stand,
    /// Entities put in so far.
    pub entities: u64,
    written: u64,
    /// Its newest commit: who finds a later one is not alone.
    newest: Cursor,
    /// Told of what goes in.
    pub progress: Arc<dyn Progress>,
}

impl Target {
    /// Refuses a store that holds something else than what the same move left there.
    pub async fn open(store: Arc<dyn Store>, id: u64, progress: Arc<dyn Progress>) -> Result<Self> {
        let location = store.info().location;
        let stand = stand(&*store, &location, id).await?;
        let newest = *store.newest().borrow();
        Ok(Self { store, location, id, stand, entities: 0, written: 0, newest, progress })
    }

    /// Entities as they are there.
    pub async fn get(&self, ids: &[EntityId]) -> Result<Vec<Option<Arc<Entity>>>> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(PageRequest::MAX_FIRST) {
            let read =
                || async { self.store.entities(ids).await.map_err(self.failed("reading what is there")) };
            found.extend(patiently(&*self.progress, read).await?.value);
        }
        Ok(found)
    }

    /// Writes, and leaves the target so; nothing is written for no operations.
    pub async fn write(&mut self, operations: Vec<Operation>, stand: Stand) -> Result<()> {
        if operations.is_empty() {
            return Ok(());
        }
        let adopted = |operation: &Operation| match operation {
            Operation::Adopt(entities) => entities.len() as u64,
            _ => 0,
        };
        let entities = operations.iter().map(adopted).sum::<u64>();
        let operation_id = place::name(self.id, stand, fastrand::u64(..));
        let transaction = Transaction { operation_id, ..Transaction::of(operations) };
        // With the same operation id: what came in though its answer was lost does not come in again.
        let write = || async {
            self.store.accept(transaction.clone()).await.map_err(self.failed("writing what is moved"))
        };
        let reached = patiently(&*self.progress, write).await?.0.cursor;
        if reached > self.newest.next() {
            return Err(MoveError::Mixed { location: self.location.clone() });
        }
        self.newest = reached.max(self.newest);
        self.entities += entities;
        self.written += 1;
        if self.written.is_multiple_of(SYNC_EVERY) {
            self.sync().await?;
        }
        Ok(())
    }

    /// Makes everything durable.
    pub async fn sync(&self) -> Result<()> {
        let sync = || async { self.store.sync().await.map_err(self.failed("making it durable")) };
        patiently(&*self.progress, sync).await.map(drop)
    }

    /// Sees to it that no id up to this one is leased: the source may have given it out.
    pub async fn lease_past(&self, last: EntityId) -> Result<()> {
        let mut wanted = 1;
        loop {
            let lease = || async {
                self.store.lease_ids(wanted).await.map_err(self.failed("leasing past the ids of the source"))
            };
            let leased = patiently(&*self.progress, lease).await?;
            let reached = leased.first.get() + (leased.count - 1);
            match last.get().checked_sub(reached) {
                None | Some(0) => return Ok(()),
                Some(left) => wanted = left.min(1 << 32),
            }
        }
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(entitygraph_store::Error) -> MoveError + use<> {
        MoveError::store(&self.location, doing)
    }
}

/// The move that a world came by, or is coming by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Which.
    pub id: u64,
    /// How far it came.
    pub stand: Stand,
    /// Whether nobody else committed since.
    pub is_newest: bool,
}

/// The move that a store is of; none when no world was moved into it.
pub async fn last_move(store: &dyn Store) -> Result<Option<Move>> {
    let failed = || MoveError::store(&store.info().location, "looking at what is there");
    let newest = *store.newest().borrow();
    let before = Cursor::from_number(newest.number().saturating_sub(1));
    let newest = match store.changes(before, 1).await.map_err(failed())? {
        Feed::Commits(commits) => commits.last().and_then(|last| last.operation_id.clone()),
        Feed::Resync { .. } => None,
    };
    // Programs that did not keep it yet left it with the newest commit.
    let moved = store.moved().await.map_err(failed())?.or_else(|| newest.clone());
    let Some((id, stand)) = moved.as_ref().and_then(place::read) else { return Ok(None) };
    Ok(Some(Move { id, stand, is_newest: newest == moved }))
}

/// Refuses a store in which a restore or a copy was interrupted before the world was whole, also where somebody wrote since.
///
/// # Errors
/// [`MoveError::Unfinished`], and when it cannot be told.
pub async fn refuse_unfinished(store: &dyn Store) -> Result<()> {
    match last_move(store).await? {
        Some(Move { stand: Stand::World, .. }) => {
            Err(MoveError::Unfinished { location: store.info().location })
        }
        _ => Ok(()),
    }
}

/// Refuses a store that holds anything: before its source is read, which may take long.
///
/// # Errors
/// [`MoveError::Occupied`], and when it cannot be told.
pub async fn refuse_occupied(store: &dyn Store) -> Result<()> {
    let location = store.info().location;
    match last_move(store).await? {
        Some(Move { id, .. }) => Err(left_there(location, id)),
        None => empty(store, &location).await,
    }
}

async fn stand(store: &dyn Store, location: &str, id: u64) -> Result<Stand> {
    match last_move(store).await? {
        Some(Move { id: of, .. }) if of != id => Err(left_there(location.to_owned(), of)),
        Some(Move { stand, is_newest: true, .. }) => Ok(stand),
        Some(Move { stand: Stand::World, .. }) => Err(MoveError::Mixed { location: location.to_owned() }),
        Some(_) => {
            let found = "a world that somebody wrote to after it was moved there".to_owned();
            Err(MoveError::Occupied { location: location.to_owned(), found })
        }
        None => empty(store, location).await.map(|()| Stand::Empty),
    }
}

fn left_there(location: String, of: u64) -> MoveError {
    MoveError::Occupied { location, found: format!("what the move {of:016x} left there") }
}

async fn empty(store: &dyn Store, location: &str) -> Result<()> {
    let failed = || MoveError::store(location, "looking at what is there");
    for (sort, what) in
        [(RecordSort::Entity, "entities"), (RecordSort::Buried, "buried ids"), (RecordSort::Link, "links")]
    {
        let page = store.records(sort, PageRequest::first(1)).await.map_err(failed())?;
        if !page.value.rows.is_empty() {
            return Err(MoveError::Occupied { location: location.to_owned(), found: what.to_owned() });
        }
    }
    let catalog = store.catalog();
    if catalog.registry.iter().len() + catalog.containers().len() > 0 {
        let found = "component types or containers".to_owned();
        return Err(MoveError::Occupied { location: location.to_owned(), found });
    }
    Ok(())
}
