//! Bringing a store that an older program wrote up to date.
//!
//! A store has a format, a number. Each number after the first has one [`Step`] that leads to it from the one before, so that
//! a store of any age comes up by walking through them. What a step must be is written in `migrations/README.md`; the steps of
//! a backend stand with the backend.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    error::{Error, Result},
    keyed,
    neo4j::{self, address::Address},
    open::{StoreOptions, parse},
};

/// What leads from one format to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The format that it leads to; it is for stores of the one before.
    pub number: u32,
    /// A few words to call it by.
    pub name: &'static str,
    /// What it does and why, for whoever decides whether to do it.
    pub what: &'static str,
    /// How to go back once it was begun; none if only a copy that was made before leads back.
    pub undo: Option<&'static str>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} ({})", self.number, self.name)
    }
}

/// How far a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where it is, without secrets.
    pub location: String,
    /// Its format; that before the step under way, if one is.
    pub format: u32,
    /// The format of this program.
    pub known: u32,
    /// The number of the step that was begun and is not finished.
    pub under_way: Option<u32>,
}

impl Status {
    /// Whether there is nothing to do.
    pub fn is_current(&self) -> bool {
        self.format == self.known
    }
}

/// What [`Migrate::apply`] would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The store as it is.
    pub status: Status,
    /// The steps to go, in order.
    pub steps: Vec<Planned>,
}

/// A step to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Which.
    pub step: Step,
    /// How many rows it has to write, counted on the store as it is now.
    pub rows: u64,
}

/// Who looks on while a store is migrated, and may end it. Called between two batches.
pub trait Watch: Send + Sync {
    /// A step begins, or goes on, that has so many rows to write yet.
    fn begins(&self, planned: &Planned);
    /// This many more rows of it are written.
    fn written(&self, rows: u64);
    /// Whether to stop here; what is written stays, and the next call goes on from there.
    fn stops(&self) -> bool;
}

/// A store of this or an older format, held for migrating it. A store of a newer one is refused when it is opened.
#[async_trait]
pub trait Migrate: Send + Sync {
    /// How far the store is. Writes nothing to it.
    async fn status(&self) -> Result<Status>;

    /// What has to be done. Writes nothing to it.
    async fn plan(&self) -> Result<Plan>;

    /// Takes all steps to the format of this program, or goes on where one was interrupted, however it was: by `watch`, a
    /// crash or a power cut. The status at the end is current unless `watch` stopped it.
    async fn apply(&self, watch: Arc<dyn Watch>) -> Result<Status>;

    /// What does not hold that the steps promise; empty for a sound store. Refuses one of an older format. Reads everything.
    async fn verify(&self) -> Result<Vec<String>>;
}

/// Opens the store that a URL names for migrating it, if there is one; unlike [`crate::open()`] this creates nothing.
pub async fn open(url: &str, options: StoreOptions) -> Result<Box<dyn Migrate>> {
    if Address::is_one(url) {
        let migration = neo4j::migrate::Migration::open(Address::parse(url)?, &options.neo4j).await?;
        return Ok(Box::new(migration));
    }
    match parse(url)? {
        Some((kind, path)) => Ok(Box::new(keyed::migrate::Migration::open(kind, path, options.keyed).await?)),
        // It is in a process and ends with it.
        None => Err(Error::Missing { location: url.to_owned() }),
    }
}
