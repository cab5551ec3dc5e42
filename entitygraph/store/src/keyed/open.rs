//! Opening a store: whose rows these are, and what the writer has to know of them.

use std::sync::Arc;

use entitygraph_schema::{Catalog, ComponentType, Container, Cursor, EntityId};

use super::{
    engine::{Durability, Engine, WriteBatch},
    fault::Place,
    keys::{self, Row},
    log::Extent,
    snapshot::Snapshot,
    witness::Mark,
};
use crate::error::{Error, Result};

/// The format that this program writes.
pub const FORMAT: u32 = 2;

/// What the writer knows of the store without reading it.
#[derive(Debug)]
pub struct State {
    /// The change log.
    pub log: Extent,
    /// No id above this one was ever used.
    pub highest: u64,
    /// The next id to lease; 0 when there are none left.
    pub lease: u64,
    /// Component types and newest containers.
    pub catalog: Arc<Catalog>,
}

impl State {
    /// Reads it.
    pub fn load(snapshot: &Snapshot<'_>) -> Result<Self> {
        let mut highest = 0;
        for row in [Row::Entity, Row::Buried] {
            let (from, to) = keys::all(row);
            if let Some(key) = snapshot.last_key(&from, &to)? {
                highest = snapshot.last_id(&key)?.get().max(highest);
            }
        }
        let (log, lease) = (Extent::load(snapshot)?, next_lease(snapshot)?);
        if highest > 0 && log.first > log.newest {
            return Err(snapshot.place.corrupt("it has entities and no change log"));
        }
        Ok(Self { log, highest, lease, catalog: Arc::new(catalog(snapshot)?) })
    }

    /// How far it has come.
    pub fn mark(&self) -> Mark {
        mark(self.log.newest, self.lease)
    }
}

/// How far the store has come; an empty engine has come nowhere.
pub fn load_mark(snapshot: &Snapshot<'_>) -> Result<Mark> {
    Ok(mark(snapshot.newest()?, next_lease(snapshot)?))
}

fn mark(newest: Cursor, next_lease: u64) -> Mark {
    // The id after the last of all is 0.
    Mark { newest, leased: next_lease.wrapping_sub(1) }
}

fn next_lease(snapshot: &Snapshot<'_>) -> Result<u64> {
    match snapshot.get(&keys::lease())? {
        Some(value) => snapshot.place.number("the next id to lease", &value),
        None => Ok(EntityId::FIRST_LEASED.get()),
    }
}

fn catalog(snapshot: &Snapshot<'_>) -> Result<Catalog> {
    let mut catalog = Catalog::default();
    let (from, to) = keys::all(Row::Component);
    snapshot.scan(&from, &to, |_, value| {
        let component: ComponentType = snapshot.place.decode("a component type", value)?;
        catalog.registry.insert(Arc::new(component));
        Ok(true)
    })?;
    let (from, to) = keys::all(Row::Container);
    snapshot.scan(&from, &to, |_, value| {
        let container: Container = snapshot.place.decode("a container", value)?;
        catalog.insert(Arc::new(container));
        Ok(true)
    })?;
    Ok(catalog)
}

/// What a store says of the format of its rows.
#[derive(Debug)]
pub struct Format {
    /// All rows are in this format, or on the way from it to the next.
    pub number: u32,
    /// The step that was begun and is not finished: some rows are in the next format. Nobody may read or write such a store
    /// before the step is.
    pub under_way: Option<UnderWay>,
}

/// A migration step that was begun.
#[derive(Debug)]
pub struct UnderWay {
    /// Its number, which is that of the format it leads to.
    pub step: u32,
    /// The key that it came to; empty at the beginning.
    pub key: Vec<u8>,
}

/// The format of the store; none if the engine holds no store. One in a format that this program does not know is refused.
///
/// The number that is stored is that of the newest format that any row is in, so that an older program refuses a store from
/// the first batch of a step on. The step under way, which only newer programs know of, says that not all rows are.
pub fn format(snapshot: &Snapshot<'_>) -> Result<Option<Format>> {
    let place = snapshot.place;
    let Some(found) = snapshot.get(&keys::format())? else { return Ok(None) };
    let found =
        <[u8; 4]>::try_from(&found[..]).map_err(|_| place.corrupt("the format version is no number"))?;
    let found = match u32::from_be_bytes(found) {
        0 => return Err(place.corrupt("its format version is 0")),
        found if found > FORMAT => {
            return Err(Error::NewerFormat { location: place.location.clone(), found, known: FORMAT });
        }
        found => found,
    };
    let Some(under_way) = snapshot.get(&keys::migration())? else {
        return Ok(Some(Format { number: found, under_way: None }));
    };
    match under_way.split_first_chunk::<4>() {
        Some((step, key)) if u32::from_be_bytes(*step) == found && found > 1 => Ok(Some(Format {
            number: found - 1,
            under_way: Some(UnderWay { step: found, key: key.to_vec() }),
        })),
        _ => Err(place.corrupt(format!("a migration {under_way:02x?} is under way to format {found}"))),
    }
}

/// Whether the engine holds a store; refuses one that is not wholly in the format of this program.
pub fn is_store(snapshot: &Snapshot<'_>) -> Result<bool> {
    match format(snapshot)? {
        None => Ok(false),
        Some(Format { number: FORMAT, under_way: None }) => Ok(true),
        Some(Format { number, .. }) => Err(Error::OlderFormat {
            location: snapshot.place.location.clone(),
            found: number,
            known: FORMAT,
        }),
    }
}

/// Makes an empty engine a store whose change sequence begins after `begin`; refuses one with rows of somebody else.
pub fn create(engine: &dyn Engine, place: &Place, begin: Cursor) -> Result<()> {
    let mut any = None;
    {
        let view = engine.view();
        let snapshot = Snapshot { view: &*view, place };
        if snapshot.get(&keys::newest())?.is_some() {
            return Err(place.corrupt("it has a newest commit and no format version"));
        }
        snapshot.scan(&[0], &[u8::MAX], |key, _| {
            any = Some(key.to_vec());
            Ok(false)
        })?;
    }
    if let Some(key) = any {
        return Err(Error::Foreign {
            location: place.location.clone(),
            found: format!("a row {key:02x?} and no format version"),
        });
    }
    let mut batch = WriteBatch::new();
    batch.put(&keys::format(), &FORMAT.to_be_bytes());
    if begin != Cursor::ZERO {
        batch.put(&keys::newest(), &begin.number().to_be_bytes());
    }
    engine.write(batch, Durability::Synced).map_err(|e| place.fault("creating the store", e))
}
